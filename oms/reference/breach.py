"""What live orders would be refused if they were entered now, for work that was asked to end them.

Called by mass cancels. Promises: changes nothing; looks at the state at the moment an order is
examined, so that each order that goes makes room for the others (docs/rules.md, Breaches).
"""

from oms.reference import restriction
from oms.reference.order import Order
from oms.reference.state import Venue


def is_breach(venue: Venue, order: Order) -> bool:
    """Whether a limit or restriction does not allow this live order."""
    return restriction.is_restricted(
        venue,
        order.account_id,
        order.instrument_id,
        side=order.side,
        qty=order.leaves,
        freed=order.leaves,
    )
