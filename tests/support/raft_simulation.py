"""A played disk and a played network for real RaftLogs and real journals, in virtual time.

Used by raft_fates.py (whole runs with seeded faults) and by tests that need one part. Messages take
time, connections break and lose what was under way, pieces of snapshots are lost, doubled and
overtaken. Power that fails leaves every sector that was not synced either old or new, and may take
back a rename that no synced folder knows of. A disk can be full.
"""

import os
import random
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from pysyncobj.transport import Transport

from oms.replication import journal_index
from oms.replication.errors import Report
from oms.replication.journal_index import SegmentIndex
from oms.replication.raft_messages import (
    InstallReply,
    InstallSnapshot,
    Message,
    decode,
    encode,
)
from oms.replication.raft_transport import RankedNode, _from_library
from oms.replication.segment_maker import make_segment, remove_unfinished, segment_path
from oms.replication.standing import Standing

SECTOR_BYTES = 512
_DATE = struct.Struct("<I")


class PowerCut(Exception):
    """The machine stops in the middle of a sync."""


class Disk:
    """What each file held when it was last synced, by inode, and names that are not synced yet."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.synced: dict[int, bytes] = {}
        self.renames: list[tuple[Path, Path, bytes | None]] = []  # from, to, what `to` held
        self.cut_chance = 0.0

    def play(self, patch: pytest.MonkeyPatch) -> None:
        """Take the place of the real one."""
        rename, unlink = Path.rename, Path.unlink

        def noted_rename(source: Path, target: Path) -> Path:
            is_file = target.is_file()
            self.renames.append((source, target, target.read_bytes() if is_file else None))
            if is_file:
                self.synced.pop(target.stat().st_ino, None)
            return rename(source, target)

        def noted_unlink(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002
            if path.exists():
                self.synced.pop(path.stat().st_ino, None)  # its number may be given again
            unlink(path, missing_ok=missing_ok)

        patch.setattr(Path, "rename", noted_rename)
        patch.setattr(Path, "unlink", noted_unlink)
        patch.setattr(os, "fsync", self.sync)
        patch.setattr(os, "fdatasync", self.sync)

    def sync(self, fd: int) -> None:
        """Instead of fsync and fdatasync: remember, quickly; now and then, fail to."""
        if self.rng.random() < self.cut_chance:
            raise PowerCut
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if path.is_file():
            self.synced[path.stat().st_ino] = path.read_bytes()
        elif self.renames:
            self.renames = [one for one in self.renames if one[1].parent != path]

    def lose_power(self, folder: Path, rng: random.Random) -> None:
        """Every sector is as it was synced, or as it was written since; names likewise."""
        self._lose_names(folder, rng)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if path.name == "mark" and rng.random() < 0.5:
                path.unlink()
                continue
            written = path.read_bytes()
            synced = self.synced.get(path.stat().st_ino)
            if synced is None or synced == written:
                continue
            pieces = []
            for start in range(0, len(written), SECTOR_BYTES):
                source = rng.choice((synced, written))
                pieces.append(source[start : start + SECTOR_BYTES])
            path.write_bytes(b"".join(pieces))
            self.synced[path.stat().st_ino] = path.read_bytes()

    def _lose_names(self, folder: Path, rng: random.Random) -> None:
        mine = [one for one in self.renames if folder in one[1].parents]
        self.renames = [one for one in self.renames if folder not in one[1].parents]
        for source, target, before in reversed(mine):
            if rng.random() < 0.5 and target.exists() and not source.exists():
                os.rename(target, source)  # noqa: PTH104  # the one that is not noted
                if before is not None:
                    target.write_bytes(before)
                    self.synced[target.stat().st_ino] = before


class PromptMaker:
    """Segments are made at once: a thread would make the run irreproducible. A disk in `full` has
    no space but the reserve, which is one segment.
    """

    full: ClassVar[set[Path]] = set()  # journals whose disk has no space
    broken = None

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self.folder, self.segment_bytes = folder, segment_bytes
        self.wanted = 0
        self.may_use_reserve = False
        self.has_reserve = True

    @property
    def is_low(self) -> bool:
        """No space."""
        return self.folder in self.full

    @property
    def fault(self) -> str | None:
        """Why."""
        return "ENOSPC: played" if self.is_low else None

    @property
    def is_ready(self) -> bool:
        """Tried again whenever somebody asks."""
        if not self.is_low:
            self.has_reserve = True
        if self.wanted and not segment_path(self.folder, self.wanted).exists():
            if self.is_low and not (self.may_use_reserve and self.has_reserve):
                return False
            self.has_reserve = not self.is_low
            make_segment(self.folder, self.wanted, self.segment_bytes)
        return True

    def request(self, number: int) -> None:
        """Make it now, if there is space."""
        self.wanted = number
        _ = self.is_ready

    def hurry(self) -> None:
        """It is there already, or cannot be."""

    def allow_reserve(self, allowed: bool) -> None:  # noqa: FBT001  # the real one's face
        """The reserve may become the next segment."""
        self.may_use_reserve = allowed

    def write_index(self, index: SegmentIndex) -> None:
        """Now."""
        journal_index.write(segment_path(self.folder, index.number), index)

    def close(self) -> None:
        """Nothing to stop."""
        remove_unfinished(self.folder)


class Network:
    """Directed queues of (due time, message); a pair is connected or not."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now_s = 1000.0
        self.ends: dict[str, PlayedTransport] = {}
        self.queues: dict[tuple[str, str], deque[tuple[float, bytes]]] = {}
        self.connected: set[frozenset[str]] = set()
        self.cut: set[frozenset[str]] = set()  # may not connect for now
        self.slow: dict[tuple[str, str], float] = {}
        self.piece_loss = 0.0  # of snapshots' pieces and the answers to them

    def put(self, source: str, target: str, data: bytes, *, is_piece: bool = False) -> None:
        """Under way; a connection keeps the order (but pieces of snapshots may suffer anything)."""
        if is_piece and self.rng.random() < self.piece_loss:
            self._put_badly(source, target, data)
            return
        queue = self.queues.setdefault((source, target), deque())
        delay_s = self.rng.uniform(0.0001, 0.004) + self.slow.get((source, target), 0.0)
        due_s = self.now_s + delay_s
        queue.append((max(due_s, queue[-1][0]) if queue else due_s, data))

    def _put_badly(self, source: str, target: str, data: bytes) -> None:
        """Lost, doubled, or before what was sent earlier."""
        queue = self.queues.setdefault((source, target), deque())
        match self.rng.randrange(3):
            case 0:
                return
            case 1:
                self.put(source, target, data)
                self.put(source, target, data)
            case _:
                queue.appendleft((self.now_s, data))

    def deliver(self, target: str) -> None:
        """Hand `target` what is due."""
        for source in sorted(self.ends):
            queue = self.queues.get((source, target))
            while queue and queue[0][0] <= self.now_s and target in self.ends:
                _, data = queue.popleft()
                self.ends[target].take(source, data)

    def connect(self) -> None:
        """Pairs that may, connect after a moment."""
        names = sorted(self.ends)
        for one in names:
            for two in names:
                pair = frozenset((one, two))
                if one >= two or pair in self.connected or pair in self.cut:
                    continue
                if self.rng.random() < 0.05:
                    self.connected.add(pair)
                    self.ends[one].opened(two)
                    self.ends[two].opened(one)

    def disconnect(self, one: str, two: str, *, keep: int = 0) -> None:
        """The connection breaks; all but the first `keep` messages under way are lost."""
        pair = frozenset((one, two))
        if pair not in self.connected:
            return
        self.connected.discard(pair)
        for source, target in ((one, two), (two, one)):
            queue = self.queues.pop((source, target), deque())
            if target in self.ends:
                for _, data in list(queue)[:keep]:
                    self.ends[target].take(source, data)
        for end, other in ((one, two), (two, one)):
            if end in self.ends:
                self.ends[end].lost(other)


class PlayedTransport(Transport):  # type: ignore[misc]  # the library has no type information
    """RaftTransport's face, on the played network."""

    network: Network

    def __init__(
        self,
        node: RankedNode,
        peers: list[RankedNode],
        _addresses: dict[str, str],
        *,
        cluster_id: int,  # noqa: ARG002  # the face of the real one
        key: bytes,  # noqa: ARG002
        clock: Callable[[], float],  # noqa: ARG002
        report: Report,  # noqa: ARG002
        standing: Standing,
    ) -> None:
        super().__init__(None, node, peers)
        self.standing = standing
        self.name = node.node_id
        self.peers = {peer.node_id: peer for peer in peers}
        self.network.ends[self.name] = self

    def send(self, node: RankedNode, message: dict[str, str | int] | Message) -> bool:
        """Encode and put under way."""
        if not self.is_connected(node):
            return False
        data = encode(_from_library(message) if isinstance(message, dict) else message)
        head = _DATE.pack(self.standing.trading_date)
        is_piece = isinstance(message, InstallSnapshot | InstallReply)
        self.network.put(self.name, node.node_id, head + data, is_piece=is_piece)
        return True

    def take(self, source: str, data: bytes) -> None:
        """A message arrives."""
        self.standing.heard(source, _DATE.unpack_from(data)[0])
        self._onMessageReceived(self.peers[source], decode(data[_DATE.size :]))

    def opened(self, other: str) -> None:
        """A connection is there."""
        self._onNodeConnected(self.peers[other])

    def lost(self, other: str) -> None:
        """A connection is gone."""
        self._onNodeDisconnected(self.peers[other])

    def is_connected(self, node: RankedNode) -> bool:
        """As the network has it."""
        return frozenset((self.name, node.node_id)) in self.network.connected

    def unsent_bytes(self, node: RankedNode) -> int:
        """What is under way counts as unsent: the window must bind here too."""
        queue = self.network.queues.get((self.name, node.node_id), ())
        return sum(len(data) for _, data in queue) * 64

    def fds(self) -> list[tuple[int, bool, bool]]:
        """No sockets."""
        return []

    def tick(self) -> None:
        """The simulation connects."""

    def drain(self) -> None:
        """Take what is due."""
        self.network.deliver(self.name)

    def next_deadline_s(self) -> float:
        """None of its own."""
        return float("inf")

    def destroy(self) -> None:
        """The simulation disconnects."""
        self.network.ends.pop(self.name, None)
