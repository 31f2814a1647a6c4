"""The Raft log on disk, and at the same time PySyncObj's Journal.

Called by raft_log.py. Promises: what was added before a `sync` that returned is found again after
any crash; what was added after it is found whole or is cut off; anything else that is not as
written is refused (JournalDamagedError), never skipped and never started empty. Append-only: a
truncation is a record like any other, and so is a base (what is before it is in a snapshot);
nothing is rewritten in place. A failing write or sync aborts the process; a full disk is `is_low`.
Layouts: journal_format.py, docs/protocols/journal.md. Why: docs/adr/0018, 0019.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, overload

from pysyncobj.journal import Journal

from oms import bounds
from oms.replication import journal_archive
from oms.replication import journal_format as fmt
from oms.replication.elections import LogEnd
from oms.replication.errors import JournalDamagedError, JournalFullError, ReplicationError, die
from oms.replication.journal_cache import Entry, EntryCache
from oms.replication.journal_folder import format_folder, lock_folder
from oms.replication.journal_map import pack_position
from oms.replication.journal_recovery import Recovered, check_start, recover
from oms.replication.journal_writer import JournalWriter
from oms.replication.segment_maker import SegmentMaker, sync_folder
from oms.replication.vote_file import VoteFile


class DiskJournal(Journal):  # type: ignore[misc]  # the library has no type information
    """Entries base_index + 1 to last_index of one node's log, its term and its vote."""

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
        self._on_fatal = on_fatal
        self._is_archived = False  # nothing that an interrupted move left is here
        self._lock_fd = lock_folder(folder)
        try:
            found = recover(folder, cluster_id=cluster_id, node_id=node_id)
            self._vote = _open_vote(folder, cluster_id, found)
        except BaseException:
            os.close(self._lock_fd)
            raise
        self._map = found.map
        self._maker = SegmentMaker(folder, segment_bytes)
        self._writer = JournalWriter(
            folder, found, self._maker, cluster_id=cluster_id, node_id=node_id, on_fatal=on_fatal
        )
        self._cache = EntryCache(folder, self._map, memory_bytes_max, on_fatal=on_fatal)
        self._last = self._cache.warm_up()

    @staticmethod
    def format(
        folder: Path,
        *,
        cluster_id: int,
        node_id: str,
        segment_bytes: int = bounds.JOURNAL_SEGMENT_BYTES,
        is_joining: bool = False,
    ) -> None:
        """Make an empty journal; `folder` must not exist or be empty. All or nothing.

        `is_joining`: the node takes the place of another one and does not vote yet.
        """
        format_folder(
            folder,
            cluster_id=cluster_id,
            node_id=node_id,
            segment_bytes=segment_bytes,
            is_joining=is_joining,
        )

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

        Raises: as the constructor; JournalDamagedError also unless base_index <= `start_index` <=
        last_index: the caller's snapshot and the log do not meet, so entries are gone.
        """
        is_new = not folder.is_dir() or not any(folder.iterdir())
        if is_new and not start_index:
            cls.format(folder, cluster_id=cluster_id, node_id=node_id, segment_bytes=segment_bytes)
        elif is_new:
            raise JournalDamagedError(
                1,
                f"{folder} is empty, the snapshot covers {start_index}; let a new node take this "
                "one's place (docs/operating.md)",
            )
        journal = cls(
            folder, cluster_id=cluster_id, node_id=node_id, segment_bytes=segment_bytes,
            memory_bytes_max=memory_bytes_max, on_fatal=on_fatal,
        )  # fmt: skip
        try:
            check_start(journal.base_index, journal.last_index, start_index)
        except BaseException:
            journal.close()
            raise
        return journal

    # --- what PySyncObj calls: positions from 0, of which the base, if there is one, is the first

    def add(self, command: bytes, idx: int, term: int) -> None:
        """Append one entry; on disk only after `sync`. Raises: JournalFullError."""
        if idx != self._map.last_index + 1:
            self._on_fatal("journal_misuse", f"entry {idx} after {self._map.last_index}")
        writer = self._writer
        offset = writer.write(command, log_index=idx, term=term, kind=fmt.KIND_ENTRY)
        self._map.append(pack_position(writer.number, offset), term)
        self._last = (command, idx, term)
        self._cache.put(self._last)

    def deleteEntriesFrom(self, entryFrom: int) -> None:  # noqa: N802, N803  # the library's names
        """Drop entries from a position to the end."""
        self.truncate_from(self._front + entryFrom)

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
        """By position, as the library asks."""
        if isinstance(item, slice):
            return [self._cache.get(self._front + at) for at in range(*item.indices(len(self)))]
        if item == -1 and self._last is not None:
            return self._last
        if not -len(self) <= item < len(self):
            raise IndexError(item)
        return self._cache.get(self._front + item % len(self))

    def __len__(self) -> int:
        """Entries in the log, the base included if there is one."""
        return self._map.last_index + 1 - self._front

    @property
    def _front(self) -> int:
        """Log index of position 0."""
        return self._map.base_index or 1

    def _destroy(self) -> None:
        """Nothing: RaftLog closes the journal it opened."""

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:  # noqa: N802, N803  # library's
        """Not stored: what is committed is learned again from a leader."""

    def getRaftCommitIndex(self) -> int:  # noqa: N802  # the library's name
        """Entry 1 is in every log, so it is committed, and so is the base; more is not known at a
        start.
        """
        return self._front

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
    def is_joining(self) -> bool:
        """Whether this node must not vote yet: it has not seen what the one before it had."""
        return self._vote.is_joining

    def end_joining(self) -> None:
        """It has: from now on it is a voter like the others. On disk when this returns."""
        try:
            self._vote.end_joining()
        except OSError as error:
            self._on_fatal("vote_io_error", str(error))

    @property
    def base_index(self) -> int:
        """The log begins behind this entry, which is in a snapshot; 0 for a whole log."""
        return self._map.base_index

    @property
    def base_term(self) -> int:
        """Term of that entry."""
        return self._map.base_term

    @property
    def first_index(self) -> int:
        """Index of the first entry that is here, or will be."""
        return self._map.base_index + 1

    @property
    def last_index(self) -> int:
        """Index of the last entry; the base, or 0, when there is none."""
        return self._map.last_index

    @property
    def end(self) -> LogEnd:
        """Term and index of the last entry."""
        return LogEnd(self._map.last_term, self._map.last_index)

    @property
    def bytes_used(self) -> int:
        """Bytes written to segments that are here."""
        return self._writer.bytes_used

    @property
    def is_dirty(self) -> bool:
        """Whether something was added since the last `sync`."""
        return self._writer.is_dirty

    @property
    def position(self) -> tuple[int, int]:
        """Segment and offset at which the next record is written."""
        return self._writer.number, self._writer.offset

    @property
    def fault(self) -> str | None:
        """Why no further segment could be made, e.g. a full disk."""
        return self._maker.fault

    @property
    def is_low(self) -> bool:
        """The disk has no space for the next segment or the reserve. Ends by itself."""
        return self._maker.is_low

    @property
    def has_reserve(self) -> bool:
        """Whether, while `is_low`, `allow_reserve` would still give room for something."""
        return self._writer.has_reserve

    def allow_reserve(self, allowed: bool) -> None:  # noqa: FBT001  # the one thing it says
        """Whether entries are still taken while `is_low`: into what is left of this segment, the
        next one if there is one, and the reserve.
        """
        self._writer.allow_reserve(allowed)

    def term_at(self, log_index: int) -> int:
        """Term of an entry that exists, or of the base. Raises: ReplicationError before it."""
        return self._map.term_at(log_index)

    def first_of_term_at(self, log_index: int) -> int:
        """Index of the first entry here that has the term of `log_index`."""
        return self._map.first_of_term_at(log_index)

    def has_room(self, length: int) -> bool:
        """Whether an entry of `length` bytes can be added now. Not while `is_low`, unless
        `allow_reserve`; and never what is kept for truncations and a new leader's no-op.
        """
        return self._writer.has_room(length)

    def entries(self, from_index: int, count: int, bytes_max: int) -> list[Entry]:
        """Up to `count` entries from `from_index`, at least one if it exists, in all at most
        about `bytes_max` bytes; from memory or else from disk, checked.

        Raises: ReplicationError when `from_index` is not behind the base: only a snapshot has it.
        """
        if from_index <= self._map.base_index:
            raise ReplicationError(
                f"entry {from_index} is asked for, the log begins behind {self._map.base_index}"
            )
        result: list[Entry] = []
        size = 0
        last = min(from_index + count - 1, self._map.last_index)
        while from_index <= last:
            for entry in self._cache.run(from_index, last):
                size += len(entry[0])
                if result and size > bytes_max:
                    return result
                result.append(entry)
            from_index = result[-1][1] + 1
        return result

    def truncate_from(self, log_index: int) -> None:
        """Drop `log_index` and everything behind it, by a record that says so."""
        last, log = log_index - 1, self._map
        if not max(1, log.base_index) <= last <= log.last_index:
            self._on_fatal("journal_misuse", f"truncation to {last} of {log.last_index}")
        self._writer.write(b"", log_index=last, term=0, kind=fmt.KIND_TRUNCATION)
        self._cache.truncate(last)
        log.truncate(last)
        self._last = self._cache.get(last)

    def rebase(self, log_index: int, term: int) -> None:
        """Begin anew behind an entry that a durable snapshot covers: what is before it and what
        is behind it is dropped. On disk when this returns; term and vote stay as they are.
        """
        if log_index < max(1, self._map.base_index) or term > self._vote.term:
            self._on_fatal(
                "journal_misuse",
                f"base {log_index} of term {term} in a log that begins behind "
                f"{self._map.base_index}, in term {self._vote.term}",
            )
        self._writer.write(b"", log_index=log_index, term=term, kind=fmt.KIND_BASE)
        self._map.rebase(log_index, term)
        self._cache.rebase(log_index)
        self._last = self._cache.get(log_index)
        self.sync()

    def archive(self, folder: Path, up_to_index: int) -> list[Path]:
        """Move full segments, every entry of which is at or before `up_to_index`, to `folder`, and
        what an interrupted move left; returns where they are. The caller has a durable snapshot
        at or behind `up_to_index`.

        Raises: OSError when they cannot be moved now; the journal is whole in any case.
        """
        if up_to_index > self._map.last_index:
            self._on_fatal("journal_misuse", f"archive up to {up_to_index}, beyond the log")
        spans = self._writer.spans
        count = journal_archive.movable(spans, up_to_index)
        if not count and self._is_archived:
            return []
        try:
            journal_archive.make_folder(folder)
            if count:
                journal_archive.begin_with(self._folder, self._cluster_id, spans[count].number)
                self._forget_segments(count)
            moved = journal_archive.move_before(self._folder, spans[0].number, folder)
            sync_folder(folder)
            sync_folder(self._folder)
        except OSError as error:
            if error.errno == errno.EIO:
                self._on_fatal("journal_io_error", str(error))
            raise
        self._is_archived = True
        return moved

    def _forget_segments(self, count: int) -> None:
        """The log begins with a later segment, as soon as the folder says so durably."""
        self._is_archived = False
        spans = self._writer.spans
        old = [span.number for span in spans[:count]]
        del spans[:count]
        self._map.forget_to(max(self._map.base_index, spans[0].first_index - 1))
        self._cache.forget_to(self._map.base_index, old)
        sync_folder(self._folder)

    def sync(self) -> None:
        """Put everything added so far on disk (group commit)."""
        self._writer.sync()

    def close(self, *, clean: bool = True) -> None:
        """Give everything back; `clean=False` leaves the files as a killed process would."""
        self._maker.close()
        self._writer.close(clean=clean)
        self._vote.close()
        self._cache.close()
        os.close(self._lock_fd)


def _open_vote(folder: Path, cluster_id: int, found: Recovered) -> VoteFile:
    """Term and vote; they were stored before the first entry of their term could be."""
    vote = VoteFile(folder / "vote", cluster_id)
    if vote.term < found.map.last_term:
        vote.close()
        raise JournalDamagedError(
            found.map.first_of_term_at(found.map.last_index),
            f"the stored term {vote.term} is older than the log's",
        )
    return vote


__all__ = ["DiskJournal", "Entry", "JournalDamagedError", "JournalFullError"]
