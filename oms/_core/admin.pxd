"""The audited commands that change who and what there is (docs/rules.md, Administration).

Called by the dispatcher, in genesis mode and for admitted commands. Each `apply_...` checks ids
first, then references, then values; it returns a RejectReason and has no effect unless it is NONE.
Promises: the only file that writes the directory.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument, Participant, User, is_blank
from oms._core.gate cimport instrument_gate, venue_gate
from oms._core.ledger cimport Account, Position, position_find, position_make
from oms._core.phases cimport collects, is_offered
from oms._core.records cimport (
    AccountRecord, CommandRecord, GenesisRecord, GrantRecord, InstrumentRecord, ParticipantRecord,
    SelfTradeRecord, SessionRecord, UserRecord,
)
from oms._core.risk_admin cimport open_limits
from oms._core.sessions cimport Session
from oms._core.state cimport (
    Capacities, State, add_event, grant_of, has_account, has_currency, has_instrument, state_open,
    trades_open,
)
from oms._core.tick_admin cimport has_orders, settle_grid
from oms._core.types cimport (
    ACCOUNTS_MAX, BPS, CURRENCIES_MAX, ENTITLED_ALL, GRANT_DISABLED, HARD_ORDERS_MAX,
    IDENTITY_FACTOR, INSTRUMENTS_MAX, OPTION_ALL, OUTCOME_WINDOW, PARTICIPANTS_MAX, POSITIONS_MAX,
    PRICE_MAX, PRICE_SCALE_MAX, PROTOCOL_ADMIN, PROTOCOL_OUCH, REJECT_BAD_VALUE, REJECT_CAPACITY,
    REJECT_DUPLICATE_ID, REJECT_NONE, REJECT_UNKNOWN_ID, SELF_TRADE_DECREMENT, SESSIONS_MAX,
    TRADES_MAX, USERS_MAX,
)
from oms._core.risk_types cimport (
    DUPLICATES_MAX, LIMITS_OF_SET_LIMITS, RISK_SCOPE_ACCOUNT, RISK_SCOPE_SESSION,
)


cdef inline bint is_within(uint32_t value, uint32_t bound) noexcept nogil:
    return value != 0 and value <= bound


cdef inline bint are_capacities_good(const Capacities* capacities) noexcept nogil:
    return (
        is_within(capacities.orders_max, HARD_ORDERS_MAX)
        and is_within(capacities.instruments_max, INSTRUMENTS_MAX * IDENTITY_FACTOR)
        and is_within(capacities.participants_max, PARTICIPANTS_MAX * IDENTITY_FACTOR)
        and is_within(capacities.accounts_max, ACCOUNTS_MAX * IDENTITY_FACTOR)
        and is_within(capacities.users_max, USERS_MAX * IDENTITY_FACTOR)
        and is_within(capacities.sessions_max, SESSIONS_MAX * IDENTITY_FACTOR)
        and is_within(capacities.positions_max, POSITIONS_MAX * IDENTITY_FACTOR)
        and is_within(capacities.duplicates_max, DUPLICATES_MAX * IDENTITY_FACTOR)
    )


cdef inline void apply_genesis(State* state, const CommandRecord* command) noexcept nogil:
    """Take memory and start counting the records that come unsigned; else no effect."""
    cdef const GenesisRecord* record = <const GenesisRecord*>command
    cdef Capacities capacities
    capacities.orders_max = record.orders_max
    capacities.instruments_max = record.instruments_max
    capacities.participants_max = record.participants_max
    capacities.accounts_max = record.accounts_max
    capacities.users_max = record.users_max
    capacities.sessions_max = record.sessions_max
    capacities.positions_max = record.positions_max
    capacities.duplicates_max = (
        record.duplicates_max if record.duplicates_max else DUPLICATES_MAX
    )
    if not are_capacities_good(&capacities):
        return
    if record.trades_max > TRADES_MAX or record.currencies_max > CURRENCIES_MAX:
        return
    state_open(state, &capacities)
    trades_open(state, record.trades_max)
    state.currencies_max = record.currencies_max if record.currencies_max else CURRENCIES_MAX
    state.numbers.has_genesis = 1
    state.numbers.cluster_id = record.cluster_id
    state.numbers.rule_version = record.rule_version
    state.numbers.genesis_left = record.records_following
    state.gate = venue_gate(state)


cdef inline uint8_t next_id(uint32_t id, uint32_t count, uint32_t maximum) noexcept nogil:
    """Whether `id` is the next free one."""
    if id != 0 and id <= count:
        return REJECT_DUPLICATE_ID
    if id == 0:
        return REJECT_UNKNOWN_ID
    if id > maximum:
        return REJECT_CAPACITY
    return REJECT_NONE if id == count + 1 else REJECT_UNKNOWN_ID


cdef inline bint are_terms_good(const InstrumentRecord* record) noexcept nogil:
    """The values that ADD_INSTRUMENT and SET_INSTRUMENT have in common."""
    return (
        record.lot_size >= 1
        and record.tick_size >= 1 and record.tick_size <= PRICE_MAX
        and record.reference_price >= 0 and record.reference_price <= PRICE_MAX
        and record.market_collar_bps >= 1 and record.market_collar_bps <= BPS
        and record.price_collar_bps <= BPS
    )


cdef inline void set_terms(State* state, const InstrumentRecord* record) noexcept nogil:
    cdef Instrument* instrument = &state.instruments[record.instrument_id]
    instrument.lot_size = record.lot_size
    instrument.tick_size = record.tick_size
    instrument.reference_price = record.reference_price
    instrument.price_collar_bps = record.price_collar_bps
    instrument.market_collar_bps = record.market_collar_bps
    settle_grid(state, record.instrument_id)


cdef inline uint8_t apply_add_instrument(
    State* state, const InstrumentRecord* record
) noexcept nogil:
    cdef Instrument* instrument
    cdef uint32_t currency_id = record.currency_id if record.currency_id else 1
    cdef uint32_t i
    cdef uint8_t reason = next_id(
        record.instrument_id, state.numbers.instrument_count, state.capacities.instruments_max
    )
    if reason:
        return reason
    if not has_currency(state, currency_id):
        return REJECT_UNKNOWN_ID
    if (
        not are_terms_good(record) or not is_offered(state, record.phase)
        or record.price_scale > PRICE_SCALE_MAX or is_blank(&record.symbol, 1)
    ):
        return REJECT_BAD_VALUE
    for i in range(1, record.instrument_id):
        if state.instruments[i].symbol == record.symbol:
            return REJECT_BAD_VALUE
    instrument = &state.instruments[record.instrument_id]
    state.numbers.instrument_count += 1
    instrument.currency_id = <uint8_t>currency_id
    instrument.balances = state.balances[currency_id]
    set_terms(state, record)
    instrument.phase = record.phase
    instrument.is_crossable = collects(state, record.phase)
    instrument.gate = instrument_gate(instrument)
    instrument.price_scale = record.price_scale
    instrument.symbol = record.symbol
    return REJECT_NONE


cdef inline uint8_t apply_set_instrument(
    State* state, const InstrumentRecord* record
) noexcept nogil:
    cdef Instrument* instrument
    if not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_ID
    instrument = &state.instruments[record.instrument_id]
    if not are_terms_good(record):
        return REJECT_BAD_VALUE
    if record.currency_id and record.currency_id != instrument.currency_id:
        return REJECT_BAD_VALUE
    if record.tick_size != instrument.tick_size and has_orders(state, record.instrument_id):
        return REJECT_BAD_VALUE
    if record.reference_price != instrument.reference_price:
        state.calls.calls[record.instrument_id].band_reference = 0
    set_terms(state, record)
    return REJECT_NONE


cdef inline uint8_t apply_add_participant(
    State* state, const ParticipantRecord* record
) noexcept nogil:
    cdef Participant* participant
    cdef uint8_t reason = next_id(
        record.participant_id, state.numbers.participant_count,
        state.capacities.participants_max,
    )
    if reason:
        return reason
    state.numbers.participant_count += 1
    participant = &state.participants[record.participant_id]
    participant.name[0] = record.name[0]
    participant.name[1] = record.name[1]
    return REJECT_NONE


cdef inline bint are_limits_good(const AccountRecord* record) noexcept nogil:
    return (
        record.max_order_qty >= 0 and record.max_order_value >= 0
        and record.long_limit >= 0 and record.short_limit >= 0
    )


cdef inline void set_limits(Account* account, const AccountRecord* record) noexcept nogil:
    account.max_order_qty = record.max_order_qty
    account.max_order_value = record.max_order_value
    account.long_limit = record.long_limit
    account.short_limit = record.short_limit


cdef inline uint8_t apply_add_account(State* state, const AccountRecord* record) noexcept nogil:
    cdef uint64_t firm = record.firm
    cdef uint32_t i
    cdef uint8_t reason = next_id(
        record.account_id, state.numbers.account_count, state.capacities.accounts_max
    )
    if reason:
        return reason
    if not is_within(record.participant_id, state.numbers.participant_count):
        return REJECT_UNKNOWN_ID
    if not are_limits_good(record) or is_blank(&firm, 1):
        return REJECT_BAD_VALUE
    for i in range(1, record.account_id):
        if state.accounts[i].firm == record.firm:
            return REJECT_BAD_VALUE
    state.numbers.account_count += 1
    state.accounts[record.account_id].participant_id = <uint16_t>record.participant_id
    state.accounts[record.account_id].firm = record.firm
    set_limits(&state.accounts[record.account_id], record)
    open_limits(state, RISK_SCOPE_ACCOUNT, record.account_id)
    return REJECT_NONE


cdef inline uint8_t apply_set_limits(State* state, const AccountRecord* record) noexcept nogil:
    if not has_account(state, record.account_id):
        return REJECT_UNKNOWN_ID
    if not are_limits_good(record):
        return REJECT_BAD_VALUE
    set_limits(&state.accounts[record.account_id], record)
    state.account_limits[record.account_id].own |= LIMITS_OF_SET_LIMITS
    return REJECT_NONE


cdef inline uint8_t apply_set_self_trade(
    State* state, const SelfTradeRecord* record
) noexcept nogil:
    if not has_account(state, record.account_id):
        return REJECT_UNKNOWN_ID
    if record.mode > SELF_TRADE_DECREMENT:
        return REJECT_BAD_VALUE
    state.groups[record.account_id] = record.group
    state.accounts[record.account_id].self_trade = record.mode
    return REJECT_NONE


cdef inline uint8_t apply_add_user(State* state, const UserRecord* record) noexcept nogil:
    cdef User* user
    cdef uint32_t i
    cdef uint8_t reason = next_id(
        record.user_id, state.numbers.user_count, state.capacities.users_max
    )
    if reason:
        return reason
    if not is_within(record.participant_id, state.numbers.participant_count):
        return REJECT_UNKNOWN_ID
    if is_blank(record.name, 2):
        return REJECT_BAD_VALUE
    for i in range(1, record.user_id):
        if (
            state.users[i].name[0] == record.name[0]
            and state.users[i].name[1] == record.name[1]
        ):
            return REJECT_BAD_VALUE
    state.numbers.user_count += 1
    user = &state.users[record.user_id]
    user.participant_id = record.participant_id
    for i in range(2):
        user.name[i] = record.name[i]
        user.salt[i] = record.salt[i]
    for i in range(4):
        user.key_hash[i] = record.key_hash[i]
    return REJECT_NONE


cdef inline uint8_t apply_open_session(State* state, const SessionRecord* record) noexcept nogil:
    cdef Session* session
    cdef uint8_t reason = next_id(
        record.opened_session_id, state.numbers.session_count, state.capacities.sessions_max
    )
    if reason:
        return reason
    if not is_within(record.user_id, state.numbers.user_count):
        return REJECT_UNKNOWN_ID
    if record.default_account_id and not has_account(state, record.default_account_id):
        return REJECT_UNKNOWN_ID
    if record.protocol < PROTOCOL_OUCH or record.protocol > PROTOCOL_ADMIN:
        return REJECT_BAD_VALUE
    if record.options > OPTION_ALL:
        return REJECT_BAD_VALUE
    state.numbers.session_count += 1
    session = &state.sessions[record.opened_session_id]
    session.user_id = <uint16_t>record.user_id
    session.protocol = record.protocol
    session.options = record.options
    session.default_account_id = record.default_account_id
    session.window = &state.windows[<size_t>record.opened_session_id * OUTCOME_WINDOW]
    open_limits(state, RISK_SCOPE_SESSION, record.opened_session_id)
    return REJECT_NONE


cdef inline uint8_t apply_grant(State* state, const GrantRecord* record) noexcept nogil:
    cdef uint8_t* grant
    cdef uint8_t keeps
    if not is_within(record.user_id, state.numbers.user_count):
        return REJECT_UNKNOWN_ID
    if record.account_id and not has_account(state, record.account_id):
        return REJECT_UNKNOWN_ID
    if record.entitlements > ENTITLED_ALL:
        return REJECT_BAD_VALUE
    grant = grant_of(state, record.user_id, record.account_id)
    keeps = grant[0] & GRANT_DISABLED if record.entitlements else 0
    grant[0] = <uint8_t>record.entitlements | keeps
    return REJECT_NONE
