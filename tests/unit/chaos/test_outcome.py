"""What a run of chaos says of itself, and when it is not called good."""

import pytest

from oms.chaos.hands import Done
from oms.chaos.run import ORDERS_A_MINUTE_MIN, Outcome
from oms.check.verdict import Kind


def good() -> Outcome:
    """A minute in which one leader was killed."""
    done = Done(kills=1, in_flight=[3], failover_ms=[40.0])
    done.faults["kill-leader"] += 1
    return Outcome(done=done, acknowledged=ORDERS_A_MINUTE_MIN, seconds=60.0)


def test_the_report_has_the_keys_that_readers_rely_on() -> None:
    """Scripts read them."""
    report = good().report()
    assert list(report) == [
        "acknowledged", "lost", "duplicated", "reordered", "unknown_resolved", "kills",
        "power_cuts", "faults", "failover_ms",
    ]  # fmt: skip
    assert report["failover_ms"] == {"p50": 40.0, "p99": 40.0, "max": 40.0}
    assert report["faults"] == {"kill-leader": 1}


def test_a_good_run_is_good() -> None:
    """Nothing to complain of at the very least that is asked for."""
    assert good().broken() == []
    assert good().proves_nothing() == []


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_violation_breaks_a_promise(kind: Kind) -> None:
    """Also those that have no key of their own in the report."""
    outcome = good()
    outcome.verdict.find(kind, "planted")
    assert outcome.broken()


def test_nodes_that_differ_and_orders_without_outcome_break_a_promise() -> None:
    """The histories alone do not show that a node has another state."""
    outcome = good()
    outcome.nodes_differ, outcome.unsettled = "n1 differs", 2
    assert len(outcome.broken()) == 2


def test_too_few_orders_prove_nothing() -> None:
    """A venue that answers nobody loses nothing."""
    outcome = good()
    outcome.acknowledged -= 1
    assert "999 orders" in outcome.proves_nothing()[0]


def test_kills_without_an_order_in_flight_prove_nothing() -> None:
    """An idle venue survives every kill; most of them must have found it at work."""
    outcome = good()
    outcome.done.in_flight = [0, 0]
    assert "in flight" in outcome.proves_nothing()[0]
    outcome.done.in_flight = [0, 5, 0]
    assert "at 2 of the 3 instants" in outcome.proves_nothing()[0]
    outcome.done.in_flight = [0, 5]
    assert outcome.proves_nothing() == []
    outcome.done.in_flight = []  # faults that kill nothing
    assert outcome.proves_nothing() == []


def test_no_fault_proves_nothing() -> None:
    """An interrupt before the first one."""
    outcome = good()
    outcome.done = Done()
    assert "not a single fault" in outcome.proves_nothing()[0]
