"""The replicated log in three processes on one disk, with the disk's own figures beside it.

    python perf/bench_raft.py [--rate 1000] [--seconds 10]     propose to commit, open loop
    python perf/bench_raft.py --rate 0 --pipeline 8            the same as fast as it goes
    python perf/bench_raft.py --engine [--commands 2000000]    every node applies what commits

Open loop: a proposal that is late counts from when it was due. Every run measures fdatasync alone
before the nodes start, and every fdatasync of every node during the load.

--engine: entries of 1,024 commands (the seeded flow of order_flow.py) go through the log; every
node applies each with the engine and writes its events to its event log, as a node of the venue
does. The figure is commands a second until the *last* of the three has applied everything.
"""

import argparse
import gc
import json
import mmap
import os
import struct
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms._core import Engine
from oms.bounds import BATCH_COMMANDS_MAX, PIPELINE_ENTRIES_MAX
from oms.node.event_log import EventLog
from oms.replication.port import OnCommit, OnSkip
from oms.replication.raft_log import RaftLog
from perf import disk, order_flow
from perf.figures import Figures, progress, quantiles, show
from perf.raft_cluster import Asked, ClusterError, Result, poll, run_nodes, say

CLUSTER_ID: Final = 0x51
KEY: Final = b"benchmark key, worth nothing 000"
START_S: Final = 60.0  # for three interpreters and an election, on a busy machine too
FLOW_FILE: Final = "flow"
WARM_UP_SHARE: Final = 0.1  # of the open loop's time; not counted
_LENGTH: Final = struct.Struct("<I")


@dataclass
class Load:
    """What the leader proposes, and what became of it."""

    rate: float
    seconds: float
    pipeline: int
    entry: bytes
    due_s: deque[float] = field(default_factory=deque)
    latencies_us: list[float] = field(default_factory=list)
    started_s: float = 0.0
    proposed: int = 0

    def propose(self, log: RaftLog) -> None:
        """Put in what is due."""
        now = time.perf_counter()
        if not self.started_s:
            self.started_s = now
        if now - self.started_s >= self.seconds:
            return
        if self.rate:
            while self.next_due_s() <= now and len(self.due_s) < 4096:
                due = self.next_due_s()
                if not log.propose(self.entry):
                    return
                self.due_s.append(due)
                self.proposed += 1
                if log.pending() >= self.pipeline:
                    return
            return
        while log.pending() < self.pipeline and log.propose(self.entry):
            self.due_s.append(now)
            self.proposed += 1

    def next_due_s(self) -> float:
        """When the next proposal of the open loop is due."""
        return self.started_s + self.proposed / self.rate

    def committed(self) -> None:
        """The oldest proposal came back."""
        self.latencies_us.append((time.perf_counter() - self.due_s.popleft()) * 1e6)

    def counted_us(self) -> list[float]:
        """Without the first part, in which caches and connections are cold."""
        return self.latencies_us[int(len(self.latencies_us) * WARM_UP_SHARE) :]

    def is_over(self) -> bool:
        """All was proposed and all came back."""
        ended = self.started_s and time.perf_counter() - self.started_s >= self.seconds
        return bool(ended) and not self.due_s


def run_commit_node(options: argparse.Namespace) -> None:
    """One node; the one that leads applies the load. All say how their disk did."""
    load = Load(options.rate, options.seconds, options.pipeline, os.urandom(options.entry_bytes))
    asked, syncs_us, commits = Asked(), disk.time_own_syncs(), 0
    cpu_s = wall_s = 0.0

    def on_commit(_index: int, _term: int, _entry: bytes) -> None:
        nonlocal commits, cpu_s, wall_s
        if not commits:
            syncs_us.clear()
            cpu_s, wall_s = time.process_time(), time.perf_counter()
        commits += 1
        if load.due_s:
            load.committed()

    log = _open_log(options, on_commit, lambda _index: None)
    while not (load.is_over() or asked.is_asked):
        wait_s = log.next_deadline_s()
        if log.status().is_accepting:
            load.propose(log)
            log.tick()
            wait_s = log.next_deadline_s()
            if load.rate:
                wait_s = min(wait_s, load.next_due_s() - time.perf_counter())
        poll(log, wait_s)
        log.tick()
    ended_s = time.perf_counter()
    result: Result = {
        "fdatasync_us": quantiles(syncs_us),
        "cpu_share": round((time.process_time() - cpu_s) / (ended_s - wall_s), 3) if commits else 0,
    }
    if load.latencies_us:
        result["entries"] = len(load.latencies_us)
        result["entries_per_s"] = round(len(load.latencies_us) / (ended_s - load.started_s), 1)
        result["commit_us"] = quantiles(load.counted_us())
    say(result)
    _serve_on(log)


def run_engine_node(options: argparse.Namespace) -> None:
    """One node; the one that leads proposes the flow. All apply it, and say when they were done."""
    folder = Path(options.folder)
    entries = FlowFile(folder / FLOW_FILE)
    engine, event_log = Engine(), EventLog(folder / f"events-{options.node}")
    syncs_us, _ = disk.time_own_syncs(), Asked()  # SIGTERM: it is already about to be done
    applied = proposed = opened = 0
    started_s = ended_s = cpu_s = 0.0
    openings, total = options.openings, len(entries)

    def on_commit(index: int, _term: int, entry: bytes) -> None:
        nonlocal applied, opened, ended_s, cpu_s
        data = engine.events() if engine.apply(index, entry) else b""
        if data:
            event_log.append(data)
        applied += 1
        if applied == openings:
            syncs_us.clear()
            opened, cpu_s = engine.event_seq, time.process_time()
        if applied == total:
            event_log.flush()
            ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s

    log = _open_log(options, on_commit, engine.skip_to)
    gc.collect()
    gc.freeze()  # as a node does
    while applied < total:
        if log.status().is_accepting:
            if applied and not proposed:
                raise ClusterError("another node led before this one: the load is cut in two")
            if applied >= openings and not started_s:
                started_s = time.monotonic()
            limit = total if started_s else openings
            while proposed < limit and log.pending() < options.pipeline:
                if not log.propose(entries[proposed]):
                    break
                proposed += 1
            log.tick()
        poll(log, log.next_deadline_s())
        log.tick()
    say({
        "started_s": started_s, "ended_s": ended_s, "cpu_s": round(cpu_s, 2),
        "events": engine.event_seq - opened, "digest": f"{engine.digest():016x}",
        "fdatasync_us": quantiles(syncs_us),
    })  # fmt: skip
    _serve_on(log)


def _open_log(options: argparse.Namespace, on_commit: OnCommit, on_skip: OnSkip) -> RaftLog:
    return RaftLog(
        options.node, json.loads(options.addresses), CLUSTER_ID, KEY,
        Path(options.folder) / options.node, on_commit=on_commit, on_skip=on_skip,
        report=lambda _event, _values: None,
    )  # fmt: skip


def _serve_on(log: RaftLog) -> None:
    """The others need a majority until they are done too; the parent ends this process."""
    while True:
        poll(log, log.next_deadline_s())
        log.tick()


class FlowFile:
    """Entries in a file, each behind its length; read when they are asked for."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self._places: list[tuple[int, int]] = []
        at = 0
        while at < len(self._map):
            (length,) = _LENGTH.unpack_from(self._map, at)
            at += _LENGTH.size
            self._places.append((at, at + length))
            at += length

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> bytes:
        start, end = self._places[number]
        return self._map[start:end]


# ---- the parent


def measure_commits(options: argparse.Namespace, folder: Path) -> Figures:
    """Propose to commit."""
    alone = disk.sync_alone(folder)
    progress(f"fdatasync alone: p50 {alone['p50']} us, p99 {alone['p99']} us; starting three nodes")
    command = [
        __file__, "--rate", str(options.rate), "--seconds", str(options.seconds),
        "--pipeline", str(options.pipeline), "--entry-bytes", str(options.entry_bytes),
    ]  # fmt: skip
    results = run_nodes(command, folder, options.seconds + START_S)
    leader = next((name for name, result in results.items() if "commit_us" in result), "")
    if not leader:
        raise ClusterError("nobody led to the end")
    led = results[leader]
    return {
        "entry_bytes": options.entry_bytes,
        "rate": options.rate,
        "pipeline": options.pipeline,
        "leader": leader,
        "entries": led["entries"],
        "entries_per_s": led["entries_per_s"],
        "commit_us": led["commit_us"],
        "fdatasync_alone_us": alone,
        "fdatasync_us": {name: result["fdatasync_us"] for name, result in results.items()},
        "cpu_share": {name: result["cpu_share"] for name, result in results.items()},
    }


def measure_engine(options: argparse.Namespace, folder: Path) -> Figures:
    """Commands applied by all three."""
    alone = disk.sync_alone(folder)
    progress(f"making {options.commands} commands (seed {options.seed})")
    now_ns = time.time_ns()
    opening = order_flow.opening_entries(now_ns)
    entries = [*opening, *order_flow.order_entries(options.seed, options.commands, now_ns)]
    commands = sum(struct.unpack_from("<H", entry, 2)[0] for entry in entries[len(opening) :])
    played, before = order_flow.play(entries), order_flow.play(opening)
    if played.refused:
        raise ClusterError(f"the engine refused {played.refused} commands of the flow")
    with (folder / FLOW_FILE).open("wb") as file:
        for entry in entries:
            file.write(_LENGTH.pack(len(entry)) + entry)
        file.flush()
        os.fsync(file.fileno())
    progress(f"{len(entries)} entries, {played.executions // 2} trades; starting three nodes")
    command = [
        __file__, "--engine", "--openings", str(len(opening)), "--pipeline", str(options.pipeline)
    ]  # fmt: skip
    results = run_nodes(command, folder, START_S + commands / options.slowest)
    times = {name: msgspec.convert(result, Times) for name, result in results.items()}
    started_s = max(one.started_s for one in times.values())
    last_s = max(one.ended_s for one in times.values())
    if len({one.digest for one in times.values()}) != 1:
        raise ClusterError("the nodes' digests differ")
    if {one.events for one in times.values()} != {played.events - before.events}:
        raise ClusterError("the nodes wrote other events than an engine alone")
    return {
        "commands": commands,
        "entry_commands_max": BATCH_COMMANDS_MAX,
        "pipeline": options.pipeline,
        "trades": played.executions // 2,
        "events": played.events - before.events,
        "commands_per_s_all_three": round(commands / (last_s - started_s)),
        "commands_per_s": {
            name: round(commands / (one.ended_s - started_s)) for name, one in times.items()
        },
        "leader": next(name for name, one in times.items() if one.started_s),
        "cpu_us_per_command": {
            name: round(one.cpu_s * 1e6 / commands, 3) for name, one in times.items()
        },
        "digest": times["n1"].digest,
        "fdatasync_alone_us": alone,
        "fdatasync_us": {name: one.fdatasync_us for name, one in times.items()},
    }


class Times(msgspec.Struct, forbid_unknown_fields=True):
    """What a node of the engine run says."""

    started_s: float  # 0: it did not lead
    ended_s: float
    cpu_s: float
    events: int
    digest: str
    fdatasync_us: dict[str, float]


def main() -> int:
    """Parse and run, as the parent or as a node."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rate", type=float, default=1000, help="entries a second, 0: closed loop")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pipeline", type=int, default=0, help="entries in flight")
    parser.add_argument("--entry-bytes", type=int, default=160)
    parser.add_argument("--engine", action="store_true", help="apply every entry with the engine")
    parser.add_argument("--commands", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slowest", type=float, default=20_000, help="commands/s to give up at")
    parser.add_argument("--folder", default="", help="where the journals go: the disk to measure")
    parser.add_argument("--json", action="store_true")
    for hidden in ("--node", "--addresses"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--openings", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.pipeline = options.pipeline or (PIPELINE_ENTRIES_MAX if options.engine else 8)
    if options.node:
        run = run_engine_node if options.engine else run_commit_node
        run(options)
        return 0
    measure = measure_engine if options.engine else measure_commits
    with tempfile.TemporaryDirectory(dir=options.folder or None) as folder:
        try:
            figures = measure(options, Path(folder))
        except ClusterError as error:
            print(f"no figure: {error}", file=sys.stderr)
            return 1
    show(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
