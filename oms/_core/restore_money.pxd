"""Currencies, keys, fee schedules and orders' fees out of a snapshot's words.

Called by restore. Promises: as there; what is held for fees goes into the accounts' holds again.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from oms._core.bust cimport first_trade
from oms._core.currencies cimport is_code
from oms._core.ledger cimport position_find
from oms._core.order_pool cimport FeeTerms, Order
from oms._core.postings cimport is_money
from oms._core.reader cimport Reader, expect, get, get_block, get_money, get_up_to
from oms._core.state cimport (
    Currency, FeeSchedule, KeyedPosting, State, TradeRecord, TradeSide, balance_of, balances_open,
    has_account, has_instrument, keyed_count, session_of, trades_open,
)
from oms._core.types cimport (
    CURRENCIES_MAX, CURRENCY_RATE_MAX, CURRENCY_RATE_ONE, FEE_RATE_MAX,
    FEE_SCHEDULES_MAX, TRADES_MAX,
)


cdef inline void read_currencies(State* state, Reader* reader) noexcept nogil:
    """Before version 4 there was one, and what was issued of it stood with the numbers."""
    cdef uint32_t count
    cdef uint32_t i
    state.currencies_max = CURRENCIES_MAX
    if reader.version < 4:
        state.currencies[1].issued = state.numbers.reserved
        state.numbers.reserved = 0
        return
    expect(reader, state.numbers.reserved == 0)
    state.currencies_max = <uint32_t>get_up_to(reader, CURRENCIES_MAX)
    count = <uint32_t>get_up_to(reader, state.currencies_max)
    expect(reader, count != 0)
    if not reader.is_sound:
        return
    get_block(reader, &state.currencies[1], count * sizeof(Currency))
    for i in range(1, count + 1):
        expect(reader, is_currency_good(&state.currencies[i]))
        if i > 1:
            balances_open(state, i)
    expect(reader, state.currencies[1].rate == CURRENCY_RATE_ONE)


cdef inline bint is_currency_good(const Currency* currency) noexcept nogil:
    return (
        (currency.code == 0 or (currency.code >> 32 == 0 and is_code(<uint32_t>currency.code)))
        and currency.rate >= 1 and currency.rate <= CURRENCY_RATE_MAX
    )


cdef inline void read_keyed(State* state, Reader* reader) noexcept nogil:
    """The ring of keys, none of them 0."""
    cdef KeyedPosting* posting
    cdef bint is_cash
    cdef uint32_t i
    state.keys_taken = get_up_to(reader, <uint64_t>1 << 62)
    get_block(reader, state.keyed, keyed_count(state) * sizeof(KeyedPosting))
    if not reader.is_sound:
        state.keys_taken = 0
    for i in range(keyed_count(state)):
        posting = &state.keyed[i]
        is_cash = is_money(<uint8_t>posting.kind, posting.instrument_id)
        if reader.version < 4:
            posting.currency_id = is_cash
        expect(reader, posting.key != 0 and (posting.currency_id != 0) == is_cash)
        expect(reader, posting.currency_id <= state.currency_count)


cdef inline bint is_rate_good(int32_t rate) noexcept nogil:
    return -FEE_RATE_MAX <= rate <= FEE_RATE_MAX


cdef inline void read_fees(State* state, Reader* reader) noexcept nogil:
    """The schedules, and that every account's schedule is one of them."""
    cdef const FeeSchedule* schedule
    cdef uint32_t i
    state.fee_count = <uint32_t>get_up_to(reader, FEE_SCHEDULES_MAX)
    get_block(reader, &state.fees[1], state.fee_count * sizeof(FeeSchedule))
    for i in range(1, state.fee_count + 1):
        schedule = &state.fees[i]
        expect(reader, is_rate_good(schedule.maker_rate) and is_rate_good(schedule.taker_rate))
        expect(reader, has_account(state, schedule.fee_account_id) and schedule.reserved == 0)
    for i in range(1, state.numbers.account_count + 1):
        expect(reader, state.accounts[i].fee_schedule <= state.fee_count)


cdef inline void read_fee_terms(
    State* state, Reader* reader, const Order* order, uint32_t slot
) noexcept nogil:
    cdef FeeTerms* terms = &state.pool.fees[slot]
    cdef uint64_t word = get(reader)
    terms.maker_rate = <int32_t><uint32_t>word
    terms.taker_rate = <int32_t><uint32_t>(word >> 32)
    expect(reader, is_rate_good(terms.maker_rate) and is_rate_good(terms.taker_rate))
    word = get(reader)
    terms.fee_account_id = <uint32_t>word
    terms.carry = <uint32_t>(word >> 32)
    expect(reader, has_account(state, terms.fee_account_id) and terms.carry < 10000000)
    terms.held = get_money(reader)
    if reader.is_sound:
        balance_of(state, order).hold += terms.held


cdef inline void read_trades(State* state, Reader* reader) noexcept nogil:
    """The trades that may be taken back: who and what they name is there."""
    cdef TradeRecord image
    cdef const TradeSide* side
    cdef uint32_t i
    trades_open(state, <uint32_t>get_up_to(reader, TRADES_MAX))
    state.day_match_id = get_up_to(reader, state.numbers.match_id)
    while get(reader) == 1:
        image.match_id = 0
        get_block(reader, &image, sizeof(TradeRecord))
        expect(reader, state.trades_max != 0 and has_instrument(state, image.instrument_id))
        expect(reader, image.match_id >= first_trade(state))
        expect(reader, image.match_id <= state.numbers.match_id and image.is_busted <= 1)
        for i in range(2):
            side = &image.sides[i]
            expect(reader, has_account(state, side.account_id))
            expect(reader, side.fee_account_id <= state.numbers.account_count)
            expect(reader, session_of(state, side.session_id) != NULL)
            expect(
                reader,
                position_find(&state.positions, side.account_id, image.instrument_id) != 0,
            )
        if not reader.is_sound:
            return
        state.trades[image.match_id % state.trades_max] = image
