"""Restrictions and limits: how an administrator changes them.

Called by the administration. Promises: a command that fails changes nothing; live orders are
touched only where the command asks for it, and then by bounded work (docs/rules.md, Restrictions).
"""

from typing import NamedTuple

from oms.bounds import LIMIT_WINDOW_MAX_NS, ORDER_RATE_MAX
from oms.messages import records
from oms.messages.enums import RejectReason, RiskField, RiskScope
from oms.reference import breach, mass_cancel
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Limits, Position, Session, Venue

_RESTRICTIONS_MAX = 15  # every bit of Restriction
_OPTIONS_MAX = 1  # every bit of LimitOption
_FIELDS_MAX = 511  # every bit of RiskField
_SESSION_FIELDS = RiskField.ORDER_RATE | RiskField.OPEN_ORDERS
BASIC = 15  # the RiskField bits of SET_LIMITS
_BASICS = ("max_order_qty", "max_order_value", "long_limit", "short_limit")


def set_restriction(venue: Venue, session: Session | None, record: bytes) -> tuple[int, int]:
    """SET_RESTRICTION: why it is refused, or NONE and it is done; and the id concerned."""
    instrument_id, account_id, bits, options = records.RESTRICTION.unpack(record)[HEAD_FIELDS:]
    instrument = venue.instrument(instrument_id)
    if instrument is None or (account_id and venue.account(account_id) is None):
        return RejectReason.UNKNOWN_ID, instrument_id
    if bits > _RESTRICTIONS_MAX or options > _OPTIONS_MAX:
        return RejectReason.BAD_VALUE, instrument_id
    if options and mass_cancel.is_full(venue):
        return RejectReason.CAPACITY, instrument_id
    if account_id == 0:
        instrument.restriction = bits
    else:
        key = (account_id, instrument_id)
        assert venue.capacities is not None, "admin records are ignored before genesis"
        if key not in venue.positions and len(venue.positions) >= venue.capacities.positions_max:
            return RejectReason.CAPACITY, instrument_id
        venue.positions.setdefault(key, Position()).restriction = bits
    if options:
        mass_cancel.cancel_breaches(
            venue,
            session,
            breach.OF_RESTRICTION,
            account_id=account_id,
            instrument_id=instrument_id,
        )
    return RejectReason.NONE, instrument_id


class _Risk(NamedTuple):
    """The body of SET_RISK. Shape: scalars, in record order."""

    scope_id: int
    scope: int
    options: int
    fields: int
    defaults: int
    short_sale: int
    max_open_orders: int
    order_rate: int
    cancel_reserve: int
    rate_window_ns: int
    duplicate_window_ns: int
    max_exposure: int
    max_order_qty: int
    max_order_value: int
    long_limit: int
    short_limit: int


def set_risk(venue: Venue, session: Session | None, record: bytes) -> tuple[int, int]:
    """SET_RISK: why it is refused, or NONE and it is done; and the id concerned."""
    risk = _Risk._make(records.RISK.unpack(record)[HEAD_FIELDS:])
    scope_id = risk.scope_id
    if risk.scope not in (RiskScope.ACCOUNT, RiskScope.SESSION):
        return RejectReason.BAD_VALUE, scope_id
    is_account = risk.scope == RiskScope.ACCOUNT
    tables = venue.account_limits if is_account else venue.session_limits
    if scope_id >= len(tables):
        return RejectReason.UNKNOWN_ID, scope_id
    if _is_bad(risk, is_account=is_account):
        return RejectReason.BAD_VALUE, scope_id
    if risk.options and mass_cancel.is_full(venue):
        return RejectReason.CAPACITY, scope_id
    _set(tables[scope_id], risk.fields, risk)
    basics = [getattr(risk, name) for name in _BASICS]
    if is_account:
        _set_basics(venue, scope_id, risk.fields, basics)
    if scope_id:
        own = tables[scope_id]
        own.own = (own.own | risk.fields) & ~risk.defaults
        _follow(venue, scope_id, risk.defaults, is_account=is_account)
    else:
        for number in range(1, len(tables)):
            followed = risk.fields & ~tables[number].own
            _follow(venue, number, followed, is_account=is_account)
    if risk.options:
        mass_cancel.cancel_breaches(
            venue,
            session,
            breach.OF_LIMIT,
            account_id=scope_id if is_account else 0,
            session_id=0 if is_account else scope_id,
        )
    return RejectReason.NONE, scope_id


def open_account(venue: Venue) -> None:
    """A new account has the limits it was added with; in all else it follows the default."""
    venue.account_limits.append(Limits(own=BASIC))
    number = len(venue.account_limits) - 1
    _follow(venue, number, _FIELDS_MAX & ~BASIC, is_account=True)


def open_session(venue: Venue) -> None:
    """A new session follows the default."""
    venue.session_limits.append(Limits())
    number = len(venue.session_limits) - 1
    _follow(venue, number, int(_SESSION_FIELDS), is_account=False)


def _is_bad(risk: _Risk, *, is_account: bool) -> bool:
    allowed = _FIELDS_MAX if is_account else int(_SESSION_FIELDS)
    is_rate_bad = (
        not 0 < risk.rate_window_ns <= LIMIT_WINDOW_MAX_NS
        or risk.order_rate > ORDER_RATE_MAX
        or risk.cancel_reserve >= risk.order_rate
        if risk.order_rate
        else risk.rate_window_ns or risk.cancel_reserve
    )
    return bool(
        (risk.fields | risk.defaults) & ~allowed
        or risk.fields & risk.defaults
        or (risk.defaults and not risk.scope_id)
        or risk.options > _OPTIONS_MAX
        or min(risk.max_order_qty, risk.max_order_value, risk.long_limit, risk.short_limit) < 0
        or is_rate_bad
        or not 0 <= risk.duplicate_window_ns <= LIMIT_WINDOW_MAX_NS
        or risk.max_exposure < 0
        or risk.short_sale > 1
    )


def _set(target: Limits, fields: int, source: Limits | _Risk) -> None:
    """Take over the limits named; a rate starts with all its room, a window with no orders."""
    if fields & RiskField.ORDER_RATE:
        target.order_rate = source.order_rate
        target.cancel_reserve = source.cancel_reserve
        target.rate_window_ns = source.rate_window_ns
        target.used_ns = target.used_orders = target.used_cancels = 0
    if fields & RiskField.DUPLICATES:
        target.duplicate_window_ns = source.duplicate_window_ns
        target.recent = []
    if fields & RiskField.OPEN_ORDERS:
        target.max_open_orders = source.max_open_orders
    if fields & RiskField.EXPOSURE:
        target.max_exposure = source.max_exposure
    if fields & RiskField.SHORT_SALE:
        target.short_sale = source.short_sale


def _set_basics(venue: Venue, account_id: int, fields: int, values: list[int]) -> None:
    """The limits of SET_LIMITS, bit by bit; of account 0: the default."""
    for bit, (name, value) in enumerate(zip(_BASICS, values, strict=True)):
        if fields >> bit & 1 and account_id:
            setattr(venue.accounts[account_id - 1], name, value)
        elif fields >> bit & 1:
            venue.default_limits[bit] = value


def _follow(venue: Venue, number: int, fields: int, *, is_account: bool) -> None:
    """Take over the defaults of these limits."""
    tables = venue.account_limits if is_account else venue.session_limits
    _set(tables[number], fields, tables[0])
    if is_account:
        _set_basics(venue, number, fields, venue.default_limits)
