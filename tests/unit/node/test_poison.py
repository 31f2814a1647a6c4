"""An entry that kills who applies it: noticed, reported, and left out by order only."""

from pathlib import Path

import msgspec
import pytest

from oms.config import SettingsError
from oms.messages.packing import pack_batch
from oms.node import poison, skip_orders
from oms.node.poison import ApplyNote
from oms.node.skip_orders import SkipOrder, WrongSkipOrder
from tests.support import node_replica
from tests.support.node_on_disk import NodeOnDisk, cluster_genesis
from tests.support.node_parts import CLUSTER_ID, NOW_NS, login, order, silent_log
from tests.support.node_replica import OneReplica
from tests.support.poisoned_engine import POISON, Dies, RaisingEngine

BAD = pack_batch(
    NOW_NS + 50, [msgspec.structs.replace(order(1), cl_ord_id=POISON), order(2)]
)  # one bad order, and a good one that shares its entry
GOOD = pack_batch(NOW_NS + 60, [login()])


def skip(log_index: int, entry: bytes) -> SkipOrder:
    """An order to leave an entry out."""
    return SkipOrder(log_index, skip_orders.hash_of(entry), NOW_NS, "ann", "a fault")


def process(folder: Path, log_index: int, *, dies: bool) -> int:
    """A process that applies one entry; deaths that it counted at its start."""
    note = ApplyNote(folder / poison.FILE_NAME)
    deaths = note.deaths
    note.begin(log_index)
    if not dies:
        note.end(log_index)
    note.close()
    return deaths


def start(folder: Path) -> poison.EntryGuard:
    """What a node does at its start."""
    return poison.open_guard(folder, cluster_id=CLUSTER_ID, node_id="n1", say=silent_log())


# ---- the note


def test_deaths_at_one_entry_are_counted(tmp_path: Path) -> None:
    assert [process(tmp_path, 7, dies=True) for _ in range(4)] == [0, 1, 2, 3]


def test_deaths_at_different_entries_are_no_ones_fault(tmp_path: Path) -> None:
    """Two kills at two places say nothing about either entry."""
    for log_index in (7, 8, 9):
        assert process(tmp_path, log_index, dies=True) <= 1


def test_an_entry_that_is_applied_in_the_end_is_forgiven(tmp_path: Path) -> None:
    """It was killed from outside, twice in the same place; a replay passed it."""
    process(tmp_path, 7, dies=True)
    process(tmp_path, 7, dies=False)
    assert [process(tmp_path, 7, dies=True) for _ in range(2)] == [0, 1]


def test_a_stop_before_the_suspect_changes_nothing(tmp_path: Path) -> None:
    """A replay that was stopped on its way has not proved anything."""
    process(tmp_path, 7, dies=True)
    process(tmp_path, 3, dies=False)
    assert process(tmp_path, 7, dies=True) == 1
    assert process(tmp_path, 7, dies=True) == 2


@pytest.mark.parametrize("content", [b"", b"short", bytes(range(256)) * 20])
def test_a_note_that_is_none_begins_anew(tmp_path: Path, content: bytes) -> None:
    """It is a hint, never a reason not to start."""
    (tmp_path / poison.FILE_NAME).write_bytes(content)
    assert process(tmp_path, 7, dies=True) == 0
    assert process(tmp_path, 7, dies=True) == 1


# ---- the start


def test_after_two_deaths_the_node_refuses_and_names_entry_and_way_out(tmp_path: Path) -> None:
    node = NodeOnDisk(tmp_path / "n1")
    suspect = node.last_index
    with node.reader() as reader:
        [entry] = reader.entries(suspect, suspect)
    process(node.folder.path, suspect, dies=True)
    start(node.folder.path).close()
    process(node.folder.path, suspect, dies=True)
    with pytest.raises(SettingsError):
        start(node.folder.path)
    with pytest.raises(SettingsError) as refused:  # and it stays refused
        start(node.folder.path)
    text = str(refused.value)
    assert len(text.splitlines()) == 4
    digest = skip_orders.hash_of(entry.batch)
    assert f"--index {suspect} --hash {digest}" in text
    assert "every node would die of it" in text
    skip_orders.add(node.folder.path, skip(suspect, entry.batch))
    start(node.folder.path).close()


def test_a_report_without_a_readable_journal_says_so(tmp_path: Path) -> None:
    for _ in range(2):
        process(tmp_path, 9, dies=True)
    with pytest.raises(SettingsError, match="cannot be read from the journal"):
        start(tmp_path)


# ---- orders


def test_orders_are_kept_with_who_when_and_why(tmp_path: Path) -> None:
    first, second = skip(9, BAD), skip(4, GOOD)
    assert skip_orders.add(tmp_path, first)
    assert skip_orders.add(tmp_path, second)
    assert not skip_orders.add(tmp_path, skip(9, BAD)), "given twice is given once"
    assert skip_orders.load(tmp_path) == {9: first, 4: second}


def test_two_orders_for_one_index_are_refused(tmp_path: Path) -> None:
    skip_orders.add(tmp_path, skip(9, BAD))
    with pytest.raises(SettingsError, match="another entry"):
        skip_orders.add(tmp_path, skip(9, GOOD))


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"log_index": 3}', b"\n"])
def test_orders_that_cannot_be_read_stop_the_start(tmp_path: Path, content: bytes) -> None:
    """Without its orders a node would go another way than the others."""
    (tmp_path / skip_orders.FILE_NAME).write_bytes(content)
    with pytest.raises(SettingsError, match="skip orders"):
        start(tmp_path)


# ---- the replica


def replica(folder: Path, *orders: SkipOrder, is_poisoned: bool = True) -> OneReplica:
    """A node that starts with these orders; what was published of its genesis is gone."""
    folder.mkdir(exist_ok=True)
    (folder / "events.log").unlink(missing_ok=True)  # a start fills it again
    for item in orders:
        skip_orders.add(folder, item)
    return OneReplica(folder, RaisingEngine() if is_poisoned else None)


def test_a_node_dies_twice_and_then_stops(tmp_path: Path) -> None:
    """The engine's death leaves the entry noted; after the second one the start refuses."""
    log_index = 2
    for _ in range(2):
        made = replica(tmp_path)
        with pytest.raises(Dies):
            made.replica.on_commit(log_index, 1, BAD)
        made.close()
    with pytest.raises(SettingsError, match=f"log index {log_index} killed this node 2 times"):
        replica(tmp_path)


def test_nodes_that_skip_are_alike_and_one_that_did_not_fences_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order decides an outcome: who has it not is another replica."""
    monkeypatch.setattr(node_replica, "genesis", cluster_genesis)
    log_index = 2
    bad = skip(log_index, BAD)
    nodes = [
        replica(tmp_path / "n1", bad),
        replica(tmp_path / "n2", bad),
        replica(tmp_path / "n3", is_poisoned=False),
    ]
    for node in nodes:
        node.replica.on_commit(log_index, 1, BAD)
        node.replica.on_commit(log_index + 1, 1, GOOD)
    statuses = [node.status.status() for node in nodes]
    assert [status.skip_orders for status in statuses] == [1, 1, 0]
    assert [status.applied_index for status in statuses] == [log_index + 1] * 3
    assert statuses[0].digest == statuses[1].digest != statuses[2].digest
    assert nodes[0].event_log.event_seq == nodes[1].event_log.event_seq
    for node in nodes[:2]:
        assert node.replica.entries_applied == nodes[2].replica.entries_applied
        assert '"entry_skipped"' in node.said.getvalue()
        assert bad.entry_hash in node.said.getvalue()
    third = statuses[2]
    for name, status in (("n1", statuses[0]), ("n2", statuses[1])):
        nodes[2].digests.compare(msgspec.structs.replace(status, node_id=name))
    assert nodes[2].digests.must_fence
    nodes[0].digests.compare(msgspec.structs.replace(third, node_id="n3"))
    assert not nodes[0].digests.must_fence, "one that differs is its own trouble"
    for node in nodes:
        node.close()


def test_a_skipped_suspect_is_suspected_no_more(tmp_path: Path) -> None:
    for _ in range(2):
        process(tmp_path, 99, dies=True)
    skip_orders.add(tmp_path, skip(99, BAD))
    guard = start(tmp_path)
    assert guard.must_skip(99, BAD)
    guard.close()
    assert process(tmp_path, 100, dies=False) == 0


def test_an_order_that_names_another_entry_is_nobodys_guess(tmp_path: Path) -> None:
    """Leaving out the wrong entry, or applying the one that kills, would both be wrong."""
    made = replica(tmp_path, skip(2, GOOD))
    with pytest.raises(WrongSkipOrder):
        made.replica.on_commit(2, 1, BAD)
    assert made.engine.applied_index == 1
    made.close()
