"""The trading day: start, end; orders that expire at its end, or at their own time.

Called by the dispatcher. Promises: no entry examines more than WORK_STEPS_MAX slots for the day's
end, and none expires more orders than that (RULES A11).
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from oms._core.gate cimport venue_gate
from oms._core.mass_cancel cimport take_away
from oms._core.order_events cimport number_in_session
from oms._core.order_pool cimport ORDER_FOR_CALL, Order
from oms._core.phase_change cimport change_phase, move_phase
from oms._core.records cimport DayRecord, EventRecord
from oms._core.restate cimport start_restating
from oms._core.sessions cimport Session, session_oldest
from oms._core.state cimport State, add_event
from oms._core.timers cimport next_due
from oms._core.triggers cimport market_moved
from oms._core.types cimport (
    CANCELED_CLOSED, CANCELED_TIMEOUT, EVENT_DAY_ENDED, EVENT_DAY_STARTED, EVENT_SYSTEM_EVENT,
    OUTCOME_WINDOW, PHASE_CLOSED, PHASE_PRE_OPEN, PROTOCOL_OUCH, REJECT_NONE, REJECT_WRONG_DAY,
    SYSTEM_DAY_ENDED, SYSTEM_DAY_STARTED, TIF_DAY, WORK_STEPS_MAX,
)


cdef inline void tell_ouch_sessions(State* state, uint8_t code) noexcept nogil:
    cdef EventRecord* event
    cdef uint32_t i
    for i in range(1, state.numbers.session_count + 1):
        if state.sessions[i].protocol == PROTOCOL_OUCH:
            event = add_event(state, EVENT_SYSTEM_EVENT)
            number_in_session(state, event, i, NULL)
            event.reason = code


cdef inline void start_stream(Session* session) noexcept nogil:
    """The session's output of the new day starts at 1."""
    cdef uint64_t seq
    session.out_seq = 0
    if session.live_orders == 0:
        session.last_user_ref_num = 0
    for seq in range(session_oldest(session), session.client_seq + 1):
        session.window[seq & (OUTCOME_WINDOW - 1)] = 0


cdef inline uint8_t apply_start_day(State* state, const DayRecord* record) noexcept nogil:
    cdef EventRecord* event
    cdef uint32_t i
    if (
        state.numbers.is_day_open or state.numbers.sweep_slot
        or record.trading_date <= state.numbers.trading_date
    ):
        return REJECT_WRONG_DAY
    state.numbers.is_day_open = 1
    state.gate = venue_gate(state)
    start_restating(state)
    state.numbers.trading_date = record.trading_date
    state.numbers.midnight_ns = record.midnight_ns
    state.day_match_id = state.numbers.match_id
    for i in range(1, state.numbers.session_count + 1):
        start_stream(&state.sessions[i])
    for i in range(1, state.numbers.instrument_count + 1):
        if state.instruments[i].followers:
            market_moved(&state.triggers, i)
        if state.instruments[i].phase == PHASE_CLOSED:
            change_phase(state, i, PHASE_PRE_OPEN)
    tell_ouch_sessions(state, SYSTEM_DAY_STARTED)
    event = add_event(state, EVENT_DAY_STARTED)
    event.order_id = record.trading_date
    event.price = record.midnight_ns
    return REJECT_NONE


cdef inline uint8_t apply_end_day(State* state) noexcept nogil:
    cdef uint32_t i
    if not state.numbers.is_day_open:
        return REJECT_WRONG_DAY
    state.numbers.is_day_open = 0
    state.gate = venue_gate(state)
    for i in range(1, state.numbers.instrument_count + 1):
        move_phase(state, i, PHASE_CLOSED)
    state.numbers.sweep_slot = 1
    return REJECT_NONE


cdef inline void expire_due(State* state) noexcept nogil:
    """Orders whose time is over go, the earliest first, at most so many in one entry."""
    cdef uint32_t steps = 0
    while (
        steps < WORK_STEPS_MAX and state.timers.count
        and next_due(&state.timers) <= state.numbers.last_timestamp
    ):
        take_away(state, state.timers.timers[1].slot, CANCELED_TIMEOUT, 0)
        steps += 1


cdef inline void sweep_step(State* state) noexcept nogil:
    """One entry's share of a pending sweep; closing calls trade before orders go."""
    cdef const Order* order
    cdef EventRecord* event
    cdef uint32_t slot = state.numbers.sweep_slot
    cdef uint32_t steps = 0
    if state.calls.count:
        return
    while slot <= state.pool.highest and steps < WORK_STEPS_MAX:
        order = &state.pool.orders[slot]
        if order.leaves and (
            order.time_in_force == TIF_DAY or order.flags & ORDER_FOR_CALL
        ):
            take_away(state, slot, CANCELED_CLOSED, 0)
        slot += 1
        steps += 1
    if slot <= state.pool.highest:
        state.numbers.sweep_slot = slot
        return
    state.numbers.sweep_slot = 0
    tell_ouch_sessions(state, SYSTEM_DAY_ENDED)
    event = add_event(state, EVENT_DAY_ENDED)
    event.order_id = state.numbers.trading_date
