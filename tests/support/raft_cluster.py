"""Several real RaftLogs in one process and one loop: real journals, real sockets, chosen deaths.

Used by the tests of oms.replication. A node can be killed at once (its files stay as a killed
process leaves them), cut off from another, and restarted; every entry handed out is kept, by node.
A node's state is the list of what it was handed: its snapshots hold that list, and a node that
installed one starts itself anew from it, as a real one does.
"""

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from oms.replication import snapshot_file
from oms.replication.journal import DiskJournal
from oms.replication.port import LogStatus, SnapshotOffer
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


class Shelf:
    """One node's snapshots: of the list of what it was handed."""

    def __init__(self, folder: Path, cluster_id: int = CLUSTER_ID) -> None:
        self.folder = folder
        self.cluster_id = cluster_id
        folder.mkdir(exist_ok=True)

    def put(self, log_index: int, state: bytes) -> Path:
        """Write one."""
        shot = snapshot_file.Snapshot(self.cluster_id, log_index, 0, 0, state)
        return snapshot_file.write(self.folder, shot)

    def newest(self) -> SnapshotOffer | None:
        """For the log to send."""
        for path in snapshot_file.newest_first(self.folder):
            return SnapshotOffer(int(path.stem, 16), path, path.stat().st_size)
        return None

    def load(self) -> tuple[int, bytes]:
        """Index and state of the newest; 0 without one."""
        for path in snapshot_file.newest_first(self.folder):
            shot = snapshot_file.read(path)
            return shot.log_index, bytes(shot.state)
        return 0, b""


State = list[tuple[int, int, bytes]]


class Cluster:
    """n1, n2, ... on this thread."""

    def __init__(
        self,
        folder: Path,
        count: int = 3,
        memory_bytes_max: int = 1 << 20,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.installed: list[tuple[str, int]] = []
        self._to_restart: list[str] = []
        self.reports: list[tuple[str, str, str]] = []
        self.memory_bytes_max = memory_bytes_max
        self.names = [f"n{number + 1}" for number in range(count)]
        self.addresses = free_addresses(self.names)
        self.logs: dict[str, RaftLog] = {}
        self.committed: dict[str, list[tuple[int, int, bytes]]] = {}
        self.skipped: dict[str, list[int]] = {}
        self.roles: list[LogStatus] = []

    def start(
        self,
        name: str,
        *,
        start_index: int = 0,
        key: bytes = KEY,
        cluster_id: int = CLUSTER_ID,
    ) -> RaftLog:
        """Start one node, from its newest snapshot; what it hands out is added to that."""
        shelf = self.shelf(name)
        covered, state = shelf.load()
        committed = msgspec.msgpack.decode(state, type=State) if covered else []
        start_index = max(start_index, covered)
        skipped: list[int] = []
        self.committed[name], self.skipped[name] = committed, skipped
        log = RaftLog(
            name,
            self.addresses,
            cluster_id,
            key,
            self.folder / name,
            on_commit=lambda index, term, entry: committed.append((index, term, entry)),
            on_skip=skipped.append,
            on_role_change=self.roles.append,
            start_index=start_index,
            seed=int(name[1:]),
            on_fatal=raise_fatal,
            segment_bytes=self.segment_bytes,
            memory_bytes_max=self.memory_bytes_max,
            report=lambda event, values: self.reports.append((name, event, values["reason"])),
            snapshot_source=shelf,
            snapshot_folder=shelf.folder,
            on_installed=lambda log_index, _: self.on_installed(name, log_index),
        )
        self.logs[name] = log
        return log

    def on_installed(self, name: str, log_index: int) -> None:
        """A node would start itself anew now."""
        self.installed.append((name, log_index))
        self._to_restart.append(name)

    def shelf(self, name: str) -> Shelf:
        """Its snapshots."""
        return Shelf(self.folder / f"{name}.snapshots")

    def snapshot(self, name: str) -> int:
        """Write a snapshot of what this node has applied; returns its index."""
        log_index = self.logs[name].status().applied_index
        self.shelf(name).put(log_index, msgspec.msgpack.encode(self.committed[name]))
        return log_index

    def archive(self, name: str) -> int:
        """Snapshot, then move away all that it makes superfluous; returns the new base."""
        log_index = self.snapshot(name)
        while self.logs[name].archive(self.folder / f"{name}.archive", log_index):
            pass
        return self.logs[name].status().base_index

    def replace(self, old: str, new: str) -> None:
        """All stopped: `new` takes the place of `old`, with an empty journal, and is to join."""
        assert not self.logs
        self.names = sorted({*self.names, new} - {old})
        del self.addresses[old]
        self.addresses |= free_addresses([new])
        DiskJournal.format(
            self.folder / new, cluster_id=CLUSTER_ID, node_id=new,
            segment_bytes=self.segment_bytes, is_joining=True,
        )  # fmt: skip

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
        while self._to_restart:
            name = self._to_restart.pop()
            self.kill(name)
            self.start(name)

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
            while not (leader := self.leader()).propose(entry):
                self.turn()  # small segments are full sooner than the next one is made
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
