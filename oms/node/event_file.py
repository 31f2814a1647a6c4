"""One file of event records, read only: the current day's, or that of a day in the archive.

Called by the snapshot's helper thread, by a start, by replays of older days and by the offline
verbs. The file says itself where it begins: its first record has a number, and record n stands at
(n - 1 - base) x 128. Promises: no byte is written; a record that is not in its place is not read.
"""

import contextlib
import os
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from oms.bounds import EVENT_BYTES

EVENTS: Final = "events.log"
ARCHIVE: Final = "archive"
CRC_RECORDS: Final = 8_192  # read at a time for the checksum
_SEQ_OFFSET: Final = 8
_TOPIC_OFFSET: Final = 24


def seq_at(data: bytes, offset: int = 0) -> int:
    """event_seq of a record."""
    return int.from_bytes(data[offset + _SEQ_OFFSET : offset + _SEQ_OFFSET + 8], "little")


def topic_seq_at(record: bytes) -> int:
    """topic_seq of a record; 0 when it has none."""
    return int.from_bytes(record[_TOPIC_OFFSET : _TOPIC_OFFSET + 8], "little")


class EventFile:
    """Records (base, event_seq] of a file; what is written behind its end later is not seen."""

    def __init__(
        self,
        fd: int,
        base: int | None = None,
        event_seq: int | None = None,
        *,
        node: Path | None = None,
    ) -> None:
        """Owns `fd`. Base and end are looked up in the file unless the caller knows them. `node`:
        the folder of the node whose current file it is.
        """
        self._fd = fd
        self._node = node
        size = os.fstat(fd).st_size
        first = os.pread(fd, EVENT_BYTES, 0)
        if base is None and not seq_at(first):
            size = 0  # a hole: what belongs there is being fetched
        self.base = max(0, seq_at(first) - 1) if base is None and first else base or 0
        self.event_seq = self.base + size // EVENT_BYTES if event_seq is None else event_seq
        self.odd_bytes = size % EVENT_BYTES

    @classmethod
    def open(cls, path: Path) -> "EventFile":
        """Raises: OSError."""
        return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def has(self, event_seq: int) -> bool:
        """Whether the file reaches to `event_seq` and holds that record in its place."""
        if event_seq == self.base:
            return True
        record = self.read(event_seq, 1)
        return len(record) == EVENT_BYTES and seq_at(record) == event_seq

    def read(self, from_event_seq: int, count: int) -> bytes:
        """Records from that number on, as far as there are any."""
        count = min(count, self.event_seq - from_event_seq + 1)
        if count <= 0 or from_event_seq <= self.base:
            return b""
        offset = (from_event_seq - 1 - self.base) * EVENT_BYTES
        return os.pread(self._fd, count * EVENT_BYTES, offset)

    def crc(self, after: int, event_seq: int, crc: int = 0) -> int | None:
        """crc32 of the records (after, event_seq], going on from `crc`; None when one lacks."""
        if after < self.base or event_seq > self.event_seq:
            return None
        at = after
        while at < event_seq:
            data = self.read(at + 1, min(CRC_RECORDS, event_seq - at))
            if not data or len(data) % EVENT_BYTES:
                return None
            crc = zlib.crc32(data, crc)
            at += len(data) // EVENT_BYTES
        return crc

    def sync(self) -> None:
        """Put on disk what the file holds. If it is a node's current one, its name too, and the
        file of the day before: both were renamed at the change of day. Raises: OSError.
        """
        os.fdatasync(self._fd)
        if self._node is None:
            return
        for path in islice(archived(self._node), 1):
            with contextlib.suppress(FileNotFoundError):  # taken away meanwhile
                _sync(path)
                _sync(path.parent)
                _sync(path.parent.parent)
        _sync(self._node)

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


def _sync(path: Path) -> None:
    """A file's bytes, or a folder's names."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def archived(node: Path) -> Iterator[Path]:
    """Event files of days that are over, the newest first; `node` is the node's folder."""
    yield from sorted((node / ARCHIVE).glob(f"*/{EVENTS}"), reverse=True)


def read_archived(node: Path, from_event_seq: int, count: int) -> bytes:
    """Records of days that are over, from one day at a time; empty when no file has them."""
    for path in archived(node):
        try:
            file = EventFile.open(path)
        except FileNotFoundError:
            continue  # taken away meanwhile
        try:
            if file.base < from_event_seq <= file.event_seq:
                return file.read(from_event_seq, count)
        finally:
            file.close()
    return b""


class AllEvents:
    """Every record that a node has kept, of all days, as one: the archive and the current file.

    What is behind the end of the current file when this is made is not looked at.
    """

    def __init__(self, current: Path) -> None:
        """`current` is the node's events.log, which need not be there. Raises: OSError."""
        paths = [*reversed(list(archived(current.parent))), current]
        self._files = [(path, EventFile.open(path)) for path in paths if path.exists()]
        self._current = current
        self.event_seq = max((file.event_seq for _, file in self._files), default=0)
        self.odd_bytes = self._files[-1][1].odd_bytes if self._files else 0

    def file_of(self, event_seq: int) -> tuple[Path, EventFile] | None:
        """Where a record is; the newest file that has it."""
        for path, file in reversed(self._files):
            if file.base < event_seq <= file.event_seq:
                return path, file
        return None

    def read(self, from_event_seq: int, count: int) -> bytes:
        """Records as far as there are any."""
        data = b""
        while count > 0:
            found = self.file_of(from_event_seq)
            if found is None:
                break
            part = found[1].read(from_event_seq, count)
            if not part:
                break
            data += part
            from_event_seq += len(part) // EVENT_BYTES
            count -= len(part) // EVENT_BYTES
        return data

    def place(self, event_seq: int) -> str:
        """Where a record is, for people."""
        found = self.file_of(event_seq)
        if found is None:
            return f"event {event_seq}"
        path, file = found
        name = path.relative_to(self._current.parent)
        return f"event {event_seq}, byte {(event_seq - 1 - file.base) * EVENT_BYTES} of {name}"

    def crc(self, after: int, event_seq: int) -> int | None:
        """crc32 of the records (after, event_seq] of one day; None when one lacks."""
        if after == event_seq:
            return 0
        for _, file in reversed(self._files):
            if file.base <= after and event_seq <= file.event_seq:
                return file.crc(after, event_seq)
        return None

    def close(self) -> None:
        """Close the files."""
        for _, file in self._files:
            file.close()
