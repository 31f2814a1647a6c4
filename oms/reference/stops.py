"""Stop orders: which are elected by what a command did, and how they enter (docs/rules.md).

Called by the engine at the start of each entry's work and after each command. Promises: nothing is
elected in the middle of a command; one entry lets at most WORK_STEPS_MAX of them in.
"""

from oms.messages import records
from oms.messages.enums import (
    CancelReason,
    OrdType,
    Phase,
    RejectReason,
    RestatedReason,
    Side,
    Trigger,
)
from oms.reference import matcher, restriction, risk, stop_terms
from oms.reference.budget import Budget
from oms.reference.events import Events
from oms.reference.order import LIMITED_STOPS, Order
from oms.reference.records import order as read_order
from oms.reference.state import Instrument, Venue


def follow(venue: Venue, events: Events, budget: Budget) -> None:
    """Elect what the last command reached, and let in what this entry still may."""
    while True:
        for instrument in venue.instruments:
            _elect(venue, instrument)
        waiting = next_waiting(venue)
        if waiting is None or budget.elected == 0:
            return
        budget.elected -= 1
        _let_in(venue, events, waiting)


def next_waiting(venue: Venue) -> Order | None:
    """The first elected order of the first instrument that trades now."""
    for instrument in venue.instruments:
        stops = venue.stops_of(instrument.instrument_id)
        if stops.queue and _is_running(venue, instrument):
            return stops.queue[0]
    return None


def _is_running(venue: Venue, instrument: Instrument) -> bool:
    return venue.numbers.is_day_open and instrument.phase == Phase.CONTINUOUS


def _elect(venue: Venue, instrument: Instrument) -> None:
    """Every stop order that the prints, or the best prices, have reached joins the queue."""
    stops = venue.stops_of(instrument.instrument_id)
    if not stops.count:
        stops.forget_prints()
    is_moved = stops.high or stops.on_best  # nothing else can have reached anything
    if not is_moved or not _is_running(venue, instrument):
        return
    base = stops.base if stops.high else instrument.reference()
    waiting = list(stops.parked.values())
    elected = [order for order in waiting if _trails_and_is_elected(venue, instrument, order)]
    for order in sorted(elected, key=lambda o: (abs(o.stop_price - base), o.order_id)):
        stops.elect(order)
    stops.forget_prints()


def _trails_and_is_elected(venue: Venue, instrument: Instrument, order: Order) -> bool:
    """Whether the market has reached the order, where it stood or where it has trailed to."""
    stops = venue.stops_of(instrument.instrument_id)
    if order.trigger == Trigger.LAST_TRADE and not stops.high:
        return False
    is_reached = stop_terms.is_reached(
        venue, instrument, side=order.side, trigger=order.trigger, price=order.stop_price
    )
    if order.trail:
        stop_terms.trail(venue, instrument, order)
        last = instrument.last_price
        if order.trigger == Trigger.LAST_TRADE:
            is_buy = order.side == Side.BUY
            is_last_there = last >= order.stop_price if is_buy else last <= order.stop_price
            return is_reached or is_last_there
    return is_reached


def _let_in(venue: Venue, events: Events, order: Order) -> None:
    """An elected order enters as if it came now, or goes where new orders are stopped."""
    matcher.remove(venue, order)
    reason = _why_stopped(venue, order)
    if reason:
        qty, order.leaves = order.leaves, 0
        events.canceled(order, qty, CancelReason.SYSTEM, None, reject_reason=reason)
        venue.free_slot(order)
        return
    if order.trail:
        instrument = venue.instruments[order.instrument_id - 1]
        order.price = stop_terms.moved_along(instrument, order)
    order.public_id = matcher.next_order_id(venue)  # whoever sees it sees it come now
    events.restated(order, RestatedReason.ELECTED)
    is_limit = order.ord_type in LIMITED_STOPS
    order.ord_type = OrdType.LIMIT if is_limit else OrdType.MARKET
    record = read_order(bytes(records.ENTRY.size))._replace(self_trade=order.self_trade)
    order.stop_price = order.trigger = order.self_trade = order.trail = order.first_stop = 0
    order.is_elected = False
    matcher.enter_elected(venue, events, order, record)


def _why_stopped(venue: Venue, order: Order) -> RejectReason:
    session = venue.sessions[order.session_id - 1]
    account = venue.accounts[order.account_id - 1]
    instrument = venue.instruments[order.instrument_id - 1]
    if risk.is_entry_off(venue, session, account, instrument):
        return RejectReason.ENTRY_OFF
    if restriction.is_restricted(
        venue, order.account_id, order.instrument_id, side=order.side, qty=order.leaves
    ):
        return RejectReason.RESTRICTED
    return RejectReason.NONE
