"""Full disks: who has no room leaves the quorum; when too few have any, all live on reserves."""

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.replication import raft_voter, room, segment_maker
from oms.replication.raft_messages import NO_RESERVE, NO_ROOM, ROOM
from tests.support.raft_cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    cluster.start_all()
    cluster.put(b"first")
    cluster.settle()
    yield cluster
    cluster.close()


def full(cluster: Cluster, *names: str, is_full: bool = True) -> None:
    """As if the disk had no space: the owner's files are judged like the journal's."""
    for name in names:
        cluster.logs[name].set_storage_ok(not is_full)


def test_follower_without_room_takes_nothing_and_the_others_go_on(cluster: Cluster) -> None:
    away, other = cluster.follower_names()
    full(cluster, away)
    cluster.put(b"second", b"third")
    cluster.until(lambda: cluster.entries(other) == [b"first", b"second", b"third"])
    assert cluster.entries(away) == [b"first"]
    assert cluster.logs[away].status().room == "low"
    assert cluster.leader().status().room == "ample"
    full(cluster, away, is_full=False)
    cluster.settle()
    assert cluster.entries(away) == [b"first", b"second", b"third"]


def test_leader_without_room_hands_over_to_one_that_has(cluster: Cluster) -> None:
    name = cluster.leader_name()
    full(cluster, name)
    cluster.until(lambda: any(
        log.status().is_accepting for n, log in cluster.logs.items() if n != name
    ))  # fmt: skip
    cluster.put(b"second")
    assert cluster.leader().status().room == "ample"


def test_majority_without_room_lives_on_the_reserve_until_there_is_space(cluster: Cluster) -> None:
    """Nothing is refused by the log then: what may pass is the sequencer's to say."""
    full(cluster, *cluster.names[:2])
    cluster.until(lambda: {s.status().room for s in cluster.logs.values()} == {"reserve"})
    cluster.put(b"cancel")
    cluster.settle()
    assert cluster.entries("n1") == cluster.entries("n3") == [b"first", b"cancel"]
    full(cluster, *cluster.names, is_full=False)
    cluster.until(lambda: {s.status().room for s in cluster.logs.values()} == {"ample"})
    cluster.put(b"second")


def test_missing_node_and_full_follower_are_too_few(cluster: Cluster) -> None:
    away, other = cluster.follower_names()
    cluster.kill(away)
    full(cluster, other)
    cluster.until(lambda: cluster.leader().status().room == "reserve")
    cluster.put(b"cancel")
    cluster.until(lambda: cluster.entries(other) == [b"first", b"cancel"])


def test_only_node_with_all_entries_leads_though_it_has_no_room(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is late, so that others go first, but a venue without it would have no leader at all."""
    monkeypatch.setattr(raft_voter, "PATIENCE_S", 0.7)
    behind, other = cluster.follower_names()
    cluster.kill(behind)
    cluster.put(b"second")
    cluster.until(lambda: cluster.entries(other) == [b"first", b"second"])
    full(cluster, other)
    cluster.kill(cluster.leader_name())
    cluster.start(behind)
    cluster.until(lambda: any(s.status().is_accepting for s in cluster.logs.values()))
    cluster.settle()
    assert cluster.entries(behind) == [b"first", b"second"]
    cluster.until(lambda: cluster.logs[behind].status().is_accepting)


def test_leader_without_room_that_nobody_can_relieve_uses_its_reserve(cluster: Cluster) -> None:
    """A venue that refused everything while two disks are empty would be worse."""
    name = cluster.leader_name()
    for other in cluster.follower_names():
        cluster.logs[other].set_may_lead(False)
    full(cluster, name)
    cluster.until(lambda: cluster.logs[name].status().room == "reserve")
    cluster.put(b"cancel")
    cluster.settle()
    assert cluster.leader_name() == name
    assert cluster.entries("n1") == cluster.entries("n3") == [b"first", b"cancel"]


def test_reserve_is_used_up_then_nothing_is_taken_and_all_goes_on_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the journals' own disks: what was accepted is there, what was not was refused."""
    cluster = Cluster(tmp_path, segment_bytes=64 << 10)
    cluster.start_all()
    cluster.put(b"first")
    reserves = [tmp_path / name / "reserve" for name in cluster.names]
    cluster.until(lambda: all(path.exists() for path in reserves))
    allocate, is_full = segment_maker._allocate, [True]

    def allocate_or_not(fd: int, size: int) -> None:
        if is_full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(fd, size)

    monkeypatch.setattr(segment_maker, "_allocate", allocate_or_not)
    monkeypatch.setattr(segment_maker, "_RETRY_S", 0.05)
    taken: list[bytes] = [b"first"]
    states: set[str] = set()
    end_s = time.monotonic() + 10.0
    refused_since_s = end_s
    while time.monotonic() < min(end_s, refused_since_s + 0.5):
        leaders = [log for log in cluster.logs.values() if log.status().is_accepting]
        entry = b"%d " % len(taken) + bytes(3000)
        if leaders and leaders[0].propose(entry):
            taken.append(entry)
            refused_since_s = end_s
        elif refused_since_s == end_s:
            refused_since_s = time.monotonic()
        states |= {log.status().room for log in cluster.logs.values()}
        cluster.turn(wait_s=0.001)
    assert "reserve" in states
    assert 30 < len(taken) < 80, "what was left of two segments, and the reserve"
    is_full[0] = False
    cluster.until(lambda: {log.status().room for log in cluster.logs.values()} == {"ample"})
    cluster.put(b"last")
    cluster.settle()
    assert cluster.entries("n1") == cluster.entries("n3") == [*taken, b"last"]
    cluster.close()


@pytest.mark.parametrize(
    ("levels", "squeezed"),
    [
        ([ROOM, ROOM, ROOM], False),
        ([ROOM, ROOM, NO_ROOM], False),
        ([NO_ROOM, ROOM, ROOM], False),
        ([ROOM, NO_ROOM, NO_RESERVE], True),
        ([ROOM, NO_ROOM], True),
        ([ROOM, ROOM], False),
        ([ROOM], False),
        ([NO_ROOM], True),
    ],
)
def test_squeezed_means_fewer_than_a_majority_have_room(
    levels: list[int],
    squeezed: bool,  # noqa: FBT001  # a case
) -> None:
    """Nodes that are away alone are no reason: then it is they who are missing."""
    assert room.is_squeezed(levels, 3) is squeezed
