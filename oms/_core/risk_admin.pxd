"""Restrictions and limits: how an administrator changes them.

Called by the dispatcher. Each `apply_...` checks ids first, then values; it returns a RejectReason
and has no effect unless it is NONE. Promises: live orders are touched only where the command asks
for it, and then by bounded work (docs/rules.md, Restrictions).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.breach cimport BREACH_OF_LIMIT, BREACH_OF_RESTRICTION
from oms._core.directory cimport Instrument
from oms._core.gate cimport account_gate, instrument_gate, session_gate
from oms._core.ledger cimport Account, Position, position_find, position_make
from oms._core.limits cimport Limits
from oms._core.mass_cancel cimport add_admin_task, is_work_full
from oms._core.records cimport CommandRecord
from oms._core.state cimport CancelTask, State, has_account, has_instrument, session_of
from oms._core.types cimport REJECT_BAD_VALUE, REJECT_CAPACITY, REJECT_NONE, REJECT_UNKNOWN_ID
from oms._core.risk_types cimport (
    LIMITS_OF_ACCOUNTS, LIMITS_OF_SESSIONS, LIMITS_OF_SET_LIMITS, LIMIT_OPTION_ALL,
    LIMIT_WINDOW_MAX_NS, ORDER_RATE_MAX, RESTRICTION_ALL, RISK_DUPLICATES, RISK_EXPOSURE,
    RISK_LONG_LIMIT, RISK_MAX_ORDER_QTY, RISK_MAX_ORDER_VALUE, RISK_OPEN_ORDERS,
    RISK_ORDER_RATE, RISK_SCOPE_ACCOUNT, RISK_SCOPE_SESSION, RISK_SHORT_LIMIT, RISK_SHORT_SALE,
    RestrictionRecord, RiskRecord, SHORT_SALE_FORBIDDEN,
)


cdef inline CancelTask* cancel_breaches(
    State* state, const CommandRecord* command, uint8_t breach, bint is_genesis
) noexcept nogil:
    """What is refused now goes; the caller has seen that there is room, and says whose."""
    cdef CancelTask* task = add_admin_task(state, command, is_genesis)
    task.breach = breach
    return task


cdef inline uint8_t restrict_account(
    State* state, const RestrictionRecord* record
) noexcept nogil:
    """A pair's own restriction; it needs a position to stand in."""
    cdef Account* account = &state.accounts[record.account_id]
    cdef uint32_t slot = position_find(
        &state.positions, record.account_id, record.instrument_id
    )
    cdef Position* position
    if slot == 0:
        if state.positions.count >= state.positions.positions_max:
            return REJECT_CAPACITY
        slot = position_make(&state.positions, record.account_id, record.instrument_id)
    position = &state.positions.positions[slot]
    account.restrictions += (record.restriction != 0) - (position.restriction != 0)
    position.restriction = record.restriction
    account.gate = account_gate(state, record.account_id)
    return REJECT_NONE


cdef inline uint8_t apply_set_restriction(
    State* state, const CommandRecord* command, bint is_genesis
) noexcept nogil:
    cdef const RestrictionRecord* record = <const RestrictionRecord*>command
    cdef Instrument* instrument
    cdef CancelTask* task
    cdef uint8_t reason
    if not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_ID
    if record.account_id and not has_account(state, record.account_id):
        return REJECT_UNKNOWN_ID
    if record.restriction > RESTRICTION_ALL or record.options > LIMIT_OPTION_ALL:
        return REJECT_BAD_VALUE
    if record.options and is_work_full(state):
        return REJECT_CAPACITY
    if record.account_id:
        reason = restrict_account(state, record)
        if reason:
            return reason
    else:
        instrument = &state.instruments[record.instrument_id]
        instrument.restriction = record.restriction
        instrument.gate = instrument_gate(instrument)
    if record.options:
        task = cancel_breaches(state, command, BREACH_OF_RESTRICTION, is_genesis)
        task.of_account_id = record.account_id
        task.of_instrument_id = record.instrument_id
    return REJECT_NONE


cdef inline bint is_rate_within(
    uint32_t order_rate, uint32_t cancel_reserve, int64_t window_ns
) noexcept nogil:
    """An order rate within its bounds, or none at all."""
    if order_rate == 0:
        return cancel_reserve == 0 and window_ns == 0
    return (
        order_rate <= ORDER_RATE_MAX and cancel_reserve < order_rate
        and window_ns > 0 and window_ns <= LIMIT_WINDOW_MAX_NS
    )


cdef inline bint is_risk_good(const RiskRecord* record) noexcept nogil:
    cdef uint32_t allowed = LIMITS_OF_SESSIONS
    if record.scope == RISK_SCOPE_ACCOUNT:
        allowed = LIMITS_OF_ACCOUNTS
    return (
        (record.fields | record.defaults) & ~allowed == 0
        and record.fields & record.defaults == 0
        and (record.defaults == 0 or record.scope_id != 0)
        and record.options <= LIMIT_OPTION_ALL
        and record.max_order_qty >= 0 and record.max_order_value >= 0
        and record.long_limit >= 0 and record.short_limit >= 0
        and is_rate_within(record.order_rate, record.cancel_reserve, record.rate_window_ns)
        and record.duplicate_window_ns >= 0
        and record.duplicate_window_ns <= LIMIT_WINDOW_MAX_NS
        and record.max_exposure >= 0 and record.short_sale <= SHORT_SALE_FORBIDDEN
    )


cdef inline void set_fields(
    Limits* target, uint32_t fields, const Limits* source
) noexcept nogil:
    """Take over the limits named; a rate starts with all its room, a window with no orders."""
    if fields & RISK_ORDER_RATE:
        target.order_rate = source.order_rate
        target.cancel_reserve = source.cancel_reserve
        target.rate_window_ns = source.rate_window_ns
        target.used_ns = 0
        target.used_orders = 0
        target.used_cancels = 0
    if fields & RISK_DUPLICATES:
        target.duplicate_window_ns = source.duplicate_window_ns
        target.first = 0
        target.count = 0
    if fields & RISK_OPEN_ORDERS:
        target.max_open_orders = source.max_open_orders
    if fields & RISK_EXPOSURE:
        target.max_exposure = source.max_exposure
    if fields & RISK_SHORT_SALE:
        target.short_sale = source.short_sale


cdef inline void set_account_fields(
    Account* target, uint32_t fields, const Account* source
) noexcept nogil:
    """The limits of SET_LIMITS, bit by bit."""
    if fields & RISK_MAX_ORDER_QTY:
        target.max_order_qty = source.max_order_qty
    if fields & RISK_MAX_ORDER_VALUE:
        target.max_order_value = source.max_order_value
    if fields & RISK_LONG_LIMIT:
        target.long_limit = source.long_limit
    if fields & RISK_SHORT_LIMIT:
        target.short_limit = source.short_limit


cdef inline void follow_default(
    State* state, uint8_t scope, uint32_t id, uint32_t fields
) noexcept nogil:
    """Take over the defaults of these limits."""
    if scope == RISK_SCOPE_SESSION:
        set_fields(&state.session_limits[id], fields, &state.session_limits[0])
        state.sessions[id].gate = session_gate(state, id)
    else:
        set_fields(&state.account_limits[id], fields, &state.account_limits[0])
        set_account_fields(&state.accounts[id], fields, &state.accounts[0])
        state.accounts[id].gate = account_gate(state, id)


cdef inline void set_risk(State* state, const RiskRecord* record) noexcept nogil:
    """A sound SET_RISK; whoever follows a default that changed changes with it."""
    cdef bint is_session = record.scope == RISK_SCOPE_SESSION
    cdef Limits* tables = state.session_limits if is_session else state.account_limits
    cdef uint32_t count = state.numbers.session_count
    cdef Limits said
    cdef Account basics
    cdef uint32_t i
    said.max_exposure = record.max_exposure
    said.duplicate_window_ns = record.duplicate_window_ns
    said.rate_window_ns = record.rate_window_ns
    said.max_open_orders = record.max_open_orders
    said.order_rate = record.order_rate
    said.cancel_reserve = record.cancel_reserve
    said.short_sale = record.short_sale
    basics.max_order_qty = record.max_order_qty
    basics.max_order_value = record.max_order_value
    basics.long_limit = record.long_limit
    basics.short_limit = record.short_limit
    set_fields(&tables[record.scope_id], record.fields, &said)
    if not is_session:
        count = state.numbers.account_count
        set_account_fields(&state.accounts[record.scope_id], record.fields, &basics)
    if record.scope_id:
        i = record.scope_id
        tables[i].own = (tables[i].own | record.fields) & ~record.defaults
        follow_default(state, record.scope, i, record.defaults)
        return
    for i in range(1, count + 1):
        follow_default(state, record.scope, i, record.fields & ~<uint32_t>tables[i].own)


cdef inline uint8_t apply_set_risk(
    State* state, const CommandRecord* command, bint is_genesis
) noexcept nogil:
    cdef const RiskRecord* record = <const RiskRecord*>command
    cdef CancelTask* task
    if record.scope != RISK_SCOPE_ACCOUNT and record.scope != RISK_SCOPE_SESSION:
        return REJECT_BAD_VALUE
    if record.scope_id and (
        (record.scope == RISK_SCOPE_ACCOUNT and not has_account(state, record.scope_id))
        or (record.scope == RISK_SCOPE_SESSION and session_of(state, record.scope_id) == NULL)
    ):
        return REJECT_UNKNOWN_ID
    if not is_risk_good(record):
        return REJECT_BAD_VALUE
    if record.options and is_work_full(state):
        return REJECT_CAPACITY
    set_risk(state, record)
    if record.options:
        task = cancel_breaches(state, command, BREACH_OF_LIMIT, is_genesis)
        if record.scope == RISK_SCOPE_ACCOUNT:
            task.of_account_id = record.scope_id
        else:
            task.of_session_id = record.scope_id
    return REJECT_NONE


cdef inline void open_limits(State* state, uint8_t scope, uint32_t id) noexcept nogil:
    """A new account keeps the limits it was added with; the rest, and a session, follows."""
    cdef uint32_t fields = LIMITS_OF_SESSIONS
    if scope == RISK_SCOPE_ACCOUNT:
        state.account_limits[id].own = LIMITS_OF_SET_LIMITS
        fields = LIMITS_OF_ACCOUNTS & ~LIMITS_OF_SET_LIMITS
    follow_default(state, scope, id, fields)
