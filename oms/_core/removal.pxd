"""A live order leaves, whole or in part: holds, level, index, slab.

Called by everything that ends an order: matcher, self-trade prevention, commands, mass cancels, the
day's sweep. Promises: what is in use is what rests; an order's record stays readable but for
`leaves` until its slot is used again.
"""

from libc.stdint cimport int64_t, uint32_t

from oms._core.calls cimport call_list_remove
from oms._core.directory cimport FOLLOWED_BY_STOPS
from oms._core.fees cimport hold_fees
from oms._core.hidden cimport book_of, hidden_left
from oms._core.ledger cimport ledger_hold
from oms._core.machine cimport UNLIKELY, rare
from oms._core.order_book cimport book_unlink
from oms._core.order_index cimport index_remove
from oms._core.order_pool cimport (
    ORDER_FOR_CALL, ORDER_HIDDEN, ORDER_MARKET, ORDER_PEG, ORDER_STOP, Order, pool_free,
)
from oms._core.open_sums cimport sum_changes
from oms._core.peg_book cimport leave_pegs
from oms._core.reserve cimport cut_reserve, stop_reserve
from oms._core.state cimport State, balance_of
from oms._core.timers cimport timer_drop
from oms._core.triggers cimport Watch, market_moved, unpark
from oms._core.types cimport TIF_FOK


cdef inline void order_freed(State* state, uint32_t slot) noexcept nogil:
    """An order that is out of level and index leaves counts and slab."""
    if UNLIKELY(state.pool.orders[slot].time_in_force > TIF_FOK):
        timer_drop(&state.timers, slot)
    state.sessions[state.pool.orders[slot].session_id].live_orders -= 1
    state.accounts[state.pool.orders[slot].account_id].live_orders -= 1
    state.pool.live -= 1
    pool_free(&state.pool, slot)


cdef inline void leave_call(State* state, Order* order, uint32_t slot) noexcept nogil:
    """An order with a flag leaves its level: if it was for a call alone, that list, too."""
    if order.flags & ORDER_MARKET:
        state.levels.market[order.level] -= order.leaves
    if order.flags & ORDER_FOR_CALL:
        call_list_remove(&state.calls, order, slot)


cdef inline void leave_watch(State* state, uint32_t slot) noexcept nogil:
    """A stop order does not wait any more, elected or not."""
    cdef uint32_t instrument_id = state.pool.orders[slot].instrument_id
    cdef Watch* watch = &state.triggers.watches[instrument_id]
    rare()
    unpark(&state.triggers, state.pool.orders, slot)
    watch.count -= 1
    if watch.count == 0:
        state.instruments[instrument_id].followers &= ~FOLLOWED_BY_STOPS
        market_moved(&state.triggers, instrument_id)


cdef inline void release_and_unlink(State* state, uint32_t slot) noexcept nogil:
    """Give back an order's holds and take it from where it stands; it keeps slot and name."""
    cdef Order* order = &state.pool.orders[slot]
    ledger_hold(
        balance_of(state, order), &state.positions.positions[order.position], order,
        -<int64_t>order.leaves,
    )
    if UNLIKELY(order.flags | state.instruments[order.instrument_id].is_crossable):
        if order.flags & ORDER_STOP:
            hold_fees(state, order, 0)
            leave_watch(state, slot)
        else:
            unlink_unusual(state, slot)
        return
    book_unlink(
        &state.levels, &state.instruments[order.instrument_id].book, state.pool.orders, slot
    )


cdef inline void unlink_unusual(State* state, uint32_t slot) noexcept nogil:
    """Take an order with flags, or out of a book that collects, from its level; it keeps the flags
    that its last event says.
    """
    cdef Order* order = &state.pool.orders[slot]
    hold_fees(state, order, 0)
    if order.flags & ORDER_PEG:
        leave_pegs(state, slot)
        return
    if state.instruments[order.instrument_id].is_crossable:
        sum_changes(state, order, -<int64_t>order.leaves)
    stop_reserve(state, slot)
    leave_call(state, order, slot)
    book_unlink(&state.levels, book_of(state, order), state.pool.orders, slot)
    if order.flags & ORDER_HIDDEN:
        hidden_left(state, order)


cdef inline void remove_order(State* state, uint32_t slot) noexcept nogil:
    """A live order goes: holds, level, index, slab. Its record stays readable but for `leaves`."""
    release_and_unlink(state, slot)
    index_remove(&state.index, state.pool.orders, slot)
    order_freed(state, slot)


cdef inline void reduce_in_place(
    State* state, Order* order, uint32_t slot, uint32_t cut
) noexcept nogil:
    """Take `cut`, less than all, from an order that keeps its place."""
    ledger_hold(
        balance_of(state, order), &state.positions.positions[order.position], order,
        -<int64_t>cut,
    )
    order.leaves -= cut
    if UNLIKELY(order.flags & (ORDER_STOP | ORDER_PEG)) and (
        order.flags & ORDER_STOP or state.pegs.pegs[slot].price == 0
    ):
        hold_fees(state, order, order.leaves)  # it is in no level of a book
        return
    state.levels.levels[order.level].qty -= cut
    if UNLIKELY(state.instruments[order.instrument_id].is_crossable):
        sum_changes(state, order, -<int64_t>cut)
    if UNLIKELY(order.flags != 0):
        hold_fees(state, order, order.leaves)
        cut_reserve(state, slot, cut)
        if order.flags & ORDER_MARKET:
            state.levels.market[order.level] -= cut
