"""What live orders would be refused if they were entered now, for work that was asked to end them.

Called by mass cancels. Promises: changes nothing; looks at the state at the moment an order is
examined, so that each order that goes makes room for the others (docs/rules.md, Breaches).
"""

from oms._core.order_pool cimport Order
from oms._core.restriction cimport Asked, is_restricted
from oms._core.state cimport State


cdef inline bint is_breach(const State* state, const Order* order) noexcept nogil:
    """Whether a limit or restriction does not allow this live order."""
    cdef Asked asked
    asked.account_id = order.account_id
    asked.instrument_id = order.instrument_id
    asked.added = 0  # it is counted already
    asked.side = order.side
    return is_restricted(state, &asked)
