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


class SnapshotDamaged(Exception):
    """A snapshot file that does not say what it was written with."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Engine state after `log_index`, and where the node's other numbers stood."""

    cluster_id: int
    log_index: int
    event_seq: int
    digest: int
    state: bytes
    events_crc: int = 0  # crc32 of the node's outputs (events_base, event_seq]
    events_base: int = 0  # the trading day's outputs begin behind this event


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
    with aside.open("wb") as file:
        file.write(_HEAD.pack(MAGIC, VERSION, zlib.crc32(body)))
        file.write(body)
        file.write(snapshot.state)
        file.flush()
        os.fsync(file.fileno())
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
    if len(data) < HEADER_BYTES:
        raise SnapshotDamaged(f"{path.name}: {len(data)} bytes are shorter than a header")
    magic, version, header_crc = _HEAD.unpack_from(data)
    if magic != MAGIC or version not in {1, VERSION}:
        raise SnapshotDamaged(f"{path.name}: not a snapshot of version 1 to {VERSION}")
    layout = _BODY_1 if version == 1 else _BODY
    body = data[_HEAD.size : _HEAD.size + layout.size]
    if zlib.crc32(body) != header_crc:
        raise SnapshotDamaged(f"{path.name}: the header's checksum is wrong")
    cluster_id, log_index, event_seq, digest, length, state_crc, events_crc, *base = layout.unpack(
        body
    )
    state = data[_HEAD.size + layout.size :]
    if len(state) != length:
        raise SnapshotDamaged(f"{path.name}: {len(state)} bytes of state, {length} expected")
    if zlib.crc32(state) != state_crc:
        raise SnapshotDamaged(f"{path.name}: the state's checksum is wrong")
    if path.name != path_of(path.parent, log_index).name:
        raise SnapshotDamaged(f"{path.name}: its header says log index {log_index}")
    return Snapshot(cluster_id, log_index, event_seq, digest, state, events_crc, *base)


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
