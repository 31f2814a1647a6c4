"""Stop orders for the generator: near the market, on both sides of it, sometimes impossible.

Called by the generator. Promises: deterministic in the given random source.
"""

from random import Random

import msgspec

from oms.bounds import PRICE_MAX
from oms.messages import commands as c
from oms.messages.enums import OrdType, Side, TimeInForce, Trigger
from oms.reference.order import Order
from oms.reference.state import Instrument, Venue
from tests.properties import tick_tables

STOP_SHARE = 0.12
TRAILING_SHARE = 0.4  # of those
ODD_FIELDS: dict[str, tuple[int, ...]] = {
    "stop_price": (0, -1, 1, PRICE_MAX, PRICE_MAX + 1, (1 << 63) - 1, -(1 << 63)),
    "trigger": (0, 1, 2, 255),
    "trail": (0, 1, 2, PRICE_MAX, PRICE_MAX + 1, (1 << 32) - 1),
}
LASTING = (TimeInForce.DAY, TimeInForce.DAY, TimeInForce.GTC)


def perhaps(rng: Random, venue: Venue, instrument: Instrument, order: c.NewOrder) -> c.NewOrder:
    """The order, or a stop order made of it."""
    if rng.random() < STOP_SHARE:
        return as_stop(rng, venue, instrument, order)
    return order


def as_stop(rng: Random, venue: Venue, instrument: Instrument, order: c.NewOrder) -> c.NewOrder:
    """The same order, waiting: for a price that is a little beyond the market, as a rule."""
    is_limit = rng.random() < 0.5
    is_trailing = rng.random() < TRAILING_SHARE
    stop_price = _stop_price(rng, venue, instrument, order.side)
    away = rng.choice((0, 0, 1, 2, 5, -1))
    limit = tick_tables.stepped(instrument, stop_price, away if order.side == Side.BUY else -away)
    lasts = order.time_in_force in {TimeInForce.GTD, TimeInForce.GTT} or rng.random() < 0.02
    return msgspec.structs.replace(
        order,
        ord_type=_type(is_limit=is_limit, is_trailing=is_trailing),
        price=limit if is_limit else order.price,
        time_in_force=order.time_in_force if lasts else rng.choice(LASTING),
        expire_ns=order.expire_ns if lasts else 0,
        min_qty=order.min_qty if rng.random() < 0.02 else 0,
        post_only=order.post_only if rng.random() < 0.02 else 0,
        display_qty=order.display_qty if rng.random() < 0.02 else 0,
        display=order.display if rng.random() < 0.1 else ord("Y"),
        stop_price=0 if is_trailing and rng.random() < 0.6 else stop_price,
        trigger=rng.choice((Trigger.LAST_TRADE, Trigger.LAST_TRADE, Trigger.BEST_PRICE)),
        trail=_trail(rng, instrument) if is_trailing else 0,
    )


def _type(*, is_limit: bool, is_trailing: bool) -> OrdType:
    if is_trailing:
        return OrdType.TRAILING_STOP_LIMIT if is_limit else OrdType.TRAILING_STOP
    return OrdType.STOP_LIMIT if is_limit else OrdType.STOP


def _trail(rng: Random, instrument: Instrument) -> int:
    if rng.random() < 0.02:
        return rng.choice(ODD_FIELDS["trail"])
    return rng.choice((1, 1, 2, 2, 3, 5, 8)) * instrument.tick_size


def as_replace(
    rng: Random, venue: Venue, order: Order | None, replace: c.ReplaceOrder
) -> c.ReplaceOrder:
    """Of a waiting order: another stop price, another limit, less of it. Of others: as it is."""
    if order is None or not order.is_waiting or rng.random() > 0.9:
        return replace
    instrument = venue.instruments[order.instrument_id - 1]
    stop_price = rng.choice((0, order.stop_price, 0))
    if rng.random() < 0.4:
        stop_price = _stop_price(rng, venue, instrument, order.side)
    return msgspec.structs.replace(
        replace,
        time_in_force=rng.choice(LASTING) if replace.expire_ns == 0 else replace.time_in_force,
        min_qty=0,
        post_only=0,
        display_qty=0,
        display=ord("Y"),
        stop_price=stop_price,
        trigger=rng.choice((0, order.trigger, order.trigger)),
        trail=rng.choice((0, order.trail, _trail(rng, instrument))) if order.trail else 0,
    )


def _stop_price(rng: Random, venue: Venue, instrument: Instrument, side: int) -> int:
    top = venue.book(instrument.instrument_id).top()
    near = [p for p in (top.bid_price, top.ask_price, instrument.last_price) if p]
    near.append(instrument.reference() or 100 * instrument.tick_size)
    price = rng.choice(near)
    away = rng.choice((1, 1, 2, 3, 4, 6, 9, 0, -2))
    return tick_tables.stepped(instrument, price, away if side == Side.BUY else -away)
