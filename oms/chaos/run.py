"""One run of chaos: clients who write histories trade, faults are done, a judge looks at the rest.

Called by `oms chaos` and by tests. One event loop for the robots, one worker thread for everything
that blocks. Promises: what is said of loss, repetition and order is the checker's word
(`oms.check`), on histories that were written while it happened and on the log of the nodes as it
lies on disk afterwards; a run in which little was acknowledged, or nothing was in flight when
processes died, is not called good.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from oms.chaos.arena import Arena
from oms.chaos.hands import Done, Hands
from oms.chaos.schedule import POWER_CUTS, FaultName, schedule
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

    seconds: float
    seed: int
    rate: float
    names: Sequence[FaultName]
    folder: Path  # there: histories and log are saved in it


@dataclass(slots=True)
class Outcome:
    """What is known at the end."""

    done: Done = field(default_factory=Done)
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
        if self.done.in_flight and not any(self.done.in_flight):
            found.append("no order was in flight when processes were killed")
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
    found = [name for name in names if not arena.why_no_power or name not in POWER_CUTS]
    if not found:
        raise VenueError(
            what="none of these faults can be done here",
            why=arena.why_no_power,
            do="run it as root, or name other faults with --only",
            read="docs/testing.md, Chaos",
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
        self._crowd = Crowd(config, seed=plan.seed, rate=plan.rate, on_accepted=self._accepted)
        draw = random.Random(plan.seed + 1)  # noqa: S311 - repeatable decisions, not a secret
        self._hands = Hands(arena, self._crowd, self._worker, draw)
        self._began = 0.0

    async def run(self, stop: asyncio.Event) -> Outcome:
        """Faults until `stop` or the plan's end, then everything settles and every process ends.

        Raises: ClientError, DiskError, VenueError when there was nothing to begin with.
        """
        outcome = Outcome(done=self._hands.done)
        with ExitStack() as histories:
            clock = Clock()
            (self._plan.folder / HISTORIES).mkdir()
            recorders = {
                robot.name: histories.enter_context(
                    Recorder(
                        self._plan.folder / HISTORIES / (robot.name + SUFFIX), robot.name, clock
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
        self._began = time.monotonic()
        stop_trading = asyncio.Event()
        reading = asyncio.create_task(self._crowd.read())
        trading = asyncio.create_task(self._crowd.trade(stop_trading))
        striking = asyncio.create_task(self._strike(stop))
        tasks = [reading, trading, striking]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            outcome.seconds = time.monotonic() - self._began
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
        for fault in schedule(self._plan.seed, names):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), fault.quiet_s)
            leader = await self._hands.whole()
            if stop.is_set() or time.monotonic() - self._began >= self._plan.seconds:
                return
            told = await self._hands.strike(fault, leader)
            seconds = time.monotonic() - self._began
            orders = self._crowd.tally.acknowledged
            self._tell(f"{seconds:6.1f} s {orders:>9,} orders  {fault.name.value:<19} {told}")

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
