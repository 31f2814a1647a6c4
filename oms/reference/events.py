"""Writing event records and numbering them (docs/rules.md, Events of a session's stream).

Called by every file of this room that has something to say. Promises: the only place where
`event_seq`, `out_seq` and `topic_seq` are given out.
"""

import struct

import msgspec

from oms.messages.enums import EventFlag, EventKind, Policy, RestatedReason, Side
from oms.messages.event_records import EVENT
from oms.reference.book import Top
from oms.reference.order import Order
from oms.reference.records import OrderRecord
from oms.reference.state import ECHOES, Instrument, Session, Venue

_STREAM_KINDS = range(EventKind.ORDER_ACCEPTED, EventKind.TRADE_BUSTED + 1)
_ACCOUNT_KINDS = frozenset(
    (
        *range(EventKind.ORDER_ACCEPTED, EventKind.CANCEL_REJECTED + 1),
        EventKind.ORDER_RESTATED,
        EventKind.TRADE_BUSTED,
    )
)
_INSTRUMENT_KINDS = range(EventKind.TRADE, EventKind.TRADE_BUST + 1)
_U32 = 0xFFFF_FFFF
_TERMS_END = struct.Struct("<qi4xQ")  # expire_ns, peg_offset, public_id
_EXECUTED = struct.Struct("<Qq")  # match_id, fee
_PUBLIC_ID_AT = 16  # in the field of cl_ord_id


def executed_field(match_id: int, fee: int) -> bytes:
    """What stands in the field of cl_ord_id: a match, and what it cost."""
    return _EXECUTED.pack(match_id, fee)


class Draft(msgspec.Struct, kw_only=True):
    """An event on its way: the record's fields in the record's order, zero unless said."""

    kind: int
    side: int = 0
    reason: int = 0
    flags: int = 0
    session_id: int = 0
    event_seq: int = 0
    out_seq: int = 0
    topic_seq: int = 0
    timestamp_ns: int = 0
    account_id: int = 0
    instrument_id: int = 0
    client_seq: int = 0
    conn_epoch: int = 0
    user_ref_num: int = 0
    order_id: int = 0
    price: int = 0
    qty: int = 0
    leaves_qty: int = 0
    orig_user_ref_num: int = 0
    ord_type: int = 0
    time_in_force: int = 0
    display: int = 0
    capacity: int = 0
    cl_ord_id: bytes = b""
    firm: bytes = b""
    iso: int = 0
    cross_type: int = 0
    reject_reason: int = 0


class Events:
    """The events of one entry."""

    def __init__(self, venue: Venue, timestamp_ns: int) -> None:
        self._venue = venue
        self._timestamp_ns = timestamp_ns
        self.data = bytearray()

    def emit(self, event: Draft, *, on_topic: bool = True) -> None:
        """Number and write one event; `on_topic=False` keeps it out of the account's topic."""
        numbers = self._venue.numbers
        numbers.event_seq += 1
        event.event_seq = numbers.event_seq
        event.timestamp_ns = self._timestamp_ns
        session = self._venue.session(event.session_id)
        if event.kind in _STREAM_KINDS and session is not None:
            session.out_seq += 1
            event.out_seq = session.out_seq
        account = self._venue.account(event.account_id)
        if event.kind in _ACCOUNT_KINDS and on_topic and account is not None:
            account.topic_seq += 1
            event.topic_seq = account.topic_seq
        instrument = self._venue.instrument(event.instrument_id)
        if event.kind in _INSTRUMENT_KINDS and instrument is not None:
            instrument.topic_seq += 1
            event.topic_seq = instrument.topic_seq
        self.data += EVENT.pack(*msgspec.structs.astuple(event))

    def answer(self, kind: EventKind, session: Session, *, order_id: int = 0) -> None:
        """An outcome about the session's last command."""
        self.emit(
            Draft(
                kind=kind,
                session_id=session.session_id,
                client_seq=session.client_seq,
                conn_epoch=session.conn_epoch,
                order_id=order_id,
            )
        )

    def opened(self, kind: EventKind, order: Order, record: OrderRecord, *, is_live: bool) -> None:
        """ORDER_ACCEPTED or ORDER_REPLACED: the order as it stands, and what the record says."""
        is_replace = kind == EventKind.ORDER_REPLACED
        flags = EventFlag.LIVE if is_live else EventFlag(0)
        if self._venue.numbers.rule_version >= ECHOES and _has_terms(order, record):
            flags |= EventFlag.HAS_TERMS
            self._terms(order, record)
        self.emit(
            Draft(
                kind=kind,
                side=order.side,
                flags=flags,
                session_id=order.session_id,
                account_id=order.account_id,
                instrument_id=order.instrument_id,
                client_seq=record.client_seq,
                conn_epoch=record.conn_epoch,
                user_ref_num=order.user_ref_num,
                order_id=order.order_id,
                price=order.price,
                qty=order.leaves,
                leaves_qty=order.leaves,
                orig_user_ref_num=record.orig_user_ref_num if is_replace else 0,
                ord_type=order.ord_type,
                time_in_force=order.time_in_force,
                display=record.display,
                capacity=order.capacity,
                cl_ord_id=record.cl_ord_id,
                firm=order.firm,
                iso=record.iso,
                cross_type=order.cross_type,
            )
        )

    def _terms(self, order: Order, record: OrderRecord) -> None:
        """ORDER_TERMS: what the order asks for besides, as sent. Numbered in no stream."""
        self.emit(
            Draft(
                kind=EventKind.ORDER_TERMS,
                session_id=order.session_id,
                account_id=order.account_id,
                instrument_id=order.instrument_id,
                user_ref_num=order.user_ref_num,
                order_id=order.order_id,
                price=record.stop_price,  # the record's overlay, see oms/messages/event_records.py
                qty=record.min_qty,
                leaves_qty=record.display_qty,
                orig_user_ref_num=record.trail,
                ord_type=record.self_trade,
                time_in_force=record.post_only,
                display=record.trigger,
                cl_ord_id=_TERMS_END.pack(record.expire_ns, record.peg_offset, order.public_id),
            )
        )

    def canceled(
        self,
        order: Order,
        qty: int,
        reason: int,
        record: OrderRecord | None,
        *,
        flags: int = 0,
        reject_reason: int = 0,
        answered_user_ref_num: int = 0,
        prevented: bytes = b"",
    ) -> None:
        """ORDER_CANCELED: `qty` went, `order.leaves` is left. No record: nobody asked for it."""
        self.emit(
            Draft(
                kind=EventKind.ORDER_CANCELED,
                side=order.side,
                reason=reason,
                flags=flags | _hidden(order),
                session_id=order.session_id,
                account_id=order.account_id,
                instrument_id=order.instrument_id,
                client_seq=record.client_seq if record else 0,
                conn_epoch=record.conn_epoch if record else 0,
                user_ref_num=order.user_ref_num,
                order_id=order.order_id,
                price=order.price,
                qty=qty,
                leaves_qty=order.leaves,
                orig_user_ref_num=answered_user_ref_num,
                cl_ord_id=(prevented or bytes(_PUBLIC_ID_AT)) + _public_id(order),
                reject_reason=reject_reason,
            )
        )

    def executed(
        self,
        order: Order,
        *,
        qty: int,
        price: int,
        match_id: int,
        liquidity: int,
        record: OrderRecord | None,
        fee: int,
        flags: int = 0,
    ) -> None:
        """ORDER_EXECUTED for one side of a match; the record stands on the incoming side only."""
        self.emit(
            Draft(
                kind=EventKind.ORDER_EXECUTED,
                side=order.side,
                reason=liquidity,
                flags=flags | _hidden(order),
                session_id=order.session_id,
                account_id=order.account_id,
                instrument_id=order.instrument_id,
                client_seq=record.client_seq if record else 0,
                conn_epoch=record.conn_epoch if record else 0,
                user_ref_num=order.user_ref_num,
                order_id=order.order_id,
                price=price,
                qty=qty,
                leaves_qty=order.leaves,
                cl_ord_id=_EXECUTED.pack(match_id, fee) + _public_id(order),
            )
        )

    def restated(self, order: Order, reason: RestatedReason) -> None:
        """ORDER_RESTATED: something became of a live order that nobody asks for now."""
        self.emit(
            Draft(
                kind=EventKind.ORDER_RESTATED,
                side=order.side,
                reason=reason,
                session_id=order.session_id,
                account_id=order.account_id,
                instrument_id=order.instrument_id,
                user_ref_num=order.user_ref_num,
                order_id=order.order_id,
                price=order.price,
                qty=order.shown,
                leaves_qty=order.leaves,
                cl_ord_id=bytes(_PUBLIC_ID_AT) + _public_id(order),
            )
        )

    def trade(
        self, incoming: Order, *, qty: int, price: int, match_id: int, is_hidden: bool
    ) -> None:
        """TRADE: the match as the public sees it."""
        self.emit(
            Draft(
                kind=EventKind.TRADE,
                side=incoming.side,
                flags=EventFlag.HIDDEN if is_hidden else 0,
                instrument_id=incoming.instrument_id,
                price=price,
                qty=qty,
                cl_ord_id=match_id.to_bytes(8, "little"),
            )
        )

    def order_rejected(self, record: OrderRecord, reason: int, *, on_topic: bool) -> None:
        """ORDER_REJECTED: everything as sent."""
        self.emit(
            Draft(
                kind=EventKind.ORDER_REJECTED,
                side=record.side,
                reason=reason,
                session_id=record.session_id,
                account_id=record.account_id,
                instrument_id=record.instrument_id,
                client_seq=record.client_seq,
                conn_epoch=record.conn_epoch,
                user_ref_num=record.user_ref_num,
                price=record.price,
                qty=record.order_qty,
                ord_type=record.ord_type,
                time_in_force=record.time_in_force,
                display=record.display,
                capacity=record.capacity,
                cl_ord_id=record.cl_ord_id,
                firm=record.firm,
                iso=record.iso,
                cross_type=record.cross_type,
            ),
            on_topic=on_topic,
        )

    def cancel_rejected(
        self, record: OrderRecord, reason: int, *, account_id: int = 0, on_topic: bool = False
    ) -> None:
        """CANCEL_REJECTED: a cancel or replace that changed nothing."""
        self.emit(
            Draft(
                kind=EventKind.CANCEL_REJECTED,
                reason=reason,
                session_id=record.session_id,
                account_id=account_id,
                client_seq=record.client_seq,
                conn_epoch=record.conn_epoch,
                user_ref_num=record.user_ref_num,
            ),
            on_topic=on_topic,
        )

    def superfluous(self, session: Session, record: OrderRecord, reason: int) -> None:
        """A cancel or replace of nothing: silent where the protocol says so."""
        if record.policy & Policy.UNKNOWN_IS_IGNORED:
            self.answer(EventKind.COMMAND_IGNORED, session)
        else:
            self.cancel_rejected(record, reason)

    def as_sent(self, kind: EventKind, record: OrderRecord) -> None:
        """MASS_CANCEL_ACCEPTED, ENTRY_DISABLED, ENTRY_ENABLED: what was asked for, as sent."""
        self.emit(
            Draft(
                kind=kind,
                side=record.side,
                session_id=record.session_id,
                account_id=record.account_id,
                instrument_id=record.instrument_id,
                client_seq=record.client_seq,
                conn_epoch=record.conn_epoch,
                user_ref_num=record.user_ref_num,
                firm=record.firm,
            )
        )

    def book_top_if_changed(self, instrument_id: int, before: Top) -> None:
        """BOOK_TOP, when the best price or its quantity is another one than before.

        While orders are collected there is no best price; what would trade is said at the end of
        the entry instead.
        """
        if self._venue.instruments[instrument_id - 1].is_crossable:
            self._venue.touched[instrument_id] = None
        elif self._venue.book(instrument_id).top() != before:
            self.book_top(instrument_id)

    def book_top(self, instrument_id: int) -> None:
        """BOOK_TOP as it is now."""
        top = self._venue.book(instrument_id).top()
        self.emit(
            Draft(
                kind=EventKind.BOOK_TOP,
                instrument_id=instrument_id,
                order_id=top.bid_qty,  # the record's overlay, see oms/messages/event_records.py
                price=top.bid_price,
                qty=top.ask_qty & _U32,
                leaves_qty=top.ask_qty >> 32,
                cl_ord_id=top.ask_price.to_bytes(8, "little", signed=True),
            )
        )

    def auction(
        self, kind: EventKind, instrument: Instrument, *, price: int, volume: int,
        imbalance: int = 0, match_id: int = 0,
    ) -> None:  # fmt: skip
        """AUCTION_STATE or AUCTION_TRADE; a surplus of sells is below zero."""
        surplus = abs(imbalance)
        self.emit(
            Draft(
                kind=kind,
                side=Side.BUY if imbalance > 0 else Side.SELL if imbalance < 0 else 0,
                reason=instrument.phase,
                instrument_id=instrument.instrument_id,
                order_id=volume,  # the record's overlay, see oms/messages/event_records.py
                price=price,
                qty=surplus & _U32,
                leaves_qty=surplus >> 32,
                cl_ord_id=match_id.to_bytes(8, "little"),
            )
        )


def _has_terms(order: Order, record: OrderRecord) -> bool:
    return any(
        (
            record.min_qty,
            record.display_qty,
            record.expire_ns,
            record.self_trade,
            record.post_only,
            record.stop_price,
            record.peg_offset,
            order.public_id,
        )
    )


def _hidden(order: Order) -> int:
    return EventFlag.HIDDEN if order.is_hidden else 0


def _public_id(order: Order) -> bytes:
    return order.public_id.to_bytes(8, "little")
