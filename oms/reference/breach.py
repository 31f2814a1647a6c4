"""What live orders would be refused if they were entered now, for work that was asked to end them.

Called by mass cancels. Promises: changes nothing; looks at the state at the moment an order is
examined, so that each order that goes makes room for the others (docs/rules.md, Breaches).
"""

from oms.messages.enums import ShortSale, Side
from oms.reference import currencies, restriction
from oms.reference.order import Order
from oms.reference.state import CancelTask, Venue

OF_RESTRICTION = 1
OF_LIMIT = 2


def is_meant(venue: Venue, task: CancelTask, order: Order) -> bool:
    """Whether a task for breaches takes this live order; one that is for none takes all."""
    match task.breach:
        case 0:
            return True
        case 1:
            return restriction.is_restricted(
                venue,
                order.account_id,
                order.instrument_id,
                side=order.side,
                qty=order.leaves,
                freed=order.leaves,
            )
        case _:
            return _is_beyond(venue, order)


def _is_beyond(venue: Venue, order: Order) -> bool:
    """Whether a limit of its account or session does not allow this live order."""
    account = venue.accounts[order.account_id - 1]
    own = venue.account_limits[order.account_id]
    session = venue.session_limits[order.session_id]
    position = venue.position(order.account_id, order.instrument_id)
    if order.side == Side.BUY:
        is_position_beyond = position.qty + position.open_buy_qty > account.long_limit
    else:
        is_position_beyond = position.qty - position.open_sell_qty < -account.short_limit
    is_short = order.side in (Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT)
    live_of_session = venue.sessions[order.session_id - 1].live_orders
    return (
        order.leaves > account.max_order_qty
        or order.price * order.leaves > account.max_order_value
        or is_position_beyond
        or (own.max_open_orders > 0 and account.live_orders > own.max_open_orders)
        or (session.max_open_orders > 0 and live_of_session > session.max_open_orders)
        or (own.max_exposure > 0 and currencies.exposure(venue, account) > own.max_exposure)
        or (is_short and own.short_sale == ShortSale.FORBIDDEN)
    )
