"""The commands about orders: enter, cancel, replace, query, refuse.

Called by the engine for an admitted command. Promises: docs/rules.md, section by section; exactly
one answer in the session's stream or one outcome for the gateway, and everything that follows
from it.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.directory cimport Instrument
from oms._core.ledger cimport ledger_hold, position_make
from oms._core.machine cimport UNLIKELY
from oms._core.matcher cimport (
    match_incoming, order_freed, release_and_unlink, remove_order, rest_or_cancel,
)
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS, book_has
from oms._core.order_events cimport (
    Party, Top, cancel_rejected, command_ignored, number_in_account, number_in_session,
    order_canceled, order_opened, order_rejected, party_of, superfluous, top_changed, top_of,
)
from oms._core.order_index cimport index_add, index_find, index_remove
from oms._core.order_pool cimport Order
from oms._core.risk cimport Terms, check_new, check_replace
from oms._core.sessions cimport Session
from oms._core.state cimport State, add_event, may_enter
from oms._core.types cimport (
    CANCELED_IOC_REMAINDER, CANCELED_SYSTEM, CANCELED_USER, EVENT_ACCOUNT_QUERY_RESPONSE,
    EVENT_ORDER_ACCEPTED, EVENT_ORDER_REPLACED, EventRecord, OrderRecord,
    POLICY_INVALID_REPLACE_CANCELS, POLICY_KEEPS_PRIORITY_ON_REDUCE, SIDE_BUY, TIF_FOK, TIF_GTC,
)


cdef inline void new_order(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    cdef Terms terms
    cdef Party party
    cdef Top before
    cdef Instrument* instrument
    cdef uint8_t reason
    if record.user_ref_num <= session.last_user_ref_num:
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
    state.numbers.order_id += 1
    party.order_id = state.numbers.order_id
    party.price = record.price
    party.session_id = record.session_id
    party.user_ref_num = record.user_ref_num
    party.account_id = record.account_id
    party.instrument_id = record.instrument_id
    party.position = terms.position
    party.firm = record.firm
    party.leaves = record.order_qty
    party.cum = 0
    party.side = record.side
    party.ord_type = record.ord_type
    party.time_in_force = record.time_in_force
    party.capacity = record.capacity
    party.cross_type = record.cross_type
    order_opened(state, EVENT_ORDER_ACCEPTED, &party, record, 0)
    if UNLIKELY(party.time_in_force == TIF_FOK) and not book_has(
        &state.levels, &instrument.book, BOOK_ASKS if party.side == SIDE_BUY else BOOK_BIDS,
        terms.worst, party.leaves,
    ):
        order_canceled(state, &party, party.leaves, CANCELED_IOC_REMAINDER, record)
        return
    match_incoming(state, &party, terms.worst, record)
    rest_or_cancel(state, &party, 0, terms.tick, record)
    top_changed(state, instrument, record.instrument_id, &before)


cdef inline void cancel_order(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    cdef uint32_t slot = index_find(
        &state.index, state.pool.orders, record.session_id, record.user_ref_num
    )
    cdef Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument
    cdef Party party
    cdef Top before
    cdef uint32_t cut
    if slot == 0 or record.order_qty >= order.cum + order.leaves:
        superfluous(state, record)
        return
    instrument = &state.instruments[order.instrument_id]
    top_of(&before, state, instrument)
    party_of(&party, order)
    if record.order_qty <= order.cum:
        cut = order.leaves
        remove_order(state, slot)
    else:
        cut = order.cum + order.leaves - record.order_qty
        reduce_in_place(state, order, cut)
    order_canceled(state, &party, cut, CANCELED_USER, record)
    top_changed(state, instrument, party.instrument_id, &before)


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
    cdef uint32_t slot = index_find(
        &state.index, state.pool.orders, record.session_id, record.orig_user_ref_num
    )
    cdef Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument
    cdef Terms terms
    cdef Party party
    cdef Top before
    cdef uint8_t reason
    if slot == 0 or record.user_ref_num <= session.last_user_ref_num:
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
    party_of(&party, order)
    release_and_unlink(state, slot)
    state.numbers.order_id += 1
    party.order_id = state.numbers.order_id
    party.user_ref_num = record.user_ref_num
    party.time_in_force = record.time_in_force
    party.price = record.price
    party.leaves = record.order_qty - party.cum if record.order_qty > party.cum else 0
    index_remove(&state.index, party.session_id, record.orig_user_ref_num, slot)
    order_opened(state, EVENT_ORDER_REPLACED, &party, record, record.orig_user_ref_num)
    match_incoming(state, &party, terms.worst, record)
    if not rest_or_cancel(state, &party, slot, terms.tick, record):
        order_freed(state, slot)
    top_changed(state, instrument, party.instrument_id, &before)


cdef inline void cut_by_replace(
    State* state, uint32_t slot, const OrderRecord* record
) noexcept nogil:
    """A replace that only reduces: same place, same order_id, another user_ref_num."""
    cdef Order* order = &state.pool.orders[slot]
    cdef Party party
    reduce_in_place(state, order, order.cum + order.leaves - record.order_qty)
    index_remove(&state.index, order.session_id, order.user_ref_num, slot)
    order.user_ref_num = record.user_ref_num
    order.time_in_force = record.time_in_force
    index_add(&state.index, order.session_id, order.user_ref_num, slot)
    party_of(&party, order)
    order_opened(state, EVENT_ORDER_REPLACED, &party, record, record.orig_user_ref_num)


cdef inline void replace_refused(
    State* state, Session* session, uint32_t slot, uint8_t reason, const OrderRecord* record
) noexcept nogil:
    """By the protocol's policy the original goes, or stands as it was."""
    cdef Order* order = &state.pool.orders[slot]
    cdef EventRecord* event
    cdef Party party
    if record.policy & POLICY_INVALID_REPLACE_CANCELS:
        party_of(&party, order)
        remove_order(state, slot)
        event = order_canceled(state, &party, party.leaves, CANCELED_SYSTEM, record)
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
