"""The audit must fail when something is wrong: every kind of fault is put in and must be found."""

import struct
from collections.abc import Callable

import pytest

from oms.messages.enums import EventKind, RejectReason
from oms.messages.event_records import EVENT, Event, unpack_events
from oms.robots.audit import Finding, RunningAudit, compare, compare_live, compare_sent
from oms.robots.facts import Fact, FactLog, facts_of_events


def accepted(urn: int, order_id: int, qty: int = 100) -> Fact:
    """An acceptance."""
    return Fact(EventKind.ORDER_ACCEPTED, urn, order_id, qty, 10_0000, 0)


def executed(urn: int, match_id: int, qty: int = 10) -> Fact:
    """An execution."""
    return Fact(EventKind.ORDER_EXECUTED, urn, 0, qty, 10_0000, match_id)


def canceled(urn: int, qty: int) -> Fact:
    """A cancel by the user."""
    return Fact(EventKind.ORDER_CANCELED, urn, 0, qty, 0, ord("U"))


def rejected(urn: int) -> Fact:
    """A reject."""
    return Fact(EventKind.ORDER_REJECTED, urn, 0, 0, 0, 0x13)


HISTORY = [
    accepted(1, 11),
    executed(1, 501),
    executed(1, 502),
    accepted(2, 15),
    rejected(3),
    canceled(1, 30),
    canceled(1, 50),
    executed(2, 503),
]


def found(seen: list[Fact], stream: list[Fact]) -> dict[str, int]:
    """The counts of a finding that are not zero."""
    finding = compare("ANNA", seen, stream)
    names = ("lost", "duplicated", "undelivered", "disordered")
    counts = {name: getattr(finding, name) for name in names if getattr(finding, name)}
    assert finding.is_clean == (not counts)
    assert bool(finding.examples) == bool(counts)
    return counts


def test_equal_histories_are_clean() -> None:
    """A detector that always fires is as useless as one that never does."""
    assert found(HISTORY, HISTORY) == {}
    assert found([], []) == {}


@pytest.mark.parametrize("position", range(len(HISTORY)))
def test_any_fact_missing_from_the_log_is_lost(position: int) -> None:
    """The client was told, and the venue forgot: the one thing that must never happen."""
    stream = [fact for number, fact in enumerate(HISTORY) if number != position]
    assert found(HISTORY, stream) == {"lost": 1}


@pytest.mark.parametrize("position", range(len(HISTORY)))
def test_any_fact_the_client_never_got_is_undelivered(position: int) -> None:
    """A gap in the stream to the client."""
    seen = [fact for number, fact in enumerate(HISTORY) if number != position]
    assert found(seen, HISTORY) == {"undelivered": 1}


@pytest.mark.parametrize("position", range(len(HISTORY)))
def test_any_fact_delivered_twice_is_duplicated(position: int) -> None:
    """A client that books a fill twice is wrong about its position."""
    seen = [*HISTORY, HISTORY[position]]
    assert found(seen, HISTORY) == {"duplicated": 1}


@pytest.mark.parametrize(
    ("again", "why"),
    [
        (accepted(2, 99), "one order accepted twice, under another order id"),
        (accepted(9, 11), "one order id for two orders"),
        (rejected(1), "an order accepted and rejected"),
        (executed(1, 501, 10), "one match executed twice"),
        (executed(1, 501, 20), "one match executed twice, with another quantity"),
        (Fact(EventKind.ORDER_REPLACED, 2, 98, 0, 10_0000, 1), "a number used twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_effect_that_came_twice_is_duplicated_even_if_both_sides_agree(
    again: Fact, why: str
) -> None:
    """Client and log may agree on a wrong history: the log itself must not repeat an effect."""
    history = [*HISTORY, again]
    assert found(history, history) == {"duplicated": 1}, why


def test_second_acceptance_that_only_the_client_saw_is_lost_and_duplicated() -> None:
    """It was told twice that its order stands, and one of the two is not true."""
    assert found([*HISTORY, accepted(2, 99)], HISTORY) == {"lost": 1, "duplicated": 1}


@pytest.mark.parametrize("field", ["order_id", "qty", "price", "detail"])
def test_other_numbers_than_in_the_log_are_found(field: str) -> None:
    """The same order with another price is not the same order."""
    stream = list(HISTORY)
    stream[1] = stream[1]._replace(**{field: 77})
    counts = found(HISTORY, stream)
    assert counts["lost"] == 1
    assert counts["undelivered"] == 1


def test_other_order_than_in_the_log_is_found() -> None:
    """The stream is a sequence, not a set."""
    seen = [*HISTORY[:2], HISTORY[3], HISTORY[2], *HISTORY[4:]]
    assert found(seen, HISTORY) == {"disordered": 1}


def test_loss_and_duplicate_together_are_both_counted() -> None:
    """Equal lengths must not hide that one is missing and another is there twice."""
    seen = [*HISTORY[:-1], HISTORY[1]]
    assert found(seen, HISTORY) == {"undelivered": 1, "duplicated": 1}


@pytest.mark.parametrize(
    ("believed", "live", "count"),
    [
        ({}, {}, 0),
        ({1: 50}, {1: 50}, 0),
        ({1: 50}, {}, 1),
        ({}, {1: 50}, 1),
        ({1: 50}, {1: 40}, 1),
        ({1: 50, 2: 5}, {1: 50, 3: 5}, 2),
    ],
)
def test_live_orders_are_compared_with_their_open_quantity(
    believed: dict[int, int], live: dict[int, int], count: int
) -> None:
    """What the client thinks it has in the market is what the market thinks."""
    finding = compare_live("ANNA", believed, live)
    assert finding.live_mismatched == count
    assert finding.is_clean == (count == 0)


def test_order_without_outcome_is_unresolved() -> None:
    """An order whose fate nobody ever tells is the question the product exists for."""
    assert compare_sent("ANNA", [1, 2, 3], HISTORY).is_clean
    finding = compare_sent("ANNA", [1, 2, 3, 4], HISTORY)
    assert finding.unresolved == 1
    assert not finding.is_clean


def test_findings_add_up() -> None:
    """One bad session among many must show in the sum."""
    total = Finding()
    total.add(compare("ANNA", HISTORY, HISTORY))
    total.add(compare("BERT", HISTORY, HISTORY[1:]))
    total.add(compare_live("BERT", {1: 1}, {}))
    total.add(compare_sent("BERT", [4], HISTORY))
    assert (total.sessions, total.lost, total.live_mismatched, total.unresolved) == (2, 1, 1, 1)
    assert not total.is_clean
    assert all(example.startswith("BERT") for example in total.examples)


# ---- the running form


def record(fact: Fact, out_seq: int) -> Event:
    """The event record that says `fact`."""
    reason = fact.detail & 0xFF if fact.kind == EventKind.ORDER_CANCELED else 0
    if fact.kind == EventKind.ORDER_REJECTED:
        reason = RejectReason.BAD_QUANTITY
    match = struct.pack("<Q", fact.detail) if fact.kind == EventKind.ORDER_EXECUTED else b""
    replaced = fact.detail if fact.kind == EventKind.ORDER_REPLACED else 0
    packed = EVENT.pack(
        fact.kind, 1, reason, 0, 7, 0, out_seq, 0, 0, 1, 1, 0, 0, fact.user_ref_num,
        fact.order_id, fact.price, fact.qty, 0, replaced, 2, 1, 0, 0, match, b"", 0, 0, 0,
    )  # fmt: skip
    return unpack_events(packed)[0]


def stream_of(facts: list[Fact]) -> list[Event]:
    """The session's stream as a node replays it."""
    return [record(fact, out_seq) for out_seq, fact in enumerate(facts, 1)]


def ran(seen: list[Fact], stream: list[Fact], checks: int = 1) -> RunningAudit:
    """A running audit after everything was read and checked."""
    audit = RunningAudit(FactLog(seen))
    audit.extend(stream_of(stream))
    for _ in range(checks):
        audit.check(is_complete=True)
    return audit


def is_quiet(audit: RunningAudit) -> bool:
    """Whether it found nothing."""
    return not (audit.mismatches or audit.duplicated or audit.overdue)


def test_records_of_a_stream_become_the_facts_that_the_client_saw() -> None:
    """Both sides must be said in one language, or everything would differ."""
    assert facts_of_events(stream_of(HISTORY)) == HISTORY


def test_running_audit_is_quiet_while_both_sides_agree() -> None:
    """Also when the client is behind the log, or the log's reader behind the client."""
    seen = FactLog()
    audit = RunningAudit(seen)
    for start in range(0, len(HISTORY), 3):
        audit.check(is_complete=True)
        for fact in HISTORY[start : start + 2]:
            seen.append(fact)
        audit.extend(stream_of(HISTORY)[start : start + 3])
        audit.check(is_complete=True)
        for fact in HISTORY[start + 2 : start + 3]:
            seen.append(fact)
    audit.check(is_complete=True)
    assert is_quiet(audit)


def test_fact_that_a_node_has_not_applied_yet_is_not_lost() -> None:
    """A node that catches up after its restart is behind the clients: no false alarm."""
    audit = RunningAudit(FactLog(HISTORY))
    audit.check(is_complete=True)
    audit.extend(stream_of(HISTORY)[:3])
    audit.check(is_complete=False)
    assert is_quiet(audit)
    audit.check(is_complete=True)
    assert audit.overdue == len(HISTORY) - 3


FAULTS: dict[str, Callable[[], RunningAudit]] = {
    "lost in the middle": lambda: ran(HISTORY, HISTORY[:2] + HISTORY[3:]),
    "lost at the end": lambda: ran(HISTORY, HISTORY[:-1], checks=2),
    "all lost": lambda: ran(HISTORY, [], checks=2),
    "undelivered": lambda: ran(HISTORY[:2] + HISTORY[3:], HISTORY),
    "delivered twice": lambda: ran(HISTORY[:2] + HISTORY[1:], HISTORY),
    "accepted twice": lambda: ran([*HISTORY, accepted(2, 99)], [*HISTORY, accepted(2, 99)]),
    "order id twice": lambda: ran([*HISTORY, accepted(9, 11)], [*HISTORY, accepted(9, 11)]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_running_audit_sees_faults_while_they_happen(fault: str) -> None:
    """The live line must not show 0 until the end and then surprise."""
    assert not is_quiet(FAULTS[fault]())


def test_running_audit_does_not_accept_a_gap_in_the_stream() -> None:
    """A node that leaves out a number has not replayed the stream."""
    audit = RunningAudit(FactLog())
    with pytest.raises(ValueError, match="jumps from 1 to 3"):
        audit.extend([stream_of(HISTORY)[0], stream_of(HISTORY)[2]])


def test_fact_log_gives_back_what_it_was_given() -> None:
    """Facts are packed only to be small."""
    log = FactLog(HISTORY)
    assert list(log) == HISTORY
    assert [log[position] for position in range(len(log))] == HISTORY
    with pytest.raises(IndexError):
        log[len(HISTORY)]
