"""All robots of a demo: connected, trading, settled.

Called by the demo and by tests. One event loop; a robot that fails ends the demo with its reason.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from oms.client.recording import ConnectionRecorder
from oms.config import VenueConfig
from oms.local.samples import MAKERS, TAKERS
from oms.robots.makers import Maker
from oms.robots.market import Market
from oms.robots.robot import Robot, Surroundings
from oms.robots.takers import Taker
from oms.robots.tally import Tally

MAKER_SHARE: Final = 0.5  # of all orders
SETTLE_POLL_S: Final = 0.05
QUIET_S: Final = 0.5  # nothing seen for so long: settled


class Crowd:
    """Makers and takers of `samples.demo_config`."""

    def __init__(
        self,
        config: VenueConfig,
        *,
        seed: int,
        rate: float,
        on_accepted: Callable[[int], None],
        tally: Tally | None = None,
    ) -> None:
        draw = random.Random(seed)  # noqa: S311 - repeatable decisions, not a secret
        self.tally = tally or Tally()
        self._rate = rate
        self._passwords = {user.name: user.password for user in config.users}
        surroundings = Surroundings(Market(config.instruments, draw), self.tally, draw, on_accepted)
        self.makers = [Maker(name, surroundings) for name in MAKERS]
        self.takers = [Taker(name, surroundings) for name in TAKERS]

    @property
    def robots(self) -> list[Robot]:
        """Everybody."""
        return [*self.makers, *self.takers]

    @property
    def in_flight(self) -> int:
        """Orders sent whose outcome is not known, of all robots."""
        return sum(robot.in_flight for robot in self.robots)

    async def connect(
        self,
        addresses: Sequence[tuple[str, int]],
        recorders: Mapping[str, ConnectionRecorder] | None = None,
    ) -> None:
        """Log everybody in, each with another gateway first. Raises: ClientError."""
        for number, robot in enumerate(self.robots):
            first = number % len(addresses)
            turned = [*addresses[first:], *addresses[:first]]
            recorder = None if recorders is None else recorders[robot.name]
            await robot.connect(turned, self._passwords[robot.name], recorder)

    async def trade(self, stop: asyncio.Event) -> None:
        """Trade until told to stop. A reader that ends early ends the rest with its reason."""
        per_maker = self._rate * MAKER_SHARE / len(self.makers)
        per_taker = self._rate * (1 - MAKER_SHARE) / len(self.takers)
        async with asyncio.TaskGroup() as group:
            for maker in self.makers:
                group.create_task(maker.trade(per_maker, stop))
            for taker in self.takers:
                group.create_task(taker.trade(per_taker, stop))

    async def read(self) -> None:
        """Write down what happens until everybody is logged out."""
        async with asyncio.TaskGroup() as group:
            for robot in self.robots:
                group.create_task(robot.read())

    async def settle(self, timeout_s: float) -> bool:
        """After trading: wait until every order has its outcome and nothing more arrives."""
        deadline = time.monotonic() + timeout_s
        count, since = -1, time.monotonic()
        while time.monotonic() < deadline:
            seen = sum(len(robot.seen) for robot in self.robots)
            if seen != count or self.in_flight:
                count, since = seen, time.monotonic()
            elif time.monotonic() - since >= QUIET_S:
                return True
            await asyncio.sleep(SETTLE_POLL_S)
        return False

    def burst(self, size: int) -> None:
        """Everybody sends at once, so that there is something in flight."""
        for robot in self.robots:
            robot.burst(size)

    def note_kill(self) -> int:
        """A leader dies now: how many orders are in doubt."""
        return sum(robot.note_kill() for robot in self.robots)

    async def close(self) -> None:
        """Log everybody out."""
        for robot in self.robots:
            await robot.close()
