"""The commands about orders: enter, cancel, replace, query, refuse.

Called by the engine for an admitted command. Promises: docs/rules.md, section by section; exactly
one answer in the session's stream or one outcome for the gateway, and everything that follows
from it.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from oms._core.directory cimport Instrument, price_key
from oms._core.fees cimport settle_terms
from oms._core.hidden cimport first_level, is_hiding
from oms._core.ledger cimport position_make
from oms._core.limit_checks cimport take_rate
from oms._core.machine cimport LIKELY, UNLIKELY, rare
from oms._core.mass_cancel cimport is_doomed
from oms._core.matcher cimport (
    cancel_remainder, is_plain, match_incoming, match_with_care, opposite_of, rest_in_call,
    rest_order, start_timer,
)
from oms._core.order_book cimport Level, mirrored, tradable_level
from oms._core.order_events cimport (
    Top, cancel_rejected, command_ignored, number_in_account, number_in_session, order_canceled,
    order_opened, order_rejected, superfluous, top_changed, top_of,
)
from oms._core.order_index cimport index_add, index_find, index_remove, index_take_out
from oms._core.order_pool cimport (
    ORDER_FOR_CALL, ORDER_HAS_FEES, ORDER_HIDDEN, ORDER_PEG, ORDER_STOP, Order, has_time,
    is_lasting, pool_take,
)
from oms._core.peg_list cimport Peg
from oms._core.pegs cimport match_peg, replace_peg, rest_peg
from oms._core.records cimport EventRecord, OrderRecord
from oms._core.removal cimport (
    order_freed, reduce_in_place, release_and_unlink, remove_order,
)
from oms._core.reserve cimport peak_of
from oms._core.risk cimport check_new, check_replace
from oms._core.sessions cimport Session
from oms._core.state cimport State, add_event, may_enter
from oms._core.stop_terms cimport is_peg, is_stop
from oms._core.stops cimport replace_stop, wait_for, write_stop
from oms._core.terms cimport Terms
from oms._core.ticks cimport is_on_tick, price_ceil, price_down, price_floor, price_up
from oms._core.timers cimport timer_drop
from oms._core.triggers cimport Stop
from oms._core.types cimport (
    CANCELED_IOC_REMAINDER, CANCELED_POST_ONLY, CANCELED_SYSTEM, CANCELED_USER,
    EVENT_ACCOUNT_QUERY_RESPONSE, EVENT_ORDER_ACCEPTED, EVENT_ORDER_REPLACED,
    POLICY_INVALID_REPLACE_CANCELS, POLICY_KEEPS_PRIORITY_ON_REDUCE, POST_ONLY_SLIDE, PRICE_MAX,
    REJECT_RATE_LIMIT, SIDE_BUY, TIF_AT_THE_OPEN, TIF_FOK, TYPE_LIMIT, TYPE_MARKET,
    TYPE_MARKET_TO_LIMIT,
)
from oms._core.risk_types cimport GATE_HIDDEN, GATE_RATE


cdef inline void new_order(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    cdef Terms terms
    cdef Order aside
    cdef Order* order = &aside
    cdef Top before
    cdef Instrument* instrument
    cdef uint32_t slot = 0
    cdef uint32_t best
    cdef uint8_t reason
    cdef bint may_rest
    if UNLIKELY(record.user_ref_num <= session.last_user_ref_num):
        command_ignored(state, record)
        return
    session.last_user_ref_num = record.user_ref_num
    reason = check_new(state, session, record, &terms)
    if UNLIKELY(reason != 0):
        order_rejected(state, session, reason, record)
        return
    if UNLIKELY(terms.position == 0):
        terms.position = position_make(
            &state.positions, record.account_id, record.instrument_id
        )
    if UNLIKELY(record.ord_type > TYPE_LIMIT):
        if is_stop(record.ord_type):
            new_stop(state, session, record, &terms)
            return
        if is_peg(record.ord_type):
            new_peg(state, session, record, &terms)
            return
    instrument = &state.instruments[record.instrument_id]
    top_of(&before, state, instrument)
    may_rest = is_lasting(record.time_in_force) & (record.ord_type == TYPE_LIMIT)
    best = tradable_level(
        &state.levels, &instrument.book, opposite_of(record.side), terms.worst
    )
    if UNLIKELY(instrument.gate & GATE_HIDDEN):
        best = first_level(
            state, record.instrument_id, opposite_of(record.side), terms.worst
        )
    # An order that will not trade is written where it rests, any other aside first: trading
    # frees slots, and only then is it known which one comes next.
    if may_rest and not best:
        slot = take_slot(state, session, record.account_id)
        order = &state.pool.orders[slot]
    write_order(state, order, record, terms.position)
    if UNLIKELY(state.accounts[record.account_id].fee_schedule != 0):
        settle_terms(state, order, True)
    if UNLIKELY(record.ord_type == TYPE_MARKET_TO_LIMIT):
        market_to_limit(state, session, order, best, &terms, record)
        top_changed(state, instrument, record.instrument_id, &before)
        return
    if UNLIKELY(best and record.post_only):
        if record.post_only == POST_ONLY_SLIDE and slide(state, instrument, order, best, &terms):
            slot = take_slot(state, session, order.account_id)
            put_aside_order(state, order, slot)
        stay_behind(state, EVENT_ORDER_ACCEPTED, order, 0, slot, terms.price_key, record)
        top_changed(state, instrument, record.instrument_id, &before)
        return
    order_opened(state, EVENT_ORDER_ACCEPTED, order, record.ord_type, 0, record)
    if slot:
        rest_order(state, instrument, slot, terms.price_key, record)
    else:
        trade_new_order(state, session, order, &terms, record)
    top_changed(state, instrument, record.instrument_id, &before)


cdef inline void new_stop(
    State* state, Session* session, const OrderRecord* record, const Terms* terms
) noexcept nogil:
    """An accepted stop order waits; the acceptance says how far it may go."""
    cdef uint32_t slot = take_slot(state, session, record.account_id)
    cdef Order* order = &state.pool.orders[slot]
    cdef OrderRecord limited = record[0]
    rare()
    limited.price = terms.worst
    limited.stop_price = terms.stop_price
    write_order(state, order, &limited, terms.position)
    order.flags = ORDER_STOP
    if state.accounts[record.account_id].fee_schedule:
        settle_terms(state, order, True)
    memset(&state.triggers.stops[slot], 0, sizeof(Stop))
    state.triggers.stops[slot].ord_type = record.ord_type
    state.triggers.stops[slot].trigger = record.trigger
    write_stop(state, slot, terms, record)
    order_opened(state, EVENT_ORDER_ACCEPTED, order, record.ord_type, 0, &limited)
    wait_for(state, slot, terms, record)


cdef inline void new_peg(
    State* state, Session* session, const OrderRecord* record, const Terms* terms
) noexcept nogil:
    """An accepted peg goes where it should stand, if that is anywhere."""
    cdef Order aside
    cdef Order* order = &aside
    cdef Instrument* instrument = &state.instruments[record.instrument_id]
    cdef Top before
    cdef uint32_t slot
    cdef uint32_t price
    rare()
    top_of(&before, state, instrument)
    write_order(state, order, record, terms.position)
    order.flags = ORDER_PEG
    if state.accounts[record.account_id].fee_schedule:
        settle_terms(state, order, True)
    order_opened(state, EVENT_ORDER_ACCEPTED, order, record.ord_type, 0, record)
    price = match_peg(state, order, record.ord_type, record.peg_offset, record)
    if order.leaves:
        slot = take_slot(state, session, record.account_id)
        put_aside_order(state, order, slot)
        memset(&state.pegs.pegs[slot], 0, sizeof(Peg))
        state.pegs.pegs[slot].offset = record.peg_offset
        state.pegs.pegs[slot].ord_type = record.ord_type
        state.pegs.pegs[slot].self_trade = record.self_trade
        rest_peg(state, slot, price, record)
    top_changed(state, instrument, record.instrument_id, &before)


cdef inline uint32_t take_slot(
    State* state, Session* session, uint32_t account_id
) noexcept nogil:
    state.pool.live += 1
    session.live_orders += 1
    state.accounts[account_id].live_orders += 1
    return pool_take(&state.pool)


cdef inline void put_aside_order(State* state, const Order* order, uint32_t slot) noexcept nogil:
    """An order that was written aside comes into its slot."""
    state.pool.orders[slot] = order[0]
    if UNLIKELY(order.flags & ORDER_HAS_FEES):
        state.pool.fees[slot] = state.pool.fees[0]


cdef inline void write_order(
    State* state, Order* order, const OrderRecord* record, uint32_t position
) noexcept nogil:
    """An accepted order, before it trades; links are not set."""
    state.numbers.order_id += 1
    order.order_id = state.numbers.order_id
    order.leaves = record.order_qty
    order.cum = 0
    order.price = <uint32_t>record.price  # a market order's is nobody's: it never rests
    order.session_id = <uint16_t>record.session_id
    order.flags = 0
    order.user_ref_num = record.user_ref_num
    order.account_id = record.account_id
    order.instrument_id = record.instrument_id
    order.position = position
    order.side = record.side
    order.time_in_force = record.time_in_force
    order.capacity = record.capacity
    order.cross_type = record.cross_type
    order.firm = record.firm


cdef inline void trade_new_order(
    State* state, Session* session, Order* order, const Terms* terms, const OrderRecord* record
) noexcept nogil:
    """An accepted order that may trade at once, or may not rest."""
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    cdef bint is_market = record.ord_type == TYPE_MARKET
    cdef uint32_t slot
    if LIKELY(is_plain(state, instrument, order, record)):
        match_incoming(state, instrument, order, terms.worst, 0, record)
    elif not match_with_care(state, instrument, order, terms.worst, record):
        order_canceled(
            state, order, record.price, order.leaves, 0, CANCELED_IOC_REMAINDER, record
        )
        return
    if order.leaves == 0:
        return
    if is_lasting(order.time_in_force) and not is_market:
        slot = take_slot(state, session, order.account_id)
        put_aside_order(state, order, slot)
        rest_order(state, instrument, slot, terms.price_key, record)
    elif UNLIKELY(instrument.is_crossable):
        slot = take_slot(state, session, order.account_id)
        put_aside_order(state, order, slot)
        rest_in_call(state, instrument, slot, terms, record)
    else:
        cancel_remainder(state, instrument, order, is_market, record)


cdef inline void market_to_limit(
    State* state, Session* session, Order* order, uint32_t best, Terms* terms,
    const OrderRecord* record,
) noexcept nogil:
    """The best price becomes its limit, and from there on it is a limit order; or there is none."""
    cdef OrderRecord limited = record[0]
    cdef const Level* level = &state.levels.levels[best]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    rare()
    if best:
        limited.price = level.price
        if not is_on_tick(state, instrument, limited.price):  # it cannot rest there
            if order.side == SIDE_BUY:
                limited.price = price_ceil(state, instrument, limited.price)
            else:
                limited.price = price_floor(state, instrument, limited.price)
        order.price = <uint32_t>limited.price
        terms.worst = limited.price
        instrument.is_held = 0  # it goes no further than this
        terms.price_key = price_key(instrument, limited.price)
    order_opened(state, EVENT_ORDER_ACCEPTED, order, TYPE_MARKET_TO_LIMIT, 0, &limited)
    limited.ord_type = TYPE_LIMIT
    if best:
        trade_new_order(state, session, order, terms, &limited)
    else:
        cancel_remainder(state, instrument, order, True, &limited)


cdef inline bint slide(
    State* state, const Instrument* instrument, Order* order, uint32_t best, Terms* terms
) noexcept nogil:
    """Move a post-only order to the next valid price behind the level it would trade with, if
    there is one.
    """
    cdef int64_t price = state.levels.levels[best].price
    rare()
    if order.side == SIDE_BUY:
        price = price_down(state, instrument, price)
    else:
        price = price_up(state, instrument, price)
    if price == 0 or price > PRICE_MAX:
        return False
    terms.price_key = price_key(instrument, price)
    order.price = <uint32_t>price
    return True


cdef inline void stay_behind(
    State* state, uint8_t kind, Order* order, uint32_t orig_user_ref_num, uint32_t slot,
    uint32_t price_key, const OrderRecord* record,
) noexcept nogil:
    """A post-only order that would trade: it rests in `slot` at its new price, or goes (0)."""
    cdef EventRecord* event
    rare()
    event = order_opened(state, kind, order, TYPE_LIMIT, orig_user_ref_num, record)
    if slot:
        event.price = order.price
        rest_order(state, &state.instruments[order.instrument_id], slot, price_key, record)
    else:
        order_canceled(
            state, order, record.price, order.leaves, 0, CANCELED_POST_ONLY, record
        )


cdef inline void cancel_order(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    cdef uint32_t slot = index_find(
        &state.index, state.pool.orders, record.session_id, record.user_ref_num
    )[0]
    cdef Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument
    cdef Top before
    cdef uint32_t cut
    if slot == 0 or record.order_qty >= order.cum + order.leaves:
        superfluous(state, record)
        return
    if UNLIKELY(
        (session.gate | state.accounts[order.account_id].gate) & GATE_RATE
    ) and not take_rate(state, record.session_id, order.account_id, True):
        cancel_refused(state, session, order.account_id, REJECT_RATE_LIMIT, record)
        return
    instrument = &state.instruments[order.instrument_id]
    top_of(&before, state, instrument)
    if record.order_qty <= order.cum:
        cut = order.leaves
        remove_order(state, slot)
    else:
        cut = order.cum + order.leaves - record.order_qty
        reduce_in_place(state, order, slot, cut)
    order_canceled(state, order, order.price, cut, order.leaves, CANCELED_USER, record)
    top_changed(state, instrument, order.instrument_id, &before)


cdef inline void replace_order(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    cdef uint32_t* link = index_find(
        &state.index, state.pool.orders, record.session_id, record.orig_user_ref_num
    )
    cdef uint32_t slot = link[0]
    cdef Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument
    cdef Terms terms
    cdef Top before
    cdef uint32_t best
    cdef bint had_fees
    cdef uint8_t reason
    if UNLIKELY(slot == 0 or record.user_ref_num <= session.last_user_ref_num):
        superfluous(state, record)
        return
    if UNLIKELY(state.work.count != 0) and is_doomed(state, order):
        superfluous(state, record)
        return
    instrument = &state.instruments[order.instrument_id]
    reason = check_replace(state, session, order, record, &terms)
    top_of(&before, state, instrument)
    if UNLIKELY(reason != 0):
        replace_refused(state, session, slot, reason, record)
        top_changed(state, instrument, order.instrument_id, &before)
        return
    session.last_user_ref_num = record.user_ref_num
    if UNLIKELY(order.flags & (ORDER_STOP | ORDER_PEG)):
        if order.flags & ORDER_STOP:
            replace_stop(state, slot, &terms, record)
        else:
            replace_peg(state, slot, record)
        return
    if (
        record.policy & POLICY_KEEPS_PRIORITY_ON_REDUCE
        and is_lasting(record.time_in_force)
        and record.price == order.price
        and record.order_qty > order.cum
        and record.order_qty < order.cum + order.leaves
        and record.display_qty == peak_of(state, slot)
        and is_hiding(state, record) == ((order.flags & ORDER_HIDDEN) != 0)
        and (order.flags & ORDER_FOR_CALL) == 0 and record.time_in_force < TIF_AT_THE_OPEN
    ):
        cut_by_replace(state, slot, record)
        top_changed(state, instrument, order.instrument_id, &before)
        return
    release_and_unlink(state, slot)
    index_take_out(&state.index, state.pool.orders, link)
    if UNLIKELY(order.time_in_force > TIF_FOK):
        timer_drop(&state.timers, slot)
    state.numbers.order_id += 1
    order.order_id = state.numbers.order_id
    had_fees = order.flags & ORDER_HAS_FEES
    order.flags = 0
    if UNLIKELY(state.accounts[order.account_id].fee_schedule != 0):
        settle_terms(state, order, not had_fees)
    order.user_ref_num = record.user_ref_num
    order.time_in_force = record.time_in_force
    order.price = <uint32_t>record.price
    order.leaves = record.order_qty - order.cum if record.order_qty > order.cum else 0
    best = tradable_level(
        &state.levels, &instrument.book, opposite_of(order.side), terms.worst
    )
    if UNLIKELY(instrument.gate & GATE_HIDDEN):
        best = first_level(
            state, order.instrument_id, opposite_of(order.side), terms.worst
        )
    if UNLIKELY(best and record.post_only and order.leaves):
        replace_post_only(state, instrument, slot, best, &terms, record)
        top_changed(state, instrument, order.instrument_id, &before)
        return
    order_opened(
        state, EVENT_ORDER_REPLACED, order, TYPE_LIMIT, record.orig_user_ref_num, record
    )
    if UNLIKELY(best != 0):
        if LIKELY(is_plain(state, instrument, order, record)):
            match_incoming(state, instrument, order, terms.worst, 0, record)
        elif not match_with_care(state, instrument, order, terms.worst, record):
            instrument.is_held = 0  # it was not the band that stopped it
            cancel_remainder(state, instrument, order, False, record)
            order.leaves = 0
    elif UNLIKELY(instrument.is_held) and record.min_qty and not is_lasting(record.time_in_force):
        instrument.is_held = 0  # nor here: its minimum did
    if order.leaves and is_lasting(order.time_in_force):
        rest_order(state, instrument, slot, terms.price_key, record)
    else:
        if order.leaves:
            cancel_remainder(state, instrument, order, False, record)
        order_freed(state, slot)
    top_changed(state, instrument, order.instrument_id, &before)


cdef inline void replace_post_only(
    State* state, Instrument* instrument, uint32_t slot, uint32_t best, Terms* terms,
    const OrderRecord* record,
) noexcept nogil:
    """A post-only order whose replacement would trade."""
    cdef Order* order = &state.pool.orders[slot]
    cdef bint rests = record.post_only == POST_ONLY_SLIDE and slide(
        state, instrument, order, best, terms
    )
    stay_behind(
        state, EVENT_ORDER_REPLACED, order, record.orig_user_ref_num, slot if rests else 0,
        terms.price_key, record,
    )
    if not rests:
        order_freed(state, slot)


cdef inline void cut_by_replace(
    State* state, uint32_t slot, const OrderRecord* record
) noexcept nogil:
    """A replace that only reduces: same place, same order_id, another user_ref_num."""
    cdef Order* order = &state.pool.orders[slot]
    reduce_in_place(state, order, slot, order.cum + order.leaves - record.order_qty)
    index_remove(&state.index, state.pool.orders, slot)
    order.user_ref_num = record.user_ref_num
    order.time_in_force = record.time_in_force
    timer_drop(&state.timers, slot)
    if has_time(record.time_in_force):
        start_timer(state, slot, record)
    index_add(&state.index, state.pool.orders, slot)
    order_opened(
        state, EVENT_ORDER_REPLACED, order, TYPE_LIMIT, record.orig_user_ref_num, record
    )


cdef inline void cancel_refused(
    State* state, const Session* session, uint32_t account_id, uint8_t reason,
    const OrderRecord* record,
) noexcept nogil:
    """A cancel or replace of a live order changed nothing; its account hears of it."""
    cdef EventRecord* event
    rare()
    event = cancel_rejected(state, reason, record)
    event.account_id = account_id
    if may_enter(state, session, account_id):
        number_in_account(state, event, account_id)


cdef inline void replace_refused(
    State* state, Session* session, uint32_t slot, uint8_t reason, const OrderRecord* record
) noexcept nogil:
    """By the protocol's policy the original goes, or stands as it was."""
    cdef Order* order = &state.pool.orders[slot]
    cdef EventRecord* event
    cdef uint32_t qty = order.leaves
    if record.policy & POLICY_INVALID_REPLACE_CANCELS:
        remove_order(state, slot)
        event = order_canceled(state, order, order.price, qty, 0, CANCELED_SYSTEM, record)
        event.orig_user_ref_num = record.user_ref_num
        event.reject_reason = reason
        return
    cancel_refused(state, session, order.account_id, reason, record)


cdef inline void query_account(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    cdef EventRecord* event = add_event(state, EVENT_ACCOUNT_QUERY_RESPONSE)
    number_in_session(state, event, record.session_id, record)
    event.user_ref_num = session.last_user_ref_num + 1


cdef inline void refuse_request(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    if record.user_ref_num <= session.last_user_ref_num:
        command_ignored(state, record)
        return
    session.last_user_ref_num = record.user_ref_num
    order_rejected(state, session, record.refuse_reason, record)
