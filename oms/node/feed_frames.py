"""Event record -> frame of a numbered topic. Pure.

Called by egress (publish) and by requests (ReplayTopic): both give the same bytes, because a
frame is a function of its record, of the ORDER_TERMS before it, if it has one, and of the
instrument's symbol alone.
"""

from typing import Final, TypedDict

import msgspec

from oms.bounds import EVENT_BYTES
from oms.messages import event_records
from oms.messages.enums import (
    CancelReason,
    EventFlag,
    EventKind,
    Liquidity,
    OrdType,
    Phase,
    PostOnly,
    RejectReason,
    RestatedReason,
    SelfTrade,
    Side,
    TimeInForce,
    Trigger,
)
from oms.messages.event_records import Event, OrderTerms
from oms.messages.executions import OrderEvent
from oms.messages.market_data import BookTop, CallState, CallTrade, PhaseChange, Trade, TradeBust
from oms.wire import frames
from oms.wire.frames import FrameKind

MarketData = BookTop | Trade | PhaseChange | CallState | CallTrade | TradeBust

EPOCH: Final = 0  # a numbered frame comes from the log, not from a term

_encode = msgspec.msgpack.Encoder().encode
_KIND_NAMES: Final = {int(kind): kind.name for kind in EventKind}
_SIDES: Final = {int(side): side.name for side in Side}
_ORD_TYPES: Final = {int(ord_type): ord_type.name for ord_type in OrdType}
_TIMES_IN_FORCE: Final = {int(tif): tif.name for tif in TimeInForce}
_CANCEL_REASONS: Final = {int(reason): reason.name for reason in CancelReason}
_REJECT_REASONS: Final = {int(reason): reason.name for reason in RejectReason}
_LIQUIDITY: Final = {int(liquidity): liquidity.name for liquidity in Liquidity}
_CALL_KINDS: Final = frozenset((EventKind.AUCTION_STATE, EventKind.AUCTION_TRADE))
_RESTATED: Final = {int(reason): reason.name for reason in RestatedReason}
_SELF_TRADES: Final = {int(mode): mode.name for mode in SelfTrade}
_POST_ONLY: Final = {int(mode): mode.name for mode in PostOnly}
_TRIGGERS: Final = {int(trigger): trigger.name for trigger in Trigger}
_HIDES: Final = ord("N")
_PHASES: Final = {int(phase): phase.name for phase in Phase}


class _Place(TypedDict):
    """Where a frame stands in its topic, and what it is about."""

    symbol: str
    event_seq: int
    topic_seq: int
    timestamp_ns: int


class _Order(_Place):
    """What every event of an order says."""

    event: str
    account_id: int
    session_id: int
    user_ref_num: int
    order_id: int


def _place(event: Event, symbol: str) -> _Place:
    return {
        "symbol": symbol,
        "event_seq": event.event_seq,
        "topic_seq": event.topic_seq,
        "timestamp_ns": event.timestamp_ns,
    }


def _order(event: Event, symbol: str) -> _Order:
    return {
        **_place(event, symbol),
        "event": _KIND_NAMES[event.kind],
        "account_id": event.account_id,
        "session_id": event.session_id,
        "user_ref_num": event.user_ref_num,
        "order_id": event.order_id,
    }


def _text(field: bytes) -> str:
    return field.rstrip(b"\0 ").decode("latin-1")


def _entered(event: Event, symbol: str) -> OrderEvent:
    """Accepted, replaced, rejected: what was asked for."""
    is_rejected = event.kind == EventKind.ORDER_REJECTED
    return OrderEvent(
        **_order(event, symbol),
        orig_user_ref_num=event.orig_user_ref_num,
        cl_ord_id=_text(event.cl_ord_id),
        firm=_text(event.firm),
        # A refused order may carry codes that are in no list: their number says more than nothing.
        side=_SIDES.get(event.side, str(event.side)),
        ord_type=_ORD_TYPES.get(event.ord_type, str(event.ord_type)),
        time_in_force=_TIMES_IN_FORCE.get(event.time_in_force, str(event.time_in_force)),
        price=event.price,
        order_qty=event.qty,
        leaves_qty=event.leaves_qty,
        is_hidden=event.display == _HIDES,
        is_live=bool(event.flags & EventFlag.LIVE),
        reject_reason=_REJECT_REASONS[event.reason] if is_rejected else "",
    )


def _with_terms(entered: OrderEvent, terms: OrderTerms) -> OrderEvent:
    """What the order asks for besides."""
    waits = terms.stop_price or terms.trail
    return msgspec.structs.replace(
        entered,
        min_qty=terms.min_qty,
        display_qty=terms.display_qty,
        self_trade=_SELF_TRADES.get(terms.self_trade, ""),
        post_only=_POST_ONLY.get(terms.post_only, ""),
        expire_ns=terms.expire_ns,
        stop_price=terms.stop_price,
        trigger=_TRIGGERS[terms.trigger] if waits else "",
        trail=terms.trail,
        peg_offset=terms.peg_offset,
    )


def _canceled(event: Event, symbol: str) -> OrderEvent:
    return OrderEvent(
        **_order(event, symbol),
        orig_user_ref_num=event.orig_user_ref_num,
        side=_SIDES[event.side],
        price=event.price,
        leaves_qty=event.leaves_qty,
        canceled_qty=event.qty,
        cancel_reason=_CANCEL_REASONS[event.reason],
        reject_reason=_REJECT_REASONS[event.reject_reason] if event.reject_reason else "",
        public_id=event.public_id,
    )


def _executed(event: Event, symbol: str) -> OrderEvent:
    return OrderEvent(
        **_order(event, symbol),
        side=_SIDES[event.side],
        leaves_qty=event.leaves_qty,
        last_qty=event.qty,
        last_price=event.price,
        match_id=event.match_id,
        liquidity=_LIQUIDITY[event.reason],
        fee=event.fee,
        public_id=event.public_id,
    )


def _busted(event: Event, symbol: str) -> OrderEvent:
    return OrderEvent(
        **_order(event, symbol),
        side=_SIDES[event.side],
        last_qty=event.qty,
        last_price=event.price,
        match_id=event.match_id,
        fee=event.fee,
    )


def _restated(event: Event, symbol: str) -> OrderEvent:
    return OrderEvent(
        **_order(event, symbol),
        side=_SIDES[event.side],
        price=event.price,
        leaves_qty=event.leaves_qty,
        shown_qty=event.qty,
        public_id=event.public_id,
        restated_reason=_RESTATED[event.reason],
    )


def _cancel_rejected(event: Event, symbol: str) -> OrderEvent:
    return OrderEvent(
        **_order(event, symbol),
        reject_reason=_REJECT_REASONS[event.reason],
    )


_EXECUTIONS: Final = {
    int(EventKind.ORDER_ACCEPTED): _entered,
    int(EventKind.ORDER_REPLACED): _entered,
    int(EventKind.ORDER_REJECTED): _entered,
    int(EventKind.ORDER_CANCELED): _canceled,
    int(EventKind.ORDER_EXECUTED): _executed,
    int(EventKind.CANCEL_REJECTED): _cancel_rejected,
    int(EventKind.ORDER_RESTATED): _restated,
    int(EventKind.TRADE_BUSTED): _busted,
}


def _call(
    data: bytes | memoryview, offset: int, event: Event, symbol: str
) -> tuple[FrameKind, CallState | CallTrade]:
    said = event_records.unpack_auction(data, offset)
    if event.kind == EventKind.AUCTION_TRADE:
        trade = CallTrade(
            **_place(event, symbol),
            phase=_PHASES[event.reason],
            match_id=said.match_id,
            price=said.price,
            volume=said.volume,
        )
        return FrameKind.CALL_TRADE, trade
    state = CallState(
        **_place(event, symbol),
        phase=_PHASES[event.reason],
        price=said.price,
        volume=said.volume,
        imbalance=said.imbalance,
        imbalance_side=_SIDES.get(event.side, ""),
    )
    return FrameKind.CALL_STATE, state


def _market_data(
    data: bytes | memoryview, offset: int, event: Event, symbol: str
) -> tuple[FrameKind, MarketData]:
    if event.kind == EventKind.TRADE:
        trade = Trade(
            **_place(event, symbol),
            match_id=event.match_id,
            price=event.price,
            qty=event.qty,
            side=_SIDES[event.side],
            is_hidden=bool(event.flags & EventFlag.HIDDEN),
        )
        return FrameKind.TRADE, trade
    if event.kind == EventKind.PHASE_CHANGED:
        change = PhaseChange(
            **_place(event, symbol),
            phase=_PHASES[event.reason],
        )
        return FrameKind.PHASE, change
    if event.kind == EventKind.TRADE_BUST:
        bust = TradeBust(
            **_place(event, symbol),
            match_id=event.match_id,
            price=event.price,
            qty=event.qty,
        )
        return FrameKind.TRADE_BUST, bust
    if event.kind in _CALL_KINDS:
        return _call(data, offset, event, symbol)
    top = event_records.unpack_book_top(data, offset)
    book_top = BookTop(
        **_place(event, symbol),
        bid_price=top.bid_price,
        bid_qty=top.bid_qty,
        ask_price=top.ask_price,
        ask_qty=top.ask_qty,
    )
    return FrameKind.BOOK_TOP, book_top


def to_frame(data: bytes | memoryview, offset: int, symbol: str) -> bytes:
    """Header and body of the frame of one numbered record at byte `offset`. Where it has the flag
    HAS_TERMS, the record before it in `data` is its ORDER_TERMS.
    """
    event = event_records.unpack_event(data, offset)
    body: OrderEvent | MarketData
    execution = _EXECUTIONS.get(event.kind)
    if execution is not None:
        kind, body = FrameKind.EXECUTION, execution(event, symbol)
        if event.flags & EventFlag.HAS_TERMS:
            terms = event_records.unpack_terms(data, offset - EVENT_BYTES)
            body = _with_terms(body, terms)
    else:
        kind, body = _market_data(data, offset, event, symbol)
    return frames.pack(kind, EPOCH, event.topic_seq, event.timestamp_ns, _encode(body))


def to_frames(data: bytes, symbols: list[str]) -> list[bytes]:
    """Frames of the numbered records among `data`, in order; one symbol a record."""
    return [
        to_frame(data, number * EVENT_BYTES, symbol)
        for number, symbol in enumerate(symbols)
        if data[number * EVENT_BYTES] != EventKind.ORDER_TERMS
    ]
