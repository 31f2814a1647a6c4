"""OUCH 5.0: what the messages of the two tables hold. The codec is `ouch.py`.

Called by the binary gateway and by `oms.client`. Plain data. A client's messages are
`...Request` or `EnterOrder`, the venue's are what happened.

Units: prices 10^-4; timestamps nanoseconds since midnight; one-character codes are their ASCII
number; text fields are bytes without the padding spaces. `appendage` is the optional fields
without their length (`oms.wire.appendage`); None where the message may end without one and does.
Source: OUCH 5.0; wire reference 2.2 and 2.3.
"""

from typing import ClassVar, Final

import msgspec

PRICE_MARKET: Final = 0x7FFF_FFFF  # 214,748.3647
PRICE_MARKET_ROUND: Final = 2_000_000_000  # 200,000.0000 means market, too
PRICE_MARKET_U64: Final = (1 << 64) - 1

TIF_DAY: Final = ord("0")
TIF_IOC: Final = ord("3")
TIF_GTT: Final = ord("6")
SIDE_BUY: Final = ord("B")
SIDE_SELL: Final = ord("S")
SIDE_SELL_SHORT: Final = ord("T")
SIDE_SELL_SHORT_EXEMPT: Final = ord("E")
DISPLAY_VISIBLE: Final = ord("Y")
DISPLAY_HIDDEN: Final = ord("N")
CAPACITY_PRINCIPAL: Final = ord("P")
ISO_NO: Final = ord("N")
CROSS_CONTINUOUS: Final = ord("N")
CROSS_OPENING: Final = ord("O")
CROSS_CLOSING: Final = ord("C")
STATE_LIVE: Final = ord("L")
STATE_DEAD: Final = ord("D")

# how a message ends: no appendage, one that may be left out, one that must be there
END_NONE: Final = 0
END_OPTIONAL: Final = 1
END_REQUIRED: Final = 2


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What all messages share: their type's letter, layout and kind of end."""

    TYPE: ClassVar[int] = 0
    FORMAT: ClassVar[str] = ""
    END: ClassVar[int] = END_NONE


# ---- from the client


class EnterOrder(Message, frozen=True, array_like=True, gc=False):
    """`O`."""

    TYPE: ClassVar[int] = ord("O")
    FORMAT: ClassVar[str] = "IBI8sQBBBBB14s"
    END: ClassVar[int] = END_REQUIRED
    user_ref_num: int
    side: int
    qty: int
    symbol: bytes
    price: int
    time_in_force: int = TIF_DAY
    display: int = DISPLAY_VISIBLE
    capacity: int = CAPACITY_PRINCIPAL
    iso: int = ISO_NO
    cross_type: int = CROSS_CONTINUOUS
    cl_ord_id: bytes = b""
    appendage: bytes = b""


class ReplaceRequest(Message, frozen=True, array_like=True, gc=False):
    """`U` from the client. `qty` is the chain's total, executed included."""

    TYPE: ClassVar[int] = ord("U")
    FORMAT: ClassVar[str] = "IIIQBBB14s"
    END: ClassVar[int] = END_REQUIRED
    orig_user_ref_num: int
    user_ref_num: int
    qty: int
    price: int
    time_in_force: int = TIF_DAY
    display: int = DISPLAY_VISIBLE
    iso: int = ISO_NO
    cl_ord_id: bytes = b""
    appendage: bytes = b""


class CancelRequest(Message, frozen=True, array_like=True, gc=False):
    """`X` from the client. `qty` is the new intended total, 0 to cancel everything open."""

    TYPE: ClassVar[int] = ord("X")
    FORMAT: ClassVar[str] = "II"
    END: ClassVar[int] = END_OPTIONAL
    user_ref_num: int
    qty: int = 0
    appendage: bytes | None = None


class ModifyRequest(Message, frozen=True, array_like=True, gc=False):
    """`M` from the client: change between the kinds of sale, or reduce."""

    TYPE: ClassVar[int] = ord("M")
    FORMAT: ClassVar[str] = "IBI"
    END: ClassVar[int] = END_OPTIONAL
    user_ref_num: int
    side: int
    qty: int
    appendage: bytes | None = None


class MassCancelRequest(Message, frozen=True, array_like=True, gc=False):
    """`C` from the client. A blank symbol means all."""

    TYPE: ClassVar[int] = ord("C")
    FORMAT: ClassVar[str] = "I4s8s"
    END: ClassVar[int] = END_REQUIRED
    user_ref_num: int
    firm: bytes = b""
    symbol: bytes = b""
    appendage: bytes = b""


class DisableRequest(Message, frozen=True, array_like=True, gc=False):
    """`D` from the client: no more orders of this firm."""

    TYPE: ClassVar[int] = ord("D")
    FORMAT: ClassVar[str] = "I4s"
    END: ClassVar[int] = END_REQUIRED
    user_ref_num: int
    firm: bytes = b""
    appendage: bytes = b""


class EnableRequest(Message, frozen=True, array_like=True, gc=False):
    """`E` from the client: orders of this firm again."""

    TYPE: ClassVar[int] = ord("E")
    FORMAT: ClassVar[str] = "I4s"
    END: ClassVar[int] = END_REQUIRED
    user_ref_num: int
    firm: bytes = b""
    appendage: bytes = b""


class AccountQueryRequest(Message, frozen=True, array_like=True, gc=False):
    """`Q` from the client: which UserRefNum comes next."""

    TYPE: ClassVar[int] = ord("Q")
    FORMAT: ClassVar[str] = ""
    END: ClassVar[int] = END_OPTIONAL
    appendage: bytes | None = None


# ---- from the venue


class SystemEvent(Message, frozen=True, array_like=True, gc=False):
    """`S`: start (`S`) or end (`E`) of the day."""

    TYPE: ClassVar[int] = ord("S")
    FORMAT: ClassVar[str] = "QB"
    timestamp_ns: int
    event: int


class Accepted(Message, frozen=True, array_like=True, gc=False):
    """`A`. State `D`: accepted and dead, nothing follows."""

    TYPE: ClassVar[int] = ord("A")
    FORMAT: ClassVar[str] = "QIBI8sQBBQBBBB14s"
    END: ClassVar[int] = END_REQUIRED
    timestamp_ns: int
    user_ref_num: int
    side: int
    qty: int
    symbol: bytes
    price: int
    time_in_force: int
    display: int
    order_id: int
    capacity: int
    iso: int
    cross_type: int
    state: int
    cl_ord_id: bytes
    appendage: bytes = b""


class Replaced(Message, frozen=True, array_like=True, gc=False):
    """`U` from the venue. `qty` is what is outstanding."""

    TYPE: ClassVar[int] = ord("U")
    FORMAT: ClassVar[str] = "QIIBI8sQBBQBBBB14s"
    END: ClassVar[int] = END_REQUIRED
    timestamp_ns: int
    orig_user_ref_num: int
    user_ref_num: int
    side: int
    qty: int
    symbol: bytes
    price: int
    time_in_force: int
    display: int
    order_id: int
    capacity: int
    iso: int
    cross_type: int
    state: int
    cl_ord_id: bytes
    appendage: bytes = b""


class Canceled(Message, frozen=True, array_like=True, gc=False):
    """`C` from the venue. `qty` went away now (incremental)."""

    TYPE: ClassVar[int] = ord("C")
    FORMAT: ClassVar[str] = "QIIB"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    qty: int
    reason: int
    appendage: bytes | None = None


class AiqCanceled(Message, frozen=True, array_like=True, gc=False):
    """`D` from the venue: reduced by self-trade prevention."""

    TYPE: ClassVar[int] = ord("D")
    FORMAT: ClassVar[str] = "QIIBIQBB"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    qty: int
    reason: int
    prevented_qty: int
    price: int
    liquidity: int
    strategy: int
    appendage: bytes | None = None


class Executed(Message, frozen=True, array_like=True, gc=False):
    """`E` from the venue: one fill."""

    TYPE: ClassVar[int] = ord("E")
    FORMAT: ClassVar[str] = "QIIQBQ"
    END: ClassVar[int] = END_REQUIRED
    timestamp_ns: int
    user_ref_num: int
    qty: int
    price: int
    liquidity: int
    match_id: int
    appendage: bytes = b""


class BrokenTrade(Message, frozen=True, array_like=True, gc=False):
    """`B`: a fill is void."""

    TYPE: ClassVar[int] = ord("B")
    FORMAT: ClassVar[str] = "QIQB14s"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    match_id: int
    reason: int
    cl_ord_id: bytes
    appendage: bytes | None = None


class Rejected(Message, frozen=True, array_like=True, gc=False):
    """`J`. The UserRefNum is consumed."""

    TYPE: ClassVar[int] = ord("J")
    FORMAT: ClassVar[str] = "QIH14s"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    reason: int
    cl_ord_id: bytes
    appendage: bytes | None = None


class CancelPending(Message, frozen=True, array_like=True, gc=False):
    """`P`."""

    TYPE: ClassVar[int] = ord("P")
    FORMAT: ClassVar[str] = "QI"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    appendage: bytes | None = None


class CancelReject(Message, frozen=True, array_like=True, gc=False):
    """`I`."""

    TYPE: ClassVar[int] = ord("I")
    FORMAT: ClassVar[str] = "QI"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    appendage: bytes | None = None


class PriorityUpdate(Message, frozen=True, array_like=True, gc=False):
    """`T`: a new place in the queue, with a new public reference."""

    TYPE: ClassVar[int] = ord("T")
    FORMAT: ClassVar[str] = "QIQBQ"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    price: int
    display: int
    order_id: int
    appendage: bytes | None = None


class Modified(Message, frozen=True, array_like=True, gc=False):
    """`M` from the venue. `qty` is what is outstanding."""

    TYPE: ClassVar[int] = ord("M")
    FORMAT: ClassVar[str] = "QIBI"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    user_ref_num: int
    side: int
    qty: int
    appendage: bytes | None = None


class Restated(Message, frozen=True, array_like=True, gc=False):
    """`R`: display refreshed (`R`) or repriced (`P`)."""

    TYPE: ClassVar[int] = ord("R")
    FORMAT: ClassVar[str] = "QIB"
    END: ClassVar[int] = END_REQUIRED
    timestamp_ns: int
    user_ref_num: int
    reason: int
    appendage: bytes = b""


class MassCancelResponse(Message, frozen=True, array_like=True, gc=False):
    """`X` from the venue."""

    TYPE: ClassVar[int] = ord("X")
    FORMAT: ClassVar[str] = "QI4s8s"
    END: ClassVar[int] = END_REQUIRED
    timestamp_ns: int
    user_ref_num: int
    firm: bytes
    symbol: bytes
    appendage: bytes = b""


class DisableResponse(Message, frozen=True, array_like=True, gc=False):
    """`G`."""

    TYPE: ClassVar[int] = ord("G")
    FORMAT: ClassVar[str] = "QI4s"
    END: ClassVar[int] = END_REQUIRED
    timestamp_ns: int
    user_ref_num: int
    firm: bytes
    appendage: bytes = b""


class EnableResponse(Message, frozen=True, array_like=True, gc=False):
    """`K`."""

    TYPE: ClassVar[int] = ord("K")
    FORMAT: ClassVar[str] = "QI4s"
    END: ClassVar[int] = END_REQUIRED
    timestamp_ns: int
    user_ref_num: int
    firm: bytes
    appendage: bytes = b""


class AccountQueryResponse(Message, frozen=True, array_like=True, gc=False):
    """`Q` from the venue."""

    TYPE: ClassVar[int] = ord("Q")
    FORMAT: ClassVar[str] = "QI"
    END: ClassVar[int] = END_OPTIONAL
    timestamp_ns: int
    next_user_ref_num: int
    appendage: bytes | None = None


Inbound = (
    EnterOrder
    | ReplaceRequest
    | CancelRequest
    | ModifyRequest
    | MassCancelRequest
    | DisableRequest
    | EnableRequest
    | AccountQueryRequest
)
Outbound = (
    SystemEvent
    | Accepted
    | Replaced
    | Canceled
    | AiqCanceled
    | Executed
    | BrokenTrade
    | Rejected
    | CancelPending
    | CancelReject
    | PriorityUpdate
    | Modified
    | Restated
    | MassCancelResponse
    | DisableResponse
    | EnableResponse
    | AccountQueryResponse
)
