"""Pegs follow the best prices, one after the other, when a command has moved them (docs/rules.md).

Called by the engine when followers are looked at. Promises: one entry examines at most
WORK_STEPS_MAX of them; no peg is moved in the middle of a command.
"""

from oms.messages import records
from oms.reference import ledger, matcher, peg_terms
from oms.reference.budget import Budget
from oms.reference.events import Events
from oms.reference.order import Order
from oms.reference.records import order as read_order
from oms.reference.state import Instrument, Venue


def follow(venue: Venue, events: Events, budget: Budget) -> bool:
    """Examine one peg, if any is due and this entry still may."""
    instrument = next_due(venue)
    if instrument is None or budget.pegs == 0:
        return False
    budget.pegs -= 1
    pegs = venue.pegs_of(instrument.instrument_id)
    prices = peg_terms.best_prices(venue, instrument)
    if pegs.next_id == 0:
        pegs.next_id = next(iter(pegs.orders))
        pegs.is_due_again = False
    elif prices != pegs.noted:
        pegs.is_due_again = True
    pegs.noted = prices
    order = pegs.orders[pegs.next_id]
    pegs.next_id = pegs.behind(order.order_id)
    if peg_terms.price_of(venue, order) != order.pegged_price:
        _move(venue, events, order)
    return True


def next_due(venue: Venue) -> Instrument | None:
    """The first instrument with a pass to do."""
    for pegs, instrument in zip(venue.pegs, venue.instruments, strict=True):
        if pegs.orders and (
            pegs.next_id
            or pegs.is_due_again
            or pegs.noted != peg_terms.best_prices(venue, instrument)
        ):
            return instrument
    return None


def _move(venue: Venue, events: Events, order: Order) -> None:
    """It leaves its place, and goes where it should stand as if it came now."""
    book = venue.book(order.instrument_id)
    before = book.top()
    if order.pegged_price:
        book.remove(order)
        order.pegged_price = 0
    ledger.release(venue, order, order.leaves)
    ledger.hold_fees(venue, order, 0)
    record = read_order(bytes(records.ENTRY.size))._replace(self_trade=order.self_trade)
    matcher.match_peg(venue, events, order, record)
    if order.leaves == 0:
        order.pegged_price = 0  # it stands nowhere
        venue.unlink(order)
        venue.free_slot(order)
    else:
        ledger.hold(venue, order, order.leaves)
        ledger.hold_fees(venue, order, order.leaves)
        if order.pegged_price:
            book.add(order)
    matcher.pause_if_stopped(venue, events, order)
    events.book_top_if_changed(order.instrument_id, before)
