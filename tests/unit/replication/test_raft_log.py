"""Real logs on real sockets and files in one loop: elect, commit, die, come back, agree."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pysyncobj import syncobj

from oms import bounds
from oms.replication import library_check
from oms.replication.errors import JournalDamagedError, LibraryChangedError
from oms.replication.raft_core import RaftCore
from oms.replication.raft_log import RaftLog
from oms.replication.raft_messages import AppendReply, Message
from oms.replication.raft_transport import RankedNode
from tests.support.raft_cluster import CLUSTER_ID, KEY, Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


def test_three_nodes_elect_one_leader_and_agree(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(*numbered(1, 50))
    cluster.settle()
    assert cluster.committed["n1"] == cluster.committed["n2"] == cluster.committed["n3"]
    assert cluster.entries("n1") == numbered(1, 50)
    indexes = sorted(cluster.skipped["n1"] + [index for index, _, _ in cluster.committed["n1"]])
    assert indexes == list(range(1, cluster.leader().status().last_index + 1))
    leaders = {log.status().leader_id for log in cluster.logs.values()}
    assert leaders == {cluster.leader_name()}


def test_one_node_alone_is_a_cluster_of_one(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, count=1)
    cluster.start_all()
    cluster.put(*numbered(1, 5))
    assert cluster.entries("n1") == numbered(1, 5)
    cluster.close()


def test_minority_commits_nothing(cluster: Cluster) -> None:
    cluster.start("n1")
    for _ in range(20):
        cluster.turn()
    assert not cluster.logs["n1"].propose(b"1")
    assert cluster.logs["n1"].status().role != "leader"


def test_follower_does_not_take_proposals(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(b"1")
    for name in cluster.follower_names():
        assert not cluster.logs[name].propose(b"2")
    cluster.settle()
    assert cluster.entries("n3") == [b"1"]


def test_leader_accepts_only_after_an_entry_of_its_own_term_was_applied(cluster: Cluster) -> None:
    """Before that its state may be behind what was acknowledged in an earlier term."""
    cluster.start_all()
    cluster.leader()
    changes = [status for status in cluster.roles if status.role == "leader"]
    assert [status.is_accepting for status in changes] == [False, True]
    assert changes[1].applied_index == changes[1].last_index


def test_killed_leader_is_replaced_without_a_time_out_and_nothing_is_lost(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start_all()
    cluster.put(*numbered(1, 30))
    monkeypatch.setattr(RaftCore, "_SyncObj__generateRaftTimeout", lambda _: 1000.0)
    cluster.put(*numbered(31, 40))
    dead = cluster.leader_name()
    cluster.kill(dead)
    assert cluster.leader_name() != dead
    cluster.put(*numbered(41, 50))
    cluster.start(dead)
    cluster.settle()
    assert cluster.entries(dead) == numbered(1, 50)
    assert cluster.committed["n1"] == cluster.committed["n2"] == cluster.committed["n3"]


def test_all_killed_at_once_come_back_with_everything(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(*numbered(1, 30))
    for name in list(cluster.logs):
        cluster.kill(name)
    cluster.start_all()
    cluster.settle()
    for name in cluster.names:
        assert cluster.entries(name) == numbered(1, 30)


def test_new_leader_counts_without_reading_its_log(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library reads every entry that is not committed yet: seconds without a heartbeat when a
    leader has just started with the log of a day.
    """
    cluster.start_all()
    cluster.put(*numbered(1, 100))
    cluster.settle()
    cluster.close()
    asked = []
    monkeypatch.setattr(RaftCore, "_SyncObj__getEntries", lambda _, *args: asked.append(args))
    cluster.start_all()
    cluster.settle()
    assert asked == []
    assert cluster.entries("n1") == numbered(1, 100)


def test_entries_of_the_snapshot_are_not_handed_out_again(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(*numbered(1, 20))
    cluster.settle()
    cluster.kill("n2")
    before = cluster.committed["n2"]
    covered = before[9][0]
    cluster.start("n2", start_index=covered)
    cluster.settle()
    assert cluster.committed["n2"] == before[10:]
    assert all(index > covered for index in cluster.skipped["n2"])


def test_snapshot_beyond_the_journal_is_refused(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(b"1")
    cluster.kill("n2")
    with pytest.raises(JournalDamagedError, match="snapshot covers 99"):
        cluster.start("n2", start_index=99)


def test_entries_that_a_dead_leader_alone_had_are_replaced(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(b"1")
    cluster.settle()
    old = cluster.leader_name()
    for entry in (b"lost 1", b"lost 2", b"lost 3"):
        cluster.logs[old].propose(entry)
    cluster.logs[old]._journal.sync()
    cluster.kill(old)
    cluster.put(b"2", b"3")
    cluster.start(old)
    cluster.settle()
    for name in cluster.names:
        assert cluster.entries(name) == [b"1", b"2", b"3"]


def test_leader_that_reaches_nobody_steps_down(cluster: Cluster) -> None:
    cluster.start_all()
    leader = cluster.leader()
    for name in cluster.follower_names():
        cluster.kill(name)
    cluster.until(lambda: leader.status().role != "leader")
    assert not leader.propose(b"1")
    assert leader.status().leader_id is None


def test_pause_of_the_whole_machine_changes_no_leader(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All clocks jump at once, as after a stop of the virtual machine: nobody was silent."""
    cluster.start_all()
    cluster.put(b"1")
    term = cluster.leader().status().term
    jump_s = 0.0
    for log in cluster.logs.values():
        monkeypatch.setattr(log, "_clock", lambda: time.monotonic() + jump_s)
        monkeypatch.setattr(log._core, "_clock", lambda: time.monotonic() + jump_s)
    monkeypatch.setattr(syncobj, "monotonicTime", lambda: time.monotonic() + jump_s)
    jump_s = 30.0
    for _ in range(20):
        cluster.turn()
    assert {log.status().term for log in cluster.logs.values()} == {term}
    cluster.put(b"2")


def test_returning_follower_does_not_disturb_the_leader(cluster: Cluster) -> None:
    """Finding 13: without pre-votes a node that was away forces an election when it returns."""
    cluster.start_all()
    cluster.put(b"1")
    term = cluster.leader().status().term
    away = cluster.follower_names()[0]
    cluster.kill(away)
    cluster.put(b"2")
    cluster.start(away)
    cluster.settle()
    assert {log.status().term for log in cluster.logs.values()} == {term}


def test_follower_far_behind_is_served_from_disk(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, memory_bytes_max=20_000)
    cluster.start_all()
    cluster.put(b"first")
    away = cluster.follower_names()[0]
    cluster.kill(away)
    entries = [bytes([number]) * 5000 for number in range(150)]
    cluster.put(*entries)
    cluster.start(away)
    cluster.settle()
    assert cluster.entries(away) == [b"first", *entries]
    cluster.close()


class Watched:
    """A transport's `send` that checks what the files say before a promise leaves."""

    def __init__(self, log: RaftLog, promises: list[str]) -> None:
        self.log = log
        self.promises = promises
        self.real_send = log._transport.send

    def __call__(self, node: RankedNode, message: dict[str, str | int] | Message) -> bool:
        journal = self.log._journal
        if isinstance(message, AppendReply) and message.matched:
            assert not journal.is_dirty
            self.promises.append("reply")
        if isinstance(message, dict) and message["type"] == "response_vote":
            assert journal.getVotedForNodeId() == node.node_id
            assert journal.getCurrentTerm() == message["term"]
            self.promises.append("vote")
        return self.real_send(node, message)


def test_replies_leave_only_after_the_sync_that_makes_them_true(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start_all()
    promises: list[str] = []
    for log in cluster.logs.values():
        monkeypatch.setattr(log._transport, "send", Watched(log, promises))
    for entry in numbered(1, 10):
        cluster.put(entry)
    cluster.settle()
    assert promises.count("reply") >= 10
    assert promises.count("vote") >= 1


def test_leader_hands_out_only_what_it_has_on_disk_itself(cluster: Cluster) -> None:
    """A majority of acknowledgements without the leader's own sync would not be what is said."""
    cluster.start_all()
    leader = cluster.leader()
    core, dirty = leader._core, []
    real = core._on_commit

    def on_commit(index: int, term: int, entry: bytes) -> None:
        dirty.append(leader._journal.is_dirty)
        real(index, term, entry)

    core._on_commit = on_commit
    cluster.put(*numbered(1, 20))
    assert dirty == [False] * 20


def test_reads_give_committed_entries_without_the_librarys_own(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(*numbered(1, 10))
    leader = cluster.leader()
    assert [entry for _, _, entry in leader.read(1, 100)] == numbered(1, 10)
    first = leader.read(1, 100)[0][0]
    assert [entry for _, _, entry in leader.read(first + 3, 2)] == [b"4", b"5"]
    leader.propose(b"pending")
    assert leader.read(first + 10, 5) == []
    assert leader.read(10_000, 5) == []


def test_entries_up_to_the_bound_pass_and_one_more_byte_does_not(cluster: Cluster) -> None:
    cluster.start_all()
    big = b"x" * bounds.BATCH_BYTES_MAX
    cluster.put(big, b"s", big)
    cluster.settle()
    assert cluster.entries("n2") == cluster.entries("n3") == [big, b"s", big]
    for entry in (b"", big + b"x"):
        with pytest.raises(ValueError, match="an entry of"):
            cluster.leader().propose(entry)


def test_node_with_another_key_stays_out(cluster: Cluster) -> None:
    cluster.start("n1")
    cluster.start("n2")
    cluster.start("n3", key=b"x" * len(KEY))
    cluster.put(b"1")
    for _ in range(10):
        cluster.turn()
    assert cluster.entries("n3") == []
    assert cluster.logs["n3"].status().leader_id is None


@pytest.mark.parametrize("old", ["n1", "n3"])
def test_node_of_an_old_cluster_left_running_cannot_join_the_new_one(
    cluster: Cluster, old: str
) -> None:
    """Same key, same ports, an old cluster's id: it dials, or is dialed, and is not let in."""
    cluster.start(old, cluster_id=CLUSTER_ID + 1)
    new = [name for name in cluster.names if name != old]
    for name in new:
        cluster.start(name)
    cluster.put(*numbered(1, 5))
    cluster.until(lambda: all(cluster.entries(name) == numbered(1, 5) for name in new))
    status = cluster.logs[old].status()
    assert (status.leader_id, status.role, status.last_index) == (None, "follower", 1)
    reasons = [reason for _, event, reason in cluster.reports if event == "raft_link_refused"]
    assert reasons
    assert all(" cluster 01234567" in f" {reason}" for reason in reasons)
    assert cluster.leader().status().term == max(s.status().term for s in cluster.logs.values())


def test_another_version_of_the_library_is_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_check, "LIBRARY_SHA256", "0" * 64)
    with pytest.raises(LibraryChangedError, match="was reviewed"):
        cluster.start("n1")


def test_proposals_from_inside_a_commit_are_taken(cluster: Cluster) -> None:
    cluster.start_all()
    leader = cluster.leader()
    follow_up = [b"2", b"3"]
    core = leader._core
    real = core._on_commit

    def on_commit(index: int, term: int, entry: bytes) -> None:
        real(index, term, entry)
        if follow_up:
            assert leader.propose(follow_up.pop(0))

    core._on_commit = on_commit
    cluster.put(b"1")
    cluster.settle()
    assert cluster.entries("n1") == [b"1", b"2", b"3"]
