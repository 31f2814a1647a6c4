"""All three nodes killed with a full log: how long until orders are accepted again.

    python perf/bench_restart.py [--commands 1000000] [--behind 100000] [--rate 0] [--json]

The log is filled through the gateway, by the seeded flow of `oms replay --synthetic`: real orders,
cancels and trades of a client, as fast as the venue takes them (about a thousand to an entry), or
at `--rate` (then few to an entry, which is more work for a restart, and nodes make their snapshots
as they go). Then all three nodes get SIGKILL at once and are started again as soon as they are
gone; the gateway lives on, and so do open-loop clients at 100 orders a second. The time runs from
just before the first node's process is started to the first acceptance, at a client, of an order
that was sent after that.

Twice: first with what the filling left (at full speed no snapshot, so every node replays the whole
log; the figures say where the newest one is), then with a snapshot that each node was asked for,
`--behind` commands before the end. Exit code 1 when the bar is missed.

With `--entry-commands N` the log is not traded but written by the nodes' own journal before they
first start (prepared_log.py), N commands to an entry: what a quiet day leaves, in seconds. Then
snapshots are taken away while nobody runs, so that the first figure is a replay of the whole log.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms.client.errors import ClientError
from oms.config import VenueConfig
from oms.local.samples import replay_config
from oms.local.venue import LocalVenue, VenueError
from oms.messages.link import CreateSnapshot, SnapshotMade
from oms.replay import flow, runner, synthetic
from oms.replication.snapshot_file import newest_first
from perf.disk import sync_alone
from perf.figures import Figures, progress, quantiles, show
from perf.open_loop import OpenLoop
from perf.order_flow import SESSIONS
from perf.prepared_log import prepare

SYMBOL: Final = "AAPL"
BAR_S: Final = 5.0
GIVE_UP_S: Final = 120.0
SNAPSHOT_S: Final = 60.0
FLOW_MESSAGES: Final = 100_000
PROBE_RATE: Final = 100.0
FILLER, PROBES = SESSIONS, slice(SESSIONS + 1, SESSIONS + 3)  # users behind a prepared log's


class Line(msgspec.Struct):
    """What is read of a line in a node's log."""

    ts: int
    event: str
    accepting: bool = False


def fill(venue: LocalVenue, config: VenueConfig, commands: int, rate: float) -> int:
    """At least so many commands through the gateway; how many. Raises: ClientError."""
    firms = [account.firm for account in config.accounts]
    login = runner.Login(config.users[FILLER].name, config.users[FILLER].password)
    messages = synthetic.generate(1, min(FLOW_MESSAGES, commands))
    if rate:
        messages["time_ns"] = (np.arange(len(messages)) * (1e9 / rate)).astype(np.int64)
    flows = flow.build(messages, symbol=SYMBOL, firms=firms)
    repeat = -(-commands // flows[0].message_count)
    started_s, told_s = time.monotonic(), time.monotonic()

    def tell(done: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= 2.0:
            told_s = time.monotonic()
            progress(f"{done} commands, {done / (told_s - started_s):.0f} a second")

    result = runner.run(
        flows, [login], venue.gateway_addresses[0], repeat=repeat,
        speed=1.0 if rate else None, progress=tell,
    )  # fmt: skip
    return result.report.messages


async def restart(venue: LocalVenue, load: OpenLoop, *, is_bare: bool) -> tuple[float, int]:
    """Seconds to the first new acceptance, and the wall clock at the start. Raises: TimeoutError"""
    names = [node.node_id for node in venue.nodes]
    async with load:
        await load.first_acceptance(load.watch(), GIVE_UP_S)
        for name in names:
            venue.kill(name)
        for name in names:
            await asyncio.to_thread(venue.wait_gone, name, GIVE_UP_S)
        if is_bare:
            remove_snapshots(venue)
        started_ns = time.time_ns()
        watch = load.watch()
        for name in names:
            venue.start_node(name)
        took_s = await load.first_acceptance(watch, GIVE_UP_S)
        if not await load.settle(GIVE_UP_S):
            raise TimeoutError(f"{load.in_flight} orders stayed without an answer")
    return took_s, started_ns


def stages(venue: LocalVenue, since_ns: int) -> dict[str, float]:
    """Seconds to each node's `started` (journal and snapshot read) and to the leader's readiness.

    A node that leads applies the whole log before it accepts.
    """
    times: dict[str, float] = {}
    for node in venue.nodes:
        for text in venue.log_file(node.node_id).read_bytes().splitlines():
            if not text.startswith(b"{"):
                continue
            line = msgspec.json.decode(text, type=Line)
            after_s = round((line.ts - since_ns) / 1e9, 3)
            if after_s >= 0 and line.event == "started":
                times[f"{node.node_id}_started"] = after_s
            elif after_s >= 0 and line.event == "role" and line.accepting:
                times[f"{node.node_id}_accepts"] = after_s
    return times


def newest_snapshots(venue: LocalVenue) -> dict[str, int]:
    """Log index of each node's newest snapshot; 0: it has none."""
    newest = {}
    for node in venue.nodes:
        paths = newest_first(venue.folder.path / node.node_id / "snapshots")
        newest[node.node_id] = int(paths[0].stem, 16) if paths else 0
    return newest


def remove_snapshots(venue: LocalVenue) -> None:
    """So that a start has the whole log before it; the nodes must not run."""
    for node in venue.nodes:
        for path in newest_first(venue.folder.path / node.node_id / "snapshots"):
            path.unlink()


class Restarts:
    """Some restarts at one filling of the log."""

    def __init__(self, venue: LocalVenue, config: VenueConfig, rounds: int) -> None:
        self._venue = venue
        self._probes = config.users[PROBES]
        self._rounds = rounds
        self.slowest_s = 0.0

    def measure(self, commands_behind: int | None, *, is_bare: bool = False) -> Figures:
        """Kill and start, that often. `commands_behind`: what came since the snapshots.

        `is_bare`: snapshots are taken away while nobody runs.
        """
        venue = self._venue
        took: list[float] = []
        last_stages: dict[str, float] = {}
        before = venue.wait_equal(GIVE_UP_S)[0]
        snapshots = newest_snapshots(venue)
        if is_bare:
            snapshots = dict.fromkeys(snapshots, 0)
        for number in range(self._rounds):
            load = OpenLoop(venue.gateway_addresses, self._probes, SYMBOL, PROBE_RATE)
            took_s, started_ns = asyncio.run(restart(venue, load, is_bare=is_bare))
            venue.wait_equal(GIVE_UP_S)
            took.append(took_s)
            self.slowest_s = max(self.slowest_s, took_s)
            last_stages = stages(venue, started_ns)
            progress(f"restart {number + 1}/{self._rounds}: {took_s:.2f} s  {last_stages}")
        return {
            "log_index": before.applied_index,
            "journal_bytes": before.journal_bytes,
            "newest_snapshot_index": snapshots,
            "entries_behind": {
                name: before.applied_index - index for name, index in snapshots.items()
            },
            "commands_behind": commands_behind,
            "start_to_acceptance_s": quantiles(took, 3),
            "all_s": [round(took_s, 3) for took_s in took],
            "last_stages_s": last_stages,
        }


def run(options: argparse.Namespace, venue: LocalVenue, config: VenueConfig) -> Figures:
    """Fill, restart, snapshot, fill a little more, restart. Raises: TimeoutError, VenueError."""
    alone = sync_alone(venue.folder.path)
    restarts = Restarts(venue, config, options.rounds)
    filled = options.commands
    if not options.entry_commands:
        filled = fill(venue, config, options.commands, options.rate)
    progress(f"{filled} commands are in the log; killing all three nodes")
    as_filled = restarts.measure(None, is_bare=bool(options.entry_commands))
    for node in venue.nodes:
        asks = venue.requests()
        made = asks.ask(node.node_id, CreateSnapshot(), SnapshotMade, SNAPSHOT_S)
        progress(f"{node.node_id} has a snapshot at log index {made.log_index}")
    behind = fill(venue, config, options.behind, options.rate)
    progress(f"{behind} commands more; killing all three nodes")
    behind_it = restarts.measure(behind)
    return {
        "commands": filled,
        "fill_rate": options.rate,
        "as_filled": as_filled,
        "behind_a_snapshot": behind_it,
        "fdatasync_beside_idle_nodes_us": alone,
        "bar_met": restarts.slowest_s <= BAR_S,
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--behind", type=int, default=100_000, help="commands after the snapshots")
    parser.add_argument("--rate", type=float, default=0, help="commands a second, 0: all at once")
    parser.add_argument("--entry-commands", type=int, default=0, help="see above; 0: through TCP")
    parser.add_argument("--rounds", type=int, default=3, help="restarts of each kind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    progress("making a venue")
    config = replay_config(symbol=SYMBOL, session_count=PROBES.stop)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            LocalVenue.format(Path(folder) / "venue", config) as venue,
        ):
            if options.entry_commands:
                progress(f"writing {options.commands} commands into each node's journal")
                count = prepare(venue, options.commands, options.entry_commands)
                progress(f"{count} entries; starting the venue")
            venue.start(GIVE_UP_S)
            figures = run(options, venue, config)
    except (ClientError, TimeoutError, VenueError) as error:
        print(f"no figure: {error}", file=sys.stderr)
        return 1
    show(figures, as_json=options.json)
    return 0 if figures["bar_met"] else 1


if __name__ == "__main__":
    sys.exit(main())
