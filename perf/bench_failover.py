"""What clients see when the leader dies or stands still: time to the first new acceptance.

    python perf/bench_failover.py [--kills 50] [--stops 10] [--rate 200] [--json]

A private venue (three nodes, one gateway) and open-loop clients. SIGKILL to whoever leads, at a
random instant; the time runs from the signal to the first acceptance, at a client, of an order that
was *sent after* the signal. The node is then started again, and the next kill waits until all three
stand at one place. Then the same with SIGSTOP, and SIGCONT later: no connection closes, so only
silence tells. Each is printed as it happens; exit code 1 when a bar is missed, an order stays
without an answer, or the nodes differ at the end.
"""

import argparse
import asyncio
import random
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms.client.errors import ClientError
from oms.local.samples import replay_config
from oms.local.venue import LocalVenue, VenueError
from oms.messages.link import Status
from perf.disk import sync_alone
from perf.figures import Figures, progress, quantiles, show
from perf.open_loop import OpenLoop

SYMBOL: Final = "AAPL"
SESSIONS: Final = 4
KILL_P50_MS: Final = 500.0
KILL_MAX_MS: Final = 1_500.0
STOP_MAX_MS: Final = 2_000.0
GIVE_UP_S: Final = 30.0  # for one fail-over, or for the nodes to come together again
STOPPED_S: Final = 2.5  # a stopped leader is continued so long after the first new acceptance
PAUSE_S: Final = (0.3, 0.9)  # a random wait before each kill: no phase is met always
LAG_MAX: Final = 500  # entries a node may be behind when the next kill comes
LOOK_S: Final = 0.05

_T = TypeVar("_T")


class Breaker:
    """Kills and stops leaders of one venue under one load."""

    def __init__(self, venue: LocalVenue, load: OpenLoop, seed: int) -> None:
        self._venue = venue
        self._load = load
        self._draw = random.Random(seed)
        # The venue's questions to its nodes belong to one thread, and must not hold up the clients.
        self._worker = ThreadPoolExecutor(max_workers=1)

    async def kill(self) -> tuple[str, float]:
        """SIGKILL the leader; who it was, and the milliseconds. Raises: TimeoutError."""
        leader = await self._choose()
        watch = self._load.watch()
        self._venue.kill(leader)
        took_s = await self._load.first_acceptance(watch, GIVE_UP_S)
        await self._blocking(lambda: self._venue.wait_gone(leader, GIVE_UP_S))
        await self._blocking(lambda: self._venue.start_node(leader))
        return leader, took_s * 1e3

    async def stop(self) -> tuple[str, float]:
        """SIGSTOP the leader and continue it later. Raises: TimeoutError."""
        leader = await self._choose()
        watch = self._load.watch()
        self._venue.kill(leader, signal.SIGSTOP)
        try:
            took_s = await self._load.first_acceptance(watch, GIVE_UP_S)
            await asyncio.sleep(STOPPED_S)
        finally:
            self._venue.kill(leader, signal.SIGCONT)
        return leader, took_s * 1e3

    async def end(self) -> list[Status]:
        """Wait until all nodes agree. Raises: VenueError."""
        try:
            return await self._blocking(lambda: self._venue.wait_equal(GIVE_UP_S))
        finally:
            self._worker.shutdown()

    async def _choose(self) -> str:
        """Who leads, once all nodes run close together and a random moment has passed."""
        deadline = time.monotonic() + GIVE_UP_S
        await asyncio.sleep(self._draw.uniform(*PAUSE_S))
        while time.monotonic() < deadline:
            statuses = list((await self._blocking(self._venue.statuses)).values())
            known = [status for status in statuses if status is not None]
            leaders = [status.node_id for status in known if status.accepting]
            indexes = [status.applied_index for status in known]
            is_whole = len(known) == len(statuses) and len(leaders) == 1
            if is_whole and max(indexes) - min(indexes) <= LAG_MAX:
                return leaders[0]
            await asyncio.sleep(LOOK_S)
        raise TimeoutError(f"the nodes did not come together within {GIVE_UP_S:.0f} s")

    async def _blocking(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)


async def measure(options: argparse.Namespace, venue: LocalVenue, load: OpenLoop) -> Figures:
    """All kills, then all stops. Raises: TimeoutError, VenueError."""
    breaker = Breaker(venue, load, options.seed)
    killed: list[float] = []
    stopped: list[float] = []
    async with load:
        for number in range(options.kills):
            leader, took_ms = await breaker.kill()
            killed.append(took_ms)
            progress(f"kill {number + 1}/{options.kills} of {leader}: {took_ms:.1f} ms")
        for number in range(options.stops):
            leader, took_ms = await breaker.stop()
            stopped.append(took_ms)
            progress(f"stop {number + 1}/{options.stops} of {leader}: {took_ms:.1f} ms")
        is_settled = await load.settle(GIVE_UP_S)
        statuses = await breaker.end()
    return {
        "rate": options.rate,
        "seed": options.seed,
        "kills": len(killed),
        "kill_to_acceptance_ms": quantiles(killed),
        "kill_all_ms": [round(took, 1) for took in killed],
        "stops": len(stopped),
        "stop_to_acceptance_ms": quantiles(stopped),
        "stop_all_ms": [round(took, 1) for took in stopped],
        "orders_sent": load.sent,
        "orders_accepted": load.accepted,
        "orders_without_answer": load.in_flight,
        "other_answers": load.others,
        "ack_us": load.latency.summary_us(),
        "nodes_equal_at": statuses[0].applied_index,
        "bars_met": is_settled
        and load.accepted == load.sent
        and quantiles(killed)["p50"] <= KILL_P50_MS
        and max(killed, default=0.0) <= KILL_MAX_MS
        and max(stopped, default=0.0) <= STOP_MAX_MS,
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--rate", type=float, default=200, help="orders a second, all sessions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    progress("starting a venue")
    config = replay_config(symbol=SYMBOL, session_count=SESSIONS)
    try:
        with LocalVenue.temporary(config) as venue:
            alone = sync_alone(venue.folder.path)
            load = OpenLoop(venue.gateway_addresses, config.users, SYMBOL, options.rate)
            figures = asyncio.run(measure(options, venue, load))
    except (ClientError, TimeoutError, VenueError) as error:
        print(f"no figure: {error}", file=sys.stderr)
        return 1
    show({**figures, "fdatasync_beside_idle_nodes_us": alone}, as_json=options.json)
    return 0 if figures["bars_met"] else 1


if __name__ == "__main__":
    sys.exit(main())
