"""oms.replication behind the rig: RaftLog, its journal and its snapshots, on the rig's wires."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from pysyncobj import syncobj

from oms import bounds
from oms.replication import journal, raft_log, replicator, snapshot_file
from oms.replication.errors import ReplicationError
from oms.replication.port import SnapshotOffer
from oms.replication.raft_log import RaftLog
from oms.replication.raft_transport import RankedNode
from oms.replication.snapshot_file import Snapshot
from tests.findings.rig import LIBRARYS_OWN, HandRig, Options
from tests.support.raft_cluster import CLUSTER_ID, KEY, raise_fatal
from tests.support.raft_simulation import Network, PlayedTransport, PromptMaker

SEGMENT_BYTES = 1 << 16
SHORT_SEGMENT_BYTES = 4096  # so that a short log has segments to archive
_RAW = b"\x20"


class Wires(Network):
    """The simulation's network, with the rig in place of its delays."""

    def __init__(self, rig: HandRig) -> None:
        super().__init__(random.Random(1))
        self.connected = rig.connected
        self.rig = rig

    def put(
        self,
        source: str,
        target: str,
        data: bytes,
        *,
        is_piece: bool = False,  # noqa: ARG002  # travels like anything else here
    ) -> None:
        """Under way until the test moves it."""
        self.rig.post(source, target, data)

    def deliver(self, target: str) -> None:
        """Nothing arrives by itself."""


class HandTransport(PlayedTransport):
    """Sends are the rig's; nothing counts as unsent."""

    def unsent_bytes(self, _: RankedNode) -> int:
        """Sockets with room."""
        return 0


class Shelf:
    """Where a leader finds what it sends (port.SnapshotSource)."""

    def __init__(self, newest: Callable[[], Path | None]) -> None:
        self.path = newest

    def newest(self) -> SnapshotOffer | None:
        """The file as it lies there."""
        path = self.path()
        if path is None:
            return None
        return SnapshotOffer(int(path.stem, 16), path, path.stat().st_size)


class OurRig(HandRig):
    """Nodes made of our parts."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, options: Options) -> None:
        super().__init__(folder, patch, options)
        self.logs: dict[str, RaftLog] = {}
        self.state: dict[str, list[str]] = {}
        self.own: dict[str, list[str]] = {}
        self.installed: list[str] = []
        self.wires = Wires(self)
        patch.setattr(syncobj, "monotonicTime", self.clock)  # put back after the test
        patch.setattr(HandTransport, "network", self.wires, raising=False)
        patch.setattr(raft_log, "RaftTransport", HandTransport)
        patch.setattr(journal, "SegmentMaker", PromptMaker)
        if options.message_bytes is not None:
            patch.setattr(replicator, "MESSAGE_BYTES", options.message_bytes)
        if options.has_short_messages:
            patch.setattr(replicator, "MESSAGE_ENTRIES", 1)
        if options.chunk_bytes is not None:
            patch.setattr(bounds, "SNAPSHOT_CHUNK_BYTES", options.chunk_bytes)

    def _open(self, name: str) -> None:
        self.state[name], self.own[name] = [], []
        start_index, path = 0, self.snapshot_path(name)
        if path is not None:
            snapshot = snapshot_file.read(path)
            start_index = snapshot.log_index
            self.state[name] = json.loads(bytes(snapshot.state))
        self.logs[name] = RaftLog(
            name,
            dict.fromkeys(self.options.names, "-"),
            CLUSTER_ID,
            KEY,
            self.folder / name,
            on_commit=self._on_commit(name),
            on_skip=lambda _: None,
            clock=self.clock,
            start_index=start_index,
            snapshot_source=Shelf(partial(self.snapshot_path, name)),
            snapshot_folder=self._snapshots(name),
            on_installed=lambda _index, _path: self.installed.append(name),
            segment_bytes=SHORT_SEGMENT_BYTES if self.options.chunk_bytes else SEGMENT_BYTES,
            seed=int(name[1:]),
            on_fatal=raise_fatal,
        )

    def _on_commit(self, name: str) -> Callable[[int, int, bytes], None]:
        def on_commit(_index: int, _term: int, entry: bytes) -> None:
            item = entry.decode()
            self.state[name].append(item)
            if item in self.fails_applying:
                raise RuntimeError("a fault of ours, in the state machine")
            if item in self.own[name]:
                self.own[name].remove(item)
                self.acknowledged.append(item)
                if item in self.fails_acknowledging:
                    raise RuntimeError("a fault of ours, in the callback")

        return on_commit

    def _close(self, name: str, *, is_clean: bool) -> None:
        self.logs.pop(name).close(clean=is_clean)

    def _after_raising(self, name: str) -> None:
        """Whatever our log raises has ended the process."""
        self.kill(name)

    def _tick(self, name: str) -> None:
        self.logs[name].tick()
        if name in self.installed:
            self.installed.remove(name)
            self._reborn(name)

    def _take(self, source: str, target: str, message: object) -> None:
        assert isinstance(message, bytes)
        self.wires.ends[target].take(source, message)

    def _opened(self, name: str, other: str) -> None:
        self.wires.ends[name].opened(other)

    def _lost(self, name: str, other: str) -> None:
        self.wires.ends[name].lost(other)

    def put(self, name: str, item: str) -> None:
        if self.logs[name].propose(item.encode()):
            self.own[name].append(item)
        else:
            self.refused.append(item)

    def leads(self, name: str) -> bool:
        return self.logs[name].status().role == "leader"

    def term(self, name: str) -> int:
        return self.logs[name].status().term

    def log(self, name: str) -> list[str]:
        entries = self.logs[name]._journal[:]
        return [e[0][1:].decode() if e[0][:1] == _RAW else LIBRARYS_OWN for e in entries]

    def applied(self, name: str) -> list[str]:
        return list(self.state[name])

    def begin_compaction(self, name: str) -> None:
        """A snapshot of what is applied, durable before anything is moved to the archive."""
        if not self.options.has_snapshots:
            with suppress(ReplicationError):  # refused: the log is the only copy
                self.logs[name]._journal.deleteEntriesTo(10)
            return
        image = Snapshot(
            cluster_id=CLUSTER_ID, log_index=self.logs[name].status().applied_index, event_seq=0,
            digest=0, state=json.dumps(self.state[name]).encode(),
        )  # fmt: skip
        snapshot_file.write(self._snapshots(name), image)
        self.logs[name].archive(self.folder / f"{name}.archive", image.log_index)

    def compact(self, name: str) -> None:
        self.begin_compaction(name)

    def snapshot_path(self, name: str) -> Path | None:
        return next(iter(snapshot_file.newest_first(self._snapshots(name))), None)

    def _snapshots(self, name: str) -> Path:
        folder = self.folder / f"{name}.snapshots"
        folder.mkdir(exist_ok=True)
        return folder

    def _reborn(self, name: str) -> None:
        """A node that installed a snapshot starts itself anew from it."""
        others = [other for other in self.running if self.is_connected(name, other)]
        self.isolate(name)
        self._close(name, is_clean=True)
        self._open(name)
        for other in others:
            self.connect(name, other)
