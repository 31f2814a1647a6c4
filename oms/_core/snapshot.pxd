"""The whole state as bytes and back: versioned, checksummed, checked before it is believed.

Called by the engine class. Layout: a header, then 64-bit words in the order of the `write_...`
functions; orders stand in the order of their books, so that linking them again gives the same
queues. Promises: after a restore everything goes on as if nothing had been, later slots and both
digests included; bytes that are not a sound snapshot are refused and nothing is changed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from oms._core.hash cimport folded, mix_lanes
from oms._core.machine cimport grow_array
from oms._core.bust cimport first_trade, trade_find
from oms._core.calls cimport Call, call_queue_at
from oms._core.directory cimport Instrument
from oms._core.hidden cimport LADDERS, ladder_at
from oms._core.ledger cimport Account, Position
from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.limits cimport Limits, Recent, recent_at
from oms._core.order_pool cimport (
    FeeTerms, ORDER_HAS_FEES, ORDER_HAS_PUBLIC_ID, ORDER_HAS_RESERVE, ORDER_PEG, ORDER_STOP, Order,
    Reserve, has_time,
)
from oms._core.peg_list cimport Peg, first_suspended, next_suspended
from oms._core.sessions cimport Session, session_oldest, session_outcome
from oms._core.state cimport (
    CancelTask, Capacities, Currency, FeeSchedule, KeyedPosting, Numbers, State, grant_of,
    keyed_count, TickTable, TradeRecord, ring_of,
)
from oms._core.stop_walk cimport StopWalk, first_waiting, next_in_place
from oms._core.timers cimport timer_due
from oms._core.triggers cimport Stop

cdef enum:
    SNAPSHOT_VERSION = 4
    SNAPSHOT_VERSION_OLDEST = 1
    # 2: session options, account groups, mass cancels, icebergs. 3: public numbers of orders,
    # restrictions, cost and profit of positions, keys of deposits, calls, limits, stop orders.
    # 4: pegs, currencies.
    SNAPSHOT_HEADER_WORDS = 4  # magic, version, size in words, checksum

cdef extern from *:
    """
    #define QUORATE_SNAPSHOT_MAGIC 0x3150414E53524F51ULL /* "QORSNAP1" */
    """
    const uint64_t SNAPSHOT_MAGIC "QUORATE_SNAPSHOT_MAGIC"

cdef struct Writer:
    uint64_t* words
    uint64_t count
    uint64_t capacity


cdef inline void put(Writer* writer, uint64_t word) noexcept nogil:
    if writer.count == writer.capacity:
        writer.capacity = writer.capacity * 2 if writer.capacity else 4096
        writer.words = <uint64_t*>grow_array(
            writer.words, writer.capacity * sizeof(uint64_t)
        )
    writer.words[writer.count] = word
    writer.count += 1


cdef inline void put_block(Writer* writer, const void* source, size_t size) noexcept nogil:
    """A structure as it stands; its size is a multiple of a word."""
    cdef const uint64_t* words = <const uint64_t*>source
    cdef size_t i
    for i in range(size // sizeof(uint64_t)):
        put(writer, words[i])


cdef inline uint64_t checksum(const uint64_t* words, uint64_t count) noexcept nogil:
    """Of a whole snapshot but its header; version and length are part of it."""
    cdef uint64_t lanes[4]
    cdef uint64_t tail[4]
    cdef uint64_t whole = (count - SNAPSHOT_HEADER_WORDS) & ~<uint64_t>3
    cdef uint64_t i
    for i in range(4):
        lanes[i] = count + i
        if words[1] >= 3:  # before, the version itself was believed
            lanes[i] += words[1] << 40
        tail[i] = 0
    mix_lanes(lanes, &words[SNAPSHOT_HEADER_WORDS], whole * sizeof(uint64_t))
    for i in range(SNAPSHOT_HEADER_WORDS + whole, count):
        tail[i - SNAPSHOT_HEADER_WORDS - whole] = words[i]
    mix_lanes(lanes, tail, sizeof(tail))
    return folded(lanes)


cdef inline void write_snapshot(Writer* writer, const State* state) noexcept nogil:
    """Everything, header included; the caller frees `writer.words`."""
    writer.words = NULL
    writer.count = 0
    writer.capacity = 0
    put(writer, SNAPSHOT_MAGIC)
    put(writer, SNAPSHOT_VERSION)
    put(writer, 0)
    put(writer, 0)
    put_block(writer, &state.numbers, sizeof(Numbers))
    if state.numbers.has_genesis:
        put_block(writer, &state.capacities, sizeof(Capacities))
        put(writer, state.currencies_max)
        put(writer, state.currency_count)
        put_block(writer, &state.currencies[1], state.currency_count * sizeof(Currency))
        write_directory(writer, state)
        write_sessions(writer, state)
        write_positions(writer, state)
        write_orders(writer, state)
        put(writer, state.work.count)
        put_block(writer, state.work.tasks, state.work.count * sizeof(CancelTask))
        put(writer, state.keys_taken)
        put_block(writer, state.keyed, keyed_count(state) * sizeof(KeyedPosting))
        put(writer, state.fee_count)
        put_block(writer, &state.fees[1], state.fee_count * sizeof(FeeSchedule))
        write_trades(writer, state)
        write_calls(writer, state)
        write_pegs(writer, state)
        write_limits(writer, state)
        put(writer, state.restating.up_to)
        put(writer, state.restating.last_number)
    writer.words[2] = writer.count
    writer.words[3] = checksum(writer.words, writer.count)


cdef inline void write_directory(Writer* writer, const State* state) noexcept nogil:
    """Instruments, participants, accounts, users, grants."""
    cdef const Instrument* instrument
    cdef uint32_t i
    cdef uint32_t account
    cdef uint32_t currency
    put(writer, state.tick_table_count)
    put_block(writer, &state.tick_tables[1], state.tick_table_count * sizeof(TickTable))
    for i in range(1, state.numbers.instrument_count + 1):
        instrument = &state.instruments[i]
        put(writer, instrument.symbol)
        put(writer, <uint64_t>instrument.last_price)
        put(writer, <uint64_t>instrument.reference_price)
        put(writer, <uint64_t>instrument.tick_size)
        put(writer, instrument.topic_seq)
        put(writer, instrument.lot_size)
        put(writer, instrument.price_collar_bps)
        put(writer, instrument.market_collar_bps)
        put(writer, instrument.phase)
        put(writer, instrument.price_scale)
        put(writer, instrument.currency_id)
        put(writer, <uint64_t>instrument.shares_issued)
        put(writer, instrument.is_killed)
        put(writer, instrument.restriction)
        put(writer, instrument.tick_table)
        put(writer, state.triggers.watches[i].low)
        put(writer, state.triggers.watches[i].high)
        put(writer, state.triggers.watches[i].base)
    for i in range(1, state.numbers.participant_count + 1):
        put_block(writer, &state.participants[i], sizeof(state.participants[i]))
    for i in range(1, state.numbers.account_count + 1):
        write_account(writer, &state.accounts[i])
        put(writer, state.groups[i])
        for currency in range(2, state.currency_count + 1):
            put(writer, <uint64_t>state.balances[currency][i].cash)
    for i in range(1, state.numbers.user_count + 1):
        put_block(writer, &state.users[i], sizeof(state.users[i]))
        for account in range(state.numbers.account_count + 1):
            if grant_of(state, i, account)[0]:
                put(writer, <uint64_t>account << 32 | grant_of(state, i, account)[0])
        put(writer, 0)  # no grant is 0: the end of this user's


cdef inline void write_account(Writer* writer, const Account* account) noexcept nogil:
    put(writer, <uint64_t>account.cash)
    put(writer, <uint64_t>account.hold)
    put(writer, account.topic_seq)
    put(writer, <uint64_t>account.max_order_qty)
    put(writer, <uint64_t>account.max_order_value)
    put(writer, <uint64_t>account.long_limit)
    put(writer, <uint64_t>account.short_limit)
    put(
        writer,
        account.participant_id | <uint64_t>account.self_trade << 16
        | <uint64_t>account.is_killed << 24 | <uint64_t>account.firm << 32,
    )
    put(writer, account.fee_schedule | <uint64_t>account.may_owe << 8)


cdef inline void write_limits(Writer* writer, const State* state) noexcept nogil:
    """The defaults, then each account's with its recent orders, then the sessions'."""
    cdef const Recent* ring
    cdef Limits image
    cdef uint32_t i
    cdef uint32_t place
    put(writer, <uint64_t>state.accounts[0].max_order_qty)
    put(writer, <uint64_t>state.accounts[0].max_order_value)
    put(writer, <uint64_t>state.accounts[0].long_limit)
    put(writer, <uint64_t>state.accounts[0].short_limit)
    for i in range(state.numbers.account_count + 1):
        image = state.account_limits[i]
        image.first = 0
        put_block(writer, &image, sizeof(Limits))
        for place in range(image.count):
            ring = recent_at(
                &state.account_limits[i], ring_of(state, i), state.capacities.duplicates_max,
                place,
            )
            put_block(writer, ring, sizeof(Recent))
    for i in range(state.numbers.session_count + 1):
        put_block(writer, &state.session_limits[i], sizeof(Limits))


cdef inline void write_sessions(Writer* writer, const State* state) noexcept nogil:
    cdef const Session* session
    cdef uint64_t seq
    cdef uint32_t i
    for i in range(1, state.numbers.session_count + 1):
        session = &state.sessions[i]
        put(writer, session.client_seq)
        put(writer, session.out_seq)
        put(writer, session.conn_epoch)
        put(writer, session.last_user_ref_num)
        put(writer, session.user_id)
        put(writer, session.is_logged_in)
        put(writer, session.protocol)
        put(writer, session.default_account_id)
        put(writer, session.login_nonce)
        put(writer, session.gateway_id)
        put(writer, session.options)
        put(writer, session.is_killed)
        for seq in range(session_oldest(session), session.client_seq + 1):
            put(writer, session_outcome(session, seq))


cdef inline void write_positions(Writer* writer, const State* state) noexcept nogil:
    """By slot, because orders name the slots."""
    cdef const Position* position
    cdef uint32_t i
    put(writer, state.positions.count)
    for i in range(1, state.positions.count + 1):
        position = &state.positions.positions[i]
        put(writer, <uint64_t>position.account_id << 32 | position.instrument_id)
        put(writer, <uint64_t>position.qty)
        put(writer, position.restriction)
        put(writer, <uint64_t>position.cost)
        put(writer, <uint64_t>position.realised)


cdef inline void write_orders(Writer* writer, const State* state) noexcept nogil:
    """The free slots, then how many orders, then the orders: books, then stop orders."""
    cdef LevelWalk walk
    cdef StopWalk stops
    cdef uint32_t slot = state.pool.free_head
    cdef uint32_t level
    cdef uint32_t i
    cdef uint32_t which
    put(writer, state.pool.highest)
    put(writer, state.pool.free_count)
    while slot:
        put(writer, slot)
        slot = state.pool.orders[slot].next
    put(writer, state.pool.live)
    for i in range(1, state.numbers.instrument_count + 1):
        for which in range(<uint32_t>LADDERS):
            level_start(&walk, &state.levels, ladder_at(<State*>state, i, which))
            level = level_next(&walk)
            while level:
                slot = state.levels.levels[level].head
                while slot:
                    write_order(writer, state, slot)
                    slot = state.pool.orders[slot].next
                level = level_next(&walk)
    for i in range(1, state.numbers.instrument_count + 1):
        slot = first_waiting(&stops, &state.triggers, i)
        while slot:
            write_order(writer, state, slot)
            slot = next_in_place(&stops, state.pool.orders, slot)
    for i in range(1, state.numbers.instrument_count + 1):
        slot = first_suspended(&state.pegs, i)
        while slot:
            write_order(writer, state, slot)
            slot = next_suspended(&state.pegs, slot)


cdef inline void write_trades(Writer* writer, const State* state) noexcept nogil:
    """The trades that may be taken back, each with a word before it; then 0."""
    cdef const TradeRecord* trade
    cdef uint64_t match_id
    put(writer, state.trades_max)
    put(writer, state.day_match_id)
    for match_id in range(first_trade(state), state.numbers.match_id + 1):
        trade = trade_find(state, match_id)
        if trade != NULL:
            put(writer, 1)
            put_block(writer, trade, sizeof(TradeRecord))
    put(writer, 0)


cdef inline void write_fee_terms(Writer* writer, const FeeTerms* terms) noexcept nogil:
    put(writer, <uint32_t>terms.maker_rate | <uint64_t><uint32_t>terms.taker_rate << 32)
    put(writer, terms.fee_account_id | <uint64_t>terms.carry << 32)
    put(writer, <uint64_t>terms.held)


cdef inline void write_order(Writer* writer, const State* state, uint32_t slot) noexcept nogil:
    """The record as it stands, with its own slot where its neighbors' stand, and what is aside."""
    cdef const Order* order = &state.pool.orders[slot]
    cdef Order image
    memcpy(&image, order, sizeof(Order))
    image.next = slot
    image.prev = 0
    image.level = 0
    image.chain = 0
    put_block(writer, &image, sizeof(Order))
    if order.flags & ORDER_STOP:
        put_block(writer, &state.triggers.stops[slot], sizeof(Stop))
    if order.flags & ORDER_PEG:
        write_peg(writer, &state.pegs.pegs[slot])
    if has_time(order.time_in_force):
        put(writer, <uint64_t>timer_due(&state.timers, slot))
    if order.flags & ORDER_HAS_RESERVE:
        put_block(writer, &state.pool.reserves[slot], sizeof(Reserve))
    if order.flags & ORDER_HAS_PUBLIC_ID:
        put(writer, state.pool.public_ids[slot])
    if order.flags & ORDER_HAS_FEES:
        write_fee_terms(writer, &state.pool.fees[slot])


cdef inline void write_calls(Writer* writer, const State* state) noexcept nogil:
    """Of every instrument its call, with the orders that are for it alone; then who is settled."""
    cdef const Call* call
    cdef uint32_t slot
    cdef uint32_t i
    for i in range(1, state.numbers.instrument_count + 1):
        call = &state.calls.calls[i]
        put(
            writer,
            state.instruments[i].is_crossable | <uint64_t>call.stage << 8
            | <uint64_t>call.next_phase << 16 | <uint64_t>call.is_extended << 24
            | <uint64_t>call.clamp << 32,
        )
        put(writer, <uint64_t>timer_due(&state.calls.timers, i))
        put(writer, <uint64_t>call.price)
        put(writer, call.volume)
        put(writer, <uint64_t>call.said_price)
        put(writer, call.said_volume)
        put(writer, <uint64_t>call.said_imbalance)
        put(writer, <uint64_t>call.dynamic_bps << 32 | call.static_bps)
        put(writer, <uint64_t>call.pause_ns)
        put(writer, <uint64_t>call.band_reference)
        slot = call.first
        while slot:
            put(writer, slot)
            slot = state.calls.links[slot].next
        put(writer, 0)
    put(writer, state.calls.count)
    for i in range(state.calls.count):
        put(writer, call_queue_at(&state.calls, i))


cdef inline void write_peg(Writer* writer, const Peg* peg) noexcept nogil:
    put(writer, <uint64_t>peg.price << 32 | <uint32_t>peg.offset)
    put(writer, <uint64_t>peg.self_trade << 8 | peg.ord_type)


cdef inline void write_pegs(Writer* writer, const State* state) noexcept nogil:
    """Of every instrument with pegs how far they were moved, and their slots in order; then 0."""
    cdef uint32_t slot
    cdef uint32_t i
    for i in range(1, state.numbers.instrument_count + 1):
        slot = state.pegs.lists[i].first
        if slot == 0:
            continue
        put(writer, i)
        put(writer, <uint64_t>state.pegs.lists[i].ask << 32 | state.pegs.lists[i].bid)
        put(writer, <uint64_t>state.pegs.lists[i].is_due_again << 32 | state.pegs.lists[i].next)
        while slot:
            put(writer, slot)
            slot = state.pegs.pegs[slot].next
        put(writer, 0)
    put(writer, 0)
