"""What live orders would be refused if they were entered now, for work that was asked to end them.

Called by mass cancels. Promises: changes nothing; looks at the state at the moment an order is
examined, so that each order that goes makes room for the others (docs/rules.md, Breaches).
"""

from libc.stdint cimport int64_t

from oms._core.ledger cimport Account
from oms._core.limit_checks cimport exposure_of, is_position_beyond, is_short
from oms._core.limits cimport Limits
from oms._core.order_pool cimport Order
from oms._core.restriction cimport Asked, is_restricted
from oms._core.sessions cimport Session
from oms._core.state cimport CancelTask, State
from oms._core.types cimport SIDE_BUY
from oms._core.risk_types cimport SHORT_SALE_FORBIDDEN

cdef enum:
    BREACH_OF_RESTRICTION = 1
    BREACH_OF_LIMIT = 2


cdef inline bint is_breach_meant(
    const State* state, const CancelTask* task, const Order* order
) noexcept nogil:
    """Whether a task for breaches takes this live order; one that is for none takes all."""
    cdef Asked asked
    if task.breach == 0:
        return True
    if task.breach == BREACH_OF_LIMIT:
        return is_beyond(state, order)
    asked.account_id = order.account_id
    asked.instrument_id = order.instrument_id
    asked.added = 0  # it is counted already
    asked.side = order.side
    return is_restricted(state, &asked)


cdef inline bint is_beyond(const State* state, const Order* order) noexcept nogil:
    """Whether a limit of its account or session does not allow this live order."""
    cdef const Account* account = &state.accounts[order.account_id]
    cdef const Session* session = &state.sessions[order.session_id]
    cdef const Limits* own = &state.account_limits[order.account_id]
    cdef const Limits* its = &state.session_limits[order.session_id]
    return (
        <int64_t>order.leaves > account.max_order_qty
        or <int64_t>order.price * order.leaves > account.max_order_value
        or is_position_beyond(
            account, &state.positions.positions[order.position], order.side == SIDE_BUY, 0
        )
        or (own.max_open_orders and account.live_orders > own.max_open_orders)
        or (its.max_open_orders and session.live_orders > its.max_open_orders)
        or (
            own.max_exposure
            and exposure_of(state, order.account_id, 1, 0) > own.max_exposure
        )
        or (own.short_sale == SHORT_SALE_FORBIDDEN and is_short(order.side))
    )
