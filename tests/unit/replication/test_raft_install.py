"""Followers that need what is in no journal any more: they get a snapshot, whole or not at all."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms import bounds
from oms.replication import snapshot_receiver, snapshot_sender
from oms.replication.raft_log import RaftLog
from oms.replication.raft_messages import AppendEntries, InstallSnapshot, Message
from oms.replication.raft_transport import RankedNode
from tests.support.raft_cluster import Cluster, Fatal, Shelf


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, segment_bytes=64 << 10)
    cluster.start_all()
    yield cluster
    cluster.close()


def fill(cluster: Cluster, first: int, last: int, size: int = 4000) -> None:
    leader = cluster.leader()
    for number in range(first, last):
        while not leader.propose(b"%d " % number + bytes(size)):
            cluster.turn()  # small segments are full sooner than the next one is made
    cluster.until(lambda: leader.pending() == 0)


def numbers(cluster: Cluster, name: str) -> list[int]:
    return [int(entry.split(b" ")[0]) for entry in cluster.entries(name)]


def leave_behind(cluster: Cluster, count: int = 300) -> str:
    """A follower that is away while the others archive what it lacks."""
    fill(cluster, 0, 5)
    cluster.settle()
    away = cluster.follower_names()[0]
    cluster.kill(away)
    fill(cluster, 5, count)
    cluster.settle()
    for name in list(cluster.logs):
        assert cluster.archive(name) > 20
    fill(cluster, count, count + 5)
    return away


def test_follower_far_behind_gets_a_snapshot_and_then_the_rest(cluster: Cluster) -> None:
    away = leave_behind(cluster)
    cluster.start(away)
    cluster.settle()
    assert [name for name, _ in cluster.installed] == [away]
    assert numbers(cluster, away) == list(range(305))
    assert cluster.logs[away].status().base_index == cluster.installed[0][1]
    fill(cluster, 305, 310)
    cluster.settle()
    assert numbers(cluster, away) == list(range(310))
    cluster.kill(away)
    cluster.start(away)
    cluster.settle()
    assert numbers(cluster, away) == list(range(310))


def test_installed_node_is_a_full_member(cluster: Cluster) -> None:
    """It can carry a majority and lead: what it holds counts as much as entries do."""
    away = leave_behind(cluster)
    cluster.start(away)
    cluster.settle()
    cluster.until(lambda: cluster.leader().transfer(away) == "")
    cluster.until(lambda: cluster.logs[away].status().is_accepting)
    cluster.kill(cluster.follower_names()[0])
    fill(cluster, 305, 310)
    assert numbers(cluster, away) == list(range(310))


def test_finding_04_reconnect_in_the_middle_leaves_no_hole(cluster: Cluster) -> None:
    """The library resumed at an old offset: a snapshot with a hole was installed."""
    away = leave_behind(cluster, count=400)
    log = cluster.start(away)
    breaks = 0
    while not cluster.installed:
        cluster.turn()
        offset = log._core._receiver.next_offset if log._core._receiver else 0
        if offset > breaks * bounds.SNAPSHOT_CHUNK_BYTES and breaks < 5:
            breaks += 1
            for link in list(log._transport._links.values()):
                log._transport._close(link, "test")
    assert breaks == 5
    cluster.settle()
    assert numbers(cluster, away) == list(range(405))


def test_change_of_leader_in_the_middle_begins_with_the_new_leaders_file(
    cluster: Cluster,
) -> None:
    away = leave_behind(cluster, count=400)
    log = cluster.start(away)
    cluster.until(lambda: log.status().installing > 0)
    old = cluster.leader()
    other = next(name for name in cluster.follower_names() if name != away)
    assert old.transfer(other) == ""
    cluster.until(lambda: cluster.logs[other].status().is_accepting)
    cluster.settle()
    assert numbers(cluster, away) == list(range(405))


def test_newer_snapshot_meanwhile_changes_nothing_of_the_one_under_way(cluster: Cluster) -> None:
    """The file has lost its name and is still sent to its end."""
    away = leave_behind(cluster, count=400)
    log = cluster.start(away)
    cluster.until(lambda: log.status().installing > 0)
    under_way = log.status().installing
    leader = cluster.leader_name()
    for path in cluster.shelf(leader).folder.glob("*.snapshot"):
        path.unlink()
    cluster.snapshot(leader)
    cluster.settle()
    assert cluster.installed[0] == (away, under_way)
    assert numbers(cluster, away) == list(range(405))


def test_leader_without_a_snapshot_says_so_and_leads_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_sender, "AGAIN_S", 0.05)
    away = leave_behind(cluster)
    for name in list(cluster.logs):
        for path in cluster.shelf(name).folder.glob("*.snapshot"):
            path.unlink()
    cluster.start(away)
    cluster.until(lambda: any(event == "snapshot_missing" for _, event, _ in cluster.reports))
    fill(cluster, 305, 306)
    assert len(numbers(cluster, away)) <= 5
    cluster.snapshot(cluster.leader_name())
    cluster.settle()
    assert numbers(cluster, away) == list(range(306))


class Crash(Exception):
    """The follower's process dies here."""


def dies(*_args: object) -> None:
    raise Crash


CRASHES = [
    "oms.replication.snapshot_file.check",
    "oms.replication.snapshot_receiver._write_intent",
    "pathlib.Path.rename",
    "oms.replication.snapshot_receiver.sync_folder",
    "oms.replication.journal.DiskJournal.rebase",
    "oms.replication.snapshot_receiver._remove_intent",
]


@pytest.mark.parametrize("step", CRASHES)
def test_crash_at_any_step_leaves_a_node_that_starts_and_catches_up(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Before the file has its name nothing happened, from then on the next start goes on."""
    away = leave_behind(cluster)
    cluster.start(away)
    monkeypatch.setattr(step, dies)
    with pytest.raises(Crash):
        cluster.until(lambda: bool(cluster.installed))
    cluster.kill(away)
    monkeypatch.undo()
    cluster.start(away)
    cluster.settle()
    assert numbers(cluster, away) == list(range(305))
    assert not list(cluster.shelf(away).folder.glob("installing/*"))
    assert not (cluster.folder / away / "installing").exists()


def test_leader_that_dies_in_the_middle_is_replaced_and_the_next_one_sends_its_own(
    cluster: Cluster,
) -> None:
    away = leave_behind(cluster, count=400)
    log = cluster.start(away)
    cluster.until(lambda: log.status().installing > 0)
    dead = cluster.leader_name()
    cluster.kill(dead)
    cluster.settle()
    assert numbers(cluster, away) == list(range(405))
    cluster.start(dead)
    cluster.settle()


def test_follower_without_space_for_the_file_tries_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the copy stays behind: it would take the space that the log needs."""
    monkeypatch.setattr(snapshot_sender, "AGAIN_S", 0.05)
    away = leave_behind(cluster)
    full = OSError(errno.ENOSPC, "no space left")

    def refuse(*_args: object) -> int:
        raise full

    monkeypatch.setattr(snapshot_receiver.SnapshotReceiver, "_write", refuse)
    cluster.start(away)
    cluster.until(lambda: any("no space" in reason for _, _, reason in cluster.reports))
    assert not list(cluster.shelf(away).folder.glob("installing/*"))
    monkeypatch.undo()
    cluster.settle()
    assert numbers(cluster, away) == list(range(305))


def test_failing_disk_ends_the_follower(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    away = leave_behind(cluster)
    broken = OSError(errno.EIO, "input/output error")

    def fail(*_args: object) -> int:
        raise broken

    monkeypatch.setattr(snapshot_receiver.SnapshotReceiver, "_write", fail)
    cluster.start(away)
    with pytest.raises(Fatal, match="snapshot_io_error"):
        cluster.until(lambda: bool(cluster.installed))
    cluster.kill(away)


@pytest.mark.parametrize(
    "step",
    [
        "oms.replication.snapshot_receiver.sync_folder",
        "oms.replication.snapshot_receiver._remove_intent",
    ],
)
def test_disk_that_fails_half_way_ends_the_node_and_the_next_start_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Once the file has its name even a lack of space is no reason to go on with the old log: the
    next start would find a snapshot ahead of it and refuse.
    """
    away = leave_behind(cluster)
    full = OSError(errno.ENOSPC, "no space left")
    log = cluster.start(away)
    written = snapshot_receiver._write_intent

    def write_then_fail(*args: object) -> None:
        monkeypatch.undo()
        written(*args)  # type: ignore[arg-type]
        monkeypatch.setattr(step, fail)

    def fail(*_args: object) -> None:
        raise full

    monkeypatch.setattr(snapshot_receiver, "_write_intent", write_then_fail)
    with pytest.raises(Fatal, match="snapshot_io_error"):
        cluster.until(lambda: bool(cluster.installed))
    assert log.status().installing > 0
    cluster.kill(away)
    monkeypatch.undo()
    cluster.start(away)
    cluster.settle()
    assert numbers(cluster, away) == list(range(305))


def test_snapshot_of_another_cluster_is_refused(cluster: Cluster) -> None:
    """The bytes are right, and mean nothing here."""
    away = leave_behind(cluster)
    leader = cluster.leader_name()
    index, state = cluster.shelf(leader).load()
    Shelf(cluster.shelf(leader).folder, cluster_id=9).put(index, state)
    cluster.start(away)
    cluster.until(lambda: any("of cluster" in reason for _, _, reason in cluster.reports))
    assert cluster.installed == []
    cluster.shelf(leader).put(index, state)
    cluster.settle()
    assert numbers(cluster, away) == list(range(305))


def changed(leader: RaftLog, away: str, patch: pytest.MonkeyPatch, times: int) -> list[int]:
    """The first pieces arrive with one bit changed (as if the leader's disk had)."""
    send, done = leader._transport.send, [0]

    def damaging(node: RankedNode, message: Message) -> bool:
        if isinstance(message, InstallSnapshot) and node.node_id == away and done[0] < times:
            done[0] += 1
            data = bytes([message.data[0], message.data[1] ^ 1]) + message.data[2:]
            message = InstallSnapshot(
                message.term, message.log_index, message.log_term, message.file_bytes,
                message.offset, data,
            )  # fmt: skip
        return send(node, message)

    patch.setattr(leader._transport, "send", damaging)
    return done


def test_damaged_copy_is_refused_and_sent_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = leave_behind(cluster)
    done = changed(cluster.leader(), away, monkeypatch, 1)
    cluster.start(away)
    cluster.settle()
    assert done == [1]
    assert any(event == "snapshot_refused" for _, event, _ in cluster.reports)
    assert len(cluster.installed) == 1
    assert numbers(cluster, away) == list(range(305))


def test_follower_that_has_the_entry_needs_no_snapshot(cluster: Cluster) -> None:
    """A leader that begins behind its base asks for the base before it sends a file."""
    fill(cluster, 0, 60)
    cluster.settle()
    away = cluster.follower_names()[0]
    cluster.kill(away)
    fill(cluster, 60, 62)
    cluster.settle()
    for name in list(cluster.logs):
        cluster.archive(name)
    cluster.start(away)
    cluster.settle()
    assert cluster.installed == []
    assert numbers(cluster, away) == list(range(62))


def test_finding_03_pieces_move_neither_commit_index_nor_log(cluster: Cluster) -> None:
    away = leave_behind(cluster)
    log = cluster.start(away)
    before = log.status()
    node = RankedNode("n1" if away != "n1" else "n2", 0)
    term = cluster.leader().status().term + 1
    log._core._on_message(node, InstallSnapshot(term, 250, 1, 9999, 0, b"x" * 100))
    log._core._on_message(node, InstallSnapshot(term, 250, 1, 9999, 500, b"y" * 100))
    after = log.status()
    assert after.installing == 250
    assert log._core._receiver is not None
    assert log._core._receiver.next_offset == 100
    assert (after.commit_index, after.last_index) == (before.commit_index, before.last_index)


def test_copy_is_dropped_when_what_it_is_for_comes_as_entries(cluster: Cluster) -> None:
    """A new leader may still have them all; half a file must not lie about for ever."""
    away = leave_behind(cluster, count=8 + 300)
    log = cluster.start(away)
    node = RankedNode("n1" if away != "n1" else "n2", 0)
    core = log._core
    term = cluster.leader().status().term + 1
    core._on_message(node, InstallSnapshot(term, 8, 1, 9999, 0, b"x" * 100))
    assert log.status().installing == 8
    last = log.status().last_index
    entries = [(term, b"\x20x")] * 5
    end = log._journal.end
    core._on_message(node, AppendEntries(term, last + 5, last, end.term, entries))
    assert log.status().installing == 0
    assert not list(cluster.shelf(away).folder.glob("installing/*"))
    cluster.kill(away)
