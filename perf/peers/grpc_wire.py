"""Unary gRPC calls over one cleartext HTTP/2 connection: as little client as can be.

Called by etcd.py. A general gRPC library costs a Python client some hundred microseconds of CPU a
call, on the cores that the measured servers need; here a call is two frames whose headers were
encoded once. Many calls are on their way at a time. Only what a well-behaved server needs is
answered: SETTINGS, PING, flow control. Response headers are not decoded: a call whose stream ends
without a message has failed.

Source: RFC 9113 (frames), RFC 7541 (literal headers), the gRPC over HTTP/2 mapping.
"""

import socket
import struct
from collections.abc import Iterator
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEAD_BYTES: Final = 9
_WINDOW_DEFAULT: Final = 65_535
_WINDOW_MAX: Final = (1 << 31) - 1
_INITIAL_WINDOW_SIZE: Final = 4
_MESSAGE: Final = struct.Struct(">BI")  # not compressed, length
_READ_BYTES: Final = 1 << 18
DIAL_S: Final = 2.0


class CallFailed(Exception):
    """The server ended a call without an answer, or the connection."""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


def _literal(index: int, value: bytes) -> bytes:
    """A header with a name of the static table, literal, neither indexed nor compressed."""
    prefix = bytes([index]) if index < 0x0F else bytes([0x0F, index - 0x0F])
    return prefix + bytes([len(value)]) + value


class Channel:
    """One connection and the calls on it."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        """Every call goes to `path`. Raises: OSError."""
        authority = f"{address[0]}:{address[1]}".encode()
        self._headers = (
            b"\x83\x86"  # :method POST, :scheme http
            + _literal(4, path.encode())
            + _literal(1, authority)
            + _literal(31, b"application/grpc")
            + b"\x00\x02te\x08trailers"
        )
        self.socket = socket.create_connection(address, DIAL_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        window = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _WINDOW_MAX)
        more = struct.pack(">I", _WINDOW_MAX - _WINDOW_DEFAULT)
        self._out = bytearray(
            _PREFACE + _frame(_SETTINGS, 0, 0, window) + _frame(_WINDOW_UPDATE, 0, 0, more)
        )
        self._in = bytearray()
        self._next_stream = 1
        self._send_window = _WINDOW_DEFAULT
        self._answers: dict[int, bytes] = {}

    def call(self, message: bytes) -> int | None:
        """Begin a call; its number, or None while the server's window has no room."""
        size = _MESSAGE.size + len(message)
        if size > self._send_window:
            return None
        self._send_window -= size
        stream = self._next_stream
        self._next_stream += 2
        self._out += _frame(_HEADERS, _END_HEADERS, stream, self._headers)
        body = _MESSAGE.pack(0, len(message)) + message
        self._out += _frame(_DATA, _END_STREAM, stream, body)
        return stream

    @property
    def has_unsent(self) -> bool:
        """The socket took not everything yet."""
        return bool(self._out)

    def flush(self) -> None:
        """Write what the socket takes. Raises: OSError."""
        if self._out:
            try:
                del self._out[: self.socket.send(self._out)]
            except BlockingIOError:
                return

    def read(self) -> list[tuple[int, bytes]]:
        """Calls that ended: number and answer. Raises: OSError, CallFailed."""
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise CallFailed("the server closed the connection")
        self._in += data
        ended: list[tuple[int, bytes]] = []
        for kind, flags, stream, payload in self._frames():
            match kind:
                case _ if kind == _DATA:
                    self._answers[stream] = self._answers.get(stream, b"") + payload
                case _ if kind == _SETTINGS and not flags & _ACK:
                    self._out += _frame(_SETTINGS, _ACK, 0, b"")
                case _ if kind == _PING and not flags & _ACK:
                    self._out += _frame(_PING, _ACK, 0, payload)
                case _ if kind == _WINDOW_UPDATE and stream == 0:
                    self._send_window += int.from_bytes(payload, "big")
                case _ if kind in (_GOAWAY, _RST_STREAM):
                    raise CallFailed(f"the server sent frame {kind}: {payload!r}")
                case _:
                    pass
            if stream and flags & _END_STREAM and kind in (_DATA, _HEADERS):
                ended.append((stream, self._answer(stream)))
        return ended

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def _answer(self, stream: int) -> bytes:
        data = self._answers.pop(stream, b"")
        if len(data) < _MESSAGE.size:
            raise CallFailed("a call ended without a message")
        return data[_MESSAGE.size :]

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Whole frames; what is left waits for the next read."""
        data, at = self._in, 0
        while len(data) - at >= _HEAD_BYTES:
            length = int.from_bytes(data[at : at + 3], "big")
            end = at + _HEAD_BYTES + length
            if len(data) < end:
                break
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            yield data[at + 3], data[at + 4], stream, bytes(data[at + _HEAD_BYTES : end])
            at = end
        del data[:at]


def field_bytes(number: int, value: bytes) -> bytes:
    """A protobuf field of bytes."""
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """Protobuf's integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(message: bytes) -> dict[int, int | bytes]:
    """A message's integers and bytes by field number, the last of each. Raises: ValueError."""
    found: dict[int, int | bytes] = {}
    at = 0

    def integer() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = integer()
        match key & 7:
            case 0:
                found[key >> 3] = integer()
            case 2:
                length = integer()
                found[key >> 3] = message[at : at + length]
                at += length
            case kind:
                raise ValueError(f"a field of wire type {kind}")
    return found
