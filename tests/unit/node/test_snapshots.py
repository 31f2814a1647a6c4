"""Snapshots: the newest that can be trusted and whose outputs are there; else an older, or none."""

import os
import select
from pathlib import Path

import pytest

from oms.bounds import EVENT_BYTES, SNAPSHOT_EVERY_ENTRIES, SNAPSHOTS_KEPT
from oms.node.event_file import EVENTS
from oms.node.event_log import EventLog
from oms.node.restoring import restore_newest
from oms.node.snapshots import Snapshots
from oms.node.wakeup import Wakeup
from oms.reference.engine import Engine
from oms.replication import snapshot_file
from tests.support.node_on_disk import flip
from tests.support.node_parts import CLUSTER_ID, login, order, silent_log
from tests.support.node_replica import OneReplica


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "snapshots"
    made.mkdir(exist_ok=True)
    return made


def snapshots_of(
    one: OneReplica,
    folder: Path,
    turn: int = 0,
    events_crc: int | None = None,
) -> Snapshots:
    """The snapshots of this replica, in a cluster of three."""
    return Snapshots(
        folder,
        engine=one.engine,
        event_log=one.event_log,
        cluster_id=CLUSTER_ID,
        turn=turn,
        node_count=3,
        say=silent_log(),
        events_crc=one.event_log.day_crc if events_crc is None else events_crc,
    )


def restore(folder: Path, event_log: EventLog, cluster_id: int = CLUSTER_ID) -> tuple[int, Engine]:
    """What a restart begins from."""
    engine = Engine()
    restored = restore_newest(
        folder.parent,
        engine=engine,
        event_log=event_log,
        cluster_id=cluster_id,
        log_base=lambda: 0,
        say=silent_log(),
    )
    return restored.log_index, engine


def three(one: OneReplica, folder: Path) -> list[int]:
    """Take three snapshots; their log indexes."""
    made = snapshots_of(one, folder)
    one.apply(login())
    indexes = []
    for number in range(1, 4):
        one.apply(order(number))
        made.stop()
        indexes.append(one.engine.applied_index)
    return indexes


def test_the_newest_is_taken_and_the_event_log_cut_to_it(one: OneReplica, folder: Path) -> None:
    indexes = three(one, folder)
    digest, event_seq = one.engine.digest(), one.event_log.event_seq
    one.apply(order(4))
    index, engine = restore(folder, one.event_log)
    assert index == indexes[-1] == engine.applied_index
    assert (engine.digest(), one.event_log.event_seq) == (digest, event_seq)


def test_outputs_are_on_disk_before_the_snapshot_that_relies_on_them(
    one: OneReplica, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log before it may be archived then: what is lost of the outputs is dear to make again."""
    done: list[str] = []
    sync, rename = os.fdatasync, Path.rename

    def synced(fd: int) -> None:
        done.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        sync(fd)

    def renamed(path: Path, target: Path) -> Path:
        done.append(target.name)
        return rename(path, target)

    monkeypatch.setattr(os, "fdatasync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    one.apply(login())
    snapshots_of(one, folder).stop()
    made = snapshot_file.newest_first(folder)[0].name
    assert EVENTS in done[: done.index(made)]


def test_a_damaged_snapshot_gives_way_to_an_older_one(one: OneReplica, folder: Path) -> None:
    indexes = three(one, folder)
    newest = snapshot_file.path_of(folder, indexes[-1])
    newest.write_bytes(newest.read_bytes()[:-1])
    assert restore(folder, one.event_log)[0] == indexes[-2]


def test_a_snapshot_without_its_outputs_is_passed_over(one: OneReplica, folder: Path) -> None:
    """The events below the snapshot could not be replayed: the log can make them again."""
    indexes = three(one, folder)
    second = snapshot_file.read(snapshot_file.path_of(folder, indexes[1]))
    one.event_log.truncate(second.event_seq)
    assert restore(folder, one.event_log)[0] == indexes[1]
    one.event_log.truncate(1)
    index, engine = restore(folder, one.event_log)
    assert (index, engine.applied_index, one.event_log.event_seq) == (0, 0, 0)


def test_outputs_that_changed_on_disk_are_made_again(one: OneReplica, folder: Path) -> None:
    """A flipped bit would be replayed to a client as the truth."""
    indexes = three(one, folder)
    second = snapshot_file.read(snapshot_file.path_of(folder, indexes[1]))
    assert restore_after_flip(one, folder, second.event_seq * EVENT_BYTES + 70) == indexes[1]
    assert restore_after_flip(one, folder, 70) == 0


def test_a_new_snapshot_does_not_vouch_for_a_change_on_disk(one: OneReplica, folder: Path) -> None:
    """What changed before it is found at the next start, not taken for what was made."""
    indexes = three(one, folder)
    newest = snapshot_file.read(snapshot_file.path_of(folder, indexes[-1]))
    running = snapshots_of(one, folder, events_crc=newest.events_crc)
    flip(folder.parent / "events.log", 70)
    one.apply(order(4))
    running.stop()
    last = snapshot_file.read(snapshot_file.newest_first(folder)[0])
    assert last.log_index > indexes[-1]
    assert restore(folder, one.event_log)[0] == 0, "the log makes them again"


def test_nor_does_the_first_one_of_a_nodes_life(one: OneReplica, folder: Path) -> None:
    """No snapshot before it has a checksum to go on from."""
    running = snapshots_of(one, folder)
    one.apply(login())
    one.apply(order(1))
    one.event_log.flush()
    flip(folder.parent / "events.log", 70)
    running.stop()
    assert restore(folder, one.event_log)[0] == 0, "the log makes them again"


def restore_after_flip(one: OneReplica, folder: Path, at: int) -> int:
    """Change a bit of the event log on disk; where a new process then begins."""
    path = folder.parent / "events.log"
    one.event_log.flush()
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    reopened = EventLog(path)
    index, _ = restore(folder, reopened)
    assert (index == 0) == (reopened.event_seq == 0)
    reopened.close()
    return index


def test_another_clusters_snapshot_is_passed_over(one: OneReplica, folder: Path) -> None:
    three(one, folder)
    assert restore(folder, one.event_log, cluster_id=CLUSTER_ID + 1)[0] == 0


def test_a_snapshot_wakes_the_loop_and_leaves_the_newest_only(
    one: OneReplica, folder: Path
) -> None:
    made, wakeup = snapshots_of(one, folder), Wakeup()
    made.wake_by(wakeup.write_fd)
    one.apply(login())
    for number in range(1, SNAPSHOTS_KEPT + 3):
        one.apply(order(number))
        made.start()
        select.select([wakeup.read_fd], [], [], 10)
        wakeup.clear()
        made.finish()
    assert len(snapshot_file.newest_first(folder)) == SNAPSHOTS_KEPT
    wakeup.close()


def test_nodes_take_turns_and_the_leader_waits_a_period_longer(
    one: OneReplica, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three copies at once would stop the venue; a leader's copy makes clients wait."""
    due = []
    for turn in range(3):
        made = snapshots_of(one, folder, turn)
        due.append(first_due(made, one, monkeypatch, is_leading=False))
    period = SNAPSHOT_EVERY_ENTRIES
    assert due == [period, period // 3, period * 2 // 3]
    made = snapshots_of(one, folder)
    leading = first_due(made, one, monkeypatch, is_leading=True)
    assert leading == 2 * period


def first_due(
    made: Snapshots, one: OneReplica, monkeypatch: pytest.MonkeyPatch, *, is_leading: bool
) -> int:
    """First log index at which a snapshot is due."""
    low, high = one.engine.applied_index, 10 * SNAPSHOT_EVERY_ENTRIES
    while low < high:
        middle = (low + high) // 2
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "applied_index", middle)
            is_due = made.is_due(is_leading=is_leading)
        low, high = (low, middle) if is_due else (middle + 1, high)
    return low


def test_a_failed_write_is_reported_and_tried_again(
    one: OneReplica, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path, _snapshot: snapshot_file.Snapshot) -> Path:
        raise OSError(28, "No space left on device")

    made = snapshots_of(one, folder)
    with monkeypatch.context() as patch:
        patch.setattr(snapshot_file, "write", refuse)
        made.stop()
    assert snapshot_file.newest_first(folder) == []
    made.stop()
    assert len(snapshot_file.newest_first(folder)) == 1
