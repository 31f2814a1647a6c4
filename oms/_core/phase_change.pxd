"""How one phase becomes another, and which way leads through an uncross (docs/rules.md, Phases).

Called by the dispatcher, the day and the auction. Promises: orders that were collected trade in an
uncross before continuous trading begins.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.bands cimport CLAMP_NONE, clamp_of
from oms._core.call_price cimport find_call_price
from oms._core.calls cimport Call, STAGE_NONE, STAGE_QUEUED, call_queue_add
from oms._core.directory cimport FOLLOWED_BY_PEGS, Instrument
from oms._core.gate cimport instrument_gate
from oms._core.hidden cimport is_crossed
from oms._core.machine cimport UNLIKELY, rare
from oms._core.open_sums cimport sums_forget
from oms._core.order_events cimport book_top
from oms._core.peg_book cimport suspend_pegs
from oms._core.phases cimport collects, is_call, is_offered
from oms._core.records cimport EventRecord, PhaseRecord
from oms._core.state cimport State, add_event, has_instrument, touch
from oms._core.timers cimport next_due, timer_add, timer_drop
from oms._core.triggers cimport market_moved
from oms._core.types cimport (
    EVENT_PHASE_CHANGED, FLAG_EXTENDED, PHASE_CLOSED, PHASE_CLOSING_AUCTION, PHASE_CONTINUOUS,
    PHASE_VOLATILITY_AUCTION, REJECT_BAD_VALUE, REJECT_NONE, REJECT_UNKNOWN_ID, TIMESTAMP_MAX,
)


cdef inline bint has_left(const State* state, uint32_t instrument_id) noexcept nogil:
    """Whether a book still has what only calls have: overlapping prices, orders for calls."""
    return (
        is_crossed(state, instrument_id)
        or state.calls.calls[instrument_id].first != 0
    )


cdef inline EventRecord* say_phase(State* state, uint32_t instrument_id) noexcept nogil:
    cdef Instrument* instrument = &state.instruments[instrument_id]
    cdef EventRecord* event = add_event(state, EVENT_PHASE_CHANGED)
    instrument.topic_seq += 1
    event.topic_seq = instrument.topic_seq
    event.instrument_id = instrument_id
    event.reason = instrument.phase
    return event


cdef inline void change_phase(State* state, uint32_t instrument_id, uint8_t phase) noexcept nogil:
    """Be in that phase and say so, unless it is the phase already."""
    cdef Instrument* instrument = &state.instruments[instrument_id]
    cdef Call* call = &state.calls.calls[instrument_id]
    if instrument.phase == phase:
        return
    if UNLIKELY(instrument.followers & FOLLOWED_BY_PEGS) and phase != PHASE_CONTINUOUS:
        suspend_pegs(state, instrument_id)
    timer_drop(&state.calls.timers, instrument_id)
    call.said_price = 0
    call.said_volume = 0
    call.said_imbalance = 0
    call.is_extended = 0
    if collects(state, phase):
        if not instrument.is_crossable:
            sums_forget(state, instrument_id)
        instrument.is_crossable = 1
        touch(state, instrument_id)
    elif instrument.is_crossable and not has_left(state, instrument_id):
        instrument.is_crossable = 0
        book_top(state, instrument, instrument_id)
    instrument.phase = phase
    instrument.gate = instrument_gate(instrument)
    if instrument.followers:
        market_moved(&state.triggers, instrument_id)
    say_phase(state, instrument_id)


cdef inline void move_phase(State* state, uint32_t instrument_id, uint8_t phase) noexcept nogil:
    """To another phase: behind an uncross where one is due."""
    cdef Call* call = &state.calls.calls[instrument_id]
    cdef bint is_end = phase == PHASE_CONTINUOUS or (
        phase == PHASE_CLOSED and is_call(state.instruments[instrument_id].phase)
    )
    if call.stage != STAGE_NONE:
        call.next_phase = phase
    elif is_end and has_left(state, instrument_id):
        timer_drop(&state.calls.timers, instrument_id)
        call.stage = STAGE_QUEUED
        call.next_phase = phase
        call_queue_add(&state.calls, instrument_id)
    else:
        change_phase(state, instrument_id, phase)


cdef inline void set_phase(
    State* state, uint32_t instrument_id, uint8_t phase, int64_t call_ns
) noexcept nogil:
    """What an administrator asks for; an uncross that is under way goes on."""
    if state.calls.calls[instrument_id].stage != STAGE_NONE:
        return
    move_phase(state, instrument_id, phase)
    if is_call(phase):
        timer_drop(&state.calls.timers, instrument_id)
        if call_ns:
            timer_add(
                &state.calls.timers, instrument_id, instrument_id,
                state.numbers.last_timestamp + call_ns,
            )


cdef inline uint8_t apply_set_phase(State* state, const PhaseRecord* record) noexcept nogil:
    cdef uint32_t id = record.instrument_id
    cdef uint32_t i
    if id and not has_instrument(state, id):
        return REJECT_UNKNOWN_ID
    if (
        not is_offered(state, record.phase)
        or record.call_ns < 0 or record.call_ns > TIMESTAMP_MAX - state.numbers.last_timestamp
        or (record.call_ns and not is_call(record.phase))
        or (id and state.calls.calls[id].stage != STAGE_NONE)
    ):
        return REJECT_BAD_VALUE
    if id:
        set_phase(state, id, record.phase, record.call_ns)
        return REJECT_NONE
    for i in range(1, state.numbers.instrument_count + 1):
        set_phase(state, i, record.phase, record.call_ns)
    return REJECT_NONE


cdef inline void end_due_calls(State* state) noexcept nogil:
    """Calls whose time is over, the earliest first; a volatility call may go on once."""
    cdef const Instrument* instrument
    cdef uint32_t instrument_id
    cdef int64_t price
    cdef uint8_t phase
    while state.calls.timers.count and state.calls.steps_left and (
        next_due(&state.calls.timers) <= state.numbers.last_timestamp
    ):
        state.calls.steps_left -= 1
        instrument_id = state.calls.timers.timers[1].slot
        instrument = &state.instruments[instrument_id]
        phase = instrument.phase
        timer_drop(&state.calls.timers, instrument_id)
        price = find_call_price(state, instrument_id).price
        if not state.calls.calls[instrument_id].is_extended and (
            clamp_of(state, instrument, instrument_id, price) != CLAMP_NONE
        ):
            extend_call(state, instrument_id)
            continue
        move_phase(
            state, instrument_id,
            PHASE_CLOSED if phase == PHASE_CLOSING_AUCTION else PHASE_CONTINUOUS,
        )


cdef inline void start_pause(State* state, uint32_t instrument_id) noexcept nogil:
    """A volatility call begins, or goes on: it ends in time, or when it is told to."""
    cdef int64_t pause_ns = state.calls.calls[instrument_id].pause_ns
    if pause_ns:
        timer_add(
            &state.calls.timers, instrument_id, instrument_id,
            state.numbers.last_timestamp + pause_ns,
        )


cdef inline void extend_call(State* state, uint32_t instrument_id) noexcept nogil:
    """The call goes on for as long again: it would end outside the band."""
    state.calls.calls[instrument_id].is_extended = 1
    start_pause(state, instrument_id)
    say_phase(state, instrument_id).flags = FLAG_EXTENDED


cdef inline void pause_trading(State* state) noexcept nogil:
    """The band has stopped an order: continuous trading pauses for a call."""
    cdef uint32_t instrument_id = state.stopped_id
    rare()
    state.stopped_id = 0
    change_phase(state, instrument_id, PHASE_VOLATILITY_AUCTION)
    start_pause(state, instrument_id)
