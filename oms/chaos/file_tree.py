"""The names of the forgetful file system: what every folder shows, and what is synced of it.

Called by `forgetful_fs.py`. Every change of a name is a step that waits until its folder is synced;
then it is done in the backing folder too. Promises: a step is kept or lost whole (a rename leaves
the old name or the new one, never neither); steps that concern one name or one file keep their
order, any others may be kept without those before them, as some journaling file systems do; a
name on the disk leads to the bytes that were synced, and a synced file without a synced name is
found by nobody. A name in a folder that has itself no synced name waits for that one.
"""

import errno
import os
import random
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from oms.chaos.disk_room import DiskRoom
from oms.chaos.file_content import Fate
from oms.chaos.file_nodes import Enter, File, Folder, Key, Link, Move, Node, Remove, Step

ROOT: Final = 1


class FileTree:
    """See the module's header. Raises: OSError with the number that the caller is told."""

    def __init__(self, backing: Path, room: DiskRoom) -> None:
        self._room = room
        self._numbers = iter(range(ROOT, 1 << 62))
        self._by_number: dict[int, Node] = {}
        self._by_identity: dict[int, File] = {}
        self._steps: list[Step] = []
        self.root = Folder(self._next_number(), stat.S_IFDIR | 0o755)
        self.root.fd = os.open(backing, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.root.mode = os.fstat(self.root.fd).st_mode
        self.root.lookups = self.root.holds = 1
        self._by_number[ROOT] = self.root
        self._load(self.root)
        self._by_identity.clear()

    def _next_number(self) -> int:
        return next(self._numbers)

    def _load(self, folder: Folder) -> None:
        with os.scandir(folder.fd) as found:
            names = sorted(entry.name for entry in found)
        for name in names:
            node = self._loaded(folder, name)
            if node is not None:
                folder.names[name] = folder.synced[name] = node
                node.links += 1
                node.holds += 2

    def _loaded(self, folder: Folder, name: str) -> Node | None:
        status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        node: Node
        if stat.S_ISDIR(status.st_mode):
            inner = node = Folder(self._next_number(), status.st_mode)
            inner.fd = _open_folder(name, folder.fd)
            self._load(inner)
        elif stat.S_ISLNK(status.st_mode):
            node = Link(self._next_number(), os.readlink(name, dir_fd=folder.fd))
        elif not stat.S_ISREG(status.st_mode):
            return None
        elif status.st_ino in self._by_identity:
            return self._by_identity[status.st_ino]
        else:
            fd = os.open(name, os.O_RDWR | os.O_CLOEXEC, dir_fd=folder.fd)
            node = self._by_identity[status.st_ino] = File(self._next_number(), status.st_mode, fd)
        node.modified_ns = status.st_mtime_ns
        self._by_number[node.number] = node
        return node

    # ---- what is there

    def node(self, number: int) -> Node:
        """By the number that the kernel was told."""
        try:
            return self._by_number[number]
        except KeyError:
            raise OSError(errno.ESTALE, "no such node") from None

    def folder(self, number: int) -> Folder:
        """A folder by its number."""
        node = self.node(number)
        if not isinstance(node, Folder):
            raise OSError(errno.ENOTDIR, "not a folder")
        return node

    def file(self, number: int) -> File:
        """A file by its number."""
        node = self.node(number)
        if not isinstance(node, File):
            raise OSError(errno.EISDIR if isinstance(node, Folder) else errno.EINVAL, "not a file")
        return node

    def find(self, folder: Folder, name: str) -> Node:
        """What a name leads to."""
        try:
            return folder.names[name]
        except KeyError:
            raise OSError(errno.ENOENT, name) from None

    def files(self) -> Iterator[tuple[str, File]]:
        """The files that are found on the backing disk, each under its first name."""
        seen: set[int] = set()
        waiting = [("", self.root)]
        while waiting:
            path, folder = waiting.pop()
            for name, node in sorted(folder.synced.items()):
                if isinstance(node, Folder):
                    waiting.append((f"{path}{name}/", node))
                elif isinstance(node, File) and node.number not in seen:
                    seen.add(node.number)
                    yield path + name, node

    @property
    def unsynced_names(self) -> int:
        """Steps that wait for a sync."""
        return len(self._steps)

    # ---- changes that are shown at once

    def make_file(self, folder: Folder, name: str, mode: int) -> File:
        """A new empty file; on the backing disk it has no name yet."""
        flags = os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC
        fd = os.open(".", flags, mode & 0o7777 | 0o600, dir_fd=self.root.fd)
        file = File(self._next_number(), stat.S_IFREG | mode & 0o7777, fd)
        self._enter(folder, name, file)
        return file

    def make_folder(self, folder: Folder, name: str, mode: int) -> Folder:
        """A new empty folder."""
        made = Folder(self._next_number(), stat.S_IFDIR | mode & 0o7777)
        self._enter(folder, name, made)
        return made

    def make_link(self, folder: Folder, name: str, target: str) -> Link:
        """A new symbolic link."""
        made = Link(self._next_number(), target)
        self._enter(folder, name, made)
        return made

    def link(self, node: Node, folder: Folder, name: str) -> None:
        """Another name for a file."""
        if isinstance(node, Folder):
            raise OSError(errno.EPERM, "a folder has one name")
        self._enter(folder, name, node)

    def _enter(self, folder: Folder, name: str, node: Node) -> None:
        if name in folder.names:
            raise OSError(errno.EEXIST, name)
        self._by_number[node.number] = node
        self._show(folder, name, node)
        self._wait(Enter(node, (folder, name)))

    def remove(self, folder: Folder, name: str, *, is_folder: bool) -> None:
        """A name goes, and with its last one the node."""
        node = self.find(folder, name)
        _check_kind(node, is_folder=is_folder)
        step = Remove(node, (folder, name))
        if isinstance(node, Folder):
            step.wants.add(("in", node.number))
        self._hide(folder, name)
        self._wait(step)
        self._drop_dead(node)

    def rename(self, source: Folder, old: str, target: Folder, new: str, *, is_new: bool) -> None:
        """A node gets another name; what had that name loses it unless `is_new` says no."""
        node = self.find(source, old)
        replaced = target.names.get(new)
        if replaced is node:
            return
        step = Move(node, (source, old), (target, new))
        if replaced is not None:
            if is_new:
                raise OSError(errno.EEXIST, new)
            _check_kind(replaced, is_folder=isinstance(node, Folder))
            step.wants.add(("in", replaced.number))
            self._hide(target, new)
        self._hide(source, old)
        self._show(target, new, node)
        self._wait(step)
        if replaced is not None:
            self._drop_dead(replaced)

    def _show(self, folder: Folder, name: str, node: Node) -> None:
        folder.names[name] = node
        node.links += 1
        node.holds += 1
        folder.modified_ns = time.time_ns()

    def _hide(self, folder: Folder, name: str) -> None:
        node = folder.names.pop(name)
        node.links -= 1
        node.holds -= 1
        folder.modified_ns = time.time_ns()

    def _wait(self, step: Step) -> None:
        step.node.holds += 1
        self._steps.append(step)

    def forget(self, number: int, count: int) -> None:
        """The kernel gives `count` of its lookups back."""
        node = self._by_number.get(number)
        if node is not None and node is not self.root:
            node.lookups -= count
            self._drop_dead(node)

    def _drop_dead(self, node: Node) -> None:
        if node.lookups > 0 or node.links > 0:
            return
        if isinstance(node, File):
            self._room.give(node.extents.remove(0))  # nobody sees it again
        if node.holds == 0:
            found = self._by_number.pop(node.number, None)
            if isinstance(found, File):
                os.close(found.content.fd)

    # ---- what is on the backing disk

    def waiting_for(self, folder: Folder) -> list[Step]:
        """What a sync of this folder that begins now is about, in order: its steps, what they come
        after, and the folders that a file came from or went to.
        """
        chosen: list[Step] = []
        wanted: set[Key] = {("in", folder.number)}
        for step in reversed(self._steps):
            if not wanted.isdisjoint(step.provides):
                chosen.append(step)
                wanted |= step.wants
                wanted |= {("node", other.number) for other in step.folders if other is not folder}
        return chosen[::-1]

    def sync(self, steps: list[Step]) -> None:
        """These are on the disk now, or as soon as their folder is."""
        for step in steps:
            step.is_sealed = True
        for step in list(self._steps):
            if step.is_sealed and step.is_possible:
                self._keep(step)

    def sync_all(self) -> None:
        """Everything is on the disk, as after a clean shutdown."""
        for node in self._by_number.values():
            if isinstance(node, File):
                node.content.finish(node.content.capture())
        self.sync(list(self._steps))

    def cut(self, draw: random.Random, *, is_lenient: bool) -> tuple[int, int]:
        """The power goes. Returns how many waiting steps and unsynced sectors are on the disk
        nevertheless; none with `is_lenient` false.
        """
        kept_steps = self._cut_names(draw if is_lenient else None)
        kept_sectors = 0
        for _, file in self.files():
            if not file.content.is_synced:
                fate = draw.choice(list(Fate)) if is_lenient else Fate.OLD
                kept_sectors += file.content.cut(fate, draw)
        return kept_steps, kept_sectors

    def _cut_names(self, draw: random.Random | None) -> int:
        steps = list(self._steps)
        is_kept = [False] * len(steps)
        if draw is not None:
            drawn = [draw.random() < 0.5 for _ in steps]
            reached = draw.randint(0, len(steps))
            prefix = [number < reached for number in range(len(steps))]
            is_kept = draw.choice([is_kept, [True] * len(steps), prefix, drawn])
        dropped: set[Key] = set()
        count = 0
        for step, is_chosen in zip(steps, is_kept, strict=True):
            homes: set[Key] = {("node", folder.number) for folder in step.folders}
            if (is_chosen or step.is_sealed) and dropped.isdisjoint(step.wants | homes):
                self._keep(step)
                count += 1
            else:
                dropped |= step.provides
        return count

    def _keep(self, step: Step) -> None:
        self._steps.remove(step)
        folder, name = step.places[0]
        match step:
            case Enter():
                _put(folder, name, step.node)
            case Remove():
                self._take(folder, name)
            case Move():
                self._move(step, folder, name)
        step.node.holds -= 1
        self._drop_dead(step.node)

    def _move(self, step: Step, source: Folder, old: str) -> None:
        target, new = step.places[1]
        replaced = target.synced.pop(new, None)
        node = source.synced.pop(old)
        target.synced[new] = node
        os.rename(old, new, src_dir_fd=source.fd, dst_dir_fd=target.fd)
        if replaced is not None:
            self._unsync(replaced)

    def _take(self, folder: Folder, name: str) -> None:
        node = folder.synced.pop(name)
        if isinstance(node, Folder):
            os.rmdir(name, dir_fd=folder.fd)
        else:
            os.unlink(name, dir_fd=folder.fd)
        self._unsync(node)

    def _unsync(self, node: Node) -> None:
        node.holds -= 1
        if isinstance(node, Folder):
            os.close(node.fd)
            node.fd = -1
        self._drop_dead(node)


def _put(folder: Folder, name: str, node: Node) -> None:
    folder.synced[name] = node
    node.holds += 1
    match node:
        case Folder():
            os.mkdir(name, stat.S_IMODE(node.mode) | 0o700, dir_fd=folder.fd)
            node.fd = _open_folder(name, folder.fd)
        case Link():
            os.symlink(node.target, name, dir_fd=folder.fd)
        case File():
            source = f"/proc/self/fd/{node.content.fd}"
            os.link(source, name, dst_dir_fd=folder.fd, follow_symlinks=True)


def _open_folder(name: str, parent_fd: int) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=parent_fd)


def _check_kind(node: Node, *, is_folder: bool) -> None:
    if not isinstance(node, Folder):
        if is_folder:
            raise OSError(errno.ENOTDIR, "not a folder")
        return
    if not is_folder:
        raise OSError(errno.EISDIR, "a folder")
    if node.names:
        raise OSError(errno.ENOTEMPTY, "not empty")
