"""Cascades of stop orders, when there are more than one entry may let in."""

import msgspec
import pytest

from oms.bounds import STOPS_MAX, WORK_STEPS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import (
    OUCH_POLICY,
    EventKind,
    OrdType,
    Phase,
    Policy,
    RejectReason,
    Side,
    TimeInForce,
)
from oms.messages.event_records import unpack_events
from tests.properties.test_bounds import ADMIN, ALICE, MODULES, NEVER, Venue
from tests.properties.test_mass_cancel_bounds import BOB, _order

CAROL = 4
MANY = WORK_STEPS_MAX + 500


def _stop(ref: int) -> c.NewOrder:
    """Alice buys when the price rises, at four prices."""
    return msgspec.structs.replace(
        _order(ALICE, ref),
        ord_type=OrdType.STOP,
        time_in_force=TimeInForce.GTC,
        price=0,
        stop_price=100_000 + 100 * (ref % 4),
    )


def _filled(module: str, count: int) -> Venue:
    """A venue where `count` of alice's orders wait, and bob offers more than they want."""
    venue = Venue(module, orders_max=count + 10)
    venue.apply([_offer(1, 5, 100_400), _offer(2, 9_000, 100_500)])
    for first in range(1, count + 1, 1000):
        venue.apply([_stop(ref) for ref in range(first, min(first + 1000, count + 1))])
    assert venue.engine.open_orders == count + 2
    return venue


def _offer(ref: int, qty: int, price: int) -> c.NewOrder:
    return msgspec.structs.replace(_order(BOB, ref, Side.SELL, price), order_qty=qty)


def _print(ref: int) -> c.NewOrder:
    """Carol buys one share where every waiting order is reached."""
    return _order(CAROL, ref, Side.BUY, 100_400)


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_cascade_takes_bounded_steps(module: str) -> None:
    """However many stop orders one print elects, no entry lets more in (RULES A11)."""
    venue = _filled(module, MANY)
    kinds = venue.apply([_print(1)])
    assert kinds.count(EventKind.ORDER_RESTATED) == WORK_STEPS_MAX
    is_pending = [venue.engine.is_work_pending]
    kinds = venue.apply([])
    assert kinds.count(EventKind.ORDER_RESTATED) == MANY - WORK_STEPS_MAX
    assert [*is_pending, venue.engine.is_work_pending] == [True, False]
    assert venue.engine.open_orders == 1


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_only_so_many_wait_in_one_instrument(module: str) -> None:
    """One print elects them all at once, so there is a bound, and who meets it is told."""
    venue = _filled(module, STOPS_MAX)
    assert venue.apply([_stop(STOPS_MAX + 1)]) == [EventKind.ORDER_REJECTED]
    assert unpack_events(venue.engine.events())[0].reason == RejectReason.CAPACITY
    venue.apply([_cancel(STOPS_MAX + 2, 7)])
    kinds = venue.apply([msgspec.structs.replace(_stop(STOPS_MAX + 2), client_seq=STOPS_MAX + 3)])
    assert EventKind.ORDER_ACCEPTED in kinds


def _replace(seq: int, orig: int, ref: int, qty: int, stop_price: int) -> c.ReplaceOrder:
    return c.ReplaceOrder(
        ALICE, 1, seq, NEVER, Policy.KEEPS_PRIORITY_ON_REDUCE, orig, ref, TimeInForce.GTC, qty, 0,
        b"", ord("Y"), ord("N"), stop_price=stop_price,
    )  # fmt: skip


def _cancel(seq: int, ref: int) -> c.CancelOrder:
    return c.CancelOrder(ALICE, 1, seq, NEVER, OUCH_POLICY, ref, 0)


def _phase(seq: int, phase: Phase) -> ac.SetPhase:
    return ac.SetPhase(ADMIN, 1, seq, NEVER, 1, phase)


HALTED: list[list[c.Command]] = [
    [_print(1), _phase(1, Phase.HALTED)],
    [],
    [_cancel(MANY + 1, MANY - 1), _cancel(MANY + 2, MANY - 5)],
    [_phase(2, Phase.CONTINUOUS)],
    [],
]
CHANGED: list[list[c.Command]] = [
    [
        _print(1),
        _replace(MANY + 1, MANY - 2, MANY + 1, 2, 0),
        _replace(MANY + 2, MANY - 9, MANY + 2, 1, 100_900),
        _cancel(MANY + 3, MANY - 1),
    ],
    [],
    [],
]


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_halt_freezes_the_queue(module: str) -> None:
    """In a halt nothing enters, nothing is pending, and what was elected can be canceled."""
    venue = _filled(module, MANY)
    restated = []
    left = []
    for batch in HALTED:
        restated.append(venue.apply(batch).count(EventKind.ORDER_RESTATED))
        assert not venue.engine.is_work_pending
        left.append(venue.engine.open_orders - 1)
    assert restated == [WORK_STEPS_MAX, 0, 0, MANY - WORK_STEPS_MAX - 2, 0]
    assert left == [MANY - WORK_STEPS_MAX, MANY - WORK_STEPS_MAX, MANY - WORK_STEPS_MAX - 2, 0, 0]


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_an_elected_order_keeps_its_stop_price(module: str) -> None:
    """It was reached: the quantity may change, and it keeps its place; the stop price may not."""
    venue = _filled(module, MANY)
    kinds = venue.apply(CHANGED[0])
    assert kinds[-3:] == [
        EventKind.ORDER_REPLACED, EventKind.CANCEL_REJECTED, EventKind.ORDER_CANCELED,
    ]  # fmt: skip
    assert unpack_events(venue.engine.events())[-2].reason == RejectReason.BAD_STOP
    venue.apply([])
    events = unpack_events(venue.engine.events())
    entered = [event for event in events if event.kind == EventKind.ORDER_RESTATED]
    assert len(entered) == MANY - WORK_STEPS_MAX - 1
    assert (entered[-1].user_ref_num, entered[-1].qty) != (MANY + 1, 2)
    assert (MANY + 1, 2) in [(event.user_ref_num, event.qty) for event in entered]


@pytest.mark.property
@pytest.mark.parametrize("batches", [HALTED, CHANGED], ids=["halted", "changed"])
def test_engines_agree_on_a_cascade(batches: list[list[c.Command]]) -> None:
    """Through both, restored from a snapshot between any two entries, whatever happens then."""
    oracle, core = (_filled(module, MANY) for module in MODULES)
    for batch in batches:
        assert oracle.apply(batch) == core.apply(batch)
        assert oracle.engine.events() == core.engine.events()
        for venue in (oracle, core):
            venue.engine.restore(venue.engine.snapshot())
        assert oracle.engine.digest() == core.engine.digest()
        assert oracle.engine.state_digest() == core.engine.state_digest()
        assert oracle.engine.scrub_digest(0) == core.engine.scrub_digest(0)
        assert oracle.engine.is_work_pending == core.engine.is_work_pending
