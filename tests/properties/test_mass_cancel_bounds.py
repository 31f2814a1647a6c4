"""What mass cancels and disconnects do when there are more orders than one entry may cancel."""

import msgspec
import pytest

from oms.bounds import MASS_CANCELS_MAX, SCAN_SLOTS_MAX, WORK_STEPS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, EventKind, RejectReason, Side
from oms.messages.event_records import unpack_events
from tests.properties.test_bounds import ADMIN, ALICE, MODULES, NEVER, Venue

BOB = 3
MANY = WORK_STEPS_MAX + 500


def _order(session: int, ref: int, side: int = Side.BUY, price: int = 99_000) -> c.NewOrder:
    return c.NewOrder(
        session, 1, ref, NEVER, OUCH_POLICY, ref, session - 1, 1, side, 2, 2, 1, price, b"", b"",
        ord("Y"), ord("A"), ord("N"), ord("N"),
    )  # fmt: skip


def _filled(module: str, count: int) -> Venue:
    """A venue where alice has `count` orders."""
    venue = Venue(module, disconnecting=("alice",), orders_max=count + 10)
    for first in range(1, count + 1, 1000):
        venue.apply([_order(ALICE, ref) for ref in range(first, min(first + 1000, count + 1))])
    assert venue.engine.open_orders == count
    return venue


def _mass_cancel(seq: int, ref: int, side: int = 0) -> c.MassCancel:
    return c.MassCancel(ALICE, 1, seq, NEVER, OUCH_POLICY, ref, 0, 0, side, b"")


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("count", [WORK_STEPS_MAX - 1, WORK_STEPS_MAX, WORK_STEPS_MAX + 1, 2500])
def test_mass_cancel_takes_bounded_steps(module: str, count: int) -> None:
    """However many orders go, no entry cancels more than WORK_STEPS_MAX of them (RULES A11)."""
    venue = _filled(module, count)
    kinds = venue.apply([_mass_cancel(count + 1, count + 1)])
    assert kinds[0] == EventKind.MASS_CANCEL_ACCEPTED
    left = count
    while True:
        canceled = kinds.count(EventKind.ORDER_CANCELED)
        assert canceled == min(left, WORK_STEPS_MAX)
        left -= canceled
        assert (EventKind.MASS_CANCEL_DONE in kinds) == (left == 0)
        assert venue.engine.is_work_pending == (left > 0)
        if not left:
            break
        kinds = venue.apply([])
    assert unpack_events(venue.engine.events())[-1].qty == count
    assert venue.engine.open_orders == 0


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_search_in_vain_is_bounded_too(module: str) -> None:
    """Finding nothing among a million orders must not hold up the venue either."""
    count = SCAN_SLOTS_MAX + 1
    venue = _filled(module, count)
    kinds = venue.apply([_mass_cancel(count + 1, count + 1, side=Side.SELL)])
    assert kinds == [EventKind.MASS_CANCEL_ACCEPTED]
    assert venue.engine.is_work_pending
    assert venue.apply([]) == [EventKind.MASS_CANCEL_DONE]
    assert venue.engine.open_orders == count


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_login_keeps_what_the_disconnect_has_not_reached(module: str) -> None:
    """A late cancel on disconnect must never hit the new connection's orders (RULES A3)."""
    venue = _filled(module, MANY)
    order = _order(ALICE, MANY + 1)
    again = c.Login(ALICE, nonce=50, gateway_id=7)
    first_of_epoch = msgspec.structs.replace(order, conn_epoch=2, client_seq=1)
    venue.apply([c.Logout(ALICE, 1), again, first_of_epoch])
    assert venue.engine.open_orders == MANY - WORK_STEPS_MAX + 1
    venue.apply([])
    assert not venue.engine.is_work_pending
    assert venue.engine.open_orders == MANY - WORK_STEPS_MAX + 1


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_what_a_mass_cancel_has_not_reached_trades_but_cannot_be_replaced(module: str) -> None:
    """A replaced order would have a new id and escape; a cancel and a trade end as they should."""
    venue = _filled(module, MANY)
    seq = MANY + 1
    replace = c.ReplaceOrder(
        ALICE, 1, seq + 1, NEVER, 0, MANY, MANY + 2, 2, 5, 99_000, b"", ord("Y"), ord("N")
    )
    kinds = venue.apply([
        _mass_cancel(seq, MANY + 1),
        replace,
        c.CancelOrder(ALICE, 1, seq + 2, NEVER, 0, MANY - 1, 0),
        _order(BOB, 1, Side.SELL, 98_000),
    ])  # fmt: skip
    assert EventKind.CANCEL_REJECTED in kinds
    assert EventKind.TRADE in kinds
    assert venue.engine.open_orders == MANY - WORK_STEPS_MAX - 2
    venue.apply([])
    assert venue.engine.open_orders == 0
    assert not venue.engine.is_work_pending


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_what_is_entered_behind_a_mass_cancel_stays(module: str) -> None:
    """Its slot may be one that the work has yet to come to: the order_id decides, not the place."""
    venue = _filled(module, MANY)
    seq = MANY + 1
    venue.apply([
        _mass_cancel(seq, MANY + 1),
        c.CancelOrder(ALICE, 1, seq + 1, NEVER, 0, MANY, 0),  # the highest slot is free
        msgspec.structs.replace(_order(ALICE, MANY + 2), client_seq=seq + 2),
    ])  # fmt: skip
    venue.apply([])
    assert not venue.engine.is_work_pending
    left = venue.engine.session_orders(ALICE)
    assert [order.user_ref_num for order in left] == [MANY + 2]


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_so_many_mass_cancels_wait_and_no_more(module: str) -> None:
    """At the bound the next one is refused with a reason; a disconnect never is."""
    venue = _filled(module, MANY)
    venue.apply([
        *(_mass_cancel(MANY + n, MANY + n) for n in range(1, MASS_CANCELS_MAX + 2)),
        ac.AdminMassCancel(ADMIN, 1, 1, NEVER),
        c.Logout(ALICE, 1),
    ])  # fmt: skip
    events = unpack_events(venue.engine.events())
    kinds = [event.kind for event in events]
    assert kinds.count(EventKind.MASS_CANCEL_ACCEPTED) == MASS_CANCELS_MAX
    refused = [event for event in events if event.kind == EventKind.ORDER_REJECTED]
    assert [event.reason for event in refused] == [RejectReason.CAPACITY]
    refused = [event for event in events if event.kind == EventKind.ADMIN_REJECTED]
    assert [event.reason for event in refused] == [RejectReason.CAPACITY]
    while venue.engine.is_work_pending:
        venue.apply([])
    assert venue.engine.open_orders == 0


@pytest.mark.property
def test_engines_agree_on_work_that_waits() -> None:
    """Through both, with a restart from a snapshot between any two entries."""
    oracle, core = (_filled(module, MANY) for module in MODULES)
    batches: list[list[c.Command]] = [
        [_order(BOB, ref, Side.SELL, 100_000) for ref in range(1, 50)],
        [_mass_cancel(MANY + 1, MANY + 1, side=Side.BUY), c.Logout(ALICE, 1)],
        [ac.AdminMassCancel(ADMIN, 1, 1, NEVER, of_session_id=BOB)],
        [c.Logout(BOB, 1)],
        [],
    ]
    for batch in batches:
        assert oracle.apply(batch) == core.apply(batch)
        for venue in (oracle, core):
            venue.engine.restore(venue.engine.snapshot())
        assert oracle.engine.digest() == core.engine.digest()
        assert oracle.engine.state_digest() == core.engine.state_digest()
    assert oracle.engine.open_orders == 0
