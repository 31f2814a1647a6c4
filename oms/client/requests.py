"""What a client writes: its orders as OUCH packets.

Called by `session.py`, and by `oms.replay` for a whole file at once. Pure. Raises ValueError for
what does not fit the wire; whether the venue likes an order is the venue's to say.
"""

from decimal import Decimal, InvalidOperation
from typing import Final

from oms.client.orders import PRICE_TYPE_CODE, Order, Terms, side_code
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, build_appendage

PRICE_SCALE: Final = 4  # the wire's own: four implied decimals
TIME_IN_FORCE_CODE: Final = {"DAY": m.TIF_DAY, "IOC": m.TIF_IOC, "FOK": m.TIF_IOC}
QUERY_PACKET: Final = soupbin.unsequenced(ouch.encode(m.AccountQueryRequest()))


def price_units(price: int | str | None) -> int:
    """A price as the wire has it: 10^-4 units, decimal text, or None for a market order.

    Raises: ValueError when the text is no whole number of 0.0001; never rounds.
    """
    if price is None:
        return m.PRICE_MARKET
    if isinstance(price, int):
        return price
    try:
        scaled = Decimal(price).scaleb(PRICE_SCALE)
    except InvalidOperation:
        msg = f"{price!r} is not a decimal number"
        raise ValueError(msg) from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        msg = f"{price!r} is not a whole number of 0.0001"
        raise ValueError(msg)
    return int(scaled)


def enter_packet(order: Order) -> bytes:
    """`O`. A fill-or-kill order is an IOC whose minimum quantity is all of it."""
    options: list[Option] = []
    if order.firm:
        options.append(Option(Tag.FIRM, order.firm.encode("ascii")))
    min_qty = order.order_qty if order.time_in_force == "FOK" else order.terms.min_qty
    if min_qty:
        options.append(Option(Tag.MIN_QTY, min_qty))
    options += _options(order.terms)
    message = m.EnterOrder(
        user_ref_num=order.urn,
        side=side_code(order.side),
        qty=order.order_qty,
        symbol=order.symbol.encode("ascii"),
        price=order.price,
        time_in_force=_time_in_force(order),
        display=_display(order.terms),
        cl_ord_id=order.cl_ord_id.encode("ascii"),
        appendage=build_appendage(options),
    )
    return soupbin.unsequenced(ouch.encode(message))


def replace_packet(order: Order, original: Order) -> bytes:
    """`U`: `order` is to take the place of `original`."""
    message = m.ReplaceRequest(
        orig_user_ref_num=original.urn,
        user_ref_num=order.urn,
        qty=order.order_qty,
        price=order.price,
        time_in_force=_time_in_force(order),
        display=_display(order.terms),
        cl_ord_id=order.cl_ord_id.encode("ascii"),
        appendage=build_appendage(_options(order.terms)),
    )
    return soupbin.unsequenced(ouch.encode(message))


def cancel_packet(urn: int, qty: int) -> bytes:
    """`X`: the order's new intended total, 0 to cancel everything open."""
    return soupbin.unsequenced(ouch.encode(m.CancelRequest(user_ref_num=urn, qty=qty)))


def _options(terms: Terms) -> list[Option]:
    """The optional fields that Enter and Replace have in common, in the order of their tags."""
    options: list[Option] = []
    if terms.display_qty:
        options.append(Option(Tag.MAX_FLOOR, terms.display_qty))
    if terms.peg:
        options.append(Option(Tag.PRICE_TYPE, _price_type(terms.peg)))
    if terms.peg_offset:
        options.append(Option(Tag.PEG_OFFSET, price_units(terms.peg_offset)))
    if terms.is_post_only:
        options.append(Option(Tag.POST_ONLY, ord("P")))
    if terms.lives_s:
        options.append(Option(Tag.EXPIRE_TIME, terms.lives_s))
    if terms.self_trade:
        options.append(Option(Tag.AIQ_STRATEGY, ord(terms.self_trade)))
    if terms.stop_price:
        options.append(Option(Tag.STOP_PRICE, price_units(terms.stop_price)))
    if terms.stop_price or terms.trail:
        options.append(Option(Tag.STOP_TRIGGER, ord("B" if terms.is_stop_on_best else "L")))
    if terms.trail:
        options.append(Option(Tag.STOP_TRAIL, price_units(terms.trail)))
    return options


def _display(terms: Terms) -> int:
    """A peg always hides."""
    return m.DISPLAY_HIDDEN if terms.is_hidden or terms.peg else m.DISPLAY_VISIBLE


def _price_type(peg: str) -> int:
    code = PRICE_TYPE_CODE.get(peg)
    if code is None:
        msg = f"{peg!r} is none of {', '.join(PRICE_TYPE_CODE)}"
        raise ValueError(msg)
    return code


def _time_in_force(order: Order) -> int:
    if order.terms.lives_s:
        return m.TIF_GTT
    code = TIME_IN_FORCE_CODE.get(order.time_in_force)
    if code is None:
        msg = f"{order.time_in_force!r} is none of DAY, IOC and FOK"
        raise ValueError(msg)
    return code
