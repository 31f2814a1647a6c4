"""Snapshots in a stopped node's folder: told apart, restored only where they belong, never lost."""

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from oms.config import SettingsError
from oms.node import snapshot_shelf
from oms.node.event_log import EventLog
from oms.node.restoring import restore_newest
from oms.reference.engine import Engine
from oms.replication import snapshot_file
from tests.support.node_on_disk import NodeOnDisk, flip
from tests.support.node_parts import CLUSTER_ID, silent_log


@pytest.fixture
def node(tmp_path: Path) -> NodeOnDisk:
    return NodeOnDisk(tmp_path / "n1", snapshots_at=(5, 8))


def other(tmp_path: Path, *, at: int, order_count: int = 6, first: int = 1) -> Path:
    """A snapshot of another node of the same cluster."""
    made = NodeOnDisk(
        tmp_path / "n2",
        snapshots_at=(at,),
        node_id="n2",
        order_count=order_count,
        first_client_seq=first,
    )
    return made.snapshot_path(at)


def start(node: NodeOnDisk) -> int:
    """Which snapshot the node's start takes."""
    events = EventLog(node.folder.events)
    try:
        return restore_newest(
            node.folder.path,
            engine=Engine(),
            event_log=events,
            cluster_id=CLUSTER_ID,
            log_base=lambda: 0,
            say=silent_log(),
        ).log_index
    finally:
        events.close()


def content(path: Path) -> dict[str, bytes]:
    files = (item for item in path.rglob("*") if item.is_file() and item.name != "lock")
    return {str(item.relative_to(path)): item.read_bytes() for item in files}


def test_the_list_says_what_is_valid(node: NodeOnDisk) -> None:
    flip(node.snapshot_path(5), 100)
    views, whole = snapshot_shelf.load_all(node.folder)
    assert [(view.log_index, bool(view.fault)) for view in views] == [(8, False), (5, True)]
    assert [item.log_index for item in whole] == [8]
    assert "checksum" in views[1].fault


def test_a_snapshot_of_another_cluster_is_no_good(node: NodeOnDisk) -> None:
    kept = snapshot_file.read(node.snapshot_path(8))
    snapshot_file.write(node.folder.snapshots, replace(kept, cluster_id=CLUSTER_ID + 1))
    views, _ = snapshot_shelf.load_all(node.folder)
    assert "of cluster" in views[0].fault


def test_verifying_finds_what_its_checksum_does_not(node: NodeOnDisk) -> None:
    """A header that does not belong to the state, and outputs that are not what they were."""
    kept = snapshot_file.read(node.snapshot_path(8))
    assert snapshot_shelf.faults(node.folder, kept) == []
    for wrong, word in (
        (replace(kept, digest=kept.digest ^ 1), "digest"),
        (replace(kept, log_index=7), "log index"),
        (replace(kept, event_seq=kept.event_seq - 1), "event_seq"),
        (replace(kept, state=kept.state[:-1]), "cannot be restored"),
        (replace(kept, events_crc=0), "not what it was"),
    ):
        assert any(word in text for text in snapshot_shelf.faults(node.folder, wrong))
    node.folder.events.unlink()
    assert any("ends before" in text for text in snapshot_shelf.faults(node.folder, kept))


def test_a_snapshot_of_another_node_becomes_the_start(node: NodeOnDisk, tmp_path: Path) -> None:
    """Newer ones are set aside, or the start would take them instead."""
    before = content(node.folder.path)
    done = snapshot_shelf.restore(node.folder, other(tmp_path, at=6))
    assert (done.log_index, done.are_events_rebuilt) == (6, False)
    assert done.set_aside == ["set-aside/0000000000000008.snapshot.1"]
    assert start(node) == 6
    kept = set(content(node.folder.path).values())
    assert set(before.values()) - {before["events.log"]} <= kept, "nothing is destroyed"


def test_a_damaged_snapshot_is_replaced_and_kept(node: NodeOnDisk, tmp_path: Path) -> None:
    flip(node.snapshot_path(8), 100)
    damaged = node.snapshot_path(8).read_bytes()
    done = snapshot_shelf.restore(node.folder, other(tmp_path, at=8))
    assert (node.folder.path / done.set_aside[0]).read_bytes() == damaged
    assert start(node) == 8


def test_lost_outputs_are_made_again_from_the_log(node: NodeOnDisk, tmp_path: Path) -> None:
    """A snapshot without its outputs would be passed over at the start."""
    whole = node.folder.events.read_bytes()
    node.folder.events.write_bytes(whole[:256])
    done = snapshot_shelf.restore(node.folder, other(tmp_path, at=8))
    assert done.are_events_rebuilt
    assert "set-aside/events.log.1" in done.set_aside
    made = node.folder.events.read_bytes()
    assert made == whole[: len(made)]
    assert start(node) == 8


def test_restoring_twice_changes_nothing_more(node: NodeOnDisk) -> None:
    """A snapshot that is in its place already."""
    first = snapshot_shelf.restore(node.folder, node.snapshot_path(5))
    before = content(node.folder.path)
    assert len(first.set_aside) == 1
    assert snapshot_shelf.restore(node.folder, node.snapshot_path(5)).set_aside == []
    assert content(node.folder.path) == before


def refused(node: NodeOnDisk, source: Path, word: str) -> None:
    """It is refused for this reason, and no file has changed."""
    before = content(node.folder.path)
    with pytest.raises(SettingsError, match=word):
        snapshot_shelf.restore(node.folder, source)
    assert content(node.folder.path) == before


def test_what_does_not_belong_here_is_refused(node: NodeOnDisk, tmp_path: Path) -> None:
    """Damaged, of another cluster, or not there."""
    source = tmp_path / node.snapshot_path(8).name
    source.write_bytes(node.snapshot_path(8).read_bytes())
    flip(source, 80)
    refused(node, source, "checksum")
    kept = snapshot_file.read(node.snapshot_path(8))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    foreign = snapshot_file.write(elsewhere, replace(kept, cluster_id=CLUSTER_ID + 1))
    refused(node, foreign, "of cluster")
    refused(node, tmp_path / "nothing", "No such file")


def test_a_snapshot_beyond_the_nodes_log_is_refused(node: NodeOnDisk, tmp_path: Path) -> None:
    """The node would vouch for entries that it does not have."""
    beyond = node.last_index + 1
    refused(node, other(tmp_path, at=beyond, order_count=9), "ends at")


def test_a_state_that_the_nodes_own_log_does_not_make_is_refused(
    node: NodeOnDisk, tmp_path: Path
) -> None:
    """Same cluster, same index, another history: one of the two logs is wrong."""
    refused(node, other(tmp_path, at=8, first=2), "does not make")


def test_a_running_node_is_refused(node: NodeOnDisk, tmp_path: Path) -> None:
    fd = os.open(node.folder.path / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        refused(node, other(tmp_path, at=8), "node n1 runs")
    finally:
        os.close(fd)
