"""Several real RaftLogs in one process and one loop: real journals, real sockets, chosen deaths.

Used by the tests of oms.replication. A node can be killed at once (its files stay as a killed
process leaves them), cut off from another, and restarted; every entry handed out is kept, by node.
"""

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from oms.replication.port import LogStatus
from oms.replication.raft_log import RaftLog

KEY = b"k" * 32
CLUSTER_ID = 0x0123_4567_89AB_CDEF
SEGMENT_BYTES = 1 << 20


class Fatal(Exception):
    """What a process would have died of."""


def raise_fatal(event: str, reason: str) -> NoReturn:
    """Instead of aborting the test's process."""
    raise Fatal(f"{event}: {reason}")


def free_addresses(names: list[str]) -> dict[str, str]:
    """Loopback addresses that nobody listens on."""
    socks = {name: socket.socket() for name in names}
    for sock in socks.values():
        sock.bind(("127.0.0.1", 0))
    result = {name: f"127.0.0.1:{sock.getsockname()[1]}" for name, sock in socks.items()}
    for sock in socks.values():
        sock.close()
    return result


class Cluster:
    """n1, n2, ... on this thread."""

    def __init__(self, folder: Path, count: int = 3, memory_bytes_max: int = 1 << 20) -> None:
        self.folder = folder
        self.memory_bytes_max = memory_bytes_max
        self.names = [f"n{number + 1}" for number in range(count)]
        self.addresses = free_addresses(self.names)
        self.logs: dict[str, RaftLog] = {}
        self.committed: dict[str, list[tuple[int, int, bytes]]] = {}
        self.skipped: dict[str, list[int]] = {}
        self.roles: list[LogStatus] = []

    def start(self, name: str, *, start_index: int = 0, key: bytes = KEY) -> RaftLog:
        """Start one node; what it hands out is recorded from scratch."""
        committed: list[tuple[int, int, bytes]] = []
        skipped: list[int] = []
        self.committed[name], self.skipped[name] = committed, skipped
        log = RaftLog(
            name,
            self.addresses,
            CLUSTER_ID,
            key,
            self.folder / name,
            on_commit=lambda index, term, entry: committed.append((index, term, entry)),
            on_skip=skipped.append,
            on_role_change=self.roles.append,
            start_index=start_index,
            seed=int(name[1:]),
            on_fatal=raise_fatal,
            segment_bytes=SEGMENT_BYTES,
            memory_bytes_max=self.memory_bytes_max,
        )
        self.logs[name] = log
        return log

    def start_all(self) -> None:
        """Start every node that does not run."""
        for name in self.names:
            if name not in self.logs:
                self.start(name)

    def kill(self, name: str) -> None:
        """End a node at once, without a last sync."""
        self.logs.pop(name).close(clean=False)

    def close(self) -> None:
        """End all of them."""
        for name in list(self.logs):
            self.logs.pop(name).close()

    def turn(self, *, wait_s: float = 0.05) -> None:
        """One round of every node's loop."""
        poller = select.poll()
        owners: dict[int, RaftLog] = {}
        for log in self.logs.values():
            for fd, want_read, want_write in log.fds():
                owners[fd] = log
                events = (select.POLLIN if want_read else 0) | (select.POLLOUT if want_write else 0)
                poller.register(fd, events)
        due_s = min(log.next_deadline_s() for log in self.logs.values())
        for fd, events in poller.poll(min(due_s, wait_s) * 1000):
            owners[fd].on_ready(
                fd, readable=bool(events & ~select.POLLOUT), writable=bool(events & select.POLLOUT)
            )
        for log in list(self.logs.values()):
            log.tick()

    def until(self, condition: Callable[[], bool], limit_s: float = 10.0) -> None:
        """Turn until `condition` holds."""
        end_s = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end_s:
                statuses = [log.status() for log in self.logs.values()]
                raise AssertionError(f"not reached in {limit_s} s: {statuses}")
            self.turn()

    def leader(self) -> RaftLog:
        """Turn until one node accepts, and return it."""
        self.until(lambda: any(log.status().is_accepting for log in self.logs.values()))
        accepting = [log for log in self.logs.values() if log.status().is_accepting]
        return max(accepting, key=lambda log: log.status().term)

    def leader_name(self) -> str:
        """Who accepts."""
        return self.leader().status().node_id

    def follower_names(self) -> list[str]:
        """The others that run."""
        leader = self.leader_name()
        return [name for name in self.logs if name != leader]

    def put(self, *entries: bytes) -> None:
        """Propose at the leader and turn until all are committed there."""
        for entry in entries:
            leader = self.leader()
            assert leader.propose(entry)
            leader.tick()
        self.until(lambda: self.leader().pending() == 0)

    def settle(self) -> None:
        """Turn until all running nodes have applied all of the leader's log."""
        self.until(
            lambda: (
                {log.status().applied_index for log in self.logs.values()}
                == {self.leader().status().last_index}
            )
        )

    def entries(self, name: str) -> list[bytes]:
        """What one node was handed, in order."""
        return [entry for _, _, entry in self.committed[name]]
