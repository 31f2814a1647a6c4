"""Clients of the venue that trade, and keep a tape of all they were told.

Each is a process of its own with the product's asyncio client. What it is told is compared, when
all is over, with what the log says that it must have been told.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from oms.check.history import Recorder
from oms.client import orders as o
from oms.client.aio import CLIENT_SILENT_S
from oms.client.errors import ClientError
from oms.client.session import SessionState
from oms.messages.enums import Side
from tests.simulation.event_loop import VirtualLoop
from tests.simulation.parties import LoopProcess
from tests.simulation.seams import Seams
from tests.simulation.testimony import Testimony
from tests.support.crash_load import TapedClient

_PRICE: Final = 1_000_000
_TICK: Final = 100
_CONNECT_S: Final = 6.0
_VISIT_S: Final = 60.0  # it is killed before


class Tape:
    """What one login of one user was told, byte for byte, and what it did with its orders."""

    def __init__(self, user: str, client: TapedClient) -> None:
        self.user = user
        self.connection = client.taped
        self.session = client.session
        self.orders: list[o.Order] = []


class WatchedClient(TapedClient):
    """Tells its process what it is told."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], user: str, password: str, *, from_seq: int,
        reconnect: bool, silent_s: float = CLIENT_SILENT_S,
    ) -> None:  # fmt: skip
        super().__init__(
            addresses, user, password, from_seq=from_seq, reconnect=reconnect, silent_s=silent_s
        )
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        self._process = cast("TraderProcess | Visitor", loop.process)
        self._process.took_on(self)

    def _dispatch(self, events: list[o.AnyEvent]) -> None:
        super()._dispatch(events)
        self._events.clear()
        for event in events:
            self._process.told(event)


class TraderProcess(LoopProcess):
    """One user of the venue."""

    def __init__(
        self,
        seams: Seams,
        user: str,
        addresses: Sequence[tuple[str, int]],
        symbols: Sequence[str],
        *,
        rate: float,
        testimony: Testimony | None = None,
        has_terms: bool = True,
    ) -> None:
        super().__init__(seams, f"client {user}")
        self._has_terms = has_terms
        self.user = user
        self.tapes: list[Tape] = []
        self.recorder: Recorder | None = None
        self._testimony = testimony
        self.client: WatchedClient | None = None
        self.acknowledged = 0
        self.is_trading = True
        self.accepted_ns = 0  # when an order of its own was accepted last
        self._addresses = list(addresses)
        self._symbols = symbols
        self._rate = rate
        self._draw = seams.world.stream(self.name)
        self._task: asyncio.Task[None] | None = None
        self._entered_ns: dict[int, int] = {}

    def begin_in(self, loop: VirtualLoop) -> None:
        """Log in, then trade."""
        self.client = None
        self._task = loop.create_task(self._live())

    async def _live(self) -> None:
        ended = b""
        while True:
            client = await self._log_in()
            if client.session.connection.session == ended:
                self.world.fault(f"{self.name}: was shut out of the day {ended!r}, which goes on")
            await self._trade(client)
            ended = client.session.connection.session
            if self.recorder is not None:
                self.recorder.close()

    async def _log_in(self) -> WatchedClient:
        while True:
            self._draw.shuffle(self._addresses)
            if self._testimony is not None:
                self.recorder = self._testimony.recorder(self.user)
            try:
                return await WatchedClient.connect(
                    self._addresses, self.user, "SECRET", timeout_s=_CONNECT_S,
                    recorder=self.recorder,
                )  # fmt: skip
            except ClientError as error:
                self.world.note("no login", self.name, str(error))

    async def _trade(self, client: WatchedClient) -> None:
        """Until its day is over."""
        while True:
            await asyncio.sleep(self._draw.expovariate(self._rate))
            if client.session.state is SessionState.CLOSED:
                return
            if self.is_trading:
                self._act(client)

    def took_on(self, client: WatchedClient) -> None:
        """A client object was made: its tape is kept, whatever becomes of it."""
        self.client = client
        self._entered_ns.clear()
        self.tapes.append(Tape(self.user, client))

    def _act(self, client: WatchedClient) -> None:
        draw, choice = self._draw, self._draw.random()
        open_orders = client.session.orders.open_orders()
        orders = [order for order in open_orders if order.state is o.OrderState.LIVE]
        if orders and choice < 0.25:
            client.cancel(draw.choice(orders))
        elif orders and choice < 0.4:
            order = draw.choice(orders)
            qty = order.order_qty + draw.randrange(3)
            self.tapes[-1].orders.append(client.replace(order, qty, self._price()))
        else:
            for _ in range(1 if draw.random() < 0.9 else draw.randrange(2, 12)):
                side = draw.choice((Side.BUY, Side.SELL))
                chance = draw.random()
                tif = "IOC" if chance < 0.2 else "DAY"
                # Some outlive the day, if they do not come to their own end before.
                is_timed = self._has_terms and chance > 0.7
                terms = o.Terms(lives_s=draw.choice((3, 600))) if is_timed else o.NO_TERMS
                order = client.enter(
                    draw.choice(self._symbols), side, draw.randrange(1, 200), self._price(),
                    tif=tif, terms=terms,
                )  # fmt: skip
                self._entered_ns[order.urn] = self.world.now_ns
                self.tapes[-1].orders.append(order)

    def _price(self) -> int:
        return _PRICE + self._draw.randrange(-8, 9) * _TICK

    def told(self, event: o.AnyEvent) -> None:
        """Its client was told something."""
        match event:
            case o.Accepted(order=order):
                self.acknowledged += 1
                entered_ns = self._entered_ns.pop(order.urn, 0)
                self.accepted_ns = max(self.accepted_ns, entered_ns)
            case o.QueryAnswered() | o.OtherMessage():
                pass
            case o.LoggedIn(resent=resent):
                self.world.seen["client logged in"] += 1
                self.world.note("live", self.name, resent)
            case o.Disconnected(reason=reason):
                self.world.note("disconnected", self.name, reason)
            case _:
                pass

    @property
    def is_settled(self) -> bool:
        """Everything it asked for has its outcome, and it is there to hear of it."""
        client = self.client
        return client is not None and client.is_live and not client.session.unacknowledged


class Visitor(LoopProcess):
    """Logs in as a user who is logged in already, reads everything and asks for nothing."""

    def __init__(
        self, seams: Seams, user: str, number: int, addresses: Sequence[tuple[str, int]], *,
        testimony: Testimony | None = None,
    ) -> None:  # fmt: skip
        super().__init__(seams, f"visitor {number}")
        self.user = user
        self._testimony = testimony
        self.tapes: list[Tape] = []
        self._addresses = list(addresses)
        self._task: asyncio.Task[None] | None = None

    def begin_in(self, loop: VirtualLoop) -> None:
        """Log in, once."""
        self._task = loop.create_task(self._visit())

    async def _visit(self) -> None:
        seams = self.seams
        seams.world.stream(self.name).shuffle(self._addresses)
        recorder = self._testimony.recorder(self.user) if self._testimony is not None else None
        try:
            await WatchedClient.connect(
                self._addresses, self.user, "SECRET", reconnect=False, timeout_s=_CONNECT_S,
                recorder=recorder,
            )  # fmt: skip
        except ClientError as error:
            self.world.note("no visit", self.name, str(error))
        else:
            self.world.seen["double login"] += 1
        await asyncio.sleep(_VISIT_S)

    def took_on(self, client: WatchedClient) -> None:
        """A client object was made: its tape is kept."""
        self.tapes.append(Tape(self.user, client))

    def told(self, event: o.AnyEvent) -> None:
        """It only reads."""
