"""From an OUCH message to the command that goes to the log, one to one.

Called by `session.py`. Pure. Nothing is refused here: what this venue does not offer becomes a
command with a `refuse_reason`, so that its refusal is a logged outcome like any other (RULES A6).
Raises ProtocolError for bytes that are no OUCH message; nothing else on account of its input.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from oms.messages.commands import (
    AccountQuery,
    CancelOrder,
    DisableEntry,
    EnableEntry,
    MassCancel,
    NewOrder,
    OrderCommand,
    RefusedRequest,
    ReplaceOrder,
)
from oms.messages.enums import (
    OUCH_POLICY,
    OrdType,
    PostOnly,
    RejectReason,
    SelfTrade,
    Side,
    TimeInForce,
    Trigger,
)
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, parse_appendage
from oms.wire.ouch import decode_inbound

EXTRAS_KEPT_MAX: Final = 256  # appendages remembered; beyond: forgotten and read anew

_POLICY: Final = int(OUCH_POLICY)
_MARKET: Final = int(OrdType.MARKET)
_LIMIT: Final = int(OrdType.LIMIT)
_STOP: Final = int(OrdType.STOP)
_STOP_LIMIT: Final = int(OrdType.STOP_LIMIT)
_TRAILING: Final = {
    _STOP: int(OrdType.TRAILING_STOP),
    _STOP_LIMIT: int(OrdType.TRAILING_STOP_LIMIT),
}
_DAY: Final = int(TimeInForce.DAY)
_IOC: Final = int(TimeInForce.IOC)
_FOK: Final = int(TimeInForce.FOK)
_NONE: Final = int(RejectReason.NONE)
_NOT_OFFERED: Final = int(RejectReason.NOT_OFFERED)
_NOT_ENTITLED: Final = int(RejectReason.NOT_ENTITLED)
_UNKNOWN_INSTRUMENT: Final = int(RejectReason.UNKNOWN_INSTRUMENT)
_BAD_SIDE: Final = int(RejectReason.BAD_SIDE)
_BAD_ORDER_TYPE: Final = int(RejectReason.BAD_ORDER_TYPE)
_I64_MAX: Final = (1 << 63) - 1

_SIDES: Final[dict[int, int]] = {
    m.SIDE_BUY: Side.BUY.value,
    m.SIDE_SELL: Side.SELL.value,
    m.SIDE_SELL_SHORT: Side.SELL_SHORT.value,
    m.SIDE_SELL_SHORT_EXEMPT: Side.SELL_SHORT_EXEMPT.value,
}
_TIFS: Final[dict[int, int]] = {m.TIF_DAY: _DAY, m.TIF_IOC: _IOC, m.TIF_GTT: TimeInForce.GTT.value}
_CROSS_TIFS: Final[dict[int, int]] = {
    m.CROSS_OPENING: TimeInForce.AT_THE_OPEN.value,
    m.CROSS_CLOSING: TimeInForce.AT_THE_CLOSE.value,
}
_TIFS_NOT_OFFERED: Final = frozenset(b"5E")
_HIDES: Final = 2  # the first rule version that has hidden orders
_NS_PER_S: Final = 1_000_000_000
_POST_ONLY: Final[dict[int | bytes, int]] = {ord("N"): 0, ord("P"): PostOnly.CANCEL.value}
_SELF_TRADE: Final[dict[int | bytes, int]] = {
    ord("*"): 0,
    ord("W"): SelfTrade.CANCEL_NEWEST.value,
    ord("O"): SelfTrade.CANCEL_OLDEST.value,
    ord("D"): SelfTrade.DECREMENT.value,
}
_CAPACITIES: Final = frozenset(b"APRO")
_MARKET_PRICES: Final = frozenset((m.PRICE_MARKET, m.PRICE_MARKET_ROUND, m.PRICE_MARKET_U64))

# Optional fields that change nothing at these values; at another value they ask for something
# this venue does not offer. Fields missing here and below are skipped by their length.
_NEUTRAL: Final[dict[int, frozenset[int | bytes]]] = {
    Tag.CUSTOMER_TYPE: frozenset(b"RN "),
    Tag.DISCRETION_PRICE: frozenset((0,)),
    Tag.DISCRETION_PRICE_TYPE: frozenset(b"L"),
    Tag.DISCRETION_PEG_OFFSET: frozenset((0,)),
    Tag.RANDOM_RESERVES: frozenset((0,)),
    Tag.ROUTE: frozenset((b"",)),
    Tag.TRADE_NOW: frozenset(b"N "),
    Tag.HANDLE_INST: frozenset(b" "),
    Tag.GROUP_ID: frozenset((0,)),
    Tag.SIDE: frozenset(),
    Tag.USER_REF_IDX: frozenset((0,)),
    Tag.AIQ_GROUP_ID: frozenset((b"",)),
}
_PRICE_TYPES: Final[dict[int | bytes, int]] = {
    ord("L"): 0,
    ord("R"): OrdType.PEG_PRIMARY.value,
    ord("P"): OrdType.PEG_MARKET.value,
    ord("M"): OrdType.PEG_MIDPOINT.value,
}
_TRIGGERS: Final[dict[int | bytes, int]] = {
    ord("L"): Trigger.LAST_TRADE.value,
    ord("B"): Trigger.BEST_PRICE.value,
}


class Extras(NamedTuple):
    """What an appendage comes to. Shape: the account's name, the minimum, codes of the command."""

    firm: bytes
    min_qty: int
    self_trade: int
    post_only: int
    expire_ns: int
    display_qty: int
    stop_price: int
    trigger: int
    trail: int
    is_stop: bool
    peg_type: int  # OrdType; 0: it is none
    peg_offset: int
    refuse_reason: int


_NO_EXTRAS: Final = Extras(b"", 0, 0, 0, 0, 0, 0, 0, 0, False, 0, 0, _NONE)


class Translator:
    """Turns the messages of one login of one session into commands."""

    def __init__(
        self,
        *,
        session_id: int,
        conn_epoch: int,
        default_account_id: int,
        accounts: Mapping[bytes, int],
        instruments: Mapping[bytes, int],
        rule_version: int,
    ) -> None:
        hides = rule_version >= _HIDES
        self._displays = frozenset(b"YN" if hides else b"Y")  # older rules would show it
        self._has_pegs = hides
        self._session_id = session_id
        self._conn_epoch = conn_epoch
        self._default_account_id = default_account_id
        self._extras: dict[bytes, Extras] = {}
        self.use_names(accounts, instruments)

    def use_names(self, accounts: Mapping[bytes, int], instruments: Mapping[bytes, int]) -> None:
        """The directory changed."""
        self._accounts = accounts
        self._instruments = instruments

    def translate(
        self, data: bytes, offset: int, client_seq: int, not_after_ns: int
    ) -> OrderCommand:
        """The command for the message from `offset` on. Raises: ProtocolError."""
        message = decode_inbound(data, offset)
        if isinstance(message, m.EnterOrder):
            return self._enter(message, client_seq, not_after_ns)
        if isinstance(message, m.CancelRequest):
            return self._cancel(message, client_seq, not_after_ns)
        if isinstance(message, m.ReplaceRequest):
            return self._replace(message, client_seq, not_after_ns)
        if isinstance(message, m.MassCancelRequest):
            return self._mass_cancel(message, client_seq, not_after_ns)
        if isinstance(message, m.DisableRequest | m.EnableRequest):
            return self._entry(message, client_seq, not_after_ns)
        if isinstance(message, m.AccountQueryRequest):
            if not self._is_offered(message.appendage):
                return self._refused(0, client_seq, not_after_ns)
            return AccountQuery(self._session_id, self._conn_epoch, client_seq, not_after_ns)
        self._read(message.appendage or b"")
        return self._refused(message.user_ref_num, client_seq, not_after_ns)

    def _enter(self, message: m.EnterOrder, client_seq: int, not_after_ns: int) -> NewOrder:
        extras = self._read(message.appendage) if message.appendage else _NO_EXTRAS
        refuse = extras.refuse_reason
        firm = extras.firm
        qty = message.qty
        tif = _TIFS.get(message.time_in_force, 0)
        if tif == 0 and not refuse:
            refuse = _bad_tif(message.time_in_force)
        min_qty = extras.min_qty
        if tif == _IOC and min_qty and min_qty == qty:
            tif, min_qty = _FOK, 0
        if not refuse and (
            message.display not in self._displays
            or message.iso != m.ISO_NO
            or message.capacity not in _CAPACITIES
        ):
            refuse = _NOT_OFFERED
        if message.cross_type != m.CROSS_CONTINUOUS:
            tif, refuse = _for_call(message, refuse)
        if not refuse and extras.peg_offset and not extras.peg_type:
            refuse = _BAD_ORDER_TYPE
        price = message.price
        if extras.peg_type:
            ord_type, price = extras.peg_type, min(price, _I64_MAX)
        elif price in _MARKET_PRICES:
            ord_type = _STOP if extras.is_stop else _MARKET
            if price > _I64_MAX:
                price = m.PRICE_MARKET
        else:
            ord_type = _STOP_LIMIT if extras.is_stop else _LIMIT
            price = min(price, _I64_MAX)
        if extras.trail:
            ord_type = _TRAILING.get(ord_type, ord_type)  # a peg that trails: refused in the log
        return NewOrder(
            self._session_id, self._conn_epoch, client_seq, not_after_ns, _POLICY,
            message.user_ref_num,
            self._accounts.get(firm, 0) if firm else self._default_account_id,
            self._instruments.get(message.symbol, 0), _SIDES.get(message.side, 0), ord_type, tif,
            qty, price, message.cl_ord_id, firm, message.display, message.capacity, message.iso,
            message.cross_type, refuse, min_qty, extras.self_trade, extras.post_only,
            extras.expire_ns, extras.display_qty, extras.stop_price, extras.trigger, extras.trail,
            extras.peg_offset,
        )  # fmt: skip

    def _replace(
        self, message: m.ReplaceRequest, client_seq: int, not_after_ns: int
    ) -> ReplaceOrder:
        extras = self._read(message.appendage) if message.appendage else _NO_EXTRAS
        refuse = extras.refuse_reason
        tif = _TIFS.get(message.time_in_force, 0)
        if tif == 0 and not refuse:
            refuse = _bad_tif(message.time_in_force)
        if not refuse and (message.display not in self._displays or message.iso != m.ISO_NO):
            refuse = _NOT_OFFERED
        if not refuse and (extras.peg_type or extras.peg_offset) and not self._has_pegs:
            refuse = _NOT_OFFERED
        price = message.price
        if price in _MARKET_PRICES and not extras.is_stop and not refuse:
            refuse = _BAD_ORDER_TYPE
        return ReplaceOrder(
            self._session_id, self._conn_epoch, client_seq, not_after_ns, _POLICY,
            message.orig_user_ref_num, message.user_ref_num, tif, message.qty,
            min(price, _I64_MAX), message.cl_ord_id, message.display, message.iso, refuse,
            extras.min_qty, extras.self_trade, extras.post_only, extras.expire_ns,
            extras.display_qty, extras.stop_price, extras.trigger, extras.trail, extras.peg_offset,
        )  # fmt: skip

    def _cancel(
        self, message: m.CancelRequest, client_seq: int, not_after_ns: int
    ) -> CancelOrder | RefusedRequest:
        if message.appendage and not self._is_offered(message.appendage):
            return self._refused(message.user_ref_num, client_seq, not_after_ns)
        return CancelOrder(
            self._session_id, self._conn_epoch, client_seq, not_after_ns, _POLICY,
            message.user_ref_num, message.qty,
        )  # fmt: skip

    def _mass_cancel(
        self, message: m.MassCancelRequest, client_seq: int, not_after_ns: int
    ) -> MassCancel:
        """A name that is not known must not become 0, which fits all."""
        side, refuse = read_scope(parse_appendage(message.appendage))
        account_id = self._accounts.get(message.firm, 0)
        if message.firm and not account_id:
            refuse = refuse or _NOT_ENTITLED
        instrument_id = self._instruments.get(message.symbol, 0)
        if message.symbol and not instrument_id:
            refuse = refuse or _UNKNOWN_INSTRUMENT
        return MassCancel(
            self._session_id, self._conn_epoch, client_seq, not_after_ns, _POLICY,
            message.user_ref_num, account_id, instrument_id, side, message.firm, refuse,
        )  # fmt: skip

    def _entry(
        self, message: m.DisableRequest | m.EnableRequest, client_seq: int, not_after_ns: int
    ) -> DisableEntry | EnableEntry:
        refuse = self._read(message.appendage).refuse_reason if message.appendage else _NONE
        account_id = self._accounts.get(message.firm, 0)
        if message.firm and not account_id:  # 0 would mean every account
            refuse = refuse or _NOT_ENTITLED
        kind = DisableEntry if isinstance(message, m.DisableRequest) else EnableEntry
        return kind(
            self._session_id, self._conn_epoch, client_seq, not_after_ns, message.user_ref_num,
            account_id, message.firm, refuse,
        )  # fmt: skip

    def _refused(self, user_ref_num: int, client_seq: int, not_after_ns: int) -> RefusedRequest:
        return RefusedRequest(
            self._session_id, self._conn_epoch, client_seq, not_after_ns, user_ref_num, _NOT_OFFERED
        )

    def _is_offered(self, appendage: bytes | None) -> bool:
        return not appendage or not self._read(appendage).refuse_reason

    def _read(self, appendage: bytes) -> Extras:
        """What the appendage comes to; the same bytes are read once. Raises: ProtocolError."""
        extras = self._extras.get(appendage)
        if extras is None:
            extras = read_extras(parse_appendage(appendage))
            if len(self._extras) >= EXTRAS_KEPT_MAX:
                self._extras.clear()
            self._extras[appendage] = extras
        return extras


def read_extras(options: list[Option]) -> Extras:
    """Account, how the order enters, and whether something not offered is asked for."""
    firm = b""
    min_qty = self_trade = post_only = expire_ns = display_qty = stop_price = 0
    trigger = trail = 0
    is_stop = False
    peg_type = peg_offset = 0
    refuse_reason = _NONE
    for tag, value in options:
        if tag == Tag.FIRM and isinstance(value, bytes):
            firm = value
        elif tag == Tag.MIN_QTY and isinstance(value, int):
            min_qty = value
        elif tag == Tag.MAX_FLOOR and isinstance(value, int):
            display_qty = value
        elif tag == Tag.EXPIRE_TIME and isinstance(value, int):
            expire_ns = value * _NS_PER_S
        elif tag == Tag.AIQ_STRATEGY and value in _SELF_TRADE:
            self_trade = _SELF_TRADE[value]
        elif tag == Tag.POST_ONLY and value in _POST_ONLY:
            post_only = _POST_ONLY[value]
        elif tag == Tag.STOP_PRICE and isinstance(value, int):
            stop_price, is_stop = min(value, _I64_MAX), True
        elif tag == Tag.STOP_TRIGGER and value in _TRIGGERS:
            trigger = _TRIGGERS[value]
        elif tag == Tag.STOP_TRAIL and isinstance(value, int):
            trail, is_stop = value, True
        elif tag == Tag.PRICE_TYPE and value in _PRICE_TYPES:
            peg_type = _PRICE_TYPES[value]
        elif tag == Tag.PEG_OFFSET and isinstance(value, int):
            peg_offset = value
        elif tag in {Tag.AIQ_STRATEGY, Tag.POST_ONLY, Tag.PRICE_TYPE}:
            refuse_reason = refuse_reason or _NOT_OFFERED
        elif tag == Tag.STOP_TRIGGER:
            refuse_reason = refuse_reason or _BAD_ORDER_TYPE
        elif tag in _NEUTRAL and value not in _NEUTRAL[tag]:
            refuse_reason = refuse_reason or _NOT_OFFERED
    return Extras(
        firm, min_qty, self_trade, post_only, expire_ns, display_qty, stop_price, trigger, trail,
        is_stop, peg_type, peg_offset, refuse_reason,
    )  # fmt: skip


def read_scope(options: list[Option]) -> tuple[int, int]:
    """The side a mass cancel is for (0: any), and why it is refused."""
    side = 0
    refuse_reason = _NONE
    for tag, value in options:
        if tag == Tag.SIDE and isinstance(value, int):
            side = _SIDES.get(value, 0)
            refuse_reason = refuse_reason or (_NONE if side else _BAD_SIDE)
        elif tag in _NEUTRAL and value not in _NEUTRAL[tag]:
            refuse_reason = refuse_reason or _NOT_OFFERED
    return side, refuse_reason


def _for_call(message: m.EnterOrder, refuse: int) -> tuple[int, int]:
    """Time in force of an order for the opening or closing call alone, and why it is refused."""
    tif = _CROSS_TIFS.get(message.cross_type, 0)
    is_offered = tif and message.time_in_force == m.TIF_DAY
    return tif or _DAY, refuse or (_NONE if is_offered else _NOT_OFFERED)


def _bad_tif(code: int) -> int:
    """Times in force OUCH knows are not offered; others are no time in force at all."""
    return _NOT_OFFERED if code in _TIFS_NOT_OFFERED else _BAD_ORDER_TYPE
