"""A wiped node under a new name: no vote until it holds what was committed; and old claims."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.replication.raft_messages import (
    AppendEntries,
    Current,
    Message,
    PreVote,
    PreVoteReply,
    RequestVote,
    TimeoutNow,
)
from oms.replication.raft_transport import RankedNode
from tests.support.raft_cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """n1 and n2 have five entries, n3 was replaced by n4, which has nothing."""
    cluster = Cluster(tmp_path)
    cluster.start_all()
    cluster.put(*(b"%d" % number for number in range(5)))
    cluster.settle()
    cluster.close()
    cluster.replace("n3", "n4")
    yield cluster
    cluster.close()


def sent_by(cluster: Cluster, name: str, patch: pytest.MonkeyPatch) -> list[Message]:
    sent: list[Message] = []

    def send(_: RankedNode, message: Message) -> bool:
        sent.append(message)
        return True

    patch.setattr(cluster.logs[name]._transport, "send", send)
    return sent


def test_joining_node_catches_up_and_is_a_voter_then_and_later(cluster: Cluster) -> None:
    cluster.start_all()
    assert cluster.logs["n4"].status().is_joining
    cluster.settle()
    cluster.until(lambda: not cluster.logs["n4"].status().is_joining)
    assert len(cluster.entries("n4")) == 5
    cluster.kill("n4")
    assert not cluster.start("n4").status().is_joining
    cluster.settle()
    cluster.kill(cluster.leader_name())
    assert cluster.leader().status().leader_id in cluster.logs


def test_joining_node_alone_with_one_old_node_elects_nobody(cluster: Cluster) -> None:
    """The missing old node may be the only one left that has a committed entry."""
    cluster.start("n1")
    joining = cluster.start("n4")
    for _ in range(60):
        cluster.turn()
    assert joining.status().is_joining
    assert {log.status().role for log in cluster.logs.values()} <= {"follower"}
    cluster.start("n2")
    cluster.settle()
    cluster.until(lambda: not joining.status().is_joining)


def test_joining_node_gives_no_vote_and_takes_no_office(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = cluster.start("n4")
    sent = sent_by(cluster, "n4", monkeypatch)
    asker = RankedNode("n1", 0)
    log._core._on_message(asker, PreVote(5, 100, 4))
    log._core._on_message(asker, RequestVote(5, 100, 4))
    log._core._on_message(asker, AppendEntries(5, 1, 1, 0, []))
    log._core._on_message(asker, TimeoutNow(5))
    for _ in range(3):
        log._core.step(log._clock() + 10.0)
    assert not [m for m in sent if isinstance(m, dict | RequestVote | PreVote)]
    assert [m.granted for m in sent if isinstance(m, PreVoteReply)] == [False]
    assert log.status().term == 5
    assert log._journal.getVotedForNodeId() is None


def test_commit_index_of_an_earlier_term_does_not_end_joining(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new leader does not know yet what was committed before it: its first word is too low."""
    log = cluster.start("n4")
    sent_by(cluster, "n4", monkeypatch)
    leader = RankedNode("n1", 0)
    entries = [(term, b"\x20x") for term in (1, 1, 1)]
    log._core._on_message(leader, AppendEntries(2, 3, 1, 0, entries))
    log._core.step(log._clock())
    assert log.status().is_joining
    log._core._on_message(leader, AppendEntries(2, 5, 4, 1, []))
    log._core.step(log._clock())
    assert log.status().is_joining
    log._core._on_message(leader, AppendEntries(2, 5, 4, 1, [(2, b"\x01")]))
    assert log.status().is_joining, "not before it is on disk"
    log._core.step(log._clock())
    assert not log.status().is_joining


def test_claims_from_an_older_date_are_answered_counted_and_not_followed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday's leader, back from a disk that stood still, learns the date before it is heard."""
    log = cluster.start("n1")
    sent = sent_by(cluster, "n1", monkeypatch)
    log.note_trading_date(20261123)
    node, term = RankedNode("n2", 1), log.status().term
    log._frames.heard("n2", 20261122)
    for message in (PreVote(term + 2, 99, 9), RequestVote(term + 1, 99, 9), TimeoutNow(term + 1)):
        log._core._on_message(node, message)
    log._core._on_message(node, AppendEntries(term + 1, 5, 4, 1, []))
    assert log.status().stale_frames == 4
    assert log.status().term == term
    assert log.status().leader_id is None
    assert [type(m) for m in sent[:3]] == [Current] * 3
    log._frames.heard("n2", 20261123)
    log._core._on_message(node, RequestVote(term + 1, 99, 9))
    assert log.status().term == term + 1
    assert log.status().stale_frames == 4


def test_date_travels_with_frames_and_never_goes_back(cluster: Cluster) -> None:
    cluster.start_all()
    cluster.settle()
    name = cluster.follower_names()[0]
    cluster.logs[name].note_trading_date(20261123)
    cluster.until(lambda: {s.status().trading_date for s in cluster.logs.values()} == {20261123})
    cluster.logs["n1"].note_trading_date(20261120)
    cluster.put(b"more")
    assert cluster.logs["n1"].status().trading_date == 20261123
    cluster.settle()


def test_answer_with_a_higher_term_deposes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = cluster.start("n1")
    sent_by(cluster, "n1", monkeypatch)
    log._core._on_message(RankedNode("n2", 1), Current(9))
    assert log.status().term == 9
