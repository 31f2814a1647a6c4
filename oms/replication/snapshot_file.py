"""A snapshot on disk: written aside, synced, renamed, the folder synced; verified when read.

Called by the node (a helper thread writes, the start reads). Promises: a file that has its final
name is whole, whenever the machine stopped; a flipped bit anywhere is found on reading; what
cannot be trusted is an error, never an empty state.

Layout, little endian: 0 8s magic  8 u32 version  12 u32 crc32 of bytes 16..80  16 u64 cluster_id
24 u64 log_index  32 u64 event_seq  40 u64 digest  48 u64 state length  56 u32 crc32 of the state
60 u32 crc32 of the outputs (events_base, event_seq]  64 u64 events_base  72 8 bytes 0  80 state.
Version 1 ends its header at 64, and its events_base is 0; it is read, not written.
The name is `<log_index, 16 hex digits>.snapshot`.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"QRSNAP\r\n"
VERSION: Final = 2
SUFFIX: Final = ".snapshot"
_HEAD: Final = struct.Struct("<8sII")
_BODY: Final = struct.Struct("<QQQQQIIQ8x")
_BODY_1: Final = struct.Struct("<QQQQQII")
HEADER_BYTES: Final = _HEAD.size + _BODY.size
HEADER_BYTES_1: Final = _HEAD.size + _BODY_1.size
_PIECE_BYTES: Final = 1 << 20


class SnapshotDamaged(Exception):
    """A snapshot file that does not say what it was written with."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Engine state after `log_index`, and where the node's other numbers stood."""

    cluster_id: int
    log_index: int
    event_seq: int
    digest: int
    state: bytes | memoryview  # what is to be written need not be copied once more
    events_crc: int = 0  # crc32 of the node's outputs (events_base, event_seq]
    events_base: int = 0  # the trading day's outputs begin behind this event


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """What a file says of itself, besides the state."""

    cluster_id: int
    log_index: int
    event_seq: int
    digest: int
    state_bytes: int
    state_crc: int
    events_crc: int
    events_base: int
    state_offset: int  # in the file


def path_of(folder: Path, log_index: int) -> Path:
    """Where the snapshot at `log_index` is."""
    return folder / f"{log_index:016x}{SUFFIX}"


def write(folder: Path, snapshot: Snapshot) -> Path:
    """Make the snapshot durable; returns its path. Raises: OSError, and then nothing changed."""
    body = _BODY.pack(
        snapshot.cluster_id,
        snapshot.log_index,
        snapshot.event_seq,
        snapshot.digest,
        len(snapshot.state),
        zlib.crc32(snapshot.state),
        snapshot.events_crc,
        snapshot.events_base,
    )
    path = path_of(folder, snapshot.log_index)
    aside = path.with_suffix(".aside")
    try:
        with aside.open("wb") as file:
            file.write(_HEAD.pack(MAGIC, VERSION, zlib.crc32(body)))
            file.write(body)
            file.write(snapshot.state)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        aside.unlink(missing_ok=True)  # on a full disk its blocks are the log's
        raise
    aside.rename(path)
    sync_folder(folder)
    return path


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: Path) -> Snapshot:
    """Read and verify. Raises: SnapshotDamaged, OSError."""
    data = path.read_bytes()
    head = _head(path, data[:HEADER_BYTES], len(data))
    state = data[head.state_offset :]
    if zlib.crc32(state) != head.state_crc:
        raise SnapshotDamaged(f"{path.name}: the state's checksum is wrong")
    return Snapshot(
        cluster_id=head.cluster_id, log_index=head.log_index, event_seq=head.event_seq,
        digest=head.digest, state=state, events_crc=head.events_crc, events_base=head.events_base,
    )  # fmt: skip


def check(path: Path) -> SnapshotHead:
    """Verify a file as `read` does, a piece at a time. Raises: SnapshotDamaged, OSError."""
    with path.open("rb") as file:
        head = _head(path, file.read(HEADER_BYTES), path.stat().st_size)
        file.seek(head.state_offset)
        crc = 0
        while piece := file.read(_PIECE_BYTES):
            crc = zlib.crc32(piece, crc)
    if crc != head.state_crc:
        raise SnapshotDamaged(f"{path.name}: the state's checksum is wrong")
    return head


def _head(path: Path, data: bytes, file_bytes: int) -> SnapshotHead:
    """The header of a file of so many bytes. Raises: SnapshotDamaged."""
    if file_bytes < HEADER_BYTES_1:
        raise SnapshotDamaged(f"{path.name}: {file_bytes} bytes are shorter than a header")
    magic, version, header_crc = _HEAD.unpack_from(data)
    if magic != MAGIC or version not in {1, VERSION}:
        raise SnapshotDamaged(f"{path.name}: not a snapshot of version 1 to {VERSION}")
    layout = _BODY_1 if version == 1 else _BODY
    offset = _HEAD.size + layout.size
    body = data[_HEAD.size : offset]
    if len(body) < layout.size or zlib.crc32(body) != header_crc:
        raise SnapshotDamaged(f"{path.name}: the header's checksum is wrong")
    cluster_id, log_index, event_seq, digest, length, state_crc, events_crc, *base = layout.unpack(
        body
    )
    if file_bytes - offset != length:
        raise SnapshotDamaged(
            f"{path.name}: {file_bytes - offset} bytes of state, {length} expected"
        )
    if path.name != path_of(path.parent, log_index).name:
        raise SnapshotDamaged(f"{path.name}: its header says log index {log_index}")
    return SnapshotHead(
        cluster_id=cluster_id, log_index=log_index, event_seq=event_seq, digest=digest,
        state_bytes=length, state_crc=state_crc, events_crc=events_crc,
        events_base=base[0] if base else 0, state_offset=offset,
    )  # fmt: skip


def newest_first(folder: Path) -> list[Path]:
    """Snapshot files, the one with the highest log index first."""
    return sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


def prune(folder: Path, kept: int, spared: int = 0) -> None:
    """Remove all but the newest `kept` snapshots and the one at log index `spared`, and what
    unfinished writes left.
    """
    for path in newest_first(folder)[kept:]:
        if path != path_of(folder, spared):
            path.unlink()
    for path in folder.glob("*.aside"):
        path.unlink()
