"""The journal's end: the segment that is open, what is appended to it, and when it is on disk.

Called by journal.py. Promises: a record is written whole behind the one before, or the process
ends; a full segment is synced before the next one is begun, and the next one's header before its
first record, so only the last segment can have a torn end. An error of a write or sync is never
tried again.
"""

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from oms.replication import journal_format as fmt
from oms.replication.errors import JournalFullError
from oms.replication.journal_index import SegmentIndex
from oms.replication.journal_map import LogMap, Span
from oms.replication.journal_recovery import Recovered, index_of
from oms.replication.segment_maker import SegmentMaker, segment_path

_MARGIN_BYTES: Final = 4096  # of each segment: for no-ops, truncations and bases alone
_SMALL_ENTRY_BYTES: Final = 256  # of one command, with its record
_REWRITE_BYTES: Final = 1 << 20  # at a time

OnFatal = Callable[[str, str], NoReturn]


class JournalWriter:
    """Appends records; `map` is the log they make, changed by the caller after each."""

    def __init__(
        self,
        folder: Path,
        found: Recovered,
        maker: SegmentMaker,
        *,
        cluster_id: int,
        node_id: str,
        on_fatal: OnFatal,
    ) -> None:
        """Go on where the last segment ends. Raises: OSError."""
        self._folder = folder
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._on_fatal = on_fatal
        self._maker = maker
        self._map: LogMap = found.map
        self.spans: list[Span] = found.spans
        self.chain, self.records = found.chain, found.records
        self._synced_records = found.records
        self.number, self.offset = found.span.number, found.span.end
        self._crc = found.segment_crc  # of this segment up to `offset`, as it was written
        self.fd = os.open(segment_path(folder, self.number), os.O_RDWR | os.O_CLOEXEC)
        self._put_on_disk()
        self.capacity = os.fstat(self.fd).st_size
        self._plan_next()
        self._mark_fd = os.open(folder / "mark", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._write_mark()
        self.is_dirty = False
        self._may_use_reserve = False
        for index in found.unindexed:
            maker.write_index(index)

    @property
    def span(self) -> Span:
        """The segment that is open."""
        return self.spans[-1]

    @property
    def bytes_used(self) -> int:
        """Bytes written to the segments that are here."""
        return sum(span.end for span in self.spans[:-1]) + self.offset

    def write(self, payload: bytes, *, log_index: int, term: int, kind: int) -> int:
        """Append a record; returns its offset in the segment `number`. Raises: JournalFullError."""
        size = fmt.record_bytes(len(payload))
        if self.offset + size > self.capacity:
            self._next_segment()
        header, self.chain = fmt.pack_record_header(
            self.chain,
            log_index=log_index,
            term=term,
            synced_records=self._synced_records,
            kind=kind,
            payload=payload,
        )
        try:
            written = os.pwritev(self.fd, (header, payload), self.offset)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
        if written != len(header) + len(payload):
            self._on_fatal("journal_io_error", f"short write of {written} bytes")
        self._crc = zlib.crc32(payload, zlib.crc32(header, self._crc))
        self._crc = zlib.crc32(fmt.padding(len(payload)), self._crc)
        offset = self.offset
        self.records += 1
        self.offset += size
        self.is_dirty = True
        if kind != fmt.KIND_ENTRY:
            self.span.note_end(log_index, term if kind == fmt.KIND_BASE else None)
        if self.offset > self._request_at:
            self._is_next_ready(hurry=self.offset > self._hurry_at)
        return offset

    def has_room(self, length: int) -> bool:
        """Whether an entry of `length` bytes can be added now without touching what is kept for
        what must be written nevertheless. A disk without space says no before anything is full:
        what is left is for when `allow_reserve` was called.
        """
        self._check_maker()
        if self._maker.is_low and not self._may_use_reserve:
            return False
        needed = self.offset + fmt.record_bytes(length) + _MARGIN_BYTES
        return needed <= self.capacity or self._is_next_ready(hurry=True)

    @property
    def has_reserve(self) -> bool:
        """Whether anything is left to write to while the disk has no space."""
        if self._maker.has_reserve or (self._is_next_requested and self._maker.is_ready):
            return True
        return self.offset + _SMALL_ENTRY_BYTES + _MARGIN_BYTES <= self.capacity

    def allow_reserve(self, allowed: bool) -> None:  # noqa: FBT001  # the one thing it says
        """Whether what is left may be used while the disk has no space."""
        if allowed != self._may_use_reserve:
            self._may_use_reserve = allowed
            self._maker.allow_reserve(allowed)

    def sync(self) -> None:
        """Put everything added so far on disk (group commit)."""
        if not self.is_dirty:
            return
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
        self.is_dirty = False
        self._synced_records = self.records
        self._write_mark()

    def close(self, *, clean: bool) -> None:
        """Give the descriptors back; `clean=False` leaves the files as a killed process would."""
        if clean:
            self.sync()
            os.fsync(self._mark_fd)
        os.close(self.fd)
        os.close(self._mark_fd)

    def _put_on_disk(self) -> None:
        """Write again what was read back, and sync it, for replies will promise that it is on disk.
        A killed process leaves records that are only in the kernel's memory; and those of a sync
        that failed the kernel takes for written, so that a sync alone would not write them.
        """
        for offset in range(0, self.offset, _REWRITE_BYTES):
            length = min(_REWRITE_BYTES, self.offset - offset)
            os.pwrite(self.fd, os.pread(self.fd, length, offset), offset)
        os.fdatasync(self.fd)

    def _plan_next(self) -> None:
        """From where on the next segment is made, and from where on in a hurry: not earlier, for
        filling it competes with the syncs of every node on the same disk.
        """
        self._request_at = self.capacity // 2
        self._hurry_at = self.capacity * 3 // 4
        self._is_next_requested = False

    def _is_next_ready(self, *, hurry: bool) -> bool:
        """Whether the next segment may be begun; asks for it the first time."""
        if not self._is_next_requested:
            self._is_next_requested = True
            self._maker.request(self.number + 1)
        if hurry:
            self._maker.hurry()
        return self._maker.is_ready

    def _next_segment(self) -> None:
        """Close the full segment durably, then start the prepared one durably: recovery relies
        on every segment but the last being whole and on headers never being torn.
        """
        self._check_maker()
        if not self._is_next_ready(hurry=True):
            reason = self._maker.fault or "the next segment is still being made"
            raise JournalFullError(reason)
        self.sync()
        full = self._index()
        number, log = self.number + 1, self._map
        header = fmt.SegmentHeader(
            fmt.SEGMENT_VERSION, fmt.DURABILITY_DISK, self._cluster_id, self._node_id, number,
            log.last_index + 1, self.records, self.chain, log.last_term,
        )  # fmt: skip
        packed = fmt.pack_segment_header(header)
        try:
            fd = os.open(segment_path(self._folder, number), os.O_RDWR | os.O_CLOEXEC)
            os.pwrite(fd, packed, 0)
            os.fdatasync(fd)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
        os.close(self.fd)
        self.spans.append(Span(number, header.version, header.first_index, header.term_before))
        self.fd, self.number = fd, number
        self.offset, self.capacity = fmt.SEGMENT_HEADER_BYTES, os.fstat(fd).st_size
        self._crc = zlib.crc32(packed)
        self._plan_next()
        self._maker.write_index(full)  # not earlier: a segment is full once another was begun

    def _check_maker(self) -> None:
        if self._maker.broken is not None:
            self._on_fatal("journal_io_error", self._maker.broken)

    def _index(self) -> SegmentIndex:
        """Of the segment that is open and full."""
        self.span.end = self.offset
        crc = zlib.crc32(bytes(self.capacity - self.offset), self._crc)
        return index_of(
            self._map, self.span, cluster_id=self._cluster_id, segment=(self.capacity, crc),
            records=self.records, chain=self.chain,
        )  # fmt: skip

    def _write_mark(self) -> None:
        try:
            os.pwrite(self._mark_fd, fmt.pack_mark(self._cluster_id, self._synced_records), 0)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))
