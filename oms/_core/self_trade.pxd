"""Orders of one owner that meet: what happens instead of a trade (docs/rules.md, Self-trade).

Called by the matcher when an incoming order has a mode, and for what fill or kill and a minimum
quantity ask. Promises: with a mode set no owner ever trades with itself; the resting order's event
comes before the incoming one's.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.hidden cimport better_level
from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.machine cimport rare
from oms._core.order_book cimport Level, book_has, is_worse, side_of
from oms._core.order_events cimport order_canceled
from oms._core.order_pool cimport ORDER_HIDDEN, Order
from oms._core.records cimport OrderRecord, PreventedRecord
from oms._core.removal cimport reduce_in_place, remove_order
from oms._core.reserve cimport shown_of
from oms._core.state cimport State
from oms._core.types cimport (
    CANCELED_SELF_TRADE, LIQUIDITY_ADDED, LIQUIDITY_HIDDEN, LIQUIDITY_REMOVED,
    SELF_TRADE_CANCEL_NEWEST, SELF_TRADE_CANCEL_OLDEST, SELF_TRADE_DECREMENT,
)


cdef inline uint32_t self_trade_mode(
    const State* state, const Order* order, const OrderRecord* record
) noexcept nogil:
    """What an incoming order says, or else its account; 0: it may trade with its owner."""
    return record.self_trade or state.accounts[order.account_id].self_trade


cdef inline bint is_same_owner(
    const State* state, const Order* one, const Order* other
) noexcept nogil:
    """One account, or two of one group."""
    cdef uint32_t group = state.groups[one.account_id]
    return one.account_id == other.account_id or (
        group != 0 and group == state.groups[other.account_id]
    )


cdef inline bint can_trade(
    State* state, Instrument* instrument, const Order* incoming, int64_t worst, uint32_t mode,
    uint64_t needed,
) noexcept nogil:
    """Whether at least `needed` would trade at once, given what self-trade prevention takes."""
    cdef uint32_t book_side = side_of(incoming.side) ^ 1
    cdef LevelWalk shown_walk
    cdef LevelWalk hidden_walk
    cdef const Level* level
    cdef uint64_t found = 0
    cdef uint64_t reserve
    cdef uint32_t shown
    cdef uint32_t hidden
    cdef uint32_t best
    cdef uint32_t slot
    rare()
    if mode == 0 and state.pool.reserved == 0 and instrument.hidden_orders == 0:
        return book_has(&state.levels, &instrument.book, book_side, worst, needed)
    level_start(&shown_walk, &state.levels, &instrument.book.ladders[book_side])
    level_start(
        &hidden_walk, &state.levels,
        &state.hidden_books[incoming.instrument_id].ladders[book_side],
    )
    shown = level_next(&shown_walk)
    hidden = level_next(&hidden_walk)
    while shown or hidden:
        best = better_level(state, book_side, shown, hidden)
        level = &state.levels.levels[best]
        if is_worse(book_side, level.price, worst):
            return False
        if best == shown:
            shown = level_next(&shown_walk)
        else:
            hidden = level_next(&hidden_walk)
        slot = level.head
        reserve = 0
        while slot:
            if mode == 0 or not is_same_owner(state, &state.pool.orders[slot], incoming):
                found += shown_of(state, slot)
                reserve += state.pool.orders[slot].leaves - shown_of(state, slot)
                if found >= needed:
                    return True
            elif mode != SELF_TRADE_CANCEL_OLDEST:
                return False
            slot = state.pool.orders[slot].next
        # What is not shown comes to the end of the level, behind every own order.
        found += reserve
        if found >= needed:
            return True
    return False


cdef inline void say_prevented(
    State* state, const Order* order, uint32_t qty, int64_t order_price, int64_t price,
    uint32_t both, uint8_t liquidity, uint32_t mode, const OrderRecord* record,
) noexcept nogil:
    """One of the two has lost `qty`; `record` is NULL for the resting one."""
    cdef PreventedRecord* event = <PreventedRecord*>order_canceled(
        state, order, order_price, qty, order.leaves, CANCELED_SELF_TRADE, record
    )
    event.price = price
    event.qty = both
    event.liquidity = liquidity
    event.mode = <uint8_t>mode


cdef inline void prevent_self_trade(
    State* state, Order* incoming, uint32_t slot, uint32_t mode, const OrderRecord* record
) noexcept nogil:
    """The incoming order has met one of its owner's; the mode says who gives way."""
    cdef Order* resting = &state.pool.orders[slot]
    cdef bint is_decrement = mode == SELF_TRADE_DECREMENT
    cdef uint32_t both = resting.leaves if resting.leaves < incoming.leaves else incoming.leaves
    cdef uint32_t from_resting = both if is_decrement else resting.leaves
    cdef uint32_t from_incoming = both if is_decrement else incoming.leaves
    cdef int64_t price = state.levels.levels[resting.level].price
    if mode != SELF_TRADE_CANCEL_NEWEST:
        resting.cum += from_resting * is_decrement
        if from_resting == resting.leaves:
            remove_order(state, slot)
        else:
            reduce_in_place(state, resting, slot, from_resting)
        say_prevented(
            state, resting, from_resting, resting.price, price, both,
            LIQUIDITY_HIDDEN if resting.flags & ORDER_HIDDEN else LIQUIDITY_ADDED, mode, NULL,
        )
    if mode != SELF_TRADE_CANCEL_OLDEST:
        incoming.cum += from_incoming * is_decrement
        incoming.leaves -= from_incoming
        say_prevented(
            state, incoming, from_incoming, record.price, price, both, LIQUIDITY_REMOVED, mode,
            record,
        )
