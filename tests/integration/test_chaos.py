"""A minute of faults at random, overlapping, and then the evidence of test_crashes.py.

Not part of the ordinary run: `./scripts/test tests/integration/test_chaos.py -m slow`. What it
finds becomes a test of its own in test_crashes.py.
"""

import asyncio
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.config import VenueConfig
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue
from oms.replication import snapshot_file
from tests.support.crash_evidence import event_log, run
from tests.support.crash_load import PATIENCE_S, Load, new_seed

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

SECONDS = 60.0
HANDS = 2  # faults at a time
PAUSES = (0.0, 0.05, 0.3, 1.0, 2.5, 3.6)  # dead or frozen; the last is longer than a lease
GATEWAYS = ("g1", "g2")


class Chaos:
    """Faults that touch different processes at a time."""

    def __init__(self, load: Load, seed: int) -> None:
        self._load = load
        self._venue = load.venue
        self._draw = random.Random(seed)
        self._busy: set[str] = set()

    async def hand(self, until: float) -> None:
        """One fault after another."""
        while time.monotonic() < until:
            names = await self._victims()
            if names and self._busy.isdisjoint(names):
                self._busy.update(names)
                try:
                    await self._fault(names)
                finally:
                    self._busy.difference_update(names)
            await asyncio.sleep(self._draw.random())

    async def _victims(self) -> list[str]:
        nodes = [node.node_id for node in self._venue.nodes]
        match self._draw.choice(("leader", "leader", "node", "gateway", "two", "all")):
            case "leader":
                leader = await self._load.blocking(self._venue.leader)
                return [] if leader is None else [leader]
            case "node":
                return [self._draw.choice(nodes)]
            case "gateway":
                return [self._draw.choice(GATEWAYS)]
            case "two":
                return self._draw.sample(nodes, 2)
            case _:
                return nodes

    async def _fault(self, names: list[str]) -> None:
        number = self._draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
        pause = self._draw.choice(PAUSES)
        print(f"{number.name} {' '.join(names)} for {pause} s")
        for name in names:
            self._venue.kill(name, number)
        if number == signal.SIGSTOP:
            await asyncio.sleep(pause)
            for name in names:
                self._venue.kill(name, signal.SIGCONT)
            return
        for name in names:
            await self._load.wait(lambda: not self._venue.pids()[name], "the end")  # noqa: B023
        await asyncio.sleep(pause)
        for name in names:
            if name not in GATEWAYS:
                self._lose_something(name)
            self._venue.start_node(name)

    def _lose_something(self, node_id: str) -> None:
        """Now and then a derived file is gone when the node comes back."""
        lost: list[Path] = []
        if self._draw.random() < 0.1:
            lost.append(event_log(self._venue, node_id))
        if self._draw.random() < 0.1:
            folder = self._venue.folder.path / node_id / "snapshots"
            lost += snapshot_file.newest_first(folder)[:1]
        for path in lost:
            print(f"{node_id} loses {path.name}")
            path.unlink(missing_ok=True)


@pytest.fixture
def seed() -> int:
    """A new one for every run; pytest shows it when the test fails."""
    return new_seed()


@pytest.fixture
def config(seed: int) -> VenueConfig:
    """The demo's instruments and robots."""
    return demo_config(seed)


@pytest.fixture
def venue(config: VenueConfig) -> Iterator[LocalVenue]:
    """Three nodes and two gateways."""
    with LocalVenue.temporary(config, gateway_count=2) as running:
        yield running


def test_chaos_loses_repeats_and_reorders_nothing(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Faults of faults: what no single test thought of."""

    async def script(load: Load) -> None:
        chaos = Chaos(load, seed)
        until = time.monotonic() + SECONDS
        await asyncio.gather(*[chaos.hand(until) for _ in range(HANDS)])
        await load.blocking(lambda: venue.start(PATIENCE_S))
        await load.acknowledged(200)

    run(venue, config, seed, script)
