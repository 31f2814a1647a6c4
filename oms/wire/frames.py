"""The PUB frame: a topic, 24 bytes of header, a body (DESIGN 7).

Called by the node's egress, the gateways' venue link and the client's feed reader. Pure.

Header, little endian: 0 u8 version  1 u8 kind  2 u16 flags  4 u32 epoch (Raft term)
8 u64 number (topic_seq, or the first event_seq of an engine frame)  16 i64 timestamp_ns.
"""

import struct
from enum import IntEnum, unique
from typing import Final, NamedTuple

HEADER: Final = struct.Struct("<BBHIQq")
VERSION: Final = 1


@unique
class FrameKind(IntEnum):
    """What the body is."""

    STATUS = 1  # msgpack Status; number = event_seq
    ENGINE = 2  # raw event records; number = event_seq of the first
    HEARTBEAT = 3  # empty; number = last topic_seq of the topic
    EXECUTION = 4  # msgpack map; number = topic_seq of the account's topic
    TRADE = 5  # msgpack map; number = topic_seq of the instrument's topic
    BOOK_TOP = 6
    PHASE = 7
    CALL_STATE = 8
    CALL_TRADE = 9
    TRADE_BUST = 10


class Header(NamedTuple):
    """A frame's header, unpacked."""

    version: int
    kind: int
    flags: int
    epoch: int
    number: int
    timestamp_ns: int


def pack(kind: FrameKind, epoch: int, number: int, timestamp_ns: int, body: bytes) -> bytes:
    """Header and body in one frame."""
    return HEADER.pack(VERSION, kind, 0, epoch, number, timestamp_ns) + body


def unpack(frame: bytes) -> tuple[Header, bytes]:
    """Split a frame. Raises: ValueError when short or of another version."""
    if len(frame) < HEADER.size:
        msg = f"PUB frame of {len(frame)} bytes is shorter than its header of {HEADER.size}"
        raise ValueError(msg)
    header = Header._make(HEADER.unpack_from(frame))
    if header.version != VERSION:
        msg = f"PUB frame has version {header.version}, this reader knows {VERSION}"
        raise ValueError(msg)
    return header, frame[HEADER.size :]
