"""The Raft log on disk, and at the same time PySyncObj's Journal.

Called by raft_log.py. Promises: what was added before a `sync` that returned is found again after
any crash; what was added after it is found whole or is cut off; anything else that is not as
written is refused (JournalDamagedError), never skipped and never started empty. Append-only: a
truncation is a record like any other, nothing is rewritten in place. A failing write or sync
aborts the process. Layouts: journal_format.py, docs/protocols/journal.md.
"""

import fcntl
import os
import shutil
from array import array
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn, overload

from pysyncobj.journal import Journal

from oms import bounds
from oms.config import SettingsError
from oms.replication import journal_format as fmt
from oms.replication.elections import LogEnd
from oms.replication.errors import JournalDamagedError, JournalFullError, ReplicationError, die
from oms.replication.journal_recovery import Recovered, recover
from oms.replication.segment_maker import (
    SegmentMaker,
    make_segment,
    segment_path,
    sync_folder,
)
from oms.replication.vote_file import VoteFile

Entry = tuple[bytes, int, int]  # command, log_index, term: the order PySyncObj wants

FIRST_SEGMENT_BYTES: Final = 8 << 20  # the first start waits for this one to be filled
ENTRY_OVERHEAD_BYTES: Final = 194  # what an entry costs in memory beside its bytes
_RESERVE_BYTES: Final = 4096  # room that only no-ops and truncations may take
_OPEN_SEGMENTS_MAX: Final = 16


class DiskJournal(Journal):  # type: ignore[misc]  # the library has no type information
    """Entries 1..n of one node's log, its term and its vote."""

    def __init__(
        self,
        folder: Path,
        *,
        cluster_id: int,
        node_id: str,
        segment_bytes: int = bounds.JOURNAL_SEGMENT_BYTES,
        memory_bytes_max: int = bounds.JOURNAL_MEMORY_BYTES_MAX,
        on_fatal: Callable[[str, str], NoReturn] = die,
    ) -> None:
        """Open a formatted folder.

        Raises: SettingsError (another cluster's, another node's, in use), JournalDamagedError.
        """
        self._folder = folder
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._memory_bytes_max = memory_bytes_max
        self._on_fatal = on_fatal
        self._lock_fd = _lock(folder)
        self._readers: dict[int, int] = {}
        try:
            found = recover(folder, cluster_id=cluster_id, node_id=node_id)
            self._vote = _open_vote(folder, cluster_id, found)
        except BaseException:
            os.close(self._lock_fd)
            raise
        self._positions: array[int] = found.positions
        self._term_starts, self._term_values = found.term_starts, found.term_values
        self._chain, self._records = found.chain, found.records
        self._synced_records = found.records
        self._number, self._offset = found.number, found.offset
        path = segment_path(folder, self._number)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        # A killed process leaves records that are only in the kernel's memory: what was read back
        # is not on disk until it is synced, and replies would promise that it is.
        os.fdatasync(self._fd)
        self._capacity = os.fstat(self._fd).st_size
        self._plan_next()
        self._full_bytes = found.full_bytes
        self._mark_fd = os.open(folder / "mark", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._write_mark()
        self._memory: dict[int, Entry] = {}
        self._memory_bytes = 0
        self._memory_low = len(self._positions) + 1
        self._last: Entry | None = None
        self.is_dirty = False
        self._warm_up(found)
        self._maker = SegmentMaker(folder, segment_bytes)

    @staticmethod
    def format(
        folder: Path,
        *,
        cluster_id: int,
        node_id: str,
        segment_bytes: int = bounds.JOURNAL_SEGMENT_BYTES,
    ) -> None:
        """Make an empty journal; `folder` must not exist or be empty. All or nothing."""
        making = folder.with_name(folder.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True, mode=0o700)
        make_segment(making, 1, min(segment_bytes, FIRST_SEGMENT_BYTES))
        header = fmt.SegmentHeader(
            fmt.SEGMENT_VERSION, fmt.DURABILITY_DISK, cluster_id, node_id, 1, 1, 0, 0
        )
        fd = os.open(segment_path(making, 1), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(fd, fmt.pack_segment_header(header), 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        VoteFile.create(making / "vote", cluster_id)
        sync_folder(making)
        try:
            making.rename(folder)
        except OSError as error:
            shutil.rmtree(making)
            raise SettingsError(
                what=f"cannot make a journal in {folder}",
                why=error.strerror or str(error),
                do="give an empty or a new folder",
                read="docs/operating.md",
            ) from error
        sync_folder(folder.parent)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        cluster_id: int,
        node_id: str,
        start_index: int,
        segment_bytes: int,
        memory_bytes_max: int,
        on_fatal: Callable[[str, str], NoReturn],
    ) -> "DiskJournal":
        """Open `folder`, or format it when it is empty and nothing says that there was a log.

        Raises: as the constructor; JournalDamagedError also when the journal ends before
        `start_index`, which the caller's snapshot covers: entries that were acknowledged are gone.
        """
        is_new = not folder.is_dir() or not any(folder.iterdir())
        if is_new and not start_index:
            cls.format(folder, cluster_id=cluster_id, node_id=node_id, segment_bytes=segment_bytes)
        elif is_new:
            raise JournalDamagedError(1, f"{folder} is empty, the snapshot covers {start_index}")
        journal = cls(
            folder, cluster_id=cluster_id, node_id=node_id, segment_bytes=segment_bytes,
            memory_bytes_max=memory_bytes_max, on_fatal=on_fatal,
        )  # fmt: skip
        if start_index > max(1, journal.last_index):
            last = journal.last_index
            journal.close()
            raise JournalDamagedError(last + 1, f"it ends there, the snapshot covers {start_index}")
        return journal

    # --- what PySyncObj calls ---

    def add(self, command: bytes, idx: int, term: int) -> None:
        """Append one entry; on disk only after `sync`. Raises: JournalFullError."""
        if idx != len(self._positions) + 1:
            self._on_fatal("journal_misuse", f"entry {idx} after {len(self._positions)}")
        offset = self._write(command, log_index=idx, term=term, kind=fmt.KIND_ENTRY)
        self._positions.append(self._number << 40 | offset)
        if not self._term_values or self._term_values[-1] != term:
            self._term_starts.append(idx)
            self._term_values.append(term)
        self._last = (command, idx, term)
        self._remember(self._last)

    def deleteEntriesFrom(self, entryFrom: int) -> None:  # noqa: N802, N803  # the library's names
        """Drop entries from position `entryFrom` (0-based) to the end."""
        self.truncate_from(entryFrom + 1)

    def deleteEntriesTo(self, entryTo: int) -> None:  # noqa: N802, N803  # the library's names
        """Refused: the day's log is kept (RULES A8)."""
        raise ReplicationError(f"the log is kept whole, asked to drop entries to {entryTo}")

    def clear(self) -> None:
        """Refused: a log is never emptied."""
        raise ReplicationError("the log is never emptied")

    @overload
    def __getitem__(self, item: int) -> Entry: ...
    @overload
    def __getitem__(self, item: "slice[int | None, int | None, int | None]") -> list[Entry]: ...
    def __getitem__(
        self, item: "int | slice[int | None, int | None, int | None]"
    ) -> Entry | list[Entry]:
        """By 0-based position, as the library asks."""
        if isinstance(item, slice):
            return [self._entry(i + 1) for i in range(*item.indices(len(self._positions)))]
        if item == -1 and self._last is not None:
            return self._last
        if not -len(self._positions) <= item < len(self._positions):
            raise IndexError(item)
        return self._entry(item % len(self._positions) + 1)

    def __len__(self) -> int:
        """Entries in the log."""
        return len(self._positions)

    def _destroy(self) -> None:
        """Nothing: RaftLog closes the journal it opened."""

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:  # noqa: N802, N803  # library's
        """Not stored: what is committed is learned again from a leader."""

    def getRaftCommitIndex(self) -> int:  # noqa: N802  # the library's name
        """Entry 1 is in every log, so it is committed; more is not known at a start."""
        return 1

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:  # noqa: N802, N803
        """Term and vote, on disk when this returns."""
        try:
            self._vote.store(term, votedForNodeId)
        except OSError as error:
            self._on_fatal("vote_io_error", str(error))

    def getCurrentTerm(self) -> int:  # noqa: N802  # the library's name
        """The stored term."""
        return self._vote.term

    def getVotedForNodeId(self) -> str | None:  # noqa: N802  # the library's name
        """Whom this node voted for in that term."""
        return self._vote.voted_for

    # --- what raft_log.py calls ---

    @property
    def last_index(self) -> int:
        """Index of the last entry, 0 for an empty log."""
        return len(self._positions)

    @property
    def end(self) -> LogEnd:
        """Term and index of the last entry."""
        return LogEnd(self.term_at(len(self._positions)), len(self._positions))

    @property
    def bytes_used(self) -> int:
        """Bytes written to segments."""
        return self._full_bytes + self._offset

    @property
    def fault(self) -> str | None:
        """Why no further segment could be made, e.g. a full disk."""
        return self._maker.fault

    def term_at(self, log_index: int) -> int:
        """Term of an entry that exists."""
        return self._term_values[bisect_right(self._term_starts, log_index) - 1]

    def first_of_term_at(self, log_index: int) -> int:
        """Index of the first entry that has the term of `log_index`."""
        return self._term_starts[bisect_right(self._term_starts, log_index) - 1]

    def has_room(self, length: int) -> bool:
        """Whether an entry of `length` bytes can be added now without touching the reserve."""
        needed = self._offset + fmt.record_bytes(length) + _RESERVE_BYTES
        return needed <= self._capacity or self._is_next_ready(hurry=True)

    def entries(self, from_index: int, count: int, bytes_max: int) -> list[Entry]:
        """Up to `count` entries from `from_index`, at least one if it exists, in all at most
        about `bytes_max` bytes; from memory or else from disk, checked.
        """
        result: list[Entry] = []
        size = 0
        for log_index in range(from_index, min(from_index + count, len(self._positions) + 1)):
            entry = self._entry(log_index)
            size += len(entry[0])
            if result and size > bytes_max:
                break
            result.append(entry)
        return result

    def truncate_from(self, log_index: int) -> None:
        """Drop `log_index` and everything behind it, by a record that says so."""
        last = log_index - 1
        if not 1 <= last <= len(self._positions):
            self._on_fatal("journal_misuse", f"truncation to {last} of {len(self._positions)}")
        self._write(b"", log_index=last, term=0, kind=fmt.KIND_TRUNCATION)
        for dropped in range(max(log_index, self._memory_low), len(self._positions) + 1):
            self._memory_bytes -= len(self._memory.pop(dropped)[0]) + ENTRY_OVERHEAD_BYTES
        del self._positions[last:]
        self._memory_low = min(self._memory_low, log_index)
        while self._term_starts and self._term_starts[-1] > last:
            self._term_starts.pop()
            self._term_values.pop()
        self._last = self._entry(last)

    def sync(self) -> None:
        """Put everything added so far on disk (group commit)."""
        if not self.is_dirty:
            return
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
        self.is_dirty = False
        self._synced_records = self._records
        self._write_mark()

    def close(self, *, clean: bool = True) -> None:
        """Give everything back; `clean=False` leaves the files as a killed process would."""
        self._maker.close()
        if clean:
            self.sync()
            os.fsync(self._mark_fd)
        self._vote.close()
        for fd in (self._fd, self._mark_fd, self._lock_fd, *self._readers.values()):
            os.close(fd)

    # --- inside ---

    def _write(self, payload: bytes, *, log_index: int, term: int, kind: int) -> int:
        size = fmt.record_bytes(len(payload))
        if self._offset + size > self._capacity:
            self._next_segment()
        header, chain = fmt.pack_record_header(
            self._chain,
            log_index=log_index,
            term=term,
            synced_records=self._synced_records,
            kind=kind,
            payload=payload,
        )
        try:
            written = os.pwritev(self._fd, (header, payload), self._offset)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
        if written != len(header) + len(payload):
            self._on_fatal("journal_io_error", f"short write of {written} bytes")
        offset = self._offset
        self._chain = chain
        self._records += 1
        self._offset += size
        self.is_dirty = True
        if self._offset > self._request_at:
            self._is_next_ready(hurry=self._offset > self._hurry_at)
        return offset

    def _plan_next(self) -> None:
        """From where on the next segment is made, and from where on in a hurry: not earlier, for
        filling it competes with the syncs of every node on the same disk.
        """
        self._request_at = self._capacity // 2
        self._hurry_at = self._capacity * 3 // 4
        self._is_next_requested = False

    def _is_next_ready(self, *, hurry: bool) -> bool:
        """Whether the next segment may be begun; asks for it the first time."""
        if not self._is_next_requested:
            self._is_next_requested = True
            self._maker.request(self._number + 1)
        if hurry:
            self._maker.hurry()
        return self._maker.is_ready

    def _next_segment(self) -> None:
        """Close the full segment durably, then start the prepared one durably: recovery relies
        on every segment but the last being whole and on headers never being torn.
        """
        if not self._is_next_ready(hurry=True):
            reason = self._maker.fault or "the next segment is still being made"
            raise JournalFullError(reason)
        self.sync()
        number = self._number + 1
        header = fmt.SegmentHeader(
            fmt.SEGMENT_VERSION, fmt.DURABILITY_DISK, self._cluster_id, self._node_id, number,
            len(self._positions) + 1, self._records, self._chain,
        )  # fmt: skip
        try:
            fd = os.open(segment_path(self._folder, number), os.O_RDWR | os.O_CLOEXEC)
            os.pwrite(fd, fmt.pack_segment_header(header), 0)
            os.fdatasync(fd)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
        os.close(self._fd)
        self._full_bytes += self._offset
        self._fd, self._number = fd, number
        self._offset, self._capacity = fmt.SEGMENT_HEADER_BYTES, os.fstat(fd).st_size
        self._plan_next()

    def _write_mark(self) -> None:
        try:
            os.pwrite(self._mark_fd, fmt.pack_mark(self._cluster_id, self._synced_records), 0)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))

    def _entry(self, log_index: int) -> Entry:
        if log_index >= self._memory_low:
            return self._memory[log_index]
        position = self._positions[log_index - 1]
        number, offset = position >> 40, position & 0xFF_FFFF_FFFF
        try:
            fd = self._reader(number)
            header = os.pread(fd, fmt.RECORD_HEADER_BYTES, offset)
            length = fmt.payload_length(header)
            payload = os.pread(fd, length, offset + fmt.RECORD_HEADER_BYTES)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
        if not fmt.payload_matches(header, log_index, payload):
            self._on_fatal("journal_damaged", f"entry {log_index} changed on disk")
        return (payload, log_index, fmt.record_term(header))

    def _reader(self, number: int) -> int:
        if number == self._number:
            return self._fd
        fd = self._readers.get(number)
        if fd is None:
            while len(self._readers) >= _OPEN_SEGMENTS_MAX:
                os.close(self._readers.pop(next(iter(self._readers))))
            fd = os.open(segment_path(self._folder, number), os.O_RDONLY | os.O_CLOEXEC)
            self._readers[number] = fd
        return fd

    def _remember(self, entry: Entry) -> None:
        self._memory[entry[1]] = entry
        self._memory_bytes += len(entry[0]) + ENTRY_OVERHEAD_BYTES
        while self._memory_bytes > self._memory_bytes_max and len(self._memory) > 1:
            oldest = self._memory.pop(self._memory_low)
            self._memory_bytes -= len(oldest[0]) + ENTRY_OVERHEAD_BYTES
            self._memory_low += 1

    def _warm_up(self, found: Recovered) -> None:
        """Take the last entry into memory: it is asked for at every step."""
        last = len(found.positions)
        if last:
            self._last = self._entry(last)
            self._memory_low = last
            self._remember(self._last)


def _open_vote(folder: Path, cluster_id: int, found: Recovered) -> VoteFile:
    """Term and vote; they were stored before the first entry of their term could be."""
    vote = VoteFile(folder / "vote", cluster_id)
    if found.term_values and vote.term < found.term_values[-1]:
        vote.close()
        raise JournalDamagedError(
            found.term_starts[-1], f"the stored term {vote.term} is older than the log's"
        )
    return vote


def _lock(folder: Path) -> int:
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise SettingsError(
            what=f"cannot open the journal in {folder}",
            why="another process has it open",
            do="stop the node that runs on this folder first",
            read="docs/operating.md",
        ) from error
    return fd


__all__ = ["DiskJournal", "Entry", "JournalDamagedError", "JournalFullError"]
