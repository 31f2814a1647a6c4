"""Robots that trade on a real venue while a test kills parts of it, and a tape of what they heard.

Used by tests/integration/test_crashes.py. The robots are the demo's; their clients keep in addition
every sequenced message by its number, byte for byte, over all connections. The tape knows nothing
of orders, so that it can be compared with what the venue replays without trusting a client.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from oms.client import orders as o
from oms.client.aio import CLIENT_SILENT_S, AsyncClient
from oms.client.connection import Connection
from oms.config import VenueConfig
from oms.local.venue import LocalVenue
from oms.messages.link import Status
from oms.robots.crowd import Crowd

PATIENCE_S: Final = 30.0
POLL_S: Final = 0.005
AIM_MAX_S: Final = 0.004  # a fault comes up to so long after a burst
BURST: Final = 4
CLOSE_ENTRIES: Final = 200

_T = TypeVar("_T")


def new_seed() -> int:
    """A seed of no choice of ours, printed so that a failing run can be repeated."""
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed={seed}")
    return seed


class TapedConnection(Connection):
    """Keeps every sequenced message, and notes a number that is not the next one."""

    def __init__(self, user: str, password: str, *, next_seq: int, silent_ns: int) -> None:
        super().__init__(user, password, next_seq=next_seq, silent_ns=silent_ns)
        self.first_seq = next_seq
        self.tape: list[bytes] = []
        self.faults: list[str] = []

    def receive(self, data: bytes, now_ns: int) -> list[bytes]:
        """As the connection; what it hands out is on the tape."""
        frames = super().receive(data, now_ns)
        if frames:
            number, due = self.next_seq - len(frames), self.first_seq + len(self.tape)
            if number != due:
                self.faults.append(f"message {number} came where {due} was due")
            self.tape += [frame[1:] for frame in frames]
        return frames


class TapedClient(AsyncClient):
    """The product's client with a tape; `resent` has an item for each login that went through."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], user: str, password: str, *, from_seq: int,
        reconnect: bool, silent_s: float = CLIENT_SILENT_S,
    ) -> None:  # fmt: skip
        super().__init__(
            addresses, user, password, from_seq=from_seq, reconnect=reconnect, silent_s=silent_s
        )
        self.taped = TapedConnection(
            user, password, next_seq=from_seq, silent_ns=int(silent_s * 1e9)
        )
        self.session.connection = self.taped
        self.resent: list[int] = []

    def _dispatch(self, events: list[o.AnyEvent]) -> None:
        self.resent += [event.resent for event in events if isinstance(event, o.LoggedIn)]
        super()._dispatch(events)


class Load:
    """A crowd that trades from `trading` to `settle`."""

    def __init__(self, venue: LocalVenue, config: VenueConfig, *, seed: int, rate: float) -> None:
        self.venue = venue
        self.crowd = Crowd(config, seed=seed, rate=rate, on_accepted=lambda _timestamp: None)
        self.clients: dict[str, TapedClient] = {}
        self.passwords = {user.name: user.password for user in config.users}
        self.draw = random.Random(seed)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="venue")

    @contextlib.asynccontextmanager
    async def trading(self, addresses: Sequence[tuple[str, int]]) -> AsyncIterator["Load"]:
        """Everybody logged in and trading; logged out afterwards."""
        try:
            for robot in self.crowd.robots:
                password = self.passwords[robot.name]
                client = await TapedClient.connect(addresses, robot.name, password)
                robot._client = self.clients[robot.name] = client
            self._tasks = [
                asyncio.create_task(self.crowd.read()),
                asyncio.create_task(self.crowd.trade(self._stop)),
            ]
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for client in self.clients.values():
                await client.close()
            self._worker.shutdown()

    async def blocking(self, work: Callable[[], _T]) -> _T:
        """Let a thread wait while the robots go on; always the same thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def wait(self, is_done: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_done():
            for task in self._tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < deadline, f"{what} did not happen: {self.venue.statuses()}"
            await asyncio.sleep(POLL_S)

    async def acknowledged(self, count: int) -> None:
        """Wait for `count` further acknowledgements."""
        due = self.crowd.tally.acknowledged + count
        await self.wait(lambda: self.crowd.tally.acknowledged >= due, f"{count} acknowledgements")

    async def aim(self) -> int:
        """Return at an instant at which orders are in flight: how many."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.crowd.burst(BURST)
            await asyncio.sleep(self.draw.random() * AIM_MAX_S)
            if self.crowd.in_flight:
                return self.crowd.note_kill()
            assert time.monotonic() < deadline, "never an order in flight"

    async def leader(self) -> str:
        """The node that accepts, as soon as there is one."""
        deadline = time.monotonic() + PATIENCE_S
        while (leader := await self.blocking(self.venue.leader)) is None:
            assert time.monotonic() < deadline, "nobody leads"
        return leader

    async def kill(self, *names: str) -> int:
        """SIGKILL with orders in flight: how many. Returns when the processes are gone."""
        in_flight = await self.aim()
        for name in names:
            assert self.venue.kill(name), f"{name} does not run"
        for name in names:
            assert await self.blocking(lambda: self.venue.wait_gone(name, PATIENCE_S))  # noqa: B023
        return in_flight

    async def restart(self, name: str) -> None:
        """Start a killed node and wait until it is close behind: two dead ones are a dead venue."""
        self.venue.start_node(name)
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_close(await self.blocking(self.venue.statuses)):
            assert time.monotonic() < deadline, f"{name} does not catch up"

    @staticmethod
    def _is_close(statuses: dict[str, Status | None]) -> bool:
        indexes = [status.applied_index for status in statuses.values() if status is not None]
        return len(indexes) == len(statuses) and max(indexes) - min(indexes) < CLOSE_ENTRIES

    async def settle(self) -> None:
        """Trade no more; wait until everything that was asked for has its outcome."""
        self._stop.set()
        await self._tasks[1]
        assert await self.crowd.settle(PATIENCE_S), f"{self.crowd.in_flight} without outcome"
        await self.wait(self._is_quiet, "the last outcome")

    def _is_quiet(self) -> bool:
        return all(not client.session.unacknowledged for client in self.clients.values())
