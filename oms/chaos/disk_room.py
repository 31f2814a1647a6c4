"""Room on the forgetful file system: how much is left, and which blocks are a file's already.

Called by `file_tree.py` and `forgetful_fs.py`. Promises: writing into blocks that a file has takes
no room, so a file that was allocated can be filled on a full disk; what is taken away from a file
is room again. Without a limit the backing disk's own room is told.
"""

import errno
import os
from typing import Final

BLOCK_BYTES: Final = 4096


class Extents:
    """Which blocks a file has: [first, behind) in order, no two of them touch."""

    def __init__(self) -> None:
        self._runs: list[tuple[int, int]] = []

    @property
    def blocks(self) -> int:
        """How many."""
        return sum(behind - first for first, behind in self._runs)

    def add(self, offset: int, length: int) -> int:
        """Have the blocks of these bytes; returns how many are new."""
        before = self.blocks
        self._runs = self._with(offset, length)
        return self.blocks - before

    def missing(self, offset: int, length: int) -> int:
        """How many blocks of these bytes the file does not have."""
        first, behind = _blocks(offset, length)
        if any(run[0] <= first and behind <= run[1] for run in self._runs):
            return 0
        return sum(run[1] - run[0] for run in self._with(offset, length)) - self.blocks

    def remove(self, offset: int) -> int:
        """Give back all blocks that begin at or behind `offset`; returns how many they were."""
        before = self.blocks
        limit = -(-offset // BLOCK_BYTES)
        self._runs = [(first, min(behind, limit)) for first, behind in self._runs if first < limit]
        return before - self.blocks

    def _with(self, offset: int, length: int) -> list[tuple[int, int]]:
        first, behind = _blocks(offset, length)
        apart = [run for run in self._runs if run[1] < first or behind < run[0]]
        for run in self._runs:
            if run not in apart:
                first, behind = min(first, run[0]), max(behind, run[1])
        return sorted([*apart, (first, behind)]) if first < behind else apart


class DiskRoom:
    """What is left of the disk; `left` is None as long as nobody limits it."""

    def __init__(self) -> None:
        self.left: int | None = None  # blocks

    def take(self, blocks: int) -> None:
        """Use blocks. Raises: OSError ENOSPC, and then none is used."""
        if self.left is None or blocks == 0:
            return
        if blocks > self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= blocks

    def give(self, blocks: int) -> None:
        """They are free again."""
        if self.left is not None:
            self.left += blocks


def _blocks(offset: int, length: int) -> tuple[int, int]:
    return offset // BLOCK_BYTES, -(-(offset + length) // BLOCK_BYTES)
