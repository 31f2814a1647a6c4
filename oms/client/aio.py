"""The asyncio client: one OUCH session, kept connected.

Called by robots, tests and users. `session.py` decides; this file only carries its bytes, keeps
the time and wakes who waits. One event loop, no thread.

    client = await AsyncClient.connect([("127.0.0.1", 9001)], "GUEST", "SECRET")
    order = client.enter("ALDER", "BUY", 100, "25.10")
    await order.outcome(timeout=2)
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final, Self, cast

from oms.bounds import CLIENT_EVENTS_MAX, CLIENT_RETRY_MAX_NS, CLIENT_RETRY_MIN_NS, CLIENT_SILENT_NS
from oms.client import orders as o
from oms.client.errors import (
    ClientError,
    ConnectionLost,
    EventsOverrun,
    LoginRejected,
    OrderStatusUnknown,
    SessionClosed,
)
from oms.client.orders import NO_TERMS, AnyEvent, Order, Terms
from oms.client.recording import ConnectionRecorder, RecordedConnection
from oms.client.session import Session, SessionState
from oms.messages.enums import Side
from oms.wire.errors import ProtocolError

TICK_S: Final = 0.1
DIAL_S: Final = 2.0
_NS: Final = 1_000_000_000
CLIENT_SILENT_S: Final = CLIENT_SILENT_NS / _NS


class AsyncOrder(Order):
    """An order whose answer can be awaited."""

    __slots__ = ("waiter",)

    def __init__(self, urn: int) -> None:
        super().__init__(urn)
        self.waiter: asyncio.Future[None] | None = None

    async def outcome(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the same name as the blocking client's
    ) -> o.Accepted | o.Replaced:
        """Wait for the venue's answer. May be called again after a time-out.

        Raises: OrderRejected, OrderStatusUnknown (no answer within `timeout` seconds, or closed).
        """
        result = self.result()
        if result is not None:
            return result
        if self.waiter is None:
            self.waiter = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(asyncio.shield(self.waiter), timeout)
        except TimeoutError:
            raise OrderStatusUnknown(self.urn, f"no answer within {timeout} s") from None
        result = self.result()
        if result is None:
            raise OrderStatusUnknown(self.urn, "the client was closed before the answer came")
        return result

    def wake(self) -> None:
        """The answer is there, or will never be."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class _Wire(asyncio.Protocol):
    """One TCP connection; `done` gets the reason why it ended."""

    def __init__(self, client: "AsyncClient", gateway: str) -> None:
        self._client = client
        self._gateway = gateway
        self._record: RecordedConnection | None = None
        self.transport: asyncio.Transport | None = None
        self.done: asyncio.Future[str | LoginRejected] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        recorder = self._client.recorder
        self._record = None if recorder is None else recorder.connected(self._gateway)

    def write(self, data: bytes) -> None:
        """What a lost connection swallows is resent on the next one."""
        if self.transport is not None and not self.transport.is_closing():
            if self._record is not None:
                self._record.wrote(data)
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        if not self.done.done():
            if self._record is not None:
                self._record.read(data)
            self._client.data_received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(str(exc) if exc else "the venue closed the connection")

    def leave(self) -> None:
        """Read no more, and let the connection stand until the next login has taken over."""
        self._finish("")

    def end(self, reason: str | LoginRejected) -> None:
        """Drop the connection for this reason (the first one counts)."""
        self._finish(reason)
        if self.transport is not None:
            self.transport.close()

    def _finish(self, reason: str | LoginRejected) -> None:
        if not self.done.done():
            self.done.set_result(reason)
            if self._record is not None:
                self._record.lost(str(reason))


class AsyncClient:
    """A session and the task that keeps it connected. Made by `connect`."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], user: str, password: str, *, from_seq: int,
        reconnect: bool, silent_s: float = CLIENT_SILENT_S,
    ) -> None:  # fmt: skip
        self.session: Session[AsyncOrder] = Session(
            user, password, make_order=AsyncOrder, from_seq=from_seq,
            silent_ns=int(silent_s * _NS),
        )  # fmt: skip
        self.recorder: ConnectionRecorder | None = None
        self._addresses = list(addresses)
        self._reconnect = reconnect
        self._wire: _Wire | None = None
        self._probe: _Wire | None = None  # the one before, until its session is taken over
        self._events: deque[AnyEvent] = deque()
        self._lost_events = 0
        self._reader: asyncio.Future[None] | None = None
        self._queries: dict[int, asyncio.Future[int]] = {}
        self._failure: ClientError | None = None
        self._first_live: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._live_since_ns = 0  # of this connection; 0: it is not live
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls, addresses: Sequence[tuple[str, int]], user: str, password: str, *, from_seq: int = 1,
        reconnect: bool = True, timeout_s: float = 15.0, silent_s: float = CLIENT_SILENT_S,
        recorder: ConnectionRecorder | None = None,
    ) -> Self:  # fmt: skip
        """Log in and read the session's past from `from_seq` on (0: nothing of it).

        With `reconnect` all addresses are tried until `timeout_s` is over, and the next one
        whenever a gateway says nothing for `silent_s` (it should every second). A `recorder`
        (oms.check.history) gets every byte both ways. Raises: LoginRejected, ConnectionLost.
        """
        client = cls(
            addresses, user, password, from_seq=from_seq, reconnect=reconnect, silent_s=silent_s
        )
        client.recorder = recorder
        client._task = asyncio.create_task(client._run())
        try:
            await asyncio.wait_for(asyncio.shield(client._first_live), timeout_s)
        except TimeoutError:
            await client.close()
            msg = f"no login within {timeout_s} s at any of {client._addresses}"
            raise ConnectionLost(msg) from None
        except BaseException:
            await client.close()
            raise
        return client

    # ---- requests: written at once, never waiting

    def enter(
        self, symbol: str, side: Side | str, qty: int, price: int | str | None, *, tif: str = "DAY",
        firm: str = "", cl_ord_id: str = "", terms: Terms = NO_TERMS,
    ) -> AsyncOrder:  # fmt: skip
        """A new order; price in 10^-4 or as decimal text, None: market. Raises: ClientError."""
        self._check()
        order = self.session.enter(
            symbol, side, qty, price, tif=tif, firm=firm, cl_ord_id=cl_ord_id, terms=terms
        )
        self._flush()
        return order

    def replace(
        self, order: Order, qty: int, price: int | str | None, *, terms: Terms = NO_TERMS
    ) -> AsyncOrder:
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

    async def query_account(self) -> int:
        """The UserRefNum the venue expects next; everything written before is done by then."""
        self._check()
        number = self.session.query()
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queries[number] = answer
        self._flush()
        return await answer

    # ---- what happens

    async def events(self) -> AsyncIterator[AnyEvent]:
        """Every event since `connect`, in order; ends when the client is closed.

        Raises: EventsOverrun when nobody read for CLIENT_EVENTS_MAX events, ConnectionLost.
        """
        while True:
            while self._events:
                if self._lost_events:
                    lost, self._lost_events = self._lost_events, 0
                    raise EventsOverrun(lost)
                yield self._events.popleft()
            if self._failure is not None:
                raise self._failure
            if self.session.state is SessionState.CLOSED:
                return
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    @property
    def is_live(self) -> bool:
        """Whether requests go out at once."""
        return self.session.state is SessionState.LIVE

    async def close(self) -> None:
        """Log out. Orders without an answer become UNKNOWN."""
        self.session.close()
        self._flush()
        if self._wire is not None:
            self._wire.end("closed")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end_probe()
        self._release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    # ---- carrying bytes

    def data_received(self, wire: _Wire, data: bytes) -> None:
        """A connection read something; called by the connection alone."""
        try:
            events = self.session.receive(data, time.monotonic_ns())
        except ProtocolError as error:
            wire.end(f"protocol error: {error}")
            return
        except LoginRejected as error:
            wire.end(error)
            return
        self._dispatch(events)
        self._flush()
        if self.session.state is SessionState.REDIAL:
            wire.leave()
        elif self.session.state is SessionState.CLOSED:
            wire.end("the venue ended the session")

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _flush(self) -> None:
        data = self.session.take(time.monotonic_ns())
        if data and self._wire is not None:
            self._wire.write(data)

    def _dispatch(self, events: list[AnyEvent]) -> None:
        for event in events:
            match event:
                case (
                    o.Accepted(order=order)
                    | o.Replaced(order=order)
                    | o.Rejected(order=order)
                    | o.Ignored(order=order)
                ):
                    if isinstance(order, AsyncOrder):
                        order.wake()
                case o.QueryAnswered(number=number, next_user_ref_num=next_urn):
                    answer = self._queries.pop(number, None)
                    if answer is not None and not answer.done():
                        answer.set_result(next_urn)
                case o.LoggedIn():
                    self._end_probe()
                    self._live_since_ns = time.monotonic_ns()
                    if not self._first_live.done():
                        self._first_live.set_result(None)
                case _:
                    pass
        self._events.extend(events)
        while len(self._events) > CLIENT_EVENTS_MAX:
            self._events.popleft()
            self._lost_events += 1
        if events and self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # ---- staying connected

    async def _run(self) -> None:
        """Dial, carry, dial again, until closed or without hope."""
        index = 0
        delay_ns = CLIENT_RETRY_MIN_NS
        while True:
            self._live_since_ns = 0
            reason = await self._one_connection(self._addresses[index % len(self._addresses)])
            if self.session.state is SessionState.REDIAL:
                self.session.disconnected("")
                continue
            self._dispatch(self.session.disconnected(str(reason)))
            if self.session.state is SessionState.CLOSED:
                self._fail(None)
                return
            if isinstance(reason, LoginRejected):
                self._fail(reason)
                return
            if not self._reconnect:
                self._fail(ConnectionLost(str(reason)))
                return
            # Two clients of one session throw each other out: then each waits longer and longer.
            live_ns = time.monotonic_ns() - self._live_since_ns if self._live_since_ns else 0
            if live_ns > CLIENT_RETRY_MAX_NS:
                delay_ns = CLIENT_RETRY_MIN_NS
            await asyncio.sleep(delay_ns / _NS)
            delay_ns = min(2 * delay_ns, CLIENT_RETRY_MAX_NS)
            index += 1

    async def _one_connection(self, address: tuple[str, int]) -> str | LoginRejected:
        loop = asyncio.get_running_loop()
        try:
            gateway = f"{address[0]}:{address[1]}"
            dial = loop.create_connection(lambda: _Wire(self, gateway), *address)
            _, wire = await asyncio.wait_for(dial, DIAL_S)
        except (OSError, TimeoutError) as error:
            self.session.dial_failed()
            self._end_probe()
            return f"cannot connect to {address[0]}:{address[1]}: {error}"
        self._wire = wire
        self.session.connected(time.monotonic_ns())
        self._flush()
        try:
            while not wire.done.done():
                await asyncio.wait({wire.done}, timeout=TICK_S)
                now_ns = time.monotonic_ns()
                if self.session.is_silent(now_ns):
                    wire.end("the venue was silent for too long")
                self.session.tick(now_ns)
                self._flush()
            return wire.done.result()
        finally:
            self._wire = None
            self._end_probe()
            if self.session.state is SessionState.REDIAL:
                self._probe = wire
            else:
                wire.end("closed")

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.end("closed")
            self._probe = None

    def _fail(self, failure: ClientError | None) -> None:
        """No connection any more, and none will come."""
        self._failure = failure
        self.session.close()
        self._release()

    def _release(self) -> None:
        """Wake everybody who waits for something that will not come."""
        for order in self.session.abandoned:
            if isinstance(order, AsyncOrder):
                order.wake()
        failure = self._failure or SessionClosed("the client is closed")
        futures: list[asyncio.Future[None] | asyncio.Future[int]] = [self._first_live]
        futures.extend(self._queries.values())
        for future in futures:
            if not future.done():
                future.set_exception(failure)
                future.exception()  # marked as seen: not everybody waits for it
        self._queries.clear()
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
