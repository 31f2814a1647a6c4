"""The words of who there is and what they have: docs/rules.md, Digest.

Called by the digest and by the scrub. Participants, accounts with their positions and limits,
users with their grants, sessions.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, qsort

from oms._core.directory cimport User
from oms._core.hash cimport Hash, take
from oms._core.ledger cimport Account, Position
from oms._core.limits cimport Limits, Recent, recent_at
from oms._core.machine cimport INVARIANT
from oms._core.sessions cimport Session, session_oldest, session_outcome
from oms._core.state cimport State, grant_of, ring_of

cdef struct PositionKey:
    uint64_t key  # account_id, instrument_id
    uint32_t slot
    uint32_t reserved


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
    cdef uint32_t currency
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
    for currency in range(2, state.currency_count + 1):
        take(hash_, <uint64_t>state.balances[currency][i].cash)
        take(hash_, <uint64_t>state.balances[currency][i].hold)


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
