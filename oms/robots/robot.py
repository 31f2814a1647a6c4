"""One robot trader: a client, its own records, and bursts of orders in a bounded window.

Called by `crowd.py`; makers and takers say what to send. Promises: everything the robot sees is
written down in the order in which it arrives, before anybody acts on it; it never waits for one
order before it sends the next, until WINDOW of them have no answer.
"""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from oms.client import orders as o
from oms.client.aio import AsyncClient, AsyncOrder
from oms.client.recording import ConnectionRecorder
from oms.messages.enums import EventKind, Side
from oms.robots.facts import Fact, FactLog
from oms.robots.market import Market
from oms.robots.tally import Tally

WINDOW: Final = 64  # orders without an answer; beyond, the robot holds back
BURST_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all robots of a demo share."""

    market: Market
    tally: Tally
    draw: random.Random
    on_accepted: Callable[[int], None]  # nanoseconds since midnight, the venue's


class Robot(ABC):
    """A login that trades on its own."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self.market = surroundings.market
        self.draw = surroundings.draw
        self.seen = FactLog()
        self.entered: list[int] = []  # user_ref_num of every new order sent
        self._tally = surroundings.tally
        self._on_accepted = surroundings.on_accepted
        self._client: AsyncClient | None = None
        self._sent_ns: dict[int, int] = {}  # user_ref_num -> written at, while without an answer
        self._sent_qty: dict[int, int] = {}
        self._in_doubt: set[int] = set()  # without an answer when a leader was killed

    # ---- what a maker or taker decides

    @abstractmethod
    def act(self) -> None:
        """Send one order, replace or cancel."""

    @abstractmethod
    def settle(self, order: AsyncOrder) -> None:
        """An order stands or has changed."""

    # ---- life

    async def connect(
        self,
        addresses: Sequence[tuple[str, int]],
        password: str,
        recorder: ConnectionRecorder | None = None,
    ) -> None:
        """Log in; a recorder gets every byte both ways. Raises: ClientError."""
        self._client = await AsyncClient.connect(addresses, self.name, password, recorder=recorder)

    async def read(self) -> None:
        """Write down everything that happens, until the client is closed."""
        async for event in self.client.events():
            self._record(event)

    async def trade(self, rate: float, stop: asyncio.Event) -> None:
        """Send about `rate` orders a second in bursts, until told to stop."""
        while not stop.is_set():
            size = self.draw.randint(1, BURST_MAX)
            self.burst(size)
            await asyncio.sleep(self.draw.expovariate(rate / size))

    def burst(self, size: int) -> None:
        """Send up to `size` orders at once, as far as the window allows."""
        for _ in range(min(size, WINDOW - self.in_flight)):
            self.act()

    async def close(self) -> None:
        """Log out."""
        if self._client is not None:
            await self._client.close()

    # ---- for whoever watches

    @property
    def client(self) -> AsyncClient:
        """The connection; there is one from `connect` on."""
        assert self._client is not None, "the robot is not connected yet"
        return self._client

    @property
    def in_flight(self) -> int:
        """Orders sent whose outcome is not known."""
        return len(self._sent_ns)

    def note_kill(self) -> int:
        """A leader dies now: how many orders are in doubt."""
        self._in_doubt.update(self._sent_ns)
        return len(self._sent_ns)

    def believed_live(self) -> dict[int, int]:
        """Open quantity by user_ref_num, as the robot's client has it."""
        return {
            order.urn: order.leaves_qty
            for order in self.client.session.orders.open_orders()
            if order.state == o.OrderState.LIVE
        }

    # ---- sending

    def enter(self, symbol: str, side: Side, qty: int, price: int | None, tif: str) -> AsyncOrder:
        """Send a new order and note when."""
        order = self.client.enter(symbol, side, qty, price, tif=tif)
        self.entered.append(order.urn)
        self._sent_qty[order.urn] = qty
        self._note_sent(order)
        return order

    def replace(self, order: AsyncOrder, qty: int, price: int) -> AsyncOrder:
        """Send a replace and note when."""
        replacement = self.client.replace(order, qty, price)
        self._note_sent(replacement)
        return replacement

    def cancel(self, order: AsyncOrder) -> None:
        """Send a cancel."""
        self.client.cancel(order)

    def _note_sent(self, order: AsyncOrder) -> None:
        self._tally.sent += 1
        self._sent_ns[order.urn] = time.perf_counter_ns()

    # ---- writing down

    def _record(self, event: o.AnyEvent) -> None:
        match event:
            case o.Accepted(order=order):
                qty = self._sent_qty.pop(order.urn, 0)
                self._write(
                    EventKind.ORDER_ACCEPTED, order.urn, order.order_id, qty, order.price, 0
                )
                self._answered(order.urn, event.timestamp_ns)
            case o.Replaced(order=order, original=original):
                self._write(
                    EventKind.ORDER_REPLACED,
                    order.urn,
                    order.order_id,
                    0,
                    order.price,
                    original.urn,
                )
                self._answered(order.urn, event.timestamp_ns)
            case o.Executed(order=order):
                self._write(
                    EventKind.ORDER_EXECUTED, order.urn, 0, event.last_qty, event.last_price,
                    event.match_id,
                )  # fmt: skip
                self._tally.trades += event.liquidity == "R"
            case o.Canceled(order=order):
                self._write(EventKind.ORDER_CANCELED, order.urn, 0, event.qty, 0, ord(event.reason))
            case o.Rejected(order=order):
                self._write(EventKind.ORDER_REJECTED, order.urn, 0, 0, 0, event.reason)
                self._sent_qty.pop(order.urn, None)
                self._tally.rejected += 1
                self._close(order.urn)
            case o.Ignored(order=order):
                self._tally.ignored += 1
                self._close(order.urn)
            case o.CancelRejected(order=order):
                self._write(EventKind.CANCEL_REJECTED, order.urn, 0, 0, 0, 0)
            case _:
                return
        if isinstance(order, AsyncOrder):
            self.settle(order)

    def _write(
        self, kind: EventKind, urn: int, order_id: int, qty: int, price: int, detail: int
    ) -> None:
        self.seen.append(Fact(kind, urn, order_id, qty, price, detail))

    def _answered(self, urn: int, timestamp_ns: int) -> None:
        sent_ns = self._close(urn)
        if sent_ns:
            self._tally.acknowledge(time.perf_counter_ns() - sent_ns)
            self._on_accepted(timestamp_ns)

    def _close(self, urn: int) -> int:
        """An order has its outcome; returns when it was sent (0: not by this robot)."""
        if urn in self._in_doubt:
            self._in_doubt.discard(urn)
            self._tally.unknown_resolved += 1
        return self._sent_ns.pop(urn, 0)
