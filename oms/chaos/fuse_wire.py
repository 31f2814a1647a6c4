"""The Linux FUSE kernel protocol, as far as a file system of regular files needs it: pure codec.

Called by `forgetful_fs.py`. A request is one read of /dev/fuse, an answer is one write. Source:
include/uapi/linux/fuse.h of the kernel, protocol 7.31 and later; all integers are the machine's.

    request   u32 length  u32 opcode  u64 unique  u64 node  u32 uid  u32 gid  u32 pid  u32
    answer    u32 length  i32 -errno  u64 unique
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

MAJOR: Final = 7
MINOR: Final = 38
MINOR_MIN: Final = 31
WRITE_BYTES_MAX: Final = 1 << 20
REQUEST_BYTES_MAX: Final = WRITE_BYTES_MAX + 4096
VALID_S: Final = 3600  # nobody else changes this file system, so the kernel may keep what it knows
KEEP_CACHE: Final = 2  # FOPEN_KEEP_CACHE
NO_REPLACE: Final = 1  # RENAME_NOREPLACE
KEEP_SIZE: Final = 1  # FALLOC_FL_KEEP_SIZE

_ASYNC_READ, _BIG_WRITES, _MAX_PAGES = 1 << 0, 1 << 5, 1 << 22
_PAGE_BYTES: Final = 4096
_SET_MODE, _SET_SIZE, _SET_MODIFIED, _SET_MODIFIED_NOW = 1 << 0, 1 << 3, 1 << 5, 1 << 8

REQUEST_HEADER: Final = struct.Struct("=IIQQIIII")
ANSWER_HEADER: Final = struct.Struct("=IiQ")
_ATTRIBUTES: Final = struct.Struct("=QQQQQQIIIIIIIIII")
_ENTRY: Final = struct.Struct("=QQQQII")
_ATTRIBUTES_HEAD: Final = struct.Struct("=QII")
_INIT_IN: Final = struct.Struct("=IIII")
_INIT_OUT: Final = struct.Struct("=IIIIHHIIHHI28x")
_SET: Final = struct.Struct("=IIQQQQQQIIIIIIII")
_ROOM: Final = struct.Struct("=QQQQQIII28x")
_ENTRY_OF_FOLDER: Final = struct.Struct("=QQII")

OPENED: Final = struct.Struct("=QII")  # handle, flags, padding
TWO_WORDS: Final = struct.Struct("=II")
WORD: Final = struct.Struct("=Q")
CREATE_IN: Final = struct.Struct("=IIII")  # flags, mode, umask, open flags
RENAME2_IN: Final = struct.Struct("=QII")  # new folder, flags
READ_IN: Final = struct.Struct("=QQIIQII")  # handle, offset, size, ...
ALLOCATE_IN: Final = struct.Struct("=QQQII")  # handle, offset, length, mode
FORGET_ONE: Final = struct.Struct("=QQ")


class Opcode(IntEnum):
    """What the kernel asks for."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    FALLOCATE = 43
    RENAME2 = 45


class Request(NamedTuple):
    """One request; `body` is what follows the header."""

    opcode: int
    unique: int
    node: int
    body: memoryview


@dataclass(frozen=True, slots=True)
class Attributes:
    """What `stat` shows of a node."""

    node: int
    size: int
    blocks: int  # of 512 bytes
    modified_ns: int
    mode: int
    links: int
    owner: int
    group: int


class Change(NamedTuple):
    """What SETATTR asks for; None is left as it is, `modified_ns` 0 is now."""

    mode: int | None
    size: int | None
    modified_ns: int | None


def request(data: memoryview) -> Request:
    """Take one read of the device apart."""
    length, opcode, unique, node, _, _, _, _ = REQUEST_HEADER.unpack_from(data)
    return Request(opcode, unique, node, data[REQUEST_HEADER.size : length])


def answer(unique: int, body: bytes) -> bytes:
    """What is written back."""
    return ANSWER_HEADER.pack(ANSWER_HEADER.size + len(body), 0, unique) + body


def refusal(unique: int, number: int) -> bytes:
    """An answer that is an errno."""
    return ANSWER_HEADER.pack(ANSWER_HEADER.size, -number, unique)


def names(body: memoryview, offset: int = 0) -> list[str]:
    """The names that end a request, each with a zero behind it."""
    return [_text(name) for name in bytes(body[offset:]).split(b"\0")[:-1]]


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def init(body: memoryview) -> bytes:
    """Agree on a version. Raises: ValueError for a kernel that is too old."""
    major, minor, read_ahead, offered = _INIT_IN.unpack_from(body)
    if major != MAJOR or minor < MINOR_MIN:
        msg = f"the kernel speaks FUSE {major}.{minor}, needed is {MAJOR}.{MINOR_MIN}"
        raise ValueError(msg)
    flags = offered & (_ASYNC_READ | _BIG_WRITES | _MAX_PAGES)
    pages = WRITE_BYTES_MAX // _PAGE_BYTES
    return _INIT_OUT.pack(
        MAJOR, min(minor, MINOR), read_ahead, flags, 16, 12, WRITE_BYTES_MAX, 1, pages, 0, 0
    )


def entry(attributes: Attributes) -> bytes:
    """A name leads to this node."""
    return _ENTRY.pack(attributes.node, 0, VALID_S, VALID_S, 0, 0) + _pack_attributes(attributes)


def attributes_out(attributes: Attributes) -> bytes:
    """The answer to GETATTR and SETATTR."""
    return _ATTRIBUTES_HEAD.pack(VALID_S, 0, 0) + _pack_attributes(attributes)


def _pack_attributes(attributes: Attributes) -> bytes:
    seconds, rest = divmod(attributes.modified_ns, 1_000_000_000)
    return _ATTRIBUTES.pack(
        attributes.node, attributes.size, attributes.blocks, seconds, seconds, seconds,
        rest, rest, rest, attributes.mode, attributes.links, attributes.owner, attributes.group,
        0, _PAGE_BYTES, 0,
    )  # fmt: skip


def change(body: memoryview) -> Change:
    """The content of SETATTR."""
    fields = _SET.unpack_from(body)
    valid, size, modified_s, modified_rest, mode = (
        fields[0], fields[3], fields[6], fields[9], fields[11]
    )  # fmt: skip
    modified_ns = None
    if valid & _SET_MODIFIED:
        is_now = valid & _SET_MODIFIED_NOW
        modified_ns = 0 if is_now else modified_s * 1_000_000_000 + modified_rest
    return Change(
        mode if valid & _SET_MODE else None, size if valid & _SET_SIZE else None, modified_ns
    )


def folder_entry(node: int, following: int, mode: int, name: str) -> bytes:
    """One name of a folder; `following` is where to go on behind it."""
    raw = name.encode(errors="surrogateescape")
    head = _ENTRY_OF_FOLDER.pack(node, following, len(raw), mode >> 12)
    return head + raw + bytes(-len(raw) % 8)


def room(*, blocks: int, free: int, files: int, block_bytes: int) -> bytes:
    """The answer to STATFS."""
    return _ROOM.pack(blocks, free, free, files, 1 << 20, block_bytes, 255, block_bytes)
