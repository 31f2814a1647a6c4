"""The nodes' disks: real files, of which only what was synced survives the loss of power.

Takes the place of the calls that change files, below a root folder: for what was written since the
last sync it keeps what was there before. When the power fails every sector that was not synced is
old or new, and so is every name that no synced folder tells of. Syncs take their virtual time. A
process can be made to die at a chosen call, before or after the call had its effect.
"""

import ctypes
import errno
import io
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Final, Protocol, cast

from tests.simulation.world import US, Died, Process, World


class AnyCall(Protocol):
    """A function of the system, whatever it takes."""

    def __call__(self, *args: object, **values: object) -> object:
        """Call it."""


SECTOR_BYTES: Final = 512
_TEMPORARY: Final = frozenset({"mark", "applying", "lock"})  # nothing relies on them after a cut


@dataclass
class Unsynced:
    """What a file held where it was written to since it was synced, the newest piece last."""

    path: Path
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    size: int | None = None  # when it was synced, if it is another one now
    is_new: bool = False  # written as a whole through a file object


@dataclass
class Renamed:
    """A name that is not durable: where the file was, and what had the name (None: nothing)."""

    source: Path | None  # None: the file was made there, or (when `target` is gone) removed
    target: Path
    before: bytes | None


class Order:
    """When a process is to die."""

    def __init__(self, count: int, *, is_power_lost: bool, is_after: bool) -> None:
        self.count = count
        self.is_power_lost = is_power_lost
        self.is_after = is_after


class Disk:
    """All disks below `root`; a node's is the folder with its name."""

    def __init__(self, world: World, root: Path) -> None:
        self.world = world
        self.root = root
        self._prefix = f"{root}/"
        self._draw: random.Random = world.stream("disk")
        self._fds: dict[int, Path] = {}
        self._owners: dict[int, str] = {}
        self._unsynced: dict[int, Unsynced] = {}  # by inode
        self._names: list[Renamed] = []
        self._dead: dict[str, None] = {}
        self._flips: dict[str, tuple[Path, int, int]] = {}  # file, offset, the byte before
        self.orders: dict[str, Order] = {}
        self.slow: dict[str, int] = {}  # ns more for each sync
        self.full: dict[str, None] = {}  # no space for anything new
        self.broken: dict[str, None] = {}  # the next sync is the last: EIO
        self.calls: dict[str, int] = {}  # that change something, by node
        self.real: dict[str, AnyCall] = {}
        self._open_file = cast("AnyCall", Path.open)

    # ---- taking the place of the real calls

    def makers(self) -> dict[str, AnyCall]:
        """What takes the place of the functions of `os`, by name."""
        made = {
            "open": self.open,
            "close": self.close,
            "dup": self.dup,
            "pwrite": self.pwrite,
            "pwritev": self.pwritev,
            "ftruncate": self.ftruncate,
            "fsync": self.sync,
            "fdatasync": self.sync,
            "rename": self.rename,
            "unlink": self.unlink,
            "posix_fallocate": self.allocate,
            "fstatvfs": self.room,
        }
        self.real = {name: getattr(os, name) for name in made}
        return cast("dict[str, AnyCall]", made)

    def _change(self, path: Path, name: str, effect: Callable[[], object]) -> None:
        """A call that changes something; the process may be ordered to die of it."""
        owner = self._owner(path)
        if owner in self._dead:
            raise Died(is_power_lost=False, why="dead already")
        self.calls[owner] = self.calls.get(owner, 0) + 1
        order = self.orders.get(owner)
        if order is not None:
            order.count -= 1
            if order.count <= 0:
                del self.orders[owner]
                if order.is_after:
                    effect()
                self._dead[owner] = None
                self.world.seen["died at an IO"] += 1
                raise Died(is_power_lost=order.is_power_lost, why=f"at {name} of {path.name}")
        effect()

    def _owner(self, path: Path) -> str:
        return str(path)[len(self._prefix) :].partition("/")[0]

    def _is_ours(self, path: str | Path) -> bool:
        return str(path).startswith(self._prefix)

    def open(self, path: str | Path, flags: int, mode: int = 0o777) -> int:
        """As os.open."""
        is_ours = self._is_ours(path)
        is_made = is_ours and bool(flags & os.O_CREAT) and not Path(path).exists()
        if is_ours and flags & os.O_WRONLY:
            flags ^= os.O_WRONLY | os.O_RDWR  # what is overwritten is read first
        fd = int(str(self.real["open"](path, flags, mode)))
        if is_ours:
            self._fds[fd] = Path(path)
            current = self.world.current
            self._owners[fd] = "" if current is None else current.name
            if is_made:
                self._names.append(Renamed(None, Path(path), None))
        return fd

    def close(self, fd: int) -> None:
        """As os.close."""
        self._fds.pop(fd, None)
        self._owners.pop(fd, None)
        self.real["close"](fd)

    def dup(self, fd: int) -> int:
        """As os.dup."""
        other = int(str(self.real["dup"](fd)))
        if fd in self._fds:
            self._fds[other], self._owners[other] = self._fds[fd], self._owners[fd]
        return other

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """As os.pwrite."""
        return self.pwritev(fd, (data,), offset)

    def pwritev(self, fd: int, parts: tuple[bytes, ...], offset: int) -> int:
        """As os.pwritev."""
        path = self._fds.get(fd)
        if path is None:
            return int(str(self.real["pwritev"](fd, parts, offset)))
        size = sum(len(part) for part in parts)

        if self._is_full(path) and offset + size > os.fstat(fd).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def write() -> None:
            self._keep(fd, path, offset, size)
            self.real["pwritev"](fd, parts, offset)

        self._change(path, "pwrite", write)
        return size

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """As os.posix_fallocate."""
        path = self._fds.get(fd)
        if path is not None and self._is_full(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.real["posix_fallocate"](fd, offset, size)

    def room(self, fd: int) -> object:
        """As os.fstatvfs, which is asked for the free blocks only."""
        path = self._fds.get(fd)
        free = 0 if path is not None and self._is_full(path) else 1 << 30
        return SimpleNamespace(f_blocks=1 << 30, f_bavail=free, f_frsize=1)

    def fallocate(self, fd: int, _mode: int, _offset: int, _size: int) -> int:
        """As the C library's."""
        path = self._fds.get(fd)
        if path is None or not self._is_full(path):
            return 0
        ctypes.set_errno(errno.ENOSPC)
        return -1

    def _is_full(self, path: Path) -> bool:
        return self._owner(path) in self.full

    def ftruncate(self, fd: int, size: int) -> None:
        """As os.ftruncate."""
        path = self._fds.get(fd)
        if path is None:
            self.real["ftruncate"](fd, size)
            return

        def cut() -> None:
            self._keep(fd, path, size, max(0, os.fstat(fd).st_size - size))
            self.real["ftruncate"](fd, size)

        self._change(path, "ftruncate", cut)

    def _keep(self, fd: int, path: Path, offset: int, size: int) -> None:
        stat = os.fstat(fd)
        unsynced = self._unsynced.setdefault(stat.st_ino, Unsynced(path))
        if unsynced.size is None:
            unsynced.size = stat.st_size
        unsynced.pieces.append((offset, os.pread(fd, size, offset)))

    def sync(self, fd: int) -> None:
        """As os.fsync and os.fdatasync: what was kept of this file, or folder, is let go."""
        path = self._fds.get(fd)
        if path is None:
            path = Path(f"/proc/self/fd/{fd}").readlink()
            if not self._is_ours(path):
                return
        found = path

        def sync() -> None:
            if found.is_dir():
                self._names = [one for one in self._names if one.target.parent != found]
            else:
                self._unsynced.pop(os.fstat(fd).st_ino, None)

        owner = self._owner(path)
        self._spend(owner)
        if owner in self.broken:
            del self.broken[owner]
            self.world.seen["EIO"] += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._change(path, "sync", sync)

    def _spend(self, owner: str) -> None:
        process = self.world.current
        if process is not None:
            tail = 40 if self._draw.random() < 0.01 else 1
            process.spent_ns += self._draw.randrange(100, 600) * US * tail + self.slow.get(owner, 0)

    def rename(self, source: Path, target: Path) -> None:
        """As os.rename."""
        if not self._is_ours(target):
            self.real["rename"](source, target)
            return

        def move() -> None:
            before = target.read_bytes() if target.is_file() else None
            if before is not None:
                self._unsynced.pop(target.stat().st_ino, None)
            self.real["rename"](source, target)
            self._names.append(Renamed(Path(source), Path(target), before))
            unsynced = self._unsynced.get(target.stat().st_ino)
            if unsynced is not None:
                unsynced.path = Path(target)

        self._change(target, "rename", move)

    def unlink(self, path: Path) -> None:
        """As os.unlink."""
        if not self._is_ours(path):
            self.real["unlink"](path)
            return

        def remove() -> None:
            stat = Path(path).stat()
            self._unsynced.pop(stat.st_ino, None)
            before = Path(path).read_bytes()
            self.real["unlink"](path)
            self._names.append(Renamed(None, Path(path), before))

        self._change(Path(path), "unlink", remove)

    def open_file(self, path: Path, mode: str = "r", *rest: object, **values: object) -> IO[bytes]:
        """As Path.open; what is written through it is not durable before its fsync."""
        is_writing = self._is_ours(path) and any(letter in mode for letter in "wax+")
        if is_writing and self._is_full(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        is_made = is_writing and not path.exists()
        file = cast("IO[bytes]", self._open_file(path, mode, *rest, **values))
        if is_writing and path.name not in _TEMPORARY:
            inode = os.fstat(file.fileno()).st_ino
            self._unsynced[inode] = Unsynced(path, is_new=True)
            if is_made:
                self._names.append(Renamed(None, path, None))
        return file

    # ---- what happens to processes and machines

    def settle(self) -> None:
        """Everything there is, is durable."""
        self._unsynced.clear()
        self._names.clear()

    def born(self, owner: str) -> None:
        """A process begins."""
        self._dead.pop(owner, None)
        self.orders.pop(owner, None)

    def gone(self, process: Process) -> None:
        """A process is gone, and its descriptors with it."""
        self.orders.pop(process.name, None)
        for fd, owner in list(self._owners.items()):
            if owner == process.name:
                self.close(fd)

    def flip(self, owner: str, draw: random.Random) -> bool:
        """Change one bit of one file that its node relies on. False: there is none."""
        folder = self.root / owner
        files = [
            path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in _TEMPORARY and path.suffix != ".toml"
        ]
        path = draw.choice(files)
        data = bytearray(path.read_bytes())
        used = len(data.rstrip(b"\0"))
        if not used:
            return False
        at = draw.randrange(used)
        self._flips[owner] = (path, at, data[at])
        data[at] ^= 1 << draw.randrange(8)
        _put(path, data)
        self.world.note("flipped", str(path.relative_to(folder)), at)
        return True

    def put_back(self, owner: str) -> bool:
        """The bit is as it was. False: none was changed."""
        is_there = owner in self._flips
        path, at, before = self._flips.pop(owner, (self.root, 0, 0))
        if path.is_file():
            data = bytearray(path.read_bytes())
            if at < len(data):
                self.world.note("put back", path.name, at)
                data[at] = before
                _put(path, data)
        return is_there

    def lose_power(self, owner: str) -> None:
        """Every sector and every name that was not synced is as it was or as it is."""
        folder = self.root / owner
        self._lose_names(folder)
        for inode, unsynced in list(self._unsynced.items()):
            if folder in unsynced.path.parents:
                del self._unsynced[inode]
                if unsynced.path.exists() and unsynced.path.stat().st_ino == inode:
                    self._lose_content(unsynced)

    def _lose_content(self, unsynced: Unsynced) -> None:
        written = unsynced.path.read_bytes()
        if unsynced.is_new:
            keep = self._draw.randrange(len(written) + 1)
            _put(unsynced.path, written[:keep])
            return
        synced = bytearray(written)
        for offset, piece in reversed(unsynced.pieces):
            end = offset + len(piece)
            if len(synced) < end:
                synced += bytes(end - len(synced))
            synced[offset:end] = piece
        result = bytearray(written)
        size = unsynced.size
        if size is not None and size != len(written) and self._draw.random() < 0.5:
            result = result[:size] + bytes(max(0, size - len(result)))
        for start in range(0, len(result), SECTOR_BYTES):
            end = min(start + SECTOR_BYTES, len(result), len(synced))
            if result[start:end] != synced[start:end] and self._draw.random() < 0.5:
                result[start:end] = synced[start:end]
        _put(unsynced.path, bytes(result))

    def _lose_names(self, folder: Path) -> None:
        mine = [one for one in self._names if folder in one.target.parents]
        self._names = [one for one in self._names if folder not in one.target.parents]
        for one in reversed(mine):
            if self._draw.random() < 0.5:
                continue
            if one.source is not None:
                if one.target.exists() and not one.source.exists():
                    self.real["rename"](one.target, one.source)
                    if one.before is not None:
                        _put(one.target, one.before)
            elif one.before is None:
                if one.target.is_file():
                    self.real["unlink"](one.target)
            elif not one.target.exists():
                _put(one.target, one.before)


def _put(path: Path, data: bytes | bytearray) -> None:
    with io.open(path, "wb") as file:  # noqa: UP020  # not the one that is noted
        file.write(data)
