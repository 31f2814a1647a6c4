"""A slice of the canonical state, hashed: docs/rules.md, Digest, `scrub_digest`.

Called by the engine class, at fixed log indexes. Promises: the same value on every replica for the
same log and step; a bounded number of words, however large the venue is; every part of the state
is in the slice of some step, and again after as many steps as the largest table needs.
"""

from libc.stdint cimport uint32_t, uint64_t

from oms._core.bust cimport first_trade
from oms._core.digest cimport take_counters, take_instrument, take_order, take_tasks
from oms._core.digest_money cimport (
    take_currencies, take_fees, take_keyed, take_tick_tables, take_trades,
)
from oms._core.digest_parties cimport (
    take_account, take_default_limits, take_grants, take_limits, take_participant, take_position,
    take_session, take_user,
)
from oms._core.hash cimport Hash, hash_end, hash_start, take
from oms._core.ledger cimport Position
from oms._core.machine cimport INVARIANT, wide
from oms._core.state cimport State, keyed_count

cdef enum:
    SCRUB_SLOTS = 4096  # order slots in one step
    SCRUB_ENTITIES = 1024  # instruments, participants, accounts
    SCRUB_HEAVY = 16  # users with their grants, sessions with their windows, limits with orders

cdef struct Window:
    uint32_t first  # ids first .. last
    uint32_t last


cdef inline Window window_at(uint64_t step, uint64_t count, uint64_t width) noexcept nogil:
    """Which ids of a table of `count` are in the slice."""
    cdef Window window
    cdef uint64_t windows = (count + width - 1) // width
    cdef uint64_t start = (step % windows) * width if windows else 0
    window.first = <uint32_t>(start + 1)
    window.last = <uint32_t>min(start + width, count)
    return window


cdef inline bint is_conserved(const State* state, uint32_t currency_id) noexcept nogil:
    """Whether all accounts together have what was issued of a currency."""
    cdef wide total = 0
    cdef uint32_t i
    for i in range(1, state.numbers.account_count + 1):
        total += state.balances[currency_id][i].cash
    return total == state.currencies[currency_id].issued


cdef inline uint64_t scrub_digest(const State* state, uint64_t step) noexcept nogil:
    cdef Hash hash_
    cdef Window window
    cdef uint32_t place
    cdef uint64_t first
    hash_start(&hash_)
    take_counters(&hash_, state)
    take_slots(&hash_, state, window_at(step, state.pool.highest, SCRUB_SLOTS))
    take_directory(&hash_, state, step)
    take_currencies(&hash_, state)
    if state.currency_count:  # one of them in each step, in every build
        INVARIANT(is_conserved(state, <uint32_t>(step % state.currency_count + 1)))
    take(&hash_, state.restating.up_to)
    take(&hash_, state.restating.last_number)
    take_tasks(&hash_, state)
    take(&hash_, state.keys_taken)
    window = window_at(step, keyed_count(state), SCRUB_ENTITIES)
    for place in range(window.first, window.last + 1):
        take_keyed(&hash_, &state.keyed[place - 1])
    take_fees(&hash_, state)
    take_tick_tables(&hash_, state)
    take(&hash_, state.trades_max)
    take(&hash_, state.day_match_id)
    first = first_trade(state)
    window = window_at(step, state.numbers.match_id + 1 - first, SCRUB_ENTITIES)
    take_trades(&hash_, state, first + window.first - 1, first + window.last - 1)
    if state.numbers.has_genesis:
        take_limits_of(&hash_, state, step)
    return hash_end(&hash_)


cdef inline void take_limits_of(Hash* hash_, const State* state, uint64_t step) noexcept nogil:
    """Of accounts and sessions, the defaults always."""
    cdef Window window = window_at(step, state.numbers.account_count, SCRUB_HEAVY)
    cdef uint32_t i
    take_default_limits(hash_, state)
    take_limits(hash_, state, &state.account_limits[0], 0)
    for i in range(window.first, window.last + 1):
        take_limits(hash_, state, &state.account_limits[i], i)
    window = window_at(step, state.numbers.session_count, SCRUB_HEAVY)
    take_limits(hash_, state, &state.session_limits[0], 0)
    for i in range(window.first, window.last + 1):
        take_limits(hash_, state, &state.session_limits[i], 0)


cdef inline void take_slots(Hash* hash_, const State* state, Window window) noexcept nogil:
    """Orders, and free slots, each with the slot that comes behind it."""
    cdef uint32_t slot
    for slot in range(window.first, window.last + 1):
        if state.pool.orders[slot].leaves:
            take_order(hash_, state, slot)
        else:
            take(hash_, slot)
        take(hash_, state.pool.orders[slot].next)


cdef inline void take_directory(Hash* hash_, const State* state, uint64_t step) noexcept nogil:
    cdef Window window
    cdef uint32_t i
    window = window_at(step, state.numbers.instrument_count, SCRUB_ENTITIES)
    for i in range(window.first, window.last + 1):
        take_instrument(hash_, state, i)
    window = window_at(step, state.numbers.participant_count, SCRUB_ENTITIES)
    for i in range(window.first, window.last + 1):
        take_participant(hash_, state, i)
    window = window_at(step, state.numbers.account_count, SCRUB_ENTITIES)
    for i in range(window.first, window.last + 1):
        take_account(hash_, state, i)
    take_positions_of(hash_, state, window)
    window = window_at(step, state.numbers.user_count, SCRUB_HEAVY)
    for i in range(window.first, window.last + 1):
        take_user(hash_, state, i)
        take_grants(hash_, state, i)
    window = window_at(step, state.numbers.session_count, SCRUB_HEAVY)
    for i in range(window.first, window.last + 1):
        take_session(hash_, state, i)


cdef inline void take_positions_of(Hash* hash_, const State* state, Window window) noexcept nogil:
    """Of the accounts in the window. In no order: their places in the table are nobody's
    promise, so their hashes are added up.
    """
    cdef const Position* position
    cdef Hash single
    cdef uint64_t total = 0
    cdef uint32_t slot
    for slot in range(1, state.positions.count + 1):
        position = &state.positions.positions[slot]
        if window.first <= position.account_id <= window.last:
            hash_start(&single)
            take_position(&single, position)
            total += hash_end(&single)
    take(hash_, total)
