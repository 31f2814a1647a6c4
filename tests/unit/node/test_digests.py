"""The digest watch: who differs from the majority, and from whom."""

from oms.messages.link import Status
from oms.node.digests import KEPT, DigestWatch


def status(node_id: str, applied_index: int, digest: int) -> Status:
    """What a peer says."""
    return Status(
        node_id=node_id,
        role="follower",
        term=1,
        leader_id="n1",
        accepting=False,
        commit_index=applied_index,
        applied_index=applied_index,
        event_seq=0,
        digest=f"{digest:016x}",
        timestamp_ns=0,
        trading_date=0,
        durability="disk",
        journal_bytes=0,
        pid=1,
        cluster_id=1,
    )


def watch() -> DigestWatch:
    """A node of three that applied entries 1 to 10."""
    made = DigestWatch(3)
    for log_index in range(1, 11):
        made.note(log_index, log_index * 100)
    return made


def test_equal_replicas_stay_together() -> None:
    made = watch()
    assert not made.compare(status("n2", 10, 1000))
    assert not made.compare(status("n3", 7, 700))
    assert not made.must_fence


def test_one_peer_that_differs_is_the_peers_trouble() -> None:
    made = watch()
    assert made.compare(status("n2", 9, 1))
    assert not made.must_fence


def test_two_peers_that_differ_fence_this_node() -> None:
    """Also when they were seen at different indexes: a chain that differs once differs for ever."""
    made = watch()
    assert made.compare(status("n2", 9, 1))
    assert not made.compare(status("n2", 10, 2)), "the same peer does not count twice"
    assert made.compare(status("n3", 10, 3))
    assert made.must_fence


def test_indexes_not_applied_or_long_gone_say_nothing() -> None:
    made = watch()
    assert not made.compare(status("n2", 11, 1))
    made.note(10 + KEPT, 5)
    assert not made.compare(status("n2", 10, 1))


def test_a_single_node_never_fences() -> None:
    made = DigestWatch(1)
    made.note(1, 1)
    assert not made.must_fence
