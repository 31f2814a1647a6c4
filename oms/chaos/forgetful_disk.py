"""A disk whose power can be cut: a forgetful file system over a folder, and the way to handle it.

Called by tests and by `oms chaos`. The process of the file system ends with whoever made this
object, even when that one is killed. Promises: after `cut` the folder `backing` is what the disk
holds, and every use of the mounted folder fails until `restore` mounts it anew; `close` unmounts.

    with ForgetfulDisk.over(folder) as disk:   # the folder's content is on the disk now
        disk.cut(seed)                         # whoever works in it should be killed, too
        disk.restore()
"""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from oms.chaos import fuse_mount
from oms.chaos.disk_answer import DiskAnswer
from oms.chaos.fuse_mount import why_not as why_not  # noqa: PLC0414  # part of this disk's face

END_S: Final = 10.0
_MODULE: Final = "oms.chaos.forgetful_fs"


class DiskError(Exception):
    """The file system could not be mounted, or does not do what it was told to."""


class ForgetfulDisk:
    """One mounted file system; see the module's header. Raises: DiskError."""

    def __init__(self, backing: Path, mountpoint: Path) -> None:
        self.backing = backing
        self.mountpoint = mountpoint
        self._process = self._start()

    @classmethod
    def over(cls, folder: Path) -> Self:
        """Put a folder and its content on such a disk; the content stays in `folder`.backing."""
        backing = folder.with_name(folder.name + ".backing")
        folder.rename(backing)
        folder.mkdir()
        return cls(backing, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- the power

    def cut(self, seed: int) -> DiskAnswer:
        """The power goes; unsynced sectors and names are on the disk or not, by the seed."""
        return self._tell(f"cut {seed}")

    def forget(self) -> DiskAnswer:
        """The power goes; nothing that is unsynced is on the disk."""
        return self._tell("forget")

    def restore(self) -> None:
        """The power is back: a new file system, with what the disk holds."""
        self.close()
        self._process = self._start()

    def close(self) -> None:
        """Unmount; what is unsynced is synced, as by a clean shutdown, unless the power was cut."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.communicate(b"end\n", timeout=END_S)
            except subprocess.TimeoutExpired:  # somebody has files open, and may keep them
                self._process.kill()
                self._process.communicate()
        if os.path.ismount(self.mountpoint) or not _is_usable(self.mountpoint):
            fuse_mount.unmount(self.mountpoint)

    def give_back(self) -> None:
        """Unmount; the folder is an ordinary one, with what the disk holds. Raises: OSError."""
        self.close()
        self.mountpoint.rmdir()
        self.backing.rename(self.mountpoint)

    # ---- faults

    def fail_next_sync(self, seed: int) -> None:
        """The next sync reports EIO; by the seed some of it is on the disk."""
        self._tell(f"fail {seed}")

    def slow_syncs(self, delay_ms: int) -> None:
        """Every sync takes so long; 0 ends it."""
        self._tell(f"slow {delay_ms}")

    def limit_room(self, left_bytes: int) -> None:
        """So much is left on the disk from now on, 0: it is full."""
        self._tell(f"room {left_bytes}")

    def free_room(self) -> None:
        """There is room again."""
        self._tell("free")

    def flip(self, path: str, bit: int) -> None:
        """Turn one bit of a synced file round; seen by whoever opens it from now on."""
        self._tell(f"flip {bit} {path}")

    def count(self) -> DiskAnswer:
        """What is unsynced now."""
        return self._tell("count")

    # ---- inside

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", _MODULE, str(self.backing), str(self.mountpoint)]
        process = subprocess.Popen(  # noqa: S603  # our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            _answer_of(process)
        except DiskError:
            process.communicate()
            raise
        return process

    def _tell(self, line: str) -> DiskAnswer:
        stdin = self._process.stdin
        if stdin is None or self._process.poll() is not None:
            raise DiskError("the file system's process has ended")
        stdin.write(line.encode() + b"\n")
        stdin.flush()
        return _answer_of(self._process)


def _answer_of(process: "subprocess.Popen[bytes]") -> DiskAnswer:
    line = b"" if process.stdout is None else process.stdout.readline()
    if not line:
        raise DiskError("the file system's process has ended")
    answer = msgspec.json.decode(line, type=DiskAnswer)
    if answer.error:
        raise DiskError(answer.error)
    return answer


def _is_usable(folder: Path) -> bool:
    """False where nobody answers behind a mount: the power was cut, or its process was killed."""
    try:
        folder.stat()
    except OSError:
        return False
    return True
