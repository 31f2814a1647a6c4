"""Calls: orders were collected, and trade with each other at one price (docs/rules.md, Calls).

Called by the phases, and by the engine at the start of each entry, behind each command that gives
it work, and at the end of each entry. Promises: at most WORK_STEPS_MAX steps in one entry, the rest
in the next ones; until an instrument is done it stays in its phase (RULES A11, B5).
"""

from oms.messages.enums import CancelReason, EventFlag, EventKind, Liquidity, Phase, Side
from oms.reference import bands, bust, fees, ledger, matcher, phase_change, phases, self_trade
from oms.reference.budget import Budget
from oms.reference.call_price import CallPrice, find
from oms.reference.events import Events
from oms.reference.order import Order
from oms.reference.phase_change import Stage
from oms.reference.state import Instrument, Venue

_LIQUIDITY = {
    Phase.PRE_OPEN: Liquidity.OPENING,
    Phase.OPENING_AUCTION: Liquidity.OPENING,
    Phase.CLOSING_AUCTION: Liquidity.CLOSING,
}


def run(venue: Venue, events: Events, budget: Budget) -> None:
    """Do what this entry still may."""
    while venue.uncrossing and budget.fills:
        instrument = venue.instruments[venue.uncrossing[0] - 1]
        call = instrument.call
        if call.stage == Stage.QUEUED:
            budget.fills -= 1
            call.price = find(venue.book(instrument.instrument_id), instrument).price
            call.clamp = bands.clamp(instrument, call.price)
            if call.clamp:
                limits = bands.band(instrument)
                call.price = limits.high if call.clamp == bands.Clamp.HIGH else limits.low
            call.stage = Stage.TRADING
        if call.stage == Stage.TRADING:
            _trade(venue, events, instrument, budget)
        if call.stage == Stage.CUTTING:
            _cut(venue, events, instrument, budget)
        if call.stage == Stage.CLEARING:
            _clear(venue, events, instrument, budget)


def _trade(venue: Venue, events: Events, instrument: Instrument, budget: Budget) -> None:
    """Best price first, first come first served, all of it at one price."""
    book, call = venue.book(instrument.instrument_id), instrument.call
    while call.price and budget.fills:
        buy, sell = book.first(Side.BUY), book.first(Side.SELL)
        if buy is None or sell is None or not sell.price <= call.price <= buy.price:
            break
        budget.fills -= 1
        _fill(venue, events, instrument, buy, sell)
    else:
        if call.price:
            return
    if call.volume:
        call.band_reference = call.price
        events.auction(
            EventKind.AUCTION_TRADE, instrument, price=call.price, volume=call.volume,
            match_id=_next_match_id(venue),
        )  # fmt: skip
    call.price = call.volume = 0
    # Orders that went in the middle of it can leave others overlapping: then again.
    call.stage = Stage.QUEUED if phase_change.is_crossed(book) else Stage.CLEARING
    if call.clamp:
        call.stage = Stage.CUTTING


def _cut(venue: Venue, events: Events, instrument: Instrument, budget: Budget) -> None:
    """What still overlaps would trade outside the band: of the side that went there the best go."""
    book, call = venue.book(instrument.instrument_id), instrument.call
    pressing = Side.BUY if call.clamp == bands.Clamp.HIGH else Side.SELL
    while phase_change.is_crossed(book):
        if budget.fills == 0:
            return
        budget.fills -= 1
        order = book.first(pressing)
        assert order is not None, "a crossed book has both sides"
        matcher.take_away(venue, events, order, CancelReason.HALTED, EventFlag(0))
    call.clamp = 0
    call.stage = Stage.CLEARING


def _fill(venue: Venue, events: Events, instrument: Instrument, buy: Order, sell: Order) -> None:
    """One trade of two orders that both rest: the buy's event comes first."""
    call = instrument.call
    qty, match_id = min(buy.shown, sell.shown), _next_match_id(venue)
    is_own = self_trade.is_same_owner(venue, buy, sell)
    stops = venue.stops_of(instrument.instrument_id)
    stops.note_print(call.price, instrument.reference())
    instrument.last_price = call.price
    call.volume += qty
    sides: list[tuple[Order, int]] = []
    for order in (buy, sell):
        ledger.release(venue, order, qty)
        ledger.settle(venue, order, price=call.price, qty=qty)
        order.leaves -= qty
        order.cum += qty
        fee = fees.charge(venue, order, is_maker=False, amount=call.price * qty)
        ledger.hold_fees(venue, order, order.leaves)
        sides.append((order, fee))
        events.executed(
            order, qty=qty, price=call.price, match_id=match_id, record=None, fee=fee,
            liquidity=_LIQUIDITY.get(Phase(instrument.phase), Liquidity.HALT),
            flags=EventFlag.SELF_TRADED if is_own else 0,
        )  # fmt: skip
    bust.note(venue, match_id, price=call.price, qty=qty, sides=sides)
    for order in (buy, sell):
        if order.leaves == 0:
            venue.unlink(order)
            venue.free_slot(order)
        elif order.shown == 0:
            matcher.refresh(venue, events, order)


def _clear(venue: Venue, events: Events, instrument: Instrument, budget: Budget) -> None:
    """Orders that were for this call alone go, the oldest first; then comes the next phase."""
    book, call = venue.book(instrument.instrument_id), instrument.call
    left = sorted((o for o in book.orders() if o.is_for_call), key=lambda order: order.order_id)
    for order in left:
        if budget.fills == 0:
            return
        budget.fills -= 1
        matcher.take_away(venue, events, order, CancelReason.CROSS, EventFlag(0))
    venue.uncrossing.pop(0)
    call.stage = 0
    phase_change.change(venue, events, instrument, call.next_phase)
    call.next_phase = 0


def publish(venue: Venue, events: Events) -> None:
    """AUCTION_STATE of the books that were touched in this entry, where it is another one."""
    for instrument_id in sorted(venue.touched):
        instrument = venue.instruments[instrument_id - 1]
        call = instrument.call
        if instrument.phase not in phases.CALLS or call.stage:
            continue
        now = find(venue.book(instrument_id), instrument)
        if now == CallPrice(call.said_price, call.said_volume, call.said_imbalance):
            continue
        call.said_price, call.said_volume, call.said_imbalance = now
        events.auction(
            EventKind.AUCTION_STATE, instrument, price=now.price, volume=now.volume,
            imbalance=now.imbalance,
        )  # fmt: skip


def _next_match_id(venue: Venue) -> int:
    match_id = venue.numbers.next_match_id
    venue.numbers.next_match_id += 1
    return match_id
