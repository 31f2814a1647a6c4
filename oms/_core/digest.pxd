"""The canonical state as words: docs/rules.md, Digest.

Called by the engine class (state) and, part by part, by the scrub. Promises: the same value on
every replica for the same log; no address and no arrangement of a table enters it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.bust cimport first_trade
from oms._core.calls cimport Call, call_queue_at
from oms._core.digest_money cimport (
    take_currencies, take_fee_terms, take_fees, take_keyed, take_tick_tables, take_trades,
)
from oms._core.digest_parties cimport (
    take_default_limits, take_limits, take_parties, take_positions, take_sessions, take_users,
)
from oms._core.directory cimport Instrument
from oms._core.hash cimport Hash, hash_end, hash_start, take
from oms._core.hidden cimport LADDERS, ladder_at
from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.order_pool cimport (
    ORDER_HAS_FEES, ORDER_HAS_RESERVE, ORDER_HIDDEN, ORDER_MARKET, ORDER_PEG, ORDER_STOP, Order,
    public_id_of,
)
from oms._core.peg_list cimport (
    Peg, PegList, first_suspended, next_suspended,
)
from oms._core.state cimport CancelTask, State, keyed_count
from oms._core.stop_walk cimport StopWalk, first_waiting, next_in_place
from oms._core.timers cimport timer_due
from oms._core.triggers cimport Stop


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
    take_currencies(&hash_, state)
    take(&hash_, state.restating.up_to)
    take(&hash_, state.restating.last_number)
    take_tasks(&hash_, state)
    take(&hash_, state.keys_taken)
    for place in range(keyed_count(state)):
        take_keyed(&hash_, &state.keyed[place])
    take_fees(&hash_, state)
    take_tick_tables(&hash_, state)
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
    take(hash_, instrument.currency_id)
    take(hash_, <uint64_t>instrument.shares_issued)
    take(hash_, instrument.topic_seq)
    take(hash_, instrument.is_killed)
    take(hash_, instrument.restriction)
    take(hash_, instrument.tick_table)
    take_call(hash_, state, i)
    take(hash_, state.triggers.watches[i].low)
    take(hash_, state.triggers.watches[i].high)
    take(hash_, state.triggers.watches[i].base)
    if state.pegs.lists[i].count:
        take_peg_list(hash_, state, &state.pegs.lists[i])


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
    for i in range(1, state.numbers.instrument_count + 1):
        slot = first_suspended(&state.pegs, i)
        while slot:
            take_order(hash_, state, slot)
            slot = next_suspended(&state.pegs, slot)


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
    take(hash_, (order.flags & (ORDER_HIDDEN | ORDER_PEG)) != 0)
    if order.flags & ORDER_HAS_FEES:
        take_fee_terms(hash_, &state.pool.fees[slot])
    if order.flags & ORDER_STOP:
        take(hash_, stop.ord_type)
        take(hash_, stop.price)
        take(hash_, stop.trigger)
        take(hash_, stop.self_trade)
        take(hash_, stop.is_elected)
        take(hash_, stop.trail)
        take(hash_, stop.first)
    if order.flags & ORDER_PEG:
        take_peg(hash_, &state.pegs.pegs[slot])


cdef inline void take_peg(Hash* hash_, const Peg* peg) noexcept nogil:
    """What makes an order a peg."""
    take(hash_, peg.ord_type)
    take(hash_, <uint64_t><int64_t>peg.offset)
    take(hash_, peg.self_trade)
    take(hash_, peg.price)


cdef inline void take_peg_list(
    Hash* hash_, const State* state, const PegList* its
) noexcept nogil:
    """How far an instrument's pegs were moved."""
    take(hash_, its.bid)
    take(hash_, its.ask)
    take(hash_, state.pool.orders[its.next].order_id if its.next else 0)
    take(hash_, its.is_due_again)


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
