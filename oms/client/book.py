"""The client's table of its orders: what the venue's messages make of them.

Called by `session.py` with every message of the stream, in order. Pure. It promises that an
order's numbers are sums of committed messages. Orders that can change no more leave the table
(who holds the Order keeps it), so its size is what is open.
"""

from collections.abc import Callable

from oms.client import orders as o
from oms.client.orders import PEG_OF_CODE, SIDE_OF_CODE, Order, OrderState, Terms
from oms.messages.enums import Side
from oms.wire import ouch_messages as m
from oms.wire.appendage import Tag, parse_appendage


class OrderTable:
    """Open orders by UserRefNum. An order this process never entered is made from its messages."""

    def __init__(self, make_order: Callable[[int], Order]) -> None:
        self._make_order = make_order
        self._orders: dict[int, Order] = {}

    def add(self, order: Order) -> None:
        """A new order, PENDING."""
        self._orders[order.urn] = order

    def remove(self, urn: int) -> None:
        """Nothing can happen to it any more."""
        self._orders.pop(urn, None)

    def open_orders(self) -> list[Order]:
        """PENDING and LIVE orders, oldest first."""
        return list(self._orders.values())

    def apply(self, message: m.Outbound, seq: int) -> o.AnyEvent:
        """Take in one message; the event says what it was."""
        match message:
            case m.Accepted():
                return self._accepted(message, seq)
            case m.Executed():
                return self._executed(message, seq)
            case m.Canceled() | m.AiqCanceled():
                return self._canceled(message, seq)
            case m.Replaced():
                return self._replaced(message, seq)
            case m.Rejected():
                order = self._find(message.user_ref_num)
                order.state = OrderState.REJECTED
                order.reject_reason = message.reason
                order.leaves_qty = 0
                return o.Rejected(
                    seq=seq, timestamp_ns=message.timestamp_ns, order=order, reason=message.reason
                )
            case m.BrokenTrade():
                return self._broken(message, seq)
            case m.Restated():
                return self._restated(message, seq)
            case m.PriorityUpdate():
                order = self._find(message.user_ref_num)
                order.price, order.public_id = message.price, message.order_id
                return o.Elected(seq=seq, timestamp_ns=message.timestamp_ns, order=order)
            case m.CancelReject():
                order = self._find(message.user_ref_num)
                return o.CancelRejected(seq=seq, timestamp_ns=message.timestamp_ns, order=order)
            case m.SystemEvent():
                return o.SystemEvent(
                    seq=seq, timestamp_ns=message.timestamp_ns, code=chr(message.event)
                )
            case _:
                return o.OtherMessage(seq=seq, timestamp_ns=message.timestamp_ns, message=message)

    def _find(self, urn: int) -> Order:
        order = self._orders.get(urn)
        if order is None:
            order = self._make_order(urn)
            self.add(order)
        return order

    def _accepted(self, message: m.Accepted, seq: int) -> o.Accepted:
        order = self._find(message.user_ref_num)
        order.symbol = message.symbol.decode("ascii", "replace")
        order.side = SIDE_OF_CODE.get(message.side, Side.BUY)
        order.order_qty = order.leaves_qty = message.qty
        order.price = message.price
        order.order_id = order.public_id = message.order_id
        order.cl_ord_id = message.cl_ord_id.decode("ascii", "replace")
        if order.time_in_force == "DAY" and message.time_in_force == m.TIF_IOC:
            order.time_in_force = "IOC"
        for tag, value in parse_appendage(message.appendage):
            if tag == Tag.FIRM and isinstance(value, bytes):
                order.firm = value.decode("ascii", "replace")
        order.terms = _terms(message.display, message.appendage)
        self._stands(order, message.state)
        return o.Accepted(seq=seq, timestamp_ns=message.timestamp_ns, order=order)

    def _replaced(self, message: m.Replaced, seq: int) -> o.Replaced:
        original = self._find(message.orig_user_ref_num)
        order = self._find(message.user_ref_num)
        order.symbol = message.symbol.decode("ascii", "replace")
        order.side = SIDE_OF_CODE.get(message.side, Side.BUY)
        order.price = message.price
        order.order_id = order.public_id = message.order_id
        order.firm = original.firm
        order.terms = _terms(message.display, message.appendage)
        order.original = original
        order.cum_qty = original.cum_qty
        order.leaves_qty = message.qty
        order.order_qty = original.cum_qty + message.qty
        original.state = OrderState.REPLACED
        original.replaced_by = order
        original.leaves_qty = 0
        self._stands(order, message.state)
        return o.Replaced(
            seq=seq, timestamp_ns=message.timestamp_ns, order=order, original=original
        )

    def _restated(self, message: m.Restated, seq: int) -> o.Restated:
        order = self._find(message.user_ref_num)
        display_qty = 0
        for tag, value in parse_appendage(message.appendage):
            if tag == Tag.SECONDARY_ORD_REF_NUM and isinstance(value, int):
                order.public_id = value
            elif tag == Tag.DISPLAY_QUANTITY and isinstance(value, int):
                display_qty = value
        return o.Restated(
            seq=seq,
            timestamp_ns=message.timestamp_ns,
            order=order,
            public_id=order.public_id,
            display_qty=display_qty,
        )

    @staticmethod
    def _stands(order: Order, state: int) -> None:
        if state == m.STATE_LIVE:
            order.state = OrderState.LIVE
        else:
            order.state = OrderState.CANCELED
            order.leaves_qty = 0

    def _executed(self, message: m.Executed, seq: int) -> o.Executed:
        order = self._find(message.user_ref_num)
        order.cum_qty += message.qty
        self._reduce(order, message.qty, OrderState.FILLED)
        return o.Executed(
            seq=seq,
            timestamp_ns=message.timestamp_ns,
            order=order,
            last_qty=message.qty,
            last_price=message.price,
            liquidity=chr(message.liquidity),
            match_id=message.match_id,
        )

    def _broken(self, message: m.BrokenTrade, seq: int) -> o.TradeBroken:
        return o.TradeBroken(
            seq=seq,
            timestamp_ns=message.timestamp_ns,
            urn=message.user_ref_num,
            order=self._orders.get(message.user_ref_num),
            match_id=message.match_id,
            reason=chr(message.reason),
        )

    def _canceled(self, message: m.Canceled | m.AiqCanceled, seq: int) -> o.Canceled:
        order = self._find(message.user_ref_num)
        order.order_qty = max(0, order.order_qty - message.qty)
        self._reduce(order, message.qty, OrderState.CANCELED)
        return o.Canceled(
            seq=seq,
            timestamp_ns=message.timestamp_ns,
            order=order,
            qty=message.qty,
            reason=chr(message.reason),
        )

    @staticmethod
    def _reduce(order: Order, qty: int, state: OrderState) -> None:
        """An order whose acceptance lies before the first message read stays LIVE: unknown size."""
        if order.order_id == 0:
            order.state = OrderState.LIVE
            return
        order.leaves_qty -= qty
        if order.leaves_qty <= 0:
            order.leaves_qty = 0
            order.state = state


def _terms(display: int, appendage: bytes) -> Terms:
    """What the venue says an order asks for."""
    said = dict(parse_appendage(appendage))

    def number(tag: Tag) -> int:
        value = said.get(tag, 0)
        return value if isinstance(value, int) else 0

    strategy = number(Tag.AIQ_STRATEGY)
    return Terms(
        min_qty=number(Tag.MIN_QTY),
        display_qty=number(Tag.MAX_FLOOR),
        is_hidden=display == m.DISPLAY_HIDDEN,
        is_post_only=number(Tag.POST_ONLY) == ord("P"),
        lives_s=number(Tag.EXPIRE_TIME),
        stop_price=number(Tag.STOP_PRICE),
        is_stop_on_best=number(Tag.STOP_TRIGGER) == ord("B"),
        peg=PEG_OF_CODE.get(number(Tag.PRICE_TYPE), ""),
        peg_offset=number(Tag.PEG_OFFSET),
        trail=number(Tag.STOP_TRAIL),
        self_trade=chr(strategy) if strategy else "",
    )
