"""Open-loop order clients on one event loop, for programs that break a venue while they trade.

Called by bench_failover.py and bench_restart.py. Orders are due at fixed times whatever became of
earlier ones; each session alternates buyer and seller at one price, so every second order trades
and the book stays small. Promises: every order that was sent is accounted for at the end, and "the
first new acceptance" is of an order that was *sent after* the instant asked about.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final, Self

from oms.client import orders as o
from oms.client.aio import AsyncClient
from oms.client.latency import LatencyHistogram
from oms.config import UserConfig
from oms.messages.enums import Side

PRICE: Final = 5_850_000
QTY: Final = 100


class Watch:
    """Waits for the first acceptance of an order that was sent after it was made."""

    def __init__(self) -> None:
        self.from_s = time.perf_counter()
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()


class OpenLoop:
    """Sessions that together send `rate` orders a second; `async with` logs them in and out."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], users: Sequence[UserConfig], symbol: str,
        rate: float,
    ) -> None:  # fmt: skip
        self._addresses = addresses
        self._users = users
        self._symbol = symbol
        self._rate = rate
        self._clients: list[AsyncClient] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._sent_s: dict[tuple[int, int], tuple[float, float]] = {}  # due, sent; unanswered
        self._watch: Watch | None = None
        self._is_sending = True
        self._is_quiet = asyncio.Event()  # sends no more, and everything is answered
        self.latency = LatencyHistogram()  # from due to answer, failures of nodes included
        self.sent = self.accepted = self.others = 0

    async def __aenter__(self) -> Self:
        """Log in and begin. Raises: ClientError."""
        for user in self._users:
            client = await AsyncClient.connect(self._addresses, user.name, user.password)
            self._clients.append(client)
        reading = [self._read(number, client) for number, client in enumerate(self._clients)]
        self._tasks = [asyncio.create_task(work) for work in [*reading, self._send()]]
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients:
            await client.close()

    @property
    def in_flight(self) -> int:
        """Orders without an answer."""
        return len(self._sent_s)

    def watch(self) -> Watch:
        """From now on, for one acceptance; a later watch takes its place."""
        self._watch = Watch()
        return self._watch

    async def first_acceptance(self, watch: Watch, timeout_s: float) -> float:
        """Seconds from the watch to its acceptance. Raises: TimeoutError, what ended a client."""
        waiting: set[asyncio.Future[float] | asyncio.Future[None]] = {watch.done, *self._tasks}
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if watch.done.done():
            return watch.done.result() - watch.from_s
        for task in self._tasks:
            if task.done():
                task.result()
        msg = f"no order that was sent later was accepted within {timeout_s:.0f} s"
        raise TimeoutError(msg)

    async def settle(self, timeout_s: float) -> bool:
        """Send no more, and wait for what is outstanding."""
        self._is_sending = False
        if self._sent_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_quiet.wait(), timeout_s)
        return not self._sent_s

    async def _send(self) -> None:
        """Each session's buys and sells take turns."""
        started_s, number, count = time.perf_counter(), 0, len(self._clients)
        while self._is_sending:
            due_s = started_s + number / self._rate
            wait_s = due_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
                continue
            client = number % count
            side = Side.BUY if number // count % 2 == 0 else Side.SELL
            order = self._clients[client].enter(self._symbol, side, QTY, PRICE)
            self._sent_s[client, order.urn] = (due_s, time.perf_counter())
            self.sent += 1
            number += 1
            if number % count == 0:
                await asyncio.sleep(0)  # answers are read between, however far behind this is

    async def _read(self, number: int, client: AsyncClient) -> None:
        async for event in client.events():
            match event:
                case o.Accepted(order=order):
                    self._note_accepted(number, order.urn)
                case o.Rejected(order=order) | o.Ignored(order=order):
                    self._answered(number, order.urn)
                    self.others += 1
                case _:
                    pass

    def _note_accepted(self, number: int, urn: int) -> None:
        times = self._answered(number, urn)
        if times is None:
            self.others += 1  # an acceptance of nothing that was sent, or a second one
            return
        due_s, sent_s = times
        now_s = time.perf_counter()
        self.accepted += 1
        self.latency.record(int((now_s - due_s) * 1e9))
        watch = self._watch
        if watch is not None and sent_s > watch.from_s and not watch.done.done():
            watch.done.set_result(now_s)

    def _answered(self, number: int, urn: int) -> tuple[float, float] | None:
        times = self._sent_s.pop((number, urn), None)
        if not self._sent_s and not self._is_sending:
            self._is_quiet.set()
        return times
