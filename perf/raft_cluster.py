"""Three processes of one measuring program, each a node of a replicated log.

Called by bench_raft.py, in the parent (`run_nodes`) and in the nodes (`poll`, `Turn`). A node
prints one line of JSON when it is done, and goes on serving the others until it is ended. Promises:
no process is left when `run_nodes` returns or raises.
"""

import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from oms.replication.raft_log import RaftLog

NODE_IDS: Final = ("n1", "n2", "n3")
COLLECT_S: Final = 20.0  # for the others to be done, once the first is
Result = dict[str, object]


class ClusterError(Exception):
    """The nodes did not come to an end."""


def run_nodes(command: Sequence[str], folder: Path, timeout_s: float) -> dict[str, Result]:
    """Start `command` three times (with --node, --folder, --addresses) and take each one's line.

    When the first is done, the others are asked by SIGTERM to say how far they are.
    Raises: ClusterError.
    """
    addresses = json.dumps({name: _free_address() for name in NODE_IDS})
    nodes: dict[str, subprocess.Popen[str]] = {}
    try:
        for name in NODE_IDS:
            nodes[name] = subprocess.Popen(
                [sys.executable, *command, "--node", name, "--folder", str(folder),
                 "--addresses", addresses],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        return _collect(nodes, time.monotonic() + timeout_s)
    finally:
        for node in nodes.values():
            node.kill()
            node.communicate()


def _collect(nodes: dict[str, subprocess.Popen[str]], deadline: float) -> dict[str, Result]:
    waiting = {node.stdout: name for name, node in nodes.items() if node.stdout is not None}
    results: dict[str, Result] = {}
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise ClusterError(f"no result in time from {', '.join(waiting.values())}")
        for stream in ready:
            name = waiting.pop(stream)
            line = stream.readline()
            if not line:
                raise ClusterError(f"{name} ended without a result")
            results[name] = json.loads(line)
        if len(results) == len(ready):
            deadline = time.monotonic() + COLLECT_S
            for name in waiting.values():
                nodes[name].send_signal(signal.SIGTERM)
    return results


def say(result: Result) -> None:
    """In a node: its one line."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


class Asked:
    """In a node: whether the parent wants its line now."""

    def __init__(self) -> None:
        self.is_asked = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, _number: int, _frame: object) -> None:
        self.is_asked = True


def poll(log: RaftLog, wait_s: float) -> None:
    """Wait for the log's descriptors; select, because poll rounds up to milliseconds."""
    fds = log.fds()
    readers = [fd for fd, want_read, _ in fds if want_read]
    writers = [fd for fd, _, want_write in fds if want_write]
    can_read, can_write, _ = select.select(readers, writers, [], max(0.0, wait_s))
    for fd in {*can_read, *can_write}:
        log.on_ready(fd, readable=fd in can_read, writable=fd in can_write)


def _free_address() -> str:
    """A loopback address nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"
