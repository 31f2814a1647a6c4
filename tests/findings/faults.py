"""What happens to a disk: the process dies between two writes, the power goes, a bit flips.

Used by test_disk.py. Python-level patches of this process only; the patch fixture takes them back.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from pysyncobj import journal as library_journal

P = ParamSpec("P")
R = TypeVar("R")

_STEPS = ("pwrite", "pwritev", "fsync", "fdatasync", "rename", "replace", "link", "unlink")


class Killed(BaseException):
    """The process ends here; nobody catches it."""


class Failpoints:
    """Every step that changes a disk is counted; the chosen one does not happen any more."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seen = 0
        self.fatal = 0  # 0: none
        for name in _STEPS:
            patch.setattr(os, name, self._counted(getattr(os, name)))
        mapped = library_journal.ResizableFile  # the library writes to mapped memory
        patch.setattr(mapped, "write", self._counted(mapped.write))

    def arm(self, fatal: int) -> None:
        """Die instead of the step of this number, counted from 1."""
        self.seen, self.fatal = 0, fatal

    def disarm(self) -> None:
        """A new process: nothing is in its way."""
        self.fatal = 0

    def _counted(self, call: Callable[P, R]) -> Callable[P, R]:
        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            if self.fatal:
                self.seen += 1
                if self.seen >= self.fatal:
                    raise Killed
            return call(*args, **kwargs)

        return counted


class Platters:
    """What has really reached the disk: each file as it was when it was last synced."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.synced: dict[int, bytes] = {}
        patch.setattr(os, "fsync", self.sync)
        patch.setattr(os, "fdatasync", self.sync)
        mapped = library_journal.ResizableFile
        flush = mapped.flush

        def flushed(file: library_journal.ResizableFile) -> None:
            flush(file)
            self.sync(file._ResizableFile__f.fileno())

        patch.setattr(mapped, "flush", flushed)

    def sync(self, fd: int) -> None:
        """Instead of fsync, fdatasync and msync: remember."""
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if path.is_file():
            self.synced[path.stat().st_ino] = path.read_bytes()

    def lose_power(self, folder: Path) -> None:
        """Only what was synced is left."""
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            content = self.synced.get(path.stat().st_ino)
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)


def flip(path: Path, bit: int) -> None:
    """One bit of a file changes."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def used_bits(path: Path) -> int:
    """How many bits there are before the file's tail of zeros."""
    return 8 * len(path.read_bytes().rstrip(b"\0"))
