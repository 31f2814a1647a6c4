"""The blocking client: one OUCH session for scripts, tests and notebooks; no thread, no loop.

`session.py` decides; this file only carries its bytes. The session lives while its methods are
called: whoever is silent for 15 s is dropped by the venue and logged in again, without a gap,
by the next call.

    with Client.connect([("127.0.0.1", 9001)], "GUEST", "SECRET") as client:
        order = client.enter("ALDER", "BUY", 100, "25.10")
        order.outcome(timeout=2)
"""

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Self

from oms.bounds import CLIENT_EVENTS_MAX, CLIENT_RETRY_MAX_NS, CLIENT_RETRY_MIN_NS, CLIENT_SILENT_NS
from oms.client import orders as o
from oms.client.errors import (
    ClientError,
    ConnectionLost,
    EventsOverrun,
    LoginRejected,
    OrderStatusUnknown,
)
from oms.client.orders import NO_TERMS, AnyEvent, Order, Terms
from oms.client.session import Session, SessionState
from oms.messages.enums import Side
from oms.wire.errors import ProtocolError

TICK_S: Final = 0.1
DIAL_S: Final = 2.0
READ_BYTES: Final = 1 << 18
_NS: Final = 1_000_000_000
CLIENT_SILENT_S: Final = CLIENT_SILENT_NS / _NS


class BlockingOrder(Order):
    """An order whose answer can be waited for."""

    __slots__ = ("client",)

    def __init__(self, urn: int, client: "Client") -> None:
        super().__init__(urn)
        self.client = client

    def outcome(self, timeout: float | None = None) -> o.Accepted | o.Replaced:
        """Wait for the venue's answer. May be called again after a time-out.

        Raises: OrderRejected, OrderStatusUnknown (no answer within `timeout` seconds, or closed).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            result = self.result()
            if result is not None:
                return result
            if deadline is not None and time.monotonic() >= deadline:
                raise OrderStatusUnknown(self.urn, f"no answer within {timeout} s")
            self.client.pump(deadline)


class Client:
    """A session and the socket that carries it. Made by `connect`."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], user: str, password: str, *, from_seq: int,
        reconnect: bool, silent_s: float = CLIENT_SILENT_S,
    ) -> None:  # fmt: skip
        self.session: Session[BlockingOrder] = Session(
            user, password, make_order=lambda urn: BlockingOrder(urn, self), from_seq=from_seq,
            silent_ns=int(silent_s * _NS),
        )  # fmt: skip
        self._addresses = list(addresses)
        self._index = 0
        self._reconnect = reconnect
        self._socket: socket.socket | None = None
        self._probe: socket.socket | None = None  # the one before, until its session is taken over
        self._unsent = b""
        self._dial_at_ns = 0
        self._delay_ns = CLIENT_RETRY_MIN_NS
        self._live_since_ns = 0  # of this connection; 0: it is not live
        self._events: deque[AnyEvent] = deque()
        self._lost_events = 0
        self._answers: dict[int, int] = {}
        self._failure: ClientError | None = None

    @classmethod
    def connect(
        cls, addresses: Sequence[tuple[str, int]], user: str, password: str, *, from_seq: int = 1,
        reconnect: bool = True, timeout_s: float = 15.0, silent_s: float = CLIENT_SILENT_S,
    ) -> Self:  # fmt: skip
        """Log in and read the session's past from `from_seq` on (0: nothing of it).

        With `reconnect` all addresses are tried until `timeout_s` is over, and the next one
        whenever a gateway says nothing for `silent_s` (it should every second). Raises:
        LoginRejected, ConnectionLost.
        """
        client = cls(
            addresses, user, password, from_seq=from_seq, reconnect=reconnect, silent_s=silent_s
        )
        deadline = time.monotonic() + timeout_s
        try:
            while not client.is_live and time.monotonic() < deadline:
                client.pump(deadline)
        except BaseException:
            client.close()
            raise
        if not client.is_live:
            client.close()
            msg = f"no login within {timeout_s} s at any of {client._addresses}"
            raise ConnectionLost(msg)
        return client

    # ---- requests: written at once, never waiting

    def enter(
        self, symbol: str, side: Side | str, qty: int, price: int | str | None, *, tif: str = "DAY",
        firm: str = "", cl_ord_id: str = "", terms: Terms = NO_TERMS,
    ) -> BlockingOrder:  # fmt: skip
        """A new order; price in 10^-4 or as decimal text, None: market. Raises: ClientError."""
        self._check()
        order = self.session.enter(
            symbol, side, qty, price, tif=tif, firm=firm, cl_ord_id=cl_ord_id, terms=terms
        )
        self._flush()
        return order

    def replace(
        self, order: Order, qty: int, price: int | str | None, *, terms: Terms = NO_TERMS
    ) -> BlockingOrder:
        """An order to take the place of `order`; `qty` is the total, executed included."""
        self._check()
        replacement = self.session.replace(order, qty, price, terms=terms)
        self._flush()
        return replacement

    def cancel(self, order: Order, qty: int = 0) -> None:
        """Cancel, or reduce to the intended total `qty`."""
        self._check()
        self.session.cancel(order, qty)
        self._flush()

    def query_account(self, timeout: float = 15.0) -> int:
        """The UserRefNum the venue expects next; everything written before is done by then.

        Raises: ConnectionLost when no answer came within `timeout` seconds.
        """
        self._check()
        number = self.session.query()
        self._flush()
        self._answers[number] = 0
        deadline = time.monotonic() + timeout
        while not self._answers[number]:
            if time.monotonic() >= deadline:
                del self._answers[number]
                msg = f"the account query was not answered within {timeout} s"
                raise ConnectionLost(msg)
            self.pump(deadline)
        return self._answers.pop(number)

    # ---- what happens

    def poll(self, timeout: float | None = 0.0) -> AnyEvent | None:
        """The next event, or None when there is none within `timeout` seconds (None: for ever).

        Raises: EventsOverrun when nobody read for CLIENT_EVENTS_MAX events, ConnectionLost.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._events:
            self.pump(deadline)
            if deadline is not None and time.monotonic() >= deadline and not self._events:
                return None
            if self.session.state is SessionState.CLOSED and not self._events:
                return None
        if self._lost_events:
            lost, self._lost_events = self._lost_events, 0
            raise EventsOverrun(lost)
        return self._events.popleft()

    def events(self, timeout: float | None = None) -> Iterator[AnyEvent]:
        """Events in order, until none comes for `timeout` seconds or the client is closed."""
        while (event := self.poll(timeout)) is not None:
            yield event

    @property
    def is_live(self) -> bool:
        """Whether requests go out at once."""
        return self.session.state is SessionState.LIVE

    def close(self) -> None:
        """Log out. Orders without an answer become UNKNOWN."""
        self.session.close()
        with contextlib.suppress(OSError):  # the logout is a courtesy
            self._flush()
        self._drop("closed")
        self._end_probe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # ---- carrying bytes

    def pump(self, deadline: float | None = None) -> None:
        """Read and write once; wait for something to read at most until `deadline` or a tick.

        Raises: LoginRejected, ConnectionLost when there is no connection and none will be made.
        """
        self._check()
        if self.session.state is SessionState.CLOSED:
            return
        wait_s = TICK_S
        if deadline is not None:
            wait_s = min(wait_s, max(0.0, deadline - time.monotonic()))
        if self._socket is None and not self._dial(wait_s):
            return
        connection = self._socket
        if connection is None:
            return
        readable, writable, _ = select.select(
            [connection], [connection] if self._unsent else [], [], wait_s
        )
        if writable:
            self._flush()
        if readable:
            self._read(connection)
        now_ns = time.monotonic_ns()
        if self.session.is_silent(now_ns):
            self._drop("the venue was silent for too long")
            return
        self.session.tick(now_ns)
        self._flush()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(str(error))
            return
        if not data:
            self._drop("the venue closed the connection")
            return
        try:
            events = self.session.receive(data, time.monotonic_ns())
        except ProtocolError as error:
            self._drop(f"protocol error: {error}")
            return
        except LoginRejected as error:
            self._failure = error
            self.session.close()
            self._drop(str(error))
            raise
        self._keep(events)
        if self.session.state is SessionState.REDIAL:
            self._probe, self._socket = self._socket, None
            self._drop("")
        elif self.session.state is SessionState.CLOSED:
            self._drop("the venue ended the session")

    def _keep(self, events: list[AnyEvent]) -> None:
        for event in events:
            if isinstance(event, o.LoggedIn):
                self._end_probe()
                self._live_since_ns = time.monotonic_ns()
            elif isinstance(event, o.QueryAnswered) and event.number in self._answers:
                self._answers[event.number] = event.next_user_ref_num
        self._events.extend(events)
        while len(self._events) > CLIENT_EVENTS_MAX:
            self._events.popleft()
            self._lost_events += 1

    def _flush(self) -> None:
        self._unsent += self.session.take(time.monotonic_ns())
        if self._socket is None or not self._unsent:
            return
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(str(error))
            return
        self._unsent = self._unsent[sent:]

    def _dial(self, wait_s: float) -> bool:
        pause_ns = self._dial_at_ns - time.monotonic_ns()
        if pause_ns > 0:
            time.sleep(min(pause_ns / _NS, wait_s))
            return False
        address = self._addresses[self._index % len(self._addresses)]
        try:
            connection = socket.create_connection(address, DIAL_S)
        except OSError as error:
            self.session.dial_failed()
            self._drop(f"cannot connect to {address[0]}:{address[1]}: {error}")
            return False
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self.session.connected(time.monotonic_ns())
        self._flush()
        return self._socket is not None

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def _drop(self, reason: str) -> None:
        """The connection is over. Without `reconnect`, so is the client."""
        is_redial = self.session.state is SessionState.REDIAL
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if not is_redial:
            self._end_probe()
        self._unsent = b""
        self._keep(self.session.disconnected(reason))
        if is_redial or self.session.state is SessionState.CLOSED:
            return
        now_ns = time.monotonic_ns()
        # Two clients of one session throw each other out: then each waits longer and longer.
        if self._live_since_ns and now_ns - self._live_since_ns > CLIENT_RETRY_MAX_NS:
            self._delay_ns = CLIENT_RETRY_MIN_NS
        self._live_since_ns = 0
        self._index += 1
        self._dial_at_ns = now_ns + self._delay_ns
        self._delay_ns = min(2 * self._delay_ns, CLIENT_RETRY_MAX_NS)
        if not self._reconnect:
            self._failure = ConnectionLost(reason)
            self.session.close()
