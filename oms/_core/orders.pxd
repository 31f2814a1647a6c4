"""The commands about orders: enter, cancel, replace, query, refuse.

Called by the engine for an admitted command. Promises: docs/rules.md, section by section; exactly
one answer in the session's stream or one outcome for the gateway, and everything that follows
from it.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.directory cimport Instrument
from oms._core.ledger cimport ledger_hold, position_make
from oms._core.machine cimport UNLIKELY
from oms._core.mass_cancel cimport is_doomed
from oms._core.matcher cimport (
    cancel_remainder, match_incoming, opposite_of, order_freed, release_and_unlink,
    remove_order, rest_order,
)
from oms._core.order_book cimport book_has, tradable_level
from oms._core.order_events cimport (
    Top, cancel_rejected, command_ignored, number_in_account, number_in_session,
    order_canceled, order_opened, order_rejected, superfluous, top_changed, top_of,
)
from oms._core.order_index cimport index_add, index_find, index_remove, index_take_out
from oms._core.order_pool cimport Order, pool_take
from oms._core.risk cimport Terms, check_new, check_replace
from oms._core.sessions cimport Session
from oms._core.state cimport State, add_event, may_enter
from oms._core.types cimport (
    CANCELED_IOC_REMAINDER, CANCELED_SYSTEM, CANCELED_USER, EVENT_ACCOUNT_QUERY_RESPONSE,
    EVENT_ORDER_ACCEPTED, EVENT_ORDER_REPLACED, EventRecord, OrderRecord,
    POLICY_INVALID_REPLACE_CANCELS, POLICY_KEEPS_PRIORITY_ON_REDUCE, TIF_FOK, TIF_GTC,
    TYPE_LIMIT, TYPE_MARKET,
)


cdef inline void new_order(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    cdef Terms terms
    cdef Order aside
    cdef Order* order = &aside
    cdef Top before
    cdef Instrument* instrument
    cdef uint32_t slot = 0
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
    instrument = &state.instruments[record.instrument_id]
    top_of(&before, state, instrument)
    may_rest = (record.time_in_force <= TIF_GTC) & (record.ord_type == TYPE_LIMIT)
    # An order that will not trade is written where it rests, any other aside first: trading
    # frees slots, and only then is it known which one comes next.
    if may_rest and not tradable_level(
        &state.levels, &instrument.book, opposite_of(record.side), terms.worst
    ):
        slot = take_slot(state, session)
        order = &state.pool.orders[slot]
    write_order(state, order, record, terms.position)
    order_opened(state, EVENT_ORDER_ACCEPTED, order, record.ord_type, 0, record)
    if slot:
        rest_order(state, instrument, slot, terms.tick)
    else:
        trade_new_order(state, session, order, &terms, record)
    top_changed(state, instrument, record.instrument_id, &before)


cdef inline uint32_t take_slot(State* state, Session* session) noexcept nogil:
    state.pool.live += 1
    session.live_orders += 1
    return pool_take(&state.pool)


cdef inline void write_order(
    State* state, Order* order, const OrderRecord* record, uint32_t position
) noexcept nogil:
    """An accepted order, before it trades; links are not set."""
    state.numbers.order_id += 1
    order.order_id = state.numbers.order_id
    order.leaves = record.order_qty
    order.cum = 0
    order.price = <uint32_t>record.price  # a market order's is nobody's: it never rests
    order.session_id = record.session_id
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
    if UNLIKELY(order.time_in_force == TIF_FOK) and not book_has(
        &state.levels, &instrument.book, opposite_of(order.side), terms.worst, order.leaves
    ):
        order_canceled(
            state, order, record.price, order.leaves, 0, CANCELED_IOC_REMAINDER, record
        )
        return
    match_incoming(state, instrument, order, terms.worst, record)
    if order.leaves == 0:
        return
    if order.time_in_force <= TIF_GTC and not is_market:
        slot = take_slot(state, session)
        state.pool.orders[slot] = order[0]
        rest_order(state, instrument, slot, terms.tick)
    else:
        cancel_remainder(state, instrument, order, is_market, record)


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
    instrument = &state.instruments[order.instrument_id]
    top_of(&before, state, instrument)
    if record.order_qty <= order.cum:
        cut = order.leaves
        remove_order(state, slot)
    else:
        cut = order.cum + order.leaves - record.order_qty
        reduce_in_place(state, order, cut)
    order_canceled(state, order, order.price, cut, order.leaves, CANCELED_USER, record)
    top_changed(state, instrument, order.instrument_id, &before)


cdef inline void reduce_in_place(State* state, Order* order, uint32_t cut) noexcept nogil:
    """Take `cut`, less than all, from an order that keeps its place."""
    ledger_hold(
        &state.accounts[order.account_id], &state.positions.positions[order.position], order,
        -<int64_t>cut,
    )
    order.leaves -= cut
    state.levels.levels[order.level].qty -= cut


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
    if (
        record.policy & POLICY_KEEPS_PRIORITY_ON_REDUCE
        and record.time_in_force <= TIF_GTC
        and record.price == order.price
        and record.order_qty > order.cum
        and record.order_qty < order.cum + order.leaves
    ):
        cut_by_replace(state, slot, record)
        top_changed(state, instrument, order.instrument_id, &before)
        return
    release_and_unlink(state, slot)
    index_take_out(&state.index, state.pool.orders, link)
    state.numbers.order_id += 1
    order.order_id = state.numbers.order_id
    order.user_ref_num = record.user_ref_num
    order.time_in_force = record.time_in_force
    order.price = <uint32_t>record.price
    order.leaves = record.order_qty - order.cum if record.order_qty > order.cum else 0
    order_opened(
        state, EVENT_ORDER_REPLACED, order, TYPE_LIMIT, record.orig_user_ref_num, record
    )
    if UNLIKELY(
        tradable_level(
            &state.levels, &instrument.book, opposite_of(order.side), terms.worst
        ) != 0
    ):
        match_incoming(state, instrument, order, terms.worst, record)
    if order.leaves and order.time_in_force <= TIF_GTC:
        rest_order(state, instrument, slot, terms.tick)
    else:
        if order.leaves:
            cancel_remainder(state, instrument, order, False, record)
        order_freed(state, slot)
    top_changed(state, instrument, order.instrument_id, &before)


cdef inline void cut_by_replace(
    State* state, uint32_t slot, const OrderRecord* record
) noexcept nogil:
    """A replace that only reduces: same place, same order_id, another user_ref_num."""
    cdef Order* order = &state.pool.orders[slot]
    reduce_in_place(state, order, order.cum + order.leaves - record.order_qty)
    index_remove(&state.index, state.pool.orders, slot)
    order.user_ref_num = record.user_ref_num
    order.time_in_force = record.time_in_force
    index_add(&state.index, state.pool.orders, slot)
    order_opened(
        state, EVENT_ORDER_REPLACED, order, TYPE_LIMIT, record.orig_user_ref_num, record
    )


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
    event = cancel_rejected(state, reason, record)
    event.account_id = order.account_id
    if may_enter(state, session, order.account_id):
        number_in_account(state, event, order.account_id)


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
