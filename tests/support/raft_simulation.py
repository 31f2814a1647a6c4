"""A whole cluster of real RaftLogs and real journals in virtual time, with seeded faults.

Used by tests/properties/test_raft_simulation.py. Network and disk are played: messages take time,
connections break and lose what was under way, nodes pause, are killed, or lose power (then every
sector that was not synced is either old or new). What must hold is checked while it runs: one
leader a term, one history, nothing acknowledged lost, nothing handed out twice or out of order.
The safety phase is followed by a healing phase in which everything must work again.
"""

import os
import random
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pysyncobj.transport import Transport

from oms.replication import journal, journal_index, raft_core, raft_log
from oms.replication.errors import Report
from oms.replication.journal_index import SegmentIndex
from oms.replication.port import LogStatus
from oms.replication.raft_log import RaftLog
from oms.replication.raft_messages import Message, decode, encode
from oms.replication.raft_transport import RankedNode, _from_library
from oms.replication.segment_maker import make_segment, remove_unfinished, segment_path
from oms.replication.standing import Standing
from tests.support.raft_cluster import raise_fatal

STEP_S = 0.001
SEGMENT_BYTES = 16 << 10
SECTOR_BYTES = 512
_DATE = struct.Struct("<I")


class PowerCut(Exception):
    """The machine stops in the middle of a sync."""


class Disk:
    """What each file held when it was last synced, by inode."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.synced: dict[int, bytes] = {}
        self.cut_chance = 0.0

    def sync(self, fd: int) -> None:
        """Instead of fsync and fdatasync: remember, quickly; now and then, fail to."""
        if self.rng.random() < self.cut_chance:
            raise PowerCut
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if path.is_file():
            self.synced[path.stat().st_ino] = path.read_bytes()

    def lose_power(self, folder: Path, rng: random.Random) -> None:
        """Every sector is as it was synced, or as it was written since."""
        for path in sorted(folder.iterdir()):
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


class PromptMaker:
    """Segments are made at once: a thread would make the run irreproducible."""

    is_ready = True
    is_low = False
    has_reserve = True
    fault = None
    broken = None

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self.folder, self.segment_bytes = folder, segment_bytes

    def request(self, number: int) -> None:
        """Make it now."""
        if not segment_path(self.folder, number).exists():
            make_segment(self.folder, number, self.segment_bytes)

    def hurry(self) -> None:
        """It is there already."""

    def allow_reserve(self, allowed: bool) -> None:  # noqa: FBT001  # the real one's face
        """The disk of a simulation is never full."""

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

    def put(self, source: str, target: str, data: bytes) -> None:
        """Under way; a connection keeps the order."""
        queue = self.queues.setdefault((source, target), deque())
        delay_s = self.rng.uniform(0.0001, 0.004) + self.slow.get((source, target), 0.0)
        due_s = self.now_s + delay_s
        queue.append((max(due_s, queue[-1][0]) if queue else due_s, data))

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
        self.network.put(self.name, node.node_id, head + data)
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


@dataclass
class Simulation:
    """One run, given by its seed."""

    folder: Path
    seed: int
    patch: pytest.MonkeyPatch
    names: list[str] = field(default_factory=lambda: ["n1", "n2", "n3"])

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.disk = Disk(self.rng)
        self.network = Network(self.rng)
        self.patch.setattr(PlayedTransport, "network", self.network, raising=False)
        self.patch.setattr(raft_log, "RaftTransport", PlayedTransport)
        self.patch.setattr(journal, "SegmentMaker", PromptMaker)
        self.patch.setattr(os, "fsync", self.disk.sync)
        self.patch.setattr(os, "fdatasync", self.disk.sync)
        self.patch.setattr(raft_core, "_APPLY_SLICE_S", 1.0)
        self.logs: dict[str, RaftLog] = {}
        self.paused_until_s: dict[str, float] = {}
        self.history: dict[int, tuple[int, bytes]] = {}
        self.handed_out: dict[str, int] = {}
        self.leaders: dict[int, str] = {}
        self.acknowledged: set[bytes] = set()
        self.waiting: dict[str, set[bytes]] = {}
        self.proposed = 0
        self.faults = 0
        self.cut_chance = 0.0005

    def start(self, name: str) -> None:
        """Start a node, sometimes from a snapshot of what it had applied."""
        covered = self.handed_out.get(name, 0) if self.rng.random() < 0.3 else 0
        self.handed_out[name] = covered
        self.waiting[name] = set()
        self.logs[name] = RaftLog(
            name,
            dict.fromkeys(self.names, "-"),
            7,
            bytes(32),
            self.folder / name,
            on_commit=lambda index, term, entry: self.on_commit(name, index, term, entry),
            on_skip=lambda index: self.on_commit(name, index, 0, b""),
            on_role_change=self.on_role_change,
            start_index=covered,
            clock=lambda: self.network.now_s,
            segment_bytes=SEGMENT_BYTES,
            memory_bytes_max=3000,
            seed=self.rng.randrange(1 << 30),
            on_fatal=raise_fatal,
        )

    def on_role_change(self, status: LogStatus) -> None:
        """At most one leader in a term."""
        if status.role == "leader":
            assert self.leaders.setdefault(status.term, status.node_id) == status.node_id

    def on_commit(self, name: str, index: int, term: int, entry: bytes) -> None:
        """The next one, and the same as everywhere."""
        assert index == self.handed_out[name] + 1
        self.handed_out[name] = index
        assert self.history.setdefault(index, (term, entry)) == (term, entry)
        if entry in self.waiting[name]:
            self.waiting[name].remove(entry)
            self.acknowledged.add(entry)

    def stop(self, name: str, *, power: bool) -> None:
        """A node dies."""
        for other in self.names:
            if other != name:
                self.network.disconnect(name, other, keep=self.rng.randrange(4))
        self.logs.pop(name).close(clean=False)
        if power:
            self.disk.lose_power(self.folder / name, self.rng)

    def step(self) -> None:
        """One millisecond."""
        self.network.now_s += STEP_S
        self.network.connect()
        names = sorted(self.logs)
        self.rng.shuffle(names)
        for name in names:
            if name not in self.logs or self.network.now_s < self.paused_until_s.get(name, 0.0):
                continue
            self.disk.cut_chance = self.cut_chance
            try:
                self.network.deliver(name)
                self.logs[name].tick()
            except PowerCut:
                self.disk.cut_chance = 0.0
                self.stop(name, power=True)
            self.disk.cut_chance = 0.0

    def propose(self) -> None:
        """Whoever thinks that it leads is given entries, and often dies before they are sent."""
        for name, log in sorted(self.logs.items()):
            for _ in range(self.rng.randrange(4)):
                entry = b"entry %d " % self.proposed + bytes(self.rng.randrange(200))
                if log.pending() < 20 and log.propose(entry):
                    self.proposed += 1
                    self.waiting[name].add(entry)

    def fault(self) -> None:
        """One thing goes wrong, or one is repaired."""
        self.faults += 1
        rng, name = self.rng, self.rng.choice(self.names)
        leading = [n for n, log in sorted(self.logs.items()) if log.status().role == "leader"]
        if leading and rng.random() < 0.5:
            name = leading[0]
        other = rng.choice([n for n in self.names if n != name])
        match rng.randrange(7):
            case 0 | 1 if name in self.logs:
                self.stop(name, power=rng.random() < 0.5)
            case 2:
                self.network.cut.add(frozenset((name, other)))
                self.network.disconnect(name, other, keep=rng.randrange(4))
            case 3:
                self.network.disconnect(name, other, keep=rng.randrange(4))
            case 4:
                self.paused_until_s[name] = self.network.now_s + rng.uniform(0.01, 1.5)
            case 5:
                self.network.slow[name, other] = rng.choice((0.0, 0.05, 0.5))
            case _:
                self.network.cut.clear()
                for stopped in self.names:
                    if stopped not in self.logs:
                        self.start(stopped)

    def run(self, seconds: float) -> None:
        """Faults for so long (virtual time), then health."""
        for name in self.names:
            self.start(name)
        for _ in range(int(seconds / STEP_S)):
            if self.rng.random() < 0.3:
                self.propose()
            if self.rng.random() < 0.012:
                self.fault()
            self.step()
        self.heal()
        lost = self.acknowledged - {entry for _, entry in self.history.values()}
        assert not lost
        entries = [entry for _, entry in self.history.values() if entry]
        assert len(entries) == len(set(entries))
        for name in self.names:
            self.logs[name].close()

    def heal(self) -> None:
        """Everything works again: soon there is a leader, and all have the same."""
        self.cut_chance = 0.0
        self.network.cut.clear()
        self.network.slow.clear()
        self.paused_until_s.clear()
        for name in self.names:
            if name not in self.logs:
                self.start(name)
        for step in range(5000):
            self.step()
            leaders = [log for log in self.logs.values() if log.status().is_accepting]
            if step > 1000 and len(leaders) == 1:
                last = leaders[0].status().last_index
                if {log.status().applied_index for log in self.logs.values()} == {last}:
                    return
        raise AssertionError([log.status() for log in self.logs.values()])
