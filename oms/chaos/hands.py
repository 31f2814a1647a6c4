"""What all faults have in common: the aim, the count, and the waiting until the venue is whole.

Called by the faults (`process_faults.py` and the others). Promises: a process is killed, and a
power cut, at an instant at which orders are in flight (the robots are made to send, then a random
moment is taken); `whole` returns when all nodes run, hear each other and are close to each other.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from oms.chaos.arena import READ, Arena
from oms.chaos.schedule import Fault
from oms.check.history import SUFFIX, Clock, Recorder
from oms.config import VenueConfig
from oms.local.venue import VenueError
from oms.messages.link import Status
from oms.robots.crowd import Crowd

AIM_MAX_S: Final = 0.004  # a kill comes up to so long after the robots' burst
AIM_BURST: Final = 4
AIM_TRIES: Final = 200
LOOK_S: Final = 0.05
LAG_MAX: Final = 500  # entries a node may be behind when the next fault comes
PATIENCE_S: Final = 30.0  # for a venue without a fault to be whole again

_T = TypeVar("_T")


@dataclass(slots=True)
class Done:
    """What was done so far."""

    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0  # processes that were ended by SIGKILL; those without power are not counted
    power_cuts: int = 0  # times that power went, of one node or of all at once
    in_flight: list[int] = field(default_factory=list)  # orders without an answer, at each kill
    failover_ms: list[float] = field(default_factory=list)  # of leaders, while the others live


class Guests:
    """Those who log in as one of the robots: their passwords, and their histories."""

    def __init__(self, config: VenueConfig, folder: Path, clock: Clock) -> None:
        self._passwords = {user.name: user.password for user in config.users}
        self._folder = folder
        self._clock = clock
        self._count = 0

    def password(self, user: str) -> str:
        """What it logs in with."""
        return self._passwords[user]

    def record(self, user: str) -> Recorder:
        """A history of its own, beside the robot's."""
        self._count += 1
        return Recorder(self._folder / f"{user}-{self._count}{SUFFIX}", user, self._clock)


class Hands:
    """One per run, on its event loop; what waits is done in the worker, whose the venue is."""

    def __init__(
        self,
        arena: Arena,
        crowd: Crowd,
        worker: ThreadPoolExecutor,
        draw: random.Random,
        guests: Guests,
    ) -> None:
        self.arena = arena
        self.guests = guests
        self.venue = arena.venue
        self.crowd = crowd
        self.done = Done()
        self._worker = worker
        self._draw = draw
        self._struck_at = 0.0  # perf_counter, while a fail-over lasts
        self._dead_from_ns = 0  # wall clock; the old leader stamped nothing from here on
        self._failed_over = asyncio.Event()
        self.midnight_ns = 0

    def on_accepted(self, timestamp_ns: int) -> None:
        """A client saw an acceptance that the venue stamped so long after midnight."""
        if self._dead_from_ns and self.midnight_ns + timestamp_ns > self._dead_from_ns:
            self.done.failover_ms.append((time.perf_counter() - self._struck_at) * 1000)
            self._dead_from_ns = 0
            self._failed_over.set()

    # ---- waiting

    async def whole(self) -> str:
        """Wait until all nodes run, are close to each other, and one leads; returns that one.

        Raises: VenueError.
        """

        def is_whole(statuses: list[Status]) -> bool:
            indexes = [item.applied_index for item in statuses]
            return (
                any(item.accepting for item in statuses)
                and max(indexes) - min(indexes) <= LAG_MAX
                and all(item.room == "ample" and not item.is_joining for item in statuses)
            )

        statuses = await self.until(
            is_whole,
            "a node does not answer, is far behind, has no room, or nobody leads",
            is_everybody_wanted=True,
        )
        leading = [item for item in statuses if item.accepting]
        return max(leading, key=lambda item: item.term).node_id

    async def until(
        self, is_so: Callable[[list[Status]], bool], why: str, *, is_everybody_wanted: bool = False
    ) -> list[Status]:
        """Wait until the nodes that answer (or all of them) say so. Raises: VenueError."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            statuses = list((await self.blocking(self.venue.statuses)).values())
            known = [item for item in statuses if item is not None]
            if known and (len(known) == len(statuses) or not is_everybody_wanted) and is_so(known):
                return known
            await asyncio.sleep(LOOK_S)
        raise not_whole(why)

    async def aim(self) -> int:
        """Have orders in flight, and return how many."""
        for _ in range(AIM_TRIES):
            self.crowd.burst(AIM_BURST)
            await asyncio.sleep(self._draw.random() * AIM_MAX_S)
            if self.crowd.in_flight:
                break
        return self.crowd.in_flight

    def blocking(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """In the worker."""
        return asyncio.get_running_loop().run_in_executor(self._worker, work)

    # ---- counting

    def note(self, in_flight: int, *, kills: int = 0, power_cuts: int = 0) -> None:
        """Processes die now."""
        self.crowd.note_kill()
        self._struck_at = time.perf_counter()
        self.done.in_flight.append(in_flight)
        self.done.kills += kills
        self.done.power_cuts += power_cuts

    def leader_is_gone(self) -> None:
        """From now on it stamps nothing: what is accepted later was accepted by another one."""
        self._failed_over.clear()
        self._dead_from_ns = time.time_ns()

    async def bring_back(
        self,
        fault: Fault,
        names: Sequence[str],
        in_flight: int,
        bring_back: Callable[[Sequence[str]], None],
        *,
        is_failover: bool = False,
    ) -> str:
        """They are gone, and start again; returns what was done, for the reader.

        `is_failover`: one was the leader (`leader_is_gone` was said), and a majority lives.
        """
        await asyncio.sleep(fault.lasts_s)
        await self.blocking(lambda: bring_back(names))
        told = f"{' '.join(names)}, {in_flight} in flight, back after {fault.lasts_s:.1f} s"
        if is_failover:
            await self._see_failed_over()
            told += f", orders again after {self.done.failover_ms[-1]:.0f} ms"
        return told

    async def _see_failed_over(self) -> None:
        try:
            await asyncio.wait_for(self._failed_over.wait(), PATIENCE_S)
        except TimeoutError:
            raise not_whole("no order was accepted since the leader went") from None


def not_whole(why: str) -> VenueError:
    """The venue does not come back from a fault."""
    return VenueError(
        what=f"the venue is not whole {PATIENCE_S:.0f} s after the last fault",
        why=why,
        do="look at `logs/` in the venue's folder: it has what the nodes said",
        read=READ,
    )
