"""Cash, shares and what is set aside for open orders.

Called by the matcher and the administration. Promises: every movement has two sides, so that the
sums over all accounts only change by deposits (docs/rules.md, NEW_ORDER).
"""

from oms.bounds import MONEY_MAX
from oms.messages.enums import Side
from oms.reference import fees
from oms.reference.order import Order
from oms.reference.state import Balance, Position, Venue


def _parties(venue: Venue, order: Order) -> tuple[Balance, Position]:
    key = (order.account_id, order.instrument_id)
    return venue.balance(*key), venue.positions[key]


def hold(venue: Venue, order: Order, qty: int) -> None:
    """Set aside what `qty` of a resting order may cost."""
    balance, position = _parties(venue, order)
    balance.exposure += order.price * qty
    if order.side == Side.BUY:
        balance.hold += order.price * qty
        position.open_buy_qty += qty
        return
    position.open_sell_qty += qty
    if order.side == Side.SELL:
        position.held_qty += qty


def release(venue: Venue, order: Order, qty: int) -> None:
    """Give back what was set aside for `qty` of a resting order."""
    hold(venue, order, -qty)


def hold_fees(venue: Venue, order: Order, leaves: int) -> None:
    """Set aside what a resting order with these leaves may have to pay in fees; 0: it leaves."""
    needed = (
        fees.most(order.fees, order.side, order.price * leaves, order.fee_carry) if leaves else 0
    )
    venue.balance(order.account_id, order.instrument_id).hold += needed - order.fee_held
    order.fee_held = needed


def settle(venue: Venue, order: Order, *, price: int, qty: int) -> None:
    """One side of an execution: pay and receive."""
    balance, position = _parties(venue, order)
    sign = 1 if order.side == Side.BUY else -1
    balance.cash -= sign * price * qty
    move(position, sign * qty, sign * price * qty)


def move(position: Position, shares: int, value: int) -> None:
    """Shares come (below zero: go) for a value of the same sign: quantity, cost and profit.

    What closes the position takes its part of the cost along, and its part of the value is what it
    was closed for; what is left of the shares opens or adds, at what is left of the value.
    """
    is_closing = position.qty * shares < 0
    closed = min(abs(shares), abs(position.qty)) if is_closing else 0
    removed = _share(position.cost, closed, abs(position.qty))
    closed_for = _share(value, closed, abs(shares))
    position.qty += shares
    position.cost = _within_money(position.cost - removed + value - closed_for)
    position.realised = _within_money(position.realised - closed_for - removed)


def carry_out(position: Position, shares: int) -> int:
    """Shares of a long position leave without a sale; their part of the cost, which goes along."""
    removed = _share(position.cost, shares, position.qty)
    position.qty -= shares
    position.cost -= removed
    return removed


def _share(whole: int, part: int, of: int) -> int:
    """`whole * part / of`, rounded toward zero; 0 of nothing."""
    size = abs(whole) * part // of if part else 0
    return size if whole >= 0 else -size


def _within_money(amount: int) -> int:
    return max(-MONEY_MAX, min(amount, MONEY_MAX))
