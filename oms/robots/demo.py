"""The demo: robots trade on a venue, leaders are killed, and an audit looks on.

Called by `oms demo` (which owns the terminal) and by tests. One event loop for the robots, one
worker thread for everything that blocks: status, audit, start of a node. Promises: what the report
says of loss and duplication was found by comparing the robots' own records with the streams that
every node replays from the log.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from oms.config import VenueConfig
from oms.local.requests import NoAnswer, NotTheLeader, RequestRefused
from oms.local.venue import LocalVenue, VenueError
from oms.messages.link import Status
from oms.robots.auditor import Auditor, Judgement
from oms.robots.crowd import Crowd
from oms.robots.killer import Killer
from oms.robots.tally import percentile

LOOK_S: Final = 0.5  # status of the nodes
GLANCE_S: Final = 1.0  # running audit
LINE_S: Final = 0.25  # live line
SETTLE_S: Final = 30.0
EQUAL_S: Final = 30.0
LAG_MAX: Final = 2_000  # entries a follower may be behind when the leader is killed

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    seconds: float | None
    kill_leader_every: float | None
    seed: int
    rate: float


@dataclass(slots=True)
class Line:
    """What the live line shows."""

    seconds: float = 0.0
    orders: int = 0
    trades: int = 0
    p50_us: float = 0.0
    p99_us: float = 0.0
    leader: str | None = None
    log_index: int = 0
    kills: int = 0
    lost: int = 0
    duplicated: int = 0


@dataclass(slots=True)
class Ending:
    """What is known when everything has settled."""

    is_settled: bool = False
    nodes: list[Status] = field(default_factory=list)
    nodes_differ: str = ""
    judgement: Judgement = field(default_factory=Judgement)


class Demo:
    """One run."""

    def __init__(self, venue: LocalVenue, config: VenueConfig, plan: Plan) -> None:
        self._venue = venue
        self._plan = plan
        draw = random.Random(plan.seed + 1)  # noqa: S311 - repeatable decisions, not a secret
        self.killer = Killer(venue, draw)
        self.crowd = Crowd(
            config, seed=plan.seed, rate=plan.rate, on_accepted=self.killer.on_accepted
        )
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._auditor = Auditor(venue.requests(), self.crowd.robots)
        self._statuses: dict[str, Status | None] = {}
        self._started = time.monotonic()
        self._killing: asyncio.Task[None] | None = None  # kills now and then
        self._kill_task: asyncio.Task[None] | None = None  # the kill that goes on

    async def run(self, stop: asyncio.Event, show: Callable[[Line], None]) -> Ending:
        """Trade until `stop` or the plan's end, then settle and judge. Raises: what a robot did."""
        await self.crowd.connect(self._venue.gateway_addresses)
        leader = await self._blocking(self._venue.leader)
        await self._blocking(lambda: self._auditor.learn(leader or self._venue.nodes[0].node_id))
        self.killer.midnight_ns = self._auditor.midnight_ns
        reading = asyncio.create_task(self.crowd.read())
        stop_trading = asyncio.Event()
        trading = asyncio.create_task(self.crowd.trade(stop_trading))
        looking = [
            asyncio.create_task(self._look()),
            asyncio.create_task(self._glance()),
            asyncio.create_task(self._show(show)),
        ]
        if self._plan.kill_leader_every is not None:
            self._killing = asyncio.create_task(self._kill_often(self._plan.kill_leader_every))
            looking.append(self._killing)
        try:
            await self._wait_for_end(stop, [reading, trading, *looking])
            stop_trading.set()
            await trading
            await self._end_killing()
            return await self._end(reading)
        finally:
            for task in [reading, trading, *looking]:
                task.cancel()
            await asyncio.gather(reading, trading, *looking, return_exceptions=True)
            with contextlib.suppress(OSError):
                await self.crowd.close()
            self._worker.shutdown()

    def kill_leader(self) -> None:
        """Kill whoever leads, unless the last one is not back yet."""
        if self._kill_task is None or self._kill_task.done():
            self._kill_task = asyncio.create_task(self._kill_one())

    def line(self) -> Line:
        """The live line as it stands."""
        tally = self.crowd.tally
        known = [item for item in self._statuses.values() if item is not None]
        leading = [item for item in known if item.accepting]
        leader = max(leading, key=lambda item: item.term, default=None)
        return Line(
            seconds=time.monotonic() - self._started,
            orders=tally.acknowledged,
            trades=tally.trades,
            p50_us=tally.recent_us(0.5),
            p99_us=tally.recent_us(0.99),
            leader=None if leader is None else leader.node_id,
            log_index=max((item.applied_index for item in known), default=0),
            kills=self.killer.kills.count,
            lost=self._auditor.lost,
            duplicated=self._auditor.duplicated,
        )

    def report(self, ending: Ending) -> dict[str, object]:
        """The figures, as `--json` prints them."""
        tally, kills, judgement = self.crowd.tally, self.killer.kills, ending.judgement
        finding = judgement.finding
        return {
            "acknowledged": tally.acknowledged,
            "in_flight_at_kill": kills.in_flight,
            "lost": finding.lost,
            "duplicated": finding.duplicated,
            "unknown_resolved": tally.unknown_resolved,
            "leader_kills": kills.count,
            "failover_ms": {
                "p50": round(percentile(kills.failover_ms, 0.5), 1),
                "p99": round(percentile(kills.failover_ms, 0.99), 1),
                "max": round(max(kills.failover_ms, default=0.0), 1),
            },
            "ack_us": tally.latency.summary_us(),
            "undelivered": finding.undelivered,
            "disordered": finding.disordered,
            "unresolved": finding.unresolved + self.crowd.in_flight,
            "live_mismatched": finding.live_mismatched,
            "streams_differ": judgement.streams_differ,
            "facts_compared": finding.facts_compared,
            "conserved": judgement.is_conserved,
            "digests_equal": not ending.nodes_differ,
            "nodes": [
                {"id": item.node_id, "log_index": item.applied_index, "digest": item.digest}
                for item in ending.nodes
            ],
            "sent": tally.sent,
            "rejected": tally.rejected,
            "replaces_too_late": tally.ignored,
            "trades": tally.trades,
            "seconds": round(time.monotonic() - self._started, 1),
            "examples": [*finding.examples, *filter(None, [ending.nodes_differ])],
        }

    def is_clean(self, ending: Ending) -> bool:
        """Whether the venue kept its word."""
        return (
            ending.is_settled
            and not ending.nodes_differ
            and ending.judgement.is_clean
            and not self.crowd.in_flight
        )

    # ---- tasks

    async def _wait_for_end(self, stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait(
                [stopping, *tasks],
                timeout=self._plan.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            stopping.cancel()
        for task in done:
            if task is not stopping:
                task.result()  # raises what ended it

    async def _look(self) -> None:
        while True:
            self._statuses = await self._blocking(self._venue.statuses)
            await asyncio.sleep(LOOK_S)

    async def _glance(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(GLANCE_S)
            running = [name for name, item in self._statuses.items() if item is not None]
            if running:
                node_id = running[turn % len(running)]
                turn += 1
                # A node may die while it is asked; the next look is at another.
                with contextlib.suppress(NoAnswer, NotTheLeader, RequestRefused):
                    await self._blocking(lambda: self._auditor.glance(node_id))  # noqa: B023

    async def _show(self, show: Callable[[Line], None]) -> None:
        while True:
            show(self.line())
            await asyncio.sleep(LINE_S)

    async def _kill_often(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            self.kill_leader()

    async def _kill_one(self) -> None:
        """Kill the leader as soon as all nodes run and are close to each other."""
        while True:
            statuses = list((await self._blocking(self._venue.statuses)).values())
            known = [item for item in statuses if item is not None]
            leaders = [item for item in known if item.accepting]
            if leaders and len(known) == len(statuses):
                indexes = [item.applied_index for item in known]
                if max(indexes) - min(indexes) <= LAG_MAX:
                    leader = max(leaders, key=lambda item: item.term)
                    await self.killer.kill(leader.node_id, self.crowd)
                    return
            await asyncio.sleep(LOOK_S)

    # ---- the end

    async def _end_killing(self) -> None:
        """No further kill; one that has happened is seen through, so that all nodes run."""
        for task in (self._killing, self._kill_task):
            if task is not None and not (task is self._kill_task and self.killer.is_busy):
                task.cancel()
        if self._kill_task is not None:
            await asyncio.gather(self._kill_task, return_exceptions=not self.killer.is_busy)

    async def _end(self, reading: asyncio.Task[None]) -> Ending:
        ending = Ending(is_settled=await self.crowd.settle(SETTLE_S))
        if reading.done():
            reading.result()
        try:
            ending.nodes = await self._blocking(lambda: self._venue.wait_equal(EQUAL_S))
        except VenueError as error:
            ending.nodes_differ = str(error)
        ending.judgement = await self._blocking(self._auditor.judge)
        return ending

    async def _blocking(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)
