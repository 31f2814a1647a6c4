"""Full load without faults, for minutes: does anything change that should not?

    python perf/bench_steady.py [--minutes 10] [--sessions 2] [--json]

The seeded flow of `oms replay --synthetic`, again and again, as fast as the venue takes it. Counted
are elections (terms), changes of role or leader as the nodes log them, and every warning or error
of theirs; reported by the minute are accepted orders a second, latency from write to acceptance,
and the memory of nodes and gateway. The bar is no election and no change of role; exit code 1 when
it is missed or the nodes differ at the end.

The log grows by some 100 bytes for each command on each node, the outputs by as much again: ten
minutes at full load fill tens of GB. The run ends early, and says so, before the disk is full.
"""

import argparse
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms.client.errors import ClientError
from oms.client.latency import LatencyHistogram
from oms.config import VenueConfig
from oms.local.samples import replay_config
from oms.local.venue import LocalVenue, VenueError
from oms.messages.link import Status
from oms.replay import flow, runner, synthetic
from oms.replay.stream import SessionStream
from perf.disk import SyncProbe
from perf.figures import Figures, progress, show

SYMBOL: Final = "AAPL"
FLOW_MESSAGES: Final = 50_000
CANCEL_SLICE: Final = 1_000
MINUTE_S: Final = 60.0
EQUAL_S: Final = 120.0
DISK_SPARED_BYTES: Final = 6 << 30
AS_ASKED: Final = "as asked"


class Line(msgspec.Struct):
    """What is read of a line in a node's log."""

    ts: int
    level: str
    event: str


class Memory(msgspec.Struct):
    """Of one process. Units: MiB. File pages (mapped outputs) can be given back at any time."""

    anonymous: float
    file: float


class Minute(msgspec.Struct):
    """One part of the run."""

    seconds: float
    orders_per_s: float
    commands_per_s: float
    ack_us: dict[str, int]
    anonymous_mib: dict[str, float]
    file_mib: dict[str, float]


class Load:
    """Streams that play their flows over and over."""

    def __init__(self, venue: LocalVenue, config: VenueConfig) -> None:
        firms = [account.firm for account in config.accounts]
        messages = synthetic.generate(1, FLOW_MESSAGES)
        flows = flow.build(
            messages, symbol=SYMBOL, firms=firms, session_count=len(config.users)
        )  # fmt: skip
        self._streams = [
            SessionStream(venue.gateway_addresses[0], user.name, user.password, one)
            for user, one in zip(config.users, flows, strict=True)
        ]
        self.latency = LatencyHistogram()
        self.orders = self.commands = self.rejected = 0
        for stream in self._streams:
            stream.log_in()

    def play(self) -> None:
        """Every flow once, then an empty book. Raises: ClientError, ProtocolError."""
        runner.run_once(self._streams)
        for stream in self._streams:
            self.latency.record_all(stream.ack_latencies_ns())
            self.orders += stream.tally.accepted_count
            self.commands += len(stream.flow.ordinals)
            self.rejected += sum(stream.tally.reject_reasons.values())
            resting = stream.tally.resting_urns()
            for start in range(0, len(resting), CANCEL_SLICE):
                stream.settle(flow.cancel_all(resting[start : start + CANCEL_SLICE]))
            self.commands += len(resting)

    def close(self) -> None:
        """Leave."""
        for stream in self._streams:
            stream.close()


def memory(venue: LocalVenue) -> dict[str, Memory]:
    """Of every process of the venue."""
    found = {}
    for name, pid in venue.pids().items():
        if pid is None:
            raise TimeoutError(f"{name} does not run any more: see {venue.log_file(name)}")
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        values = {key: rest for key, _, rest in (line.partition(":") for line in lines)}
        anonymous, file = (int(values[key].split()[0]) / 1024 for key in ("RssAnon", "RssFile"))
        found[name] = Memory(round(anonymous, 1), round(file, 1))
    return found


def one_minute(venue: LocalVenue, load: Load, seconds: float) -> Minute:
    """Play for so long (and to the end of the flow)."""
    load.latency = LatencyHistogram()
    orders, commands, started_s = load.orders, load.commands, time.monotonic()
    while time.monotonic() - started_s < seconds:
        load.play()
    took_s = time.monotonic() - started_s
    in_memory = memory(venue)
    return Minute(
        seconds=round(took_s, 1),
        orders_per_s=round((load.orders - orders) / took_s, 1),
        commands_per_s=round((load.commands - commands) / took_s, 1),
        ack_us=load.latency.summary_us(),
        anonymous_mib={name: one.anonymous for name, one in in_memory.items()},
        file_mib={name: one.file for name, one in in_memory.items()},
    )


def logged(venue: LocalVenue, since_ns: int) -> tuple[int, Counter[str]]:
    """Changes of role, and warnings and errors by name, of all nodes since then."""
    changes, complaints = 0, Counter[str]()
    for node in venue.nodes:
        for text in venue.log_file(node.node_id).read_bytes().splitlines():
            if not text.startswith(b"{"):
                complaints["not a log line"] += 1
                continue
            line = msgspec.json.decode(text, type=Line)
            if line.ts < since_ns:
                continue
            changes += line.event == "role"
            if line.level != "info":
                complaints[line.event] += 1
    return changes, complaints


def statuses(venue: LocalVenue) -> dict[str, Status]:
    """Of every node that answers."""
    return {name: one for name, one in venue.statuses(5.0).items() if one is not None}


def measure(options: argparse.Namespace, venue: LocalVenue, config: VenueConfig) -> Figures:
    """Load for the minutes asked for. Raises: VenueError, ClientError."""
    probe = SyncProbe(venue.folder.path)
    probe.measure_alone()
    load = Load(venue, config)
    minutes: list[Minute] = []
    end_note = AS_ASKED
    with probe:
        load.play()  # caches, connections and the interpreters' own warm-up are not counted
        started_ns, before = time.time_ns(), statuses(venue)
        started_s = time.monotonic()
        while (left_s := options.minutes * MINUTE_S - (time.monotonic() - started_s)) > 0:
            if shutil.disk_usage(venue.folder.path).free < DISK_SPARED_BYTES:
                end_note = "early: the disk is nearly full"
                break
            minutes.append(one_minute(venue, load, min(MINUTE_S, left_s)))
            last = minutes[-1]
            progress(
                f"minute {len(minutes)}: {last.orders_per_s:.0f} orders/s, p50 {last.ack_us['p50']}"
                f" us, p99 {last.ack_us['p99']} us, MiB {last.anonymous_mib}"
            )
    progress(f"ended {end_note}; waiting for the nodes to agree")
    load.close()
    after = {status.node_id: status for status in venue.wait_equal(EQUAL_S)}
    changes, complaints = logged(venue, started_ns)
    terms = {status.term for status in before.values()}
    elections = max(status.term for status in after.values()) - min(terms)
    return {
        "ended": end_note,
        "elections": elections,
        "role_changes": changes,
        "complaints": dict(complaints),
        "orders_accepted": load.orders,
        "orders_rejected": load.rejected,
        "commands": load.commands,
        "minutes": {
            str(number): msgspec.to_builtins(minute) for number, minute in enumerate(minutes, 1)
        },
        "anonymous_growth_mib": {
            name: round(grown - minutes[0].anonymous_mib[name], 1)
            for name, grown in minutes[-1].anonymous_mib.items()
        },
        "log_index": after[venue.nodes[0].node_id].applied_index,
        "fdatasync_beside_idle_nodes_us": probe.alone.summary_us(),
        "fdatasync_loaded_us": probe.loaded.summary_us(),
        "bar_met": end_note == AS_ASKED and elections == 0 and changes == 0,
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    progress("starting a venue")
    config = replay_config(symbol=SYMBOL, session_count=options.sessions)
    try:
        with LocalVenue.temporary(config) as venue:
            figures = measure(options, venue, config)
    except (ClientError, TimeoutError, VenueError) as error:
        print(f"no figure: {error}", file=sys.stderr)
        return 1
    show(figures, as_json=options.json)
    return 0 if figures["bar_met"] else 1


if __name__ == "__main__":
    sys.exit(main())
