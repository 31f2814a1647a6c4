"""Propose-to-commit latency of the replicated log: three processes, one disk, fdatasync beside it.

Run: `python perf/bench_raft.py --rate 1000 --seconds 10` (open loop: a late proposal counts from
when it was due) or `--rate 0 --pipeline 8` (as fast as it goes). `--entry-bytes` sizes the entries,
`--folder` picks the disk, `--json` prints one object. The same run times every fdatasync of the
leader: without that figure a latency says little.
"""

import argparse
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms.replication.raft_log import RaftLog

CLUSTER_ID = 0x51
KEY = b"benchmark key, worth nothing 000"


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

    def is_over(self) -> bool:
        """All was proposed and all came back."""
        ended = self.started_s and time.perf_counter() - self.started_s >= self.seconds
        return bool(ended) and not self.due_s


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the worst, to a tenth."""
    ordered = sorted(values) or [0.0]
    last = len(ordered) - 1
    picks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {name: round(ordered[int(last * q)], 1) for name, q in picks.items()}


def run_node(options: argparse.Namespace) -> None:
    """One node's process; the one that leads applies the load, prints the result and leaves."""
    addresses = json.loads(options.addresses)
    load = Load(options.rate, options.seconds, options.pipeline, os.urandom(options.entry_bytes))
    log = RaftLog(
        options.node, addresses, CLUSTER_ID, KEY, Path(options.folder) / options.node,
        on_commit=lambda _index, _term, _entry: load.committed() if load.due_s else None,
        on_skip=lambda _index: None,
        report=lambda _event, _values: None,
    )  # fmt: skip
    syncs_us = time_fdatasync()
    cpu_s = time.process_time()
    while not load.is_over():
        wait_s = log.next_deadline_s()
        if log.status().is_accepting:
            if not load.started_s:
                syncs_us.clear()
                cpu_s = time.process_time()
            load.propose(log)
            log.tick()
            wait_s = log.next_deadline_s()
            if load.rate:
                wait_s = min(wait_s, load.next_due_s() - time.perf_counter())
        poll(log, wait_s)
        log.tick()
    elapsed = time.perf_counter() - load.started_s
    result = {
        "entry_bytes": options.entry_bytes,
        "rate": options.rate,
        "entries": len(load.latencies_us),
        "entries_per_s": round(len(load.latencies_us) / elapsed, 1),
        "commit_us": quantiles(load.latencies_us),
        "fdatasync_us": quantiles(syncs_us),
        "leader_cpu_share": round((time.process_time() - cpu_s) / elapsed, 3),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    log.close()


def poll(log: RaftLog, wait_s: float) -> None:
    """Wait for the log's descriptors; select, because poll rounds up to milliseconds."""
    fds = log.fds()
    readers = [fd for fd, want_read, _ in fds if want_read]
    writers = [fd for fd, _, want_write in fds if want_write]
    can_read, can_write, _ = select.select(readers, writers, [], max(0.0, wait_s))
    for fd in {*can_read, *can_write}:
        log.on_ready(fd, readable=fd in can_read, writable=fd in can_write)


def time_fdatasync() -> list[float]:
    """Wrap os.fdatasync of this process; returns the list its durations go to."""
    durations_us: list[float] = []
    real = os.fdatasync

    def timed(fd: int) -> None:
        start = time.perf_counter()
        real(fd)
        durations_us.append((time.perf_counter() - start) * 1e6)

    setattr(os, "fdatasync", timed)  # noqa: B010  # mypy has a wider type for the real one
    return durations_us


def free_address() -> str:
    """A loopback address nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def run_all(options: argparse.Namespace) -> str:
    """Start three nodes, wait for the leader's result, end the others."""
    addresses = {f"n{number}": free_address() for number in (1, 2, 3)}
    with tempfile.TemporaryDirectory(dir=options.folder or None) as folder:
        nodes = {
            name: subprocess.Popen(
                [
                    sys.executable, __file__, "--node", name, "--folder", folder,
                    "--addresses", json.dumps(addresses), "--rate", str(options.rate),
                    "--seconds", str(options.seconds), "--pipeline", str(options.pipeline),
                    "--entry-bytes", str(options.entry_bytes),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in addresses
        }  # fmt: skip
        try:
            ended = select.poll()
            by_fd = {}
            for node in nodes.values():
                assert node.stdout is not None
                ended.register(node.stdout, select.POLLIN)
                by_fd[node.stdout.fileno()] = node.stdout
            ready = ended.poll((options.seconds + 30) * 1000)
            return by_fd[ready[0][0]].readline().strip() if ready else "{}"
        finally:
            for node in nodes.values():
                node.kill()
                node.communicate()


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=1000, help="entries a second, 0: closed loop")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pipeline", type=int, default=8, help="entries in flight")
    parser.add_argument("--entry-bytes", type=int, default=160)
    parser.add_argument("--folder", default="", help="where the journals go: the disk to measure")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--node", help=argparse.SUPPRESS)
    parser.add_argument("--addresses", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.node:
        run_node(options)
        return
    result = run_all(options)
    if options.json:
        print(result)
        return
    for key, value in json.loads(result).items():
        print(f"{key:18} {value}")


if __name__ == "__main__":
    main()
