"""What does the faults to a running venue, one after the other, and sees each of them through.

Called by `run.py`. Promises: a process is killed, and a power cut, at an instant at which orders
are in flight (the robots are made to send, then a random moment is taken); behind every fault all
nodes run, hear each other and are close to each other before the next one comes.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from oms.chaos.arena import Arena
from oms.chaos.schedule import Fault, FaultName
from oms.local.requests import NoAnswer, RequestRefused
from oms.local.venue import VenueError
from oms.messages import link
from oms.robots.crowd import Crowd

AIM_MAX_S: Final = 0.004  # a kill comes up to so long after the robots' burst
AIM_BURST: Final = 4
AIM_TRIES: Final = 200
LOOK_S: Final = 0.05
LAG_MAX: Final = 500  # entries a node may be behind when the next fault comes
PATIENCE_S: Final = 30.0  # for a venue without a fault to be whole again
SNAPSHOT_S: Final = 20.0

_T = TypeVar("_T")


@dataclass(slots=True)
class Done:
    """What was done so far."""

    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0  # processes that were ended by SIGKILL; those without power are not counted
    power_cuts: int = 0  # times that power went, of one node or of all at once
    in_flight: list[int] = field(default_factory=list)  # orders without an answer, at each kill
    failover_ms: list[float] = field(default_factory=list)  # of leaders, while the others live


class Hands:
    """One per run, on its event loop; what waits is done in the worker, whose the venue is."""

    def __init__(
        self, arena: Arena, crowd: Crowd, worker: ThreadPoolExecutor, draw: random.Random
    ) -> None:
        self._arena = arena
        self._venue = arena.venue
        self._links = arena.links
        self._crowd = crowd
        self._worker = worker
        self._draw = draw
        self._struck_at = 0.0  # perf_counter, while a fail-over lasts
        self._dead_from_ns = 0  # wall clock; the old leader stamped nothing from here on
        self._failed_over = asyncio.Event()
        self.midnight_ns = 0
        self.done = Done()

    def on_accepted(self, timestamp_ns: int) -> None:
        """A client saw an acceptance that the venue stamped so long after midnight."""
        if self._dead_from_ns and self.midnight_ns + timestamp_ns > self._dead_from_ns:
            self.done.failover_ms.append((time.perf_counter() - self._struck_at) * 1000)
            self._dead_from_ns = 0
            self._failed_over.set()

    async def whole(self) -> str:
        """Wait until all nodes run, are close to each other, and one leads; returns that one.

        Raises: VenueError.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            statuses = list((await self._blocking(self._venue.statuses)).values())
            known = [item for item in statuses if item is not None]
            leading = [item for item in known if item.accepting]
            if leading and len(known) == len(statuses):
                indexes = [item.applied_index for item in known]
                if max(indexes) - min(indexes) <= LAG_MAX:
                    return max(leading, key=lambda item: item.term).node_id
            await asyncio.sleep(LOOK_S)
        raise _not_whole("a node does not answer, is far behind, or nobody leads")

    async def strike(self, fault: Fault, leader: str) -> str:
        """Do one fault, to its end; returns what was done, for the reader."""
        followers = [name for name in self._arena.node_ids if name != leader]
        follower = followers[fault.choice % len(followers)]
        told = await self._strike(fault, leader, follower)
        self.done.faults[fault.name.value] += 1
        return told

    async def _strike(self, fault: Fault, leader: str, follower: str) -> str:
        nodes, names = FaultName, self._arena.node_ids
        match fault.name:
            case nodes.KILL_LEADER:
                return await self._kill(fault, [leader], is_failover=True)
            case nodes.KILL_FOLLOWER:
                return await self._kill(fault, [follower])
            case nodes.KILL_PAIR:
                return await self._kill(fault, [leader, follower])
            case nodes.KILL_ALL:
                return await self._kill(fault, names)
            case nodes.KILL_AFTER_SNAPSHOT:
                await self._snapshot(leader)
                return await self._kill(fault, [leader], is_failover=True)
            case nodes.KILL_GATEWAY:
                gateways = self._arena.gateway_names
                return await self._kill(fault, [gateways[fault.choice % len(gateways)]])
            case nodes.PAUSE_LEADER:
                return await self._pause(fault, leader)
            case nodes.PAUSE_FOLLOWER:
                return await self._pause(fault, follower)
            case nodes.ISOLATE_LEADER:
                return await self._part(fault, leader, self._links.isolate)
            case nodes.ISOLATE_FOLLOWER:
                return await self._part(fault, follower, self._links.isolate)
            case nodes.SILENCE_LEADER:
                return await self._part(fault, leader, self._links.silence)
            case nodes.DEAFEN_LEADER:
                return await self._part(fault, leader, self._links.deafen)
            case nodes.FLAP_CLIENTS:
                in_flight = await self._aim()
                self._links.flap()
                return f"every client's connection, {in_flight} in flight"
            case nodes.CUT_POWER_LEADER:
                return await self._cut_power(fault, [leader], is_failover=True)
            case nodes.CUT_POWER_FOLLOWER:
                return await self._cut_power(fault, [follower])
            case nodes.CUT_POWER_ALL:
                return await self._cut_power(fault, names)

    # ---- the faults

    async def _kill(self, fault: Fault, names: Sequence[str], *, is_failover: bool = False) -> str:
        in_flight = await self._aim()
        self._note(in_flight)
        self.done.kills += len(names)
        for name in names:
            self._venue.kill(name)
        await self._blocking(lambda: self._arena.wait_gone(names))
        return await self._bring_back(
            fault, names, in_flight, self._arena.restart, is_failover=is_failover
        )

    async def _cut_power(
        self, fault: Fault, names: Sequence[str], *, is_failover: bool = False
    ) -> str:
        in_flight = await self._aim()
        self._note(in_flight)
        self.done.power_cuts += 1
        await self._blocking(lambda: self._arena.cut_power(names, fault.seed))
        return await self._bring_back(
            fault, names, in_flight, self._arena.restore_power, is_failover=is_failover
        )

    async def _bring_back(
        self,
        fault: Fault,
        names: Sequence[str],
        in_flight: int,
        bring_back: Callable[[Sequence[str]], None],
        *,
        is_failover: bool,
    ) -> str:
        if is_failover:
            self._failed_over.clear()
            self._dead_from_ns = time.time_ns()
        await asyncio.sleep(fault.lasts_s)
        await self._blocking(lambda: bring_back(names))
        told = f"{' '.join(names)}, {in_flight} in flight, back after {fault.lasts_s:.1f} s"
        if is_failover:
            await self._see_failed_over()
            told += f", orders again after {self.done.failover_ms[-1]:.0f} ms"
        return told

    async def _see_failed_over(self) -> None:
        try:
            await asyncio.wait_for(self._failed_over.wait(), PATIENCE_S)
        except TimeoutError:
            raise _not_whole("no order was accepted since the leader went") from None

    async def _pause(self, fault: Fault, name: str) -> str:
        in_flight = await self._aim()
        self._crowd.note_kill()
        self._venue.kill(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self._venue.kill(name, signal.SIGCONT)
        return f"{name}, {in_flight} in flight, for {fault.lasts_s:.1f} s"

    async def _part(self, fault: Fault, name: str, part: Callable[[str], None]) -> str:
        in_flight = await self._aim()
        self._crowd.note_kill()
        part(name)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self._links.mend()
        return f"{name}, {in_flight} in flight, for {fault.lasts_s:.1f} s"

    async def _snapshot(self, name: str) -> None:
        """Right behind a snapshot; where none can be made now, the kill comes all the same."""
        with contextlib.suppress(NoAnswer, RequestRefused):
            await self._blocking(
                lambda: self._venue.requests().ask(
                    name, link.CreateSnapshot(), link.SnapshotMade, SNAPSHOT_S
                )
            )

    # ---- inside

    def _note(self, in_flight: int) -> None:
        self._crowd.note_kill()
        self._struck_at = time.perf_counter()
        self.done.in_flight.append(in_flight)

    async def _aim(self) -> int:
        """Have orders in flight, and return how many."""
        for _ in range(AIM_TRIES):
            self._crowd.burst(AIM_BURST)
            await asyncio.sleep(self._draw.random() * AIM_MAX_S)
            if self._crowd.in_flight:
                break
        return self._crowd.in_flight

    def _blocking(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return asyncio.get_running_loop().run_in_executor(self._worker, work)


def _not_whole(why: str) -> VenueError:
    return VenueError(
        what=f"the venue is not whole {PATIENCE_S:.0f} s after the last fault",
        why=why,
        do="look at `logs/` in the venue's folder: it has what the nodes said",
        read="docs/testing.md, Chaos",
    )
