"""Bytes of a snapshot -> state; every number is checked before it is used as an index.

Called by the engine class. Promises: reads within the bytes it is given; answers False for
anything that `snapshot.pxd` would not have written, and then the caller drops the half-built state.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from oms._core.admin cimport are_capacities_good, is_within
from oms._core.directory cimport FOLLOWED_BY_STOPS, Instrument, price_key
from oms._core.gate cimport set_gates
from oms._core.hidden cimport hidden_link
from oms._core.ledger cimport Account, ledger_hold, position_find, position_make
from oms._core.machine cimport INVARIANT
from oms._core.order_book cimport book_link
from oms._core.order_index cimport index_add, index_find
from oms._core.order_pool cimport (
    ORDER_FLAGS, ORDER_HAS_FEES, ORDER_HAS_PUBLIC_ID, ORDER_HAS_RESERVE, ORDER_HIDDEN,
    ORDER_MARKET, ORDER_ON_AUCTION, ORDER_PEG, ORDER_STOP, Order, Reserve, has_time, is_lasting,
)
from oms._core.reader cimport Reader, expect, get, get_block, get_money, get_up_to
from oms._core.restore_calls cimport read_calls
from oms._core.restate cimport look_from_start
from oms._core.restore_pegs cimport read_peg, read_pegs
from oms._core.restore_money cimport (
    read_currencies, read_fee_terms, read_fees, read_keyed, read_trades,
)
from oms._core.sessions cimport Session, session_oldest
from oms._core.snapshot cimport (
    SNAPSHOT_HEADER_WORDS, SNAPSHOT_MAGIC, SNAPSHOT_VERSION, SNAPSHOT_VERSION_OLDEST, checksum,
)
from oms._core.mass_cancel cimport is_scope
from oms._core.state cimport (
    CancelTask, Capacities, Numbers, State, TASKS_MAX, TickTable, balance_of, grant_of, state_open,
)
from oms._core.restore_limits cimport read_limits
from oms._core.stop_terms cimport is_stop, is_trailing
from oms._core.tick_admin cimport are_rows_good, settle_grid
from oms._core.timers cimport timer_add
from oms._core.triggers cimport Stop, park, queue_add, set_waiting, trailing_add
from oms._core.types cimport (
    BPS, ENTITLED_ALL, GRANT_DISABLED, MASS_CANCELS_MAX, OPTION_ALL, ORDER_QTY_MAX,
    OUTCOME_WINDOW, PHASE_CLOSED, PHASE_PRE_OPEN, PRICE_MAX, PRICE_SCALE_MAX, PROTOCOL_ADMIN,
    PROTOCOL_OUCH, SELF_TRADE_DECREMENT, SIDE_BUY, SIDE_SELL, SIDE_SELL_SHORT,
    SIDE_SELL_SHORT_EXEMPT, TICK_ROWS_MAX, TICK_TABLES_MAX, TIF_AT_THE_CLOSE, TIF_AT_THE_OPEN,
    TIF_DAY, TIMESTAMP_MAX, TRIGGER_BEST_PRICE,
)
from oms._core.risk_types cimport DUPLICATES_MAX, RESTRICTION_ALL
from oms._core.walk cimport broken_promise

cdef inline bint is_snapshot(const uint64_t* words, uint64_t size) noexcept nogil:
    """Whether `size` bytes are a snapshot of a version that is read here, by its checksum."""
    cdef uint64_t count = size // sizeof(uint64_t)
    return (
        size % sizeof(uint64_t) == 0
        and size >= SNAPSHOT_HEADER_WORDS * sizeof(uint64_t) + sizeof(Numbers)
        and words[0] == SNAPSHOT_MAGIC
        and words[1] >= SNAPSHOT_VERSION_OLDEST and words[1] <= SNAPSHOT_VERSION
        and words[2] == count
        and words[3] == checksum(words, count)
    )


cdef inline bint read_snapshot(
    State* state, const uint64_t* words, uint64_t size
) noexcept nogil:
    """Build a cleared state from a snapshot; False: it is none, and `state` is to be closed."""
    cdef Reader reader
    cdef Capacities capacities
    if not is_snapshot(words, size):
        return False
    reader.words = words
    reader.at = SNAPSHOT_HEADER_WORDS
    reader.count = size // sizeof(uint64_t)
    reader.version = words[1]
    reader.is_sound = True
    get_block(&reader, &state.numbers, sizeof(Numbers))
    if not state.numbers.has_genesis:
        return reader.is_sound and reader.at == reader.count
    get_block(&reader, &capacities, sizeof(Capacities))
    if reader.is_sound and capacities.duplicates_max == 0:
        capacities.duplicates_max = DUPLICATES_MAX  # as before there were any
    if not (reader.is_sound and are_capacities_good(&capacities)):
        return False
    if not are_numbers_good(&state.numbers, &capacities):
        return False
    state_open(state, &capacities)
    read_currencies(state, &reader)
    if not reader.is_sound:
        return False
    read_instruments(state, &reader)
    read_parties(state, &reader)
    if reader.is_sound:
        read_sessions(state, &reader)
    if reader.is_sound:
        read_positions(state, &reader)
    if reader.is_sound:
        read_orders(state, &reader)
    if reader.is_sound and reader.version >= 2:
        read_tasks(state, &reader)
    if reader.is_sound and reader.version >= 3:
        read_keyed(state, &reader)
        read_fees(state, &reader)
        read_trades(state, &reader)
    if reader.is_sound and reader.version >= 3:
        read_calls(state, &reader)
    if reader.is_sound and reader.version >= 4:
        read_pegs(state, &reader)
    if reader.is_sound:
        read_limits(state, &reader)
    if reader.is_sound and reader.version >= 3:
        state.restating.up_to = get_up_to(&reader, state.numbers.order_id)
        state.restating.last_number = get_up_to(&reader, state.numbers.order_id)
        look_from_start(state)
    set_gates(state)
    return reader.is_sound and reader.at == reader.count and broken_promise(state) == 0


cdef inline bint are_numbers_good(
    const Numbers* numbers, const Capacities* capacities
) noexcept nogil:
    return (
        numbers.has_genesis == 1 and numbers.is_day_open <= 1 and numbers.is_killed <= 1
        and numbers.instrument_count <= capacities.instruments_max
        and numbers.participant_count <= capacities.participants_max
        and numbers.account_count <= capacities.accounts_max
        and numbers.user_count <= capacities.users_max
        and numbers.session_count <= capacities.sessions_max
    )


cdef inline void read_tick_tables(State* state, Reader* reader) noexcept nogil:
    cdef const TickTable* table
    cdef uint32_t i
    state.tick_table_count = <uint32_t>get_up_to(reader, TICK_TABLES_MAX)
    get_block(reader, &state.tick_tables[1], state.tick_table_count * sizeof(TickTable))
    for i in range(1, state.tick_table_count + 1):
        table = &state.tick_tables[i]
        expect(reader, 1 <= table.row_count <= TICK_ROWS_MAX)
        if not reader.is_sound or not are_rows_good(table):
            reader.is_sound = False
            state.tick_table_count = 0


cdef inline void read_instruments(State* state, Reader* reader) noexcept nogil:
    cdef Instrument* instrument
    cdef uint64_t tick
    cdef uint32_t i
    if reader.version >= 4:
        read_tick_tables(state, reader)
    for i in range(1, state.numbers.instrument_count + 1):
        instrument = &state.instruments[i]
        instrument.symbol = get(reader)
        instrument.last_price = <int64_t>get_up_to(reader, 2 * <uint64_t>PRICE_MAX)
        instrument.reference_price = <int64_t>get_up_to(reader, PRICE_MAX)
        tick = get_up_to(reader, PRICE_MAX)
        expect(reader, tick >= 1)
        instrument.tick_size = <int64_t>tick if tick else 1
        instrument.topic_seq = get(reader)
        instrument.lot_size = <uint32_t>get_up_to(reader, 0xFFFFFFFF)
        expect(reader, instrument.lot_size >= 1)
        instrument.price_collar_bps = <uint32_t>get_up_to(reader, BPS)
        instrument.market_collar_bps = <uint32_t>get_up_to(reader, BPS)
        instrument.phase = <uint8_t>get_up_to(reader, PHASE_CLOSED)
        expect(reader, instrument.phase >= PHASE_PRE_OPEN)
        instrument.price_scale = <uint8_t>get_up_to(reader, PRICE_SCALE_MAX)
        instrument.currency_id = 1
        if reader.version >= 4:
            instrument.currency_id = <uint8_t>get_up_to(reader, state.currency_count)
            expect(reader, instrument.currency_id != 0)
        instrument.balances = state.balances[instrument.currency_id]
        instrument.shares_issued = <int64_t>get(reader)
        if reader.version >= 2:
            instrument.is_killed = <uint8_t>get_up_to(reader, 1)
        if reader.version >= 3:
            instrument.restriction = <uint8_t>get_up_to(reader, RESTRICTION_ALL)
        if reader.version >= 4:
            instrument.tick_table = <uint8_t>get_up_to(reader, state.tick_table_count)
        settle_grid(state, i)
        state.triggers.watches[i].seen = <uint32_t>instrument.last_price
        if reader.version >= 3:
            state.triggers.watches[i].low = <uint32_t>get_up_to(reader, PRICE_MAX)
            state.triggers.watches[i].high = <uint32_t>get_up_to(reader, PRICE_MAX)
            state.triggers.watches[i].base = <uint32_t>get_up_to(reader, PRICE_MAX)


cdef inline void read_parties(State* state, Reader* reader) noexcept nogil:
    """Participants, accounts, users and grants."""
    cdef uint64_t grant
    cdef uint32_t currency
    cdef uint32_t i
    for i in range(1, state.numbers.participant_count + 1):
        get_block(reader, &state.participants[i], sizeof(state.participants[i]))
    for i in range(1, state.numbers.account_count + 1):
        read_account(reader, &state.accounts[i])
        if reader.version >= 2:
            state.groups[i] = <uint32_t>get_up_to(reader, 0xFFFFFFFF)
        for currency in range(2, state.currency_count + 1):
            state.balances[currency][i].cash = <int64_t>get(reader)
    for i in range(1, state.numbers.user_count + 1):
        get_block(reader, &state.users[i], sizeof(state.users[i]))
        grant = get(reader)
        while grant:
            expect(reader, grant >> 32 <= state.numbers.account_count)
            expect(reader, is_within(<uint32_t>grant & ~GRANT_DISABLED, ENTITLED_ALL))
            if not reader.is_sound:
                return
            grant_of(state, i, <uint32_t>(grant >> 32))[0] = <uint8_t>grant
            grant = get(reader)


cdef inline void read_account(Reader* reader, Account* account) noexcept nogil:
    cdef uint64_t word
    account.cash = <int64_t>get(reader)
    get(reader)  # the hold grows again with the orders
    account.topic_seq = get(reader)
    account.max_order_qty = <int64_t>get(reader)
    account.max_order_value = <int64_t>get(reader)
    account.long_limit = <int64_t>get(reader)
    account.short_limit = <int64_t>get(reader)
    word = get(reader)
    account.participant_id = <uint16_t>word
    account.self_trade = <uint8_t>(word >> 16)
    account.is_killed = <uint8_t>(word >> 24)
    account.firm = <uint32_t>(word >> 32)
    expect(reader, account.self_trade <= SELF_TRADE_DECREMENT and account.is_killed <= 1)
    if reader.version >= 3:
        word = get_up_to(reader, 0x1FF)
        account.fee_schedule = <uint8_t>word
        account.may_owe = <uint8_t>(word >> 8)


cdef inline void read_sessions(State* state, Reader* reader) noexcept nogil:
    cdef Session* session
    cdef uint64_t seq
    cdef uint32_t i
    for i in range(1, state.numbers.session_count + 1):
        session = &state.sessions[i]
        session.window = &state.windows[<size_t>i * OUTCOME_WINDOW]
        session.client_seq = get_up_to(reader, <uint64_t>1 << 62)
        session.out_seq = get(reader)
        session.conn_epoch = <uint32_t>get_up_to(reader, 0xFFFFFFFF)
        session.last_user_ref_num = <uint32_t>get_up_to(reader, 0xFFFFFFFF)
        session.user_id = <uint16_t>get_up_to(reader, state.numbers.user_count)
        expect(reader, session.user_id >= 1)
        session.is_logged_in = <uint8_t>get_up_to(reader, 1)
        session.protocol = <uint8_t>get_up_to(reader, PROTOCOL_ADMIN)
        expect(reader, session.protocol >= PROTOCOL_OUCH)
        session.default_account_id = <uint32_t>get_up_to(
            reader, state.numbers.account_count
        )
        session.login_nonce = get(reader)
        session.gateway_id = get(reader)
        if reader.version >= 2:
            session.options = <uint8_t>get_up_to(reader, OPTION_ALL)
            session.is_killed = <uint8_t>get_up_to(reader, 1)
        for seq in range(session_oldest(session), session.client_seq + 1):
            session.window[seq & (OUTCOME_WINDOW - 1)] = get(reader)


cdef inline void read_positions(State* state, Reader* reader) noexcept nogil:
    cdef uint64_t key
    cdef uint32_t count = <uint32_t>get_up_to(reader, state.capacities.positions_max)
    cdef uint32_t account_id
    cdef uint32_t instrument_id
    cdef uint32_t slot
    cdef uint32_t _i
    for _i in range(count):
        key = get(reader)
        account_id = <uint32_t>(key >> 32)
        instrument_id = <uint32_t>key
        expect(reader, is_within(account_id, state.numbers.account_count))
        expect(reader, is_within(instrument_id, state.numbers.instrument_count))
        expect(reader, position_find(&state.positions, account_id, instrument_id) == 0)
        if not reader.is_sound:
            return
        slot = position_make(&state.positions, account_id, instrument_id)
        state.positions.positions[slot].qty = <int64_t>get(reader)
        if reader.version >= 3:
            state.positions.positions[slot].restriction = <uint8_t>get_up_to(
                reader, RESTRICTION_ALL
            )
            if state.positions.positions[slot].restriction:
                state.accounts[account_id].restrictions += 1
            state.positions.positions[slot].cost = get_money(reader)
            state.positions.positions[slot].realised = get_money(reader)


cdef inline void read_orders(State* state, Reader* reader) noexcept nogil:
    cdef uint32_t highest = <uint32_t>get_up_to(reader, state.capacities.orders_max)
    cdef uint32_t free_count = <uint32_t>get_up_to(reader, highest)
    cdef uint8_t* is_seen = <uint8_t*>calloc(<size_t>highest + 1, 1)
    cdef uint32_t before = 0
    cdef uint32_t slot
    cdef uint32_t live
    cdef uint32_t _i
    INVARIANT(is_seen != NULL)
    state.pool.highest = highest
    for _i in range(free_count):
        slot = <uint32_t>get_up_to(reader, highest)
        expect(reader, slot != 0 and not is_seen[slot])
        if not reader.is_sound:
            break
        is_seen[slot] = 1
        state.pool.orders[before].next = slot  # slot 0 is scratch
        if before == 0:
            state.pool.free_head = slot
        before = slot
        state.pool.free_count += 1
    live = <uint32_t>get_up_to(reader, highest - state.pool.free_count)
    expect(reader, state.numbers.sweep_slot <= highest + 1)
    if reader.is_sound:
        for _i in range(live):
            read_order(state, reader, is_seen)
            if not reader.is_sound:
                break
    free(is_seen)


cdef inline void read_order(State* state, Reader* reader, uint8_t* is_seen) noexcept nogil:
    """One order, put at the back of its level: they come in the order of their queues."""
    cdef Order image
    cdef Order* order
    cdef int64_t due_ns
    cdef uint32_t slot
    image.next = 0
    get_block(reader, &image, sizeof(Order))
    if not reader.is_sound:
        return
    slot = image.next
    expect(reader, is_within(slot, state.pool.highest) and is_order_good(state, &image))
    if not reader.is_sound or is_seen[slot]:
        reader.is_sound = False
        return
    is_seen[slot] = 1
    order = &state.pool.orders[slot]
    memcpy(order, &image, sizeof(Order))
    key = price_key(&state.instruments[order.instrument_id], order.price)
    if order.flags & ORDER_STOP:
        read_stop(state, reader, slot)
        if not reader.is_sound:
            return
    elif order.flags & ORDER_PEG:
        read_peg(state, reader, slot)
        if not reader.is_sound:
            return
    elif order.flags & ORDER_HIDDEN:
        hidden_link(state, slot, key)
    else:
        book_link(
            &state.levels, &state.instruments[order.instrument_id].book, state.pool.orders, slot,
            key, order.instrument_id,
        )
    ledger_hold(
        balance_of(state, order), &state.positions.positions[order.position], order,
        order.leaves,
    )
    index_add(&state.index, state.pool.orders, slot)
    if has_time(order.time_in_force):
        due_ns = <int64_t>get_up_to(reader, <uint64_t>TIMESTAMP_MAX)
        timer_add(&state.timers, slot, order.order_id, due_ns)
    if order.flags & ORDER_HAS_RESERVE:
        get_block(reader, &state.pool.reserves[slot], sizeof(Reserve))
        expect(reader, is_within(state.pool.reserves[slot].qty, order.leaves - 1))
        expect(
            reader,
            order.leaves - state.pool.reserves[slot].qty <= state.pool.reserves[slot].peak,
        )
        if not reader.is_sound:
            state.pool.reserves[slot].qty = 0
        state.levels.levels[order.level].qty -= state.pool.reserves[slot].qty
        state.levels.reserves[order.level] += state.pool.reserves[slot].qty
        state.pool.reserved += 1
    if order.flags & ORDER_HAS_PUBLIC_ID:
        state.pool.public_ids[slot] = get_up_to(reader, state.numbers.order_id)
    if order.flags & ORDER_HAS_FEES:
        read_fee_terms(state, reader, order, slot)
    state.sessions[order.session_id].live_orders += 1
    state.accounts[order.account_id].live_orders += 1
    state.pool.live += 1


cdef inline void read_stop(State* state, Reader* reader, uint32_t slot) noexcept nogil:
    """What a stop order waits for; it stands where it stood."""
    cdef const Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    cdef Stop* stop = &state.triggers.stops[slot]
    get_block(reader, stop, sizeof(Stop))
    expect(reader, order.flags & ~<uint32_t>ORDER_HAS_FEES == ORDER_STOP)
    expect(reader, is_within(stop.price, PRICE_MAX))
    expect(reader, is_stop(stop.ord_type) and stop.trigger <= TRIGGER_BEST_PRICE)
    expect(reader, stop.self_trade <= SELF_TRADE_DECREMENT)
    expect(reader, stop.is_elected <= 1 and is_trailing(stop.ord_type) == (stop.trail != 0))
    expect(reader, is_trailing(stop.ord_type) == (stop.first != 0))
    expect(reader, stop.trail <= PRICE_MAX and stop.first <= PRICE_MAX)
    if not reader.is_sound:
        return
    if stop.is_elected:
        queue_add(&state.triggers, state.pool.orders, slot)
        set_waiting(&state.triggers, order.instrument_id)
    elif stop.trail:
        trailing_add(&state.triggers, state.pool.orders, slot)
    else:
        park(&state.triggers, state.pool.orders, slot, price_key(instrument, stop.price))
    state.triggers.watches[order.instrument_id].count += 1
    instrument.followers |= FOLLOWED_BY_STOPS


cdef inline bint is_price_good(const Order* order) noexcept nogil:
    """A market order rests at 0 in a call where no valid price lies within its collar."""
    return is_within(order.price, PRICE_MAX) or (
        order.price == 0 and order.flags & ORDER_MARKET != 0
    )


cdef inline bint is_order_good(State* state, const Order* order) noexcept nogil:
    return (
        is_within(order.session_id, state.numbers.session_count)
        and order.flags & ~<uint32_t>ORDER_FLAGS == 0
        and not (
            order.flags & ORDER_HIDDEN
            and order.flags & (ORDER_HAS_RESERVE | ORDER_HAS_PUBLIC_ID)
        )
        and is_within(order.account_id, state.numbers.account_count)
        and is_within(order.instrument_id, state.numbers.instrument_count)
        and order.position != 0
        and position_find(&state.positions, order.account_id, order.instrument_id)
        == order.position
        and is_within(order.leaves, ORDER_QTY_MAX)
        and order.cum <= ORDER_QTY_MAX - order.leaves
        and is_price_good(order)
        and order.time_in_force >= TIF_DAY and order.time_in_force <= TIF_AT_THE_CLOSE
        and is_lasting(order.time_in_force)
        and (order.time_in_force >= TIF_AT_THE_OPEN)
        == ((order.flags & ORDER_ON_AUCTION) != 0)
        and (
            order.side == SIDE_BUY or order.side == SIDE_SELL
            or order.side == SIDE_SELL_SHORT or order.side == SIDE_SELL_SHORT_EXEMPT
        )
        and index_find(
            &state.index, state.pool.orders, order.session_id, order.user_ref_num
        )[0] == 0
    )


cdef inline void read_tasks(State* state, Reader* reader) noexcept nogil:
    """Mass cancels not yet done; of disconnects at most one begun and one not begun."""
    cdef const CancelTask* task
    cdef uint32_t byte
    cdef uint32_t disconnects = 0
    cdef uint32_t i
    state.work.count = <uint32_t>get_up_to(reader, TASKS_MAX)
    get_block(reader, state.work.tasks, state.work.count * sizeof(CancelTask))
    if not reader.is_sound:
        state.work.count = 0
        return
    for i in range(state.work.count):
        task = &state.work.tasks[i]
        expect(reader, task.next_slot != 0 and task.next_slot <= task.last_slot)
        expect(reader, task.last_slot <= state.pool.highest and is_scope(task.side))
        expect(reader, task.is_admin <= 1 and task.is_disconnect <= 1)
        expect(reader, task.breach <= 2 * task.is_admin)
        expect(reader, i == 0 or not task.is_disconnect or task.next_slot == 1)
        for byte in range(sizeof(task.reserved)):
            expect(reader, task.reserved[byte] == 0)
        disconnects += task.is_disconnect
    expect(reader, disconnects <= 2)
    expect(reader, state.work.count - disconnects <= MASS_CANCELS_MAX)
