"""The events of orders: what each says, and which streams it is numbered in.

Called by the matcher, the order commands and the day's sweep. Promises: the only file that gives
out `out_seq` and `topic_seq` for orders (docs/rules.md, Events of a session's stream). `record` is
the command that an event answers, or NULL for what happens to a resting order.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.hidden cimport is_crossed
from oms._core.ledger cimport Account
from oms._core.machine cimport UNLIKELY, rare
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS, Level
from oms._core.order_pool cimport (
    ORDER_HAS_FEES, ORDER_HAS_PUBLIC_ID, ORDER_HIDDEN, ORDER_PEG, Order, fees_of, public_id_of,
)
from oms._core.records cimport BookTopRecord, EventRecord, OrderRecord, TermsRecord
from oms._core.risk cimport asks_for_more
from oms._core.sessions cimport Session
from oms._core.state cimport State, add_event, add_words, may_enter, touch
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


cdef inline uint64_t both(uint32_t low, uint32_t high) noexcept nogil:
    """Two neighbors of a record as one word."""
    return low | <uint64_t>high << 32


cdef inline uint64_t* order_words(
    State* state, uint32_t kind, const Order* order, uint32_t reason, uint32_t flags,
    const OrderRecord* record,
) noexcept nogil:
    """An event of an order in both of its streams, up to the order's id; the rest is the caller's.

    The events of every order's way are written word by word: half the stores of zeros and fields.
    What goes into a word has 32 bits on its way there: a byte that is put aside and read back with
    more around it has to be waited for.
    """
    cdef Session* session = &state.sessions[order.session_id]
    cdef Account* account = &state.accounts[order.account_id]
    cdef uint64_t* words = add_words(state)
    session.out_seq += 1
    account.topic_seq += 1
    words[0] = both(
        kind | <uint32_t>order.side << 8 | reason << 16 | flags << 24, order.session_id
    )
    words[2] = session.out_seq
    words[3] = account.topic_seq
    words[5] = both(order.account_id, order.instrument_id)
    words[6] = record.client_seq if record != NULL else 0
    words[7] = both(record.conn_epoch if record != NULL else 0, order.user_ref_num)
    words[8] = order.order_id
    return words


cdef inline EventRecord* order_opened(
    State* state, uint32_t kind, const Order* order, uint32_t ord_type,
    uint32_t orig_user_ref_num, const OrderRecord* record,
) noexcept nogil:
    """ORDER_ACCEPTED or ORDER_REPLACED: the order as it stands, and what the record says."""
    cdef uint64_t* words
    cdef uint32_t flags = FLAG_LIVE * (order.leaves != 0)
    if UNLIKELY(asks_for_more(record) | (order.flags != 0)) and say_terms(state, order, record):
        flags |= FLAG_HAS_TERMS
    words = order_words(state, kind, order, 0, flags, record)
    words[9] = <uint64_t>record.price
    words[10] = both(order.leaves, order.leaves)
    words[11] = both(
        orig_user_ref_num,
        ord_type | <uint32_t>order.time_in_force << 8 | <uint32_t>record.display << 16
        | <uint32_t>order.capacity << 24,
    )
    words[12] = record.cl_ord_id[0]
    words[13] = record.cl_ord_id[1]
    words[14] = record.cl_ord_id[2]
    words[15] = both(order.firm, record.iso | <uint32_t>order.cross_type << 8)
    return <EventRecord*>words


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
    uint32_t reason, const OrderRecord* record,
) noexcept nogil:
    """ORDER_CANCELED: `qty` went, `leaves` are left. `price` is as entered."""
    cdef uint64_t* words = order_words(state, EVENT_ORDER_CANCELED, order, reason, 0, record)
    words[9] = <uint64_t>price
    words[10] = both(qty, leaves)
    words[11] = 0
    words[12] = 0
    words[13] = 0
    words[14] = 0
    words[15] = 0
    if UNLIKELY(order.flags != 0):
        name_publicly(state, <EventRecord*>words, order)
    return <EventRecord*>words


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
    uint32_t liquidity, const OrderRecord* record,
) noexcept nogil:
    """ORDER_EXECUTED for one side of a match; `order.leaves` is what is left."""
    cdef uint64_t* words = order_words(
        state, EVENT_ORDER_EXECUTED, order, liquidity, 0, record
    )
    words[9] = <uint64_t>price
    words[10] = both(qty, order.leaves)
    words[11] = 0
    words[12] = match_id
    words[13] = 0
    words[14] = 0
    words[15] = 0
    if UNLIKELY(order.flags != 0):
        name_publicly(state, <EventRecord*>words, order)
        if order.flags & ORDER_HAS_FEES:
            words[13] = <uint64_t>fees_of(&state.pool, order).last
    return <EventRecord*>words


cdef inline EventRecord* traded(
    State* state, Instrument* instrument, const Order* incoming, int64_t price, uint32_t qty,
    uint64_t match_id,
) noexcept nogil:
    """TRADE: the match as the public sees it."""
    cdef uint64_t* words = public_words(
        state, instrument, incoming.instrument_id, EVENT_TRADE | <uint64_t>incoming.side << 8
    )
    words[8] = 0
    words[9] = <uint64_t>price
    words[10] = qty
    words[11] = 0
    words[12] = match_id
    return <EventRecord*>words


cdef inline uint64_t* public_words(
    State* state, Instrument* instrument, uint32_t instrument_id, uint64_t head
) noexcept nogil:
    """An event on an instrument's topic; words 8 to 12 are the caller's."""
    cdef uint64_t* words = add_words(state)
    instrument.topic_seq += 1
    words[0] = head
    words[2] = 0
    words[3] = instrument.topic_seq
    words[5] = both(0, instrument_id)
    words[6] = 0
    words[7] = 0
    words[13] = 0
    words[14] = 0
    words[15] = 0
    return words


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
    cdef uint64_t* words = public_words(state, instrument, instrument_id, EVENT_BOOK_TOP)
    words[8] = top.bid_qty
    words[9] = top.bid_price
    words[10] = top.ask_qty
    words[11] = 0
    words[12] = top.ask_price
