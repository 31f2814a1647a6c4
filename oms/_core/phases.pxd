"""The stages of an instrument's day: which orders each lets in (docs/rules.md, Phases).

Called by the gate, by risk and by everything that changes phases. Promises: reads only.
"""

from libc.stdint cimport uint8_t, uint32_t

from oms._core.directory cimport Instrument
from oms._core.machine cimport rare
from oms._core.records cimport OrderRecord
from oms._core.state cimport State
from oms._core.types cimport (
    PHASE_CANCEL_ONLY, PHASE_CLOSED, PHASE_CLOSING_AUCTION, PHASE_CONTINUOUS, PHASE_HALTED,
    PHASE_OPENING_AUCTION, PHASE_PRE_OPEN, PHASE_VOLATILITY_AUCTION, REJECT_HALTED,
    REJECT_MARKET_CLOSED, REJECT_NONE, TIF_AT_THE_CLOSE, TIF_AT_THE_OPEN, TIF_FOK, TIF_IOC,
    TYPE_MARKET_TO_LIMIT,
)

cdef enum:
    COLLECTS_FROM = 2  # the rule version from which on orders are collected at all


cdef inline bint has_calls(const State* state) noexcept nogil:
    return state.numbers.rule_version >= COLLECTS_FROM


cdef inline bint is_call(uint8_t phase) noexcept nogil:
    return (
        phase == PHASE_OPENING_AUCTION or phase == PHASE_VOLATILITY_AUCTION
        or phase == PHASE_CLOSING_AUCTION
    )


cdef inline bint collects(const State* state, uint8_t phase) noexcept nogil:
    """Whether orders come to rest in it without trading."""
    return has_calls(state) and (phase == PHASE_PRE_OPEN or is_call(phase))


cdef inline bint is_offered(const State* state, uint8_t phase) noexcept nogil:
    """Whether an administrator may ask for it."""
    if is_call(phase):
        return has_calls(state)
    return (
        phase == PHASE_PRE_OPEN or phase == PHASE_CONTINUOUS or phase == PHASE_HALTED
        or phase == PHASE_CANCEL_ONLY or phase == PHASE_CLOSED
    )


cdef inline uint8_t check_phase(
    const State* state, const Instrument* instrument, uint32_t instrument_id
) noexcept nogil:
    """Why no order may enter now, or NONE."""
    cdef uint8_t phase = instrument.phase
    if (
        not state.numbers.is_day_open or phase == PHASE_CLOSED
        or (phase == PHASE_PRE_OPEN and not has_calls(state))
    ):
        return REJECT_MARKET_CLOSED
    if state.calls.calls[instrument_id].stage:
        return REJECT_HALTED
    if phase == PHASE_CONTINUOUS or collects(state, phase):
        return REJECT_NONE
    return REJECT_HALTED


cdef inline bint is_for_phase(
    const State* state, const Instrument* instrument, const OrderRecord* record, uint8_t ord_type
) noexcept nogil:
    """Whether an order with these terms is one for the phase."""
    cdef uint8_t phase = instrument.phase
    cdef uint8_t time = record.time_in_force
    rare()
    if time == TIF_AT_THE_OPEN or time == TIF_AT_THE_CLOSE:
        if not has_calls(state):
            return False
        if time == TIF_AT_THE_CLOSE and phase != PHASE_CLOSING_AUCTION:
            return False
        if time == TIF_AT_THE_OPEN and phase != PHASE_PRE_OPEN and (
            phase != PHASE_OPENING_AUCTION
        ):
            return False
    return not collects(state, phase) or (
        time != TIF_IOC and time != TIF_FOK and ord_type != TYPE_MARKET_TO_LIMIT
        and not record.post_only and not record.min_qty
    )
