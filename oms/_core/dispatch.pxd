"""One log entry, record by record: admission of session commands, then the part that does it.

Called by the engine class alone. Promises: never fails, whatever the bytes are; an entry that is
not one has no effect but its trace in the digest (docs/rules.md, One entry and Admission).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.admin cimport (
    apply_add_account, apply_add_instrument, apply_add_participant, apply_add_user,
    apply_genesis, apply_grant, apply_open_session, apply_set_instrument, apply_set_limits,
    apply_set_self_trade,
)
from oms._core.auction cimport calls_start, publish_calls, settle_calls
from oms._core.bands cimport apply_set_bands
from oms._core.bust cimport apply_bust_trade
from oms._core.currencies cimport apply_add_currency
from oms._core.day cimport apply_end_day, apply_start_day, expire_due, sweep_step
from oms._core.fees cimport apply_set_fees
from oms._core.hash cimport mix_entry, mix_header
from oms._core.kill cimport apply_set_kill, change_entry
from oms._core.look_ahead cimport LOOK_AHEAD_FROM, look_ahead
from oms._core.machine cimport INVARIANT, IS_DEBUG, UNLIKELY
from oms._core.mass_cancel cimport (
    apply_admin_mass_cancel, mass_cancel, session_disconnected, work_on, work_start,
)
from oms._core.risk_admin cimport apply_set_restriction, apply_set_risk
from oms._core.order_events cimport command_outcome, number_in_session
from oms._core.orders cimport (
    cancel_order, new_order, query_account, refuse_request, replace_order,
)
from oms._core.phase_change cimport apply_set_phase, end_due_calls, pause_trading
from oms._core.postings cimport apply_posting
from oms._core.records cimport *
from oms._core.restate cimport restate_step
from oms._core.sessions cimport Session, session_outcome, session_remember
from oms._core.state cimport State, add_event, grant_of, session_of
from oms._core.stops cimport follow
from oms._core.tick_admin cimport apply_set_ticks
from oms._core.types cimport *
from oms._core.walk cimport are_counts_right, walk_state


cdef inline void apply_entry(
    State* state, uint64_t log_index, const uint8_t* data, uint64_t size
) noexcept nogil:
    """The whole of docs/rules.md, One entry."""
    cdef const BatchHeader* header = <const BatchHeader*>data
    cdef const CommandRecord* commands = <const CommandRecord*>&data[BATCH_HEADER_BYTES]
    cdef uint32_t i
    state.buffer.count = 0
    state.numbers.applied_index = log_index
    if not is_entry(data, size):
        mix_header(state, log_index, state.numbers.last_timestamp, 0)
        return
    state.numbers.last_timestamp += 1
    if header.timestamp_ns > state.numbers.last_timestamp:
        state.numbers.last_timestamp = header.timestamp_ns
    mix_header(state, log_index, state.numbers.last_timestamp, header.count)
    state.other_commands = 0
    calls_start(state)
    if UNLIKELY(state.numbers.sweep_slot != 0):
        sweep_step(state)
    if UNLIKELY(state.restating.up_to != 0):
        restate_step(state)
    if UNLIKELY(state.timers.count != 0):
        expire_due(state)
    if UNLIKELY(state.calls.timers.count != 0):
        end_due_calls(state)
    settle_calls(state)
    work_start(state)
    state.triggers.events_seen = 0
    state.triggers.steps_left = WORK_STEPS_MAX
    state.pegs.steps_left = WORK_STEPS_MAX
    if UNLIKELY(has_followers(state)):
        follow(state)
    for i in range(header.count):
        if state.pool.live >= LOOK_AHEAD_FROM:
            look_ahead(state, <const OrderRecord*>commands, i, header.count)
        apply_command(state, &commands[i])
        if UNLIKELY(has_followers(state)):
            follow(state)
        if IS_DEBUG:
            walk_state(state)
    if UNLIKELY(state.calls.touched_count != 0):
        publish_calls(state)
    mix_entry(state, commands, header.count)
    INVARIANT(are_counts_right(state))


cdef inline bint has_followers(const State* state) noexcept nogil:
    """Whether the last command moved a followed market, or followers are not through yet."""
    return (
        state.triggers.touched_count | state.triggers.waiting_count | state.pegs.due_count
    ) != 0


cdef inline bint is_entry(const uint8_t* data, uint64_t size) noexcept nogil:
    cdef const BatchHeader* header = <const BatchHeader*>data
    return (
        size >= BATCH_HEADER_BYTES
        and header.marker == BATCH_MARKER
        and header.version == BATCH_VERSION
        and header.timestamp_ns <= TIMESTAMP_MAX
        and size == BATCH_HEADER_BYTES + <uint64_t>header.count * COMMAND_BYTES
    )


cdef inline bint is_admin_kind(uint8_t kind) noexcept nogil:
    return COMMAND_ADD_INSTRUMENT <= kind <= COMMAND_SET_TICKS


cdef inline void apply_command(State* state, const CommandRecord* command) noexcept nogil:
    if UNLIKELY(
        state.numbers.genesis_left or not state.numbers.has_genesis
        or command.kind < COMMAND_NEW_ORDER or command.kind > COMMAND_ENABLE_ENTRY
    ):
        apply_other(state, command)
    else:
        apply_order_command(state, <const OrderRecord*>command)


cdef inline void apply_other(State* state, const CommandRecord* command) noexcept nogil:
    """A command that is not about orders, or any at all before the genesis is complete."""
    cdef uint8_t kind = command.kind
    state.other_commands += 1
    if state.numbers.genesis_left or not state.numbers.has_genesis:
        if not state.numbers.has_genesis:
            if kind == COMMAND_GENESIS:
                apply_genesis(state, command)
        elif is_admin_kind(kind):
            state.numbers.genesis_left -= 1
            answer_genesis(state, command, apply_admin(state, command, True))
            go_on(state)
    elif is_admin_kind(kind):
        apply_admin_command(state, <const OrderRecord*>command)
    elif kind == COMMAND_LOGIN:
        apply_login(state, command)
    elif kind == COMMAND_LOGOUT:
        apply_logout(state, command)
    elif kind == COMMAND_GATEWAY_LOST:
        apply_gateway_lost(state, command)


cdef inline void go_on(State* state) noexcept nogil:
    """What a command has queued, as far as this entry may."""
    settle_calls(state)
    work_on(state)


cdef inline Session* admit(State* state, const OrderRecord* record) noexcept nogil:
    """The session whose command this is, its client_seq taken; NULL: not to be processed."""
    cdef Session* session = session_of(state, record.session_id)
    cdef uint8_t kind
    cdef uint64_t order_id
    if session == NULL or not session.is_logged_in or session.conn_epoch != record.conn_epoch:
        return NULL
    if record.client_seq == session.client_seq + 1 and (
        record.not_after_ns >= state.numbers.last_timestamp
    ):
        session.client_seq = record.client_seq
        return session
    order_id = session.client_seq + 1
    if record.client_seq <= session.client_seq:
        kind = EVENT_ALREADY_APPLIED
        order_id = session_outcome(session, record.client_seq)
    elif record.client_seq > session.client_seq + 1:
        kind = EVENT_GAP
    else:
        kind = EVENT_COMMAND_EXPIRED
    command_outcome(state, kind, record).order_id = order_id
    return NULL


cdef inline void apply_order_command(State* state, const OrderRecord* record) noexcept nogil:
    cdef Session* session = admit(state, record)
    if UNLIKELY(session == NULL):
        return
    if record.kind == COMMAND_REPLACE_ORDER:
        replace_order(state, session, record)
    elif record.kind == COMMAND_NEW_ORDER:
        new_order(state, session, record)
    elif record.kind == COMMAND_CANCEL_ORDER:
        cancel_order(state, session, record)
    elif record.kind == COMMAND_ACCOUNT_QUERY:
        query_account(state, session, record)
    elif record.kind == COMMAND_MASS_CANCEL:
        mass_cancel(state, session, record)
        go_on(state)
    elif record.kind == COMMAND_DISABLE_ENTRY or record.kind == COMMAND_ENABLE_ENTRY:
        change_entry(state, session, record, record.kind == COMMAND_ENABLE_ENTRY)
    else:
        refuse_request(state, session, record)
    if UNLIKELY(state.stopped_id != 0):
        pause_trading(state)
    session_remember(session)


cdef inline void apply_admin_command(State* state, const OrderRecord* record) noexcept nogil:
    """An administrator's command outside genesis mode, and its answer."""
    cdef Session* session = admit(state, record)
    cdef const CommandRecord* command = <const CommandRecord*>record
    cdef EventRecord* event
    cdef uint8_t reason = REJECT_NOT_ADMIN
    if session == NULL:
        return
    if grant_of(state, session.user_id, 0)[0] & ENTITLED_ADMIN:
        reason = apply_admin(state, command, False)
    if reason == REJECT_NONE:
        directory_changed(state, command)
        event = add_event(state, EVENT_ADMIN_APPLIED)
        event.order_id = concerned(state, command)
    else:
        event = add_event(state, EVENT_ADMIN_REJECTED)
        event.reason = reason
    event.qty = command.kind
    number_in_session(state, event, record.session_id, record)
    go_on(state)
    session_remember(session)


cdef inline void answer_genesis(
    State* state, const CommandRecord* command, uint8_t reason
) noexcept nogil:
    """Success is silent but for DIRECTORY_CHANGED; a failure has no session to go to."""
    cdef EventRecord* event
    if reason == REJECT_NONE:
        directory_changed(state, command)
        return
    event = add_event(state, EVENT_ADMIN_REJECTED)
    event.reason = reason
    event.qty = command.kind


cdef inline uint64_t concerned(State* state, const CommandRecord* command) noexcept nogil:
    """The id an admin command concerns: the record's first one, or the trading date."""
    if command.kind == COMMAND_START_DAY or command.kind == COMMAND_END_DAY:
        return state.numbers.trading_date
    if command.kind == COMMAND_BUST_TRADE:
        return (<const BustRecord*>command).match_id
    return (<const GrantRecord*>command).user_id


cdef inline void directory_changed(State* state, const CommandRecord* command) noexcept nogil:
    cdef EventRecord* event
    if (
        command.kind <= COMMAND_GRANT
        or command.kind == COMMAND_SET_LIMITS
        or command.kind == COMMAND_SET_INSTRUMENT
        or command.kind == COMMAND_ADD_CURRENCY
        or command.kind == COMMAND_SET_TICKS
    ):
        event = add_event(state, EVENT_DIRECTORY_CHANGED)
        event.qty = command.kind
        event.order_id = concerned(state, command)


cdef inline uint8_t apply_admin(
    State* state, const CommandRecord* command, bint is_genesis
) noexcept nogil:
    """Do what an administrator asks for, or say why not."""
    cdef uint8_t kind = command.kind
    if kind == COMMAND_ADD_INSTRUMENT:
        return apply_add_instrument(state, <const InstrumentRecord*>command)
    if kind == COMMAND_ADD_PARTICIPANT:
        return apply_add_participant(state, <const ParticipantRecord*>command)
    if kind == COMMAND_ADD_ACCOUNT:
        return apply_add_account(state, <const AccountRecord*>command)
    if kind == COMMAND_ADD_USER:
        return apply_add_user(state, <const UserRecord*>command)
    if kind == COMMAND_OPEN_SESSION:
        return apply_open_session(state, <const SessionRecord*>command)
    if kind == COMMAND_GRANT:
        return apply_grant(state, <const GrantRecord*>command)
    if (
        kind == COMMAND_DEPOSIT_CASH or kind == COMMAND_DEPOSIT_SHARES
        or kind == COMMAND_TRANSFER
    ):
        return apply_posting(state, command)
    if kind == COMMAND_ADD_CURRENCY:
        return apply_add_currency(state, command)
    if kind == COMMAND_BUST_TRADE:
        return apply_bust_trade(state, command)
    if kind == COMMAND_SET_FEES:
        return apply_set_fees(state, command)
    if kind == COMMAND_SET_LIMITS:
        return apply_set_limits(state, <const AccountRecord*>command)
    if kind == COMMAND_SET_INSTRUMENT:
        return apply_set_instrument(state, <const InstrumentRecord*>command)
    if kind == COMMAND_SET_PHASE:
        return apply_set_phase(state, <const PhaseRecord*>command)
    if kind == COMMAND_START_DAY:
        return apply_start_day(state, <const DayRecord*>command)
    if kind == COMMAND_SET_KILL:
        return apply_set_kill(state, <const KillRecord*>command)
    if kind == COMMAND_SET_SELF_TRADE:
        return apply_set_self_trade(state, <const SelfTradeRecord*>command)
    if kind == COMMAND_ADMIN_MASS_CANCEL:
        return apply_admin_mass_cancel(state, <const MassCancelRecord*>command, is_genesis)
    if kind == COMMAND_SET_RISK:
        return apply_set_risk(state, command, is_genesis)
    if kind == COMMAND_SET_BANDS:
        return apply_set_bands(state, <const BandsRecord*>command)
    if kind == COMMAND_SET_TICKS:
        return apply_set_ticks(state, <const TicksRecord*>command)
    if kind == COMMAND_SET_RESTRICTION:
        return apply_set_restriction(state, command, is_genesis)
    return apply_end_day(state)


cdef inline void apply_login(State* state, const CommandRecord* command) noexcept nogil:
    cdef const LoginRecord* record = <const LoginRecord*>command
    cdef Session* session = session_of(state, command.session_id)
    cdef EventRecord* event
    if session == NULL:
        return
    if record.nonce != session.login_nonce or session.conn_epoch == 0:
        if command.not_after_ns and command.not_after_ns < state.numbers.last_timestamp:
            event = add_event(state, EVENT_COMMAND_EXPIRED)
            event.session_id = command.session_id
            event.client_seq = record.nonce
            return
        session.conn_epoch += 1
        session.client_seq = 0  # the window is empty with it
        session.login_nonce = record.nonce
        session.gateway_id = record.gateway_id
        session.is_logged_in = 1
    event = add_event(state, EVENT_SESSION_LOGGED_IN)
    event.session_id = command.session_id
    event.conn_epoch = session.conn_epoch
    event.client_seq = record.nonce
    event.order_id = session.out_seq
    event.price = <int64_t>session.gateway_id
    event.user_ref_num = session.last_user_ref_num


cdef inline void log_out(State* state, uint32_t session_id) noexcept nogil:
    cdef Session* session = &state.sessions[session_id]
    cdef EventRecord* event = add_event(state, EVENT_SESSION_LOGGED_OUT)
    session.is_logged_in = 0
    session_disconnected(state, session_id)
    event.session_id = session_id
    event.conn_epoch = session.conn_epoch
    event.price = <int64_t>session.gateway_id


cdef inline void apply_logout(State* state, const CommandRecord* command) noexcept nogil:
    cdef Session* session = session_of(state, command.session_id)
    if (
        session != NULL and session.is_logged_in
        and session.conn_epoch == command.conn_epoch
    ):
        log_out(state, command.session_id)
        go_on(state)


cdef inline void apply_gateway_lost(State* state, const CommandRecord* command) noexcept nogil:
    cdef uint64_t gateway_id = (<const LoginRecord*>command).gateway_id
    cdef uint32_t i
    for i in range(1, state.numbers.session_count + 1):
        if state.sessions[i].is_logged_in and state.sessions[i].gateway_id == gateway_id:
            log_out(state, i)
    go_on(state)
