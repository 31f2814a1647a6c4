"""SoupBinTCP 3.00, and the 4.1 login: framing and the session layer's own packets, both ways.

Called by the binary gateway (server side) and by `oms.client` (client side). Pure: bytes in,
frames or bytes out. A frame here is a packet without its two length bytes: the type, then the
payload. Decoders raise ProtocolError and nothing else; encoders raise ValueError for values that
do not fit their field.

Source: SoupBinTCP 3.00 and 4.1. Numbers are ASCII digits, padded with spaces on the left.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from oms.bounds import SOUP_PASSWORD_BYTES, SOUP_USER_BYTES
from oms.wire.errors import ProtocolError

# packet types, both directions
DEBUG: Final = ord("+")
LOGIN_ACCEPTED: Final = ord("A")
LOGIN_REJECTED: Final = ord("J")
SEQUENCED: Final = ord("S")
UNSEQUENCED: Final = ord("U")  # client to server only: 3.00 clients do not know a server's
SERVER_HEARTBEAT: Final = ord("H")
END_OF_SESSION: Final = ord("Z")
LOGIN_REQUEST: Final = ord("L")
CLIENT_HEARTBEAT: Final = ord("R")
LOGOUT: Final = ord("O")

SERVER_HEARTBEAT_PACKET: Final = b"\x00\x01H"
CLIENT_HEARTBEAT_PACKET: Final = b"\x00\x01R"
LOGOUT_PACKET: Final = b"\x00\x01O"
END_OF_SESSION_PACKET: Final = b"\x00\x01Z"

REJECT_NOT_AUTHORIZED: Final = ord("A")
REJECT_NO_SESSION: Final = ord("S")  # session not available

SESSION_BYTES: Final = 10
SEQUENCE_DIGITS: Final = 20
TIMEOUT_DIGITS: Final = 5
FRAME_BYTES_MAX: Final = 0xFFFF  # the length field's own bound
SEQUENCE_MAX: Final = (1 << 64) - 1

_LOGIN_300: Final = struct.Struct(">6s10s10s20s")
_LOGIN_41: Final = struct.Struct(">6s10s10s20s5s")
_ACCEPTED: Final = struct.Struct(">10s20s")
LOGIN_300_BYTES: Final = 1 + _LOGIN_300.size
LOGIN_41_BYTES: Final = 1 + _LOGIN_41.size
_LENGTH: Final = struct.Struct(">H")


class LoginRequest(msgspec.Struct, frozen=True, gc=False):
    """A client's login. `session` blank: the current one; `sequence` 0: only what comes next.

    Units: heartbeat_timeout_ms is None in a 3.00 login.
    """

    user: bytes
    password: bytes
    session: bytes
    sequence: int
    heartbeat_timeout_ms: int | None = None


class LoginAccepted(msgspec.Struct, frozen=True, gc=False):
    """The server's yes: the session, and the number of the next sequenced message."""

    session: bytes
    sequence: int


class FrameSplitter:
    """Cuts a TCP stream into frames; keeps what is not complete yet.

    Bounds: a frame longer than `frame_bytes_max` is a ProtocolError, so that at most one frame of
    that size is ever kept.
    """

    __slots__ = ("_frame_bytes_max", "_position", "_rest")

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._rest = b""
        self._position = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes received that are not yet a whole frame."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every frame now complete, in order, without its length bytes.

        Must be read to its end before the next call. Raises: ProtocolError, after the frames
        before the fault have been yielded, so that the outcome does not depend on how TCP cut
        the stream; the offset counts from the start of the stream.
        """
        if self._rest:
            data = self._rest + data
        size = len(data)
        start = 0
        frame_bytes_max = self._frame_bytes_max
        while size - start >= 2:
            length = (data[start] << 8) | data[start + 1]
            if not 0 < length <= frame_bytes_max:
                reason = f"packet of {length} bytes, allowed are 1 to {frame_bytes_max}"
                raise ProtocolError(self._position + start, reason)
            end = start + 2 + length
            if end > size:
                break
            yield data[start + 2 : end]
            start = end
        self._rest = data[start:]
        self._position += start


def pack(packet_type: int, payload: bytes = b"") -> bytes:
    """One packet with its length. Raises: ValueError when the payload is too long."""
    length = 1 + len(payload)
    if length > FRAME_BYTES_MAX:
        msg = f"payload of {length - 1} bytes does not fit a packet"
        raise ValueError(msg)
    return _LENGTH.pack(length) + bytes((packet_type,)) + payload


def sequenced(message: bytes) -> bytes:
    """One message as a sequenced data packet (server to client)."""
    return _LENGTH.pack(1 + len(message)) + b"S" + message


def unsequenced(message: bytes) -> bytes:
    """One message as an unsequenced data packet (client to server)."""
    return _LENGTH.pack(1 + len(message)) + b"U" + message


def login_request(request: LoginRequest) -> bytes:
    """A login packet: 3.00, or 4.1 when it names a heartbeat time-out."""
    fields = (
        _padded_right(request.user, SOUP_USER_BYTES),
        _padded_right(request.password, SOUP_PASSWORD_BYTES),
        _padded_left(request.session, SESSION_BYTES),
        _number(request.sequence, SEQUENCE_DIGITS),
    )
    if request.heartbeat_timeout_ms is None:
        return pack(LOGIN_REQUEST, _LOGIN_300.pack(*fields))
    timeout = _number(request.heartbeat_timeout_ms, TIMEOUT_DIGITS)
    return pack(LOGIN_REQUEST, _LOGIN_41.pack(*fields, timeout))


def login_accepted(session: bytes, sequence: int) -> bytes:
    """The yes to a login: the next sequenced message will have number `sequence`."""
    return pack(
        LOGIN_ACCEPTED,
        _ACCEPTED.pack(_padded_left(session, SESSION_BYTES), _number(sequence, SEQUENCE_DIGITS)),
    )


def login_rejected(code: int) -> bytes:
    """The no to a login; the server closes after it."""
    return pack(LOGIN_REJECTED, bytes((code,)))


def parse_login_request(frame: bytes) -> LoginRequest:
    """Read an `L` frame of either version. Raises: ProtocolError."""
    if len(frame) == LOGIN_300_BYTES:
        user, password, session, sequence = _LOGIN_300.unpack_from(frame, 1)
        timeout_ms = None
    elif len(frame) == LOGIN_41_BYTES:
        user, password, session, sequence, timeout = _LOGIN_41.unpack_from(frame, 1)
        timeout_ms = _digits(timeout, 47)
    else:
        reason = f"login of {len(frame)} bytes, expected {LOGIN_300_BYTES} or {LOGIN_41_BYTES}"
        raise ProtocolError(0, reason)
    return LoginRequest(
        user=user.strip(b" "),
        password=password.strip(b" "),
        session=session.strip(b" "),
        sequence=_digits(sequence, 27),
        heartbeat_timeout_ms=timeout_ms,
    )


def parse_login_accepted(frame: bytes) -> LoginAccepted:
    """Read an `A` frame. Raises: ProtocolError."""
    if len(frame) != 1 + _ACCEPTED.size:
        reason = f"login answer of {len(frame)} bytes, expected {1 + _ACCEPTED.size}"
        raise ProtocolError(0, reason)
    session, sequence = _ACCEPTED.unpack_from(frame, 1)
    return LoginAccepted(session=session.strip(b" "), sequence=_digits(sequence, 11))


def parse_login_rejected(frame: bytes) -> int:
    """Read a `J` frame: the code. Raises: ProtocolError."""
    if len(frame) != 2:
        reason = f"login refusal of {len(frame)} bytes, expected 2"
        raise ProtocolError(0, reason)
    return frame[1]


def _padded_right(value: bytes, size: int) -> bytes:
    if len(value) > size:
        msg = f"{value!r} does not fit {size} bytes"
        raise ValueError(msg)
    return value.ljust(size)


def _padded_left(value: bytes, size: int) -> bytes:
    if len(value) > size:
        msg = f"{value!r} does not fit {size} bytes"
        raise ValueError(msg)
    return value.rjust(size)


def _number(value: int, size: int) -> bytes:
    if value < 0:
        msg = f"{value} is negative"
        raise ValueError(msg)
    return _padded_left(b"%d" % value, size)


def _digits(field: bytes, offset: int) -> int:
    """ASCII digits with spaces round them; blank is 0. Raises: ProtocolError."""
    text = field.strip(b" ")
    if not text:
        return 0
    if not text.isdigit():
        raise ProtocolError(offset, f"{field!r} is not a number")
    value = int(text)
    if value > SEQUENCE_MAX:
        raise ProtocolError(offset, f"{value} is above 64 bits")
    return value
