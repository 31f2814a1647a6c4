"""Crossing: price, then time. An incoming order trades with the best opposite, rests or goes.

Called by the order commands and the day's sweep. Promises: events of one match in the order of
docs/rules.md; the money and the shares of both sides move together; a filled order leaves book,
index and slab at once.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.ledger cimport ledger_hold, ledger_settle
from oms._core.order_book cimport (
    BOOK_ASKS, BOOK_BIDS, Ladder, Level, book_link, book_unlink, is_worse, level_drop, side_of,
)
from oms._core.order_events cimport (
    Party, incoming_executed, order_canceled, resting_executed, traded,
)
from oms._core.order_index cimport index_add, index_remove
from oms._core.order_pool cimport Order, pool_free, pool_take
from oms._core.state cimport State
from oms._core.types cimport (
    CANCELED_COLLAR, CANCELED_IOC_REMAINDER, LIQUIDITY_ADDED, LIQUIDITY_REMOVED, OrderRecord,
    SIDE_BUY, TIF_GTC, TYPE_LIMIT, TYPE_MARKET,
)


cdef inline void order_freed(State* state, uint32_t slot) noexcept nogil:
    """An order that is out of level and index leaves counts and slab."""
    state.sessions[state.pool.orders[slot].session_id].live_orders -= 1
    state.pool.live -= 1
    pool_free(&state.pool, slot)


cdef inline void order_gone(State* state, uint32_t slot) noexcept nogil:
    """A live order that is out of its level leaves index, counts and slab."""
    cdef Order* order = &state.pool.orders[slot]
    index_remove(&state.index, order.session_id, order.user_ref_num, slot)
    order_freed(state, slot)


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
    """A live order goes: holds, level, index, slab."""
    release_and_unlink(state, slot)
    order_gone(state, slot)


cdef inline void match_once(
    State* state, Party* incoming, uint32_t level_slot, const OrderRecord* record
) noexcept nogil:
    """Trade with the first order of a level that is not worse than the incoming order goes."""
    cdef Level* level = &state.levels.levels[level_slot]
    cdef Instrument* instrument = &state.instruments[incoming.instrument_id]
    cdef uint32_t slot = level.head
    cdef Order* resting = &state.pool.orders[slot]
    cdef int64_t price = level.price
    cdef uint32_t qty = resting.leaves if resting.leaves < incoming.leaves else incoming.leaves
    cdef bint is_buy = incoming.side == SIDE_BUY
    state.numbers.match_id += 1
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
    resting_executed(state, resting, qty, price, state.numbers.match_id, LIQUIDITY_ADDED)
    incoming_executed(
        state, incoming, qty, price, state.numbers.match_id, LIQUIDITY_REMOVED, record
    )
    traded(state, incoming, qty, price, state.numbers.match_id)
    if resting.leaves == 0:
        state.pool.orders[resting.next].prev = 0
        level.head = resting.next
        if level.head == 0:
            level_drop(&state.levels, &instrument.book, side_of(resting.side), level_slot)
        order_gone(state, slot)


cdef inline void match_incoming(
    State* state, Party* incoming, int64_t worst, const OrderRecord* record
) noexcept nogil:
    """Trade until nothing is left, or nobody on the other side at a price not worse."""
    cdef uint32_t opposite = BOOK_ASKS if incoming.side == SIDE_BUY else BOOK_BIDS
    cdef Ladder* ladder = &state.instruments[incoming.instrument_id].book.ladders[opposite]
    while (
        incoming.leaves
        and ladder.best
        and not is_worse(opposite, state.levels.levels[ladder.best].price, worst)
    ):
        match_once(state, incoming, ladder.best, record)


cdef inline void rest_order(
    State* state, const Party* party, uint32_t slot, uint32_t tick
) noexcept nogil:
    """Put what is left at the back of its level; `slot` is 0 for an order that never rested."""
    cdef Order* order
    if slot == 0:
        slot = pool_take(&state.pool)
        state.pool.live += 1
        state.sessions[party.session_id].live_orders += 1
    order = &state.pool.orders[slot]
    order.leaves = party.leaves
    order.cum = party.cum
    order.price = <uint32_t>party.price
    order.order_id = party.order_id
    order.session_id = party.session_id
    order.user_ref_num = party.user_ref_num
    order.account_id = party.account_id
    order.instrument_id = party.instrument_id
    order.position = party.position
    order.side = party.side
    order.time_in_force = party.time_in_force
    order.capacity = party.capacity
    order.cross_type = party.cross_type
    order.firm = party.firm
    ledger_hold(
        &state.accounts[order.account_id], &state.positions.positions[order.position], order,
        order.leaves,
    )
    book_link(
        &state.levels, &state.instruments[order.instrument_id].book, state.pool.orders, slot,
        tick,
    )
    index_add(&state.index, order.session_id, order.user_ref_num, slot)


cdef inline bint rest_or_cancel(
    State* state, Party* party, uint32_t slot, uint32_t tick, const OrderRecord* record
) noexcept nogil:
    """What is left after matching rests (True), or goes."""
    cdef uint32_t opposite = BOOK_ASKS if party.side == SIDE_BUY else BOOK_BIDS
    cdef uint8_t reason = CANCELED_IOC_REMAINDER
    if party.leaves == 0:
        return False
    if party.ord_type == TYPE_LIMIT and party.time_in_force <= TIF_GTC:
        rest_order(state, party, slot, tick)
        return True
    if (
        party.ord_type == TYPE_MARKET
        and state.instruments[party.instrument_id].book.ladders[opposite].best
    ):
        reason = CANCELED_COLLAR
    order_canceled(state, party, party.leaves, reason, record)
    return False
