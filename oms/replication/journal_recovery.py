"""What a journal's files say when a node starts: walk, check, and cut a torn tail.

Called by journal.py before anything is appended. Promises: every byte that matters is checked; a
record that was once known to be on disk and is not whole now is damage and is refused with its
index; only what no sync ever covered, at the very end, is cut off (and zeroed, so that nothing
stale is left behind the end).
"""

import os
from array import array
from pathlib import Path
from typing import Final

from oms.config import SettingsError
from oms.replication import journal_format as fmt
from oms.replication.errors import JournalDamagedError
from oms.replication.segment_maker import remove_unfinished, segment_path

_POSITION_BITS: Final = 40


class Recovered:
    """The state of a journal after its last whole record."""

    def __init__(self) -> None:
        self.positions: array[int] = array("Q")  # of entry i+1: segment << 40 | offset
        self.term_starts: list[int] = []  # first index of each run of one term
        self.term_values: list[int] = []
        self.chain = 0
        self.records = 0
        self.number = 0  # the segment written last
        self.offset = 0  # where its next record goes
        self.full_bytes = 0  # in the segments before it

    def take(self, record: fmt.Record, number: int) -> bool:
        """Apply one record; False when it does not follow from those before."""
        last = len(self.positions)
        if record.kind == fmt.KIND_TRUNCATION:
            if not 1 <= record.log_index <= last:
                return False
            del self.positions[record.log_index :]
            while self.term_starts and self.term_starts[-1] > record.log_index:
                self.term_starts.pop()
                self.term_values.pop()
        else:
            if record.log_index != last + 1:
                return False
            self.positions.append(number << _POSITION_BITS | record.offset)
            if not self.term_values or self.term_values[-1] != record.term:
                self.term_starts.append(record.log_index)
                self.term_values.append(record.term)
        self.chain = record.chain
        self.records += 1
        return True

    def damaged(self, reason: str) -> JournalDamagedError:
        """The refusal, at the first entry that is in doubt."""
        return JournalDamagedError(len(self.positions) + 1, reason)


def recover(folder: Path, *, cluster_id: int, node_id: str) -> Recovered:
    """Read the journal in `folder`. Raises: SettingsError, JournalDamagedError."""
    remove_unfinished(folder)
    found = Recovered()
    numbers = sorted(int(path.name[-8:]) for path in folder.glob("segment-????????"))
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise found.damaged(f"segments missing in {folder}: there are {numbers or 'none'}")
    synced = _read_mark(folder, cluster_id)
    end = 0  # where the last used segment's whole records end
    data = b""
    for number in numbers:
        following = segment_path(folder, number).read_bytes()
        header = _header(found, following, number)
        if header is None:
            break
        _check_owner(folder, header, cluster_id=cluster_id, node_id=node_id)
        if number > 1:
            _check_closed(found, data, end, header)
            found.full_bytes += end
        data, found.number = following, number
        end = _walk(found, data, number)
    for number in numbers[found.number + 1 :]:
        if any(segment_path(folder, number).read_bytes()[: fmt.SEGMENT_HEADER_BYTES]):
            raise found.damaged(f"segment {number} is used, the one before is not")
    _cut(found, folder, data, end, synced)
    found.offset = end
    return found


def _read_mark(folder: Path, cluster_id: int) -> int:
    path = folder / "mark"
    return fmt.unpack_mark(path.read_bytes(), cluster_id) if path.exists() else 0


def _header(found: Recovered, data: bytes, number: int) -> fmt.SegmentHeader | None:
    try:
        header = fmt.unpack_segment_header(data)
    except ValueError as error:
        raise found.damaged(f"segment {number}: {error}") from None
    if header is None and number == 1:
        raise found.damaged("the first segment has no header")
    return header


def _check_owner(folder: Path, header: fmt.SegmentHeader, *, cluster_id: int, node_id: str) -> None:
    if (header.cluster_id, header.node_id) != (cluster_id, node_id):
        raise SettingsError(
            what=f"the journal in {folder} is not this node's",
            why=(
                f"it belongs to node {header.node_id} of cluster {header.cluster_id:016x}, "
                f"this is node {node_id} of cluster {cluster_id:016x}"
            ),
            do="point the node at its own folder; never copy one node's journal to another",
            read="docs/operating.md",
        )


def _check_closed(found: Recovered, data: bytes, end: int, header: fmt.SegmentHeader) -> None:
    """The segment before a used one was synced whole: its end must be where it said."""
    expected = (found.number + 1, len(found.positions) + 1, found.records, found.chain)
    actual = (header.number, header.first_index, header.records_before, header.chain)
    if expected != actual or len(data.rstrip(b"\0")) > end:
        raise found.damaged(f"segment {found.number} does not join segment {found.number + 1}")


def _walk(found: Recovered, data: bytes, number: int) -> int:
    """Take every whole record; returns the offset behind the last one."""
    view = memoryview(data)
    offset = fmt.SEGMENT_HEADER_BYTES
    while True:
        record = fmt.read_record(view, offset, found.chain)
        if record is None or not found.take(record, number):
            return offset
        offset += fmt.record_bytes(record.length)


def _cut(found: Recovered, folder: Path, data: bytes, end: int, synced: int) -> None:
    """Judge what stands behind the last whole record: nothing, a torn tail, or damage."""
    synced = max(synced, fmt.later_proof_of_sync(data, end))
    if synced > found.records:
        raise found.damaged(
            f"record {found.records + 1} in segment {found.number} at offset {end} is not whole, "
            f"though {synced} records had been synced"
        )
    stale = len(data.rstrip(b"\0"))
    if stale > end:
        fd = os.open(segment_path(folder, found.number), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(fd, bytes(stale - end), end)
            os.fsync(fd)
        finally:
            os.close(fd)
