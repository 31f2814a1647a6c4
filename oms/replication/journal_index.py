"""The index of a full segment: what a start needs to know of it without walking its records.

Written by the helper thread when a segment is full (segment_maker.py), read by
journal_recovery.py. Promises: an index is believed only if it is whole and the checksum of the
segment's every byte is the one in it, and that checksum was taken of what was written, not of what
was read back: damage in a full segment is found as surely as by a walk, at the speed of one crc32.
Derived: a missing or wrong index costs a walk, and is written again. docs/protocols/journal.md is
the table form.

Layout, little endian, `<name of the segment>.index`:

    0 8s magic   8 u32 version 1   12 u32 crc32 of everything from 16   16 u64 cluster_id
    24 u64 segment_number   32 u64 segment_bytes   40 u32 crc32 of the whole segment
    44 u32 flags (1: it has a base)   48 u64 end (offset behind the last record)
    56 u64 records_after   64 u64 chain   72 u64 lowest (2^64 - 1: none)   80 u64 kept
    88 u64 base_index   96 u64 base_term   104 u64 entries   112 u64 runs   120 8x reserved
    128 runs: u64 first_index, u64 term each; then entries: u64 segment << 40 | offset each

Read: of the log before the segment, entries up to `kept` remain (or none, when it has a base);
then come its own entries. `lowest` is the lowest index to which a record in it set the log's end.
"""

import os
import struct
import sys
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"QUORINDX"
VERSION: Final = 1
NO_LOWEST: Final = (1 << 64) - 1
_HEAD: Final = struct.Struct("<8sII")
_BODY: Final = struct.Struct("<QQQIIQQQQQQQQQ8x")
HEADER_BYTES: Final = 128
assert _HEAD.size + _BODY.size == HEADER_BYTES
_HAS_BASE: Final = 1


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """A full segment, as its writer or a walk knows it."""

    cluster_id: int
    number: int
    segment_bytes: int
    segment_crc: int
    end: int
    records_after: int
    chain: int
    lowest: int
    kept: int
    base: tuple[int, int] | None  # log index and term of the last base record in it
    runs: list[tuple[int, int]]
    positions: "array[int]"


def index_path(segment: Path) -> Path:
    """Where the index of a segment is: beside it."""
    return segment.with_name(segment.name + ".index")


def pack(index: SegmentIndex) -> bytes:
    """The file's bytes."""
    base_index, base_term = index.base or (0, 0)
    body = _BODY.pack(
        index.cluster_id, index.number, index.segment_bytes, index.segment_crc,
        _HAS_BASE if index.base else 0, index.end, index.records_after, index.chain,
        index.lowest, index.kept, base_index, base_term, len(index.positions), len(index.runs),
    )  # fmt: skip
    runs = array("Q", [number for run in index.runs for number in run])
    tail = body + _little(runs).tobytes() + _little(index.positions).tobytes()
    return _HEAD.pack(MAGIC, VERSION, zlib.crc32(tail)) + tail


def unpack(data: bytes) -> SegmentIndex | None:
    """Read it; None when it is not whole."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, crc = _HEAD.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION) or zlib.crc32(data[_HEAD.size :]) != crc:
        return None
    (
        cluster_id, number, segment_bytes, segment_crc, flags, end, records_after, chain, lowest,
        kept, base_index, base_term, entries, runs,
    ) = _BODY.unpack_from(data, _HEAD.size)  # fmt: skip
    if len(data) != HEADER_BYTES + 16 * runs + 8 * entries:
        return None
    numbers, positions = array("Q"), array("Q")
    numbers.frombytes(data[HEADER_BYTES : HEADER_BYTES + 16 * runs])
    positions.frombytes(data[HEADER_BYTES + 16 * runs :])
    numbers = _little(numbers)
    return SegmentIndex(
        cluster_id=cluster_id, number=number, segment_bytes=segment_bytes,
        segment_crc=segment_crc, end=end, records_after=records_after, chain=chain,
        lowest=lowest, kept=kept, base=(base_index, base_term) if flags & _HAS_BASE else None,
        runs=list(zip(numbers[::2], numbers[1::2], strict=True)), positions=_little(positions),
    )  # fmt: skip


def write(segment: Path, index: SegmentIndex) -> None:
    """Put the index beside its segment: aside, synced, renamed. Raises: OSError.

    The folder is not synced: an index that a power cut takes away is written again.
    """
    path = index_path(segment)
    making = path.with_name(path.name + ".making")
    with making.open("wb") as file:
        file.write(pack(index))
        file.flush()
        os.fsync(file.fileno())
    making.rename(path)


def read(segment: Path, cluster_id: int, number: int) -> SegmentIndex | None:
    """The index of a segment, None when there is none that can be believed."""
    try:
        index = unpack(index_path(segment).read_bytes())
    except FileNotFoundError:
        return None
    if index is None or (index.cluster_id, index.number) != (cluster_id, number):
        return None
    return index


def _little(numbers: "array[int]") -> "array[int]":
    """As they lie on disk (and back)."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers
