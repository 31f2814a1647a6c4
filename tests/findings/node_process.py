"""One node alone as a process of its own, for tests that kill it: the library's parts or ours.

Run as `python -m tests.findings.node_process KIND FOLDER PORT`. Reads one command a line, answers
with one JSON value a line: `put N` (that many items, answered when all are acknowledged), `state`
(the items applied), `snapshot` (begun and held: it is written when FOLDER/hold is gone; answered
as soon as the writer waits). Between commands it does nothing at all.
"""

import json
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from pysyncobj import SyncObj, SyncObjConf, replicated

from oms.replication import snapshot_file
from oms.replication.raft_log import RaftLog
from oms.replication.snapshot_file import Snapshot
from tests.support.raft_cluster import CLUSTER_ID, KEY

LIMIT_S = 20.0
_FOREVER = 10**9


def wait_while(condition: Callable[[], bool], work: Callable[[], None] | None = None) -> None:
    """Work until it is over, or for so long that something is wrong anyhow."""
    end_s = time.monotonic() + LIMIT_S
    while condition() and time.monotonic() < end_s:
        if work is not None:
            work()
        time.sleep(0.001)


class Gate:
    """Stands in the state, and holds whoever serialises it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> "tuple[type[Gate], tuple[str]]":
        hold(Path(self.folder))
        return (Gate, (self.folder,))


def hold(folder: Path) -> None:
    """Say that the snapshot is being written, and wait until it may be."""
    aside = folder / "held.aside"
    aside.write_text(str(os.getpid()))
    aside.rename(folder / "held")
    wait_while((folder / "hold").exists)


class Node(ABC):
    """What answers the commands."""

    @abstractmethod
    def put(self, items: list[str]) -> int:
        """Replicate; returns how many were acknowledged."""

    @abstractmethod
    def state(self) -> list[str]:
        """What is applied, once all that is in the log is."""

    @abstractmethod
    def begin_snapshot(self) -> None:
        """Its writer is under way."""


class _Register(SyncObj):  # type: ignore[misc]  # the library has no type information
    def __init__(self, address: str, conf: SyncObjConf, folder: Path) -> None:
        super().__init__(address, [], conf)
        self.items: list[str] = []
        self.gate = Gate(str(folder))

    @replicated  # type: ignore[untyped-decorator]
    def put(self, item: str) -> None:
        self.items.append(item)


class LibraryNode(Node):
    """SyncObj with its journal, its dump and its fork."""

    def __init__(self, folder: Path, port: int) -> None:
        address = f"127.0.0.1:{port}"
        conf = SyncObjConf(
            autoTick=False, bindAddress=address, appendEntriesUseBatch=False,
            journalFile=str(folder / "journal"), fullDumpFile=str(folder / "dump"),
            logCompactionMinEntries=_FOREVER, logCompactionMinTime=_FOREVER,
        )  # fmt: skip
        self.register = _Register(address, conf, folder)
        wait_while(lambda: not self.register.isReady(), self._turn)

    def _turn(self) -> None:
        self.register.doTick(0.0)

    def put(self, items: list[str]) -> int:
        reasons: list[int] = []
        for item in items:
            self.register.put(item, callback=lambda _, reason: reasons.append(reason))
        wait_while(lambda: len(reasons) < len(items), self._turn)
        return reasons.count(0)

    def state(self) -> list[str]:
        return list(self.register.items)

    def begin_snapshot(self) -> None:
        self.register.forceLogCompaction()
        self._turn()


class OurNode(Node):
    """RaftLog with its journal; snapshots by snapshot_file.py and a thread, as a node does it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.items: list[str] = []
        start_index = 0
        for path in snapshot_file.newest_first(folder)[:1]:
            snapshot = snapshot_file.read(path)
            start_index = snapshot.log_index
            self.items = json.loads(bytes(snapshot.state))
        self.log = RaftLog(
            "n1", {"n1": f"127.0.0.1:{port}"}, CLUSTER_ID, KEY, folder / "journal",
            on_commit=self._on_commit, on_skip=lambda _: None, start_index=start_index,
            segment_bytes=1 << 16,
        )  # fmt: skip
        wait_while(lambda: not self.log.status().is_accepting, self.log.tick)

    def _on_commit(self, _index: int, _term: int, entry: bytes) -> None:
        self.items.append(entry.decode())

    def put(self, items: list[str]) -> int:
        before = len(self.items)
        taken = [item for item in items if self.log.propose(item.encode())]
        wait_while(lambda: len(self.items) < before + len(taken), self.log.tick)
        return len(self.items) - before

    def state(self) -> list[str]:
        return self.items

    def begin_snapshot(self) -> None:
        image = Snapshot(
            cluster_id=CLUSTER_ID, log_index=self.log.status().applied_index, event_seq=0,
            digest=0, state=json.dumps(self.items).encode(),
        )  # fmt: skip
        threading.Thread(target=self._write, args=(image,), daemon=True).start()

    def _write(self, image: Snapshot) -> None:
        hold(self.folder)
        snapshot_file.write(self.folder, image)


def answer(node: Node, folder: Path, command: str, count: int) -> int | list[str]:
    """Do one command."""
    if command == "put":
        start = len(node.state())
        return node.put([str(start + number) for number in range(count)])
    if command == "state":
        return node.state()
    node.begin_snapshot()
    wait_while(lambda: not (folder / "held").exists())
    return int((folder / "held").read_text())


def main(kind: str, folder: Path, port: int) -> None:
    """Answer until stdin ends."""
    node = OurNode(folder, port) if kind == "ours" else LibraryNode(folder, port)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command, _, count = line.strip().partition(" ")
        print(json.dumps(answer(node, folder, command, int(count or 0))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
