"""`oms log skip`: the entry that was named, on every node, while the venue is down."""

import fcntl
from pathlib import Path

import pytest

from oms.cli import log_skip
from oms.config import SettingsError
from oms.node import skip_orders
from oms.node.log_replay import LogReplay
from oms.reference.engine import Engine
from tests.support.node_on_disk import NodeOnDisk

OTHER = "0" * 64


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[NodeOnDisk]:
    """Three stopped nodes; the third has another, uncommitted last entry."""
    made = [
        NodeOnDisk(tmp_path / name, node_id=name, order_count=2, first_client_seq=first)
        for name, first in (("n1", 1), ("n2", 1), ("n3", 2))
    ]
    folders = [node.folder for node in made]
    monkeypatch.setattr(log_skip, "chosen_nodes", lambda _data, _node: folders)
    return made


def hash_at(node: NodeOnDisk, log_index: int) -> str:
    """Hash of an entry as the report names it."""
    with node.reader() as reader:
        [entry] = reader.entries(log_index, log_index)
        return skip_orders.hash_of(entry.batch)


def ordered(nodes: list[NodeOnDisk]) -> list[dict[int, str]]:
    """Orders in the folders."""
    return [
        {order.log_index: order.entry_hash for order in skip_orders.load(node.folder.path).values()}
        for node in nodes
    ]


def test_the_order_goes_into_every_folder(nodes: list[NodeOnDisk], tmp_path: Path) -> None:
    """Also into that of a node whose own log does not have the entry yet."""
    last = nodes[0].last_index
    named = hash_at(nodes[0], last)
    assert hash_at(nodes[2], last) != named
    for _ in range(2):  # given twice is given once
        assert log_skip.skip(tmp_path, last, named.upper(), "kills the engine") == 0
    assert ordered(nodes) == [{last: named}] * 3
    order = skip_orders.load(nodes[0].folder.path)[last]
    assert order.reason == "kills the engine"
    assert order.ordered_by
    assert order.ordered_at_ns > 0


@pytest.mark.parametrize("named", ["", "abc", "x" * 64, OTHER])
def test_what_is_not_the_entrys_hash_is_refused(
    nodes: list[NodeOnDisk], tmp_path: Path, named: str
) -> None:
    with pytest.raises(SettingsError):
        log_skip.skip(tmp_path, nodes[0].last_index, named, "")
    assert ordered(nodes) == [{}] * 3


def test_an_entry_that_only_a_minority_has_is_refused(
    nodes: list[NodeOnDisk], tmp_path: Path
) -> None:
    """It is not committed; another one will stand at its index."""
    last = nodes[2].last_index
    with pytest.raises(SettingsError, match="no majority"):
        log_skip.skip(tmp_path, last, hash_at(nodes[2], last), "")
    with pytest.raises(SettingsError, match="the log ends at"):
        log_skip.skip(tmp_path, last + 1, OTHER, "")
    with pytest.raises(SettingsError, match="own entry"):
        log_skip.skip(tmp_path, 1, OTHER, "")
    assert ordered(nodes) == [{}] * 3


def test_an_entry_that_a_snapshot_has_behind_it_is_refused(
    nodes: list[NodeOnDisk], tmp_path: Path
) -> None:
    """A node lived through it, and may have told clients what came of it."""
    last = nodes[0].last_index
    nodes[1].snapshot_path(last).write_bytes(b"of whatever content")
    with pytest.raises(SettingsError, match="n2 has applied"):
        log_skip.skip(tmp_path, last, hash_at(nodes[0], last), "")
    assert ordered(nodes) == [{}] * 3


def test_nothing_is_ordered_while_a_node_runs(nodes: list[NodeOnDisk], tmp_path: Path) -> None:
    """One that runs would not know of it, and go another way than the others."""
    last = nodes[0].last_index
    with (nodes[1].folder.path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SettingsError, match="n2 runs"):
            log_skip.skip(tmp_path, last, hash_at(nodes[0], last), "")
    assert ordered(nodes) == [{}] * 3


def test_a_replay_for_operators_leaves_out_what_the_node_leaves_out(
    nodes: list[NodeOnDisk], tmp_path: Path
) -> None:
    """`oms log verify` must come to the node's state, not to that of the entry."""
    last = nodes[0].last_index
    log_skip.skip(tmp_path, last, hash_at(nodes[0], last), "")
    digests = []
    for skips in (None, skip_orders.load(nodes[0].folder.path)):
        with nodes[0].reader() as reader:
            digests.append(LogReplay(Engine(), skips=skips).run(reader, until=last).digest)
    assert digests[0] == nodes[0].engine.digest() != digests[1]
