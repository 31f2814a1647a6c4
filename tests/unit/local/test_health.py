"""Healthy, degraded, nobody accepts, different: what an exit code of `oms cluster health` means."""

import msgspec
import pytest

from oms.local.health import Health, Verdict, index_to_compare, judge
from oms.messages.link import Status


def status(node_id: str, *, role: str = "follower", applied: int = 100, term: int = 3) -> Status:
    """A node of a cluster that n1 leads."""
    return Status(
        node_id=node_id,
        role=role,
        term=term,
        leader_id=None if role == "fenced" else "n1",
        accepting=role == "leader",
        commit_index=applied,
        applied_index=applied,
        event_seq=1,
        digest="a" * 16,
        timestamp_ns=0,
        trading_date=20260101,
        durability="disk",
        journal_bytes=0,
        pid=1,
        cluster_id=1,
    )


def cluster(n2: Status | None = None, n3: Status | None = None) -> dict[str, Status | None]:
    return {"n1": status("n1", role="leader"), "n2": n2, "n3": n3}


def look(
    statuses: dict[str, Status | None],
    digests: tuple[str, ...] = ("a", "a", "a"),
    *,
    lag_max: int = 10,
    is_majority_enough: bool = False,
) -> Health:
    known = dict(zip(statuses, digests, strict=True))
    return judge(
        statuses,
        {name: digest for name, digest in known.items() if digest and statuses[name] is not None},
        compared_at=90,
        lag_max=lag_max,
        is_majority_enough=is_majority_enough,
    )


def test_three_that_agree_are_healthy() -> None:
    found = look(cluster(status("n2"), status("n3", applied=90)))
    assert (found.verdict, found.reasons, found.leader_id) == (Verdict.HEALTHY, [], "n1")
    assert [node.lag for node in found.nodes] == [0, 0, 10]
    assert {node.digest for node in found.nodes} == {"equal"}


def test_a_node_that_is_missing_or_behind_is_a_degradation() -> None:
    """A majority goes on, and can be declared to be enough."""
    for third in (None, status("n3", applied=89)):
        found = look(cluster(status("n2"), third))
        assert found.verdict is Verdict.DEGRADED
        assert found.reasons[0].startswith("n3: ")
        enough = look(cluster(status("n2"), third), is_majority_enough=True)
        assert enough.verdict is Verdict.HEALTHY
        assert enough.reasons == found.reasons
    assert look(cluster(), is_majority_enough=True).verdict is Verdict.DEGRADED


def test_a_follower_of_somebody_else_is_a_degradation() -> None:
    """It is cut off, or the old leader's: it would not count in the next vote."""
    lost = status("n2")
    found = look(cluster(status("n3"), lost))
    assert found.verdict is Verdict.HEALTHY
    elsewhere = {**cluster(status("n2")), "n3": status("n3")}
    elsewhere["n1"], elsewhere["n2"] = status("n1"), status("n2", role="leader", term=4)
    assert look(elsewhere).verdict is Verdict.DEGRADED


def test_without_a_leader_nobody_accepts() -> None:
    found = look({"n1": status("n1"), "n2": status("n2"), "n3": None})
    assert (found.verdict, found.leader_id) == (Verdict.NOT_ACCEPTING, None)
    assert found.reasons[0] == "no leader accepts orders"
    assert look({"n1": None, "n2": None, "n3": None}).verdict is Verdict.NOT_ACCEPTING


def test_of_two_that_claim_to_lead_the_newer_term_holds() -> None:
    """A leader that was cut off has not noticed yet."""
    both = cluster(status("n2", role="leader", term=4), status("n3"))
    assert look(both).leader_id == "n2"


def test_different_digests_are_the_worst_and_the_odd_one_is_named() -> None:
    found = look(cluster(status("n2"), status("n3")), ("a", "b", "a"))
    assert found.verdict is Verdict.DIFFERENT
    assert found.reasons == ["n2: digest b, others have a"]
    majority = look(cluster(status("n2"), status("n3")), ("b", "a", "a"), is_majority_enough=True)
    assert majority.verdict is Verdict.DIFFERENT


def test_a_fenced_node_is_different_whatever_the_digests_say() -> None:
    found = look(cluster(status("n2"), status("n3", role="fenced")), ("a", "a", ""))
    assert found.verdict is Verdict.DIFFERENT
    assert "fenced" in found.reasons[0]


def test_digests_that_nobody_can_tell_are_unknown_and_no_fault() -> None:
    """A node that has just started remembers none; nodes compare among themselves all the time."""
    found = look(cluster(status("n2"), status("n3")), ("a", "a", ""))
    assert found.verdict is Verdict.HEALTHY
    assert [node.digest for node in found.nodes] == ["equal", "equal", "unknown"]


def test_digests_are_compared_where_all_have_been() -> None:
    assert index_to_compare(cluster(status("n2", applied=97), status("n3", applied=99))) == 97
    assert index_to_compare(cluster(status("n2", applied=97))) == 97
    assert index_to_compare(cluster()) == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"is_joining": True, "may_lead": False}, "joining"),
        ({"may_lead": False, "clock_skew_ns": -120_000_000}, "120 ms behind the others'"),
        ({"may_lead": False, "clock_skew_ns": 120_000_000}, "120 ms ahead of the others'"),
        ({"room": "low"}, "disk is full"),
        ({"room": "reserve"}, "new orders are refused"),
        ({"outputs_missing": 1_234}, "1,234 outputs"),
    ],
)
def test_what_a_node_lacks_is_a_degradation(change: dict[str, object], complaint: str) -> None:
    """It would be missed at the next fault, and nobody would have known."""
    third = msgspec.structs.replace(status("n3"), **change)
    found = look(cluster(status("n2"), third))
    assert found.verdict is Verdict.DEGRADED
    (reason,) = found.reasons
    assert reason.startswith("n3: ")
    assert complaint in reason
    assert look(cluster(status("n2"), third), is_majority_enough=True).verdict is Verdict.HEALTHY


def test_a_node_that_has_just_started_is_well() -> None:
    """For a moment it does not lead, because it has not heard the others' clocks yet."""
    fresh = msgspec.structs.replace(status("n3"), may_lead=False)
    assert look(cluster(status("n2"), fresh)).verdict is Verdict.HEALTHY
