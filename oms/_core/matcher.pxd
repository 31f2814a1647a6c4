"""Crossing: price, then time. An incoming order trades with the best opposite, rests or goes.

Called by the order commands and the day's sweep. Promises: events of one match in the order of
docs/rules.md; the money and the shares of both sides move together; a filled order leaves book,
index and slab at once. `record` is the command of the incoming order.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.calls cimport call_list_add
from oms._core.directory cimport Instrument
from oms._core.bust cimport note_trade
from oms._core.fees cimport charge_both, hold_fees
from oms._core.hidden cimport book_of, first_level, hidden_left, hidden_link, is_hiding
from oms._core.ledger cimport ledger_hold, ledger_settle
from oms._core.machine cimport UNLIKELY, rare
from oms._core.open_sums cimport sum_changes
from oms._core.order_book cimport (
    Level, book_link, level_drop, side_of, tradable_level,
)
from oms._core.order_events cimport order_canceled, order_executed, traded
from oms._core.order_index cimport index_add, index_remove
from oms._core.order_pool cimport (
    ORDER_HAS_FEES, ORDER_HAS_RESERVE, ORDER_HIDDEN, ORDER_MARKET, ORDER_ON_AUCTION, ORDER_PEG,
    Order, has_time,
)
from oms._core.peg_book cimport leave_peg_list
from oms._core.records cimport EventRecord, OrderRecord
from oms._core.removal cimport order_freed
from oms._core.reserve cimport refresh, shown_of, start_reserve
from oms._core.risk cimport asks_for_more
from oms._core.self_trade cimport (
    can_trade, is_same_owner, prevent_self_trade, self_trade_mode,
)
from oms._core.state cimport State
from oms._core.terms cimport Terms
from oms._core.timers cimport timer_add
from oms._core.types cimport (
    CANCELED_COLLAR, CANCELED_HALTED, CANCELED_IOC_REMAINDER, FLAG_HIDDEN, LIQUIDITY_ADDED,
    LIQUIDITY_HIDDEN, LIQUIDITY_REMOVED, SIDE_BUY, TIF_FOK, TIF_GTT,
)
from oms._core.risk_types cimport GATE_HIDDEN


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
    cdef uint32_t shown
    cdef uint32_t added = LIQUIDITY_ADDED
    cdef EventRecord* event
    cdef uint64_t match_id = state.numbers.match_id + 1
    state.numbers.match_id = match_id
    if UNLIKELY(resting.flags != 0):
        shown = shown_of(state, slot)
        qty = shown if shown < qty else qty
        added = LIQUIDITY_HIDDEN if resting.flags & ORDER_HIDDEN else added
    ledger_hold(
        &instrument.balances[resting.account_id], &state.positions.positions[resting.position],
        resting, -<int64_t>qty,
    )
    ledger_settle(
        &instrument.balances[resting.account_id], &state.positions.positions[resting.position],
        not is_buy, price, qty,
    )
    ledger_settle(
        &instrument.balances[incoming.account_id], &state.positions.positions[incoming.position],
        is_buy, price, qty,
    )
    level.qty -= qty
    resting.leaves -= qty
    resting.cum += qty
    incoming.leaves -= qty
    incoming.cum += qty
    instrument.last_price = price
    if UNLIKELY((resting.flags | incoming.flags) & ORDER_HAS_FEES):
        charge_both(state, resting, incoming, price * qty)
    if state.trades_max:
        note_trade(state, resting, incoming, price, qty)
    order_executed(state, resting, price, qty, match_id, added, NULL)
    order_executed(state, incoming, price, qty, match_id, LIQUIDITY_REMOVED, record)
    event = traded(state, instrument, incoming, price, qty, match_id)
    if UNLIKELY(resting.flags & ORDER_HIDDEN):
        event.flags = FLAG_HIDDEN
    if resting.leaves == 0:
        state.pool.orders[resting.next].prev = 0
        level.head = resting.next
        if level.head == 0:
            level_drop(
                &state.levels, book_of(state, resting), side_of(resting.side), level_slot
            )
        if UNLIKELY(resting.flags & ORDER_HIDDEN):
            hidden_left(state, resting)
            if resting.flags & ORDER_PEG:
                leave_peg_list(state, slot)
        index_remove(&state.index, state.pool.orders, slot)
        order_freed(state, slot)
    elif UNLIKELY(resting.flags & ORDER_HAS_RESERVE) and shown_of(state, slot) == 0:
        refresh(state, level, slot)


cdef inline void match_incoming(
    State* state, Instrument* instrument, Order* incoming, int64_t worst, uint32_t only,
    const OrderRecord* record,
) noexcept nogil:
    """Trade until nothing is left, or nobody on the other side shows a price not worse.

    `only`: once, with the first order of that level; 0: with all. The only caller of `match_once`,
    which is written out in it.
    """
    cdef uint32_t opposite = opposite_of(incoming.side)
    cdef uint32_t level = only
    while incoming.leaves:
        if only == 0:
            level = tradable_level(&state.levels, &instrument.book, opposite, worst)
            if level == 0:
                return
        match_once(state, instrument, incoming, level, record)
        if only:
            return


cdef inline bint is_plain(
    const State* state, const Instrument* instrument, const Order* order,
    const OrderRecord* record,
) noexcept nogil:
    """Nothing is asked of an incoming order but to trade what it can, with what it can see."""
    return (
        record.min_qty | record.self_trade | state.accounts[order.account_id].self_trade
        | (order.time_in_force == TIF_FOK) | (instrument.gate & GATE_HIDDEN)
    ) == 0


cdef inline bint match_with_care(
    State* state, Instrument* instrument, Order* incoming, int64_t worst,
    const OrderRecord* record,
) noexcept nogil:
    """Trade by what the order asks for; False: what it needs is not there, and nothing was done."""
    cdef uint32_t opposite = opposite_of(incoming.side)
    cdef uint32_t mode = self_trade_mode(state, incoming, record)
    cdef uint32_t needed = incoming.leaves
    cdef uint32_t level
    cdef uint32_t slot
    rare()
    if incoming.time_in_force != TIF_FOK and record.min_qty < needed:
        needed = record.min_qty
    if needed and not can_trade(state, instrument, incoming, worst, mode, needed):
        return False
    while incoming.leaves:
        level = first_level(state, incoming.instrument_id, opposite, worst)
        if level == 0:
            break
        slot = state.levels.levels[level].head
        if mode and is_same_owner(state, &state.pool.orders[slot], incoming):
            prevent_self_trade(state, incoming, slot, mode, record)
        else:
            match_incoming(state, instrument, incoming, worst, level, record)
    return True


cdef inline void rest_order(
    State* state, Instrument* instrument, uint32_t slot, uint32_t price_key,
    const OrderRecord* record,
) noexcept nogil:
    """Put what is left of an order, already in its slot, at the back of its level."""
    cdef Order* order = &state.pool.orders[slot]
    ledger_hold(
        &instrument.balances[order.account_id], &state.positions.positions[order.position], order,
        order.leaves,
    )
    index_add(&state.index, state.pool.orders, slot)
    if UNLIKELY(asks_for_more(record) | (order.flags != 0) | instrument.is_crossable):
        rest_unusual(state, instrument, slot, price_key, record)
        return
    book_link(
        &state.levels, &instrument.book, state.pool.orders, slot, price_key, order.instrument_id
    )


cdef inline void rest_unusual(
    State* state, Instrument* instrument, uint32_t slot, uint32_t price_key,
    const OrderRecord* record,
) noexcept nogil:
    """An order that hides, in whole or in part, has a time, or pays fees; or it is collected."""
    cdef const Order* order = &state.pool.orders[slot]
    rare()
    if is_hiding(state, record):
        hidden_link(state, slot, price_key)
    else:
        book_link(
            &state.levels, &instrument.book, state.pool.orders, slot, price_key,
            order.instrument_id,
        )
    if instrument.is_crossable:
        sum_changes(state, order, order.leaves)
    if order.time_in_force > TIF_FOK:
        rest_for_a_time(state, slot, record)
    hold_fees(state, order, order.leaves)
    if record.display_qty:
        start_reserve(state, slot, record.display_qty)


cdef inline void rest_for_a_time(
    State* state, uint32_t slot, const OrderRecord* record
) noexcept nogil:
    """An order of GTD, GTT, or for a call alone has come to rest."""
    cdef Order* order = &state.pool.orders[slot]
    rare()
    if has_time(order.time_in_force):
        start_timer(state, slot, record)
    else:
        call_list_add(&state.calls, order, slot, ORDER_ON_AUCTION)


cdef inline void rest_in_call(
    State* state, Instrument* instrument, uint32_t slot, const Terms* terms,
    const OrderRecord* record,
) noexcept nogil:
    """A market order, already in its slot, rests at its collar price until the call is over."""
    cdef Order* order = &state.pool.orders[slot]
    rare()
    order.price = terms.rests_at
    rest_order(state, instrument, slot, terms.price_key, record)
    if not order.flags & ORDER_ON_AUCTION:
        call_list_add(&state.calls, order, slot, ORDER_MARKET)
    order.flags |= ORDER_MARKET
    state.levels.market[order.level] += order.leaves


cdef inline void start_timer(
    State* state, uint32_t slot, const OrderRecord* record
) noexcept nogil:
    """A live order that the record gives a time: until then (GTD), or for so long (GTT)."""
    cdef int64_t due_ns = record.expire_ns
    rare()
    if record.time_in_force == TIF_GTT:
        due_ns += state.numbers.last_timestamp
    timer_add(&state.timers, slot, state.pool.orders[slot].order_id, due_ns)


cdef inline void cancel_remainder(
    State* state, Instrument* instrument, const Order* order, bint is_market,
    const OrderRecord* record,
) noexcept nogil:
    """What is left of an order that may not rest goes; the caller sees to its slot."""
    cdef uint32_t reason = CANCELED_IOC_REMAINDER
    cdef uint32_t opposite = opposite_of(order.side)
    if is_market and instrument.book.ladders[opposite].best:
        reason = CANCELED_COLLAR
    if UNLIKELY(instrument.is_held) and first_level(
        state, order.instrument_id, opposite, state.held_limit
    ):
        reason = CANCELED_HALTED
        state.stopped_id = order.instrument_id
    order_canceled(state, order, record.price, order.leaves, 0, reason, record)
