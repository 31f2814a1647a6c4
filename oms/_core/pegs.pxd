"""Pegs: how they enter, and how they follow the best prices (docs/rules.md, Pegs).

Called by the order commands and, when followers are looked at, behind the stop orders. Promises: no
peg moves in the middle of a command; one entry examines at most WORK_STEPS_MAX of them, the rest go
on in the next entries; who trades moves no more than one of them before stop orders are looked at.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from oms._core.directory cimport FOLLOWED_BY_PEGS, Instrument
from oms._core.fees cimport hold_fees, settle_terms
from oms._core.hidden cimport first_level
from oms._core.ledger cimport ledger_hold
from oms._core.machine cimport UNLIKELY, rare
from oms._core.matcher cimport match_with_care, opposite_of, start_timer
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS
from oms._core.order_events cimport Top, order_opened, top_changed, top_of
from oms._core.order_index cimport index_add, index_remove
from oms._core.order_pool cimport ORDER_HAS_FEES, ORDER_PEG, Order, has_time
from oms._core.peg_book cimport (
    best_price, is_noted, leave_peg_list, peg_price, peg_stand, peg_suspend,
)
from oms._core.peg_list cimport Peg, PegList, Pegs, clear_due, due_words, peg_list_add
from oms._core.phase_change cimport pause_trading
from oms._core.records cimport OrderRecord
from oms._core.removal cimport order_freed, reduce_in_place, release_and_unlink
from oms._core.risk cimport limit_reach
from oms._core.state cimport State, balance_of
from oms._core.terms cimport Terms
from oms._core.timers cimport timer_drop
from oms._core.types cimport (
    EVENT_ORDER_REPLACED, POLICY_KEEPS_PRIORITY_ON_REDUCE, SIDE_BUY,
)


# ---- entering


cdef inline uint32_t match_peg(
    State* state, Order* order, uint8_t ord_type, int32_t offset, const OrderRecord* record
) noexcept nogil:
    """Find out where a peg should stand, and trade with whoever is in its way; 0: nowhere."""
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    cdef uint32_t price = peg_price(state, order, ord_type, offset)
    cdef Terms terms
    if price == 0 or order.leaves == 0:
        return price
    if first_level(state, order.instrument_id, opposite_of(order.side), price) == 0:
        return price
    terms.worst = price
    if instrument.gate:
        limit_reach(state, order.instrument_id, record, order.side == SIDE_BUY, &terms)
    match_with_care(state, instrument, order, terms.worst, record)
    return price


cdef inline void rest_peg(
    State* state, uint32_t slot, uint32_t price, const OrderRecord* record
) noexcept nogil:
    """What is left of a peg that entered, in its slot, stands at a price or is suspended (0)."""
    cdef Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    cdef PegList* its = &state.pegs.lists[order.instrument_id]
    rare()
    ledger_hold(
        balance_of(state, order), &state.positions.positions[order.position], order,
        order.leaves,
    )
    hold_fees(state, order, order.leaves)
    index_add(&state.index, state.pool.orders, slot)
    if has_time(order.time_in_force):
        start_timer(state, slot, record)
    if not is_noted(state, instrument, its):
        its.is_due_again = 1
    peg_list_add(&state.pegs, order.instrument_id, slot)
    instrument.followers |= FOLLOWED_BY_PEGS
    order.level = 0
    order.next = 0
    order.prev = 0
    state.pegs.pegs[slot].price = 0
    if price:
        peg_stand(state, slot, price)


cdef inline void replace_peg(
    State* state, uint32_t slot, const OrderRecord* record
) noexcept nogil:
    """A replace of a peg, checked: it enters anew, or there is just less of it."""
    cdef Order* order = &state.pool.orders[slot]
    cdef Peg* peg = &state.pegs.pegs[slot]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    cdef Top before
    cdef uint32_t had_fees
    cdef uint32_t price
    cdef bint is_cut = (
        record.policy & POLICY_KEEPS_PRIORITY_ON_REDUCE
        and record.price == order.price and record.peg_offset == peg.offset
        and record.order_qty > order.cum and record.order_qty < order.cum + order.leaves
    )
    rare()
    top_of(&before, state, instrument)
    if is_cut:
        reduce_in_place(state, order, slot, order.cum + order.leaves - record.order_qty)
    else:
        release_and_unlink(state, slot)
        had_fees = order.flags & ORDER_HAS_FEES
        order.flags = ORDER_PEG
        if state.accounts[order.account_id].fee_schedule:
            settle_terms(state, order, not had_fees)
        state.numbers.order_id += 1
        order.order_id = state.numbers.order_id
        order.price = <uint32_t>record.price
        order.leaves = record.order_qty - order.cum if record.order_qty > order.cum else 0
    index_remove(&state.index, state.pool.orders, slot)
    timer_drop(&state.timers, slot)
    order.user_ref_num = record.user_ref_num
    order.time_in_force = record.time_in_force
    peg.offset = record.peg_offset
    peg.self_trade = record.self_trade
    order_opened(
        state, EVENT_ORDER_REPLACED, order, peg.ord_type, record.orig_user_ref_num, record
    )
    if is_cut:
        index_add(&state.index, state.pool.orders, slot)
        if has_time(order.time_in_force):
            start_timer(state, slot, record)
    else:
        price = match_peg(state, order, peg.ord_type, peg.offset, record)
        if order.leaves:
            rest_peg(state, slot, price, record)
        else:
            order_freed(state, slot)
    top_changed(state, instrument, order.instrument_id, &before)


# ---- following


cdef inline uint32_t next_peg_list(State* state) noexcept nogil:
    """The first instrument whose pegs have a pass to do; 0: none."""
    cdef Pegs* pegs = &state.pegs
    cdef const PegList* its
    cdef uint32_t words = <uint32_t>due_words(pegs.instruments_max)
    cdef uint32_t word = 0
    cdef uint32_t id
    while pegs.due_count:
        while word < words and pegs.due[word] == 0:
            word += 1
        id = word * 64
        while not (pegs.due[word] >> (id & 63)) & 1:
            id += 1
        its = &pegs.lists[id]
        if its.count and (
            its.next or its.is_due_again or not is_noted(state, &state.instruments[id], its)
        ):
            return id
        clear_due(pegs, id)
    return 0


cdef inline bint follow_prices(State* state) noexcept nogil:
    """Examine one peg, if there is a pass to do and this entry still may."""
    cdef uint32_t id = next_peg_list(state)
    cdef PegList* its = &state.pegs.lists[id]
    cdef const Instrument* instrument = &state.instruments[id]
    cdef const Peg* peg
    cdef uint32_t slot
    cdef uint32_t price
    if id == 0 or state.pegs.steps_left == 0:
        return False
    state.pegs.steps_left -= 1
    if its.next == 0:
        its.next = its.first
        its.is_due_again = 0
    elif not is_noted(state, instrument, its):
        its.is_due_again = 1
    its.bid = best_price(state, instrument, BOOK_BIDS)
    its.ask = best_price(state, instrument, BOOK_ASKS)
    slot = its.next
    peg = &state.pegs.pegs[slot]
    its.next = peg.next
    price = peg_price(state, &state.pool.orders[slot], peg.ord_type, peg.offset)
    if price != peg.price:
        move_peg(state, slot, price)
    return True


cdef inline void move_peg(State* state, uint32_t slot, uint32_t price) noexcept nogil:
    """It leaves its place, and goes to that price as if it came now; 0: nowhere."""
    cdef Order* order = &state.pool.orders[slot]
    if state.pegs.pegs[slot].price:
        peg_suspend(state, slot)
    if price == 0:
        return
    if first_level(state, order.instrument_id, opposite_of(order.side), price):
        trade_peg(state, slot)
    else:
        peg_stand(state, slot, price)


cdef inline void trade_peg(State* state, uint32_t slot) noexcept nogil:
    """A peg in no level trades with who is in its way; what is left of it stands behind that."""
    cdef Order* order = &state.pool.orders[slot]
    cdef const Peg* peg = &state.pegs.pegs[slot]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    cdef uint32_t id = order.instrument_id
    cdef OrderRecord record
    cdef Top before
    cdef uint32_t price
    rare()
    memset(&record, 0, sizeof(OrderRecord))
    record.price = order.price
    record.self_trade = peg.self_trade
    top_of(&before, state, instrument)
    ledger_hold(
        balance_of(state, order), &state.positions.positions[order.position], order,
        -<int64_t>order.leaves,
    )
    hold_fees(state, order, 0)
    price = match_peg(state, order, peg.ord_type, peg.offset, &record)
    if order.leaves:
        ledger_hold(
            balance_of(state, order), &state.positions.positions[order.position], order,
            order.leaves,
        )
        hold_fees(state, order, order.leaves)
        peg_stand(state, slot, price)
    else:
        leave_peg_list(state, slot)
        index_remove(&state.index, state.pool.orders, slot)
        order_freed(state, slot)
    top_changed(state, instrument, id, &before)
    if UNLIKELY(state.stopped_id != 0):
        pause_trading(state)
