#!/usr/bin/env python3
"""What size costs: the engine with a million live orders, in one process, all checks on.

    python perf/bench_size.py [--orders N] [--instruments N] [--only PART ...] [--json]

Parts: `batch` (ns a command in entries of 256, half new orders, half cancels of any live order),
`calls` (latency of entries of one command), `memory` (bytes for each live order, all in),
`snapshot` (in one go; beside: how long the loop stands still, and until the bytes are there),
`restore`, `replay` (a log from its genesis on, and its longest entry), `worst` (the
longest single step of a mass cancel, of the expiry and of the day's end of all orders, and of an
order that trades with 10,000).

Accounts, holds, position limits, collars and digest are on and every event is written. Times are
this thread's CPU time but for what is called wall. Exit code 1 when a bar is missed.
"""

import argparse
import ctypes
import gc
import json
import mmap
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms._core import Engine
from oms.messages import admin_commands as ac
from oms.messages.enums import TimeInForce
from oms.messages.packing import pack_batch
from perf.live_venue import NEVER, START_NS, LiveVenue, entries_of

Figures = dict[str, float]
ROUNDS: Final = 3
BATCH: Final = 256
MIXED: Final = 400_000
CALLS: Final = 200_000
FOLLOWING: Final = 10_000
SWEPT: Final = 10_000
BARS: Final = {  # at most; replay: at least
    "batch_ns": 150.0, "call_p50_ns": 400.0, "call_p999_ns": 2_000.0, "memory_bytes": 200.0,
    "loop_stands_still_wall_ms": 10.0, "snapshot_wall_s": 1.0, "restore_s": 2.0,
    "worst_step_ms": 5.0, "worst_fill_ms": 5.0,
}  # fmt: skip
REPLAY_MIN: Final = 1_000_000.0  # commands a second


def batch(venue: LiveVenue) -> Figures:
    """Full entries; memory is asked for ahead."""
    rounds = []
    for _ in range(ROUNDS):
        commands = venue.mixed(MIXED)
        entries = entries_of(commands, BATCH)
        started = time.thread_time_ns()
        for entry in entries:
            venue.apply(entry)
        rounds.append((time.thread_time_ns() - started) / len(commands))
    return {"batch_ns": statistics.median(rounds)}


def calls(venue: LiveVenue) -> Figures:
    """One command an entry: each call by itself, as it comes back to its caller."""
    entries = entries_of(venue.mixed(CALLS), 1)
    engine, index, clock = venue.engine, venue.index, time.perf_counter_ns
    took = np.zeros(len(entries), np.int64)
    gc.disable()
    for number, entry in enumerate(entries):
        index += 1
        started = clock()
        engine.apply(index, entry)
        took[number] = clock() - started
    gc.enable()
    venue.index = index
    names = {"call_p50_ns": 50.0, "call_p99_ns": 99.0, "call_p999_ns": 99.9}
    return {name: float(np.percentile(took, share)) for name, share in names.items()}


def anonymous_bytes() -> int:
    """Memory of this process that belongs to no file."""
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/smaps_rollup does not say it")


def memory(orders: int, instruments: int) -> tuple[LiveVenue, Figures]:
    """The venue, and what it took; first, while nothing else is in memory."""
    gc.collect()
    before = anonymous_bytes()
    venue = LiveVenue(instruments=instruments, orders=orders)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    taken = anonymous_bytes() - before - venue.own_bytes
    return venue, {"memory_bytes": taken / orders}


def snapshot(venue: LiveVenue) -> Figures:
    """In one go, and beside while commands are applied."""
    started = time.thread_time()
    expected = venue.engine.snapshot()
    figures = {"snapshot_in_one_go_ms": (time.thread_time() - started) * 1e3}
    walls, cpus, wholes = [], [], []
    for _ in range(ROUNDS):
        expected = venue.engine.snapshot()
        file = os.memfd_create("bench")
        cpu, wall = time.thread_time(), time.perf_counter()
        process = venue.engine.snapshot_beside(file)
        cpus.append((time.thread_time() - cpu) * 1e3)
        walls.append((time.perf_counter() - wall) * 1e3)
        for entry in entries_of(venue.mixed(FOLLOWING), BATCH):
            venue.apply(entry)
        _, status = os.waitpid(process, 0)
        wholes.append(time.perf_counter() - wall)
        with mmap.mmap(file, 0, prot=mmap.PROT_READ) as written:
            if status or written[:] != expected:
                raise RuntimeError("the process beside wrote something else")
        os.close(file)
        venue.engine.join_pages()
    return figures | {
        "snapshot_bytes": float(len(expected)),
        "loop_stands_still_wall_ms": max(walls),
        "loop_stands_still_cpu_ms": max(cpus),
        "snapshot_wall_s": max(wholes),
    }


def restore(venue: LiveVenue) -> Figures:
    """Bytes -> a venue that trades."""
    data, fresh = venue.engine.snapshot(), Engine()
    started = time.thread_time()
    fresh.restore(data)
    return {"restore_s": time.thread_time() - started}


def replay(orders: int, instruments: int) -> Figures:
    """The log of a venue of that size, applied by another engine from its first entry on."""
    log: list[bytes] = []
    LiveVenue(instruments=instruments, orders=orders, log=log)
    steps = replay_steps(log)
    return {"replay_commands_per_s": orders / sum(steps), "worst_fill_ms": max(steps) * 1e3}


def replay_steps(log: list[bytes]) -> list[float]:
    """Seconds that an engine of its own takes for each entry."""
    engine = Engine()
    took = []
    for index, entry in enumerate(log, 1):
        started = time.thread_time()
        engine.apply(index, entry)
        took.append(time.thread_time() - started)
    return took


def worst(orders: int, instruments: int) -> Figures:
    """Every entry of three ways to end all orders, and one order that trades with many."""
    figures: Figures = {}
    ways: dict[str, list[ac.AdminCommand]] = {
        "worst_mass_cancel_ms": [ac.AdminMassCancel(1, 1, 0, NEVER)],
        "worst_day_end_ms": [ac.EndDay(1, 1, 0, NEVER)],
        "worst_expiry_ms": [],
    }
    for name, commands in ways.items():
        tif = {"worst_day_end_ms": TimeInForce.DAY, "worst_expiry_ms": TimeInForce.GTD}.get(
            name, TimeInForce.GTC
        )
        venue = LiveVenue(instruments=instruments, orders=orders, time_in_force=tif)
        signed = [venue.signed(command) for command in commands]
        figures[name] = longest(venue, pack_batch(START_NS * 2, signed))
    venue = LiveVenue(instruments=1, orders=4 * SWEPT)
    sweep = pack_batch(START_NS * 2, [venue.sweeping(SWEPT)])
    figures["worst_sweep_of_10000_ms"] = longest(venue, sweep)
    figures["worst_step_ms"] = max(
        value for name, value in figures.items() if name != "worst_sweep_of_10000_ms"
    )
    return figures


def longest(venue: LiveVenue, first: bytes) -> float:
    """The longest entry, in milliseconds, until no work is left."""
    entries, longest_ns = [first], 0
    while entries:
        started = time.thread_time_ns()
        venue.apply(entries.pop())
        longest_ns = max(longest_ns, time.thread_time_ns() - started)
        if venue.engine.is_work_pending:
            entries.append(pack_batch(0, []))
    return longest_ns / 1e6


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--instruments", type=int, default=5_000)
    parser.add_argument("--only", action="append", default=[], metavar="PART")
    parser.add_argument("--json", action="store_true", help="one line of JSON, nothing else")
    asked = parser.parse_args()
    size = (asked.orders, asked.instruments)
    venue, figures = memory(*size)
    parts: dict[str, Callable[[], Figures]] = {
        "batch": lambda: batch(venue),
        "calls": lambda: calls(venue),
        "snapshot": lambda: snapshot(venue),
        "restore": lambda: restore(venue),
        "replay": lambda: replay(*size),
        "worst": lambda: worst(*size),
    }
    for name, measure in parts.items():
        if not asked.only or name in asked.only:
            figures |= measure()
    missed = [name for name, bar in BARS.items() if figures.get(name, 0.0) > bar]
    if figures.get("replay_commands_per_s", REPLAY_MIN) < REPLAY_MIN:
        missed.append("replay_commands_per_s")
    if asked.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    else:
        for name, value in figures.items():
            bar = BARS.get(name)
            print(f"{name:>28} {value:>14,.3f}" + (f"  (at most {bar:,.0f})" if bar else ""))
    for name in missed:
        print(f"bar missed: {name}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
