"""Whole runs of a cluster of real RaftLogs on a played disk and network, with seeded faults.

Used by tests/properties/test_raft_simulation.py. Nodes pause, are killed, or lose power; take
snapshots, archive what is before them, and install the leader's; hand leadership over, may not
lead, have no space; one is wiped and comes back under another name. What must hold is checked while
it runs: one leader a term, one history, nothing acknowledged lost, nothing handed out twice or out
of order, every state the same. The safety phase is followed by a healing phase in which everything
must work again.
"""

import random
import struct
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import pytest

from oms import bounds
from oms.replication import journal, raft_core, raft_log, snapshot_file
from oms.replication.journal import DiskJournal
from oms.replication.port import LogStatus, SnapshotOffer
from oms.replication.raft_log import RaftLog
from tests.support.raft_cluster import raise_fatal
from tests.support.raft_simulation import Disk, Network, PlayedTransport, PowerCut, PromptMaker

STEP_S = 0.001
SEGMENT_BYTES = 16 << 10
CLUSTER_ID = 7
_CHUNK_BYTES = 2000
_ENTRY = struct.Struct("<16sQQ")
_EMPTY = bytes(16)


class Replica:
    """What one node's owner has: a state that is the hash of all it was handed, and snapshots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.snapshots = folder / "snapshots"
        self.snapshots.mkdir(parents=True, exist_ok=True)
        self.index, self.digest = 0, _EMPTY
        self.installed = 0
        paths = snapshot_file.newest_first(self.snapshots)
        if paths:
            newest = snapshot_file.read(paths[0])
            self.index, self.digest = newest.log_index, bytes(newest.state[:16])
        for path in paths[2:]:
            path.unlink()

    def take(self, index: int, term: int, entry: bytes) -> None:
        """The next entry."""
        assert index == self.index + 1
        self.index = index
        self.digest = blake2b(_ENTRY.pack(self.digest, index, term) + entry).digest()[:16]

    def write(self, padding: int) -> None:
        """A snapshot of now."""
        state = self.digest + bytes(padding)
        snapshot_file.write(
            self.snapshots, snapshot_file.Snapshot(CLUSTER_ID, self.index, 0, 0, state)
        )

    def newest(self) -> SnapshotOffer | None:
        """For the log."""
        for path in snapshot_file.newest_first(self.snapshots):
            return SnapshotOffer(int(path.stem, 16), path, path.stat().st_size)
        return None


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
        self.disk.play(self.patch)
        self.patch.setattr(PlayedTransport, "network", self.network, raising=False)
        self.patch.setattr(raft_log, "RaftTransport", PlayedTransport)
        self.patch.setattr(journal, "SegmentMaker", PromptMaker)
        self.patch.setattr(raft_core, "_APPLY_SLICE_S", 1.0)
        self.patch.setattr(bounds, "SNAPSHOT_CHUNK_BYTES", _CHUNK_BYTES)
        PromptMaker.full.clear()
        self.logs: dict[str, RaftLog] = {}
        self.replicas: dict[str, Replica] = {}
        self.paused_until_s: dict[str, float] = {}
        self.history: dict[int, tuple[int, bytes]] = {}
        self.digests: dict[int, bytes] = {}
        self.leaders: dict[int, str] = {}
        self.acknowledged: set[bytes] = set()
        self.waiting: dict[str, set[bytes]] = {}
        self.proposed = 0
        self.faults = 0
        self.trading_date = 20261122
        self.seen: Counter[str] = Counter()  # what this run came by
        self.cut_chance = 0.0005
        self.newcomer = ""
        self.storm_until_s = 0.0

    # --- nodes ---

    def start(self, name: str) -> None:
        """Start a node from its newest snapshot."""
        replica = Replica(self.folder / name)
        if replica.index:
            assert self.digests[replica.index] == replica.digest
        self.replicas[name] = replica
        self.waiting[name] = set()
        self.logs[name] = RaftLog(
            name,
            dict.fromkeys(self.names, "-"),
            CLUSTER_ID,
            bytes(32),
            self.folder / name / "journal",
            on_commit=lambda index, term, entry: self.on_commit(name, index, term, entry),
            on_skip=lambda index: self.on_commit(name, index, 0, b""),
            on_role_change=self.on_role_change,
            start_index=replica.index,
            clock=lambda: self.network.now_s,
            segment_bytes=SEGMENT_BYTES,
            memory_bytes_max=3000,
            seed=self.rng.randrange(1 << 30),
            on_fatal=raise_fatal,
            report=lambda event, _: self.seen.update([event]),
            snapshot_source=replica,
            snapshot_folder=replica.snapshots,
            on_installed=lambda index, _: self.on_installed(name, index),
        )

    def on_role_change(self, status: LogStatus) -> None:
        """At most one leader in a term."""
        if status.role == "leader":
            assert self.leaders.setdefault(status.term, status.node_id) == status.node_id
            assert not status.is_joining

    def on_commit(self, name: str, index: int, term: int, entry: bytes) -> None:
        """The next one, and the same as everywhere."""
        replica = self.replicas[name]
        replica.take(index, term, entry)
        assert self.history.setdefault(index, (term, entry)) == (term, entry)
        assert self.digests.setdefault(index, replica.digest) == replica.digest
        if entry in self.waiting[name]:
            self.waiting[name].remove(entry)
            self.acknowledged.add(entry)

    def on_installed(self, name: str, log_index: int) -> None:
        """A snapshot came from the leader."""
        self.replicas[name].installed = log_index
        self.seen["installed"] += 1

    def stop(self, name: str, *, power: bool) -> None:
        """A node dies."""
        for other in self.names:
            if other != name:
                self.network.disconnect(name, other, keep=self.rng.randrange(4))
        self.logs.pop(name).close(clean=False)
        if power:
            self.disk.lose_power(self.folder / name, self.rng)

    # --- time ---

    def step(self) -> None:
        """One millisecond."""
        self.network.now_s += STEP_S
        self.network.connect()
        names = sorted(self.logs)
        self.rng.shuffle(names)
        for name in names:
            if name not in self.logs or self.network.now_s < self.paused_until_s.get(name, 0.0):
                continue
            is_installing = self.logs[name].status().installing > 0
            self.disk.cut_chance = self.cut_chance * (100 if is_installing else 1)
            try:
                self.network.deliver(name)
                self.logs[name].tick()
                if self.replicas[name].installed:
                    self.disk.cut_chance = 0.0
                    self.stop(name, power=False)  # a node replaces its own process
                    self.start(name)
            except PowerCut:
                self.disk.cut_chance = 0.0
                self.seen["power cut"] += 1
                self.network.ends.pop(name, None)  # nothing reaches it any more
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
                    if log.status().room == "reserve":
                        self.seen["accepted on the reserve"] += 1

    # --- faults ---

    def fault(self) -> None:
        """One thing goes wrong, or one is repaired, or somebody asks for something."""
        self.faults += 1
        rng, name = self.rng, self.rng.choice(self.names)
        leading = [n for n, log in sorted(self.logs.items()) if log.status().role == "leader"]
        if leading and rng.random() < 0.5:
            name = leading[0]
        other = rng.choice([n for n in self.names if n != name])
        match rng.randrange(14):
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
                self.network.piece_loss = rng.choice((0.0, 0.1, 0.5))
            case 6 | 7 | 8:
                for each in sorted(self.logs):
                    if rng.random() < 0.7:
                        self.archive(each)
            case 9 if leading:
                refusal = self.logs[leading[0]].transfer(rng.choice((None, name, other)))
                self.seen["no transfer" if refusal else "transfer"] += 1
            case 10:
                barred = name if rng.random() < 0.5 else ""  # a minority: the others agree on it
                for each, log in self.logs.items():
                    log.set_may_lead(each != barred)
            case 11:
                self.fill_or_free(name)
            case 12 if name in self.logs:
                self.trading_date += rng.randrange(2)
                self.logs[name].note_trading_date(self.trading_date)
            case _:
                self.repair()

    def archive(self, name: str) -> None:
        """A snapshot of now, and what is before it leaves the journal."""
        replica, log = self.replicas[name], self.logs[name]
        if replica.installed or replica.index <= log.status().base_index:
            return
        replica.write(self.rng.randrange(30_000))
        if self.rng.random() < 0.8:
            moved = log.archive(self.folder / name / "archive", replica.index)
            self.seen["archived"] += len(moved)

    def fill_or_free(self, name: str) -> None:
        """A disk is full, or has space again."""
        where = self.folder / name / "journal"
        if self.rng.random() < 0.7:
            PromptMaker.full.add(where)
        else:
            PromptMaker.full.clear()

    def repair(self) -> None:
        """Links work again, and who was dead is started, now and then as somebody else."""
        self.network.cut.clear()
        joining = any(log.status().is_joining for log in self.logs.values())
        stopped = [name for name in self.names if name not in self.logs]
        absent = ""
        if len(stopped) == 1 and not joining and not self.seen["replaced"]:
            self.replace(stopped[0])
            self.storm_until_s = self.network.now_s + 1.0
            if self.rng.random() < 0.5:  # the other old node may be the only one that has it all
                absent = self.rng.choice([name for name in self.names if name != self.newcomer])
        for name in self.names:
            if name not in self.logs and name != absent:
                self.start(name)

    def replace(self, old: str) -> None:
        """`old` lost its disk: all are stopped, and another one takes its place."""
        self.seen["replaced"] += 1
        for name in sorted(self.logs):
            self.stop(name, power=self.rng.random() < 0.3)
        new = f"n{4 + self.rng.randrange(2)}" if self.rng.random() < 0.5 else "n0"
        self.names = sorted({*self.names, new} - {old})
        self.newcomer = new
        DiskJournal.format(
            self.folder / new / "journal", cluster_id=CLUSTER_ID, node_id=new,
            segment_bytes=SEGMENT_BYTES, is_joining=True,
        )  # fmt: skip
        PromptMaker.full.clear()
        self.network.slow.clear()

    def run(self, seconds: float) -> None:
        """Faults for so long (virtual time), then health."""
        for name in self.names:
            self.start(name)
        for _ in range(int(seconds / STEP_S)):
            if self.rng.random() < 0.3:
                self.propose()
            is_storm = self.network.now_s < self.storm_until_s
            if self.rng.random() < (0.03 if is_storm else 0.012):
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
        self.network.piece_loss = 0.0
        self.paused_until_s.clear()
        PromptMaker.full.clear()
        for name in self.names:
            if name not in self.logs:
                self.start(name)
        for log in self.logs.values():
            log.set_may_lead(True)
        for step in range(8000):
            self.step()
            if step > 1000 and self.is_well():
                return
        raise AssertionError([log.status() for log in self.logs.values()])

    def is_well(self) -> bool:
        """One leader, the same everywhere, nobody joining, everybody knows the date."""
        statuses = [log.status() for log in self.logs.values()]
        leaders = [status for status in statuses if status.is_accepting]
        return (
            len(leaders) == 1
            and {status.applied_index for status in statuses} == {leaders[0].last_index}
            and not any(status.is_joining for status in statuses)
            and {status.room for status in statuses} == {"ample"}
            and len({status.trading_date for status in statuses}) == 1
        )
