"""Term and vote on disk: what Raft must not forget, in two checked copies.

Beside them the mark *joining*: a node that takes another one's place has not yet seen what that
one had acknowledged, so it does not vote until it has (docs/adr/0018 and raft_core.py).

Called by journal.py. Promises: when `store` returns, both copies are on disk; whatever single
fault follows (a torn write, a flipped bit, an unreadable copy) the newest stored pair is found
again or the file is refused. Both copies are written one after the other with a sync between:
alternating alone would take a damaged newest copy for a torn one and forget a vote.

A copy, 64 bytes at offset 0 and at offset 4096, little endian:

    0 u32 magic   4 u32 version 2   8 u64 cluster_id   16 u64 update (counts stores)
    24 u64 term   32 16s voted_for (empty: nobody)   48 u32 flags (1: joining)   52 8x reserved
    60 u32 crc32 of 0..59

Version 1 had zeros for flags; it is read, and the first store makes it version 2.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from oms.replication.errors import JournalDamagedError

_MAGIC: Final = 0x4554_4F56
_VERSION: Final = 2
_VERSIONS: Final = frozenset({1, 2})
_JOINING: Final = 1
_BODY: Final = struct.Struct("<IIQQQ16sI8x")
_CRC: Final = struct.Struct("<I")
COPY_OFFSETS: Final = (0, 4096)
COPY_BYTES: Final = 64
FILE_BYTES: Final = 8192
assert _BODY.size + _CRC.size == COPY_BYTES


class _Copy(NamedTuple):
    update: int
    term: int
    voted_for: str | None
    is_joining: bool


class VoteFile:
    """Term and vote of one node."""

    def __init__(self, path: Path, cluster_id: int) -> None:
        """Open an existing file. Raises: JournalDamagedError when no copy can be trusted."""
        self._cluster_id = cluster_id
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise JournalDamagedError(0, f"{path} is missing: term and vote are lost") from None
        try:
            newest = self._read()
            self._update, self.term, self.voted_for, self._is_joining = newest
            self.store(self.term, self.voted_for)  # heals the copy that was torn or damaged
        except BaseException:
            os.close(self._fd)
            raise

    @staticmethod
    def create(path: Path, cluster_id: int, *, is_joining: bool = False) -> None:
        """Write and sync a new file: term 0, no vote."""
        content = bytearray(FILE_BYTES)
        for offset in COPY_OFFSETS:
            content[offset : offset + COPY_BYTES] = _pack(cluster_id, _Copy(0, 0, None, is_joining))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, content, 0)
            os.fsync(fd)
        finally:
            os.close(fd)

    @property
    def is_joining(self) -> bool:
        """Whether this node must not vote yet."""
        return self._is_joining

    def end_joining(self) -> None:
        """From now on it is a voter; on disk when this returns. Raises: as `store`."""
        self._is_joining = False
        self.store(self.term, self.voted_for)

    def store(self, term: int, voted_for: str | None) -> None:
        """Put term and vote on disk. Raises: OSError; the caller must then not go on."""
        self._update += 1
        copy = _Copy(self._update, term, voted_for, self._is_joining)
        data = _pack(self._cluster_id, copy)
        for offset in COPY_OFFSETS:
            os.pwrite(self._fd, data, offset)
            os.fdatasync(self._fd)
        self.term, self.voted_for = term, voted_for

    def close(self) -> None:
        """Give the descriptor back; everything is on disk already."""
        os.close(self._fd)

    def _read(self) -> _Copy:
        raw = [os.pread(self._fd, COPY_BYTES, offset) for offset in COPY_OFFSETS]
        return _newest(self._cluster_id, raw)


def is_joining(path: Path, cluster_id: int) -> bool:
    """What a node's file says, without changing it. Raises: JournalDamagedError, OSError."""
    data = path.read_bytes()
    raw = [data[offset : offset + COPY_BYTES] for offset in COPY_OFFSETS]
    return _newest(cluster_id, raw).is_joining


def _newest(cluster_id: int, raw: list[bytes]) -> _Copy:
    copies = [copy for copy in (_unpack(cluster_id, data) for data in raw) if copy is not None]
    if not copies:
        raise JournalDamagedError(0, "both copies of term and vote are damaged")
    return max(copies, key=lambda copy: copy.update)


def _pack(cluster_id: int, copy: _Copy) -> bytes:
    voted_for = (copy.voted_for or "").encode()
    flags = _JOINING if copy.is_joining else 0
    body = _BODY.pack(_MAGIC, _VERSION, cluster_id, copy.update, copy.term, voted_for, flags)
    return body + _CRC.pack(zlib.crc32(body))


def _unpack(cluster_id: int, data: bytes) -> _Copy | None:
    if len(data) != COPY_BYTES or _CRC.unpack_from(data, _BODY.size)[0] != zlib.crc32(
        data[: _BODY.size]
    ):
        return None
    magic, version, cluster, update, term, voted_for, flags = _BODY.unpack_from(data)
    if (magic, cluster) != (_MAGIC, cluster_id) or version not in _VERSIONS:
        return None
    name = voted_for.rstrip(b"\0").decode() or None
    return _Copy(update, term, name, bool(flags & _JOINING))
