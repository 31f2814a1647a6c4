"""The whole state of the engine as one C structure, taken at genesis and given back at the end.

Called by every part below. Promises: nothing here is an address that matters: a snapshot is made
of ids, slots and numbers. Arrays take memory only where they are touched.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from oms._core.calls cimport Call, Calls, calls_close, calls_open
from oms._core.chain_table cimport ChainTable, chain_close, chain_open
from oms._core.directory cimport Instrument, Participant, User
from oms._core.event_buffer cimport EventBuffer, buffer_add, buffer_close, buffer_take
from oms._core.ladder cimport ladder_close
from oms._core.ledger cimport Account, PositionPool, positions_close, positions_open
from oms._core.limits cimport Limits, Recent
from oms._core.machine cimport release_pages, take_pages
from oms._core.order_book cimport Book, LevelPool, levels_close, levels_open
from oms._core.order_pool cimport Order, OrderPool, pool_close, pool_open
from oms._core.peg_list cimport Pegs, pegs_close, pegs_open
from oms._core.records cimport EventRecord, TickRow
from oms._core.sessions cimport Session
from oms._core.timers cimport TimerHeap, timers_close, timers_open
from oms._core.triggers cimport Triggers, triggers_close, triggers_open
from oms._core.types cimport (
    CURRENCIES_MAX, CURRENCY_RATE_ONE, ENTITLED_ENTER, EVENT_BYTES, MASS_CANCELS_MAX,
    OUTCOME_WINDOW, FEE_SCHEDULES_MAX, POSTING_KEYS_MAX, TICK_ROWS_MAX, TICK_TABLES_MAX,
)

cdef struct Capacities:
    uint32_t orders_max
    uint32_t instruments_max
    uint32_t participants_max
    uint32_t accounts_max
    uint32_t users_max
    uint32_t sessions_max
    uint32_t positions_max
    uint32_t duplicates_max

# The venue's single numbers; a snapshot holds them as they stand here.
cdef struct Numbers:
    uint64_t applied_index
    int64_t last_timestamp
    uint64_t event_seq
    uint64_t order_id  # the last one given
    uint64_t match_id  # the last one given
    int64_t midnight_ns
    uint64_t cluster_id
    int64_t reserved  # in snapshots before version 4: cash issued
    uint64_t lanes[4]  # the digest's
    uint32_t trading_date
    uint32_t sweep_slot  # 0: no sweep
    uint32_t rule_version
    uint32_t genesis_left
    uint32_t is_day_open
    uint32_t has_genesis
    uint32_t instrument_count
    uint32_t participant_count
    uint32_t account_count
    uint32_t user_count
    uint32_t session_count
    uint32_t is_killed  # no new orders at all

# Work on many orders (mass_cancel): which ones, 0 for any, and how far it has come. 64 bytes.
cdef struct CancelTask:
    uint64_t last_order_id  # younger orders are not meant
    uint64_t client_seq  # of the command, with who sent it
    uint32_t of_session_id
    uint32_t of_account_id
    uint32_t of_instrument_id
    uint32_t next_slot
    uint32_t last_slot
    uint32_t asked_by  # session_id; 0: genesis mode, or a disconnect
    uint32_t conn_epoch
    uint32_t user_ref_num
    uint32_t canceled
    uint8_t side
    uint8_t is_admin
    uint8_t is_disconnect  # instead of all that: orders of sessions that are not logged in
    uint8_t breach  # of those only the ones that a restriction (1) or limit (2) refuses now
    uint8_t reserved[8]

cdef enum:
    TASKS_MAX = MASS_CANCELS_MAX + 2  # at most two of a disconnect: one begun, one not

cdef struct Tasks:
    CancelTask tasks[TASKS_MAX]  # oldest first
    uint32_t count
    uint32_t slots_left  # of this entry's work; no part of the state
    uint32_t cancels_left

# A deposit or transfer that had a key. 40 bytes.
cdef struct KeyedPosting:
    uint64_t key
    int64_t amount
    int64_t cost
    uint32_t account_id
    uint32_t instrument_id
    uint32_t to_account_id
    uint16_t kind
    uint16_t currency_id  # of money, never 0

# What the orders of an account pay of each fill, in 10^-7 of its value; below zero: are paid.
cdef struct FeeSchedule:
    int32_t maker_rate
    int32_t taker_rate
    uint32_t fee_account_id  # who gets it, or pays it
    uint32_t reserved

# Money of one kind. 24 bytes.
cdef struct Currency:
    uint64_t code  # three letters as sent; 0: none, as the first may have
    int64_t rate  # 10^-8 of the first currency
    int64_t issued  # deposits less withdrawals

# Orders of the day before that are to be restated: those with a public number up to `up_to`.
cdef struct Restating:
    uint64_t up_to  # 0: none
    uint64_t last_number  # the last one given of those that were set aside for them
    uint32_t instrument_id  # from here on: where to go on looking; no part of the state
    uint32_t which  # of its ladders
    uint32_t key  # of the level
    uint32_t reserved

# What one side of a trade was; whose turn it was does not matter any more. 40 bytes.
cdef struct TradeSide:
    uint64_t order_id
    int64_t fee
    uint32_t fee_account_id  # 0: no fee
    uint32_t account_id
    uint32_t user_ref_num
    uint32_t session_id
    uint32_t side
    uint32_t reserved

# A trade that may be taken back. 112 bytes.
cdef struct TradeRecord:
    uint64_t match_id
    int64_t price
    uint32_t qty
    uint32_t instrument_id
    uint32_t is_busted
    uint32_t reserved
    TradeSide sides[2]  # the buy, the sale

# Which prices are valid: rows by price, the first from 0.
cdef struct TickTable:
    uint64_t name  # 8 bytes as sent
    uint64_t row_count
    TickRow rows[TICK_ROWS_MAX]  # behind the last one zeros

cdef struct State:
    Numbers numbers
    uint32_t gate  # gate.pxd
    EventBuffer buffer
    uint32_t other_commands  # of this entry, that are not about orders; no state
    OrderPool pool
    ChainTable index  # (session_id, user_ref_num) -> order slot
    LevelPool levels
    PositionPool positions
    Instrument* instruments  # by id
    Book* hidden_books  # by instrument id
    Session* sessions
    Account* accounts
    Limits* account_limits  # by id; 0: the default, as accounts[0] is of SET_LIMITS' four
    Limits* session_limits  # by id; 0: the default
    Recent* recents  # a ring of duplicates_max for each account
    uint32_t* groups  # by account_id: accounts of one group are one owner; 0: it alone
    uint8_t* grants  # user_id x (accounts_max + 1) + account_id -> Entitlement bits
    Participant* participants
    User* users
    uint64_t* windows  # sessions_max + 1 windows
    Capacities capacities
    TimerHeap timers
    Restating restating
    Triggers triggers
    Pegs pegs
    Tasks work
    KeyedPosting* keyed  # the last POSTING_KEYS_MAX, a ring
    uint64_t keys_taken
    Calls calls
    FeeSchedule fees[FEE_SCHEDULES_MAX + 1]  # by schedule_id; 0: none
    uint32_t fee_count
    uint32_t currency_count
    uint32_t currencies_max
    Currency currencies[CURRENCIES_MAX + 1]  # by id
    Account* balances[CURRENCIES_MAX + 1]  # by currency, then account id; the first are `accounts`
    int64_t held_limit  # how far the order that the band holds wants to go; no state
    uint32_t stopped_id  # instrument in which the band has stopped an order; no state
    uint32_t trades_max  # places of the ring; 0: no trade can be taken back
    TradeRecord* trades  # by match_id mod trades_max
    uint64_t day_match_id  # the last one of the days before
    TickTable tick_tables[TICK_TABLES_MAX + 1]  # by table_id; 0: none
    uint32_t tick_table_count


cdef inline size_t grants_size(const State* state) noexcept nogil:
    return (
        (<size_t>state.capacities.users_max + 1) * (<size_t>state.capacities.accounts_max + 1)
    )


cdef inline size_t windows_size(const State* state) noexcept nogil:
    return (<size_t>state.capacities.sessions_max + 1) * OUTCOME_WINDOW * sizeof(uint64_t)


cdef inline size_t recents_size(const State* state) noexcept nogil:
    return (
        (<size_t>state.capacities.accounts_max + 1) * state.capacities.duplicates_max
        * sizeof(Recent)
    )


cdef inline void state_clear(State* state) noexcept nogil:
    """An engine before its genesis."""
    memset(state, 0, sizeof(State))
    state.numbers.lanes[0] = 1
    state.numbers.lanes[1] = 2
    state.numbers.lanes[2] = 3
    state.numbers.lanes[3] = 4


cdef inline void state_open(State* state, const Capacities* capacities) noexcept nogil:
    """Take the memory a genesis asks for."""
    state.capacities = capacities[0]
    pool_open(&state.pool, capacities.orders_max)
    timers_open(&state.timers, capacities.orders_max)
    calls_open(&state.calls, capacities.instruments_max, capacities.orders_max)
    triggers_open(&state.triggers, capacities.orders_max, capacities.instruments_max)
    pegs_open(&state.pegs, capacities.orders_max, capacities.instruments_max)
    levels_open(&state.levels, capacities.orders_max)
    positions_open(&state.positions, capacities.positions_max)
    chain_open(&state.index, capacities.orders_max)
    state.instruments = <Instrument*>take_pages(
        (<size_t>capacities.instruments_max + 1) * sizeof(Instrument)
    )
    state.hidden_books = <Book*>take_pages(
        (<size_t>capacities.instruments_max + 1) * sizeof(Book)
    )
    state.sessions = <Session*>take_pages(
        (<size_t>capacities.sessions_max + 1) * sizeof(Session)
    )
    state.accounts = <Account*>take_pages(
        (<size_t>capacities.accounts_max + 1) * sizeof(Account)
    )
    state.balances[1] = state.accounts
    state.currency_count = 1
    state.currencies[1].rate = CURRENCY_RATE_ONE
    state.accounts[0].max_order_qty = INT64_MAX
    state.accounts[0].max_order_value = INT64_MAX
    state.accounts[0].long_limit = INT64_MAX
    state.account_limits = <Limits*>take_pages(
        (<size_t>capacities.accounts_max + 1) * sizeof(Limits)
    )
    state.session_limits = <Limits*>take_pages(
        (<size_t>capacities.sessions_max + 1) * sizeof(Limits)
    )
    state.recents = <Recent*>take_pages(recents_size(state))
    state.groups = <uint32_t*>take_pages(
        (<size_t>capacities.accounts_max + 1) * sizeof(uint32_t)
    )
    state.participants = <Participant*>take_pages(
        (<size_t>capacities.participants_max + 1) * sizeof(Participant)
    )
    state.users = <User*>take_pages((<size_t>capacities.users_max + 1) * sizeof(User))
    state.grants = <uint8_t*>take_pages(grants_size(state))
    state.windows = <uint64_t*>take_pages(windows_size(state))
    state.keyed = <KeyedPosting*>take_pages(POSTING_KEYS_MAX * sizeof(KeyedPosting))


cdef inline size_t accounts_size(const State* state) noexcept nogil:
    return (<size_t>state.capacities.accounts_max + 1) * sizeof(Account)


cdef inline void balances_open(State* state, uint32_t currency_id) noexcept nogil:
    """Take the memory for what all accounts may have of one more currency."""
    state.balances[currency_id] = <Account*>take_pages(accounts_size(state))
    state.currency_count = currency_id


cdef inline void trades_open(State* state, uint32_t trades_max) noexcept nogil:
    """Take the memory for trades that may be taken back."""
    state.trades_max = trades_max
    if trades_max:
        state.trades = <TradeRecord*>take_pages(trades_max * sizeof(TradeRecord))


cdef inline void state_close(State* state) noexcept nogil:
    """Give everything back; the state is as `state_clear` leaves it."""
    cdef uint32_t i
    buffer_close(&state.buffer)
    if state.instruments != NULL:
        for i in range(1, state.numbers.instrument_count + 1):
            ladder_close(&state.instruments[i].book.ladders[0])
            ladder_close(&state.instruments[i].book.ladders[1])
            ladder_close(&state.hidden_books[i].ladders[0])
            ladder_close(&state.hidden_books[i].ladders[1])
        pool_close(&state.pool)
        timers_close(&state.timers)
        calls_close(&state.calls)
        triggers_close(&state.triggers, state.numbers.instrument_count)
        pegs_close(&state.pegs)
        levels_close(&state.levels)
        positions_close(&state.positions)
        chain_close(&state.index)
        release_pages(
            state.instruments,
            (<size_t>state.capacities.instruments_max + 1) * sizeof(Instrument),
        )
        release_pages(
            state.hidden_books, (<size_t>state.capacities.instruments_max + 1) * sizeof(Book)
        )
        release_pages(
            state.sessions, (<size_t>state.capacities.sessions_max + 1) * sizeof(Session)
        )
        for i in range(1, state.currency_count + 1):
            release_pages(state.balances[i], accounts_size(state))
        release_pages(
            state.account_limits,
            (<size_t>state.capacities.accounts_max + 1) * sizeof(Limits),
        )
        release_pages(
            state.session_limits,
            (<size_t>state.capacities.sessions_max + 1) * sizeof(Limits),
        )
        release_pages(state.recents, recents_size(state))
        release_pages(
            state.groups, (<size_t>state.capacities.accounts_max + 1) * sizeof(uint32_t)
        )
        release_pages(
            state.participants,
            (<size_t>state.capacities.participants_max + 1) * sizeof(Participant),
        )
        release_pages(state.users, (<size_t>state.capacities.users_max + 1) * sizeof(User))
        release_pages(state.grants, grants_size(state))
        release_pages(state.windows, windows_size(state))
        release_pages(state.keyed, POSTING_KEYS_MAX * sizeof(KeyedPosting))
        release_pages(state.trades, state.trades_max * sizeof(TradeRecord))
    state_clear(state)


cdef inline Session* session_of(State* state, uint32_t session_id) noexcept nogil:
    """The session with that id; NULL: there is none."""
    if session_id == 0 or session_id > state.numbers.session_count:
        return NULL
    return &state.sessions[session_id]


cdef inline Recent* ring_of(const State* state, uint32_t account_id) noexcept nogil:
    """Where the account's recent orders stand."""
    return &state.recents[<size_t>account_id * state.capacities.duplicates_max]


cdef inline bint has_account(const State* state, uint32_t account_id) noexcept nogil:
    return account_id != 0 and account_id <= state.numbers.account_count


cdef inline bint has_currency(const State* state, uint32_t currency_id) noexcept nogil:
    return currency_id != 0 and currency_id <= state.currency_count


cdef inline Account* balance_of(const State* state, const Order* order) noexcept nogil:
    """What the order's account has of the currency in which its instrument is settled."""
    return &state.instruments[order.instrument_id].balances[order.account_id]


cdef inline bint has_instrument(const State* state, uint32_t instrument_id) noexcept nogil:
    return instrument_id != 0 and instrument_id <= state.numbers.instrument_count


cdef inline uint8_t* grant_of(
    const State* state, uint32_t user_id, uint32_t account_id
) noexcept nogil:
    """The bits of an existing user for an existing account, or for account 0, the venue."""
    return &state.grants[
        <size_t>user_id * (<size_t>state.capacities.accounts_max + 1) + account_id
    ]


cdef inline bint may_enter(
    const State* state, const Session* session, uint32_t account_id
) noexcept nogil:
    """Whether the account exists and the session's user may enter orders for it."""
    return (
        has_account(state, account_id)
        and grant_of(state, session.user_id, account_id)[0] & ENTITLED_ENTER
    )


cdef inline uint32_t keyed_count(const State* state) noexcept nogil:
    """Places of the ring that hold a posting: 0 .. count - 1."""
    return <uint32_t>min(state.keys_taken, <uint64_t>POSTING_KEYS_MAX)


cdef inline void touch(State* state, uint32_t instrument_id) noexcept nogil:
    """A book that collects orders has changed: what would trade is said when the entry is over."""
    cdef Call* call = &state.calls.calls[instrument_id]
    if call.touched_in == state.numbers.applied_index + 1:
        return
    call.touched_in = state.numbers.applied_index + 1
    state.calls.touched[state.calls.touched_count] = instrument_id
    state.calls.touched_count += 1


cdef inline uint64_t* add_words(State* state) noexcept nogil:
    """A new event with number and time; the caller writes its other words, every one."""
    cdef uint64_t* words = <uint64_t*>buffer_take(&state.buffer)
    state.numbers.event_seq += 1
    words[1] = state.numbers.event_seq
    words[4] = <uint64_t>state.numbers.last_timestamp
    return words


cdef inline EventRecord* add_event(State* state, uint8_t kind) noexcept nogil:
    """A new event with kind, number and time; everything else is zero."""
    cdef EventRecord* event = buffer_add(&state.buffer)
    state.numbers.event_seq += 1
    event.kind = kind
    event.event_seq = state.numbers.event_seq
    event.timestamp_ns = state.numbers.last_timestamp
    return event
