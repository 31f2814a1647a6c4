"""Leadership handed over, refused, given up; and a node that may not lead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.replication.raft_messages import Message, TimeoutNow
from oms.replication.raft_transport import RankedNode
from tests.support.raft_cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    cluster.start_all()
    cluster.put(b"first")
    cluster.settle()
    yield cluster
    cluster.close()


def test_leadership_goes_to_the_named_node_within_one_term(cluster: Cluster) -> None:
    """No time-out and no second candidate: a rolling restart must not cost an election."""
    old = cluster.leader()
    target = cluster.follower_names()[1]
    term = old.status().term
    assert old.transfer(target) == ""
    assert old.status().is_transferring
    cluster.until(lambda: cluster.logs[target].status().is_accepting)
    assert cluster.logs[target].status().term == term + 1
    assert old.status().role == "follower"
    assert not old.status().is_transferring
    cluster.put(b"second")
    cluster.settle()
    assert cluster.entries("n1") == cluster.entries("n3") == [b"first", b"second"]


def test_target_gets_all_of_the_log_before_it_is_told(cluster: Cluster) -> None:
    """What the old leader took is committed by the new one: nothing proposed is lost."""
    old, names = cluster.leader(), cluster.follower_names()
    for number in range(50):
        assert old.propose(b"%d" % number)
    assert old.transfer(names[0]) == ""
    assert not old.propose(b"too late")
    cluster.until(lambda: cluster.logs[names[0]].status().is_accepting)
    cluster.settle()
    assert cluster.entries(names[1]) == [b"first", *(b"%d" % number for number in range(50))]


def test_nobody_named_means_the_most_up_to_date_one_that_is_there(cluster: Cluster) -> None:
    old = cluster.leader()
    gone, left = cluster.follower_names()
    cluster.kill(gone)
    cluster.until(lambda: old.transfer(gone) == f"{gone} is not connected")
    assert old.transfer(None) == ""
    cluster.until(lambda: cluster.logs[left].status().is_accepting)


def test_what_cannot_be_is_said_and_changes_nothing(cluster: Cluster) -> None:
    leader, name = cluster.leader(), cluster.leader_name()
    follower = cluster.follower_names()[0]
    assert leader.transfer(name) == f"{name} leads already"
    assert leader.transfer("n9") == "n9 is not a node of this cluster"
    refusal = cluster.logs[follower].transfer(None)
    assert refusal == f"{follower} does not lead, {name} does"
    assert leader.propose(b"second")


def test_transfer_that_does_not_work_is_given_up_and_the_leader_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that hears nothing must not stop the venue for longer than an election would."""
    leader, (target, other) = cluster.leader(), cluster.follower_names()
    term = leader.status().term
    send = leader._transport.send

    def lossy(node: RankedNode, message: Message) -> bool:
        return isinstance(message, TimeoutNow) or send(node, message)

    monkeypatch.setattr(leader._transport, "send", lossy)
    assert leader.transfer(target) == ""
    assert leader.transfer(target) == ""
    assert leader.transfer(other) == f"{target} is taking over already"
    cluster.until(lambda: not leader.status().is_transferring)
    assert leader.status().is_accepting
    assert leader.status().term == term
    cluster.put(b"second")


def test_node_that_may_not_lead_hands_over_and_takes_nothing_over(cluster: Cluster) -> None:
    """A skewed clock would expire orders for good."""
    old, name = cluster.leader(), cluster.leader_name()
    old.set_may_lead(False)
    cluster.until(lambda: cluster.leader_name() != name)
    new = cluster.leader()
    cluster.until(lambda: "may not lead now" in new.transfer(name))
    assert not old.status().may_lead
    other = next(n for n in cluster.names if n not in {name, cluster.leader_name()})
    cluster.kill(cluster.leader_name())
    cluster.until(lambda: cluster.logs[other].status().is_accepting)
    old.set_may_lead(True)
    cluster.until(lambda: cluster.logs[other].transfer(name) == "")
    cluster.until(lambda: old.status().is_accepting)


def test_old_order_to_lead_is_not_followed(cluster: Cluster) -> None:
    """One that was under way while somebody else was elected would depose the new leader."""
    leader, name = cluster.leader(), cluster.follower_names()[0]
    follower = cluster.logs[name]
    term = leader.status().term
    node = RankedNode(cluster.leader_name(), 0)
    follower._core._on_message(node, TimeoutNow(term - 1))
    stranger = next(n for n in cluster.names if n not in {name, node.node_id})
    follower._core._on_message(RankedNode(stranger, 2), TimeoutNow(term))
    for _ in range(20):
        cluster.turn()
    assert leader.status().term == term
    assert follower.status().stale_frames == 1
