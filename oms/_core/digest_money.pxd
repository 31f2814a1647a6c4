"""The words of fees, tick tables, remembered trades and keyed postings: docs/rules.md, Digest.

Called by the digest and by the scrub.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.bust cimport trade_find
from oms._core.hash cimport Hash, take
from oms._core.order_pool cimport FeeTerms
from oms._core.state cimport KeyedPosting, State, TickTable, TradeRecord, TradeSide


cdef inline void take_currencies(Hash* hash_, const State* state) noexcept nogil:
    """Which there are, and what was issued of each."""
    cdef uint32_t i
    take(hash_, state.currency_count)
    for i in range(1, state.currency_count + 1):
        take(hash_, state.currencies[i].code)
        take(hash_, <uint64_t>state.currencies[i].rate)
        take(hash_, <uint64_t>state.currencies[i].issued)


cdef inline void take_fees(Hash* hash_, const State* state) noexcept nogil:
    """The fee schedules."""
    cdef uint32_t i
    take(hash_, state.fee_count)
    for i in range(1, state.fee_count + 1):
        take(hash_, <uint64_t><int64_t>state.fees[i].maker_rate)
        take(hash_, <uint64_t><int64_t>state.fees[i].taker_rate)
        take(hash_, state.fees[i].fee_account_id)


cdef inline void take_tick_tables(Hash* hash_, const State* state) noexcept nogil:
    cdef const TickTable* table
    cdef uint32_t i
    cdef uint64_t row
    take(hash_, state.tick_table_count)
    for i in range(1, state.tick_table_count + 1):
        table = &state.tick_tables[i]
        take(hash_, table.name)
        take(hash_, table.row_count)
        for row in range(table.row_count):
            take(hash_, table.rows[row].price)
            take(hash_, table.rows[row].tick)


cdef inline void take_trades(
    Hash* hash_, const State* state, uint64_t first, uint64_t last
) noexcept nogil:
    """The remembered trades with those match_ids."""
    cdef const TradeRecord* trade
    cdef const TradeSide* side
    cdef uint64_t match_id
    cdef uint32_t i
    for match_id in range(first, last + 1):
        trade = trade_find(state, match_id)
        if trade == NULL:
            continue
        take(hash_, trade.match_id)
        take(hash_, <uint64_t>trade.price)
        take(hash_, trade.qty)
        take(hash_, trade.instrument_id)
        take(hash_, trade.is_busted)
        for i in range(2):
            side = &trade.sides[i]
            take(hash_, side.order_id)
            take(hash_, <uint64_t>side.fee)
            take(hash_, side.fee_account_id)
            take(hash_, side.account_id)
            take(hash_, side.user_ref_num)
            take(hash_, side.session_id)
            take(hash_, side.side)


cdef inline void take_fee_terms(Hash* hash_, const FeeTerms* terms) noexcept nogil:
    take(hash_, <uint64_t><int64_t>terms.maker_rate)
    take(hash_, <uint64_t><int64_t>terms.taker_rate)
    take(hash_, terms.fee_account_id)
    take(hash_, terms.carry)
    take(hash_, <uint64_t>terms.held)


cdef inline void take_keyed(Hash* hash_, const KeyedPosting* posting) noexcept nogil:
    take(hash_, posting.key)
    take(hash_, posting.kind)
    take(hash_, posting.account_id)
    take(hash_, posting.instrument_id)
    take(hash_, <uint64_t>posting.amount)
    take(hash_, posting.to_account_id)
    take(hash_, <uint64_t>posting.cost)
    take(hash_, posting.currency_id)
