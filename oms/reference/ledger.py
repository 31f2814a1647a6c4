"""Cash, shares and what is set aside for open orders.

Called by the matcher and the administration. Promises: every movement has two sides, so that the
sums over all accounts only change by deposits (docs/rules.md, NEW_ORDER).
"""

from oms.messages.enums import Side
from oms.reference.order import Order
from oms.reference.state import Account, Position, Venue


def _parties(venue: Venue, order: Order) -> tuple[Account, Position]:
    key = (order.account_id, order.instrument_id)
    return venue.accounts[order.account_id - 1], venue.positions[key]


def hold(venue: Venue, order: Order, qty: int) -> None:
    """Set aside what `qty` of a resting order may cost."""
    account, position = _parties(venue, order)
    if order.side == Side.BUY:
        account.hold += order.price * qty
        position.open_buy_qty += qty
        return
    position.open_sell_qty += qty
    if order.side == Side.SELL:
        position.held_qty += qty


def release(venue: Venue, order: Order, qty: int) -> None:
    """Give back what was set aside for `qty` of a resting order."""
    hold(venue, order, -qty)


def settle(venue: Venue, order: Order, *, price: int, qty: int) -> None:
    """One side of an execution: pay and receive."""
    account, position = _parties(venue, order)
    sign = 1 if order.side == Side.BUY else -1
    account.cash -= sign * price * qty
    position.qty += sign * qty
