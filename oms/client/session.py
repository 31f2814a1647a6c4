"""One OUCH 5.0 session of a client, over any number of connections; no IO.

Called by `aio.py` and `blocking.py`, which carry its bytes. Bytes in (`receive`), typed events
out; requests and answers to write are collected (`take`). It promises: an order's state is what
the venue committed, never a guess; after a lost connection the stream goes on at the next number,
and what has no outcome is written again in its old order before anything new.

How it logs in. The stream does not say where its past ends, so a session that wants its past is
logged in twice: once for "only what comes next" (sequence 0), which tells the number at which the
past ends and voids whatever an older connection left behind; then from the number wanted, while
the first connection still stands: the second login takes over, nobody is ever logged out, and a
session that wants its orders canceled then keeps them. Behind that an Account Query is written.
Its answer beyond the end of the past is the proof that all of the past was read, and its next
UserRefNum is where new orders go on.

What the venue passes over in silence (a cancel or a replace that came too late) is known to be
done when the answer to something written later arrives; a query is written for that if need be.
"""

from collections import deque
from collections.abc import Callable
from enum import IntEnum, unique
from typing import Generic, TypeVar

from oms.bounds import CLIENT_SETTLE_NS, CLIENT_UNACKNOWLEDGED_MAX, SERVER_SILENT_NS
from oms.client import orders as o
from oms.client import requests
from oms.client.book import OrderTable
from oms.client.connection import Connection, Link
from oms.client.errors import ConnectionLost, SessionClosed, TooManyUnacknowledged
from oms.client.orders import AnyEvent, Order, OrderState
from oms.client.unacknowledged import Request, Unacknowledged
from oms.messages.enums import Side
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from oms.wire.errors import ProtocolError

OrderT = TypeVar("OrderT", bound=Order)


@unique
class SessionState(IntEnum):
    """What the session waits for."""

    DOWN = 0  # a connection
    PROBING = 1  # the answer to the login that asks where the past ends
    REDIAL = 2  # another connection, at once, to read the past
    LOGIN = 3  # the answer to the login that counts
    CATCHING_UP = 4  # the answer to the query behind the past
    LIVE = 5
    CLOSED = 6


class Session(Generic[OrderT]):
    """Orders and their numbers. Shape: one per login, for its whole life."""

    def __init__(
        self,
        user: str,
        password: str,
        *,
        make_order: Callable[[int], OrderT],
        from_seq: int = 1,
        silent_ns: int = SERVER_SILENT_NS,
    ) -> None:
        self.connection = Connection(user, password, next_seq=from_seq, silent_ns=silent_ns)
        self.probe = Connection(user, password, next_seq=0, silent_ns=silent_ns)
        self.state = SessionState.DOWN
        self.orders = OrderTable(make_order)
        self.unacknowledged = Unacknowledged(self.orders)
        self.abandoned: list[Order] = []  # UNKNOWN since the session was closed or ended
        self._make_order = make_order
        self._past_end = 0  # first number of the stream that is not past; 0: not known
        self._next_urn = 0  # 0: not known before the first login is through
        self._queries: deque[int] = deque()  # written on this connection; 0: the login's own
        self._out: list[bytes] = []
        self._oldest = 0
        self._oldest_since_ns = 0

    # ---- the connection

    def connected(self, now_ns: int) -> None:
        """A TCP connection stands; the login is ready to be taken."""
        self._out.clear()
        self._queries.clear()
        connection = self.connection
        if connection.next_seq and self.state is not SessionState.REDIAL:
            self.state = SessionState.PROBING
            self.probe = self.probe.renewed(connection.session, 0)
            self._out.append(self.probe.login(now_ns))
        else:
            self.state = SessionState.LOGIN
            self._out.append(connection.login(now_ns))

    def dial_failed(self) -> None:
        """No TCP connection could be made. What a probe has found out is of no use elsewhere."""
        if self.state is SessionState.REDIAL:
            self.state = SessionState.DOWN

    def disconnected(self, reason: str) -> list[AnyEvent]:
        """The TCP connection is gone. What is unacknowledged waits for the next one."""
        self.connection.lost()
        self._out.clear()
        self._queries.clear()
        if self.state in (SessionState.CLOSED, SessionState.REDIAL):
            return []
        self.state = SessionState.DOWN
        waiting = len(self.unacknowledged)
        return [o.Disconnected(seq=0, timestamp_ns=0, reason=reason, unacknowledged=waiting)]

    def take(self, now_ns: int) -> bytes:
        """What is to be written now."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        self.connection.sent(now_ns)
        return data

    def tick(self, now_ns: int) -> None:
        """Let time pass: a heartbeat, or a query for what the venue may have passed over."""
        heartbeat = self.connection.tick(now_ns)
        if heartbeat:
            self._out.append(heartbeat)
        if self.state is not SessionState.LIVE or self._queries or not self.unacknowledged:
            return
        oldest = self.unacknowledged.oldest
        if oldest.number != self._oldest:
            self._oldest, self._oldest_since_ns = oldest.number, now_ns
        elif now_ns - self._oldest_since_ns >= CLIENT_SETTLE_NS and oldest.may_be_silent:
            self.query()

    def is_silent(self, now_ns: int) -> bool:
        """Whether the venue said nothing for so long that the connection is to be given up."""
        active = self.probe if self.state is SessionState.PROBING else self.connection
        return active.is_silent(now_ns)

    def close(self) -> None:
        """Log out. Orders without an answer become UNKNOWN."""
        if self.connection.link is Link.UP:
            self._out.append(soupbin.LOGOUT_PACKET)
        self._end()

    # ---- what the user wants

    def enter(
        self, symbol: str, side: Side | str, qty: int, price: int | str | None, *, tif: str = "DAY",
        firm: str = "", cl_ord_id: str = "", terms: o.Terms = o.NO_TERMS,
    ) -> OrderT:  # fmt: skip
        """A new order; price None is a market order. Raises: ClientError, ValueError."""
        self._check_ready()
        order = self._make_order(self._next_urn)
        order.symbol = symbol
        order.side = o.SIDE_OF_CODE[o.side_code(side)]
        order.order_qty = order.leaves_qty = qty
        order.price = requests.price_units(price)
        is_at_once = price is None and not (terms.stop_price or terms.trail)
        order.time_in_force = "IOC" if is_at_once and tif == "DAY" else tif
        order.firm = firm
        order.cl_ord_id = cl_ord_id
        order.terms = terms
        self._submit_order(order, requests.enter_packet(order))
        return order

    def replace(
        self, order: Order, qty: int, price: int | str | None, *, cl_ord_id: str = "",
        terms: o.Terms = o.NO_TERMS,
    ) -> OrderT:  # fmt: skip
        """An order to take the place of `order`; `qty` is the total, executed included."""
        self._check_ready()
        replacement = self._make_order(self._next_urn)
        replacement.symbol = order.symbol
        replacement.side = order.side
        replacement.order_qty = replacement.leaves_qty = qty
        replacement.price = requests.price_units(price)
        replacement.firm = order.firm
        replacement.cl_ord_id = cl_ord_id
        replacement.terms = terms
        replacement.original = order
        packet = requests.replace_packet(replacement, order)
        if not order.is_open:
            replacement.state = OrderState.IGNORED
            replacement.answer = o.Ignored(seq=0, timestamp_ns=0, order=replacement)
            return replacement
        order.replacements.append(replacement)
        self._submit_order(replacement, packet)
        return replacement

    def cancel(self, order: Order, qty: int = 0) -> None:
        """Cancel, or reduce to the intended total `qty`. An order that is done stays done."""
        self._check_ready()
        if order.is_open:
            packet = requests.cancel_packet(order.urn, qty)
            self._submit(self.unacknowledged.add(packet, target=order))

    def query(self) -> int:
        """Write an Account Query; the QueryAnswered with this number is its answer."""
        self._check_ready()
        request = self.unacknowledged.add(requests.QUERY_PACKET)
        self._submit(request)
        return request.number

    def _check_ready(self) -> None:
        if self.state is SessionState.CLOSED:
            msg = "the client is closed, or the venue ended the session"
            raise SessionClosed(msg)
        if not self._next_urn:
            msg = "not logged in yet: the next UserRefNum is not known"
            raise ConnectionLost(msg)
        if len(self.unacknowledged) >= CLIENT_UNACKNOWLEDGED_MAX:
            msg = f"{CLIENT_UNACKNOWLEDGED_MAX} requests wait for their outcome"
            raise TooManyUnacknowledged(msg)

    def _submit_order(self, order: OrderT, packet: bytes) -> None:
        self._next_urn += 1
        self.orders.add(order)
        self._submit(self.unacknowledged.add(packet, order=order))

    def _submit(self, request: Request) -> None:
        if self.state is SessionState.LIVE:
            self._out.append(request.packet)
            if request.is_query:
                self._queries.append(request.number)

    # ---- what the venue says

    def receive(self, data: bytes, now_ns: int) -> list[AnyEvent]:
        """Take in what was read. Raises: ProtocolError (close), LoginRejected."""
        if self.state is SessionState.PROBING:
            self._receive_probe(data, now_ns)
            return []
        connection = self.connection
        frames = connection.receive(data, now_ns)
        seq = connection.next_seq - len(frames)
        if self.state is SessionState.LOGIN and connection.link is not Link.LOGIN_SENT:
            # Without a probe nothing of the past was asked for: all that comes is new.
            self._past_end = max(self._past_end, seq)
            self.state = SessionState.CATCHING_UP
            self._out.append(requests.QUERY_PACKET)
            self._queries.append(0)
        events: list[AnyEvent] = []
        for frame in frames:
            try:
                message = ouch.decode_outbound(frame, 1)
            except ProtocolError:
                connection.next_seq = seq  # nothing from here on was taken in
                raise
            self._take_in(message, seq, events)
            seq += 1
        if connection.link is Link.ENDED:
            self._end()
        return events

    def _receive_probe(self, data: bytes, now_ns: int) -> None:
        frames = self.probe.receive(data, now_ns)
        if self.probe.link is Link.UP:
            self._past_end = self.probe.next_seq - len(frames)
            self.connection.session = self.probe.session
            self.state = SessionState.REDIAL

    def _take_in(self, message: m.Outbound, seq: int, events: list[AnyEvent]) -> None:
        if isinstance(message, m.AccountQueryResponse):
            self._query_answered(message, seq, events)
            return
        event = self.orders.apply(message, seq)
        match event:
            case o.Accepted(order=order) | o.Rejected(order=order) | o.Replaced(order=order):
                order.answer = event
                self.unacknowledged.answered(order, events)
            case o.Canceled(order=order, reason="U") if order.cancel_numbers:
                # Caused by one of these; the first of them at least is done.
                self.unacknowledged.settle(order.cancel_numbers[0], events)
            case _:
                pass
        events.append(event)
        match event:
            case o.Replaced(order=order, original=original):
                self.unacknowledged.bury(original, events)
                self._bury_if_done(order, events)
            case (
                o.Accepted(order=order)
                | o.Rejected(order=order)
                | o.Executed(order=order)
                | o.Canceled(order=order)
            ):
                self._bury_if_done(order, events)
            case _:
                pass

    def _bury_if_done(self, order: Order, events: list[AnyEvent]) -> None:
        if not order.is_open:
            self.unacknowledged.bury(order, events)

    def _query_answered(
        self, message: m.AccountQueryResponse, seq: int, events: list[AnyEvent]
    ) -> None:
        next_urn = message.next_user_ref_num
        number = self._queries.popleft() if seq >= self._past_end and self._queries else -1
        if number == 0:
            self._go_live(next_urn, events)
        elif number > 0:
            self.unacknowledged.settle(number, events)
        events.append(
            o.QueryAnswered(
                seq=seq,
                timestamp_ns=message.timestamp_ns,
                next_user_ref_num=next_urn,
                number=max(number, 0),
            )
        )

    def _go_live(self, next_urn: int, events: list[AnyEvent]) -> None:
        """All of the past was read. What still has no outcome has had no effect so far."""
        self.state = SessionState.LIVE
        for request in self.unacknowledged:
            order = request.order
            if order is not None and order.urn < next_urn and order.state is OrderState.PENDING:
                # Its number was used by somebody else on this session; it can never be entered.
                self.unacknowledged.ignore(order, events)
        self._next_urn = max(self._next_urn, next_urn)
        for request in self.unacknowledged:
            self._submit(request)
        resent = len(self.unacknowledged)
        events.append(o.LoggedIn(seq=0, timestamp_ns=0, resent=resent))

    def _end(self) -> None:
        self.state = SessionState.CLOSED
        self.abandoned.extend(self.unacknowledged.abandon())
