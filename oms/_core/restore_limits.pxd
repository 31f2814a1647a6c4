"""Words of a snapshot -> limits, and what is used up of them.

Called by the restore, when the accounts and sessions are there. Promises: as the restore.
"""

from libc.stdint cimport int64_t, uint32_t

from oms._core.ledger cimport Account
from oms._core.limits cimport Limits, Recent
from oms._core.risk_admin cimport is_rate_within
from oms._core.reader cimport Reader, expect, get, get_block
from oms._core.state cimport State, has_instrument, ring_of
from oms._core.risk_types cimport (
    LIMITS_OF_ACCOUNTS, LIMITS_OF_SESSIONS, LIMITS_OF_SET_LIMITS, LIMIT_WINDOW_MAX_NS,
    SHORT_SALE_FORBIDDEN,
)


cdef inline void read_limits(State* state, Reader* reader) noexcept nogil:
    """The defaults, then each account's with its recent orders, then the sessions'."""
    cdef Account* defaults = &state.accounts[0]
    cdef uint32_t i
    if reader.version < 3:
        for i in range(1, state.numbers.account_count + 1):
            state.account_limits[i].own = LIMITS_OF_SET_LIMITS
        return
    defaults.max_order_qty = <int64_t>get(reader)
    defaults.max_order_value = <int64_t>get(reader)
    defaults.long_limit = <int64_t>get(reader)
    defaults.short_limit = <int64_t>get(reader)
    for i in range(state.numbers.account_count + 1):
        read_one(state, reader, &state.account_limits[i], LIMITS_OF_ACCOUNTS)
        if not reader.is_sound:
            return
        read_recents(state, reader, i)
    for i in range(state.numbers.session_count + 1):
        read_one(state, reader, &state.session_limits[i], LIMITS_OF_SESSIONS)
        expect(reader, state.session_limits[i].count == 0)


cdef inline void read_one(
    State* state, Reader* reader, Limits* limits, uint32_t fields
) noexcept nogil:
    cdef int64_t window
    get_block(reader, limits, sizeof(Limits))
    window = limits.rate_window_ns
    expect(reader, limits.own & ~fields == 0 and limits.reserved == 0 and limits.first == 0)
    expect(reader, limits.max_exposure >= 0 and limits.short_sale <= SHORT_SALE_FORBIDDEN)
    expect(
        reader,
        limits.duplicate_window_ns >= 0 and limits.duplicate_window_ns <= LIMIT_WINDOW_MAX_NS,
    )
    expect(
        reader, is_rate_within(limits.order_rate, limits.cancel_reserve, limits.rate_window_ns)
    )
    if not reader.is_sound:
        return
    expect(reader, limits.used_ns >= 0 and limits.used_ns <= state.numbers.last_timestamp)
    expect(reader, limits.used_cancels >= 0 and limits.used_orders >= 0)
    expect(reader, limits.used_cancels <= limits.cancel_reserve * window)
    expect(
        reader, limits.used_orders <= (limits.order_rate - limits.cancel_reserve) * window
    )
    expect(reader, limits.count <= state.capacities.duplicates_max)
    if not reader.is_sound:
        limits.count = 0


cdef inline void read_recents(
    State* state, Reader* reader, uint32_t account_id
) noexcept nogil:
    cdef Recent* ring = ring_of(state, account_id)
    cdef uint32_t i
    for i in range(state.account_limits[account_id].count):
        get_block(reader, &ring[i], sizeof(Recent))
        expect(reader, ring[i].at_ns >= 0 and ring[i].at_ns <= state.numbers.last_timestamp)
        expect(reader, has_instrument(state, ring[i].instrument_id))
