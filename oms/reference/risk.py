"""The checks before the book, in the order of `RejectReason`.

Called by the matcher for a new order and for a replace. Promises: changes nothing but what order
rate and duplicate window remember; the first check that fails is the answer (docs/rules.md,
NEW_ORDER and REPLACE_ORDER).
"""

from oms.bounds import ORDER_QTY_MAX, PRICE_MAX, TIMESTAMP_MAX
from oms.messages.enums import (
    Entitlement,
    OrdType,
    PostOnly,
    RejectReason,
    SelfTrade,
    Side,
    TimeInForce,
)
from oms.reference import fees, limits, peg_terms, phases, restriction, stop_terms, ticks
from oms.reference.order import CALL_TIMES, LIMITED_STOPS, PEG_TYPES, STOP_TYPES, Order
from oms.reference.records import OrderRecord
from oms.reference.state import HIDES, Account, Instrument, Position, Recent, Session, Venue

LASTING = CALL_TIMES | {TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD, TimeInForce.GTT}
_MARKET_TIMES = CALL_TIMES | {TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK}
_DISPLAY_PART = 1_000  # at least this part of an iceberg is shown
_BPS = 10_000
_SELF_TRADE_MODES = frozenset(int(mode) for mode in SelfTrade)
_POST_ONLY_MODES = frozenset(int(mode) for mode in PostOnly)
_WITH_LIMIT = PEG_TYPES | LIMITED_STOPS | {OrdType.LIMIT}
_REMEMBERED_WITH_PRICE = PEG_TYPES | {OrdType.LIMIT}
_SIDES = frozenset(int(side) for side in Side)
_ORD_TYPES = frozenset(int(kind) for kind in OrdType)
_TIMES_IN_FORCE = frozenset(int(tif) for tif in TimeInForce)


def may_enter(venue: Venue, session: Session, account_id: int) -> bool:
    """Whether the account exists and the session's user may enter orders for it."""
    if venue.account(account_id) is None:
        return False
    return bool(venue.entitlements(session.user_id, account_id) & Entitlement.ENTER)


def worst_price(instrument: Instrument, *, side: int, ord_type: int, price: int) -> int:
    """How far an order goes that is no stop order: its limit, or a collar from the reference."""
    if ord_type in _WITH_LIMIT:
        return price
    return stop_terms.collar_price(instrument, side=side, reference=instrument.reference())


def _worst(
    venue: Venue, instrument: Instrument, record: OrderRecord, *, side: int, ord_type: int,
    original: Order | None,
) -> int:  # fmt: skip
    """How far an order goes with this record, stop order or not."""
    if ord_type not in STOP_TYPES:
        return worst_price(instrument, side=side, ord_type=ord_type, price=record.price)
    return stop_terms.terms_of(
        venue, instrument, record, ord_type=ord_type, side=side, original=original
    ).worst


def check_new(venue: Venue, session: Session, record: OrderRecord) -> int:
    """Why a new order is refused, or NONE."""
    if record.refuse_reason:
        return record.refuse_reason
    if not may_enter(venue, session, record.account_id):
        return RejectReason.NOT_ENTITLED
    account = venue.accounts[record.account_id - 1]
    instrument = venue.instrument(record.instrument_id)
    if instrument is None:
        return RejectReason.UNKNOWN_INSTRUMENT
    if is_entry_off(venue, session, account, instrument):
        return RejectReason.ENTRY_OFF
    is_market = record.ord_type != OrdType.LIMIT
    reason = phases.refuses(venue, instrument)
    if reason:
        return reason
    if restriction.is_restricted(
        venue, record.account_id, record.instrument_id, side=record.side, qty=record.order_qty
    ):
        return RejectReason.RESTRICTED
    if record.side not in _SIDES:
        return RejectReason.BAD_SIDE
    if (
        record.ord_type not in _ORD_TYPES
        or record.time_in_force not in _TIMES_IN_FORCE
        or (record.ord_type == OrdType.MARKET and record.time_in_force not in _MARKET_TIMES)
        or _are_extras_bad(record, is_market=is_market)
        or not phases.takes(venue, instrument, record)
        or stop_terms.has_bad_fields(venue, record, record.ord_type, original=None)
    ):
        return RejectReason.BAD_ORDER_TYPE
    if _is_expire_time_bad(record, venue.numbers.last_timestamp):
        return RejectReason.BAD_EXPIRE_TIME
    reason = _terms(
        venue, account, instrument, side=record.side, ord_type=record.ord_type, record=record
    )  # fmt: skip
    if reason:
        return reason
    worst = _worst(
        venue, instrument, record, side=record.side, ord_type=record.ord_type, original=None
    )
    seen = Recent(
        at_ns=venue.numbers.last_timestamp,
        instrument_id=record.instrument_id,
        side=record.side,
        price=record.price if record.ord_type in _REMEMBERED_WITH_PRICE else 0,
        qty=record.order_qty,
    )
    reason = limits.check_new(venue, session, record.account_id, seen) or _funds(
        venue,
        account,
        instrument,
        venue.position(record.account_id, record.instrument_id),
        side=record.side,
        qty=record.order_qty,
        worst=worst,
    )
    return reason or _capacity(venue, record)


def check_replace(venue: Venue, session: Session, original: Order, record: OrderRecord) -> int:
    """Why a replace is refused, or NONE. The original's own holds do not stand in its way."""
    if record.refuse_reason:
        return record.refuse_reason
    if not may_enter(venue, session, original.account_id):
        return RejectReason.NOT_ENTITLED
    account = venue.accounts[original.account_id - 1]
    instrument = venue.instruments[original.instrument_id - 1]
    if is_entry_off(venue, session, account, instrument):
        return RejectReason.ENTRY_OFF
    reason = phases.refuses(venue, instrument)
    if reason:
        return reason
    if restriction.is_restricted(
        venue,
        original.account_id,
        original.instrument_id,
        side=original.side,
        qty=max(record.order_qty - original.cum, 0),
        freed=original.leaves,
    ):
        return RejectReason.RESTRICTED
    is_tif_bad = record.time_in_force not in _TIMES_IN_FORCE
    if is_tif_bad or record.time_in_force == TimeInForce.FOK:
        return RejectReason.BAD_ORDER_TYPE
    is_special = original.is_waiting or original.is_peg
    ord_type = original.ord_type if is_special else OrdType.LIMIT
    if (
        _are_extras_bad(record, is_market=is_special)
        or not phases.takes(venue, instrument, record)
        or stop_terms.has_bad_fields(venue, record, ord_type, original=original)
    ):
        return RejectReason.BAD_ORDER_TYPE
    if _is_expire_time_bad(record, venue.numbers.last_timestamp):
        return RejectReason.BAD_EXPIRE_TIME
    reason = _terms(
        venue, account, instrument, side=original.side, ord_type=ord_type, record=record,
        original=original,
    )  # fmt: skip
    if reason:
        return reason
    if not limits.take_rate(venue, session, original.account_id, is_cancel=False):
        return RejectReason.RATE_LIMIT
    if record.order_qty <= original.cum:
        return RejectReason.NONE
    is_buy = original.side == Side.BUY
    held = venue.position(original.account_id, original.instrument_id)
    freed = Position(
        qty=held.qty,
        open_buy_qty=held.open_buy_qty - (original.leaves if is_buy else 0),
        open_sell_qty=held.open_sell_qty - (0 if is_buy else original.leaves),
        held_qty=held.held_qty - (original.leaves if original.side == Side.SELL else 0),
    )
    return _funds(
        venue,
        account,
        instrument,
        freed,
        side=original.side,
        qty=record.order_qty - original.cum,
        worst=_worst(
            venue, instrument, record, side=original.side, ord_type=ord_type, original=original
        ),
        freed_value=original.price * original.leaves,
        original=original,
    )  # fmt: skip


def is_hiding(venue: Venue, record: OrderRecord) -> bool:
    """Whether what enters with this record rests hidden."""
    return record.display == ord("N") and venue.numbers.rule_version >= HIDES


def is_entry_off(venue: Venue, session: Session, account: Account, instrument: Instrument) -> bool:
    """Whether new orders are stopped anywhere on this one's way."""
    return (
        venue.numbers.is_killed
        or session.is_killed
        or account.is_killed
        or instrument.is_killed
        or venue.is_disabled(session.user_id, account.account_id)
    )


def expires_ns(record: OrderRecord, timestamp_ns: int) -> int:
    """When an order goes by itself; 0: never."""
    if record.time_in_force == TimeInForce.GTT:
        return timestamp_ns + record.expire_ns
    return record.expire_ns


def _is_expire_time_bad(record: OrderRecord, timestamp_ns: int) -> bool:
    match record.time_in_force:
        case TimeInForce.GTD:
            return not timestamp_ns < record.expire_ns <= TIMESTAMP_MAX
        case TimeInForce.GTT:
            return not 0 < record.expire_ns <= TIMESTAMP_MAX - timestamp_ns
        case _:
            return record.expire_ns != 0


def _are_extras_bad(record: OrderRecord, *, is_market: bool) -> bool:
    """Self-trade and post-only: in their lists, and post-only only for what may rest."""
    if record.self_trade and record.self_trade not in _SELF_TRADE_MODES:
        return True
    if record.post_only and record.post_only not in _POST_ONLY_MODES:
        return True
    is_lasting = record.time_in_force in LASTING
    can_be_post_only = is_lasting and not is_market and not record.min_qty
    return bool(record.post_only) and not can_be_post_only


def _terms(
    venue: Venue, account: Account, instrument: Instrument, *, side: int, ord_type: int,
    record: OrderRecord, original: Order | None = None,
) -> int:  # fmt: skip
    """Quantity, price, collar and value: what can be judged from the order's own terms."""
    order_qty = record.order_qty
    if not 0 < order_qty <= ORDER_QTY_MAX or order_qty % instrument.lot_size:
        return RejectReason.BAD_QUANTITY
    if record.min_qty > order_qty or record.min_qty % instrument.lot_size:
        return RejectReason.BAD_MIN_QTY
    if record.display_qty and (
        is_hiding(venue, record)
        or ord_type != OrdType.LIMIT
        or record.time_in_force not in LASTING
        or record.display_qty > order_qty
        or record.display_qty * _DISPLAY_PART < order_qty
        or record.display_qty % instrument.lot_size
    ):
        return RejectReason.BAD_DISPLAY
    if ord_type in STOP_TYPES and is_hiding(venue, record):
        return RejectReason.BAD_DISPLAY
    if ord_type in STOP_TYPES and stop_terms.is_stop_bad(
        venue, instrument, record, ord_type=ord_type, side=side, original=original
    ):
        return RejectReason.BAD_STOP
    if ord_type in PEG_TYPES and peg_terms.is_peg_bad(venue, record):
        return RejectReason.BAD_PEG
    if order_qty > account.max_order_qty:
        return RejectReason.QUANTITY_ABOVE_MAX
    ref, price = instrument.reference(), record.price
    if ord_type in STOP_TYPES:
        terms = stop_terms.terms_of(
            venue, instrument, record, ord_type=ord_type, side=side, original=original
        )
        ref, price = terms.first or terms.stop_price, terms.worst
    reason = _price(instrument, price, side=side, ord_type=ord_type, ref=ref)
    if reason:
        return reason
    worst = _worst(venue, instrument, record, side=side, ord_type=ord_type, original=original)
    if worst * order_qty > account.max_order_value:
        return RejectReason.VALUE_ABOVE_MAX
    return RejectReason.NONE


def _price(instrument: Instrument, price: int, *, side: int, ord_type: int, ref: int) -> int:
    """The limit and its collar around `ref`, which a stop order with a limit has, too."""
    if ord_type in _WITH_LIMIT:
        if not 0 < price <= PRICE_MAX or not ticks.is_on_tick(instrument, price):
            return RejectReason.BAD_PRICE
        distance = ref * instrument.price_collar_bps // _BPS
        is_beyond = price > ref + distance if side == Side.BUY else price < ref - distance
        if instrument.price_collar_bps and ref and is_beyond:
            return RejectReason.PRICE_COLLAR
    elif ref == 0:
        return RejectReason.NO_REFERENCE_PRICE
    return RejectReason.NONE


def _funds(
    venue: Venue, account: Account, instrument: Instrument, position: Position, *, side: int,
    qty: int, worst: int, freed_value: int = 0, original: Order | None = None,
) -> int:  # fmt: skip
    """Position limit, value, shares and cash for `qty` more on this side."""
    if side == Side.BUY:
        is_beyond = position.qty + position.open_buy_qty + qty > account.long_limit
    else:
        is_beyond = position.qty - position.open_sell_qty - qty < -account.short_limit
    if is_beyond:
        return RejectReason.POSITION_LIMIT
    currency_id = instrument.currency_id
    reason = limits.check_value(
        venue, account.account_id, side=side, currency_id=currency_id, value=worst * qty,
        freed=freed_value,
    )  # fmt: skip
    if reason:
        return reason
    if side == Side.SELL and qty > position.qty - position.held_qty:
        return RejectReason.INSUFFICIENT_SHARES
    schedule = fees.schedule_of(venue, account.account_id)
    carry = original.fee_carry if original and original.fees else 0
    fee = fees.most(schedule, side, worst * qty, carry)
    given_back = freed_value + (original.fee_held if original else 0)
    balance = account.balances[currency_id - 1]
    if side == Side.BUY and worst * qty + fee > balance.cash - (balance.hold - given_back):
        return RejectReason.INSUFFICIENT_CASH
    return RejectReason.NONE


def _capacity(venue: Venue, record: OrderRecord) -> int:
    capacities = venue.capacities
    assert capacities is not None, "no session exists before genesis"
    is_new = (record.account_id, record.instrument_id) not in venue.positions
    if len(venue.live) >= capacities.orders_max or (
        is_new and len(venue.positions) >= capacities.positions_max
    ):
        return RejectReason.CAPACITY
    if stop_terms.is_full(venue, record):
        return RejectReason.CAPACITY
    if record.ord_type in PEG_TYPES and peg_terms.is_full(venue):
        return RejectReason.CAPACITY
    return RejectReason.NONE
