"""Reads a node's journal and changes nothing: for operators, also while the node runs.

Called by the offline verbs over the log (oms/node/log_replay.py, `oms log`). With the archive given
its segments, of days that are over, and the journal's are one log here. Promises: no lock is taken
and no byte is written; every check of a start is made (journal_recovery.py), record by record, the
first entry in doubt is named, and what stands before it can still be read. What a running node is
writing at the moment is never taken for damage: before anything is called damaged it is read once
more; and what it archives meanwhile is looked for in its new place.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from oms.config import SettingsError
from oms.replication import journal_format as fmt
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_archive import find_segments
from oms.replication.journal_map import unpack_position
from oms.replication.journal_recovery import Recovered

OnProgress = Callable[[int, int], None]  # done, of how many in all

OWN_TYPE: Final = b"\x20"  # first byte of a payload that is a batch; others are the library's
PROGRESS_RECORDS: Final = 8_192
_ATTEMPTS: Final = 3


def no_progress(_done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of the log; `batch` is empty for the library's own."""

    log_index: int
    term: int
    batch: bytes
    is_ours: bool
    segment: int
    offset: int


class JournalReader:
    """The log as it stood when this was made; later entries are not seen."""

    def __init__(
        self,
        folder: Path,
        *,
        cluster_id: int,
        node_id: str,
        archive: Path | None = None,
        on_progress: OnProgress = no_progress,
    ) -> None:
        """Read and check everything; `on_progress` counts bytes, `damage` says what is wrong.
        `archive` holds a folder for each day that is over; without it only the journal is read,
        as a start of the node does.

        Raises: SettingsError (no journal, or another node's).
        """
        self._folder = folder
        self._archive = archive
        self._owner = (cluster_id, node_id)
        self._on_progress = on_progress
        self._fd, self._fd_number = -1, 0
        self.damage: JournalDamagedError | None = None  # of the first entry that is in doubt
        self._forget()
        try:
            self._read_all()
        except JournalDamagedError as error:
            self.damage = error
        except OSError as error:
            raise _unreadable(folder, error.strerror or str(error)) from error

    def _forget(self) -> None:
        """Nothing was read yet."""
        self._paths: dict[int, Path] = {}
        self._found = Recovered()
        self._data = b""  # of the segment read last
        self._bytes_done = self._bytes_total = 0
        self.truncations = 0
        self.bases = 0  # how often the log began anew behind a snapshot

    # ---- what was found

    @property
    def base_index(self) -> int:
        """The log begins behind this entry; 0 when all of it is here."""
        return self._found.map.base_index

    @property
    def first_index(self) -> int:
        """Index of the first entry."""
        return self._found.map.base_index + 1

    @property
    def last_index(self) -> int:
        """Index of the last entry; the base, or 0, when there is none."""
        return self._found.map.last_index

    @property
    def last_term(self) -> int:
        """Term of the last entry."""
        return self._found.map.last_term

    @property
    def records(self) -> int:
        """Entries, truncations and bases since the first day, those given up included."""
        return self._found.records

    @property
    def segments(self) -> int:
        """Segments in use, archived ones included."""
        return len(self._found.spans)

    @property
    def archived_segments(self) -> int:
        """Those of them that are in the archive."""
        return sum(self._paths[span.number].parent != self._folder for span in self._found.spans)

    @property
    def unfinished_bytes(self) -> int:
        """Behind the last whole record, and covered by no sync: being written, or torn."""
        if not self._found.spans:
            return 0
        return max(0, len(self._data.rstrip(b"\0")) - self._found.span.end)

    def entries(self, from_index: int = 1, to_index: int | None = None) -> Iterator[JournalEntry]:
        """Entries of a range, both ends included, as far as there are any.

        Raises: JournalDamagedError when one is not any more what it was.
        """
        last = self.last_index if to_index is None else min(to_index, self.last_index)
        for log_index in range(max(self.first_index, from_index), last + 1):
            yield self._entry(log_index)

    def close(self) -> None:
        """Close the segment that is open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the scan

    def _read_all(self) -> None:
        """Without the archive, what a running node archives meanwhile is gone: begin again."""
        for _ in range(_ATTEMPTS - 1):
            try:
                self._read_once()
            except FileNotFoundError:
                self._forget()
            else:
                return
        self._read_once()

    def _read_once(self) -> None:
        # The mark before the segments: what it calls synced must be whole in what is read after.
        mark = self._folder / "mark"
        synced = fmt.unpack_mark(mark.read_bytes(), self._owner[0]) if mark.exists() else 0
        if not self._folder.is_dir():
            raise _unreadable(self._folder, "there is no such folder")
        self._paths = find_segments(self._folder, self._owner[0], self._archive)
        numbers = list(self._paths)
        self._bytes_total = sum(self._path(number).stat().st_size for number in numbers)
        for number in numbers:
            data, header = self._read_segment(number)
            if header is None:
                break
            if self._found.spans:
                self._check_joined(header)
            self._found.begin(header)
            self._data = data
            self._walk()
            self._bytes_done += len(data)
        self._check_unused(numbers)
        self._check_end(synced)
        self._on_progress(self._bytes_total, self._bytes_total)

    def _path(self, number: int) -> Path:
        """Where a segment is now: a running node may have archived it since it was found."""
        if not self._paths[number].exists():
            self._paths = self._paths | find_segments(self._folder, self._owner[0], self._archive)
        return self._paths[number]

    def _read_segment(self, number: int) -> tuple[bytes, fmt.SegmentHeader | None]:
        data = self._path(number).read_bytes()
        try:
            header = fmt.unpack_segment_header(data)
        except ValueError:
            data = self._path(number).read_bytes()
            try:
                header = fmt.unpack_segment_header(data)
            except ValueError as error:
                raise self._found.damaged(f"segment {number}: {error}") from None
        if header is not None:
            self._check_owner(header)
        elif not self._found.spans:
            raise self._found.damaged("the first segment has no header")
        return data, header

    def _check_owner(self, header: fmt.SegmentHeader) -> None:
        if (header.cluster_id, header.node_id) != self._owner:
            raise SettingsError(
                what=f"the journal in {self._folder} is not this node's",
                why=(
                    f"it belongs to node {header.node_id} of cluster {header.cluster_id:016x}, "
                    f"this is node {self._owner[1]} of cluster {self._owner[0]:016x}"
                ),
                do="name the folder and the node that belong together",
                read="docs/operating.md, The log",
            )

    def _walk(self) -> None:
        """Take every whole record from where the last walk ended."""
        view = memoryview(self._data)
        found, span, count = self._found, self._found.span, 0
        while True:
            record = fmt.read_record(view, span.end, found.chain)
            if record is None or not found.take(record):
                return
            self.truncations += record.kind == fmt.KIND_TRUNCATION
            self.bases += record.kind == fmt.KIND_BASE
            span.end += fmt.record_bytes(record.length)
            count += 1
            if count % PROGRESS_RECORDS == 0:
                self._on_progress(self._bytes_done + span.end, self._bytes_total)

    def _walk_again(self) -> None:
        """Read the segment once more and go on: a running node may have written behind the end."""
        self._data = self._path(self._found.span.number).read_bytes()
        self._walk()

    def _check_joined(self, header: fmt.SegmentHeader) -> None:
        """A segment is begun after the one before was synced whole."""
        if not self._is_joined(header):
            self._walk_again()
        if not self._is_joined(header):
            span = self._found.span
            raise self._found.damaged(
                f"segment {span.number} does not join segment {span.number + 1}: "
                f"record {self._found.records + 1} at offset {span.end} is not whole"
            )

    def _is_joined(self, header: fmt.SegmentHeader) -> bool:
        return self._found.is_joined(header) and not self.unfinished_bytes

    def _check_unused(self, numbers: list[int]) -> None:
        used = self._found.span.number
        for number in (number for number in numbers if number > used + 1):
            if _is_used(self._path(number)) and not _is_used(self._path(used + 1)):
                raise self._found.damaged(f"segment {number} is used, the one before is not")

    def _check_end(self, synced: int) -> None:
        """Nothing that a sync is known to have covered may be missing at the end."""
        if max(synced, self._proof()) > self._found.records:
            synced = max(synced, self._proof())
            self._walk_again()
        if synced > self._found.records:
            raise self._found.damaged(
                f"record {self._found.records + 1} in segment {self._found.span.number} at offset "
                f"{self._found.span.end} is not whole, though {synced} records had been synced"
            )

    def _proof(self) -> int:
        return fmt.later_proof_of_sync(self._data, self._found.span.end)

    # ---- entries

    def _entry(self, log_index: int) -> JournalEntry:
        number, offset = unpack_position(self._found.map.position_of(log_index))
        try:
            if number != self._fd_number:
                self.close()
                self._fd = os.open(self._path(number), os.O_RDONLY | os.O_CLOEXEC)
                self._fd_number = number
            header = os.pread(self._fd, fmt.RECORD_HEADER_BYTES, offset)
            length = fmt.RECORD_HEADER_BYTES + fmt.payload_length(header)
            found = fmt.entry_at(os.pread(self._fd, length, offset), 0, log_index)
        except OSError as error:
            raise _unreadable(self._folder, error.strerror or str(error)) from error
        if found is None:
            raise JournalDamagedError(log_index, f"changed in segment {number} at offset {offset}")
        payload, term = found
        is_ours = payload[:1] == OWN_TYPE
        batch = payload[1:] if is_ours else b""
        return JournalEntry(log_index, term, batch, is_ours, number, offset)


def _is_used(segment: Path) -> bool:
    with segment.open("rb") as file:
        return any(file.read(fmt.SEGMENT_HEADER_BYTES))


def _unreadable(folder: Path, why: str) -> SettingsError:
    return SettingsError(
        what=f"cannot read the journal in {folder}",
        why=why,
        do="name the data folder of a venue and one of its nodes",
        read="docs/operating.md, The log",
    )
