"""One run of chaos: clients who write histories trade, faults are done, a judge looks at the rest.

Called by `oms chaos` and by tests. One event loop for the robots, one worker thread for everything
that blocks. Promises: what is said of loss, repetition and order is the checker's word
(`oms.check`), on histories that were written while it happened and on the log of the nodes as it
lies on disk afterwards; a run in which little was acknowledged, or nothing was in flight when
processes died, is not called good.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from oms.chaos.arena import READ, Arena
from oms.chaos.hands import Done, Guests, Hands
from oms.chaos.kinds import NEEDS_DISKS, FaultName
from oms.chaos.schedule import round_of, schedule
from oms.chaos.strike import strike
from oms.chaos.timeline import Mark, Timeline
from oms.check import log_source
from oms.check.history import SUFFIX, Clock, Recorder
from oms.check.judge import check
from oms.check.verdict import Verdict
from oms.config import VenueConfig
from oms.local.venue import VenueError
from oms.robots.auditor import Auditor
from oms.robots.crowd import Crowd
from oms.robots.tally import percentile

ORDERS_A_MINUTE_MIN: Final = 1_000
SETTLE_S: Final = 60.0
EQUAL_S: Final = 60.0
HISTORIES: Final = "histories"
LOG_FILE: Final = "log.raw"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    seconds: float  # infinite: as many faults as there are to be
    seed: int
    rate: float
    names: Sequence[FaultName]
    folder: Path  # there: histories and log are saved in it
    rounds: int = 0  # so many, then it ends; 0: until the time is over


@dataclass(slots=True)
class Outcome:
    """What is known at the end."""

    done: Done = field(default_factory=Done)
    timeline: Timeline = field(default_factory=Timeline)
    acknowledged: int = 0
    unknown_resolved: int = 0
    seconds: float = 0.0  # of trading
    unsettled: int = 0  # orders whose outcome their clients never heard
    not_whole: str = ""  # why the run ended early: the venue did not come back from a fault
    nodes_differ: str = ""
    verdict: Verdict = field(default_factory=Verdict)

    def broken(self) -> list[str]:
        """The promises that were not kept; empty: all were."""
        found = []
        if not self.verdict.is_clean:
            found.append(f"{self.verdict.violations:,} violations, see above")
        if self.not_whole:
            found.append(self.not_whole)
        if self.nodes_differ:
            found.append(self.nodes_differ)
        if self.unsettled:
            found.append(f"{self.unsettled:,} orders have no outcome at their clients")
        return found

    def proves_nothing(self) -> list[str]:
        """Why a clean run is no proof; empty: it is one."""
        found = []
        least = ORDERS_A_MINUTE_MIN * self.seconds / 60
        if self.acknowledged < least:
            found.append(
                f"{self.acknowledged:,} orders were acknowledged in {self.seconds:.0f} s, and"
                f" {ORDERS_A_MINUTE_MIN:,} a minute is the least"
            )
        idle = self.done.in_flight.count(0)
        if self.done.in_flight and idle * 2 > len(self.done.in_flight):
            found.append(
                f"no order was in flight at {idle} of the {len(self.done.in_flight)} instants at"
                " which processes were killed"
            )
        if not self.done.faults:
            found.append("not a single fault was done")
        return found

    def report(self) -> dict[str, object]:
        """The figures, as `--json` prints them."""
        return {
            "acknowledged": self.acknowledged,
            "lost": self.verdict.lost,
            "duplicated": self.verdict.duplicated,
            "reordered": self.verdict.reordered,
            "unknown_resolved": self.unknown_resolved,
            "kills": self.done.kills,
            "power_cuts": self.done.power_cuts,
            "faults": dict(sorted(self.done.faults.items())),
            "failover_ms": self.failover_ms(),
        }

    def failover_ms(self) -> dict[str, float]:
        """From a leader's death to the first order that another one accepted."""
        measured = self.done.failover_ms
        return {
            "p50": round(percentile(measured, 0.5), 1),
            "p99": round(percentile(measured, 0.99), 1),
            "max": round(max(measured, default=0.0), 1),
        }


def permitted(names: Sequence[FaultName], arena: Arena) -> list[FaultName]:
    """Of these, what can be done here. Raises: VenueError when that is nothing."""
    found = [name for name in names if not arena.why_no_power or name not in NEEDS_DISKS]
    if not found:
        raise VenueError(
            what="none of these faults can be done here",
            why=arena.why_no_power,
            do="run it as root, or name other faults with --only",
            read=READ,
        )
    return found


class Run:
    """One run, in a running arena."""

    def __init__(
        self, arena: Arena, config: VenueConfig, plan: Plan, tell: Callable[[str], None]
    ) -> None:
        """`tell` gets a line for everything that is done."""
        self._arena = arena
        self._plan = plan
        self._tell = tell
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chaos")
        self._timeline = Timeline()
        self._crowd = Crowd(
            config,
            seed=plan.seed,
            rate=plan.rate,
            on_accepted=self._accepted,
            tally=self._timeline,
        )
        draw = random.Random(plan.seed + 1)  # noqa: S311 - repeatable decisions, not a secret
        self._clock = Clock()
        guests = Guests(config, plan.folder / HISTORIES, self._clock)
        self._hands = Hands(arena, self._crowd, self._worker, draw, guests)

    async def run(self, stop: asyncio.Event) -> Outcome:
        """Faults until `stop` or the plan's end, then everything settles and every process ends.

        Raises: ClientError, DiskError, VenueError when there was nothing to begin with.
        """
        outcome = Outcome(done=self._hands.done, timeline=self._timeline)
        with ExitStack() as histories:
            (self._plan.folder / HISTORIES).mkdir()
            recorders = {
                robot.name: histories.enter_context(
                    Recorder(
                        self._plan.folder / HISTORIES / (robot.name + SUFFIX),
                        robot.name,
                        self._clock,
                    )
                )
                for robot in self._crowd.robots
            }
            try:
                await self._crowd.connect(self._arena.links.doors, recorders)
                await self._trade(stop, outcome)
            finally:
                with contextlib.suppress(OSError):
                    await self._crowd.close()
                await self._blocking(self._arena.close)
                self._worker.shutdown()
        outcome.acknowledged = self._crowd.tally.acknowledged
        outcome.unknown_resolved = self._crowd.tally.unknown_resolved
        return outcome

    def judge(self, outcome: Outcome) -> None:
        """The checker's word, and the log beside the histories, so that anybody can ask again.

        Behind `run`. Raises: HistoryError, SettingsError, JournalDamagedError.
        """
        log = log_source.choose(self._arena.venue.folder.path)
        with (self._plan.folder / LOG_FILE).open("xb") as file:
            for _, batch in log_source.entries(log):
                file.write(batch)
        outcome.verdict = check([self._plan.folder / HISTORIES], log)

    # ---- inside

    async def _trade(self, stop: asyncio.Event, outcome: Outcome) -> None:
        leader = await self._hands.whole()
        auditor = Auditor(self._arena.venue.requests(), self._crowd.robots)
        await self._blocking(lambda: auditor.learn(leader))
        self._hands.midnight_ns = auditor.midnight_ns
        self._timeline.begin()
        stop_trading = asyncio.Event()
        reading = asyncio.create_task(self._crowd.read())
        trading = asyncio.create_task(self._crowd.trade(stop_trading))
        striking = asyncio.create_task(self._strike(stop))
        tasks = [reading, trading, striking]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            outcome.seconds = self._timeline.now_s
            stop_trading.set()
            await trading
            try:
                await striking
            except VenueError as error:
                outcome.not_whole = str(error)
            else:
                await self._settle(outcome)
            if reading.done():
                reading.result()  # raises what ended it
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _strike(self, stop: asyncio.Event) -> None:
        names = permitted(self._plan.names, self._arena)
        limit = self._plan.rounds * len(round_of(names)) or None
        for fault in itertools.islice(schedule(self._plan.seed, names), limit):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), fault.quiet_s)
            leader = await self._hands.whole()
            from_s = self._timeline.now_s
            if stop.is_set() or from_s >= self._plan.seconds:
                return
            told = await strike(self._hands, fault, leader)
            mark = Mark(fault.name, from_s=from_s, to_s=self._timeline.now_s, told=told)
            self._timeline.marks.append(mark)
            orders = self._timeline.acknowledged
            self._tell(f"{mark.to_s:6.1f} s {orders:>9,} orders  {fault.name.value:<21} {told}")
        await self._hands.whole()

    async def _settle(self, outcome: Outcome) -> None:
        await self._crowd.settle(SETTLE_S)
        outcome.unsettled = self._crowd.in_flight
        try:
            await self._blocking(lambda: self._arena.venue.wait_equal(EQUAL_S))
        except VenueError as error:
            outcome.nodes_differ = str(error)

    def _accepted(self, timestamp_ns: int) -> None:
        self._hands.on_accepted(timestamp_ns)

    async def _blocking(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)
