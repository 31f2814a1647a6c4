"""The fixed layout of what the engine writes, byte for byte: events, and what some say instead.

Called by everything that reads events (numpy views, unpack) and by the oracle. All little endian.
`oms/_core/records.pxd` has the same layouts as C structs, and a test compares every offset. Event
logs and feeds hold these bytes: a change needs a `Wire` line in CHANGELOG.
"""

import struct
from typing import Final, NamedTuple

import numpy as np

from oms.bounds import EVENT_BYTES

# Event record, 128 bytes. Private and outcome events:
#   0 u8 kind  1 u8 side  2 u8 reason (RejectReason, CancelReason, Liquidity or system code)
#   3 u8 flags  4 u32 session_id  8 u64 event_seq  16 u64 out_seq  24 u64 topic_seq
#   32 i64 timestamp_ns  40 u32 account_id  44 u32 instrument_id  48 u64 client_seq
#   56 u32 conn_epoch  60 u32 user_ref_num  64 u64 order_id  72 i64 price  80 u32 qty
#   84 u32 leaves_qty  88 u32 orig_user_ref_num  92 u8 ord_type  93 u8 time_in_force
#   94 u8 display  95 u8 capacity
#   96 24s cl_ord_id (accepted, replaced, rejected)  |  96 u64 match_id (executed, trade)
#   104 i64 fee (executed: what its account paid; below zero: was paid; busted: likewise)
#   112 u64 public_id (canceled, executed, restated: the order's, where it is not its order_id)
#   120 4s firm  124 u8 iso  125 u8 cross_type  126 u8 reject_reason (a cancel that answers an
#   invalid replace)  127 u8 reserved
# ORDER_CANCELED for SELF_TRADE overlays: 96 i64 price, 104 u32 qty of the trade prevented,
# 108 u8 liquidity, 109 u8 mode (SelfTrade).
# ORDER_TERMS overlays: 72 i64 stop_price  80 u32 min_qty  84 u32 display_qty  88 u32 trail
# 92 u8 self_trade  93 u8 post_only  94 u8 trigger  96 i64 expire_ns  104 i32 peg_offset
# 112 u64 public_id (as sent with the order that the next record is about, 0 where it said nothing).
# BOOK_TOP overlays: 64 u64 bid_qty  72 i64 bid_price  80 u64 ask_qty  96 i64 ask_price
# (an empty side is price 0, quantity 0).
# AUCTION_STATE, AUCTION_TRADE overlay: 64 u64 volume  72 i64 price  80 u64 imbalance (STATE)
# 96 u64 match_id (TRADE); side is the surplus's, reason the phase.
EVENT: Final = struct.Struct("<BBBBIQQQqIIQIIQqIIIBBBB24s4sBBBx")
assert EVENT.size == EVENT_BYTES
_MATCH_ID = struct.Struct("<Q")
_FEE = struct.Struct("<q")
_PUBLIC_ID = struct.Struct("<16xQ")
_BOOK_TOP = struct.Struct("<QqQ8xq")
_TERMS = struct.Struct("<qIIIBBBxqi4xQ")
_AUCTION = struct.Struct("<QqQ8xQ")
# price, quantity, liquidity and mode of the trade prevented
_PREVENTED = struct.Struct("<qIBB")

_EVENT_FIELDS = [
    ("kind", "u1", 0), ("side", "u1", 1), ("reason", "u1", 2), ("flags", "u1", 3),
    ("session_id", "<u4", 4), ("event_seq", "<u8", 8), ("out_seq", "<u8", 16),
    ("topic_seq", "<u8", 24), ("timestamp_ns", "<i8", 32), ("account_id", "<u4", 40),
    ("instrument_id", "<u4", 44), ("client_seq", "<u8", 48), ("conn_epoch", "<u4", 56),
    ("user_ref_num", "<u4", 60), ("order_id", "<u8", 64), ("price", "<i8", 72),
    ("qty", "<u4", 80), ("leaves_qty", "<u4", 84), ("orig_user_ref_num", "<u4", 88),
    ("ord_type", "u1", 92), ("time_in_force", "u1", 93), ("display", "u1", 94),
    ("capacity", "u1", 95), ("cl_ord_id", "S24", 96), ("match_id", "<u8", 96),
    ("fee", "<i8", 104), ("public_id", "<u8", 112),
    ("firm", "S4", 120), ("iso", "u1", 124), ("cross_type", "u1", 125),
    ("reject_reason", "u1", 126), ("bid_qty", "<u8", 64), ("bid_price", "<i8", 72),
    ("ask_qty", "<u8", 80), ("ask_price", "<i8", 96), ("volume", "<u8", 64),
    ("imbalance", "<u8", 80),
]  # fmt: skip
EVENT_DTYPE: Final = np.dtype(
    {
        "names": [f[0] for f in _EVENT_FIELDS],
        "formats": [f[1] for f in _EVENT_FIELDS],
        "offsets": [f[2] for f in _EVENT_FIELDS],
        "itemsize": EVENT_BYTES,
    }
)


class Event(NamedTuple):
    """An event record, unpacked (see the layout above). Shape: scalars, in record order."""

    kind: int
    side: int
    reason: int
    flags: int
    session_id: int
    event_seq: int
    out_seq: int
    topic_seq: int
    timestamp_ns: int
    account_id: int
    instrument_id: int
    client_seq: int
    conn_epoch: int
    user_ref_num: int
    order_id: int
    price: int
    qty: int
    leaves_qty: int
    orig_user_ref_num: int
    ord_type: int
    time_in_force: int
    display: int
    capacity: int
    cl_ord_id: bytes
    firm: bytes
    iso: int
    cross_type: int
    reject_reason: int

    @property
    def match_id(self) -> int:
        """The match of an ORDER_EXECUTED or TRADE (the first 8 bytes of the cl_ord_id field)."""
        (match_id,) = _MATCH_ID.unpack_from(self.cl_ord_id)
        return int(match_id)

    @property
    def fee(self) -> int:
        """What an ORDER_EXECUTED cost its account; below zero: what it was paid."""
        (fee,) = _FEE.unpack_from(self.cl_ord_id, 8)
        return int(fee)

    @property
    def public_id(self) -> int:
        """The public's number for the order of a cancel, an execution or a restatement, where it
        is not its order_id.
        """
        (public_id,) = _PUBLIC_ID.unpack_from(self.cl_ord_id)
        return int(public_id)


def unpack_event(data: bytes | memoryview, offset: int = 0) -> Event:
    """Read one event record at `offset`."""
    return Event._make(EVENT.unpack_from(data, offset))


def unpack_events(data: bytes | memoryview) -> list[Event]:
    """Read a whole buffer of event records. Raises: struct.error when it is not a multiple."""
    return [Event._make(fields) for fields in EVENT.iter_unpack(data)]


def unpack_stream(data: bytes) -> list[Event]:
    """A replayed stream's numbered records, without the ORDER_TERMS that stand before some."""
    return [event for event in unpack_events(data) if event.out_seq]


class OrderTerms(NamedTuple):
    """What an order asks for besides side, quantity, price and time. Shape: 0: nothing said."""

    stop_price: int
    min_qty: int
    display_qty: int
    trail: int
    self_trade: int
    post_only: int
    trigger: int
    expire_ns: int
    peg_offset: int
    public_id: int


def unpack_terms(data: bytes | memoryview, offset: int = 0) -> OrderTerms:
    """Read the overlay of an ORDER_TERMS event at `offset`."""
    return OrderTerms._make(_TERMS.unpack_from(data, offset + 72))


class Prevented(NamedTuple):
    """The trade that self-trade prevention kept from happening. Shape: scalars."""

    price: int
    qty: int
    liquidity: int
    mode: int


def unpack_prevented(data: bytes | memoryview, offset: int = 0) -> Prevented:
    """Read the overlay of an ORDER_CANCELED event for SELF_TRADE at `offset`."""
    return Prevented._make(_PREVENTED.unpack_from(data, offset + 96))


class BookTop(NamedTuple):
    """Best bid and offer of a BOOK_TOP event; an empty side is (0, 0)."""

    bid_qty: int
    bid_price: int
    ask_qty: int
    ask_price: int


def unpack_book_top(data: bytes | memoryview, offset: int = 0) -> BookTop:
    """Read the overlay of a BOOK_TOP event record at `offset`."""
    return BookTop._make(_BOOK_TOP.unpack_from(data, offset + 64))


class Auction(NamedTuple):
    """What AUCTION_STATE and AUCTION_TRADE say beside side and phase. Shape: scalars."""

    volume: int
    price: int
    imbalance: int
    match_id: int


def unpack_auction(data: bytes | memoryview, offset: int = 0) -> Auction:
    """Read the overlay of an AUCTION_STATE or AUCTION_TRADE event at `offset`."""
    return Auction._make(_AUCTION.unpack_from(data, offset + 64))
