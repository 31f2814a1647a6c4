"""One journal on disk, the library's or ours, for the findings about what lies on disk.

Used by test_disk.py and full_disk_process.py. Opening is as at a node's start; whatever it raises
is a refusal. Entries are (bytes, index, term), indexes from 1 without gaps.
"""

import time
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

from pysyncobj.journal import FileJournal

from oms import bounds
from oms.replication import journal_archive
from oms.replication import journal_format as fmt
from oms.replication.journal import DiskJournal
from oms.replication.segment_maker import segment_path
from tests.support.raft_cluster import CLUSTER_ID, raise_fatal

Stored = tuple[bytes, int, int]


def stored(index: int, term: int = 1, size: int = 0) -> Stored:
    """An entry as both kinds keep it."""
    return (b" entry %d of term %d" % (index, term) + bytes(size), index, term)


class Bench(ABC):
    """A journal in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    is_open = False

    def open(self) -> None:
        """Open, or make. Raises whatever it refuses with."""
        self._open()
        self.is_open = True

    def close(self) -> None:
        """As a process that was killed: nothing more is written."""
        if self.is_open:
            self.is_open = False
            self._close()

    @abstractmethod
    def _open(self) -> None:
        """The journal."""

    @abstractmethod
    def _close(self) -> None:
        """The journal."""

    @abstractmethod
    def add(self, entry: Stored) -> None:
        """Append, and do what is done before it is acknowledged."""

    @abstractmethod
    def entries(self) -> list[Stored]:
        """All of it."""

    @abstractmethod
    def drop_up_to(self, index: int) -> None:
        """Entries up to `index` are in a snapshot: the journal may give them up."""

    @abstractmethod
    def has_room(self, size: int) -> bool:
        """Whether it takes an entry of so many bytes, once it is done with what it is doing."""

    @abstractmethod
    def pretend_bytes(self, count: int) -> None:
        """An open journal goes on as if so much had been written to it."""

    @abstractmethod
    def vote(self, term: int, name: str) -> None:
        """Store term and vote."""

    @abstractmethod
    def voted(self) -> tuple[int, str | None]:
        """What is stored."""

    @abstractmethod
    def files(self) -> list[Path]:
        """What a fault may hit: the log's own files."""

    @abstractmethod
    def vote_file(self) -> Path:
        """Where term and vote are."""


class LibraryBench(Bench):
    """pysyncobj.journal.FileJournal."""

    journal: FileJournal

    def _open(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.journal = FileJournal(str(self.folder / "journal"))

    def _close(self) -> None:
        self.journal._destroy()

    def add(self, entry: Stored) -> None:
        self.journal.add(*entry)

    def entries(self) -> list[Stored]:
        return list(self.journal[:])

    def drop_up_to(self, index: int) -> None:
        self.journal.deleteEntriesTo(index)

    def pretend_bytes(self, count: int) -> None:
        """Its file has a hole."""
        self.journal._FileJournal__currentOffset = count

    def has_room(self, size: int) -> bool:  # noqa: ARG002  # it does not ask
        return True

    def vote(self, term: int, name: str) -> None:
        self.journal.setCurrentTerm(term, name)

    def voted(self) -> tuple[int, str | None]:
        return (self.journal.getCurrentTerm(), self.journal.getVotedForNodeId())

    def files(self) -> list[Path]:
        return [self.folder / "journal"]

    def vote_file(self) -> Path:
        return self.folder / "journal.meta"


class OurBench(Bench):
    """oms.replication.journal.DiskJournal."""

    journal: DiskJournal
    segment_bytes = 4096
    covered = 0  # by the snapshot that there would be

    def _open(self) -> None:
        self.journal = DiskJournal.open(
            self.folder, cluster_id=CLUSTER_ID, node_id="n1", start_index=self.covered,
            segment_bytes=self.segment_bytes, memory_bytes_max=4096, on_fatal=raise_fatal,
        )  # fmt: skip

    def _close(self) -> None:
        self.journal.close(clean=False)

    def add(self, entry: Stored) -> None:
        if self.journal.getCurrentTerm() < entry[2]:
            self.journal.setCurrentTerm(entry[2], None)
        self.journal.add(*entry)
        self.journal.sync()

    def entries(self) -> list[Stored]:
        first = self.journal.first_index
        return self.journal.entries(first, self.journal.last_index, 1 << 30)

    def drop_up_to(self, index: int) -> None:
        self.covered = index
        self.journal.archive(self.folder.parent / "archive", index)

    def pretend_bytes(self, count: int) -> None:
        """Segments of the size as shipped were archived before its first one."""
        self.close()
        first, number = segment_path(self.folder, 1), count // bounds.JOURNAL_SEGMENT_BYTES + 1
        data = first.read_bytes()
        header = fmt.unpack_segment_header(data[: fmt.SEGMENT_HEADER_BYTES])
        assert header is not None
        packed = fmt.pack_segment_header(replace(header, number=number))
        segment_path(self.folder, number).write_bytes(packed + data[len(packed) :])
        first.unlink()
        journal_archive.begin_with(self.folder, CLUSTER_ID, number)
        self.open()

    def has_room(self, size: int) -> bool:
        while not self.journal.has_room(size) and not self.journal.is_low:
            time.sleep(0.001)  # the next segment is being made
        return self.journal.has_room(size)

    def vote(self, term: int, name: str) -> None:
        self.journal.setCurrentTerm(term, name)

    def voted(self) -> tuple[int, str | None]:
        return (self.journal.getCurrentTerm(), self.journal.getVotedForNodeId())

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("segment-*"))

    def vote_file(self) -> Path:
        return self.folder / "vote"
