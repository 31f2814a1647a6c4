"""Pegs for the generator: of every kind, with caps around the market and offsets on both sides.

Called by the generator. Promises: deterministic in the given random source.
"""

from random import Random

import msgspec

from oms.bounds import PRICE_MAX
from oms.messages import commands as c
from oms.messages.enums import OrdType, Side, TimeInForce
from oms.reference.order import PEG_TYPES, STOP_TYPES, Order
from oms.reference.state import Instrument, Venue

ODD_FIELDS: dict[str, tuple[int, ...]] = {
    "peg_offset": (0, 1, -1, 37, PRICE_MAX, PRICE_MAX + 1, -PRICE_MAX - 1, -(1 << 31)),
    "display": (ord("Y"), ord("N")),
}
LASTING = (TimeInForce.DAY, TimeInForce.DAY, TimeInForce.GTC)


def perhaps(rng: Random, instrument: Instrument, order: c.NewOrder, *, share: float) -> c.NewOrder:
    """The order, or a peg made of it."""
    if order.ord_type in STOP_TYPES or rng.random() > share:
        return order
    price = order.price
    if order.ord_type != OrdType.LIMIT:
        price = instrument.reference() or 100 * instrument.tick_size
    away = rng.choice((0, 1, 3, 6, 6, 10)) * instrument.tick_size
    price += away if order.side == Side.BUY else -away
    is_timed = order.time_in_force in {TimeInForce.GTD, TimeInForce.GTT} or rng.random() < 0.02
    return msgspec.structs.replace(
        order,
        ord_type=rng.choice(sorted(PEG_TYPES)),
        price=min(max(price, instrument.tick_size), PRICE_MAX),
        time_in_force=order.time_in_force if is_timed else rng.choice(LASTING),
        expire_ns=order.expire_ns if is_timed else 0,
        min_qty=order.min_qty if rng.random() < 0.02 else 0,
        post_only=order.post_only if rng.random() < 0.02 else 0,
        display_qty=order.display_qty if rng.random() < 0.02 else 0,
        display=ord("N") if rng.random() > 0.02 else order.display,
        peg_offset=_offset(rng, instrument),
    )


def as_replace(
    rng: Random, venue: Venue, order: Order | None, replace: c.ReplaceOrder
) -> c.ReplaceOrder:
    """Of a peg: another cap or offset, less of it. Of others: as it is."""
    if order is None or not order.is_peg or rng.random() > 0.9:
        return replace
    instrument = venue.instruments[order.instrument_id - 1]
    return msgspec.structs.replace(
        replace,
        time_in_force=rng.choice(LASTING) if replace.expire_ns == 0 else replace.time_in_force,
        min_qty=0,
        post_only=0,
        display_qty=0,
        display=ord("N"),
        peg_offset=rng.choice((order.peg_offset, order.peg_offset, _offset(rng, instrument))),
    )


def _offset(rng: Random, instrument: Instrument) -> int:
    """Mostly none or a few ticks, sometimes between two of them."""
    if rng.random() < 0.05:
        return rng.randint(-3 * instrument.tick_size, 3 * instrument.tick_size)
    return rng.choice((0, 0, 0, 1, 2, -1, -1, -2, -5)) * instrument.tick_size
