"""Deposits, withdrawals and transfers: docs/rules.md, Money and shares.

Called by the dispatcher with the other administrative commands. Promises: a posting that is refused
changes nothing; a repeated one (same key, same content) changes nothing either and is no refusal.
The ring of keys takes the same memory whatever comes.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.ledger cimport Account, Position, position_find, position_make, within_money
from oms._core.machine cimport share_of
from oms._core.records cimport CommandRecord, DepositRecord
from oms._core.state cimport (
    Currency, KeyedPosting, State, has_account, has_currency, has_instrument, keyed_count,
)
from oms._core.types cimport (
    COMMAND_DEPOSIT_CASH, COMMAND_TRANSFER, MONEY_MAX, POSTING_KEYS_MAX, REJECT_AMOUNT_UNAVAILABLE,
    REJECT_BAD_VALUE, REJECT_CAPACITY, REJECT_NONE, REJECT_UNKNOWN_ID, REJECT_WRONG_KEY,
)


cdef inline uint8_t apply_posting(State* state, const CommandRecord* command) noexcept nogil:
    """DEPOSIT_CASH, DEPOSIT_SHARES or TRANSFER, once for each key."""
    cdef const DepositRecord* record = <const DepositRecord*>command
    cdef const KeyedPosting* known = keyed_find(state, record.key)
    cdef uint32_t currency_id = currency_of(record, command.kind)
    cdef uint8_t reason
    if known != NULL:
        if is_same(known, record, command.kind, currency_id):
            return REJECT_NONE
        return REJECT_WRONG_KEY
    if command.kind == COMMAND_TRANSFER:
        reason = transfer(state, record, currency_id)
    elif command.kind == COMMAND_DEPOSIT_CASH:
        reason = deposit_cash(state, record, currency_id)
    else:
        reason = deposit_shares(state, record)
    if reason == REJECT_NONE and record.key:
        keyed_add(state, record, command.kind, currency_id)
    return reason


cdef inline uint32_t currency_of(const DepositRecord* record, uint8_t kind) noexcept nogil:
    """As the record says; for money 0 is the first currency."""
    return (
        1 if is_money(kind, record.instrument_id) and record.currency_id == 0
        else record.currency_id
    )


cdef inline bint is_money(uint8_t kind, uint32_t instrument_id) noexcept nogil:
    return kind == COMMAND_DEPOSIT_CASH or (kind == COMMAND_TRANSFER and instrument_id == 0)


# ---- keys


cdef inline const KeyedPosting* keyed_find(const State* state, uint64_t key) noexcept nogil:
    """The posting that took the key; NULL: none that is remembered, or it is 0."""
    cdef uint32_t i
    if key:
        for i in range(keyed_count(state)):
            if state.keyed[i].key == key:
                return &state.keyed[i]
    return NULL


cdef inline bint is_same(
    const KeyedPosting* known, const DepositRecord* record, uint8_t kind, uint32_t currency_id
) noexcept nogil:
    return (
        known.kind == kind and known.account_id == record.account_id
        and known.instrument_id == record.instrument_id and known.amount == record.amount
        and known.to_account_id == record.to_account_id and known.cost == record.cost
        and known.currency_id == currency_id
    )


cdef inline void keyed_add(
    State* state, const DepositRecord* record, uint8_t kind, uint32_t currency_id
) noexcept nogil:
    """Into the next place: a new one, or that of the oldest."""
    cdef KeyedPosting* place = &state.keyed[state.keys_taken & (POSTING_KEYS_MAX - 1)]
    state.keys_taken += 1
    place.key = record.key
    place.kind = kind
    place.currency_id = <uint16_t>currency_id
    place.account_id = record.account_id
    place.instrument_id = record.instrument_id
    place.to_account_id = record.to_account_id
    place.amount = record.amount
    place.cost = record.cost


# ---- positions without a trade


cdef inline void carry_in(Position* position, int64_t shares, int64_t value) noexcept nogil:
    """Shares come that cost `value` all together; what closes a short has its part of it."""
    cdef int64_t short = -position.qty if position.qty < 0 else 0
    cdef int64_t closed = shares if shares < short else short
    cdef int64_t removed = share_of(position.cost, closed, short) if closed else 0
    cdef int64_t closed_for = share_of(value, closed, shares)
    position.qty += shares
    position.cost = within_money(position.cost - removed + value - closed_for)
    position.realised = within_money(position.realised - closed_for - removed)


cdef inline int64_t carry_out(Position* position, int64_t shares) noexcept nogil:
    """Shares leave a long position without a sale; their part of the cost, which goes along."""
    cdef int64_t removed = share_of(position.cost, shares, position.qty)
    position.qty -= shares
    position.cost -= removed
    return removed


cdef inline uint32_t position_for(
    State* state, uint32_t account_id, uint32_t instrument_id
) noexcept nogil:
    """The slot of the pair's position, a new one if need be; 0: there is no room."""
    cdef uint32_t slot = position_find(&state.positions, account_id, instrument_id)
    if slot == 0 and state.positions.count < state.positions.positions_max:
        slot = position_make(&state.positions, account_id, instrument_id)
    return slot


# ---- the postings


cdef inline uint8_t check_amount(
    int64_t amount, int64_t has, int64_t issued, int64_t available
) noexcept nogil:
    """A deposit of `amount` for who has `has`, of which `available` may be taken out."""
    if amount == 0:
        return REJECT_BAD_VALUE
    if amount > 0 and (amount > MONEY_MAX - has or amount > MONEY_MAX - issued):
        return REJECT_BAD_VALUE
    if amount < 0 and (available < 0 or amount < -available):
        return REJECT_AMOUNT_UNAVAILABLE
    return REJECT_NONE


cdef inline uint8_t deposit_cash(
    State* state, const DepositRecord* record, uint32_t currency_id
) noexcept nogil:
    cdef Currency* currency
    cdef Account* balance
    cdef uint8_t reason
    if not (has_account(state, record.account_id) and has_currency(state, currency_id)):
        return REJECT_UNKNOWN_ID
    if record.cost or record.to_account_id:
        return REJECT_BAD_VALUE
    currency = &state.currencies[currency_id]
    balance = &state.balances[currency_id][record.account_id]
    reason = check_amount(
        record.amount, balance.cash, currency.issued, balance.cash - balance.hold
    )
    if reason:
        return reason
    balance.cash += record.amount
    currency.issued += record.amount
    return REJECT_NONE


cdef inline bint is_cost_bad(const DepositRecord* record) noexcept nogil:
    return record.cost != 0 and (
        record.amount < 0 or record.cost < 0 or record.cost > MONEY_MAX
    )


cdef inline uint8_t deposit_shares(State* state, const DepositRecord* record) noexcept nogil:
    cdef Instrument* instrument
    cdef Position* position
    cdef uint32_t slot
    cdef uint8_t reason
    if not has_account(state, record.account_id):
        return REJECT_UNKNOWN_ID
    if not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_ID
    if record.to_account_id or record.currency_id or is_cost_bad(record):
        return REJECT_BAD_VALUE
    instrument = &state.instruments[record.instrument_id]
    slot = position_find(&state.positions, record.account_id, record.instrument_id)
    position = &state.positions.positions[slot]
    reason = check_amount(
        record.amount, position.qty, instrument.shares_issued, position.qty - position.held
    )
    if reason:
        return reason
    slot = position_for(state, record.account_id, record.instrument_id)
    if slot == 0:
        return REJECT_CAPACITY
    position = &state.positions.positions[slot]
    if record.amount > 0:
        carry_in(position, record.amount, record.cost)
    else:
        carry_out(position, -record.amount)
    instrument.shares_issued += record.amount
    return REJECT_NONE


cdef inline uint8_t transfer(
    State* state, const DepositRecord* record, uint32_t currency_id
) noexcept nogil:
    cdef Account* source
    cdef Account* target
    if not (has_account(state, record.account_id) and has_account(state, record.to_account_id)):
        return REJECT_UNKNOWN_ID
    if record.instrument_id and not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_ID
    if record.instrument_id == 0 and not has_currency(state, currency_id):
        return REJECT_UNKNOWN_ID
    if record.amount <= 0 or record.cost or record.account_id == record.to_account_id:
        return REJECT_BAD_VALUE
    if record.instrument_id:
        return transfer_shares(state, record)
    source = &state.balances[currency_id][record.account_id]
    target = &state.balances[currency_id][record.to_account_id]
    if record.amount > MONEY_MAX - target.cash:
        return REJECT_BAD_VALUE
    if record.amount > source.cash - source.hold:
        return REJECT_AMOUNT_UNAVAILABLE
    source.cash -= record.amount
    target.cash += record.amount
    return REJECT_NONE


cdef inline uint8_t transfer_shares(State* state, const DepositRecord* record) noexcept nogil:
    """The shares go with their part of the cost."""
    cdef uint32_t from_slot = position_find(
        &state.positions, record.account_id, record.instrument_id
    )
    cdef uint32_t to_slot = position_find(
        &state.positions, record.to_account_id, record.instrument_id
    )
    cdef Position* source = &state.positions.positions[from_slot]
    cdef Position* target = &state.positions.positions[to_slot]
    if record.currency_id:
        return REJECT_BAD_VALUE
    if record.amount > MONEY_MAX - target.qty:
        return REJECT_BAD_VALUE
    if record.amount > source.qty - source.held:
        return REJECT_AMOUNT_UNAVAILABLE
    to_slot = position_for(state, record.to_account_id, record.instrument_id)
    if to_slot == 0:
        return REJECT_CAPACITY
    target = &state.positions.positions[to_slot]
    carry_in(target, record.amount, carry_out(source, record.amount))
    return REJECT_NONE
