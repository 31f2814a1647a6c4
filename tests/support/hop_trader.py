"""Traders who know what they asked for, and the venue's configuration that lets them in.

Used by `hops.py`. A trader is one user: a taped client, or several one after the other, and every
order it has entered.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from oms.client import orders as o
from oms.config import AccountConfig, CapacityConfig, InstrumentConfig, UserConfig, VenueConfig
from oms.messages.enums import EventKind
from oms.messages.event_records import Event
from tests.support import hop_faults
from tests.support.crash_load import TapedClient

PATIENCE_S: Final = 30.0
USERS: Final = 40
CANCELERS: Final = 8  # users whose orders go when they are disconnected
SYMBOL: Final = "OAK"
PASSWORD: Final = "HOP"
GATEWAYS: Final = ("g1", "g2")


def config() -> VenueConfig:
    """One instrument, and more users than there are tests in a file."""
    every = [*names("H", USERS), *names("C", CANCELERS)]
    return VenueConfig(
        instruments=[InstrumentConfig(symbol=SYMBOL, reference_price="10.00")],
        participants=["HOPS"],
        accounts=[
            AccountConfig(firm=name, participant="HOPS", cash="1000000000", all_shares=1_000_000)
            for name in every
        ],
        users=[
            UserConfig(
                name=name,
                participant="HOPS",
                password=PASSWORD,
                accounts=[name],
                cancel_on_disconnect=name.startswith("C"),
            )
            for name in every
        ],
        capacity=CapacityConfig(
            orders_max=1 << 17,
            instruments_max=16,
            participants_max=16,
            accounts_max=64,
            users_max=64,
            sessions_max=64,
            positions_max=4_096,
        ),
    )


def names(letter: str, count: int) -> list[str]:
    """Users of one kind."""
    return [f"{letter}{number:02}" for number in range(1, count + 1)]


class Surroundings(Protocol):
    """What a trader needs of the venue."""

    def doors(self, gateways: Sequence[str]) -> list[tuple[str, int]]:
        """Where to connect."""

    async def until(self, is_done: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""


class Trader:
    """One user's client, and the UserRefNums of everything it entered."""

    def __init__(self, hops: Surroundings, name: str) -> None:
        self.hops = hops
        self.name = name
        self.entered: list[o.Order] = []
        self.clients: list[TapedClient] = []

    @property
    def client(self) -> TapedClient:
        """The newest connection's."""
        return self.clients[-1]

    async def connect(
        self, gateways: Sequence[str] = GATEWAYS, *, silent_s: float = 4.0
    ) -> TapedClient:
        """Log in, through the first gateway if it answers."""
        client = await TapedClient.connect(
            self.hops.doors(gateways), self.name, PASSWORD, silent_s=silent_s,
            timeout_s=PATIENCE_S,
        )  # fmt: skip
        self.clients.append(client)
        return client

    def enter(self, count: int, *, side: str = "BUY", mark: bool = False) -> list[o.Order]:
        """So many orders that rest (buys) or trade with those that do (sells)."""
        cl_ord_id = hop_faults.MARK.decode() if mark else ""
        orders: list[o.Order] = [
            self.client.enter(SYMBOL, side, 10, "10.00", cl_ord_id=cl_ord_id) for _ in range(count)
        ]
        self.entered += orders
        return orders

    async def stream_in(self, count: int, pause_s: float = 0.001) -> list[o.Order]:
        """The same, one after the other, as a busy client would."""
        orders = []
        for _ in range(count):
            orders += self.enter(1)
            await asyncio.sleep(pause_s)
        return orders

    @property
    def undecided(self) -> int:
        """What has no outcome yet."""
        return len(self.client.session.unacknowledged)

    @property
    def logins(self) -> int:
        """How often this client was let in."""
        return len(self.client.resent)

    async def settled(self, orders: list[o.Order] | None = None) -> None:
        """Every order (or these) has its outcome."""
        if orders is None:
            await self.hops.until(lambda: self.undecided == 0, f"{self.name}: every outcome")
            return
        await self.hops.until(
            lambda: all(order.state is not o.OrderState.PENDING for order in orders),
            f"{self.name}: these outcomes",
        )

    async def close(self) -> None:
        """Log out, all of them."""
        for client in self.clients:
            await client.close()


def assert_each_once(trader: Trader, stream: list[Event]) -> None:
    """Every order that has an outcome has one, and nothing was accepted that was not entered."""
    accepted = Counter(e.user_ref_num for e in stream if e.kind == EventKind.ORDER_ACCEPTED)
    wanted = [order.urn for order in trader.entered if order.state is not o.OrderState.IGNORED]
    doubled = [urn for urn, count in accepted.items() if count > 1]
    assert not doubled, f"{trader.name}: accepted twice: {doubled}"
    lost = sorted(set(wanted) - accepted.keys())
    assert not lost, f"{trader.name}: entered and not accepted: {lost}"
    strange = sorted(accepted.keys() - set(wanted))
    assert not strange, f"{trader.name}: accepted and not entered: {strange}"
