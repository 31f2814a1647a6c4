"""Fees: what an order pays, what is held for it, and who gets it (docs/rules.md, Fees).

Called by risk (what may be asked for at most), by the order commands (an accepted order's terms)
and by the matcher and removal for orders with the flag. Promises: an order never pays more than was
held or at hand for it; what it has paid in all is its exact fee rounded up once; both sides of a
fee move together. Orders of an account without a schedule never come by.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from oms._core.ledger cimport Account
from oms._core.machine cimport UNLIKELY, rare, rated
from oms._core.order_pool cimport FeeTerms, ORDER_HAS_FEES, Order, fees_of
from oms._core.records cimport CommandRecord, FeesRecord
from oms._core.state cimport FeeSchedule, State, balance_of, has_account
from oms._core.types cimport (
    FEE_RATE_MAX, FEE_SCHEDULES_MAX, REJECT_BAD_VALUE, REJECT_CAPACITY, REJECT_NONE,
    REJECT_UNKNOWN_ID, SIDE_BUY,
)


cdef inline int64_t fee_at_most(
    int32_t maker_rate, int32_t taker_rate, int64_t amount, uint32_t charged_before
) noexcept nogil:
    """The highest fee there can be on an amount; a rebate is none."""
    cdef int64_t rate = maker_rate if maker_rate > taker_rate else taker_rate
    cdef int64_t carry = charged_before
    cdef int64_t fee
    if rate <= 0:
        return 0
    fee = rated(rate, amount, &carry)
    return fee if fee > 0 else 0


cdef inline int64_t fee_asked(
    const State* state, const Account* account, uint8_t side, int64_t amount, uint32_t carry
) noexcept nogil:
    """What a buy for `amount` must have at hand for fees; sales pay out of what they bring."""
    cdef const FeeSchedule* schedule = &state.fees[account.fee_schedule]
    rare()
    if side != SIDE_BUY:
        return 0
    return fee_at_most(schedule.maker_rate, schedule.taker_rate, amount, carry)


cdef inline void settle_terms(State* state, Order* order, bint is_new) noexcept nogil:
    """An order was accepted or replaced: from here on it pays by its account's schedule of now."""
    cdef uint32_t number = state.accounts[order.account_id].fee_schedule
    cdef const FeeSchedule* schedule = &state.fees[number]
    cdef FeeTerms* terms = fees_of(&state.pool, order)
    rare()
    if is_new or number == 0:
        terms.carry = 0
        terms.held = 0
    if number == 0:
        return
    order.flags |= ORDER_HAS_FEES
    terms.maker_rate = schedule.maker_rate
    terms.taker_rate = schedule.taker_rate
    terms.fee_account_id = schedule.fee_account_id


cdef inline void hold_fees(State* state, const Order* order, uint32_t leaves) noexcept nogil:
    """Hold what a resting order with these leaves may still have to pay; 0: it leaves."""
    cdef FeeTerms* terms
    cdef int64_t needed = 0
    rare()
    if not order.flags & ORDER_HAS_FEES or order.side != SIDE_BUY:
        return
    terms = fees_of(&state.pool, order)
    if leaves:
        needed = fee_at_most(
            terms.maker_rate, terms.taker_rate, <int64_t>order.price * leaves, terms.carry
        )
    balance_of(state, order).hold += needed - terms.held
    terms.held = needed


cdef inline void charge(
    State* state, const Order* order, bint is_maker, int64_t amount
) noexcept nogil:
    """One side of a fill pays for it, or is paid."""
    cdef FeeTerms* terms
    cdef int64_t carry
    if not order.flags & ORDER_HAS_FEES:
        return
    terms = fees_of(&state.pool, order)
    carry = terms.carry
    terms.last = rated(
        terms.maker_rate if is_maker else terms.taker_rate, amount, &carry
    )
    terms.carry = <uint32_t>carry
    balance_of(state, order).cash -= terms.last
    state.instruments[order.instrument_id].balances[terms.fee_account_id].cash += terms.last


cdef inline void charge_both(
    State* state, const Order* resting, const Order* incoming, int64_t amount
) noexcept nogil:
    """The fees of a match, the resting order's first; its hold becomes that of its leaves."""
    rare()
    charge(state, resting, True, amount)
    hold_fees(state, resting, resting.leaves)
    charge(state, incoming, False, amount)


cdef inline uint8_t apply_set_fees(State* state, const CommandRecord* command) noexcept nogil:
    """A schedule's rates, or which schedule an account has."""
    cdef const FeesRecord* record = <const FeesRecord*>command
    cdef FeeSchedule* schedule
    if record.account_id:
        if not has_account(state, record.account_id) or record.schedule_id > state.fee_count:
            return REJECT_UNKNOWN_ID
        if record.maker_rate or record.taker_rate or record.fee_account_id:
            return REJECT_BAD_VALUE
        state.accounts[record.account_id].fee_schedule = <uint8_t>record.schedule_id
        return REJECT_NONE
    if record.schedule_id == 0:
        return REJECT_UNKNOWN_ID
    if record.schedule_id > FEE_SCHEDULES_MAX:
        return REJECT_CAPACITY
    if record.schedule_id > state.fee_count + 1 or not has_account(state, record.fee_account_id):
        return REJECT_UNKNOWN_ID
    if (
        record.maker_rate > FEE_RATE_MAX or record.maker_rate < -FEE_RATE_MAX
        or record.taker_rate > FEE_RATE_MAX or record.taker_rate < -FEE_RATE_MAX
    ):
        return REJECT_BAD_VALUE
    if record.schedule_id > state.fee_count:
        state.fee_count = record.schedule_id
    schedule = &state.fees[record.schedule_id]
    schedule.maker_rate = record.maker_rate
    schedule.taker_rate = record.taker_rate
    schedule.fee_account_id = record.fee_account_id
    state.accounts[record.fee_account_id].may_owe = 1
    return REJECT_NONE
