"""Prepares the journal's next segment off the hot path: zero-filled, synced, under its name.

Called by journal.py. Growing a file inline costs 20 to 30 ms at the 99th percentile, so a thread
does it while the segment before is being filled. Promises: a segment that `take` hands out has its
blocks and its folder entry on disk. Never touches a segment once it was handed out.
"""

import errno
import os
import threading
from pathlib import Path
from typing import Final

_CHUNK: Final = bytes(256 << 10)
_PACE_S: Final = 0.002  # between chunks: the disk belongs to the hot path
_RETRY_S: Final = 1.0  # after a full disk
_MAKING: Final = ".making"


def segment_path(folder: Path, number: int) -> Path:
    """Where segment `number` lives."""
    return folder / f"segment-{number:08d}"


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
        os.posix_fallocate(fd, 0, size)
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


def remove_unfinished(folder: Path) -> None:
    """Forget segments whose making a crash interrupted."""
    for path in sorted(folder.glob("*" + _MAKING)):
        path.unlink()


class SegmentMaker:
    """One helper thread at a time, making one segment ahead."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self.fault: str | None = None  # why the last attempt failed, e.g. a full disk

    def request(self, number: int) -> None:
        """Start making segment `number`; a segment that exists already is ready at once."""
        if self._thread is not None:
            self._thread.join()
        self._ready.clear()
        self._hurry.clear()
        if segment_path(self._folder, number).exists():
            self._ready.set()
            return
        self._thread = threading.Thread(
            target=self._run, args=(number,), name="journal-segment-maker", daemon=True
        )
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether the requested segment may be used."""
        return self._ready.is_set()

    def hurry(self) -> None:
        """The segment is needed soon: stop pacing."""
        self._hurry.set()

    def close(self) -> None:
        """Stop; an unfinished segment is removed."""
        self._stop.set()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join()
        remove_unfinished(self._folder)

    def _run(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                is_made = make_segment(
                    self._folder, number, self._segment_bytes, hurry=self._hurry, stop=self._stop
                )
            except OSError as error:
                self.fault = f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}"
                self._remove(number)
                self._stop.wait(_RETRY_S)
                continue
            if is_made:
                self.fault = None
                self._ready.set()
            return

    def _remove(self, number: int) -> None:
        """Free what a failed attempt took: the disk may be full because of it."""
        path = segment_path(self._folder, number)
        path.with_name(path.name + _MAKING).unlink(missing_ok=True)
