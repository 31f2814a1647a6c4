"""What a stop order must say, and how far it goes (docs/rules.md, Stop orders).

Called by risk. Promises: changes nothing. Units: prices 10^-4.
"""

from typing import Final, NamedTuple

from oms.bounds import PRICE_MAX, STOPS_MAX, TRAILING_STOPS_MAX
from oms.messages.enums import OrdType, Phase, Side, TimeInForce, Trigger
from oms.reference import ticks
from oms.reference.order import LIMITED_STOPS, PEG_TYPES, STOP_TYPES, TRAILING_TYPES, Order
from oms.reference.records import OrderRecord
from oms.reference.state import Instrument, Venue

OFFERED: Final = 2  # rule version from which on there are stop orders, and their fields are read
TRAIL: Final = 3  # and from which on they may trail
_BPS = 10_000
_TIMES = frozenset((TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD, TimeInForce.GTT))
_TRIGGERS = frozenset(int(trigger) for trigger in Trigger)


def are_offered(venue: Venue) -> bool:
    """Whether this venue has stop orders at all."""
    return venue.numbers.rule_version >= OFFERED


def collar_price(instrument: Instrument, *, side: int, reference: int) -> int:
    """How far an order goes that has no limit, measured from `reference`."""
    distance = reference * instrument.market_collar_bps // _BPS
    if side == Side.BUY:
        return ticks.price_floor(instrument, min(reference + distance, PRICE_MAX))
    return ticks.price_ceil(instrument, reference - distance)


def has_bad_fields(
    venue: Venue, record: OrderRecord, ord_type: int, *, original: Order | None
) -> bool:
    """Fields that this type of order does not use, or not so."""
    if not are_offered(venue):
        return ord_type in STOP_TYPES or ord_type in PEG_TYPES
    if ord_type in TRAILING_TYPES and venue.numbers.rule_version < TRAIL:
        return True
    if record.trail and ord_type not in TRAILING_TYPES:
        return True
    if record.peg_offset and ord_type not in PEG_TYPES:
        return True
    if ord_type not in STOP_TYPES:
        return bool(record.stop_price or record.trigger)
    if original is not None and record.trigger not in (0, original.trigger):
        return True
    is_lasting = record.time_in_force in _TIMES
    return not is_lasting or record.min_qty > 0 or record.trigger not in _TRIGGERS


class StopTerms(NamedTuple):
    """What a stop order waits for, and how far it goes then."""

    stop_price: int
    trail: int
    worst: int  # its price until it enters
    first: int  # the stop price that `worst` belongs to; 0: it does not trail


def own(order: Order) -> StopTerms:
    """What an order has."""
    return StopTerms(order.stop_price, order.trail, order.price, order.first_stop)


def as_said(record: OrderRecord, order: Order) -> OrderRecord:
    """The record with what the order that it made, or changed, waits for."""
    return record._replace(stop_price=order.stop_price, trigger=order.trigger, trail=order.trail)


def terms_of(
    venue: Venue, instrument: Instrument, record: OrderRecord, *, ord_type: int, side: int,
    original: Order | None,
) -> StopTerms:  # fmt: skip
    """What an order has with this record: a replace that says no stop price leaves it."""
    is_trailing = ord_type in TRAILING_TYPES
    is_limit = ord_type in LIMITED_STOPS
    trail = record.trail or (original.trail if original else 0)
    trigger = original.trigger if original else record.trigger
    if original is not None and is_trailing and record.stop_price == 0:
        stop_price = original.stop_price
        if trail != original.trail:
            start = _start(venue, instrument, side=side, trigger=trigger)
            stop_price = _trailed(instrument, stop_price, start, side=side, trail=trail)
        worst = record.price if is_limit else original.price
        return StopTerms(stop_price, trail, worst, original.first_stop)
    stop_price = record.stop_price or (original.stop_price if original else 0)
    price = record.price
    if is_trailing:
        start = _start(venue, instrument, side=side, trigger=trigger)
        nearer = _trailed(instrument, stop_price, start, side=side, trail=trail)
        price += nearer - stop_price
        stop_price = nearer
    worst = price if is_limit else collar_price(instrument, side=side, reference=stop_price)
    return StopTerms(stop_price, trail, worst, stop_price if is_trailing else 0)


def trail(venue: Venue, instrument: Instrument, order: Order) -> None:
    """The stop price follows what was printed, or the best price, in the order's favor."""
    if order.trigger == Trigger.BEST_PRICE:
        to = _best(venue, instrument, order.side)
    else:
        stops = venue.stops_of(instrument.instrument_id)
        to = stops.low if order.side == Side.BUY else stops.high
    order.stop_price = _trailed(
        instrument, order.stop_price, to, side=order.side, trail=order.trail
    )


def _start(venue: Venue, instrument: Instrument, *, side: int, trigger: int) -> int:
    """The price that a stop price begins from; 0: there is none."""
    if trigger == Trigger.BEST_PRICE:
        return _best(venue, instrument, side) or instrument.reference()
    stops = venue.stops_of(instrument.instrument_id)
    prices = [price for price in (instrument.reference(), stops.low, stops.high) if price]
    return (min(prices) if side == Side.BUY else max(prices)) if prices else 0


def _trailed(instrument: Instrument, stop_price: int, to: int, *, side: int, trail: int) -> int:
    """The stop price, or the one at this distance from `to` (0: from nothing) if that is nearer."""
    if to == 0:
        return stop_price
    if side == Side.BUY:
        at = ticks.price_ceil(instrument, to + trail)
        return min(at, stop_price) if stop_price else at
    at = ticks.price_floor(instrument, to - trail)
    return max(at, stop_price) if stop_price else at


def moved_along(instrument: Instrument, order: Order) -> int:
    """The price of a trailing stop that enters: it has gone as far as its stop price."""
    price = order.price + order.stop_price - order.first_stop
    is_buy = order.side == Side.BUY
    valid = (ticks.price_floor if is_buy else ticks.price_ceil)(instrument, price)
    return valid if 0 < valid <= PRICE_MAX else price


def _best(venue: Venue, instrument: Instrument, side: int) -> int:
    """The best price that an order of this side would trade with; 0: there is none."""
    if instrument.phase != Phase.CONTINUOUS:
        return 0  # there is no best price while orders are collected
    top = venue.book(instrument.instrument_id).top()
    return top.ask_price if side == Side.BUY else top.bid_price


def is_stop_bad(
    venue: Venue, instrument: Instrument, record: OrderRecord, *, ord_type: int, side: int,
    original: Order | None,
) -> bool:  # fmt: skip
    """Whether the stop price, or the trail, cannot be."""
    trigger = original.trigger if original else record.trigger
    if ord_type in TRAILING_TYPES:
        trail = record.trail or (original.trail if original else 0)
        if not 0 < trail <= PRICE_MAX:
            return True
    said = record.stop_price
    if original is not None and said == 0:
        said = original.first_stop or original.stop_price
    if not _can_be(instrument, said) and not (said == 0 and ord_type == OrdType.TRAILING_STOP):
        return True
    if ord_type in LIMITED_STOPS and (
        record.price < said if side == Side.BUY else record.price > said
    ):
        return True
    terms = terms_of(venue, instrument, record, ord_type=ord_type, side=side, original=original)
    if said == 0 and _start(venue, instrument, side=side, trigger=trigger) == 0:
        return False  # NO_REFERENCE_PRICE, later
    if not _can_be(instrument, terms.stop_price):
        return True
    if original is not None:
        if original.is_elected and terms.trail != original.trail:
            return True
        if terms.stop_price == original.stop_price:
            return False
        if original.is_elected:
            return True
    return is_reached(venue, instrument, side=side, trigger=trigger, price=terms.stop_price)


def _can_be(instrument: Instrument, price: int) -> bool:
    return 0 < price <= PRICE_MAX and ticks.is_on_tick(instrument, price)


def is_reached(
    venue: Venue, instrument: Instrument, *, side: int, trigger: int, price: int
) -> bool:
    """Whether the market is at a stop price already, or beyond."""
    if trigger == Trigger.BEST_PRICE:
        best = _best(venue, instrument, side)
        prices = [best] if best else []
    else:
        stops = venue.stops_of(instrument.instrument_id)
        prices = [p for p in (instrument.last_price, stops.low, stops.high) if p]
    return any(p >= price if side == Side.BUY else p <= price for p in prices)


def is_full(venue: Venue, record: OrderRecord) -> bool:
    """Whether no more stop orders like this can wait in its instrument."""
    if record.ord_type not in STOP_TYPES:
        return False
    stops = venue.stops_of(record.instrument_id)
    trailing = sum(order.trail > 0 for order in stops.parked.values())
    is_trailing = record.ord_type in TRAILING_TYPES
    return stops.count >= STOPS_MAX or (is_trailing and trailing >= TRAILING_STOPS_MAX)
