"""Crossing: price, then time. An incoming order trades with the best opposite, rests or goes.

Called by the order commands and the day's sweep. Promises: events of one match in the order of
docs/rules.md; the money and the shares of both sides move together; a filled order leaves book,
index and slab at once. `record` is the command of the incoming order.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.ledger cimport ledger_hold, ledger_settle
from oms._core.order_book cimport (
    Level, book_link, book_unlink, level_drop, side_of, tradable_level,
)
from oms._core.order_events cimport order_canceled, order_executed, traded
from oms._core.order_index cimport index_add, index_remove
from oms._core.order_pool cimport Order, pool_free
from oms._core.state cimport State
from oms._core.types cimport (
    CANCELED_COLLAR, CANCELED_IOC_REMAINDER, LIQUIDITY_ADDED, LIQUIDITY_REMOVED, OrderRecord,
    SIDE_BUY,
)


cdef inline void order_freed(State* state, uint32_t slot) noexcept nogil:
    """An order that is out of level and index leaves counts and slab."""
    state.sessions[state.pool.orders[slot].session_id].live_orders -= 1
    state.pool.live -= 1
    pool_free(&state.pool, slot)


cdef inline void release_and_unlink(State* state, uint32_t slot) noexcept nogil:
    """Give back an order's holds and take it out of its level; it keeps slot and name."""
    cdef Order* order = &state.pool.orders[slot]
    ledger_hold(
        &state.accounts[order.account_id], &state.positions.positions[order.position], order,
        -<int64_t>order.leaves,
    )
    book_unlink(
        &state.levels, &state.instruments[order.instrument_id].book, state.pool.orders, slot
    )


cdef inline void remove_order(State* state, uint32_t slot) noexcept nogil:
    """A live order goes: holds, level, index, slab. Its record stays readable but for `leaves`."""
    release_and_unlink(state, slot)
    index_remove(&state.index, state.pool.orders, slot)
    order_freed(state, slot)


cdef inline uint32_t opposite_of(uint8_t side) noexcept nogil:
    """The ladder an order of this side trades with."""
    return side_of(side) ^ 1


cdef inline void match_once(
    State* state, Instrument* instrument, Order* incoming, uint32_t level_slot,
    const OrderRecord* record,
) noexcept nogil:
    """Trade with the first order of a level that is not worse than the incoming order goes."""
    cdef Level* level = &state.levels.levels[level_slot]
    cdef uint32_t slot = level.head
    cdef Order* resting = &state.pool.orders[slot]
    cdef int64_t price = level.price
    cdef uint32_t qty = resting.leaves if resting.leaves < incoming.leaves else incoming.leaves
    cdef bint is_buy = incoming.side == SIDE_BUY
    cdef uint64_t match_id = state.numbers.match_id + 1
    state.numbers.match_id = match_id
    ledger_hold(
        &state.accounts[resting.account_id], &state.positions.positions[resting.position],
        resting, -<int64_t>qty,
    )
    ledger_settle(
        &state.accounts[resting.account_id], &state.positions.positions[resting.position],
        not is_buy, price, qty,
    )
    ledger_settle(
        &state.accounts[incoming.account_id], &state.positions.positions[incoming.position],
        is_buy, price, qty,
    )
    level.qty -= qty
    resting.leaves -= qty
    resting.cum += qty
    incoming.leaves -= qty
    incoming.cum += qty
    instrument.last_price = price
    order_executed(state, resting, price, qty, match_id, LIQUIDITY_ADDED, NULL)
    order_executed(state, incoming, price, qty, match_id, LIQUIDITY_REMOVED, record)
    traded(state, instrument, incoming, price, qty, match_id)
    if resting.leaves == 0:
        state.pool.orders[resting.next].prev = 0
        level.head = resting.next
        if level.head == 0:
            level_drop(&state.levels, &instrument.book, side_of(resting.side), level_slot)
        index_remove(&state.index, state.pool.orders, slot)
        order_freed(state, slot)


cdef inline void match_incoming(
    State* state, Instrument* instrument, Order* incoming, int64_t worst,
    const OrderRecord* record,
) noexcept nogil:
    """Trade until nothing is left, or nobody on the other side at a price not worse."""
    cdef uint32_t opposite = opposite_of(incoming.side)
    cdef uint32_t level
    while incoming.leaves:
        level = tradable_level(&state.levels, &instrument.book, opposite, worst)
        if level == 0:
            return
        match_once(state, instrument, incoming, level, record)


cdef inline void rest_order(
    State* state, Instrument* instrument, uint32_t slot, uint32_t tick
) noexcept nogil:
    """Put what is left of an order, already in its slot, at the back of its level."""
    cdef Order* order = &state.pool.orders[slot]
    ledger_hold(
        &state.accounts[order.account_id], &state.positions.positions[order.position], order,
        order.leaves,
    )
    book_link(&state.levels, &instrument.book, state.pool.orders, slot, tick)
    index_add(&state.index, state.pool.orders, slot)


cdef inline void cancel_remainder(
    State* state, Instrument* instrument, const Order* order, bint is_market,
    const OrderRecord* record,
) noexcept nogil:
    """What is left of an order that may not rest goes; the caller sees to its slot."""
    cdef uint8_t reason = CANCELED_IOC_REMAINDER
    if is_market and instrument.book.ladders[opposite_of(order.side)].best:
        reason = CANCELED_COLLAR
    order_canceled(state, order, record.price, order.leaves, 0, reason, record)
