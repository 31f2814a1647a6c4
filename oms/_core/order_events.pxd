"""The events of orders: what each says, and which streams it is numbered in.

Called by the matcher, the order commands and the day's sweep. Promises: the only file that gives
out `out_seq` and `topic_seq` for orders (docs/rules.md, Events of a session's stream). `record` is
the command that an event answers, or NULL for what happens to a resting order.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.hidden cimport is_crossed
from oms._core.machine cimport UNLIKELY, rare
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS, Level
from oms._core.order_pool cimport (
    ORDER_HAS_FEES, ORDER_HAS_PUBLIC_ID, ORDER_HIDDEN, ORDER_PEG, Order, fees_of, public_id_of,
)
from oms._core.records cimport BookTopRecord, EventRecord, OrderRecord, TermsRecord
from oms._core.risk cimport asks_for_more
from oms._core.sessions cimport Session
from oms._core.state cimport State, add_event, may_enter, touch
from oms._core.triggers cimport market_moved
from oms._core.types cimport (
    EVENT_BOOK_TOP, EVENT_CANCEL_REJECTED, EVENT_COMMAND_IGNORED, EVENT_ORDER_CANCELED,
    EVENT_ORDER_EXECUTED, EVENT_ORDER_REJECTED, EVENT_ORDER_RESTATED, EVENT_ORDER_TERMS,
    EVENT_TRADE, FLAG_HAS_TERMS, FLAG_HIDDEN, FLAG_LIVE, POLICY_UNKNOWN_IS_IGNORED,
    REJECT_ORDER_NOT_CANCELABLE, RULES_ECHO,
)

cdef struct Top:
    uint64_t bid_qty
    uint64_t ask_qty
    uint32_t bid_price
    uint32_t ask_price


cdef inline void number_in_session(
    State* state, EventRecord* event, uint32_t session_id, const OrderRecord* record
) noexcept nogil:
    cdef Session* session = &state.sessions[session_id]
    session.out_seq += 1
    event.session_id = session_id
    event.out_seq = session.out_seq
    if record != NULL:
        event.client_seq = record.client_seq
        event.conn_epoch = record.conn_epoch


cdef inline void number_in_account(
    State* state, EventRecord* event, uint32_t account_id
) noexcept nogil:
    state.accounts[account_id].topic_seq += 1
    event.account_id = account_id
    event.topic_seq = state.accounts[account_id].topic_seq


cdef inline EventRecord* order_opened(
    State* state, uint8_t kind, const Order* order, uint8_t ord_type,
    uint32_t orig_user_ref_num, const OrderRecord* record,
) noexcept nogil:
    """ORDER_ACCEPTED or ORDER_REPLACED: the order as it stands, and what the record says."""
    cdef EventRecord* event
    cdef uint8_t flags = FLAG_LIVE * (order.leaves != 0)
    if UNLIKELY(asks_for_more(record) | (order.flags != 0)) and say_terms(state, order, record):
        flags |= FLAG_HAS_TERMS
    event = add_event(state, kind)
    number_in_session(state, event, order.session_id, record)
    number_in_account(state, event, order.account_id)
    event.side = order.side
    event.flags = flags
    event.instrument_id = order.instrument_id
    event.user_ref_num = order.user_ref_num
    event.order_id = order.order_id
    event.price = record.price
    event.qty = order.leaves
    event.leaves_qty = order.leaves
    event.orig_user_ref_num = orig_user_ref_num
    event.ord_type = ord_type
    event.time_in_force = order.time_in_force
    event.display = record.display
    event.capacity = order.capacity
    event.cl_ord_id[0] = record.cl_ord_id[0]
    event.cl_ord_id[1] = record.cl_ord_id[1]
    event.cl_ord_id[2] = record.cl_ord_id[2]
    event.firm = order.firm
    event.iso = record.iso
    event.cross_type = order.cross_type
    return event


cdef inline bint say_terms(
    State* state, const Order* order, const OrderRecord* record
) noexcept nogil:
    """ORDER_TERMS, right before the event of an order that has any; False: it has none."""
    cdef TermsRecord* event
    cdef uint64_t public_id = public_id_of(&state.pool, order)
    rare()
    if state.numbers.rule_version < RULES_ECHO or (
        record.min_qty | record.display_qty | record.self_trade | record.post_only
        | <uint64_t>record.expire_ns | <uint64_t>record.stop_price | <uint32_t>record.peg_offset
        | public_id
    ) == 0:
        return False
    event = <TermsRecord*>add_event(state, EVENT_ORDER_TERMS)
    (<EventRecord*>event).session_id = order.session_id
    (<EventRecord*>event).account_id = order.account_id
    (<EventRecord*>event).instrument_id = order.instrument_id
    (<EventRecord*>event).user_ref_num = order.user_ref_num
    (<EventRecord*>event).order_id = order.order_id
    event.stop_price = record.stop_price
    event.trigger = record.trigger
    event.trail = record.trail
    event.min_qty = record.min_qty
    event.display_qty = record.display_qty
    event.self_trade = record.self_trade
    event.post_only = record.post_only
    event.expire_ns = record.expire_ns
    event.peg_offset = record.peg_offset
    event.public_id = public_id
    return True


cdef inline EventRecord* order_canceled(
    State* state, const Order* order, int64_t price, uint32_t qty, uint32_t leaves,
    uint8_t reason, const OrderRecord* record,
) noexcept nogil:
    """ORDER_CANCELED: `qty` went, `leaves` are left. `price` is as entered."""
    cdef EventRecord* event = add_event(state, EVENT_ORDER_CANCELED)
    number_in_session(state, event, order.session_id, record)
    number_in_account(state, event, order.account_id)
    event.side = order.side
    event.reason = reason
    event.instrument_id = order.instrument_id
    event.user_ref_num = order.user_ref_num
    event.order_id = order.order_id
    event.price = price
    event.qty = qty
    event.leaves_qty = leaves
    if UNLIKELY(order.flags != 0):
        name_publicly(state, event, order)
    return event


cdef inline void name_publicly(
    const State* state, EventRecord* event, const Order* order
) noexcept nogil:
    """What the public knows of an unusual order: its number, where that is not its order_id, or
    nothing at all.
    """
    rare()
    event.cl_ord_id[2] = public_id_of(&state.pool, order)
    if order.flags & (ORDER_HIDDEN | ORDER_PEG):
        event.flags |= FLAG_HIDDEN


cdef inline void order_restated(
    State* state, uint32_t slot, uint32_t shown, uint64_t public_id, uint8_t reason
) noexcept nogil:
    """ORDER_RESTATED: the public knows a live order under a new number; it shows `shown`."""
    cdef Order* order = &state.pool.orders[slot]
    cdef EventRecord* event
    order.flags |= ORDER_HAS_PUBLIC_ID
    state.pool.public_ids[slot] = public_id
    event = add_event(state, EVENT_ORDER_RESTATED)
    number_in_session(state, event, order.session_id, NULL)
    number_in_account(state, event, order.account_id)
    event.side = order.side
    event.reason = reason
    event.instrument_id = order.instrument_id
    event.user_ref_num = order.user_ref_num
    event.order_id = order.order_id
    event.price = order.price
    event.qty = shown
    event.leaves_qty = order.leaves
    name_publicly(state, event, order)


cdef inline EventRecord* order_executed(
    State* state, const Order* order, int64_t price, uint32_t qty, uint64_t match_id,
    uint8_t liquidity, const OrderRecord* record,
) noexcept nogil:
    """ORDER_EXECUTED for one side of a match; `order.leaves` is what is left."""
    cdef EventRecord* event = add_event(state, EVENT_ORDER_EXECUTED)
    number_in_session(state, event, order.session_id, record)
    number_in_account(state, event, order.account_id)
    event.side = order.side
    event.reason = liquidity
    event.instrument_id = order.instrument_id
    event.user_ref_num = order.user_ref_num
    event.order_id = order.order_id
    event.price = price
    event.qty = qty
    event.leaves_qty = order.leaves
    event.cl_ord_id[0] = match_id
    if UNLIKELY(order.flags != 0):
        name_publicly(state, event, order)
        if order.flags & ORDER_HAS_FEES:
            event.cl_ord_id[1] = <uint64_t>fees_of(&state.pool, order).last
    return event


cdef inline EventRecord* traded(
    State* state, Instrument* instrument, const Order* incoming, int64_t price, uint32_t qty,
    uint64_t match_id,
) noexcept nogil:
    """TRADE: the match as the public sees it."""
    cdef EventRecord* event = add_event(state, EVENT_TRADE)
    instrument.topic_seq += 1
    event.topic_seq = instrument.topic_seq
    event.instrument_id = incoming.instrument_id
    event.side = incoming.side
    event.price = price
    event.qty = qty
    event.cl_ord_id[0] = match_id
    return event


cdef inline void order_rejected(
    State* state, Session* session, uint8_t reason, const OrderRecord* record
) noexcept nogil:
    """ORDER_REJECTED: everything as sent; on the account's topic only for who may enter there."""
    cdef EventRecord* event = add_event(state, EVENT_ORDER_REJECTED)
    number_in_session(state, event, record.session_id, record)
    event.account_id = record.account_id
    if may_enter(state, session, record.account_id):
        number_in_account(state, event, record.account_id)
    event.side = record.side
    event.reason = reason
    event.instrument_id = record.instrument_id
    event.user_ref_num = record.user_ref_num
    event.price = record.price
    event.qty = record.order_qty
    event.ord_type = record.ord_type
    event.time_in_force = record.time_in_force
    event.display = record.display
    event.capacity = record.capacity
    event.cl_ord_id[0] = record.cl_ord_id[0]
    event.cl_ord_id[1] = record.cl_ord_id[1]
    event.cl_ord_id[2] = record.cl_ord_id[2]
    event.firm = record.firm
    event.iso = record.iso
    event.cross_type = record.cross_type


cdef inline EventRecord* cancel_rejected(
    State* state, uint8_t reason, const OrderRecord* record
) noexcept nogil:
    """CANCEL_REJECTED: a cancel or replace that changed nothing; on no account's topic yet."""
    cdef EventRecord* event = add_event(state, EVENT_CANCEL_REJECTED)
    number_in_session(state, event, record.session_id, record)
    event.reason = reason
    event.user_ref_num = record.user_ref_num
    return event


cdef inline EventRecord* command_outcome(
    State* state, uint8_t kind, const OrderRecord* record
) noexcept nogil:
    """An outcome for the gateway alone: in no stream."""
    cdef EventRecord* event = add_event(state, kind)
    event.session_id = record.session_id
    event.conn_epoch = record.conn_epoch
    event.client_seq = record.client_seq
    return event


cdef inline void command_ignored(State* state, const OrderRecord* record) noexcept nogil:
    command_outcome(state, EVENT_COMMAND_IGNORED, record)


cdef inline void superfluous(State* state, const OrderRecord* record) noexcept nogil:
    """A cancel or replace of nothing: silent where the protocol says so."""
    if record.policy & POLICY_UNKNOWN_IS_IGNORED:
        command_ignored(state, record)
    else:
        cancel_rejected(state, REJECT_ORDER_NOT_CANCELABLE, record)


cdef inline void top_of(Top* top, const State* state, const Instrument* instrument) noexcept nogil:
    """Best prices and quantities of both sides; an empty side is (0, 0)."""
    cdef const Level* bid = &state.levels.levels[instrument.book.ladders[BOOK_BIDS].best]
    cdef const Level* ask = &state.levels.levels[instrument.book.ladders[BOOK_ASKS].best]
    top.bid_qty = bid.qty
    top.bid_price = bid.price
    top.ask_qty = ask.qty
    top.ask_price = ask.price


cdef inline void top_changed(
    State* state, Instrument* instrument, uint32_t instrument_id, const Top* before
) noexcept nogil:
    """BOOK_TOP, when a best price or its quantity is another one than before the command.

    While orders are collected there is no best price; what would trade is said at the end of the
    entry instead. Called after everything that can print or move a best price; who follows the
    market is looked at later.
    """
    cdef Top top
    if UNLIKELY(instrument.followers != 0):
        market_moved(&state.triggers, instrument_id)
    top_of(&top, state, instrument)
    if (
        (top.bid_qty ^ before.bid_qty) | (top.bid_price ^ before.bid_price)
        | (top.ask_qty ^ before.ask_qty) | (top.ask_price ^ before.ask_price)
        | instrument.is_crossable | instrument.is_held
    ) == 0:
        return
    if UNLIKELY(instrument.is_crossable | instrument.is_held):
        say_no_top(state, instrument, instrument_id, &top, before)
    else:
        say_top(state, instrument, instrument_id, &top)


cdef inline void say_no_top(
    State* state, Instrument* instrument, uint32_t instrument_id, const Top* top,
    const Top* before,
) noexcept nogil:
    """The book collects orders; or the band has held one: did it stop it, too?"""
    rare()
    if instrument.is_crossable:
        touch(state, instrument_id)
        return
    instrument.is_held = 0
    if is_crossed(state, instrument_id):
        state.stopped_id = instrument_id
    elif state.stopped_id == 0 and (
        (top.bid_qty ^ before.bid_qty) | (top.bid_price ^ before.bid_price)
        | (top.ask_qty ^ before.ask_qty) | (top.ask_price ^ before.ask_price)
    ):
        say_top(state, instrument, instrument_id, top)


cdef inline void book_top(
    State* state, Instrument* instrument, uint32_t instrument_id
) noexcept nogil:
    """BOOK_TOP as it is now."""
    cdef Top top
    top_of(&top, state, instrument)
    say_top(state, instrument, instrument_id, &top)


cdef inline void say_top(
    State* state, Instrument* instrument, uint32_t instrument_id, const Top* top
) noexcept nogil:
    cdef EventRecord* event
    cdef BookTopRecord* overlay
    instrument.topic_seq += 1
    event = add_event(state, EVENT_BOOK_TOP)
    event.topic_seq = instrument.topic_seq
    event.instrument_id = instrument_id
    overlay = <BookTopRecord*>event
    overlay.bid_qty = top.bid_qty
    overlay.bid_price = top.bid_price
    overlay.ask_qty = top.ask_qty
    overlay.ask_price = top.ask_price
