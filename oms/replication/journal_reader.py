"""Reads a node's journal and changes nothing: for operators, also while the node runs.

Called by the offline verbs over the log (oms/node/log_replay.py, `oms log`). Promises: no lock is
taken and no byte is written; every check of a start is made (journal_recovery.py), the first entry
in doubt is named, and what stands before it can still be read. What a running node is writing at
the moment is never taken for damage: before anything is called damaged it is read once more.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from oms.config import SettingsError
from oms.replication import journal_format as fmt
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_recovery import Recovered
from oms.replication.segment_maker import segment_path

OnProgress = Callable[[int, int], None]  # done, of how many in all

OWN_TYPE: Final = b"\x20"  # first byte of a payload that is a batch; others are the library's
PROGRESS_RECORDS: Final = 8_192
_OFFSET_MASK: Final = 0xFF_FFFF_FFFF
_SEGMENT_SHIFT: Final = 40


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
        self, folder: Path, *, cluster_id: int, node_id: str, on_progress: OnProgress = no_progress
    ) -> None:
        """Read and check everything; `on_progress` counts bytes, `damage` says what is wrong.

        Raises: SettingsError (no journal, or another node's).
        """
        self._folder = folder
        self._owner = (cluster_id, node_id)
        self._found = Recovered()
        self._data = b""  # of the segment read last
        self._end = fmt.SEGMENT_HEADER_BYTES  # where its whole records end
        self._on_progress = on_progress
        self._bytes_done = self._bytes_total = 0
        self._fd, self._fd_number = -1, 0
        self.truncations = 0
        self.damage: JournalDamagedError | None = None  # of the first entry that is in doubt
        try:
            self._read_all()
        except JournalDamagedError as error:
            self.damage = error
        except OSError as error:
            raise _unreadable(folder, error.strerror or str(error)) from error

    # ---- what was found

    @property
    def last_index(self) -> int:
        """Index of the last entry, 0 for an empty log."""
        return len(self._found.positions)

    @property
    def last_term(self) -> int:
        """Term of the last entry."""
        return self._found.term_values[-1] if self._found.term_values else 0

    @property
    def records(self) -> int:
        """Entries and truncations, those given up included."""
        return self._found.records

    @property
    def segments(self) -> int:
        """Segments in use."""
        return self._found.number

    @property
    def unfinished_bytes(self) -> int:
        """Behind the last whole record, and covered by no sync: being written, or torn."""
        return max(0, len(self._data.rstrip(b"\0")) - self._end)

    def entries(self, from_index: int = 1, to_index: int | None = None) -> Iterator[JournalEntry]:
        """Entries of a range, both ends included, as far as there are any.

        Raises: JournalDamagedError when one is not any more what it was.
        """
        last = self.last_index if to_index is None else min(to_index, self.last_index)
        for log_index in range(max(1, from_index), last + 1):
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
        # The mark before the segments: what it calls synced must be whole in what is read after.
        mark = self._folder / "mark"
        synced = fmt.unpack_mark(mark.read_bytes(), self._owner[0]) if mark.exists() else 0
        if not self._folder.is_dir():
            raise _unreadable(self._folder, "there is no such folder")
        numbers = sorted(int(path.name[-8:]) for path in self._folder.glob("segment-????????"))
        if not numbers or numbers != list(range(1, len(numbers) + 1)):
            raise self._found.damaged(
                f"segments missing in {self._folder}: there are {numbers or 'none'}"
            )
        self._bytes_total = sum(segment_path(self._folder, n).stat().st_size for n in numbers)
        for number in numbers:
            data, header = self._read_segment(number)
            if header is None:
                break
            if number > 1:
                self._check_joined(header)
            self._found.number, self._data = number, data
            self._end = fmt.SEGMENT_HEADER_BYTES
            self._walk()
            self._bytes_done += len(data)
        self._check_unused(numbers)
        self._check_end(synced)
        self._on_progress(self._bytes_total, self._bytes_total)

    def _read_segment(self, number: int) -> tuple[bytes, fmt.SegmentHeader | None]:
        path = segment_path(self._folder, number)
        data = path.read_bytes()
        try:
            header = fmt.unpack_segment_header(data)
        except ValueError:
            data = path.read_bytes()
            try:
                header = fmt.unpack_segment_header(data)
            except ValueError as error:
                raise self._found.damaged(f"segment {number}: {error}") from None
        if header is not None:
            self._check_owner(header)
        elif number == 1:
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
        found, count = self._found, 0
        while True:
            record = fmt.read_record(view, self._end, found.chain)
            if record is None or not found.take(record, found.number):
                return
            self.truncations += record.kind == fmt.KIND_TRUNCATION
            self._end += fmt.record_bytes(record.length)
            count += 1
            if count % PROGRESS_RECORDS == 0:
                self._on_progress(self._bytes_done + self._end, self._bytes_total)

    def _walk_again(self) -> None:
        """Read the segment once more and go on: a running node may have written behind the end."""
        self._data = segment_path(self._folder, self._found.number).read_bytes()
        self._walk()

    def _check_joined(self, header: fmt.SegmentHeader) -> None:
        """A segment is begun after the one before was synced whole."""
        if not self._is_joined(header):
            self._walk_again()
        if not self._is_joined(header):
            number = self._found.number
            raise self._found.damaged(
                f"segment {number} does not join segment {number + 1}: "
                f"record {self._found.records + 1} at offset {self._end} is not whole"
            )

    def _is_joined(self, header: fmt.SegmentHeader) -> bool:
        found = self._found
        expected = (found.number + 1, len(found.positions) + 1, found.records, found.chain)
        actual = (header.number, header.first_index, header.records_before, header.chain)
        return expected == actual and not self.unfinished_bytes

    def _check_unused(self, numbers: list[int]) -> None:
        used = self._found.number
        for number in numbers[used + 1 :]:
            if _is_used(self._folder, number) and not _is_used(self._folder, used + 1):
                raise self._found.damaged(f"segment {number} is used, the one before is not")

    def _check_end(self, synced: int) -> None:
        """Nothing that a sync is known to have covered may be missing at the end."""
        if max(synced, self._proof()) > self._found.records:
            synced = max(synced, self._proof())
            self._walk_again()
        if synced > self._found.records:
            raise self._found.damaged(
                f"record {self._found.records + 1} in segment {self._found.number} at offset "
                f"{self._end} is not whole, though {synced} records had been synced"
            )

    def _proof(self) -> int:
        return fmt.later_proof_of_sync(self._data, self._end)

    # ---- entries

    def _entry(self, log_index: int) -> JournalEntry:
        position = self._found.positions[log_index - 1]
        number, offset = position >> _SEGMENT_SHIFT, position & _OFFSET_MASK
        try:
            if number != self._fd_number:
                self.close()
                path = segment_path(self._folder, number)
                self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._fd_number = number
            header = os.pread(self._fd, fmt.RECORD_HEADER_BYTES, offset)
            length = fmt.payload_length(header)
            payload = os.pread(self._fd, length, offset + fmt.RECORD_HEADER_BYTES)
        except OSError as error:
            raise _unreadable(self._folder, error.strerror or str(error)) from error
        if not fmt.payload_matches(header, log_index, payload):
            raise JournalDamagedError(log_index, f"changed in segment {number} at offset {offset}")
        is_ours = payload[:1] == OWN_TYPE
        batch = payload[1:] if is_ours else b""
        return JournalEntry(log_index, fmt.record_term(header), batch, is_ours, number, offset)


def _is_used(folder: Path, number: int) -> bool:
    with segment_path(folder, number).open("rb") as file:
        return any(file.read(fmt.SEGMENT_HEADER_BYTES))


def _unreadable(folder: Path, why: str) -> SettingsError:
    return SettingsError(
        what=f"cannot read the journal in {folder}",
        why=why,
        do="name the data folder of a venue and one of its nodes",
        read="docs/operating.md, The log",
    )
