"""What was observed in the stock library (docs/findings.md), tried on ours alone, a message deep.

The messages are given to one node's core by hand, so each case is the exact one that went wrong.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.replication import raft_core, raft_messages
from oms.replication.raft_log import RaftLog
from oms.replication.raft_messages import AppendEntries, AppendReply, Message, decode, encode
from oms.replication.raft_transport import RankedNode
from oms.replication.replicator import WINDOW_BYTES
from tests.support.raft_cluster import Cluster, Fatal

N2, N3 = RankedNode("n2", 1), RankedNode("n3", 2)


class Outbox:
    """What a node says to whom, instead of a network."""

    def __init__(self, log: RaftLog) -> None:
        self.sent: list[tuple[str, Message]] = []
        patch = pytest.MonkeyPatch()  # the log is thrown away with the test
        patch.setattr(log._transport, "send", self.send)
        patch.setattr(log._transport, "is_connected", lambda _: True)

    def send(self, node: RankedNode, message: Message) -> bool:
        self.sent.append((node.node_id, message))
        return True

    def last(self) -> Message:
        return self.sent[-1][1]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


@pytest.fixture
def follower(cluster: Cluster) -> RaftLog:
    """n1, which has entries 2..9 of term 1 from n2, the first four known to be committed."""
    log = cluster.start("n1")
    entries = [(1, b"\x20%d" % index) for index in range(2, 10)]
    receive(log, N2, AppendEntries(1, 5, 1, 0, entries))
    return log


def receive(log: RaftLog, node: RankedNode, message: Message) -> None:
    log._core._SyncObj__onMessageReceived(node, decode(encode(message)))
    log._core.step(log._clock())


def lead(log: RaftLog) -> None:
    """Make n1 leader of the next term by n3's vote."""
    core = log._core
    core._campaign()
    core.step(log._clock())
    receive(log, N3, raft_messages.Vote(core.term))
    assert log.status().role == "leader"


def test_finding_02_repeated_prefix_truncates_nothing(follower: RaftLog) -> None:
    """The library deleted what followed the prefix: entries that had been acknowledged."""
    outbox = Outbox(follower)
    receive(follower, N2, AppendEntries(1, 5, 1, 0, [(1, b"\x202"), (1, b"\x203")]))
    assert follower.status().last_index == 9
    assert outbox.last() == AppendReply(1, matched=True, index=3, prev_index=1)
    receive(follower, N2, AppendEntries(1, 5, 4, 1, []))
    assert follower.status().last_index == 9


def test_finding_02_success_does_not_move_the_next_index_back(follower: RaftLog) -> None:
    outbox = Outbox(follower)
    lead(follower)
    receive(follower, N2, AppendReply(2, matched=True, index=10, prev_index=9))
    for _ in range(5):
        assert follower._core.append(b"\x20more")
        follower._core.step(follower._clock())
    sent = len(outbox.sent)
    receive(follower, N2, AppendReply(2, matched=True, index=11, prev_index=10))
    to_n2 = [message for name, message in outbox.sent[sent:] if name == "n2"]
    again = [m for m in to_n2 if isinstance(m, AppendEntries) and m.entries]
    assert again == []


def test_finding_03_commit_index_stops_at_what_was_verified(
    cluster: Cluster, follower: RaftLog
) -> None:
    """A commit index beyond the verified entries says nothing about the rest of this log."""
    Outbox(follower)
    receive(follower, N3, AppendEntries(2, 9, 6, 1, []))
    assert follower.status().commit_index == 6
    receive(follower, N3, AppendEntries(2, 9, 6, 1, [(2, b"\x20x")]))
    assert follower.status().commit_index == 7
    assert cluster.entries("n1") == [b"2", b"3", b"4", b"5", b"6", b"x"]


def test_finding_05_reply_of_another_term_is_not_counted(follower: RaftLog) -> None:
    """An acknowledgement that was under way when this node became leader again."""
    Outbox(follower)
    lead(follower)
    receive(follower, N2, AppendReply(1, matched=True, index=10, prev_index=9))
    assert follower.status().commit_index == 5
    receive(follower, N2, AppendReply(2, matched=True, index=10, prev_index=9))
    assert follower.status().commit_index == 10


def test_an_entry_of_an_older_term_is_not_committed_by_counting(follower: RaftLog) -> None:
    """It may still be replaced (Raft, 5.4.2); an entry of the own term commits both."""
    Outbox(follower)
    lead(follower)
    receive(follower, N2, AppendReply(2, matched=True, index=9, prev_index=8))
    assert follower.status().commit_index == 5
    receive(follower, N2, AppendReply(2, matched=True, index=10, prev_index=9))
    assert follower.status().commit_index == 10


@pytest.mark.parametrize(("last_index", "is_given"), [(8, False), (9, True)])
def test_a_vote_is_given_to_no_log_that_lacks_entries(
    follower: RaftLog, last_index: int, *, is_given: bool
) -> None:
    """Whoever is elected has everything that was ever committed."""
    outbox = Outbox(follower)
    receive(follower, N3, raft_messages.RequestVote(2, last_index, 1))
    said = [message for _, message in outbox.sent if not isinstance(message, AppendReply)]
    assert bool(said) is is_given


def test_finding_05_reply_for_a_term_that_ended_before_the_sync_is_not_sent(
    follower: RaftLog,
) -> None:
    outbox = Outbox(follower)
    core = follower._core
    core._SyncObj__onMessageReceived(N2, AppendEntries(1, 5, 9, 1, [(1, b"\x20late")]))
    core._SyncObj__onMessageReceived(N3, raft_messages.RequestVote(7, 99, 6))
    core.step(follower._clock())
    assert [m for _, m in outbox.sent if isinstance(m, AppendReply)] == []


def test_finding_05_claim_beyond_the_log_is_fatal(follower: RaftLog) -> None:
    Outbox(follower)
    lead(follower)
    with pytest.raises(Fatal, match="beyond this leader"):
        receive(follower, N2, AppendReply(2, matched=True, index=99, prev_index=9))


@pytest.mark.parametrize("size", [8139, 8190, 65_535, 65_536, 131_072])
def test_finding_06_no_entry_size_is_special(tmp_path: Path, size: int) -> None:
    """In the library, sizes just below a multiple of the batch size broke the followers."""
    cluster = Cluster(tmp_path)
    cluster.start_all()
    cluster.put(b"x" * size)
    cluster.settle()
    assert cluster.entries("n1") == cluster.entries("n3") == [b"x" * size]
    cluster.close()


def test_finding_07_raising_callback_ends_the_process_and_is_not_called_again(
    cluster: Cluster, follower: RaftLog
) -> None:
    """The library applied the entry again at every tick."""
    calls = []

    def raising(index: int, term: int, entry: bytes) -> None:
        calls.append((index, term, entry))
        raise RuntimeError("a fault of ours")

    follower._core._on_commit = raising
    Outbox(follower)
    with pytest.raises(Fatal, match="apply_failed"):
        receive(follower, N2, AppendEntries(1, 6, 9, 1, []))
    follower._core.step(follower._clock())
    assert calls == [(6, 1, b"6")]
    assert cluster.entries("n1") == [b"2", b"3", b"4", b"5"]


def test_finding_08_lagging_follower_does_not_make_the_leader_spin(
    follower: RaftLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One probe until it answers; then no more than the window holds."""
    outbox = Outbox(follower)
    monkeypatch.setattr(raft_core, "PERIOD_S", 1000.0)
    lead(follower)
    for _ in range(50):
        follower._core.step(follower._clock())
    probes = [m for name, m in outbox.sent if name == "n2" and isinstance(m, AppendEntries)]
    assert len(probes) == 1
    monkeypatch.setattr(follower._transport, "unsent_bytes", lambda _: WINDOW_BYTES)
    receive(follower, N2, AppendReply(2, matched=False, index=2, prev_index=9))
    sent = len(outbox.sent)
    for _ in range(50):
        follower._core.step(follower._clock())
    assert len(outbox.sent) == sent


def test_finding_09_no_descriptor_is_inherited(cluster: Cluster) -> None:
    """A child that outlives the node must not hold its port or its journal."""
    descriptors = Path("/proc/self/fd")
    before = {path.name for path in descriptors.iterdir()}
    cluster.start_all()
    cluster.put(b"1")
    opened = [path for path in descriptors.iterdir() if path.name not in before and path.exists()]
    assert len(opened) >= 12
    assert not any(os.get_inheritable(int(path.name)) for path in opened)


def test_finding_10_restart_without_a_snapshot_gives_everything_again(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.put(b"1", b"2")
    cluster.settle()
    cluster.close()
    cluster.start_all()
    cluster.settle()
    assert [cluster.entries(name) for name in cluster.names] == [[b"1", b"2"]] * 3


def test_finding_12_only_the_own_address_is_bound(cluster: Cluster) -> None:
    log = cluster.start("n1")
    host, port = log._transport._listener.getsockname()
    assert f"{host}:{port}" == cluster.addresses["n1"]


def test_committed_entries_are_never_replaced(follower: RaftLog) -> None:
    """If the protocol itself were broken, the node dies rather than rewrite what was told."""
    Outbox(follower)
    with pytest.raises(Fatal, match="committed entry 4 would be replaced"):
        receive(follower, N3, AppendEntries(2, 5, 3, 1, [(2, b"\x20other")]))
    with pytest.raises(Fatal, match="committed entry 4 differs"):
        receive(follower, N3, AppendEntries(2, 5, 4, 2, []))


def test_second_leader_in_one_term_is_fatal(follower: RaftLog) -> None:
    Outbox(follower)
    lead(follower)
    with pytest.raises(Fatal, match="two leaders in term 2"):
        receive(follower, N2, AppendEntries(2, 5, 9, 1, []))


def test_conflict_is_found_a_term_at_a_time(follower: RaftLog) -> None:
    outbox = Outbox(follower)
    receive(follower, N3, AppendEntries(3, 5, 9, 2, []))
    assert outbox.last() == AppendReply(3, matched=False, index=6, prev_index=9)
    receive(follower, N3, AppendEntries(3, 5, 50, 2, []))
    assert outbox.last() == AppendReply(3, matched=False, index=10, prev_index=50)
    receive(follower, N3, AppendEntries(3, 5, 5, 1, [(2, b"\x20new"), (3, b"\x01")]))
    assert outbox.last() == AppendReply(3, matched=True, index=7, prev_index=5)
    assert follower.status().last_index == 7


def test_deposed_leader_hears_of_the_new_term(follower: RaftLog) -> None:
    outbox = Outbox(follower)
    receive(follower, N3, AppendEntries(4, 5, 9, 1, []))
    receive(follower, N2, AppendEntries(1, 5, 9, 1, []))
    assert outbox.sent[-1] == ("n2", AppendReply(4, matched=False, index=0, prev_index=9))
