"""Where a peg stands, and what it must say (docs/rules.md, Pegs).

Called by risk, by the matcher and by what moves pegs. Promises: but for `suspend_all`, changes
nothing. Units: prices 10^-4.
"""

from oms.bounds import PEGS_MAX, PRICE_MAX
from oms.messages.enums import OrdType, Phase, Side, TimeInForce
from oms.reference import ticks
from oms.reference.order import Order
from oms.reference.records import OrderRecord
from oms.reference.state import HIDES, Instrument, Venue

_TIMES = frozenset((TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD, TimeInForce.GTT))


def is_peg_bad(venue: Venue, record: OrderRecord) -> bool:
    """Whether a peg cannot be asked for like this."""
    hides = record.display == ord("N") and venue.numbers.rule_version >= HIDES
    return (
        record.time_in_force not in _TIMES
        or record.min_qty > 0
        or not hides
        or abs(record.peg_offset) > PRICE_MAX
    )


def is_full(venue: Venue) -> bool:
    """Whether the venue has as many pegs as it may have."""
    return sum(len(pegs.orders) for pegs in venue.pegs) >= PEGS_MAX


def best_prices(venue: Venue, instrument: Instrument) -> tuple[int, int]:
    """The displayed bid and ask that pegs follow; 0: there is none, or nothing trades now."""
    if not venue.numbers.is_day_open or instrument.phase != Phase.CONTINUOUS:
        return 0, 0
    top = venue.book(instrument.instrument_id).top()
    return top.bid_price, top.ask_price


def price_of(venue: Venue, order: Order) -> int:
    """Where a peg should stand now; 0: nowhere."""
    instrument = venue.instruments[order.instrument_id - 1]
    bid, ask = best_prices(venue, instrument)
    own, opposite = (bid, ask) if order.side == Side.BUY else (ask, bid)
    followed = {
        OrdType.PEG_PRIMARY: (own, own),
        OrdType.PEG_MARKET: (opposite, opposite),
        OrdType.PEG_MIDPOINT: (own, opposite),
    }[OrdType(order.ord_type)]
    if 0 in followed:
        return 0
    is_middle = order.ord_type == OrdType.PEG_MIDPOINT and order.peg_offset == 0
    if order.side == Side.BUY:
        price = max(sum(followed) + 2 * order.peg_offset, 0) // 2
        price = price if is_middle else ticks.price_floor(instrument, price)
        bounds = [price, order.price]
        if opposite and not is_middle:
            bounds.append(ticks.price_down(instrument, opposite))
        return min(bounds)
    price = -(-max(sum(followed) - 2 * order.peg_offset, 0) // 2)
    price = price if is_middle else ticks.price_ceil(instrument, price)
    bounds = [price, order.price]
    if opposite and not is_middle:
        bounds.append(ticks.price_up(instrument, opposite))
    price = max(bounds)
    return price if price <= PRICE_MAX else 0


def suspend_all(venue: Venue, instrument: Instrument) -> None:
    """Continuous trading ends: no peg of the instrument stands any more."""
    pegs = venue.pegs_of(instrument.instrument_id)
    for order in pegs.orders.values():
        if order.pegged_price:
            venue.book(instrument.instrument_id).remove(order)
            order.pegged_price = 0
    pegs.noted, pegs.next_id, pegs.is_due_again = (0, 0), 0, False
