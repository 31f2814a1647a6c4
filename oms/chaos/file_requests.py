"""The kernel's requests about names and bytes, answered from the tree: everything but syncs.

Called by `forgetful_fs.py`. A request is refused by the number of an OSError; what the file system
does not know is refused by ENOSYS, which the kernel remembers and does without (extended
attributes, flush, locks, copying by the file system).
"""

import errno
import os
import stat
import time
from collections.abc import Callable
from typing import Final

from oms.chaos import fuse_wire
from oms.chaos.disk_room import BLOCK_BYTES, DiskRoom
from oms.chaos.file_nodes import File, Folder, Link, Node
from oms.chaos.file_tree import FileTree
from oms.chaos.fuse_wire import Attributes, Opcode, Request

_STAT_BLOCK_BYTES: Final = 512


class FileRequests:
    """See the module's header."""

    def __init__(self, tree: FileTree, room: DiskRoom) -> None:
        self._tree = tree
        self._room = room
        self._listings: dict[int, list[tuple[str, Node]]] = {}
        self._listing = 0
        self._owner, self._group = os.getuid(), os.getgid()
        self._known: dict[int, Callable[[Request], bytes | None]] = {
            Opcode.INIT: lambda request: fuse_wire.init(request.body),
            Opcode.LOOKUP: self._lookup,
            Opcode.FORGET: self._forget,
            Opcode.BATCH_FORGET: self._forget_many,
            Opcode.GETATTR: lambda request: self._shown(self._tree.node(request.node)),
            Opcode.SETATTR: self._change,
            Opcode.READLINK: self._read_link,
            Opcode.SYMLINK: self._make_link,
            Opcode.MKNOD: self._make_node,
            Opcode.MKDIR: self._make_folder,
            Opcode.CREATE: self._create,
            Opcode.LINK: self._link,
            Opcode.UNLINK: lambda request: self._remove(request, is_folder=False),
            Opcode.RMDIR: lambda request: self._remove(request, is_folder=True),
            Opcode.RENAME: self._rename,
            Opcode.RENAME2: self._rename,
            Opcode.OPEN: self._open,
            Opcode.RELEASE: lambda _: b"",
            Opcode.READ: self._read,
            Opcode.WRITE: self._write,
            Opcode.FALLOCATE: self._allocate,
            Opcode.STATFS: self._statfs,
            Opcode.OPENDIR: self._open_folder,
            Opcode.READDIR: self._read_folder,
            Opcode.RELEASEDIR: self._close_folder,
            Opcode.INTERRUPT: lambda _: None,
            Opcode.DESTROY: lambda _: b"",
        }

    def answer(self, request: Request) -> bytes | None:
        """The body of the answer, None where none is due. Raises: OSError."""
        known = self._known.get(request.opcode)
        if known is None:
            raise OSError(errno.ENOSYS, "unknown request")
        return known(request)

    # ---- nodes

    def _attributes(self, node: Node) -> Attributes:
        size = blocks = 0
        if isinstance(node, File):
            size = node.content.size
            blocks = node.extents.blocks * (BLOCK_BYTES // _STAT_BLOCK_BYTES)
        elif isinstance(node, Link):
            size = len(os.fsencode(node.target))
        return Attributes(
            node.number, size, blocks, node.modified_ns, node.mode,
            2 if isinstance(node, Folder) else node.links, self._owner, self._group,
        )  # fmt: skip

    def _shown(self, node: Node) -> bytes:
        return fuse_wire.attributes_out(self._attributes(node))

    def _found(self, node: Node) -> bytes:
        node.lookups += 1
        return fuse_wire.entry(self._attributes(node))

    def _lookup(self, request: Request) -> bytes:
        (name,) = fuse_wire.names(request.body)
        return self._found(self._tree.find(self._tree.folder(request.node), name))

    def _forget(self, request: Request) -> None:
        self._tree.forget(request.node, fuse_wire.WORD.unpack_from(request.body)[0])

    def _forget_many(self, request: Request) -> None:
        count = fuse_wire.TWO_WORDS.unpack_from(request.body)[0]
        for number in range(count):
            offset = fuse_wire.TWO_WORDS.size + number * fuse_wire.FORGET_ONE.size
            self._tree.forget(*fuse_wire.FORGET_ONE.unpack_from(request.body, offset))

    def _change(self, request: Request) -> bytes:
        node = self._tree.node(request.node)
        change = fuse_wire.change(request.body)
        if change.size is not None:
            self._resize(self._tree.file(request.node), change.size)
        if change.mode is not None:
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(change.mode)
        if change.modified_ns is not None:
            node.modified_ns = change.modified_ns or time.time_ns()
        return self._shown(node)

    def _resize(self, file: File, size: int) -> None:
        file.content.resize(size)
        self._room.give(file.extents.remove(size))
        file.modified_ns = time.time_ns()

    # ---- names

    def _create(self, request: Request) -> bytes:
        _, mode, _, _ = fuse_wire.CREATE_IN.unpack_from(request.body)
        (name,) = fuse_wire.names(request.body, fuse_wire.CREATE_IN.size)
        file = self._tree.make_file(self._tree.folder(request.node), name, mode)
        return self._found(file) + fuse_wire.OPENED.pack(0, fuse_wire.KEEP_CACHE, 0)

    def _make_node(self, request: Request) -> bytes:
        mode, _, _, _ = fuse_wire.CREATE_IN.unpack_from(request.body)
        (name,) = fuse_wire.names(request.body, fuse_wire.CREATE_IN.size)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EPERM, "not a regular file")
        return self._found(self._tree.make_file(self._tree.folder(request.node), name, mode))

    def _make_folder(self, request: Request) -> bytes:
        mode, _ = fuse_wire.TWO_WORDS.unpack_from(request.body)
        (name,) = fuse_wire.names(request.body, fuse_wire.TWO_WORDS.size)
        return self._found(self._tree.make_folder(self._tree.folder(request.node), name, mode))

    def _make_link(self, request: Request) -> bytes:
        name, target = fuse_wire.names(request.body)
        return self._found(self._tree.make_link(self._tree.folder(request.node), name, target))

    def _read_link(self, request: Request) -> bytes:
        node = self._tree.node(request.node)
        if not isinstance(node, Link):
            raise OSError(errno.EINVAL, "not a link")
        return os.fsencode(node.target)

    def _link(self, request: Request) -> bytes:
        (name,) = fuse_wire.names(request.body, fuse_wire.WORD.size)
        node = self._tree.node(fuse_wire.WORD.unpack_from(request.body)[0])
        self._tree.link(node, self._tree.folder(request.node), name)
        return self._found(node)

    def _remove(self, request: Request, *, is_folder: bool) -> bytes:
        (name,) = fuse_wire.names(request.body)
        self._tree.remove(self._tree.folder(request.node), name, is_folder=is_folder)
        return b""

    def _rename(self, request: Request) -> bytes:
        flags, begin = 0, fuse_wire.WORD.size
        if request.opcode == Opcode.RENAME2:
            _, flags, _ = fuse_wire.RENAME2_IN.unpack_from(request.body)
            begin = fuse_wire.RENAME2_IN.size
        if flags & ~fuse_wire.NO_REPLACE:
            raise OSError(errno.EINVAL, "only a plain rename")
        target = self._tree.folder(fuse_wire.WORD.unpack_from(request.body)[0])
        old, new = fuse_wire.names(request.body, begin)
        source = self._tree.folder(request.node)
        self._tree.rename(source, old, target, new, is_new=bool(flags))
        return b""

    # ---- bytes

    def _open(self, request: Request) -> bytes:
        file = self._tree.file(request.node)
        flags = 0 if file.is_stale else fuse_wire.KEEP_CACHE
        file.is_stale = False
        return fuse_wire.OPENED.pack(0, flags, 0)

    def _read(self, request: Request) -> bytes:
        _, offset, length, *_ = fuse_wire.READ_IN.unpack_from(request.body)
        return self._tree.file(request.node).content.read(offset, length)

    def _write(self, request: Request) -> bytes:
        _, offset, length, *_ = fuse_wire.READ_IN.unpack_from(request.body)
        begin = fuse_wire.READ_IN.size
        file = self._tree.file(request.node)
        self._take_room(file, offset, length)
        file.content.write(offset, request.body[begin : begin + length])
        file.modified_ns = time.time_ns()
        return fuse_wire.TWO_WORDS.pack(length, 0)

    def _allocate(self, request: Request) -> bytes:
        _, offset, length, mode, _ = fuse_wire.ALLOCATE_IN.unpack_from(request.body)
        if mode & ~fuse_wire.KEEP_SIZE:
            raise OSError(errno.EOPNOTSUPP, "only plain allocation")
        file = self._tree.file(request.node)
        self._take_room(file, offset, length)
        if not mode and offset + length > file.content.size:
            file.content.resize(offset + length)
        return b""

    def _take_room(self, file: File, offset: int, length: int) -> None:
        missing = file.extents.missing(offset, length)
        if missing:
            self._room.take(missing)
            file.extents.add(offset, length)

    def _statfs(self, _request: Request) -> bytes:
        there = os.fstatvfs(self._tree.root.fd)
        blocks = there.f_blocks * there.f_frsize // BLOCK_BYTES
        free = there.f_bavail * there.f_frsize // BLOCK_BYTES
        if self._room.left is not None:
            free = self._room.left
        return fuse_wire.room(
            blocks=blocks, free=free, files=there.f_files, block_bytes=BLOCK_BYTES
        )

    # ---- folders

    def _open_folder(self, request: Request) -> bytes:
        self._tree.folder(request.node)
        self._listing += 1
        return fuse_wire.OPENED.pack(self._listing, 0, 0)

    def _read_folder(self, request: Request) -> bytes:
        """As it was when it was read from its begin: what changes meanwhile moves nothing."""
        handle, offset, length, *_ = fuse_wire.READ_IN.unpack_from(request.body)
        if offset == 0:
            folder = self._tree.folder(request.node)
            self._listings[handle] = [(".", folder), ("..", folder), *folder.names.items()]
        listing = self._listings.get(handle, [])
        data = b""
        for number in range(offset, len(listing)):
            name, node = listing[number]
            item = fuse_wire.folder_entry(node.number, number + 1, node.mode, name)
            if len(data) + len(item) > length:
                break
            data += item
        return data

    def _close_folder(self, request: Request) -> bytes:
        self._listings.pop(fuse_wire.WORD.unpack_from(request.body)[0], None)
        return b""
