"""A stopped node's folder with a small log in it, made without a node.

Used by the tests of what operators do offline. The log has a no-op of the library, the genesis, a
login and `order_count` orders; the event log and the snapshots are what a node would have written.
"""

from functools import cache
from pathlib import Path

from oms.node.event_log import EventLog
from oms.node.snapshot_shelf import NodeFolder
from oms.reference.engine import Engine
from oms.replication import snapshot_file
from oms.replication.journal import DiskJournal
from oms.replication.journal_reader import JournalReader
from oms.replication.snapshot_file import Snapshot
from tests.support.node_parts import CLUSTER_ID, entry, genesis, login, order
from tests.support.raft_cluster import raise_fatal

NO_OP = b"\x01"


@cache
def cluster_genesis() -> list[bytes]:
    """One for all nodes of a test run: each call makes up new salts."""
    return genesis()


class NodeOnDisk:
    """What is in the folder, and the state it leads to."""

    def __init__(
        self,
        path: Path,
        *,
        order_count: int = 6,
        snapshots_at: tuple[int, ...] = (),
        node_id: str = "n1",
        first_client_seq: int = 1,
    ) -> None:
        self.folder = NodeFolder(path, node_id, CLUSTER_ID, "reference")
        path.mkdir()
        self.folder.snapshots.mkdir()
        numbers = range(first_client_seq, first_client_seq + order_count)
        batches = [
            *cluster_genesis(),
            entry(login()),
            *(entry(order(number)) for number in numbers),
        ]
        DiskJournal.format(
            self.folder.journal, cluster_id=CLUSTER_ID, node_id=node_id, segment_bytes=1 << 20
        )
        journal = DiskJournal(
            self.folder.journal,
            cluster_id=CLUSTER_ID,
            node_id=node_id,
            segment_bytes=1 << 20,
            on_fatal=raise_fatal,
        )
        self.engine = Engine()
        self.events_at: dict[int, int] = {}  # log index -> last event_seq
        events = EventLog(self.folder.events)
        journal.setCurrentTerm(1, None)
        journal.add(NO_OP, 1, 0)
        self.engine.skip_to(1)
        for log_index, batch in enumerate(batches, start=2):
            journal.add(b"\x20" + batch, log_index, 1)
            if self.engine.apply(log_index, batch):
                events.append(self.engine.events())
            self.events_at[log_index] = self.engine.event_seq
            if log_index in snapshots_at:
                events.flush()
                snapshot_file.write(self.folder.snapshots, self.snapshot(events))
        self.last_index = len(batches) + 1
        events.close()
        journal.close()

    def snapshot(self, events: EventLog) -> Snapshot:
        """The state now."""
        engine = self.engine
        return Snapshot(
            cluster_id=CLUSTER_ID,
            log_index=engine.applied_index,
            event_seq=engine.event_seq,
            digest=engine.digest(),
            state=engine.snapshot(),
            events_crc=events_crc(events, 0, engine.event_seq),
        )

    def snapshot_path(self, log_index: int) -> Path:
        """Where the snapshot at an index is."""
        return snapshot_file.path_of(self.folder.snapshots, log_index)

    def reader(self) -> JournalReader:
        """Its log."""
        folder = self.folder
        return JournalReader(folder.journal, cluster_id=folder.cluster_id, node_id=folder.node_id)


def events_crc(events: EventLog, after: int, event_seq: int) -> int:
    """What a snapshot says of the outputs (after, event_seq]."""
    file = events.file()
    crc = file.crc(after, event_seq)
    file.close()
    assert crc is not None
    return crc


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)
