"""A file system that forgets what was not synced: `python -m oms.chaos.forgetful_fs BACKING MOUNT`.

Started by `forgetful_disk.py`, one process for each mount. What is synced is in the folder BACKING,
everything else in this process's memory, so that pulling the plug can be played: SIGKILL of a node
never tests a sync, the kernel has its writes. Commands come as lines on the standard input, each is
answered by a line of JSON (`DiskAnswer`):

    cut SEED        the power goes: nothing is accepted any more, and BACKING is what a disk may
                    hold; unsynced sectors and names are old or new by the seed
    forget          the same, and nothing that is unsynced is on the disk
    fail SEED       the next sync fails with EIO; which of its sectors are on the disk says the seed
    slow MS         every sync takes so long from now on; until then what it is about is unsynced
    room BYTES      so much is left on the disk, 0: it is full
    free            no such limit
    flip BIT PATH   turn one bit of a file on the disk round; seen from the next open on
    count           what is unsynced now
    end             sync everything, unmount, end; as do SIGTERM and the end of the input

Promises: a sync that was answered is in BACKING before the answer. Modes and times are kept in
memory only; owners are not kept. Advisory locks are the kernel's own.
"""

import contextlib
import errno
import heapq
import os
import random
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from oms.chaos import fuse_mount, fuse_wire
from oms.chaos.disk_answer import DiskAnswer
from oms.chaos.disk_room import BLOCK_BYTES, DiskRoom
from oms.chaos.file_requests import FileRequests
from oms.chaos.file_tree import FileTree
from oms.chaos.fuse_wire import Opcode, Request

_FILES_OPEN_MAX: Final = 65_536
_GONE: Final = frozenset({errno.ENODEV, errno.ENOENT, errno.EINTR, errno.EAGAIN})
_INPUT: Final = 0
_PATIENCE_NS: Final = 1_000_000_000  # with those who use it when it ends
_POLL_MS: Final = 20


class Sync:
    """What a sync does when its time has come."""

    def __init__(self, unique: int, finish: Callable[[], None]) -> None:
        self.unique = unique
        self.finish = finish


class ForgetfulFs:
    """One mount: requests of the kernel, commands of whoever started it."""

    def __init__(self, backing: Path, mountpoint: Path) -> None:
        self._mountpoint = mountpoint
        self.room = DiskRoom()
        self.tree = FileTree(backing, self.room)
        self._requests = FileRequests(self.tree, self.room)
        self._slow_ns = 0
        self._failing: random.Random | None = None
        self._waiting: list[tuple[int, int, Sync]] = []  # (when, unique, what), a heap
        self._buffer = bytearray(fuse_wire.REQUEST_BYTES_MAX)
        self._view = memoryview(self._buffer)
        self._line = b""
        self._fd = fuse_mount.mount(mountpoint)
        self._unmounting: threading.Thread | None = None
        self._ends_ns = 0  # 0: as long as it is mounted
        self._commands: dict[str, Callable[[list[str]], DiskAnswer]] = {
            "cut": lambda words: self._cut(int(words[0]), is_lenient=True),
            "forget": lambda _: self._cut(0, is_lenient=False),
            "fail": self._fail,
            "slow": self._slow,
            "room": self._limit,
            "free": self._free,
            "flip": self._flip,
            "count": lambda _: self._count(),
            "end": lambda _: self._end(),
        }

    # ---- the loop

    def run(self) -> None:
        """Serve until it is unmounted, or told to end and nobody uses it any more."""
        poll = select.poll()
        poll.register(_INPUT, select.POLLIN)
        poll.register(self._fd, select.POLLIN)
        is_open = True
        while self._fd >= 0 or is_open:
            ready = dict(poll.poll(self._patience_ms()))
            if self._fd in ready and not self._serve():
                break
            if _INPUT in ready and not self._command(poll):
                poll.unregister(_INPUT)
                is_open = False
                self._unmount()
            self._finish_syncs()
            if self._is_over():
                break

    def _patience_ms(self) -> int | None:
        if self._ends_ns:
            return _POLL_MS
        if not self._waiting:
            return None
        return max(0, -((time.monotonic_ns() - self._waiting[0][0]) // 1_000_000))

    def _is_over(self) -> bool:
        """It is unmounted, but somebody has files open, or a copy of all mounts of the machine."""
        if self._unmounting is None or self._unmounting.is_alive():
            return False
        return time.monotonic_ns() > self._ends_ns

    def _serve(self) -> bool:
        """Answer one request. False: the file system is unmounted."""
        try:
            length = os.readv(self._fd, [self._buffer])
        except OSError as error:
            if error.errno in _GONE:
                return error.errno != errno.ENODEV
            raise
        request = fuse_wire.request(self._view[:length])
        try:
            body = self._answer(request)
        except OSError as error:
            self._reply(fuse_wire.refusal(request.unique, error.errno or errno.EIO))
            return True
        if body is not None:
            self._reply(fuse_wire.answer(request.unique, body))
        return True

    def _answer(self, request: Request) -> bytes | None:
        match request.opcode:
            case Opcode.FSYNC:
                self._sync_file(request)
                return None
            case Opcode.FSYNCDIR:
                self._sync_folder(request)
                return None
            case _:
                return self._requests.answer(request)

    def _reply(self, data: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):  # whoever asked was killed meanwhile
            os.write(self._fd, data)

    # ---- syncs

    def _sync_file(self, request: Request) -> None:
        content = self.tree.file(request.node).content
        losing, self._failing = self._failing, None
        captured = content.capture()

        def finish() -> None:
            content.finish(captured, losing)
            if losing is not None:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        self._start_sync(Sync(request.unique, finish))

    def _sync_folder(self, request: Request) -> None:
        steps = self.tree.waiting_for(self.tree.folder(request.node))
        losing, self._failing = self._failing, None

        def finish() -> None:
            if losing is not None:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.tree.sync(steps)

        self._start_sync(Sync(request.unique, finish))

    def _start_sync(self, sync: Sync) -> None:
        if self._slow_ns or self._waiting:
            due = time.monotonic_ns() + self._slow_ns
            heapq.heappush(self._waiting, (due, sync.unique, sync))
        else:
            self._finish(sync)

    def _finish_syncs(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic_ns():
            self._finish(heapq.heappop(self._waiting)[2])

    def _finish(self, sync: Sync) -> None:
        try:
            sync.finish()
        except OSError as error:
            self._reply(fuse_wire.refusal(sync.unique, error.errno or errno.EIO))
        else:
            self._reply(fuse_wire.answer(sync.unique, b""))

    # ---- commands

    def _command(self, poll: select.poll) -> bool:
        """Take what is on the input. False: there will be no more."""
        data = os.read(_INPUT, 1 << 16)
        self._line += data
        *lines, self._line = self._line.split(b"\n")
        for line in lines:
            was_open = self._fd
            say(self._obey(line.decode().split()))
            if self._fd < 0 <= was_open:
                poll.unregister(was_open)
            if line.strip() == b"end":
                return False
        return bool(data)

    def _obey(self, words: list[str]) -> DiskAnswer:
        try:
            return self._commands[words[0]](words[1:])
        except (KeyError, IndexError, ValueError, OSError) as error:
            return DiskAnswer(error=f"{' '.join(words)}: {error!r}")

    def _cut(self, seed: int, *, is_lenient: bool) -> DiskAnswer:
        """From here on the kernel answers every request itself: there is nobody behind it."""
        if self._fd < 0:
            return DiskAnswer(error="the power is off")
        os.close(self._fd)
        self._fd = -1
        before = self._count()
        self._waiting.clear()
        draw = random.Random(seed)  # noqa: S311  # repeatable, no secret
        names, sectors = self.tree.cut(draw, is_lenient=is_lenient)
        return msgspec.structs.replace(before, kept_sectors=sectors, kept_names=names)

    def _count(self) -> DiskAnswer:
        sectors = sum(file.content.unsynced for _, file in self.tree.files())
        return DiskAnswer(sectors=sectors, names=self.tree.unsynced_names, syncs=len(self._waiting))

    def _fail(self, words: list[str]) -> DiskAnswer:
        self._failing = random.Random(int(words[0]))  # noqa: S311  # repeatable, no secret
        return DiskAnswer()

    def _slow(self, words: list[str]) -> DiskAnswer:
        self._slow_ns = int(words[0]) * 1_000_000
        return DiskAnswer()

    def _limit(self, words: list[str]) -> DiskAnswer:
        self.room.left = int(words[0]) // BLOCK_BYTES
        return DiskAnswer()

    def _free(self, _words: list[str]) -> DiskAnswer:
        self.room.left = None
        return DiskAnswer()

    def _flip(self, words: list[str]) -> DiskAnswer:
        path = " ".join(words[1:])
        files = dict(self.tree.files())
        if path not in files:
            return DiskAnswer(error=f"no synced file {path}")
        files[path].content.flip(int(words[0]))
        files[path].is_stale = True
        return DiskAnswer()

    def _end(self) -> DiskAnswer:
        """Everything is synced; what was written meanwhile is when nothing is mounted any more."""
        if self._fd >= 0:
            self.tree.sync_all()
        return DiskAnswer()

    def _unmount(self) -> None:
        """Beside the loop, for the kernel writes back what it has and waits for the answers."""
        self._ends_ns = time.monotonic_ns() + _PATIENCE_NS
        self._unmounting = threading.Thread(
            target=fuse_mount.unmount, args=(self._mountpoint,), name="unmount"
        )
        self._unmounting.start()

    def close(self) -> None:
        """What was synced by nobody is, unless the power was cut."""
        if self._fd >= 0:
            self.tree.sync_all()
            os.close(self._fd)


def say(answer: DiskAnswer) -> None:
    """One line on the standard output; nobody may be left to read it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, msgspec.json.encode(answer) + b"\n")


def main() -> int:
    """Mount, say so, serve. The exit status is 1 when it cannot be mounted."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)  # noqa: T201  # a program's usage
        return 2
    os.umask(0)
    _open_many_files()
    try:
        mounted = ForgetfulFs(Path(sys.argv[1]), Path(sys.argv[2]).absolute())
    except OSError as error:
        say(DiskAnswer(error=f"{error.strerror}: {error.filename}"))
        return 1
    signal.signal(signal.SIGTERM, lambda *_: _end_input())
    say(DiskAnswer())
    mounted.run()
    mounted.close()
    return 0


def _end_input() -> None:
    """As if whoever started us had closed it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _INPUT)
    os.close(nothing)


def _open_many_files() -> None:
    """One for each file of the mount."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _FILES_OPEN_MAX), most))


if __name__ == "__main__":
    sys.exit(main())
