"""What a journal's files say when a node starts: walk, check, and cut a torn tail.

Called by journal.py before anything is appended. Promises: every byte that matters is checked; a
record that was once known to be on disk and is not whole now is damage and is refused with its
index; only what no sync ever covered, at the very end, is cut off (and zeroed, so that nothing
stale is left behind the end). Full segments are checked by one checksum each if they have an index
(journal_index.py), and else record by record, as the last one always is. The log begins with the
lowest segment that is not archived: what its header says of those before it is believed.
"""

import os
import zlib
from pathlib import Path

from oms.config import SettingsError
from oms.replication import journal_format as fmt
from oms.replication import journal_index
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_archive import check_numbers, first_segment
from oms.replication.journal_index import SegmentIndex
from oms.replication.journal_map import FIRST_VERSION_WITH_TERM, LogMap, Span, pack_position
from oms.replication.segment_maker import remove_unfinished, segment_numbers, segment_path


class Recovered:
    """The state of a journal after its last whole record."""

    def __init__(self) -> None:
        self.map = LogMap()
        self.spans: list[Span] = []
        self.chain = 0
        self.records = 0
        self.segment_crc = 0  # of the last segment up to its end
        self.unindexed: list[SegmentIndex] = []  # full segments whose index must be written

    @property
    def span(self) -> Span:
        """The segment written last."""
        return self.spans[-1]

    def begin(self, header: fmt.SegmentHeader) -> None:
        """Enter a segment; the first one says where the log begins. Raises: JournalDamagedError."""
        span = Span(header.number, header.version, header.first_index, header.term_before)
        if not self.spans:
            if not span.may_be_first:
                raise self.damaged(f"segments missing: the first one is {header.number}")
            self.map.rebase(header.first_index - 1, header.term_before)
            self.records, self.chain = header.records_before, header.chain
        self.spans.append(span)

    def take(self, record: fmt.Record) -> bool:
        """Apply one record; False when it does not follow from those before."""
        log, span = self.map, self.spans[-1]
        if record.kind == fmt.KIND_ENTRY:
            if record.log_index != log.last_index + 1:
                return False
            log.append(pack_position(span.number, record.offset), record.term)
        elif record.kind == fmt.KIND_TRUNCATION:
            if not max(1, log.base_index) <= record.log_index <= log.last_index:
                return False
            log.truncate(record.log_index)
            span.note_end(record.log_index)
        elif record.kind == fmt.KIND_BASE:
            if record.log_index < log.base_index:
                return False
            log.rebase(record.log_index, record.term)
            span.note_end(record.log_index, record.term)
        else:
            return False
        self.chain = record.chain
        self.records += 1
        return True

    def take_index(self, index: SegmentIndex) -> bool:
        """Apply a whole segment; False when it does not follow from those before."""
        log, span = self.map, self.spans[-1]
        if index.base is not None:
            log.rebase(*index.base)
        elif not log.base_index <= index.kept <= log.last_index:
            return False
        else:
            log.truncate(index.kept)
        log.extend(index.positions, index.runs)
        span.lowest, span.base, span.end = index.lowest, index.base, index.end
        self.records, self.chain = index.records_after, index.chain
        return True

    def walk(self, data: bytes | bytearray) -> None:
        """Take every whole record from where the last walk of this segment ended."""
        view, span = memoryview(data), self.spans[-1]
        while True:
            record = fmt.read_record(view, span.end, self.chain)
            if record is None or not self.take(record):
                return
            span.end += fmt.record_bytes(record.length)

    def is_joined(self, header: fmt.SegmentHeader) -> bool:
        """Whether a segment goes on where the last one ends."""
        log, version = self.map, header.version
        term = log.last_term if version >= FIRST_VERSION_WITH_TERM else header.term_before
        return (
            header.number, header.first_index, header.records_before, header.chain,
            header.term_before,
        ) == (self.span.number + 1, log.last_index + 1, self.records, self.chain, term)  # fmt: skip

    def damaged(self, reason: str) -> JournalDamagedError:
        """The refusal, at the first entry that is in doubt."""
        return JournalDamagedError(self.map.last_index + 1, reason)


def index_of(
    log: LogMap, span: Span, *, cluster_id: int, segment: tuple[int, int], records: int, chain: int
) -> SegmentIndex:
    """The index of a segment that is full now; `segment` is its size and its checksum."""
    kept = span.base[0] if span.base is not None else min(span.first_index - 1, span.lowest)
    return SegmentIndex(
        cluster_id=cluster_id, number=span.number, segment_bytes=segment[0],
        segment_crc=segment[1], end=span.end, records_after=records, chain=chain,
        lowest=span.lowest, kept=kept, base=span.base, runs=log.runs_behind(kept),
        positions=log.positions_behind(kept),
    )  # fmt: skip


def recover(folder: Path, *, cluster_id: int, node_id: str) -> Recovered:
    """Read the journal in `folder`, and make its end clean. Raises: SettingsError,
    JournalDamagedError.
    """
    remove_unfinished(folder)
    found, data, synced = _scan(folder, cluster_id, node_id)
    _cut(found, folder, data, synced)
    found.segment_crc = zlib.crc32(memoryview(data)[: found.span.end])
    return found


def base_of(folder: Path, *, cluster_id: int, node_id: str) -> int:
    """The index behind which the log in `folder` begins; nothing is changed, not even a torn end.
    For what must be known before the journal is opened. Raises: as `recover`.
    """
    return _scan(folder, cluster_id, node_id)[0].map.base_index


def _scan(folder: Path, cluster_id: int, node_id: str) -> tuple[Recovered, bytes, int]:
    """All that is whole; the last used segment's bytes; what the mark calls synced."""
    found = Recovered()
    first = first_segment(folder, cluster_id)
    numbers = [number for number in segment_numbers(folder) if number >= first]
    check_numbers(folder, numbers, first)
    synced = _read_mark(folder, cluster_id)
    heads = [_head(folder, number) for number in numbers]
    data = b""
    for number, head, following in zip(numbers, heads, [*heads[1:], b""], strict=True):
        header = _header(found, head, number)
        if header is None:
            break
        check_owner(folder, header, cluster_id=cluster_id, node_id=node_id)
        if found.spans and not found.is_joined(header):
            raise found.damaged(f"segment {number - 1} does not join segment {number}")
        found.begin(header)
        if any(following):
            _take_full(found, folder, cluster_id)
        else:
            data = segment_path(folder, number).read_bytes()
            found.walk(data)
    for number, head in zip(numbers, heads, strict=True):
        if number > found.span.number and any(head):
            raise found.damaged(f"segment {number} is used, the one before is not")
    return found, data, synced


def check_start(base_index: int, last_index: int, start_index: int) -> None:
    """A snapshot of `start_index` and the log must meet. Raises: JournalDamagedError."""
    if start_index < base_index:
        raise JournalDamagedError(
            start_index + 1,
            f"the log begins behind {base_index}, the newest snapshot that can be used covers "
            f"{start_index}: put back a snapshot of {base_index} or later and the outputs it "
            "relies on, or let a new node take this one's place (docs/operating.md)",
        )
    if start_index > max(1, last_index):
        raise JournalDamagedError(
            last_index + 1,
            f"it ends there, the snapshot covers {start_index}: acknowledged entries are gone; "
            "let a new node take this one's place (docs/operating.md)",
        )


def check_owner(folder: Path, header: fmt.SegmentHeader, *, cluster_id: int, node_id: str) -> None:
    """Another node's or cluster's journal is refused. Raises: SettingsError."""
    if (header.cluster_id, header.node_id) != (cluster_id, node_id):
        raise SettingsError(
            what=f"the journal in {folder} is not this node's",
            why=(
                f"it belongs to node {header.node_id} of cluster {header.cluster_id:016x}, "
                f"this is node {node_id} of cluster {cluster_id:016x}"
            ),
            do="point the node at its own folder; never copy one node's journal to another",
            read="docs/operating.md, When something does not start",
        )


def _read_mark(folder: Path, cluster_id: int) -> int:
    path = folder / "mark"
    return fmt.unpack_mark(path.read_bytes(), cluster_id) if path.exists() else 0


def _head(folder: Path, number: int) -> bytes:
    with segment_path(folder, number).open("rb") as file:
        return file.read(fmt.SEGMENT_HEADER_BYTES)


def _header(found: Recovered, head: bytes, number: int) -> fmt.SegmentHeader | None:
    try:
        header = fmt.unpack_segment_header(head)
    except ValueError as error:
        raise found.damaged(f"segment {number}: {error}") from None
    if header is None and not found.spans:
        raise found.damaged("the first segment has no header")
    if header is not None and header.number != number:
        raise found.damaged(f"segment {number} does not join: it calls itself {header.number}")
    return header


def _take_full(found: Recovered, folder: Path, cluster_id: int) -> None:
    """A segment that another follows: by its index, or by a walk, which names the damage."""
    span = found.span
    path = segment_path(folder, span.number)
    data = path.read_bytes()
    crc = zlib.crc32(data)
    index = journal_index.read(path, cluster_id, span.number)
    if index is not None and (index.segment_bytes, index.segment_crc) == (len(data), crc):
        if not found.take_index(index):
            raise found.damaged(f"segment {span.number} does not follow from those before it")
        return
    found.walk(data)
    if len(data.rstrip(b"\0")) > span.end:
        raise found.damaged(
            f"segment {span.number} does not join segment {span.number + 1}: the record at "
            f"offset {span.end} is not whole"
        )
    found.unindexed.append(
        index_of(
            found.map, span, cluster_id=cluster_id, segment=(len(data), crc),
            records=found.records, chain=found.chain,
        )
    )  # fmt: skip


def _cut(found: Recovered, folder: Path, data: bytes, synced: int) -> None:
    """Judge what stands behind the last whole record: nothing, a torn tail, or damage."""
    end = found.span.end
    synced = max(synced, fmt.later_proof_of_sync(data, end))
    if synced > found.records:
        raise found.damaged(
            f"record {found.records + 1} in segment {found.span.number} at offset {end} is not "
            f"whole, though {synced} records had been synced"
        )
    stale = len(data.rstrip(b"\0"))
    if stale > end:
        fd = os.open(segment_path(folder, found.span.number), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(fd, bytes(stale - end), end)
            os.fsync(fd)
        finally:
            os.close(fd)
