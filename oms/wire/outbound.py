"""From the engine's event record to the SoupBinTCP packet an OUCH client sees.

Called by the binary gateway for every event of a session's stream, live or replayed. Pure: the
bytes are a function of the record, the symbol table and the day's midnight, so that any gateway
replays exactly what another one sent (DESIGN 3.4). Every numbered event of an OUCH session is
exactly one sequenced packet; SoupBinTCP's implicit number is therefore the record's out_seq.

Record layout: `oms/messages/event_records.py`. Message layouts: wire reference 2.3.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Final

from oms.messages.enums import (
    OUCH_REJECT_CODE,
    CancelReason,
    EventFlag,
    EventKind,
    OrdType,
    RestatedReason,
    SelfTrade,
    Side,
    TimeInForce,
    Trigger,
)
from oms.messages.event_records import OrderTerms, unpack_terms
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, build_appendage

SOUP_HEADER_BYTES: Final = 3  # length and packet type, before the message

# What each encoder reads from a record: by offset, the rest skipped.
# side 1, flags 3, timestamp 32, instrument 44, user_ref_num 60, order_id 64, price 72, qty 80,
# orig_user_ref_num 88, ord_type 92, time_in_force 93, display 94, capacity 95, cl_ord_id 96,
# firm 120, iso 124, cross_type 125
_ORDER: Final = struct.Struct("<xBxB28xq4xI12xIQqI4xIBBBB14s10x4sBB")
# reason 2, timestamp 32, user_ref_num 60, qty 80
_CANCELED: Final = struct.Struct("<xxB29xq20xI16xI")
# for self-trade: price 96, quantity 104, liquidity 108, mode 109
_PREVENTED: Final = struct.Struct("<96xqIBB")
# reason 2, timestamp 32, user_ref_num 60, price 72, qty 80, match_id 96
_EXECUTED: Final = struct.Struct("<xxB29xq20xI8xqI12xQ")
# reason 2, timestamp 32, user_ref_num 60, price 72, qty 80, public_id 112
_RESTATED: Final = struct.Struct("<xxB29xq20xI8xqI28xQ")
# timestamp 32, user_ref_num 60, price 72, public_id 112
_ELECTED: Final = struct.Struct("<32xq20xI8xq32xQ")
# reason 2, timestamp 32, user_ref_num 60, cl_ord_id 96
_REJECTED: Final = struct.Struct("<xxB29xq20xI32x14s")
# side 1, timestamp 32, instrument 44, user_ref_num 60, firm 120
_MASS_CANCEL: Final = struct.Struct("<xB30xq4xI12xI56x4s")
# timestamp 32, user_ref_num 60, firm 120
_ENTRY: Final = struct.Struct("<32xq20xI56x4s")
# reason 2, timestamp 32, user_ref_num 60
_PLAIN: Final = struct.Struct("<xxB29xq20xI")

# Packet length, packet type and message type, then the message.
_HEAD: Final = ">HBB"
_PACK_ACCEPTED: Final = struct.Struct(_HEAD + m.Accepted.FORMAT)
_PACK_REPLACED: Final = struct.Struct(_HEAD + m.Replaced.FORMAT)
_PACK_CANCELED: Final = struct.Struct(_HEAD + m.Canceled.FORMAT)
_PACK_AIQ_CANCELED: Final = struct.Struct(_HEAD + m.AiqCanceled.FORMAT)
_PACK_EXECUTED: Final = struct.Struct(_HEAD + m.Executed.FORMAT + "H")
_PACK_BROKEN: Final = struct.Struct(_HEAD + m.BrokenTrade.FORMAT)
_PACK_RESTATED: Final = struct.Struct(_HEAD + m.Restated.FORMAT + "HBBQBBIBBQ")
_PACK_PRIORITY: Final = struct.Struct(_HEAD + m.PriorityUpdate.FORMAT)
_PACK_REJECTED: Final = struct.Struct(_HEAD + m.Rejected.FORMAT)
_PACK_CANCEL_REJECT: Final = struct.Struct(_HEAD + m.CancelReject.FORMAT)
_PACK_QUERY: Final = struct.Struct(_HEAD + m.AccountQueryResponse.FORMAT)
_PACK_MASS_CANCEL: Final = struct.Struct(_HEAD + m.MassCancelResponse.FORMAT)
_TERMS_BYTES: Final = 128  # the record before one with HAS_TERMS
_PACK_ENTRY: Final = struct.Struct(_HEAD + m.DisableResponse.FORMAT + "H")
_PACK_SYSTEM: Final = struct.Struct(_HEAD + m.SystemEvent.FORMAT)
_MIN_QTY: Final = struct.Struct(">BBI")
_LENGTH: Final = struct.Struct(">H")

_S: Final = ord("S")
_NO_SYMBOL: Final = b" " * 8
_BLANK_FIRMS: Final = frozenset((b"\0\0\0\0", b"    "))
_SIDES: Final[dict[int, int]] = {
    Side.BUY: m.SIDE_BUY,
    Side.SELL: m.SIDE_SELL,
    Side.SELL_SHORT: m.SIDE_SELL_SHORT,
    Side.SELL_SHORT_EXEMPT: m.SIDE_SELL_SHORT_EXEMPT,
}
_TIFS: Final[dict[int, int]] = {
    TimeInForce.DAY: m.TIF_DAY,
    TimeInForce.GTC: m.TIF_DAY,
    TimeInForce.IOC: m.TIF_IOC,
    TimeInForce.FOK: m.TIF_IOC,
    TimeInForce.GTD: m.TIF_GTT,
    TimeInForce.GTT: m.TIF_GTT,
    TimeInForce.AT_THE_OPEN: m.TIF_DAY,
    TimeInForce.AT_THE_CLOSE: m.TIF_DAY,
}
_SELF_TRADE: Final = int(CancelReason.SELF_TRADE)
_STRATEGIES: Final[dict[int, int]] = {
    SelfTrade.CANCEL_NEWEST: ord("W"),
    SelfTrade.CANCEL_OLDEST: ord("O"),
    SelfTrade.CANCEL_BOTH: ord("B"),  # no letter of the specification
    SelfTrade.DECREMENT: ord("D"),
}
_PRICE_TYPES: Final[dict[int, int]] = {
    OrdType.PEG_PRIMARY: ord("R"),
    OrdType.PEG_MARKET: ord("P"),
    OrdType.PEG_MIDPOINT: ord("M"),
}
_NO_TERMS: Final = OrderTerms(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
_TRIGGERS: Final[dict[int, int]] = {Trigger.LAST_TRADE: ord("L"), Trigger.BEST_PRICE: ord("B")}
_OTHER_REASON: Final = 0x0F
_CODES: Final[dict[int, int]] = {int(reason): code for reason, code in OUCH_REJECT_CODE.items()}
_REJECT_CODES: Final = tuple(_CODES.get(reason, _OTHER_REASON) for reason in range(256))
_FOK: Final = int(TimeInForce.FOK)
_GTT: Final = int(TimeInForce.GTT)
_NS_PER_S: Final = 1_000_000_000
_U32_MAX: Final = 0xFFFF_FFFF
_HAS_TERMS: Final = int(EventFlag.HAS_TERMS)
_MARKET: Final = int(OrdType.MARKET)
_LIVE: Final = int(EventFlag.LIVE)

Symbols = Mapping[int, bytes]  # instrument_id -> symbol, padded to 8
_Encoder = Callable[[bytes, int, Symbols, int], bytes]


def encode_packet(data: bytes, offset: int, symbols: Symbols, midnight_ns: int) -> bytes:
    """The `S` packet of the event record at `offset`. Where it has the flag HAS_TERMS, the record
    before it in `data` is its ORDER_TERMS.

    Units: midnight_ns since 1970; an event before it has time 0. Raises: KeyError for a kind of
    event, or an instrument, that an OUCH stream cannot hold: a fault of the caller.
    """
    return _ENCODERS[data[offset]](data, offset, symbols, midnight_ns)


def encode_message(data: bytes, offset: int, symbols: Symbols, midnight_ns: int) -> bytes:
    """The OUCH message alone. As `encode_packet`."""
    return encode_packet(data, offset, symbols, midnight_ns)[SOUP_HEADER_BYTES:]


def _accepted(data: bytes, offset: int, symbols: Symbols, midnight_ns: int) -> bytes:
    (
        side, flags, timestamp_ns, instrument_id, urn, order_id, price, qty, _, ord_type, tif,
        display, capacity, cl_ord_id, firm, iso, cross_type,
    ) = _ORDER.unpack_from(data, offset)  # fmt: skip
    if flags & _HAS_TERMS or ord_type in _PRICE_TYPES:
        appendage = _with_terms(firm, tif, ord_type, _terms(data, offset, flags))
    elif firm in _BLANK_FIRMS and tif != _FOK:
        appendage = b"\0\0"
    else:
        appendage = _appendage(firm, qty if tif == _FOK else 0)
    return (
        _PACK_ACCEPTED.pack(
            63 + len(appendage), _S, 65, max(timestamp_ns - midnight_ns, 0), urn, _SIDES[side],
            qty, symbols[instrument_id], m.PRICE_MARKET if ord_type == _MARKET else price,
            _TIFS[tif], display, order_id, capacity, iso, cross_type,
            m.STATE_LIVE if flags & _LIVE else m.STATE_DEAD, cl_ord_id.replace(b"\0", b" "),
        )
        + appendage
    )  # fmt: skip


def _replaced(data: bytes, offset: int, symbols: Symbols, midnight_ns: int) -> bytes:
    (
        side, flags, timestamp_ns, instrument_id, urn, order_id, price, qty, orig_urn, ord_type,
        tif, display, capacity, cl_ord_id, firm, iso, cross_type,
    ) = _ORDER.unpack_from(data, offset)  # fmt: skip
    if flags & _HAS_TERMS or ord_type in _PRICE_TYPES:  # there is no field for the minimum here
        terms = _terms(data, offset, flags)._replace(min_qty=0)
        appendage = _with_terms(firm, tif, ord_type, terms)
    else:
        appendage = b"\0\0" if firm in _BLANK_FIRMS else _appendage(firm, 0)
    return (
        _PACK_REPLACED.pack(
            67 + len(appendage), _S, 85, max(timestamp_ns - midnight_ns, 0), orig_urn, urn,
            _SIDES[side], qty, symbols[instrument_id],
            m.PRICE_MARKET if ord_type == _MARKET else price, _TIFS[tif], display, order_id,
            capacity, iso, cross_type, m.STATE_LIVE if flags & _LIVE else m.STATE_DEAD,
            cl_ord_id.replace(b"\0", b" "),
        )
        + appendage
    )  # fmt: skip


def _terms(data: bytes, offset: int, flags: int) -> OrderTerms:
    """What the record before says, if there is one."""
    return unpack_terms(data, offset - _TERMS_BYTES) if flags & _HAS_TERMS else _NO_TERMS


def _with_terms(firm: bytes, tif: int, ord_type: int, terms: OrderTerms) -> bytes:
    """What was asked for besides, in the order of the tags; with its length."""
    options: list[Option] = []
    if firm not in _BLANK_FIRMS:
        options.append(Option(Tag.FIRM, firm.replace(b"\0", b" ")))
    if terms.min_qty:
        options.append(Option(Tag.MIN_QTY, terms.min_qty))
    if terms.display_qty:
        options.append(Option(Tag.MAX_FLOOR, terms.display_qty))
    if ord_type in _PRICE_TYPES:
        options.append(Option(Tag.PRICE_TYPE, _PRICE_TYPES[ord_type]))
    if terms.peg_offset:
        options.append(Option(Tag.PEG_OFFSET, terms.peg_offset))
    if terms.post_only:
        options.append(Option(Tag.POST_ONLY, ord("P")))
    if tif == _GTT:
        options.append(Option(Tag.EXPIRE_TIME, min(terms.expire_ns // _NS_PER_S, _U32_MAX)))
    if terms.self_trade:
        options.append(Option(Tag.AIQ_STRATEGY, _STRATEGIES[terms.self_trade]))
    if terms.stop_price:
        options.append(Option(Tag.STOP_PRICE, terms.stop_price))
        options.append(Option(Tag.STOP_TRIGGER, _TRIGGERS[terms.trigger]))
    if terms.trail:
        options.append(Option(Tag.STOP_TRAIL, terms.trail))
    body = build_appendage(options)
    return _LENGTH.pack(len(body)) + body


def _appendage(firm: bytes, min_qty: int) -> bytes:
    """Length, then Firm unless blank, then MinQty unless 0."""
    body = b"" if firm in _BLANK_FIRMS else b"\x05\x02" + firm.replace(b"\0", b" ")
    if min_qty:
        body += _MIN_QTY.pack(5, 3, min_qty)
    return _LENGTH.pack(len(body)) + body


def _canceled(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    reason, timestamp_ns, urn, qty = _CANCELED.unpack_from(data, offset)
    if reason == _SELF_TRADE:
        price, prevented_qty, liquidity, mode = _PREVENTED.unpack_from(data, offset)
        return _PACK_AIQ_CANCELED.pack(
            33, _S, 68, max(timestamp_ns - midnight_ns, 0), urn, qty, reason, prevented_qty,
            price, liquidity, _STRATEGIES[mode],
        )  # fmt: skip
    return _PACK_CANCELED.pack(
        19, _S, 67, max(timestamp_ns - midnight_ns, 0), urn, qty, reason
    )  # fmt: skip


def _executed(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    reason, timestamp_ns, urn, price, qty, match_id = _EXECUTED.unpack_from(data, offset)
    return _PACK_EXECUTED.pack(
        37, _S, 69, max(timestamp_ns - midnight_ns, 0), urn, qty, price, reason, match_id, 0
    )


def _busted(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    """Broken Trade, by the venue; the order's ClOrdID is not remembered."""
    _reason, timestamp_ns, urn, _price, _qty, match_id = _EXECUTED.unpack_from(data, offset)
    return _PACK_BROKEN.pack(
        37, _S, 66, max(timestamp_ns - midnight_ns, 0), urn, match_id, ord("S"), b" " * 14
    )


def _restated(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    """With SecondaryOrdRefNum, Display Quantity and Display Price; a stop order: `T`."""
    if data[offset + 2] == RestatedReason.ELECTED:
        return _elected(data, offset, midnight_ns)
    reason, timestamp_ns, urn, price, qty, public_id = _RESTATED.unpack_from(data, offset)
    return _PACK_RESTATED.pack(
        43, _S, 82, max(timestamp_ns - midnight_ns, 0), urn, reason, 26, 9, 1, public_id, 5, 22,
        qty, 9, 23, price,
    )  # fmt: skip


def _elected(data: bytes, offset: int, midnight_ns: int) -> bytes:
    """A stop order has a place in the queue from now on."""
    timestamp_ns, urn, price, public_id = _ELECTED.unpack_from(data, offset)
    return _PACK_PRIORITY.pack(
        31, _S, 84, max(timestamp_ns - midnight_ns, 0), urn, price, m.DISPLAY_VISIBLE, public_id
    )


def _rejected(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    reason, timestamp_ns, urn, cl_ord_id = _REJECTED.unpack_from(data, offset)
    return _PACK_REJECTED.pack(
        30, _S, 74, max(timestamp_ns - midnight_ns, 0), urn, _REJECT_CODES[reason],
        cl_ord_id.replace(b"\0", b" "),
    )  # fmt: skip


def _cancel_rejected(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    _reason, timestamp_ns, urn = _PLAIN.unpack_from(data, offset)
    return _PACK_CANCEL_REJECT.pack(14, _S, 73, max(timestamp_ns - midnight_ns, 0), urn)


def _query_response(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    _reason, timestamp_ns, urn = _PLAIN.unpack_from(data, offset)
    return _PACK_QUERY.pack(14, _S, 81, max(timestamp_ns - midnight_ns, 0), urn)


def _mass_cancel(data: bytes, offset: int, symbols: Symbols, midnight_ns: int) -> bytes:
    side, timestamp_ns, instrument_id, urn, firm = _MASS_CANCEL.unpack_from(data, offset)
    appendage = bytes((0, 3, 2, 27, _SIDES[side])) if side else b"\0\0"
    return (
        _PACK_MASS_CANCEL.pack(
            26 + len(appendage), _S, 88, max(timestamp_ns - midnight_ns, 0), urn,
            firm.replace(b"\0", b" "), symbols[instrument_id] if instrument_id else _NO_SYMBOL,
        )
        + appendage
    )  # fmt: skip


def _entry_disabled(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    return _entry(data, offset, 71, midnight_ns)


def _entry_enabled(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    return _entry(data, offset, 75, midnight_ns)


def _entry(data: bytes, offset: int, letter: int, midnight_ns: int) -> bytes:
    timestamp_ns, urn, firm = _ENTRY.unpack_from(data, offset)
    return _PACK_ENTRY.pack(
        20, _S, letter, max(timestamp_ns - midnight_ns, 0), urn, firm.replace(b"\0", b" "), 0
    )


def _system_event(data: bytes, offset: int, _: Symbols, midnight_ns: int) -> bytes:
    reason, timestamp_ns, _urn = _PLAIN.unpack_from(data, offset)
    return _PACK_SYSTEM.pack(11, _S, 83, max(timestamp_ns - midnight_ns, 0), reason)


_ENCODERS: Final[dict[int, _Encoder]] = {
    EventKind.ORDER_ACCEPTED: _accepted,
    EventKind.ORDER_REPLACED: _replaced,
    EventKind.ORDER_CANCELED: _canceled,
    EventKind.ORDER_EXECUTED: _executed,
    EventKind.ORDER_REJECTED: _rejected,
    EventKind.CANCEL_REJECTED: _cancel_rejected,
    EventKind.ACCOUNT_QUERY_RESPONSE: _query_response,
    EventKind.SYSTEM_EVENT: _system_event,
    EventKind.MASS_CANCEL_ACCEPTED: _mass_cancel,
    EventKind.ENTRY_DISABLED: _entry_disabled,
    EventKind.ENTRY_ENABLED: _entry_enabled,
    EventKind.ORDER_RESTATED: _restated,
    EventKind.TRADE_BUSTED: _busted,
}
