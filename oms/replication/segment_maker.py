"""The journal's helper thread: makes the next segment, keeps the reserve, writes indexes.

Called by journal_writer.py. Growing a file inline costs 20 to 30 ms at the 99th percentile, so the
next segment is zero-filled and synced while the one before is being filled. Promises: a segment
that is handed out has its blocks and its folder entry on disk, and is never touched again. The
*reserve* is a file of allocated blocks: when the disk is full it becomes the next segment, if
that is allowed (`may_use_reserve`), and it is made anew when there is space again, tried once a
second (docs/adr/0019). No space is a state (`is_low`); any other error of the disk is not tried
again but told (`broken`), and the journal ends the process.
"""

import errno
import os
import threading
from collections import deque
from pathlib import Path
from typing import Final

from oms import bounds
from oms.replication import journal_index
from oms.replication.journal_index import SegmentIndex

_CHUNK: Final = bytes(256 << 10)
_PACE_S: Final = 0.002  # between chunks: the disk belongs to the hot path
_RETRY_S: Final = 1.0  # after a full disk
_MAKING: Final = ".making"
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def segment_path(folder: Path, number: int) -> Path:
    """Where segment `number` lives."""
    return folder / f"segment-{number:08d}"


def segment_numbers(folder: Path) -> list[int]:
    """Numbers of the segments in `folder`, in order."""
    return sorted(int(path.name[-8:]) for path in folder.glob("segment-????????"))


def reserve_path(folder: Path) -> Path:
    """Where the reserve lives."""
    return folder / "reserve"


def sync_folder(folder: Path) -> None:
    """Make new names in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_segment(
    folder: Path,
    number: int,
    size: int,
    *,
    hurry: threading.Event | None = None,
    stop: threading.Event | None = None,
) -> bool:
    """Make one segment; False when `stop` was set before the end. Raises: OSError.

    With `hurry` given the work is paced until that is set.
    """
    path = segment_path(folder, number)
    making = path.with_name(path.name + _MAKING)
    fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _allocate(fd, size)
        for offset in range(0, size, len(_CHUNK)):
            if stop is not None and stop.is_set():
                return False
            os.pwrite(fd, _CHUNK[: min(len(_CHUNK), size - offset)], offset)
            if hurry is not None and not hurry.is_set():
                os.fdatasync(fd)
                hurry.wait(_PACE_S)
        os.fsync(fd)
    finally:
        os.close(fd)
    making.rename(path)
    sync_folder(folder)
    return True


def make_reserve(folder: Path, size: int) -> None:
    """Make the reserve: blocks that are the file's, and zeros when read. Raises: OSError.

    Nothing is written into them, for that costs the disk's time and gains none where it counts:
    whether there is room, not how fast it is, decides when the reserve is used.
    """
    path = reserve_path(folder)
    making = path.with_name(path.name + _MAKING)
    fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _allocate(fd, size)
        os.fsync(fd)
    finally:
        os.close(fd)
    making.rename(path)
    sync_folder(folder)


def _allocate(fd: int, size: int) -> None:
    """Blocks for a file. Where there are too few none is taken: an attempt that fails half-way,
    once a second, would again and again take the last ones from everybody else on this disk.
    """
    free = os.fstatvfs(fd)
    if free.f_blocks and free.f_bavail * free.f_frsize < size:  # some file systems do not tell
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.posix_fallocate(fd, 0, size)


def remove_unfinished(folder: Path) -> None:
    """Forget files whose making a crash interrupted, and indexes whose segment was archived."""
    for path in sorted(folder.glob("*" + _MAKING)):
        path.unlink(missing_ok=True)
    for path in sorted(folder.glob("segment-*.index")):
        if not path.with_suffix("").exists():
            path.unlink(missing_ok=True)


class SegmentMaker:
    """One helper thread; everything it makes, it makes in `folder`."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._reserve_bytes = min(bounds.JOURNAL_RESERVE_BYTES, segment_bytes)
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._changed = threading.Condition()
        # Under `_changed`:
        self._wanted = 0  # the segment to make, 0 for none
        self._ready = 0  # the segment that may be used
        self._indexes: deque[SegmentIndex] = deque()
        self._may_use_reserve = False
        self.has_reserve = reserve_path(folder).exists()
        self.fault: str | None = None  # why there is no room, e.g. a full disk
        self.broken: str | None = None  # an error that is not a lack of space: the process must end
        self._thread = threading.Thread(target=self._run, name="journal-maker", daemon=True)
        self._thread.start()

    def request(self, number: int) -> None:
        """Start making segment `number`; a segment that exists already is ready at once."""
        with self._changed:
            self._hurry.clear()
            if segment_path(self._folder, number).exists():
                self._ready = number
            self._wanted = number
            self._changed.notify()

    @property
    def is_ready(self) -> bool:
        """Whether the requested segment may be used."""
        return self._ready == self._wanted != 0

    @property
    def is_low(self) -> bool:
        """The disk had no space for the next segment or the reserve when it was tried last."""
        return self.fault is not None

    def hurry(self) -> None:
        """The segment is needed soon: stop pacing."""
        self._hurry.set()

    def allow_reserve(self, allowed: bool) -> None:  # noqa: FBT001  # the one thing it says
        """Whether the reserve may become the requested segment while there is no space."""
        if allowed != self._may_use_reserve:
            with self._changed:
                self._may_use_reserve = allowed
                self._changed.notify()

    def write_index(self, index: SegmentIndex) -> None:
        """Put the index of a full segment on disk, some time."""
        with self._changed:
            self._indexes.append(index)
            self._changed.notify()

    def close(self) -> None:
        """Stop; what is unfinished is removed, indexes that wait are written."""
        with self._changed:
            self._stop.set()
            self._hurry.set()
            self._changed.notify()
        self._thread.join()
        remove_unfinished(self._folder)

    # --- on the helper thread ---

    def _run(self) -> None:
        while True:
            with self._changed:
                if self.is_low and not self._stop.is_set():
                    self._changed.wait(_RETRY_S)
                self._changed.wait_for(self._has_work)
            try:
                self._write_indexes()
                if self._stop.is_set():
                    return
                self._make_next()
                self._keep_reserve()
                self.fault = None
            except OSError as error:
                reason = f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}"
                if error.errno not in _NO_SPACE:
                    self.broken = reason
                    return
                remove_unfinished(self._folder)  # the disk may be full because of it
                self.fault = reason

    def _has_work(self) -> bool:
        return bool(
            self._stop.is_set()
            or self._indexes
            or self._wanted != self._ready
            or self.is_low
            or not self.has_reserve
        )

    def _make_next(self) -> None:
        number = self._wanted
        if not number or self._ready == number:
            return
        try:
            is_made = make_segment(
                self._folder, number, self._segment_bytes, hurry=self._hurry, stop=self._stop
            )
        except OSError as error:
            if error.errno in _NO_SPACE and self._may_use_reserve:
                self._spend_reserve(number)
            raise
        if is_made:
            self._ready = number

    def _spend_reserve(self, number: int) -> None:
        """The reserve becomes a segment by its name; its blocks and zeros are on disk already."""
        if self.has_reserve:
            reserve_path(self._folder).rename(segment_path(self._folder, number))
            sync_folder(self._folder)
            self.has_reserve = False
            self._ready = number

    def _keep_reserve(self) -> None:
        if not self._stop.is_set() and not self.has_reserve:
            make_reserve(self._folder, self._reserve_bytes)
            self.has_reserve = True

    def _write_indexes(self) -> None:
        while self._indexes:
            index = self._indexes[0]
            segment = segment_path(self._folder, index.number)
            if segment.exists():  # else it was archived meanwhile
                try:
                    journal_index.write(segment, index)
                except OSError as error:
                    if error.errno not in _NO_SPACE:
                        raise
                    # An index is only a short cut: without it a start walks the segment, and
                    # has the index written then.
                    remove_unfinished(self._folder)
            self._indexes.popleft()
