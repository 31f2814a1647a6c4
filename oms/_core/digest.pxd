"""The two hashes of docs/rules.md, Digest: the chain over the log, and the canonical state.

Called by the dispatcher (chain), by the engine class (state) and by the snapshot (checksum).
Promises: the same value on every replica for the same log; no address and no arrangement of a
table enters it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, qsort

from oms._core.bust cimport first_trade, trade_find
from oms._core.calls cimport Call, call_queue_at
from oms._core.directory cimport Instrument, User
from oms._core.hidden cimport LADDERS, ladder_at
from oms._core.ledger cimport Account, Position
from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.limits cimport Limits, Recent, recent_at
from oms._core.machine cimport INVARIANT, MIX
from oms._core.order_pool cimport (
    FeeTerms, ORDER_HAS_FEES, ORDER_HAS_RESERVE, ORDER_HIDDEN, ORDER_MARKET, ORDER_STOP, Order,
    public_id_of,
)
from oms._core.sessions cimport Session, session_oldest, session_outcome
from oms._core.state cimport (
    CancelTask, KeyedPosting, State, TradeRecord, TradeSide, grant_of, keyed_count, ring_of,
)
from oms._core.stop_walk cimport StopWalk, first_waiting, next_in_place
from oms._core.timers cimport timer_due
from oms._core.trail cimport mix_lanes, mixed
from oms._core.triggers cimport Stop

cdef struct Hash:
    uint64_t lanes[4]
    uint64_t count  # words taken in

cdef struct PositionKey:
    uint64_t key  # account_id, instrument_id
    uint32_t slot
    uint32_t reserved


cdef inline uint64_t folded(const uint64_t* lanes) noexcept nogil:
    """The digest of four lanes."""
    cdef uint64_t h = 0
    cdef uint32_t i
    for i in range(4):
        h = (h ^ lanes[i]) * MIX
        h ^= h >> 29
    return h


cdef inline void mix_header(
    State* state, uint64_t log_index, int64_t timestamp_ns, uint64_t count
) noexcept nogil:
    cdef uint64_t words[4]
    words[0] = log_index
    words[1] = <uint64_t>timestamp_ns
    words[2] = count
    words[3] = 0
    mix_lanes(state.numbers.lanes, words, sizeof(words))


cdef inline void hash_start(Hash* hash_) noexcept nogil:
    cdef uint32_t i
    for i in range(4):
        hash_.lanes[i] = i + 1
    hash_.count = 0


cdef inline void take(Hash* hash_, uint64_t word) noexcept nogil:
    cdef uint64_t* lane = &hash_.lanes[hash_.count & 3]
    lane[0] = mixed(lane[0], word)
    hash_.count += 1


cdef inline uint64_t hash_end(Hash* hash_) noexcept nogil:
    while hash_.count & 3:
        take(hash_, 0)
    return folded(hash_.lanes)


cdef inline uint64_t state_digest(const State* state) noexcept nogil:
    cdef Hash hash_
    cdef uint32_t place
    cdef uint32_t i
    hash_start(&hash_)
    take_numbers(&hash_, state)
    take_instruments(&hash_, state)
    take_parties(&hash_, state)
    take_positions(&hash_, state)
    take_users(&hash_, state)
    take_sessions(&hash_, state)
    take_orders(&hash_, state)
    take(&hash_, <uint64_t>state.numbers.cash_issued)
    take(&hash_, state.restating.up_to)
    take(&hash_, state.restating.last_number)
    take_tasks(&hash_, state)
    take(&hash_, state.keys_taken)
    for place in range(keyed_count(state)):
        take_keyed(&hash_, &state.keyed[place])
    take_fees(&hash_, state)
    take(&hash_, state.trades_max)
    take(&hash_, state.day_match_id)
    take_trades(&hash_, state, first_trade(state), state.numbers.match_id)
    if state.numbers.has_genesis:
        take_default_limits(&hash_, state)
        for i in range(state.numbers.account_count + 1):
            take_limits(&hash_, state, &state.account_limits[i], i)
        for i in range(state.numbers.session_count + 1):
            take_limits(&hash_, state, &state.session_limits[i], 0)
    return hash_end(&hash_)


cdef inline void take_numbers(Hash* hash_, const State* state) noexcept nogil:
    cdef uint32_t slot = state.pool.free_head
    take_counters(hash_, state)
    while slot:
        take(hash_, slot)
        slot = state.pool.orders[slot].next


cdef inline void take_counters(Hash* hash_, const State* state) noexcept nogil:
    take(hash_, state.numbers.applied_index)
    take(hash_, <uint64_t>state.numbers.last_timestamp)
    take(hash_, state.numbers.event_seq)
    take(hash_, state.numbers.order_id + 1)
    take(hash_, state.numbers.match_id + 1)
    take(hash_, state.numbers.trading_date)
    take(hash_, <uint64_t>state.numbers.midnight_ns)
    take(hash_, state.numbers.is_day_open)
    take(hash_, state.numbers.sweep_slot)
    take(hash_, state.numbers.cluster_id)
    take(hash_, state.numbers.rule_version)
    take(hash_, state.numbers.genesis_left)
    take(hash_, state.numbers.is_killed)
    take(hash_, state.pool.highest)
    take(hash_, state.pool.free_count)


cdef inline void take_instruments(Hash* hash_, const State* state) noexcept nogil:
    cdef uint32_t i
    take(hash_, state.numbers.instrument_count)
    for i in range(1, state.numbers.instrument_count + 1):
        take_instrument(hash_, state, i)


cdef inline void take_instrument(Hash* hash_, const State* state, uint32_t i) noexcept nogil:
    cdef const Instrument* instrument = &state.instruments[i]
    take(hash_, i)
    take(hash_, instrument.symbol)
    take(hash_, instrument.lot_size)
    take(hash_, <uint64_t>instrument.tick_size)
    take(hash_, <uint64_t>instrument.reference_price)
    take(hash_, <uint64_t>instrument.last_price)
    take(hash_, instrument.price_collar_bps)
    take(hash_, instrument.market_collar_bps)
    take(hash_, instrument.phase)
    take(hash_, instrument.price_scale)
    take(hash_, <uint64_t>instrument.shares_issued)
    take(hash_, instrument.topic_seq)
    take(hash_, instrument.is_killed)
    take(hash_, instrument.restriction)
    take_call(hash_, state, i)
    take(hash_, state.triggers.watches[i].low)
    take(hash_, state.triggers.watches[i].high)
    take(hash_, state.triggers.watches[i].base)


cdef inline void take_call(Hash* hash_, const State* state, uint32_t i) noexcept nogil:
    """What an instrument remembers of its call."""
    cdef const Call* call = &state.calls.calls[i]
    take(hash_, state.instruments[i].is_crossable)
    take(hash_, <uint64_t>timer_due(&state.calls.timers, i))
    take(hash_, call.stage)
    take(hash_, call.next_phase)
    take(hash_, <uint64_t>call.price)
    take(hash_, call.volume)
    take(hash_, <uint64_t>call.said_price)
    take(hash_, call.said_volume)
    take(hash_, <uint64_t>call.said_imbalance)
    take(hash_, call.static_bps)
    take(hash_, call.dynamic_bps)
    take(hash_, <uint64_t>call.pause_ns)
    take(hash_, <uint64_t>call.band_reference)
    take(hash_, call.is_extended)
    take(hash_, call.clamp)


cdef inline void take_parties(Hash* hash_, const State* state) noexcept nogil:
    """Participants and accounts."""
    cdef uint32_t i
    take(hash_, state.numbers.participant_count)
    for i in range(1, state.numbers.participant_count + 1):
        take_participant(hash_, state, i)
    take(hash_, state.numbers.account_count)
    for i in range(1, state.numbers.account_count + 1):
        take_account(hash_, state, i)


cdef inline void take_participant(Hash* hash_, const State* state, uint32_t i) noexcept nogil:
    take(hash_, i)
    take(hash_, state.participants[i].name[0])
    take(hash_, state.participants[i].name[1])


cdef inline void take_account(Hash* hash_, const State* state, uint32_t i) noexcept nogil:
    cdef const Account* account = &state.accounts[i]
    take(hash_, i)
    take(hash_, account.participant_id)
    take(hash_, account.firm)
    take(hash_, <uint64_t>account.cash)
    take(hash_, <uint64_t>account.hold)
    take(hash_, <uint64_t>account.max_order_qty)
    take(hash_, <uint64_t>account.max_order_value)
    take(hash_, <uint64_t>account.long_limit)
    take(hash_, <uint64_t>account.short_limit)
    take(hash_, account.topic_seq)
    take(hash_, state.groups[i])
    take(hash_, account.self_trade)
    take(hash_, account.is_killed)
    take(hash_, account.fee_schedule)
    take(hash_, account.may_owe)


cdef inline int compare_positions(const void* left, const void* right) noexcept nogil:
    cdef uint64_t a = (<const PositionKey*>left).key
    cdef uint64_t b = (<const PositionKey*>right).key
    return -1 if a < b else a > b


cdef inline PositionKey* sorted_positions(const State* state) noexcept nogil:
    """Slots in the order of (account, instrument); the caller frees."""
    cdef const Position* position
    cdef uint32_t count = state.positions.count
    cdef uint32_t i
    cdef PositionKey* keys = <PositionKey*>calloc(<size_t>count + 1, sizeof(PositionKey))
    INVARIANT(keys != NULL)
    for i in range(count):
        position = &state.positions.positions[i + 1]
        keys[i].key = <uint64_t>position.account_id << 32 | position.instrument_id
        keys[i].slot = i + 1
    qsort(keys, count, sizeof(PositionKey), compare_positions)
    return keys


cdef inline void take_positions(Hash* hash_, const State* state) noexcept nogil:
    cdef PositionKey* keys = sorted_positions(state)
    cdef uint32_t i
    take(hash_, state.positions.count)
    for i in range(state.positions.count):
        take_position(hash_, &state.positions.positions[keys[i].slot])
    free(keys)


cdef inline void take_position(Hash* hash_, const Position* position) noexcept nogil:
    take(hash_, position.account_id)
    take(hash_, position.instrument_id)
    take(hash_, <uint64_t>position.qty)
    take(hash_, <uint64_t>position.open_buys)
    take(hash_, <uint64_t>position.open_sells)
    take(hash_, <uint64_t>position.held)
    take(hash_, position.restriction)
    take(hash_, <uint64_t>position.cost)
    take(hash_, <uint64_t>position.realised)


cdef inline void take_users(Hash* hash_, const State* state) noexcept nogil:
    """Users and grants."""
    cdef uint64_t count = 0
    cdef uint32_t i
    cdef uint32_t account
    take(hash_, state.numbers.user_count)
    for i in range(1, state.numbers.user_count + 1):
        take_user(hash_, state, i)
        for account in range(state.numbers.account_count + 1):
            count += grant_of(state, i, account)[0] != 0
    take(hash_, count)
    for i in range(1, state.numbers.user_count + 1):
        take_grants(hash_, state, i)


cdef inline void take_user(Hash* hash_, const State* state, uint32_t i) noexcept nogil:
    cdef const User* user = &state.users[i]
    cdef uint32_t word
    take(hash_, i)
    take(hash_, user.participant_id)
    take(hash_, user.name[0])
    take(hash_, user.name[1])
    take(hash_, user.salt[0])
    take(hash_, user.salt[1])
    for word in range(4):
        take(hash_, user.key_hash[word])


cdef inline void take_grants(Hash* hash_, const State* state, uint32_t i) noexcept nogil:
    """What one user may do, account by account."""
    cdef uint32_t account
    for account in range(state.numbers.account_count + 1):
        if grant_of(state, i, account)[0]:
            take(hash_, i)
            take(hash_, account)
            take(hash_, grant_of(state, i, account)[0])


cdef inline void take_sessions(Hash* hash_, const State* state) noexcept nogil:
    cdef uint32_t i
    take(hash_, state.numbers.session_count)
    for i in range(1, state.numbers.session_count + 1):
        take_session(hash_, state, i)


cdef inline void take_session(Hash* hash_, const State* state, uint32_t i) noexcept nogil:
    cdef const Session* session = &state.sessions[i]
    cdef uint64_t seq
    take(hash_, i)
    take(hash_, session.user_id)
    take(hash_, session.protocol)
    take(hash_, session.default_account_id)
    take(hash_, session.conn_epoch)
    take(hash_, session.is_logged_in)
    take(hash_, session.login_nonce)
    take(hash_, session.gateway_id)
    take(hash_, session.client_seq)
    take(hash_, session.out_seq)
    take(hash_, session.last_user_ref_num)
    take(hash_, session.live_orders)
    take(hash_, session.options)
    take(hash_, session.is_killed)
    for seq in range(session_oldest(session), session.client_seq + 1):
        take(hash_, session_outcome(session, seq))


cdef inline void take_orders(Hash* hash_, const State* state) noexcept nogil:
    cdef LevelWalk walk
    cdef StopWalk stops
    cdef uint32_t level
    cdef uint32_t slot
    cdef uint32_t i
    cdef uint32_t which
    take(hash_, state.pool.live)
    for i in range(1, state.numbers.instrument_count + 1):
        for which in range(<uint32_t>LADDERS):
            level_start(&walk, &state.levels, ladder_at(<State*>state, i, which))
            level = level_next(&walk)
            while level:
                slot = state.levels.levels[level].head
                while slot:
                    take_order(hash_, state, slot)
                    slot = state.pool.orders[slot].next
                level = level_next(&walk)
    for i in range(1, state.numbers.instrument_count + 1):
        slot = first_waiting(&stops, &state.triggers, i)
        while slot:
            take_order(hash_, state, slot)
            slot = next_in_place(&stops, state.pool.orders, slot)


cdef inline void take_order(Hash* hash_, const State* state, uint32_t slot) noexcept nogil:
    cdef const Order* order = &state.pool.orders[slot]
    cdef const Stop* stop = &state.triggers.stops[slot]
    take(hash_, order.order_id)
    take(hash_, slot)
    take(hash_, order.session_id)
    take(hash_, order.user_ref_num)
    take(hash_, order.account_id)
    take(hash_, order.instrument_id)
    take(hash_, order.side)
    take(hash_, order.time_in_force)
    take(hash_, order.price)
    take(hash_, order.leaves)
    take(hash_, order.cum)
    take(hash_, order.capacity)
    take(hash_, order.cross_type)
    take(hash_, order.firm)
    take(hash_, <uint64_t>timer_due(&state.timers, slot))
    take(hash_, state.pool.reserves[slot].qty if order.flags & ORDER_HAS_RESERVE else 0)
    take(hash_, state.pool.reserves[slot].peak if order.flags & ORDER_HAS_RESERVE else 0)
    take(hash_, public_id_of(&state.pool, order))
    take(hash_, (order.flags & ORDER_MARKET) != 0)
    take(hash_, (order.flags & ORDER_HIDDEN) != 0)
    if order.flags & ORDER_HAS_FEES:
        take_fee_terms(hash_, &state.pool.fees[slot])
    if order.flags & ORDER_STOP:
        take(hash_, stop.ord_type)
        take(hash_, stop.price)
        take(hash_, stop.trigger)
        take(hash_, stop.self_trade)
        take(hash_, stop.is_elected)



cdef inline void take_fees(Hash* hash_, const State* state) noexcept nogil:
    """The fee schedules."""
    cdef uint32_t i
    take(hash_, state.fee_count)
    for i in range(1, state.fee_count + 1):
        take(hash_, <uint64_t><int64_t>state.fees[i].maker_rate)
        take(hash_, <uint64_t><int64_t>state.fees[i].taker_rate)
        take(hash_, state.fees[i].fee_account_id)


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


cdef inline void take_tasks(Hash* hash_, const State* state) noexcept nogil:
    """Mass cancels not yet done, oldest first, then calls not yet settled."""
    cdef const CancelTask* task
    cdef uint32_t i
    take(hash_, state.work.count)
    for i in range(state.work.count):
        task = &state.work.tasks[i]
        take(hash_, task.of_session_id)
        take(hash_, task.of_account_id)
        take(hash_, task.of_instrument_id)
        take(hash_, task.side)
        take(hash_, task.last_order_id)
        take(hash_, task.next_slot)
        take(hash_, task.last_slot)
        take(hash_, task.asked_by)
        take(hash_, task.conn_epoch)
        take(hash_, task.client_seq)
        take(hash_, task.user_ref_num)
        take(hash_, task.canceled)
        take(hash_, task.is_admin)
        take(hash_, task.is_disconnect)
        take(hash_, task.breach)
    take(hash_, state.calls.count)
    for i in range(state.calls.count):
        take(hash_, call_queue_at(&state.calls, i))


cdef inline void take_default_limits(Hash* hash_, const State* state) noexcept nogil:
    """Those of SET_LIMITS."""
    take(hash_, <uint64_t>state.accounts[0].max_order_qty)
    take(hash_, <uint64_t>state.accounts[0].max_order_value)
    take(hash_, <uint64_t>state.accounts[0].long_limit)
    take(hash_, <uint64_t>state.accounts[0].short_limit)


cdef inline void take_limits(
    Hash* hash_, const State* state, const Limits* limits, uint32_t account_id
) noexcept nogil:
    """Limits of one account or session (0), and what is left of them."""
    cdef const Recent* recent
    cdef uint32_t place
    take(hash_, limits.own)
    take(hash_, limits.short_sale)
    take(hash_, limits.max_open_orders)
    take(hash_, <uint64_t>limits.max_exposure)
    take(hash_, <uint64_t>limits.duplicate_window_ns)
    take(hash_, limits.order_rate)
    take(hash_, limits.cancel_reserve)
    take(hash_, <uint64_t>limits.rate_window_ns)
    take(hash_, <uint64_t>limits.used_ns)
    take(hash_, <uint64_t>limits.used_orders)
    take(hash_, <uint64_t>limits.used_cancels)
    take(hash_, limits.count)
    for place in range(limits.count):
        recent = recent_at(
            limits, ring_of(state, account_id), state.capacities.duplicates_max, place
        )
        take(hash_, <uint64_t>recent.at_ns)
        take(hash_, recent.instrument_id)
        take(hash_, recent.side)
        take(hash_, recent.price)
        take(hash_, recent.qty)
