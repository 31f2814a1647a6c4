"""A node's retained outputs: a flat file of event records, of the current trading day.

Called by the replica (append), by requests and the index (read). Record n is at byte (n - 1 - base)
x 128; the file of a day that is over goes to the archive whole (`roll`). Derived data: never synced
on the order path, cut back to the snapshot at start and filled again by the replay (RULES A8).
Promises: records are contiguous; what `read` returns was written; a full disk loses nothing, what
could not be written waits in memory. Must never be asked about an order's fate.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from oms.bounds import EVENT_BYTES, EVENTS_AHEAD_BYTES
from oms.messages.event_records import EVENT_DTYPE
from oms.node.event_file import EventFile, seq_at

FLUSH_BYTES: Final = 1 << 18  # a longer buffer is written to the file at once
_KEEP_SIZE: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class EventLog:
    """Append, cut and read event records by number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = _open(path)
        self.base = 0  # number of the last record before the file's first
        self.event_seq = 0  # number of the last record, buffered ones included
        self.missing_to = 0  # records (base, missing_to] are to be fetched from other nodes
        # crc32 of the trading day's records up to event_seq, as they were made: taken from the
        # file, it would vouch for whatever happened to the file since. Set by snapshots.py, which
        # knows where the day begins.
        self.day_crc = 0
        self._file_seq = 0
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._map: mmap.mmap | None = None
        self._mapped_seq = 0
        self._allocated_bytes = 0
        self._is_allocated = self._is_flushed = True
        self._take_in()

    def _take_in(self) -> None:
        """What the file holds; one that is torn is emptied, because it is derived."""
        file = EventFile(os.dup(self._fd))
        is_whole = file.has(file.base + 1) and file.has(file.event_seq)
        base, event_seq = file.base, file.event_seq
        file.close()
        self.base = base if is_whole else 0
        self.event_seq = self._file_seq = event_seq if is_whole else 0
        self._cut()

    def _cut(self) -> None:
        os.ftruncate(self._fd, (self._file_seq - self.base) * EVENT_BYTES)
        self._map, self._mapped_seq = None, 0
        self._allocated_bytes = 0
        self.allocate()

    # ---- where it begins and ends

    @property
    def folder(self) -> Path:
        """The node's folder."""
        return self._path.parent

    @property
    def missing(self) -> int:
        """Records that are to be fetched from other nodes."""
        return max(0, self.missing_to - self.base)

    @property
    def first_present(self) -> int:
        """Number of the first record that can be read."""
        return max(self.base, self.missing_to) + 1

    def file(self) -> EventFile:
        """The file as it is now, for another thread: it outlives a roll. The caller closes it."""
        self.flush()
        return EventFile(os.dup(self._fd), self.base, self._file_seq, node=self.folder)

    def truncate(self, event_seq: int) -> None:
        """Forget every record above `event_seq` (at least base). Only before the first read."""
        self.flush()
        self.event_seq = self._file_seq = event_seq
        self._cut()

    def begin_at(self, base: int, *, missing_to: int = 0) -> None:
        """Empty: the next record is the one behind `base`, or behind those that are missing."""
        self._buffer.clear()
        self._buffered_bytes = 0
        self.base = base
        self.missing_to = missing_to
        self.event_seq = self._file_seq = base
        self._cut()
        if missing_to > base:
            os.ftruncate(self._fd, (missing_to - base) * EVENT_BYTES)
            self.event_seq = self._file_seq = missing_to

    def replace_by(self, path: Path) -> None:
        """Take a file of the archive back as the current one. Raises: OSError."""
        self._buffer.clear()
        self._buffered_bytes = 0
        path.rename(self._path)
        os.close(self._fd)
        self._fd = _open(self._path)
        self._take_in()

    def roll(self, archived: Path) -> None:
        """A day is over: its file goes to `archived`, an empty one follows. Raises: OSError, and
        then this file goes on.
        """
        self.flush()
        if self._file_seq != self.event_seq:
            raise OSError(errno.ENOSPC, "the day's records are not all in the file")
        archived.parent.mkdir(parents=True, exist_ok=True)
        made = self._path.with_suffix(".next")
        fd = _open(made)
        size = (self._file_seq - self.base) * EVENT_BYTES
        try:
            os.ftruncate(fd, 0)
            os.ftruncate(self._fd, size)  # gives back what was allocated ahead
            self._path.rename(archived)
            try:
                made.rename(self._path)
            except OSError:
                archived.rename(self._path)
                raise
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd = fd
        self.base = self._file_seq = self.event_seq
        self._cut()

    # ---- writing

    def append(self, data: bytes) -> None:
        """Add records. Raises: ValueError when they do not follow the last one."""
        if seq_at(data) != self.event_seq + 1:
            msg = f"event {seq_at(data)} does not follow event {self.event_seq}"
            raise ValueError(msg)
        self._buffer.append(data)
        self._buffered_bytes += len(data)
        self.event_seq += len(data) // EVENT_BYTES
        self.day_crc = zlib.crc32(data, self.day_crc)
        if self._buffered_bytes >= FLUSH_BYTES and self._is_flushed:  # else tried now and then
            self.flush()

    def flush(self) -> None:
        """Hand buffered records to the operating system, a bounded piece at a time. What a full
        disk does not take stays in the buffer (`has_room` is False). Raises: OSError for any other
        fault.
        """
        if not self._buffer:
            return
        while self._buffer:
            count = size = 0
            while count < len(self._buffer) and size < FLUSH_BYTES:
                size += len(self._buffer[count])
                count += 1
            data = self._buffer[0] if count == 1 else b"".join(self._buffer[:count])
            offset = (self._file_seq - self.base) * EVENT_BYTES
            try:
                _write_all(self._fd, memoryview(data), offset)
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                    raise
                self._is_flushed = False
                return
            del self._buffer[:count]
            self._buffered_bytes -= size
            self._file_seq += size // EVENT_BYTES
        self._is_flushed = True
        if self._is_allocated:
            self.allocate()

    def fill(self, from_event_seq: int, data: bytes) -> None:
        """Put fetched records into their place. Raises: OSError."""
        _write_all(self._fd, memoryview(data), (from_event_seq - 1 - self.base) * EVENT_BYTES)

    def filled(self) -> None:
        """All that was missing is there and was checked."""
        self.missing_to = 0

    def allocate(self) -> None:
        """Take room on the disk ahead; without it there is none (`has_room`)."""
        used = (self._file_seq - self.base) * EVENT_BYTES
        if self._allocated_bytes - used < EVENTS_AHEAD_BYTES // 2:
            length = EVENTS_AHEAD_BYTES
            if _libc.fallocate(self._fd, _KEEP_SIZE, used, length):
                number = ctypes.get_errno()
                self._is_allocated = number not in {errno.ENOSPC, errno.EDQUOT}
                return
            self._allocated_bytes = used + length
        self._is_allocated = True

    @property
    def has_room(self) -> bool:
        """There is room ahead, and nothing waits for room."""
        return self._is_allocated and self._is_flushed

    # ---- reading

    @property
    def readable_seq(self) -> int:
        """Number of the last record in the file; less than `event_seq` on a full disk only."""
        self.flush()
        return self._file_seq

    def read(self, from_event_seq: int, count: int) -> bytes:
        """Return up to `count` records from `from_event_seq` (at least `first_present`) on."""
        count = min(count, self.readable_seq - from_event_seq + 1)
        if count <= 0 or from_event_seq < self.first_present:
            return b""
        offset = (from_event_seq - 1 - self.base) * EVENT_BYTES
        return os.pread(self._fd, count * EVENT_BYTES, offset)

    def records(self) -> npt.NDArray[np.void]:
        """Every record, as a read-only view on the file; record n is at n - 1 - base."""
        count = self.readable_seq - self.base
        if count == 0:
            return np.empty(0, EVENT_DTYPE)
        if self._map is None or self._mapped_seq != self._file_seq:
            self._map = mmap.mmap(self._fd, count * EVENT_BYTES, mmap.MAP_SHARED, mmap.PROT_READ)
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
        """Write what is buffered, give back what was allocated ahead and close the file."""
        self.flush()
        self._map = None
        with contextlib.suppress(OSError):  # at the end of the process; the file stays right
            os.ftruncate(self._fd, os.fstat(self._fd).st_size)
        os.close(self._fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data = data[written:]
        offset += written
