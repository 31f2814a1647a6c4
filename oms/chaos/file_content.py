"""One file's bytes: what is synced, on the backing disk, and what is not, in memory.

Called by `file_tree.py`. Promises: the backing file holds what was synced and nothing else; `read`
shows what was written last; after `cut` the backing file is one that a disk may hold when the power
goes, drawn by the caller's generator: of every sector written since the last sync its old content
or any that it had since, and a size that the file had. What a truncation took away never comes
back in a file that is longer again: sizes change in order, sectors in any.
"""

import os
import random
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

SECTOR_BYTES: Final = 512
VERSIONS_MAX: Final = 8  # contents of a sector that are remembered; older ones are forgotten
SIZES_MAX: Final = 64
_ZEROS: Final = bytes(SECTOR_BYTES)
_NEVER: Final = 1 << 62


class Fate(Enum):
    """What becomes of a file's unsynced sectors."""

    OLD = auto()  # none is on disk
    NEW = auto()  # all are, as they were last
    PREFIX = auto()  # those up to some place in the file
    MIXED = auto()  # each as it falls


class Captured(NamedTuple):
    """What a sync that is under way will have put on disk when it is done."""

    stamp: int
    size: int
    sectors: dict[int, bytes]


class FileContent:
    """See the module's header. `stamp` counts the changes, so that their order is known."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = self._synced_size = os.fstat(fd).st_size
        self._stamp = self._synced_stamp = 0
        self._written: dict[int, list[tuple[int, bytes]]] = {}  # sector: (stamp, content), rising
        self._lost: dict[int, bytes] = {}  # a failed sync gave them up: seen, never on disk
        self._cuts: list[tuple[int, int]] = []  # (stamp, size): the file became shorter
        self._sizes: list[tuple[int, int]] = []  # (stamp, size) of every change of the size

    @property
    def unsynced(self) -> int:
        """Sectors that a sync would write."""
        return len(self._written)

    @property
    def is_synced(self) -> bool:
        """Nothing would be different after a sync."""
        return not (self._written or self._sizes)

    # ---- as the processes see it

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        end = min(offset + length, self.size)
        if end <= offset:
            return b""
        data = bytearray(os.pread(self.fd, end - offset, offset))
        data += bytes(end - offset - len(data))
        shortest = min((size for _, size in self._cuts), default=_NEVER)
        if shortest < end:
            first = max(shortest, offset)
            data[first - offset :] = bytes(end - first)
        self._overlay(data, offset, end)
        return bytes(data)

    def _overlay(self, data: bytearray, offset: int, end: int) -> None:
        first, last = offset // SECTOR_BYTES, (end - 1) // SECTOR_BYTES
        sectors: Iterable[int] = range(first, last + 1)
        if len(self._written) + len(self._lost) < last - first:
            sectors = [n for n in {**self._written, **self._lost} if first <= n <= last]
        for sector in sectors:
            if sector in self._written or sector in self._lost:
                start = sector * SECTOR_BYTES
                low, high = max(start, offset), min(start + SECTOR_BYTES, end)
                data[low - offset : high - offset] = self._now(sector)[low - start : high - start]

    def write(self, offset: int, data: memoryview) -> None:
        """Put bytes at `offset`."""
        if not data:
            return
        self._stamp += 1
        end = offset + len(data)
        position = offset
        while position < end:
            sector, skipped = divmod(position, SECTOR_BYTES)
            taken = min(SECTOR_BYTES - skipped, end - position)
            piece = bytes(data[position - offset : position - offset + taken])
            if taken < SECTOR_BYTES:
                before = self._now(sector)
                piece = before[:skipped] + piece + before[skipped + taken :]
            versions = self._written.setdefault(sector, [])
            versions.append((self._stamp, piece))
            if len(versions) > VERSIONS_MAX:
                del versions[0]
            position += taken
        if end > self.size:
            self._set_size(end)

    def resize(self, size: int) -> None:
        """Make the file shorter, or longer by zeros."""
        if size == self.size:
            return
        self._stamp += 1
        if size < self.size:
            self._cuts.append((self._stamp, size))
        self._set_size(size)

    def _set_size(self, size: int) -> None:
        self.size = size
        self._sizes.append((self._stamp, size))
        if len(self._sizes) > SIZES_MAX:
            del self._sizes[SIZES_MAX // 2]

    def _now(self, sector: int) -> bytes:
        versions = self._written.get(sector)
        if versions:
            stamp, data = versions[-1]
            return self._clip(sector, stamp, data)
        lost = self._lost.get(sector)
        return self._clip(sector, 0, self._on_disk(sector) if lost is None else lost)

    def _on_disk(self, sector: int) -> bytes:
        data = os.pread(self.fd, SECTOR_BYTES, sector * SECTOR_BYTES)
        return data + bytes(SECTOR_BYTES - len(data))

    def _clip(self, sector: int, stamp: int, data: bytes, before: int = _NEVER) -> bytes:
        """What the truncations after `stamp` and earlier than `before` left of a sector."""
        kept = min((size for at, size in self._cuts if stamp < at < before), default=_NEVER)
        kept -= sector * SECTOR_BYTES
        if kept >= SECTOR_BYTES:
            return data
        return _ZEROS if kept <= 0 else data[:kept] + bytes(SECTOR_BYTES - kept)

    # ---- as the disk sees it

    def capture(self) -> Captured:
        """What a sync that begins now is about."""
        return Captured(
            self._stamp, self.size, {sector: self._now(sector) for sector in self._written}
        )

    def finish(self, captured: Captured, losing: random.Random | None = None) -> None:
        """The sync is done. With `losing` it failed: as it falls sectors are not on disk, are seen
        nevertheless, and no later sync writes them unless they are written again; a kernel that
        reports a failed sync has marked its pages clean.
        """
        stamp = captured.stamp
        if stamp < self._synced_stamp:
            return  # a later sync was done sooner
        self._synced_stamp = stamp
        shortest = min((size for at, size in self._cuts if at <= stamp), default=_NEVER)
        lost = {} if losing is None else {
            sector: data for sector, data in captured.sectors.items() if losing.random() < 0.5
        }  # fmt: skip
        for sector in [n for n in self._lost if (n + 1) * SECTOR_BYTES > shortest]:
            self._lost[sector] = self._clip(sector, 0, self._lost[sector], stamp + 1)
        kept = {sector: data for sector, data in captured.sectors.items() if sector not in lost}
        self._store(captured.size, shortest, kept)
        for sector in captured.sectors:
            versions = self._written.pop(sector, [])  # none: an earlier sync has written it
            newer = [version for version in versions if version[0] > stamp]
            if newer:
                self._written[sector] = newer
            self._lost.pop(sector, None)
        self._lost.update(lost)
        self._cuts = [cut for cut in self._cuts if cut[0] > stamp]
        self._sizes = [size for size in self._sizes if size[0] > stamp]

    def _store(self, size: int, shortest: int, sectors: dict[int, bytes]) -> None:
        """Write to the backing file, neighbors together."""
        if shortest < self._synced_size:
            os.ftruncate(self.fd, shortest)
        if self._synced_size != size or shortest < size:
            os.ftruncate(self.fd, size)
        self._synced_size = size
        numbers = sorted(sectors)
        first = 0
        while first < len(numbers):
            behind = first + 1
            while behind < len(numbers) and numbers[behind] == numbers[behind - 1] + 1:
                behind += 1
            start = numbers[first] * SECTOR_BYTES
            data = b"".join([sectors[number] for number in numbers[first:behind]])
            if start < size:
                _write_all(self.fd, memoryview(data)[: size - start], start)
            first = behind

    def cut(self, fate: Fate, draw: random.Random) -> int:
        """The power goes: the backing file is what is left. Returns the sectors that changed."""
        states = [(0, self._synced_size), *self._sizes]
        if fate is Fate.OLD:
            at, size = states[0]
        elif fate is Fate.NEW:
            at, size = states[-1]
        else:
            at, size = draw.choice(states)
        before = min((stamp for stamp, _ in self._cuts if stamp > at), default=_NEVER)
        shortest = min((cut for stamp, cut in self._cuts if stamp < before), default=_NEVER)
        numbers = sorted(self._written)
        reached = draw.choice([*numbers, _NEVER]) if fate is Fate.PREFIX else 0
        kept: dict[int, bytes] = {}
        for sector in numbers:
            versions = [
                self._clip(sector, stamp, data, before)
                for stamp, data in self._written[sector]
                if stamp < before
            ]
            if fate is Fate.MIXED:
                chosen = draw.randrange(len(versions) + 1)
            else:
                chosen = len(versions) if fate is Fate.NEW or sector < reached else 0
            if chosen:
                kept[sector] = versions[chosen - 1]
        self._store(size, shortest, kept)
        return len(kept)

    def flip(self, bit: int) -> None:
        """Turn one bit of the backing file round; 0 is the lowest of the first byte."""
        offset = bit // 8
        (byte,) = os.pread(self.fd, 1, offset)
        os.pwrite(self.fd, bytes([byte ^ 1 << bit % 8]), offset)


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data = data[written:]
        offset += written
