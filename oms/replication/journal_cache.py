"""Entries by log index: the newest from memory, older ones read back from the segments, checked.

Called by journal.py. Promises: at most about `memory_bytes_max` of entries in memory; an entry that
is read back is the one that was written, or the process ends.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from oms.replication import journal_format as fmt
from oms.replication.journal_map import LogMap, unpack_position
from oms.replication.segment_maker import segment_path

Entry = tuple[bytes, int, int]  # command, log_index, term: the order PySyncObj wants

ENTRY_OVERHEAD_BYTES: Final = 194  # what an entry costs in memory beside its bytes
_OPEN_SEGMENTS_MAX: Final = 16
_RUN_BYTES_MAX: Final = 1 << 18
_LAST_BYTES: Final = 4_096  # read for the last entry of a run, whose length is not known yet


class EntryCache:
    """What can be read of the log; `log` says where it is."""

    def __init__(
        self,
        folder: Path,
        log: LogMap,
        memory_bytes_max: int,
        *,
        on_fatal: Callable[[str, str], NoReturn],
    ) -> None:
        self._folder = folder
        self._log = log
        self._memory_bytes_max = memory_bytes_max
        self._on_fatal = on_fatal
        self._fds: dict[int, int] = {}  # by segment
        self._memory: dict[int, Entry] = {}  # from `_low` to the end
        self._bytes = 0
        self._low = log.last_index + 1

    def get(self, log_index: int) -> Entry:
        """An entry that exists; for the base, one without a command."""
        if log_index >= self._low:
            return self._memory[log_index]
        if log_index == self._log.base_index:
            return (b"", log_index, self._log.base_term)
        number, offset = unpack_position(self._log.position_of(log_index))
        header = self._pread(number, fmt.RECORD_HEADER_BYTES, offset)
        length = fmt.RECORD_HEADER_BYTES + fmt.payload_length(header)
        found = fmt.entry_at(self._pread(number, length, offset), 0, log_index)
        if found is None:
            self._on_fatal("journal_damaged", f"entry {log_index} changed on disk")
        return (found[0], log_index, found[1])

    def run(self, first: int, last: int) -> list[Entry]:
        """Entries that exist from `first` on, at least one and none behind `last`: as many as one
        read of a segment gives. A start reads its whole log through here.
        """
        if first >= self._low:
            return [self._memory[log_index] for log_index in range(first, last + 1)]
        position_of = self._log.position_of
        last = min(last, self._low - 1)
        number, offset = unpack_position(position_of(first))
        last_number, last_offset = unpack_position(position_of(last))
        length = _RUN_BYTES_MAX
        if last_number == number:
            length = min(length, last_offset - offset + _LAST_BYTES)
        data = self._pread(number, length, offset)
        entries: list[Entry] = []
        for log_index in range(first, last + 1):
            place_number, place = unpack_position(position_of(log_index))
            found = fmt.entry_at(data, place - offset, log_index)
            if found is None or place_number != number:
                break
            entries.append((found[0], log_index, found[1]))
        return entries or [self.get(first)]

    def _pread(self, number: int, length: int, offset: int) -> bytes:
        try:
            return os.pread(self._fd(number), length, offset)
        except OSError as error:
            self._on_fatal("journal_io_error", str(error))

    def put(self, entry: Entry) -> None:
        """The newest entry; older ones give way."""
        self._memory[entry[1]] = entry
        self._bytes += len(entry[0]) + ENTRY_OVERHEAD_BYTES
        while self._bytes > self._memory_bytes_max and len(self._memory) > 1:
            self._drop(self._low)
            self._low += 1

    def warm_up(self) -> Entry | None:
        """Take the last entry into memory: it is asked for at every step."""
        last = self._log.last_index
        if not last:
            return None
        entry = self.get(last)
        if last > self._log.base_index:
            self._low = last
            self.put(entry)
        return entry

    def truncate(self, last_index: int) -> None:
        """Forget what is behind `last_index`."""
        for log_index in range(max(last_index + 1, self._low), self._low + len(self._memory)):
            self._drop(log_index)
        self._low = min(self._low, last_index + 1)

    def rebase(self, log_index: int) -> None:
        """Forget everything; the next entry is the one behind `log_index`."""
        self._memory.clear()
        self._bytes = 0
        self._low = log_index + 1

    def forget_to(self, log_index: int, numbers: list[int]) -> None:
        """Forget entries up to `log_index`, and the segments `numbers`, which moved away."""
        while self._memory and self._low <= log_index:
            self._drop(self._low)
            self._low += 1
        self._low = max(self._low, log_index + 1)
        for number in numbers:
            fd = self._fds.pop(number, None)
            if fd is not None:
                os.close(fd)

    def close(self) -> None:
        """Close the segments that are open."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def _drop(self, log_index: int) -> None:
        self._bytes -= len(self._memory.pop(log_index)[0]) + ENTRY_OVERHEAD_BYTES

    def _fd(self, number: int) -> int:
        fd = self._fds.get(number)
        if fd is None:
            while len(self._fds) >= _OPEN_SEGMENTS_MAX:
                os.close(self._fds.pop(next(iter(self._fds))))
            fd = os.open(segment_path(self._folder, number), os.O_RDONLY | os.O_CLOEXEC)
            self._fds[number] = fd
        return fd
