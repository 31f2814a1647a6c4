"""Trades that may be taken back, and taking one back (docs/rules.md, Trade bust).

Called by whatever trades (one record a trade, in a ring that the genesis sizes; 0: none) and by the
dispatcher. Promises: the same money, shares and fees go back that went; no order is touched; a
trade is taken back once.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t

from oms._core.ledger cimport Account, ledger_settle, position_find
from oms._core.machine cimport rare
from oms._core.order_events cimport number_in_account, number_in_session
from oms._core.order_pool cimport FeeTerms, ORDER_HAS_FEES, Order, fees_of
from oms._core.records cimport BustRecord, CommandRecord, EventRecord
from oms._core.state cimport State, TradeRecord, TradeSide, add_event
from oms._core.types cimport (
    EVENT_TRADE_BUST, EVENT_TRADE_BUSTED, REJECT_ALREADY_BUSTED, REJECT_NONE, REJECT_UNKNOWN_ID,
    SIDE_BUY,
)


cdef inline void note_side(const State* state, TradeSide* side, const Order* order) noexcept nogil:
    cdef const FeeTerms* terms
    side.order_id = order.order_id
    side.account_id = order.account_id
    side.session_id = order.session_id
    side.user_ref_num = order.user_ref_num
    side.side = order.side
    side.fee = 0
    side.fee_account_id = 0
    if order.flags & ORDER_HAS_FEES:
        terms = fees_of(&state.pool, order)
        side.fee = terms.last
        side.fee_account_id = terms.fee_account_id


cdef inline void note_trade(
    State* state, const Order* one, const Order* other, int64_t price, uint32_t qty
) noexcept nogil:
    """Remember the trade with the last match_id, until there are as many younger ones."""
    cdef uint64_t match_id = state.numbers.match_id
    cdef TradeRecord* trade = &state.trades[match_id % state.trades_max]
    cdef bint is_buy = one.side == SIDE_BUY
    trade.match_id = match_id
    trade.price = price
    trade.qty = qty
    trade.instrument_id = one.instrument_id
    trade.is_busted = 0
    note_side(state, &trade.sides[0], one if is_buy else other)
    note_side(state, &trade.sides[1], other if is_buy else one)


cdef inline uint64_t first_trade(const State* state) noexcept nogil:
    """No trade before this match_id is remembered: it is another day's, or was forgotten."""
    cdef uint64_t first = state.day_match_id + 1
    if state.numbers.match_id >= first + state.trades_max:
        first = state.numbers.match_id - state.trades_max + 1
    return first


cdef inline TradeRecord* trade_find(const State* state, uint64_t match_id) noexcept nogil:
    """The remembered trade with that match_id; NULL: there is none."""
    cdef TradeRecord* trade
    if (
        state.trades_max == 0 or match_id < first_trade(state)
        or match_id > state.numbers.match_id
    ):
        return NULL
    trade = &state.trades[match_id % state.trades_max]
    return trade if trade.match_id == match_id else NULL


cdef inline void return_side(
    State* state, const TradeRecord* trade, uint32_t which
) noexcept nogil:
    """One side gets back what it gave, its fee too, and gives back what it got."""
    cdef const TradeSide* side = &trade.sides[which]
    cdef uint32_t slot = position_find(&state.positions, side.account_id, trade.instrument_id)
    cdef Account* balances = state.instruments[trade.instrument_id].balances
    cdef EventRecord* event
    ledger_settle(
        &balances[side.account_id], &state.positions.positions[slot], which == 1,
        trade.price, trade.qty,
    )
    state.accounts[side.account_id].may_owe = 1
    if side.fee_account_id:
        balances[side.account_id].cash += side.fee
        balances[side.fee_account_id].cash -= side.fee
        state.accounts[side.fee_account_id].may_owe = 1
    event = add_event(state, EVENT_TRADE_BUSTED)
    number_in_session(state, event, side.session_id, NULL)
    number_in_account(state, event, side.account_id)
    event.side = side.side
    event.instrument_id = trade.instrument_id
    event.user_ref_num = side.user_ref_num
    event.order_id = side.order_id
    event.price = trade.price
    event.qty = trade.qty
    event.cl_ord_id[0] = trade.match_id
    event.cl_ord_id[1] = <uint64_t>-side.fee


cdef inline uint8_t apply_bust_trade(State* state, const CommandRecord* command) noexcept nogil:
    cdef TradeRecord* trade = trade_find(state, (<const BustRecord*>command).match_id)
    cdef EventRecord* event
    rare()
    if trade == NULL:
        return REJECT_UNKNOWN_ID
    if trade.is_busted:
        return REJECT_ALREADY_BUSTED
    trade.is_busted = 1
    return_side(state, trade, 0)
    return_side(state, trade, 1)
    state.instruments[trade.instrument_id].topic_seq += 1
    event = add_event(state, EVENT_TRADE_BUST)
    event.topic_seq = state.instruments[trade.instrument_id].topic_seq
    event.instrument_id = trade.instrument_id
    event.price = trade.price
    event.qty = trade.qty
    event.cl_ord_id[0] = trade.match_id
    return REJECT_NONE
