"""One of three nodes that are killed at random: the library's parts or ours, under load.

Run by kill_loop.py as `python -m tests.findings.kill_loop_node KIND NAME ADDRESSES FOLDER`. While
it leads it replicates items of its own, a few at a time, and notes in FOLDER/NAME.acked what was
acknowledged. It takes a snapshot every SNAPSHOT_EVERY items and drops the log before it. Once there
is FOLDER/quiet it begins no more items, and FOLDER/NAME.state says what is applied.
"""

import json
import os
import select
import sys
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path

from pysyncobj import SyncObj, SyncObjConf, replicated

from oms.replication import snapshot_file
from oms.replication.port import SnapshotOffer
from oms.replication.raft_log import RaftLog
from oms.replication.snapshot_file import Snapshot
from tests.support.raft_cluster import CLUSTER_ID, KEY

PIPELINE = 8
SNAPSHOT_EVERY = 500
BALLAST = 300_000  # numbers in the state beside the items: writing it takes a moment
_TELL_S = 0.1


class Node(ABC):
    """The load and the notes; subclasses have the log."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.is_loading = True
        self.life = os.getpid()
        self.proposed = 0
        self.outstanding: set[str] = set()
        self.tell_at_s = 0.0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.acked = os.open(folder / f"{name}.acked", flags, 0o600)

    @abstractmethod
    def leads(self) -> bool:
        """Whether it may propose."""

    @abstractmethod
    def propose(self, item: str) -> None:
        """Begin to replicate."""

    @abstractmethod
    def work(self) -> None:
        """Wait for something to do, shortly, and do it."""

    @abstractmethod
    def items(self) -> list[str]:
        """What is applied."""

    def run(self) -> None:
        """Until killed."""
        while True:
            self._load()
            self.work()
            now = time.monotonic()
            if now >= self.tell_at_s:
                self.tell_at_s = now + _TELL_S
                self._tell()

    def acknowledge(self, item: str) -> None:
        """A client was told so; whatever happens next, this line is there."""
        os.write(self.acked, item.encode() + b"\n")

    def _load(self) -> None:
        if not self.leads():
            self.outstanding.clear()
            return
        while self.is_loading and len(self.outstanding) < PIPELINE:
            item = f"{self.name}/{self.life}/{self.proposed}"
            self.proposed += 1
            self.outstanding.add(item)
            self.propose(item)

    def _tell(self) -> None:
        self.is_loading = not (self.folder / "quiet").exists()
        aside = self.folder / f"{self.name}.aside"
        aside.write_text(json.dumps(self.leads()))
        aside.rename(self.folder / f"{self.name}.leads")
        if not self.is_loading:
            aside.write_text(json.dumps(self.items()))
            aside.rename(self.folder / f"{self.name}.state")


class _Register(SyncObj):  # type: ignore[misc]  # the library has no type information
    def __init__(self, address: str, others: list[str], conf: SyncObjConf) -> None:
        super().__init__(address, others, conf)
        self.items: list[str] = []
        self.ballast = list(range(BALLAST))

    @replicated  # type: ignore[untyped-decorator]
    def put(self, item: str) -> None:
        self.items.append(item)


class LibraryNode(Node):
    """As shipped; what differs from its defaults makes it faster, not less safe."""

    def __init__(self, name: str, addresses: dict[str, str], folder: Path) -> None:
        super().__init__(name, folder)
        own = addresses[name]
        others = [address for other, address in addresses.items() if other != name]
        conf = SyncObjConf(
            autoTick=False, bindAddress=own, appendEntriesUseBatch=False,
            connectionRetryTime=0.1, bindRetryTime=0.1,
            journalFile=str(folder / f"{name}.journal"), fullDumpFile=str(folder / f"{name}.dump"),
            logCompactionMinEntries=SNAPSHOT_EVERY,
        )  # fmt: skip
        self.register = _Register(own, others, conf)

    def leads(self) -> bool:
        return bool(self.register._isLeader())

    def propose(self, item: str) -> None:
        def callback(_result: object, reason: int) -> None:
            self.outstanding.discard(item)
            if reason == 0:
                self.acknowledge(item)

        self.register.put(item, callback=callback)

    def work(self) -> None:
        self.register.doTick(0.005)

    def items(self) -> list[str]:
        return list(self.register.items)


class OurNode(Node):
    """RaftLog, and snapshots as a node takes them: written by a thread, archived when durable."""

    def __init__(self, name: str, addresses: dict[str, str], folder: Path) -> None:
        super().__init__(name, folder)
        self.own_folder = folder / name
        self.snapshots = self.own_folder / "snapshots"
        self.snapshots.mkdir(parents=True, exist_ok=True)
        self.state: list[str] = []
        start_index = 0
        for path in snapshot_file.newest_first(self.snapshots)[:1]:
            snapshot = snapshot_file.read(path)
            start_index = snapshot.log_index
            self.state = json.loads(bytes(snapshot.state))["items"]
        self.next_snapshot = len(self.state) + SNAPSHOT_EVERY
        self.writer: threading.Thread | None = None
        self.writing = 0
        self.log = RaftLog(
            name, addresses, CLUSTER_ID, KEY, self.own_folder / "journal",
            on_commit=self._on_commit, on_skip=lambda _: None, start_index=start_index,
            segment_bytes=1 << 16, snapshot_source=self, snapshot_folder=self.snapshots,
            on_installed=self._start_anew, report=lambda _event, _values: None,
        )  # fmt: skip

    def newest(self) -> SnapshotOffer | None:
        """What a follower that is far behind gets (port.SnapshotSource)."""
        for path in snapshot_file.newest_first(self.snapshots)[:1]:
            return SnapshotOffer(int(path.stem, 16), path, path.stat().st_size)
        return None

    def leads(self) -> bool:
        return self.log.status().is_accepting

    def propose(self, item: str) -> None:
        if not self.log.propose(item.encode()):
            self.outstanding.discard(item)

    def work(self) -> None:
        self.log.tick()
        poller = select.poll()
        for fd, want_read, want_write in self.log.fds():
            events = (select.POLLIN if want_read else 0) | (select.POLLOUT if want_write else 0)
            poller.register(fd, events)
        for fd, events in poller.poll(min(5.0, self.log.next_deadline_s() * 1000)):
            readable, writable = bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)
            self.log.on_ready(fd, readable=readable, writable=writable)
        self.log.tick()
        self._keep_snapshots()

    def items(self) -> list[str]:
        return self.state

    def _on_commit(self, _index: int, _term: int, entry: bytes) -> None:
        item = entry.decode()
        self.state.append(item)
        if item in self.outstanding:
            self.outstanding.discard(item)
            self.acknowledge(item)

    def _keep_snapshots(self) -> None:
        if self.writer is not None:
            if self.writer.is_alive():
                return
            self.writer = None
            snapshot_file.prune(self.snapshots, 2)
            self.log.archive(self.own_folder / "archive" / "1", self.writing)
        if len(self.state) >= self.next_snapshot:
            self.next_snapshot = len(self.state) + SNAPSHOT_EVERY
            self.writing = self.log.status().applied_index
            self.writer = threading.Thread(
                target=self._write, args=(self.writing, list(self.state)), daemon=True
            )
            self.writer.start()

    def _write(self, log_index: int, items: list[str]) -> None:
        state = json.dumps({"items": items, "ballast": list(range(BALLAST))}).encode()
        snapshot_file.write(
            self.snapshots,
            Snapshot(CLUSTER_ID, log_index=log_index, event_seq=0, digest=0, state=state),
        )

    def _start_anew(self, _log_index: int, _path: Path) -> None:
        """A snapshot was installed: the same process, from the beginning."""
        os.execv(
            sys.executable, [sys.executable, "-m", "tests.findings.kill_loop_node", *sys.argv[1:]]
        )


if __name__ == "__main__":
    node_class = OurNode if sys.argv[1] == "ours" else LibraryNode
    node_class(sys.argv[2], json.loads(sys.argv[3]), Path(sys.argv[4])).run()
