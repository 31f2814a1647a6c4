"""Stop orders: how they come to wait, which are elected by what a command did, how they enter.

Called by the order commands, and by the dispatcher at the start of each entry's work and after each
command. Promises: nothing is elected in the middle of a command; one entry lets at most
WORK_STEPS_MAX of them in, the rest go on in the next entries (docs/rules.md, Stop orders).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from oms._core.directory cimport (
    FOLLOWED_BY_PEGS, FOLLOWED_BY_STOPS, Instrument, price_key, reference_of,
)
from oms._core.fees cimport hold_fees, settle_terms
from oms._core.gate cimport check_gate, gate_of
from oms._core.ladder cimport Ladder
from oms._core.ledger cimport ledger_hold
from oms._core.machine cimport LIKELY, UNLIKELY, grow_array, rare
from oms._core.matcher cimport (
    cancel_remainder, is_plain, match_incoming, match_with_care, rest_order, start_timer,
)
from oms._core.order_book cimport Level, level_drop
from oms._core.order_events cimport (
    Top, order_canceled, order_opened, order_restated, top_changed, top_of,
)
from oms._core.order_index cimport index_add, index_remove
from oms._core.order_pool cimport ORDER_HAS_FEES, ORDER_STOP, Order, has_time
from oms._core.peg_list cimport set_due
from oms._core.pegs cimport follow_prices
from oms._core.phase_change cimport pause_trading
from oms._core.prints cimport note_prints
from oms._core.records cimport EventRecord, OrderRecord
from oms._core.removal cimport leave_watch, order_freed, reduce_in_place
from oms._core.restriction cimport Asked
from oms._core.risk cimport limit_reach
from oms._core.state cimport State, balance_of
from oms._core.stop_terms cimport has_limit
from oms._core.terms cimport Terms
from oms._core.ticks cimport price_ceil, price_floor
from oms._core.timers cimport timer_drop, timer_due
from oms._core.trailing cimport base_of, collect_trailing
from oms._core.triggers cimport (
    Elected, Stop, Triggers, Watch, clear_waiting, collect, park, queue_add, set_waiting,
    trailing_add, waiting_words,
)
from oms._core.types cimport (
    CANCELED_SYSTEM, EVENT_ORDER_REPLACED, PHASE_CONTINUOUS, POLICY_KEEPS_PRIORITY_ON_REDUCE,
    PRICE_MAX, RESTATED_ELECTED, TIF_GTD, SIDE_BUY, TRIGGER_BEST_PRICE, TRIGGER_LAST_TRADE,
)


# ---- waiting


cdef inline void wait_for(
    State* state, uint32_t slot, const Terms* terms, const OrderRecord* record
) noexcept nogil:
    """An order in its slot, accepted and said, waits from now on; an elected one does already."""
    cdef Order* order = &state.pool.orders[slot]
    cdef Watch* watch = &state.triggers.watches[order.instrument_id]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    ledger_hold(
        balance_of(state, order), &state.positions.positions[order.position], order,
        order.leaves,
    )
    hold_fees(state, order, order.leaves)
    if not state.triggers.stops[slot].is_elected:
        if watch.count == 0:  # what was printed before is nothing to it
            watch.seen = <uint32_t>instrument.last_price
            state.triggers.events_seen = state.buffer.count
        watch.count += 1
        instrument.followers |= FOLLOWED_BY_STOPS
        if terms.trail:
            trailing_add(&state.triggers, state.pool.orders, slot)
        else:
            park(&state.triggers, state.pool.orders, slot, terms.price_key)
    index_add(&state.index, state.pool.orders, slot)
    if has_time(order.time_in_force):
        start_timer(state, slot, record)


cdef inline void write_stop(
    State* state, uint32_t slot, const Terms* terms, const OrderRecord* record
) noexcept nogil:
    state.pool.orders[slot].price = <uint32_t>terms.worst
    state.triggers.stops[slot].price = <uint32_t>terms.stop_price
    state.triggers.stops[slot].trail = terms.trail
    state.triggers.stops[slot].first = <uint32_t>terms.first_stop
    state.triggers.stops[slot].self_trade = record.self_trade


cdef inline void replace_stop(
    State* state, uint32_t slot, const Terms* terms, const OrderRecord* record
) noexcept nogil:
    """A replace of a waiting order, checked: it waits on, anew or just for less."""
    cdef Order* order = &state.pool.orders[slot]
    cdef Stop* stop = &state.triggers.stops[slot]
    cdef OrderRecord limited = record[0]
    cdef uint32_t had_fees
    cdef bint is_cut = (
        record.policy & POLICY_KEEPS_PRIORITY_ON_REDUCE
        and terms.worst == order.price and terms.stop_price == stop.price
        and terms.trail == stop.trail and terms.first_stop == stop.first
        and record.order_qty < order.leaves
    )
    rare()
    limited.price = terms.worst
    limited.stop_price = terms.stop_price
    limited.trigger = stop.trigger
    limited.trail = terms.trail
    if is_cut:
        reduce_in_place(state, order, slot, order.leaves - record.order_qty)
    else:
        ledger_hold(
            balance_of(state, order), &state.positions.positions[order.position], order,
            -<int64_t>order.leaves,
        )
        hold_fees(state, order, 0)
        if not stop.is_elected:
            leave_watch(state, slot)
        had_fees = order.flags & ORDER_HAS_FEES
        order.flags = ORDER_STOP
        if had_fees or state.accounts[order.account_id].fee_schedule:
            settle_terms(state, order, not had_fees)
        state.numbers.order_id += 1
        order.order_id = state.numbers.order_id
        order.leaves = record.order_qty
    index_remove(&state.index, state.pool.orders, slot)
    timer_drop(&state.timers, slot)
    order.user_ref_num = record.user_ref_num
    order.time_in_force = record.time_in_force
    write_stop(state, slot, terms, record)
    order_opened(
        state, EVENT_ORDER_REPLACED, order, stop.ord_type, record.orig_user_ref_num, &limited
    )
    if not is_cut:
        wait_for(state, slot, terms, record)
        return
    index_add(&state.index, state.pool.orders, slot)
    if has_time(order.time_in_force):
        start_timer(state, slot, record)


# ---- election


cdef inline bint is_running(const State* state, const Instrument* instrument) noexcept nogil:
    return instrument.phase == PHASE_CONTINUOUS and state.numbers.is_day_open


cdef inline int compare_elected(const void* left, const void* right) noexcept nogil:
    cdef const Elected* a = <const Elected*>left
    cdef const Elected* b = <const Elected*>right
    if a.distance != b.distance:
        return -1 if a.distance < b.distance else 1
    return -1 if a.order_id < b.order_id else 1


cdef inline uint64_t collect_ladder(
    State* state, uint32_t instrument_id, uint8_t trigger, bint is_buy, uint32_t reached,
    uint64_t at,
) noexcept nogil:
    """Take every level that `reached` has reached out of its ladder; how many orders in all."""
    cdef Triggers* triggers = &state.triggers
    cdef Watch* watch = &triggers.watches[instrument_id]
    cdef uint32_t base = base_of(state, instrument_id)
    cdef Ladder* ladder = &watch.books[trigger].ladders[is_buy]
    cdef Level* level
    cdef uint32_t level_slot
    cdef uint32_t slot
    while reached and ladder.best:
        level_slot = ladder.best
        level = &triggers.levels.levels[level_slot]
        if (level.price > reached) if is_buy else (level.price < reached):
            break
        slot = level.head
        while slot:
            collect(triggers, state.pool.orders, slot, base, at)
            at += 1
            slot = state.pool.orders[slot].next
        level_drop(&triggers.levels, &watch.books[trigger], is_buy, level_slot)
    return at


cdef inline void elect(State* state, uint32_t instrument_id) noexcept nogil:
    """Every order that the prints, or the best prices, have reached joins the queue."""
    cdef Triggers* triggers = &state.triggers
    cdef Watch* watch = &triggers.watches[instrument_id]
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef uint32_t best
    cdef uint64_t count = 0
    cdef uint64_t i
    watch.seen = <uint32_t>instrument.last_price
    if watch.count and not is_running(state, instrument):
        return
    if watch.count:
        count = collect_ladder(
            state, instrument_id, TRIGGER_LAST_TRADE, True, watch.high, count
        )
        count = collect_ladder(
            state, instrument_id, TRIGGER_LAST_TRADE, False, watch.low, count
        )
        best = state.levels.levels[instrument.book.ladders[1].best].price
        count = collect_ladder(state, instrument_id, TRIGGER_BEST_PRICE, True, best, count)
        best = state.levels.levels[instrument.book.ladders[0].best].price
        count = collect_ladder(state, instrument_id, TRIGGER_BEST_PRICE, False, best, count)
        if watch.trailing_count:
            count = collect_trailing(state, instrument_id, count)
        for i in range(1, count):
            if compare_elected(&triggers.elected[i - 1], &triggers.elected[i]) > 0:
                qsort(triggers.elected, count, sizeof(Elected), compare_elected)
                break
        for i in range(count):
            queue_add(triggers, state.pool.orders, triggers.elected[i].slot)
        if watch.queue_head:
            set_waiting(triggers, instrument_id)
    watch.low = 0
    watch.high = 0
    watch.base = 0


cdef inline uint32_t next_waiting(State* state) noexcept nogil:
    """The first instrument that trades now and has an elected order; 0: none."""
    cdef Triggers* triggers = &state.triggers
    cdef uint32_t words = <uint32_t>waiting_words(triggers.instruments_max)
    cdef uint32_t word = 0
    cdef uint32_t id
    while triggers.waiting_count:
        while word < words and triggers.waiting[word] == 0:
            word += 1
        id = word * 64
        while not (triggers.waiting[word] >> (id & 63)) & 1:
            id += 1
        if triggers.watches[id].queue_head and is_running(state, &state.instruments[id]):
            return id
        clear_waiting(triggers, id)
    return 0


cdef inline void follow(State* state) noexcept nogil:
    """Elect what the last command reached, let in what this entry still may, then move pegs."""
    cdef Triggers* triggers = &state.triggers
    cdef uint32_t id
    rare()
    while True:
        if triggers.touched_count:
            note_prints(state)
        while triggers.touched_count:
            triggers.touched_count -= 1
            id = triggers.touched[triggers.touched_count]
            triggers.watches[id].is_touched = 0
            elect(state, id)
            if state.instruments[id].followers & FOLLOWED_BY_PEGS:
                set_due(&state.pegs, id)
        id = next_waiting(state)
        if id and triggers.steps_left:
            triggers.steps_left -= 1
            let_in(state, id)
        elif not follow_prices(state):
            return


# ---- entering


cdef inline uint8_t why_stopped(const State* state, const Order* order) noexcept nogil:
    """Why an elected order, its holds given back, may not enter any more; NONE: it may."""
    cdef const Instrument* instrument = &state.instruments[order.instrument_id]
    cdef uint32_t gate = gate_of(
        state, &state.sessions[order.session_id], &state.accounts[order.account_id], instrument,
        order.account_id,
    )
    cdef Asked asked
    asked.account_id = order.account_id
    asked.instrument_id = order.instrument_id
    asked.added = order.leaves
    asked.side = order.side
    return check_gate(state, instrument, gate, &asked) if gate else 0


cdef inline uint32_t moved_along(
    const State* state, const Instrument* instrument, const Order* order, const Stop* stop
) noexcept nogil:
    """The price of a trailing stop that enters: it has gone as far as its stop price."""
    cdef int64_t price = <int64_t>order.price + stop.price - stop.first
    cdef int64_t valid = (
        price_floor(state, instrument, price) if order.side == SIDE_BUY
        else price_ceil(state, instrument, price)
    )
    return <uint32_t>(valid if 0 < valid <= PRICE_MAX else price)


cdef inline void let_in(State* state, uint32_t instrument_id) noexcept nogil:
    """The first elected order enters as if it came now, or goes where new orders are stopped."""
    cdef uint32_t slot = state.triggers.watches[instrument_id].queue_head
    cdef Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument = &state.instruments[instrument_id]
    cdef Stop* stop = &state.triggers.stops[slot]
    cdef EventRecord* event
    cdef OrderRecord record
    cdef Top before
    cdef uint32_t qty = order.leaves
    cdef uint8_t reason
    cdef Terms terms
    memset(&record, 0, sizeof(OrderRecord))
    record.self_trade = stop.self_trade
    record.time_in_force = order.time_in_force
    if has_time(order.time_in_force):
        record.time_in_force = TIF_GTD
        record.expire_ns = timer_due(&state.timers, slot)
    top_of(&before, state, instrument)
    ledger_hold(
        balance_of(state, order), &state.positions.positions[order.position], order,
        -<int64_t>qty,
    )
    hold_fees(state, order, 0)
    leave_watch(state, slot)
    index_remove(&state.index, state.pool.orders, slot)
    timer_drop(&state.timers, slot)
    order.flags &= ORDER_HAS_FEES
    reason = why_stopped(state, order)
    if reason:
        order_freed(state, slot)
        event = order_canceled(state, order, order.price, qty, 0, CANCELED_SYSTEM, NULL)
        event.reject_reason = reason
        return
    if stop.trail:
        order.price = moved_along(state, instrument, order, stop)
    record.price = order.price
    state.numbers.order_id += 1  # whoever sees it sees it come now
    order_restated(state, slot, qty, state.numbers.order_id, RESTATED_ELECTED)
    terms.worst = order.price
    if instrument.gate:
        limit_reach(state, instrument_id, &record, order.side == SIDE_BUY, &terms)
    if LIKELY(is_plain(state, instrument, order, &record)):
        match_incoming(state, instrument, order, terms.worst, 0, &record)
    else:
        match_with_care(state, instrument, order, terms.worst, &record)
    if order.leaves and has_limit(stop.ord_type):
        rest_order(state, instrument, slot, price_key(instrument, order.price), &record)
    else:
        if order.leaves:
            cancel_remainder(state, instrument, order, True, &record)
        order_freed(state, slot)
    top_changed(state, instrument, instrument_id, &before)
    if UNLIKELY(state.stopped_id != 0):
        pause_trading(state)
