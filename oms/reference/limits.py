"""Duplicates, order rates, open orders, exposure and short sales: the limits of SET_RISK.

Called by risk for orders that enter, and by the matcher for cancels. Promises: a limit that is 0 is
none; what is remembered of commands is changed only by those that pass the order rate, and by time
(docs/rules.md, Limits).
"""

from oms.messages.enums import RejectReason, ShortSale, Side
from oms.reference import currencies
from oms.reference.state import Limits, Recent, Session, Venue

_SHORT = (Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT)


def check_new(venue: Venue, session: Session, account_id: int, order: Recent) -> int:
    """Why a new order is refused before its position is looked at, or NONE; it is remembered."""
    own, its = venue.account_limits[account_id], venue.session_limits[session.session_id]
    capacities = venue.capacities
    assert capacities is not None, "no session exists before genesis"
    while own.recent and order.at_ns - own.recent[0].at_ns >= own.duplicate_window_ns:
        own.recent.pop(0)
    if own.duplicate_window_ns:
        terms = (order.instrument_id, order.side, order.price, order.qty)
        if any((r.instrument_id, r.side, r.price, r.qty) == terms for r in own.recent):
            return RejectReason.DUPLICATE_ORDER
        if len(own.recent) >= capacities.duplicates_max:
            return RejectReason.RATE_LIMIT
    if not take_rate(venue, session, account_id, is_cancel=False):
        return RejectReason.RATE_LIMIT
    if own.duplicate_window_ns:
        own.recent.append(order)
    live = venue.accounts[account_id - 1].live_orders
    if (0 < own.max_open_orders <= live) or (0 < its.max_open_orders <= session.live_orders):
        return RejectReason.OPEN_ORDERS_LIMIT
    return RejectReason.NONE


def check_value(
    venue: Venue, account_id: int, *, side: int, currency_id: int, value: int, freed: int
) -> int:
    """Exposure and short sale; `freed` is the value of what a replace gives back."""
    own = venue.account_limits[account_id]
    account = venue.accounts[account_id - 1]
    exposure = currencies.exposure(venue, account, currency_id=currency_id, added=value - freed)
    if own.max_exposure and exposure > own.max_exposure:
        return RejectReason.EXPOSURE_LIMIT
    if own.short_sale == ShortSale.FORBIDDEN and side in _SHORT:
        return RejectReason.SHORT_NOT_ALLOWED
    return RejectReason.NONE


def take_rate(venue: Venue, session: Session, account_id: int, *, is_cancel: bool) -> bool:
    """Count a command at its session and its account; False: one has no room, neither counts it."""
    tables = (venue.session_limits[session.session_id], venue.account_limits[account_id])
    limited = [limits for limits in tables if limits.order_rate]
    for limits in limited:
        _give_back(limits, venue.numbers.last_timestamp)
    chosen = [_bucket(limits, is_cancel=is_cancel) for limits in limited]
    if "" in chosen:
        return False
    for limits, bucket in zip(limited, chosen, strict=True):
        setattr(limits, bucket, getattr(limits, bucket) + limits.rate_window_ns)
    return True


def _give_back(limits: Limits, now_ns: int) -> None:
    """What time has given back since the last look: the whole of it in one window."""
    elapsed = min(now_ns - limits.used_ns, limits.rate_window_ns)
    orders = limits.order_rate - limits.cancel_reserve
    limits.used_orders = max(limits.used_orders - elapsed * orders, 0)
    limits.used_cancels = max(limits.used_cancels - elapsed * limits.cancel_reserve, 0)
    limits.used_ns = now_ns


def _bucket(limits: Limits, *, is_cancel: bool) -> str:
    """Where a command is counted: a cancel in the reserve while there is room; "": nowhere."""
    window = limits.rate_window_ns
    if is_cancel and limits.used_cancels + window <= limits.cancel_reserve * window:
        return "used_cancels"
    orders = limits.order_rate - limits.cancel_reserve
    return "used_orders" if limits.used_orders + window <= orders * window else ""
