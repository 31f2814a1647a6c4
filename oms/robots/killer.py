"""Kills the leader with SIGKILL, starts it again later, and times what clients saw of it.

Called by the demo. Two promises: a kill happens at an instant at which orders are in flight (the
robots are made to send, then a random moment is taken), and the fail-over ends with an acceptance
that the *new* leader stamped, not with one of the old leader's that was still on its way.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Final

from oms.local.venue import LocalVenue
from oms.robots.crowd import Crowd

RESTART_AFTER_S: Final = 3.0
AIM_MAX_S: Final = 0.004  # a kill comes up to so long after the robots' burst
AIM_BURST: Final = 4
AIM_TRIES: Final = 200
GONE_S: Final = 10.0


@dataclass(slots=True)
class Kills:
    """What happened so far."""

    count: int = 0
    in_flight: list[int] = field(default_factory=list)
    failover_ms: list[float] = field(default_factory=list)


class Killer:
    """One per demo, on its event loop."""

    def __init__(self, venue: LocalVenue, draw: random.Random) -> None:
        self._venue = venue
        self._draw = draw
        self._killed_at = 0.0  # perf_counter of the signal, while the fail-over lasts
        self._dead_from_ns = 0  # wall clock; the old leader stamped nothing from here on
        self.kills = Kills()
        self.midnight_ns = 0
        self.is_busy = False

    def on_accepted(self, timestamp_ns: int) -> None:
        """A client saw an acceptance that the venue stamped so long after midnight."""
        if self._dead_from_ns and self.midnight_ns + timestamp_ns > self._dead_from_ns:
            self.kills.failover_ms.append((time.perf_counter() - self._killed_at) * 1000)
            self._dead_from_ns = 0

    async def kill(self, leader: str, crowd: Crowd) -> None:
        """Kill `leader` with orders in flight; start it again RESTART_AFTER_S later."""
        self.is_busy = True
        try:
            await self._aim(crowd)
            in_flight = crowd.note_kill()
            self._killed_at = time.perf_counter()
            if not self._venue.kill(leader):
                return
            self.kills.count += 1
            self.kills.in_flight.append(in_flight)
            await asyncio.to_thread(self._venue.wait_gone, leader, GONE_S)
            self._dead_from_ns = time.time_ns()
            await asyncio.sleep(RESTART_AFTER_S)
            self._venue.start_node(leader)
        finally:
            self.is_busy = False

    async def _aim(self, crowd: Crowd) -> None:
        for _ in range(AIM_TRIES):
            crowd.burst(AIM_BURST)
            await asyncio.sleep(self._draw.random() * AIM_MAX_S)
            if crowd.in_flight:
                return
