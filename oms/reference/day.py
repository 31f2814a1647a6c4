"""The trading day: start, end; orders that expire at its end, or at their own time.

Called by the administration, and by the engine at the start of each entry. Promises: one step
examines at most WORK_STEPS_MAX slots or expires as many orders (RULES A11).
"""

from oms.bounds import WORK_STEPS_MAX
from oms.messages.enums import (
    CancelReason,
    EventFlag,
    EventKind,
    Phase,
    Protocol,
    RejectReason,
    RestatedReason,
    TimeInForce,
)
from oms.reference import matcher, phase_change
from oms.reference.events import Draft, Events
from oms.reference.state import NAMES_ANEW, Venue


def start(venue: Venue, events: Events, *, trading_date: int, midnight_ns: int) -> int:
    """START_DAY."""
    numbers = venue.numbers
    if numbers.is_day_open or numbers.sweep_slot or trading_date <= numbers.trading_date:
        return RejectReason.WRONG_DAY
    numbers.is_day_open = True
    if numbers.rule_version >= NAMES_ANEW and venue.live:
        numbers.restate_up_to = numbers.restate_last = numbers.next_order_id - 1
        numbers.next_order_id += len(venue.live)
    numbers.trading_date = trading_date
    venue.day_match_id = numbers.next_match_id - 1
    venue.trades.clear()
    numbers.midnight_ns = midnight_ns
    for session in venue.sessions:
        session.out_seq = 0
        session.window.clear()
        if session.live_orders == 0:
            session.last_user_ref_num = 0
    for instrument in venue.instruments:
        if instrument.phase == Phase.CLOSED:
            phase_change.change(venue, events, instrument, Phase.PRE_OPEN)
    _tell_sessions(venue, events, ord("S"))
    events.emit(Draft(kind=EventKind.DAY_STARTED, order_id=trading_date, price=midnight_ns))
    return RejectReason.NONE


def end(venue: Venue, events: Events) -> int:
    """END_DAY: trading stops at once, DAY orders go in the entries that follow."""
    if not venue.numbers.is_day_open:
        return RejectReason.WRONG_DAY
    venue.numbers.is_day_open = False
    for instrument in venue.instruments:
        phase_change.move(venue, events, instrument, Phase.CLOSED)
    venue.numbers.sweep_slot = 1
    return RejectReason.NONE


def sweep_step(venue: Venue, events: Events) -> None:
    """One step of the day-end sweep, if one is pending."""
    numbers = venue.numbers
    if numbers.sweep_slot == 0 or venue.uncrossing:  # closing calls trade before orders go
        return
    end_slot = min(numbers.sweep_slot + WORK_STEPS_MAX, numbers.highest_slot + 1)
    for slot in range(numbers.sweep_slot, end_slot):
        order = venue.slots.get(slot)
        if order is not None and (order.time_in_force == TimeInForce.DAY or order.is_for_call):
            matcher.take_away(venue, events, order, CancelReason.CLOSED, EventFlag(0))
    numbers.sweep_slot = end_slot
    if end_slot <= numbers.highest_slot:
        return
    numbers.sweep_slot = 0
    _tell_sessions(venue, events, ord("E"))
    events.emit(Draft(kind=EventKind.DAY_ENDED, order_id=numbers.trading_date))


def restate_step(venue: Venue, events: Events) -> None:
    """Orders of the day before come into the new one under new public numbers, book by book."""
    numbers = venue.numbers
    if numbers.restate_up_to == 0:
        return
    waiting = [
        order
        for book in venue.books
        for order in book.orders()
        if not order.is_hidden and (order.public_id or order.order_id) <= numbers.restate_up_to
    ]
    for order in waiting[:WORK_STEPS_MAX]:
        numbers.restate_last += 1
        order.public_id = numbers.restate_last
        events.restated(order, RestatedReason.DISPLAY)
    if len(waiting) <= WORK_STEPS_MAX:
        numbers.restate_up_to = numbers.restate_last = 0


def expire_due(venue: Venue, events: Events) -> None:
    """Orders whose time is over go, the earliest first, at most so many in one entry."""
    for _ in range(WORK_STEPS_MAX):
        if not venue.timers:
            return
        (due_ns, _order_id), order = venue.timers.peekitem(0)
        if due_ns > venue.numbers.last_timestamp:
            return
        matcher.take_away(venue, events, order, CancelReason.TIMEOUT, EventFlag(0))


def _tell_sessions(venue: Venue, events: Events, code: int) -> None:
    for session in venue.sessions:
        if session.protocol == Protocol.OUCH:
            events.emit(
                Draft(kind=EventKind.SYSTEM_EVENT, session_id=session.session_id, reason=code)
            )
