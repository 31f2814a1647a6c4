"""What a stop order must say, and how far it goes (docs/rules.md, Stop orders).

Called by risk. Promises: changes nothing. Units: prices 10^-4.
"""

from typing import Final

from oms.bounds import PRICE_MAX, STOPS_MAX
from oms.messages.enums import OrdType, Phase, Side, TimeInForce, Trigger
from oms.reference import ticks
from oms.reference.order import PEG_TYPES, STOP_TYPES, Order
from oms.reference.records import OrderRecord
from oms.reference.state import Instrument, Venue

OFFERED: Final = 2  # rule version from which on there are stop orders, and their fields are read
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
    if record.trail or (record.peg_offset and ord_type not in PEG_TYPES):
        return True
    if ord_type not in STOP_TYPES:
        return bool(record.stop_price or record.trigger)
    if original is not None and record.trigger not in (0, original.trigger):
        return True
    is_lasting = record.time_in_force in _TIMES
    return not is_lasting or record.min_qty > 0 or record.trigger not in _TRIGGERS


def stop_price_of(record: OrderRecord, original: Order | None) -> int:
    """The stop price an order has with this record: a replace that says none leaves it."""
    if original is not None and record.stop_price == 0:
        return original.stop_price
    return record.stop_price


def is_stop_bad(
    venue: Venue, instrument: Instrument, record: OrderRecord, *, ord_type: int, side: int,
    original: Order | None,
) -> bool:  # fmt: skip
    """Whether the stop price cannot be."""
    stop_price = stop_price_of(record, original)
    if not 0 < stop_price <= PRICE_MAX or not ticks.is_on_tick(instrument, stop_price):
        return True
    if ord_type == OrdType.STOP_LIMIT and (
        record.price < stop_price if side == Side.BUY else record.price > stop_price
    ):
        return True
    if original is None:
        return is_reached(venue, instrument, side=side, trigger=record.trigger, price=stop_price)
    if stop_price == original.stop_price:
        return False
    return original.is_elected or is_reached(
        venue, instrument, side=side, trigger=original.trigger, price=stop_price
    )


def is_reached(
    venue: Venue, instrument: Instrument, *, side: int, trigger: int, price: int
) -> bool:
    """Whether the market is at a stop price already, or beyond."""
    if trigger == Trigger.BEST_PRICE:
        if instrument.phase != Phase.CONTINUOUS:
            return False  # there is no best price while orders are collected
        top = venue.book(instrument.instrument_id).top()
        best = top.ask_price if side == Side.BUY else top.bid_price
        prices = [best] if best else []
    else:
        stops = venue.stops_of(instrument.instrument_id)
        prices = [p for p in (instrument.last_price, stops.low, stops.high) if p]
    return any(p >= price if side == Side.BUY else p <= price for p in prices)


def is_full(venue: Venue, instrument_id: int) -> bool:
    """Whether no more stop orders can wait in an instrument."""
    return venue.stops_of(instrument_id).count >= STOPS_MAX
