"""OUCH 5.0 codec: every message of the two tables, both ways, byte for byte.

Called by the binary gateway (`decode_inbound`, `encode`) and by `oms.client` (`decode_outbound`,
`encode`). Pure. Decoders raise ProtocolError and nothing else; they check lengths, not values: a
side or a price nobody offers is refused in the log, with its code. `encode` raises ValueError.

The layouts stand with the messages (`ouch_messages.py`); the hottest message of each direction
has a decoder of its own. Venue events are encoded by `outbound.py` straight from their records.
"""

import struct
from collections.abc import Callable
from typing import Final, cast

import msgspec

from oms.wire import ouch_messages as m
from oms.wire.errors import ProtocolError

_LENGTH: Final = struct.Struct(">H")
_ENTER: Final = struct.Struct(">x" + m.EnterOrder.FORMAT + "H")
_ACCEPTED: Final = struct.Struct(">x" + m.Accepted.FORMAT + "H")

_Decoder = Callable[[bytes, int], m.Message]
_Encoder = Callable[[m.Message], bytes]


def decode_inbound(data: bytes, offset: int = 0) -> m.Inbound:
    """A client's message, from `offset` to the end of `data`. Raises: ProtocolError."""
    return cast("m.Inbound", _decode(_INBOUND, data, offset))


def decode_outbound(data: bytes, offset: int = 0) -> m.Outbound:
    """The venue's message, from `offset` to the end of `data`. Raises: ProtocolError."""
    return cast("m.Outbound", _decode(_OUTBOUND, data, offset))


def encode(message: m.Inbound | m.Outbound) -> bytes:
    """The bytes of a message of either direction. Raises: ValueError for what does not fit."""
    return _ENCODERS[type(message)](message)


def _decode(table: dict[int, _Decoder], data: bytes, offset: int) -> m.Message:
    if offset >= len(data):
        raise ProtocolError(offset, "empty message")
    decoder = table.get(data[offset])
    if decoder is None:
        raise ProtocolError(offset, f"unknown message type {data[offset : offset + 1]!r}")
    return decoder(data, offset)


def _decode_enter(data: bytes, offset: int) -> m.EnterOrder:
    try:
        urn, side, qty, symbol, price, tif, display, capacity, iso, cross, cl_ord_id, size = (
            _ENTER.unpack_from(data, offset)
        )
    except struct.error:
        raise _short(m.EnterOrder, data, offset) from None
    if len(data) != offset + 47 + size:
        raise _misfit(data, offset, offset + 45)
    return m.EnterOrder(
        urn, side, qty, symbol.rstrip(b" "), price, tif, display, capacity, iso, cross,
        cl_ord_id.rstrip(b" "), data[offset + 47 :] if size else b"",
    )  # fmt: skip


def _decode_accepted(data: bytes, offset: int) -> m.Accepted:
    try:
        (
            timestamp_ns, urn, side, qty, symbol, price, tif, display, order_id, capacity, iso,
            cross, state, cl_ord_id, size,
        ) = _ACCEPTED.unpack_from(data, offset)  # fmt: skip
    except struct.error:
        raise _short(m.Accepted, data, offset) from None
    if len(data) != offset + 64 + size:
        raise _misfit(data, offset, offset + 62)
    return m.Accepted(
        timestamp_ns, urn, side, qty, symbol.rstrip(b" "), price, tif, display, order_id,
        capacity, iso, cross, state, cl_ord_id.rstrip(b" "), data[offset + 64 :] if size else b"",
    )  # fmt: skip


def _decoder(kind: type[m.Message]) -> _Decoder:
    """A decoder made from the message's layout."""
    layout = struct.Struct(">x" + kind.FORMAT)
    unpack = layout.unpack_from
    fixed = layout.size
    texts = tuple(index for index, _ in _text_sizes(kind))
    ending = kind.END

    def decode(data: bytes, offset: int) -> m.Message:
        left = len(data) - offset - fixed
        if left < 0:
            raise _short(kind, data, offset)
        values: tuple[int | bytes | None, ...] = unpack(data, offset)
        if texts:
            stripped = list(values)
            for index in texts:
                stripped[index] = cast("bytes", stripped[index]).rstrip(b" ")
            values = tuple(stripped)
        if left == 0 and ending != m.END_REQUIRED:
            return kind(*values)
        if ending == m.END_NONE:
            raise ProtocolError(offset + fixed, f"{left} bytes behind the end of {kind.__name__}")
        end = offset + fixed
        if left == 2:
            if data[end] or data[end + 1]:
                raise _misfit(data, offset, end)
            return kind(*values, b"")
        if left < 2 or left - 2 != (data[end] << 8) | data[end + 1]:
            raise _misfit(data, offset, end)
        return kind(*values, data[end + 2 :])

    return decode


def _short(kind: type[m.Message], data: bytes, offset: int) -> ProtocolError:
    return ProtocolError(offset, f"{kind.__name__} of {len(data) - offset} bytes is too short")


def _misfit(data: bytes, offset: int, end: int) -> ProtocolError:
    name = data[offset : offset + 1]
    if len(data) < end + 2:
        return ProtocolError(end, f"message {name!r} ends inside its appendage's length")
    (size,) = _LENGTH.unpack_from(data, end)
    reason = f"message {name!r} announces {size} bytes of appendage, has {len(data) - end - 2}"
    return ProtocolError(end, reason)


def _encoder(kind: type[m.Message]) -> _Encoder:
    """An encoder made from the message's layout."""
    layout = struct.Struct(">B" + kind.FORMAT)
    sizes = _text_sizes(kind)
    count = len(struct.Struct(">" + kind.FORMAT).unpack(bytes(layout.size - 1)))
    type_code = kind.TYPE

    def encode_one(message: m.Message) -> bytes:
        fields = msgspec.structs.astuple(message)
        values = list(fields[:count])
        for index, size in sizes:
            if len(values[index]) > size:
                msg = f"{values[index]!r} does not fit {size} bytes"
                raise ValueError(msg)
            values[index] = values[index].ljust(size)
        try:
            data = layout.pack(type_code, *values)
        except struct.error as error:
            msg = f"{message!r} does not fit its layout: {error}"
            raise ValueError(msg) from error
        appendage = fields[count] if len(fields) > count else None
        if appendage is None:
            return data
        if len(appendage) > 0xFFFF:
            msg = f"appendage of {len(appendage)} bytes does not fit"
            raise ValueError(msg)
        return data + _LENGTH.pack(len(appendage)) + cast("bytes", appendage)

    return encode_one


def _text_sizes(kind: type[m.Message]) -> tuple[tuple[int, int], ...]:
    """Which fields of the fixed part are text, with their sizes."""
    blank = struct.Struct(">" + kind.FORMAT)
    values = blank.unpack(bytes(blank.size))
    return tuple((i, len(v)) for i, v in enumerate(values) if isinstance(v, bytes))


_INBOUND_KINDS: Final[tuple[type[m.Message], ...]] = (
    m.EnterOrder, m.ReplaceRequest, m.CancelRequest, m.ModifyRequest, m.MassCancelRequest,
    m.DisableRequest, m.EnableRequest, m.AccountQueryRequest,
)  # fmt: skip
_OUTBOUND_KINDS: Final[tuple[type[m.Message], ...]] = (
    m.SystemEvent, m.Accepted, m.Replaced, m.Canceled, m.AiqCanceled, m.Executed, m.BrokenTrade,
    m.Rejected, m.CancelPending, m.CancelReject, m.PriorityUpdate, m.Modified, m.Restated,
    m.MassCancelResponse, m.DisableResponse, m.EnableResponse, m.AccountQueryResponse,
)  # fmt: skip

_INBOUND: Final = {kind.TYPE: _decoder(kind) for kind in _INBOUND_KINDS}
_INBOUND[m.EnterOrder.TYPE] = _decode_enter
_OUTBOUND: Final = {kind.TYPE: _decoder(kind) for kind in _OUTBOUND_KINDS}
_OUTBOUND[m.Accepted.TYPE] = _decode_accepted
_ENCODERS: Final = {kind: _encoder(kind) for kind in _INBOUND_KINDS + _OUTBOUND_KINDS}
