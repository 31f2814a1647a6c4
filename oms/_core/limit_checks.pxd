"""Duplicates, order rates, open orders, position, exposure and short sales.

Called by risk and by the cancel, only where a gate says that there is a limit. Promises: what is
remembered of commands is changed only by those that pass the order rate, and by time
(docs/rules.md, Limits).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.ledger cimport Account, Position
from oms._core.limits cimport (
    Limits, Recent, bucket_of, drop_old, give_back, is_recent, recent_at,
)
from oms._core.machine cimport converted, rare, wide
from oms._core.records cimport OrderRecord
from oms._core.sessions cimport Session
from oms._core.state cimport State, ring_of
from oms._core.types cimport (
    REJECT_DUPLICATE_ORDER, REJECT_EXPOSURE_LIMIT, REJECT_NONE, REJECT_OPEN_ORDERS_LIMIT,
    REJECT_POSITION_LIMIT, REJECT_RATE_LIMIT, REJECT_SHORT_NOT_ALLOWED, SIDE_BUY, SIDE_SELL_SHORT,
    SIDE_SELL_SHORT_EXEMPT,
)
from oms._core.risk_types cimport SHORT_SALE_FORBIDDEN


cdef inline bint take_rate(
    State* state, uint32_t session_id, uint32_t account_id, bint is_cancel
) noexcept nogil:
    """Count a command at its session and its account; False: one has no room, none counts it."""
    cdef Limits* tables[2]
    cdef int64_t* buckets[2]
    cdef uint32_t i
    rare()
    tables[0] = &state.session_limits[session_id]
    tables[1] = &state.account_limits[account_id]
    for i in range(2):
        if tables[i].order_rate:
            give_back(tables[i], state.numbers.last_timestamp)
    for i in range(2):
        if tables[i].order_rate:
            buckets[i] = bucket_of(tables[i], is_cancel)
            if buckets[i] == NULL:
                return False
    for i in range(2):
        if tables[i].order_rate:
            buckets[i][0] += tables[i].rate_window_ns
    return True


cdef inline bint is_short(uint8_t side) noexcept nogil:
    return side == SIDE_SELL_SHORT or side == SIDE_SELL_SHORT_EXEMPT


cdef inline bint is_position_beyond(
    const Account* account, const Position* position, bint is_buy, int64_t added
) noexcept nogil:
    """Whether `added` more on one side could bring the position beyond its limit."""
    return (is_buy & (position.qty + position.open_buys + added > account.long_limit)) | (
        (not is_buy) & (position.qty - position.open_sells - added < -account.short_limit)
    )


cdef inline uint8_t check_recent(
    State* state, const Session* session, const OrderRecord* record, bint is_market
) noexcept nogil:
    """Duplicates, order rate, open orders: what concerns new orders only."""
    cdef Limits* limits = &state.account_limits[record.account_id]
    cdef const Limits* its = &state.session_limits[record.session_id]
    cdef Recent* ring = ring_of(state, record.account_id)
    cdef uint32_t size = state.capacities.duplicates_max
    cdef Recent order
    if limits.duplicate_window_ns:
        order.at_ns = state.numbers.last_timestamp
        order.instrument_id = record.instrument_id
        order.price = 0 if is_market else <uint32_t>record.price
        order.qty = record.order_qty
        order.side = record.side
        order.reserved[0] = order.reserved[1] = order.reserved[2] = 0
        drop_old(limits, order.at_ns, ring, size)
        if is_recent(limits, ring, size, &order):
            return REJECT_DUPLICATE_ORDER
        if limits.count >= size:
            return REJECT_RATE_LIMIT
    if not take_rate(state, record.session_id, record.account_id, False):
        return REJECT_RATE_LIMIT
    if limits.duplicate_window_ns:
        recent_at(limits, ring, size, limits.count)[0] = order
        limits.count += 1
    if (
        limits.max_open_orders
        and state.accounts[record.account_id].live_orders >= limits.max_open_orders
    ) or (its.max_open_orders and session.live_orders >= its.max_open_orders):
        return REJECT_OPEN_ORDERS_LIMIT
    return REJECT_NONE


cdef inline wide exposure_of(
    const State* state, uint32_t account_id, uint32_t currency_id, int64_t added
) noexcept nogil:
    """What the account's live orders are worth in the first currency, `added` to one of them."""
    cdef wide total = 0
    cdef wide value
    cdef uint32_t i
    for i in range(1, state.currency_count + 1):
        value = state.balances[i][account_id].exposure
        if i == currency_id:
            value += added
        total += converted(value, state.currencies[i].rate)
    return total


cdef inline uint8_t check_value(
    const State* state, uint32_t account_id, const Position* position, uint8_t side,
    uint32_t currency_id, int64_t added, int64_t value, int64_t freed,
) noexcept nogil:
    """Position, exposure, short sale; `freed` is the value of what a replace gives back."""
    cdef const Account* account = &state.accounts[account_id]
    cdef const Limits* limits = &state.account_limits[account_id]
    rare()
    if is_position_beyond(account, position, side == SIDE_BUY, added):
        return REJECT_POSITION_LIMIT
    if limits.max_exposure and (
        exposure_of(state, account_id, currency_id, value - freed) > limits.max_exposure
    ):
        return REJECT_EXPOSURE_LIMIT
    if limits.short_sale == SHORT_SALE_FORBIDDEN and is_short(side):
        return REJECT_SHORT_NOT_ALLOWED
    return REJECT_NONE
