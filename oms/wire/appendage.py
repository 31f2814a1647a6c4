"""The OUCH 5.0 appendage: optional fields as tag, length, value at the end of a message.

Called by `ouch.py`'s users on both sides. Pure. Unknown and private (128 and above) tags are kept
as raw bytes, so that an appendage is built again byte for byte as it was read.

Source: OUCH 5.0, appendage table; wire reference 2.1. A length counts its tag, not itself.
"""

import struct
from enum import IntEnum, unique
from typing import Final, NamedTuple

from oms.wire.errors import ProtocolError

APPENDAGE_BYTES_MAX: Final = 0xFFFF
PRIVATE_TAG_MIN: Final = 128


@unique
class Tag(IntEnum):
    """Known optional fields. 8, 19, 20 and 21 are not assigned (any more)."""

    SECONDARY_ORD_REF_NUM = 1
    FIRM = 2
    MIN_QTY = 3
    CUSTOMER_TYPE = 4
    MAX_FLOOR = 5
    PRICE_TYPE = 6
    PEG_OFFSET = 7
    DISCRETION_PRICE = 9
    DISCRETION_PRICE_TYPE = 10
    DISCRETION_PEG_OFFSET = 11
    POST_ONLY = 12
    RANDOM_RESERVES = 13
    ROUTE = 14
    EXPIRE_TIME = 15
    TRADE_NOW = 16
    HANDLE_INST = 17
    BBO_WEIGHT_INDICATOR = 18
    DISPLAY_QUANTITY = 22
    DISPLAY_PRICE = 23
    GROUP_ID = 24
    SHARES_LOCATED = 25
    LOCATE_BROKER = 26
    SIDE = 27
    USER_REF_IDX = 28
    AIQ_STRATEGY = 29
    AIQ_GROUP_ID = 30
    STOP_PRICE = 200  # private
    STOP_TRIGGER = 201  # private
    STOP_TRAIL = 202  # private


class Option(NamedTuple):
    """One optional field. Shape: the value is bytes for text and for unknown tags, else int
    (a one-character code is its ASCII number).
    """

    tag: int
    value: int | bytes


_FORMATS: Final[dict[int, str]] = {
    Tag.SECONDARY_ORD_REF_NUM: "Q",
    Tag.FIRM: "4s",
    Tag.MIN_QTY: "I",
    Tag.CUSTOMER_TYPE: "B",
    Tag.MAX_FLOOR: "I",
    Tag.PRICE_TYPE: "B",
    Tag.PEG_OFFSET: "i",
    Tag.DISCRETION_PRICE: "Q",
    Tag.DISCRETION_PRICE_TYPE: "B",
    Tag.DISCRETION_PEG_OFFSET: "i",
    Tag.POST_ONLY: "B",
    Tag.RANDOM_RESERVES: "I",
    Tag.ROUTE: "4s",
    Tag.EXPIRE_TIME: "I",
    Tag.TRADE_NOW: "B",
    Tag.HANDLE_INST: "B",
    Tag.BBO_WEIGHT_INDICATOR: "B",
    Tag.DISPLAY_QUANTITY: "I",
    Tag.DISPLAY_PRICE: "Q",
    Tag.GROUP_ID: "H",
    Tag.SHARES_LOCATED: "B",
    Tag.LOCATE_BROKER: "4s",
    Tag.SIDE: "B",
    Tag.USER_REF_IDX: "B",
    Tag.AIQ_STRATEGY: "B",
    Tag.AIQ_GROUP_ID: "2s",
    Tag.STOP_PRICE: "Q",
    Tag.STOP_TRIGGER: "B",
    Tag.STOP_TRAIL: "I",
}
_VALUES: Final = {int(tag): struct.Struct(">" + form) for tag, form in _FORMATS.items()}
_TEXT_TAGS: Final = frozenset(int(tag) for tag, form in _FORMATS.items() if form.endswith("s"))


def parse_appendage(data: bytes) -> list[Option]:
    """The fields of an appendage (without its length), in the order of the wire.

    Raises: ProtocolError when a field runs past the end, a known tag has another size than its
    own, or a tag stands twice; the offset counts from the start of the appendage.
    """
    options: list[Option] = []
    seen: set[int] = set()
    start = 0
    size = len(data)
    while start < size:
        length = data[start]
        end = start + 1 + length
        if length == 0 or end > size:
            reason = f"optional field of {length} bytes in {size - start - 1} that are left"
            raise ProtocolError(start, reason)
        tag = data[start + 1]
        if tag in seen:
            raise ProtocolError(start, f"optional field {tag} stands twice")
        seen.add(tag)
        options.append(Option(tag, _value(tag, data[start + 2 : end], start)))
        start = end
    return options


def build_appendage(options: list[Option]) -> bytes:
    """The bytes of these fields in this order, without the appendage's length.

    Raises: ValueError when a value does not fit its field.
    """
    parts: list[bytes] = []
    for tag, value in options:
        body = _packed(tag, value)
        parts.append(bytes((1 + len(body), tag)) + body)
    data = b"".join(parts)
    if len(data) > APPENDAGE_BYTES_MAX:
        msg = f"appendage of {len(data)} bytes is above {APPENDAGE_BYTES_MAX}"
        raise ValueError(msg)
    return data


def _value(tag: int, data: bytes, offset: int) -> int | bytes:
    layout = _VALUES.get(tag)
    if layout is None:
        return data
    if len(data) != layout.size:
        reason = f"optional field {tag} has {len(data)} bytes, expected {layout.size}"
        raise ProtocolError(offset, reason)
    value: int | bytes = layout.unpack(data)[0]
    return value.rstrip(b" ") if isinstance(value, bytes) else value


def _packed(tag: int, value: int | bytes) -> bytes:
    layout = _VALUES.get(tag)
    if isinstance(value, bytes):
        if layout is None:
            return value
        if tag not in _TEXT_TAGS or len(value) > layout.size:
            msg = f"{value!r} does not fit optional field {tag}"
            raise ValueError(msg)
        return value.ljust(layout.size)
    if layout is None or tag in _TEXT_TAGS:
        msg = f"optional field {tag} takes bytes, not {value}"
        raise ValueError(msg)
    try:
        return layout.pack(value)
    except struct.error as error:
        msg = f"{value} does not fit optional field {tag}"
        raise ValueError(msg) from error
