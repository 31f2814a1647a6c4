"""Byte layouts of the journal's files, and the walk over one segment that recovery makes.

Called by journal.py and vote_file.py alone. Pure: bytes in, values out, no IO. Promises that every
single changed bit of a record or header is seen, and that a hole which was once synced is never
taken for the end. docs/protocols/journal.md is the table form of this file.

Segment header, 128 bytes at offset 0, all little endian (an all-zero header: prepared, unused):

    0 8s magic   8 u32 version   12 u32 durability (1 = disk)   16 u64 cluster_id   24 16s node_id
    40 u64 segment_number (from 1)   48 u64 first_index   56 u64 records_before   64 u64 chain
    72 u64 term_before (version 2; version 1 has zeros)   80 44x reserved
    124 u32 crc32 of bytes 0..123

Record, 48 bytes then `length` bytes, padded with zeros to a multiple of 8:

    0 u32 marker   4 u32 length   8 u64 log_index   16 u64 term   24 u64 synced_records
    32 u32 crc32 of the payload   36 u32 kind (1 entry, 2 truncation, 3 base)   40 u64 chain

`chain` is blake2b-64 over the previous record's chain and this header's first 40 bytes, so each
record covers all before it. A truncation says "the log ends at log_index now", a base "the log
begins behind log_index, which has this term, and is empty now" (a snapshot holds what is before):
the journal itself only ever grows. `term_before` is the term of the entry before first_index, so
that a journal whose oldest segments were archived still opens. `synced_records` counts the
journal's records (of all segments) known to be on disk when this one was written: a broken record
whose number is not above it was once whole.

Mark, 32 bytes, rewritten after every sync and not itself synced (it survives the process's death,
and mostly the machine's): 0 u32 magic   4 u32 crc32 of the rest   8 u64 cluster_id
16 u64 synced_records   24 u64 reserved
"""

import struct
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

SEGMENT_MAGIC: Final = b"QUORJRNL"
SEGMENT_VERSION: Final = 2
_SEGMENT_VERSIONS: Final = frozenset({1, 2})
DURABILITY_DISK: Final = 1
SEGMENT_HEADER: Final = struct.Struct("<8sIIQ16sQQQQQ44x")
SEGMENT_HEADER_BYTES: Final = 128
_CRC: Final = struct.Struct("<I")
assert SEGMENT_HEADER.size + _CRC.size == SEGMENT_HEADER_BYTES

RECORD_MARKER: Final = 0xC3A5_1E7B
MARKER_BYTES: Final = RECORD_MARKER.to_bytes(4, "little")
_RECORD_HEAD: Final = struct.Struct("<IIQQQII")
_CHAIN: Final = struct.Struct("<Q")
RECORD_HEADER_BYTES: Final = 48
assert _RECORD_HEAD.size + _CHAIN.size == RECORD_HEADER_BYTES
KIND_ENTRY: Final = 1
KIND_TRUNCATION: Final = 2
KIND_BASE: Final = 3
_KINDS: Final = frozenset({KIND_ENTRY, KIND_TRUNCATION, KIND_BASE})
_RECORDS_MAX: Final = 1 << 48  # more records than any disk holds
NODE_ID_BYTES_MAX: Final = 16
_MARK_MAGIC: Final = 0x4B4D_4A51
_MARK_HEAD: Final = struct.Struct("<II")
_MARK_BODY: Final = struct.Struct("<QQQ")


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a used segment says of itself."""

    version: int
    durability: int
    cluster_id: int
    node_id: str
    number: int
    first_index: int
    records_before: int
    chain: int
    term_before: int = 0  # not told by version 1


class Record(NamedTuple):
    """One checked record; `offset` is that of its header in the segment."""

    offset: int
    log_index: int
    term: int
    kind: int
    length: int
    synced_records: int
    chain: int


def record_bytes(length: int) -> int:
    """Bytes a record with a payload of `length` takes in a segment."""
    return (RECORD_HEADER_BYTES + length + 7) & ~7


def padding(length: int) -> bytes:
    """The zeros behind a payload of `length`."""
    return bytes(-length % 8)


def pack_segment_header(header: SegmentHeader) -> bytes:
    """The 128 bytes at a segment's start."""
    body = SEGMENT_HEADER.pack(
        SEGMENT_MAGIC, header.version, header.durability, header.cluster_id,
        header.node_id.encode(), header.number, header.first_index, header.records_before,
        header.chain, header.term_before,
    )  # fmt: skip
    return body + _CRC.pack(zlib.crc32(body))


def unpack_segment_header(data: bytes) -> SegmentHeader | None:
    """Read a segment's header; None when the segment is prepared but unused.

    Raises: ValueError with the reason when it is neither.
    """
    data = data[:SEGMENT_HEADER_BYTES]
    if len(data) < SEGMENT_HEADER_BYTES:
        raise ValueError("the segment is shorter than its header")
    if not any(data):
        return None
    if _CRC.unpack_from(data, SEGMENT_HEADER.size)[0] != zlib.crc32(data[: SEGMENT_HEADER.size]):
        raise ValueError("the segment header's checksum is wrong")
    magic, version, durability, cluster, node, number, first, before, chain, term_before = (
        SEGMENT_HEADER.unpack_from(data)
    )
    if magic != SEGMENT_MAGIC or version not in _SEGMENT_VERSIONS or durability != DURABILITY_DISK:
        raise ValueError(f"unknown magic, version {version} or durability {durability}")
    return SegmentHeader(
        version, durability, cluster, node.rstrip(b"\0").decode(), number, first, before, chain,
        term_before,
    )  # fmt: skip


def pack_record_header(
    previous_chain: int,
    *,
    log_index: int,
    term: int,
    synced_records: int,
    kind: int,
    payload: bytes,
) -> tuple[bytes, int]:
    """The 48 bytes before a payload, and the record's chain value."""
    head = _RECORD_HEAD.pack(
        RECORD_MARKER, len(payload), log_index, term, synced_records, zlib.crc32(payload), kind
    )
    chain_bytes = blake2b(_CHAIN.pack(previous_chain) + head, digest_size=8).digest()
    return head + chain_bytes, _CHAIN.unpack(chain_bytes)[0]


def read_record(data: memoryview, offset: int, previous_chain: int) -> Record | None:
    """The record at `offset` if every one of its bits is as written, else None."""
    body = offset + RECORD_HEADER_BYTES
    if body > len(data):
        return None
    fields = _RECORD_HEAD.unpack_from(data, offset)
    marker, length, log_index, term, synced_records, crc, kind = fields
    end = offset + record_bytes(length)
    if marker != RECORD_MARKER or end > len(data):
        return None
    head = bytes(data[offset : offset + _RECORD_HEAD.size])
    chain_bytes = bytes(data[offset + _RECORD_HEAD.size : body])
    if blake2b(_CHAIN.pack(previous_chain) + head, digest_size=8).digest() != chain_bytes:
        return None
    if zlib.crc32(data[body : body + length]) != crc or any(data[body + length : end]):
        return None
    chain = _CHAIN.unpack(chain_bytes)[0]
    return Record(offset, log_index, term, kind, length, synced_records, chain)


def payload_length(header: bytes) -> int:
    """Length of the payload behind a record header read back from a segment."""
    length: int = _RECORD_HEAD.unpack_from(header)[1]
    return length


def entry_at(data: bytes, at: int, log_index: int) -> tuple[bytes, int] | None:
    """Payload and term of an entry's record in bytes read back from a segment; None when it is not
    that entry as it was written, or not whole there.
    """
    begin = at + RECORD_HEADER_BYTES
    if at < 0 or begin > len(data):
        return None
    fields = _RECORD_HEAD.unpack_from(data, at)
    payload = data[begin : begin + fields[1]]
    is_it = (
        fields[0] == RECORD_MARKER
        and fields[1] == len(payload)
        and fields[2] == log_index
        and fields[5] == zlib.crc32(payload)
    )
    return (payload, fields[3]) if is_it else None


def later_proof_of_sync(data: bytes, offset: int) -> int:
    """Highest synced_records told by any whole record behind `offset`, 0 if there is none.

    The chain is broken there, so a record is believed on its payload's checksum alone: at worst
    a journal is refused that could have been cut.
    """
    highest = 0
    view = memoryview(data)
    at = data.find(MARKER_BYTES, offset)
    while at >= 0:
        body = at + RECORD_HEADER_BYTES
        if at % 8 == 0 and body <= len(data):
            _, length, _, _, synced, crc, kind = _RECORD_HEAD.unpack_from(data, at)
            is_whole = kind in _KINDS and body + length <= len(data) and synced <= _RECORDS_MAX
            if is_whole and zlib.crc32(view[body : body + length]) == crc:
                highest = max(highest, synced)
        at = data.find(MARKER_BYTES, at + 4)
    return highest


def pack_mark(cluster_id: int, synced_records: int) -> bytes:
    """The 32 bytes of the mark file."""
    body = _MARK_BODY.pack(cluster_id, synced_records, 0)
    return _MARK_HEAD.pack(_MARK_MAGIC, zlib.crc32(body)) + body


def unpack_mark(data: bytes, cluster_id: int) -> int:
    """The synced_records of a mark; 0 when it proves nothing (torn, absent or another's)."""
    if len(data) < _MARK_HEAD.size + _MARK_BODY.size:
        return 0
    magic, crc = _MARK_HEAD.unpack_from(data)
    body = data[_MARK_HEAD.size : _MARK_HEAD.size + _MARK_BODY.size]
    cluster, synced, _ = _MARK_BODY.unpack(body)
    is_whole = magic == _MARK_MAGIC and crc == zlib.crc32(body) and cluster == cluster_id
    return int(synced) if is_whole else 0
