"""A node's retained outputs: a flat file of event records, event_seq n at byte (n - 1) x 128.

Called by the replica (append), by requests and the index (read). Derived data: never synced on the
order path, cut back to the snapshot at start and filled again by the replay (RULES A8). Promises:
records are contiguous; what `read` returns was written. Must never be asked about an order's fate.
"""

import mmap
import os
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from oms.bounds import EVENT_BYTES
from oms.messages.records import EVENT_DTYPE

FLUSH_BYTES: Final = 1 << 18  # a longer buffer is written to the file at once
CRC_RECORDS: Final = 8_192  # read at a time for the checksum
_SEQ_OFFSET: Final = 8


def _seq_at(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset + _SEQ_OFFSET : offset + _SEQ_OFFSET + 8], "little")


class EventLog:
    """Append, cut and read event records by number."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        size = os.fstat(self._fd).st_size
        self.event_seq = size // EVENT_BYTES  # number of the last record, buffered ones included
        self._file_seq = self.event_seq
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._map: mmap.mmap | None = None
        self._mapped_seq = 0
        self._crc = self._crc_seq = 0  # crc32 of the records up to that number
        if size % EVENT_BYTES:
            os.ftruncate(self._fd, self.event_seq * EVENT_BYTES)
        if not self._is_numbered(self.event_seq):
            self.truncate(0)

    def _is_numbered(self, event_seq: int) -> bool:
        """Whether the record of that number is in its place; a torn file is not trusted."""
        if event_seq == 0:
            return True
        record = os.pread(self._fd, EVENT_BYTES, (event_seq - 1) * EVENT_BYTES)
        return len(record) == EVENT_BYTES and _seq_at(record, 0) == event_seq

    def has(self, event_seq: int) -> bool:
        """Whether the file reaches to `event_seq` and holds that record in its place."""
        return event_seq <= self.event_seq and self._is_numbered(event_seq)

    def crc(self, event_seq: int) -> int:
        """crc32 of every record up to `event_seq`, read from the file; goes on where it stood.

        For whoever takes or restores snapshots, one at a time; the loop may append meanwhile.
        """
        if event_seq < self._crc_seq:
            self._crc = self._crc_seq = 0
        while self._crc_seq < event_seq:
            count = min(CRC_RECORDS, event_seq - self._crc_seq)
            data = os.pread(self._fd, count * EVENT_BYTES, self._crc_seq * EVENT_BYTES)
            if len(data) != count * EVENT_BYTES:
                msg = f"the event log ends before event {event_seq}"
                raise OSError(msg)
            self._crc = zlib.crc32(data, self._crc)
            self._crc_seq += count
        return self._crc

    def truncate(self, event_seq: int) -> None:
        """Forget every record above `event_seq`. Only before the first read."""
        self.flush()
        self._map = None
        self._mapped_seq = 0
        os.ftruncate(self._fd, event_seq * EVENT_BYTES)
        self.event_seq = self._file_seq = event_seq
        if event_seq < self._crc_seq:
            self._crc = self._crc_seq = 0

    def append(self, data: bytes) -> None:
        """Add records. Raises: ValueError when they do not follow the last one."""
        if _seq_at(data, 0) != self.event_seq + 1:
            msg = f"event {_seq_at(data, 0)} does not follow event {self.event_seq}"
            raise ValueError(msg)
        self._buffer.append(data)
        self._buffered_bytes += len(data)
        self.event_seq += len(data) // EVENT_BYTES
        if self._buffered_bytes >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand buffered records to the operating system. Raises: OSError."""
        if not self._buffer:
            return
        data = memoryview(b"".join(self._buffer))
        offset = self._file_seq * EVENT_BYTES
        while data:
            written = os.pwrite(self._fd, data, offset)
            data = data[written:]
            offset += written
        self._buffer.clear()
        self._buffered_bytes = 0
        self._file_seq = self.event_seq

    def fileno(self) -> int:
        """Descriptor, so that a snapshot's helper thread can sync what it relies on."""
        return self._fd

    def read(self, from_event_seq: int, count: int) -> bytes:
        """Return up to `count` records from `from_event_seq` (at least 1) on."""
        self.flush()
        count = min(count, self.event_seq - from_event_seq + 1)
        if count <= 0:
            return b""
        return os.pread(self._fd, count * EVENT_BYTES, (from_event_seq - 1) * EVENT_BYTES)

    def records(self) -> npt.NDArray[np.void]:
        """Every record, as a read-only view on the file; record n is at n - 1."""
        self.flush()
        if self._file_seq == 0:
            return np.empty(0, EVENT_DTYPE)
        if self._map is None or self._mapped_seq != self._file_seq:
            self._map = mmap.mmap(
                self._fd, self._file_seq * EVENT_BYTES, mmap.MAP_SHARED, mmap.PROT_READ
            )
            self._mapped_seq = self._file_seq
        return np.frombuffer(self._map, EVENT_DTYPE)

    def gather(self, positions: npt.NDArray[np.int64]) -> bytes:
        """Copy the records at these positions (0-based), whole: a copy of the structured view would
        leave reserved bytes undefined.
        """
        if len(positions) == 0:
            return b""
        return self.records().view(f"V{EVENT_BYTES}")[positions].tobytes()

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self.flush()
        self._map = None
        os.close(self._fd)
