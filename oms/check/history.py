"""What one client sent and was told, written down while it happened: a file per client session.

Written by whoever trades against a venue that is to be checked (`Recorder`, one per client, fed
with the raw bytes of its connections); read by the checker (`read_history`). Promises: nothing is
interpreted but SoupBinTCP's frames, so that a fault of the client cannot hide one of the venue; a
file that was cut short is read to its last whole frame and says so, one that was changed is
refused.

The file is a header of 8 bytes and frames, little endian:

    0 u32 crc of what follows, continued from the frame before   4 u16 size of the body
    6 u8 kind (FrameKind)   7 u8 0   8 u32 connection, from 1   12 i64 monotonic_ns
    20 i64 wall_ns, since 1970   28 body

OPENED   a msgpack map: user, clock       CONNECTED  the gateway's address, text
ASKED    u64 number asked for at login    LOGIN      the answer's SoupBinTCP frame
SENT     an OUCH message                  RECEIVED   u64 out_seq, an OUCH message
LOST     why the connection ended, text   CLOSED     nothing: the client ended in order, and
                                                     nothing is missing
"""

import struct
import time
import zlib
from collections.abc import Iterator
from enum import IntEnum, unique
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

import msgspec

from oms.wire import soupbin
from oms.wire.errors import ProtocolError

MAGIC: Final = b"QRHIST\x00\x01"
SUFFIX: Final = ".history"
BODY_BYTES_MAX: Final = 0xFFFF
BUFFER_BYTES: Final = 1 << 18
_TEXT_BYTES_MAX: Final = 4096

_HEAD: Final = struct.Struct("<IHBxIqq")
_COVERED: Final = struct.Struct("<HBxIqq")  # the head without its checksum
_OUT_SEQ: Final = struct.Struct("<Q")
_UNSEQUENCED: Final = soupbin.UNSEQUENCED
_SEQUENCED: Final = soupbin.SEQUENCED
_LOGIN_ANSWERS: Final = (soupbin.LOGIN_ACCEPTED, soupbin.LOGIN_REJECTED)


@unique
class FrameKind(IntEnum):
    """What a frame of the file says."""

    OPENED = 1
    CONNECTED = 2
    LOGIN = 3
    SENT = 4
    RECEIVED = 5
    LOST = 6
    CLOSED = 7
    ASKED = 8


_NUMBERED: Final = frozenset((int(FrameKind.RECEIVED), int(FrameKind.ASKED)))


class HistoryError(Exception):
    """A history that is not one, or not any more what was written."""


class Owner(msgspec.Struct, frozen=True):
    """Whose history it is. Times of two histories compare if their clocks have one name."""

    user: str
    clock: str


class Frame(NamedTuple):
    """One line of a history. Shape: scalars; `out_seq` is that of RECEIVED and ASKED, else 0."""

    kind: int
    connection: int
    monotonic_ns: int
    wall_ns: int
    out_seq: int
    body: bytes


class Clock:
    """The machine's. A simulation brings its own; `name` says whose times these are."""

    def __init__(self) -> None:
        self.name = _boot_id()

    def monotonic_ns(self) -> int:
        """Never backwards; the same for all processes of the machine."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Since 1970, for people."""
        return time.time_ns()


class Recorder:
    """Writes one client session's history; `connected` for each TCP connection it makes."""

    def __init__(self, path: Path, user: str, clock: Clock | None = None) -> None:
        """A new file. Raises: OSError, also when there is one of that name."""
        self._clock = clock or Clock()
        self._file: BinaryIO = path.open("xb", buffering=BUFFER_BYTES)
        self._crc = zlib.crc32(MAGIC)
        self._connections = 0
        self._file.write(MAGIC)
        owner = Owner(user=user, clock=self._clock.name)
        self.write(FrameKind.OPENED, 0, msgspec.msgpack.encode(owner))

    def connected(self, gateway: str) -> "RecordedConnection":
        """A TCP connection to this gateway stands."""
        self._connections += 1
        self.write(FrameKind.CONNECTED, self._connections, _text(gateway))
        return RecordedConnection(self, self._connections)

    def write(self, kind: FrameKind, connection: int, body: bytes) -> None:
        """One frame, at this moment. Raises: struct.error when the body is too long."""
        clock = self._clock
        covered = _COVERED.pack(len(body), kind, connection, clock.monotonic_ns(), clock.wall_ns())
        self._crc = crc = zlib.crc32(body, zlib.crc32(covered, self._crc))
        self._file.write(crc.to_bytes(4, "little") + covered + body)

    def flush(self) -> None:
        """What was written so far survives this process."""
        self._file.flush()

    def close(self) -> None:
        """The client is done: nothing is missing in this history."""
        if not self._file.closed:
            self.write(FrameKind.CLOSED, 0, b"")
            self._file.close()

    def abandon(self) -> None:
        """Close the file and do not say that it is whole."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class RecordedConnection:
    """One TCP connection: call `wrote` before bytes are handed to the socket, `read` behind it.

    So an order is never recorded later than it could take effect, and an answer never earlier than
    it was there. Bytes that break the protocol end the recording of this connection, with a LOST
    frame that says so.
    """

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._number = number
        self._outward = soupbin.FrameSplitter()
        self._inward = soupbin.FrameSplitter()
        self._next_out_seq = 0  # 0: not logged in
        self._is_over = False

    def wrote(self, data: bytes) -> None:
        """Bytes that are about to be written."""
        if self._is_over:
            return
        recorder, number = self._recorder, self._number
        try:
            for frame in self._outward.feed(data):
                if frame[0] == _UNSEQUENCED:
                    recorder.write(FrameKind.SENT, number, frame[1:])
                elif frame[0] == soupbin.LOGIN_REQUEST:
                    asked = soupbin.parse_login_request(frame).sequence
                    recorder.write(FrameKind.ASKED, number, _OUT_SEQ.pack(asked))
        except ProtocolError as error:
            self.lost(f"the client broke the protocol: {error}")

    def read(self, data: bytes) -> None:
        """Bytes that were read."""
        if self._is_over:
            return
        recorder, number = self._recorder, self._number
        try:
            for frame in self._inward.feed(data):
                if frame[0] == _SEQUENCED:
                    out_seq = self._next_out_seq
                    self._next_out_seq = out_seq + 1
                    recorder.write(FrameKind.RECEIVED, number, _OUT_SEQ.pack(out_seq) + frame[1:])
                elif frame[0] in _LOGIN_ANSWERS:
                    recorder.write(FrameKind.LOGIN, number, frame)
                    if frame[0] == soupbin.LOGIN_ACCEPTED:
                        self._next_out_seq = soupbin.parse_login_accepted(frame).sequence
        except ProtocolError as error:
            self.lost(f"the venue broke the protocol: {error}")

    def lost(self, reason: str) -> None:
        """The connection is gone (the first reason counts)."""
        if not self._is_over:
            self._is_over = True
            self._recorder.write(FrameKind.LOST, self._number, _text(reason))


class History:
    """A history as it was read: its owner, its frames, and whether its end is there."""

    def __init__(self, path: Path, data: bytes) -> None:
        """Raises: HistoryError when this is no history or somebody changed it."""
        self.path = path
        self._data = data
        if data[: len(MAGIC)] != MAGIC:
            raise HistoryError(f"{path}: not a history of this version")
        self.is_complete = False
        self._end = len(MAGIC)
        self._walk()
        first = next(self.frames(), None)
        if first is None or first.kind != FrameKind.OPENED:
            raise HistoryError(f"{path}: it does not say whose history it is")
        try:
            self.owner = msgspec.msgpack.decode(first.body, type=Owner)
        except msgspec.MsgspecError as error:
            raise HistoryError(f"{path}: it does not say whose history it is: {error}") from None

    def frames(self) -> Iterator[Frame]:
        """Every whole frame, in the order in which they were written."""
        data, position, end = self._data, len(MAGIC), self._end
        unpack = _HEAD.unpack_from
        while position < end:
            _, size, kind, connection, monotonic_ns, wall_ns = unpack(data, position)
            start = position + _HEAD.size
            position = start + size
            out_seq = 0
            if kind in _NUMBERED:
                (out_seq,) = _OUT_SEQ.unpack_from(data, start)
                start += 8
            yield Frame(kind, connection, monotonic_ns, wall_ns, out_seq, data[start:position])

    def _walk(self) -> None:
        """Find the last whole frame; what is torn behind it was being written."""
        data, view, size = self._data, memoryview(self._data), len(self._data)
        crc, position, kind = zlib.crc32(MAGIC), len(MAGIC), 0
        while position + _HEAD.size <= size:
            written = int.from_bytes(data[position : position + 4], "little")
            length = data[position + 4] | data[position + 5] << 8
            end = position + _HEAD.size + length
            if end > size:
                break
            crc = zlib.crc32(view[position + 4 : end], crc)
            if crc != written:
                raise HistoryError(f"{self.path}: changed at offset {position}")
            kind = data[position + 6]
            if kind in _NUMBERED and length < _OUT_SEQ.size:
                raise HistoryError(f"{self.path}: no number at offset {position}")
            self._end = position = end
        self.is_complete = kind == FrameKind.CLOSED and position == size


def read_history(path: Path) -> History:
    """One file. Raises: HistoryError, OSError."""
    return History(path, path.read_bytes())


def find_histories(paths: list[Path]) -> list[Path]:
    """The files that are named, and those of folders that are; each once, by name.

    Raises: HistoryError when there is none.
    """
    found: set[Path] = set()
    for path in paths:
        inside = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise HistoryError(f"{path}: there is no *{SUFFIX} in it")
        found.update(item.resolve() for item in inside)
    return sorted(found)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:_TEXT_BYTES_MAX]


def _boot_id() -> str:
    """Monotonic times compare on one machine, until it starts anew."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "this machine"
