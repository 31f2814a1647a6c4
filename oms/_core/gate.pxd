"""Gate words: what is special on a new order's way, so that one test says that nothing is.

Called by risk (the test) and by whoever changes what a word is made of. A word is 0 exactly while
nothing special holds at its venue, session, account or instrument; the bits stand in types.pxd.
Promises: a word is worked out from other state alone, never stored, digested or asked for anything
but speed: what it stands for is checked again behind it, in the order of docs/rules.md.
"""

from libc.stdint cimport uint8_t, uint32_t

from oms._core.directory cimport Instrument
from oms._core.ledger cimport Account
from oms._core.limits cimport Limits
from oms._core.machine cimport rare
from oms._core.phases cimport check_phase
from oms._core.restriction cimport Asked, is_restricted
from oms._core.sessions cimport Session
from oms._core.state cimport State, grant_of
from oms._core.types cimport PHASE_CONTINUOUS, REJECT_ENTRY_OFF, REJECT_NONE, REJECT_RESTRICTED
from oms._core.risk_types cimport (
    GATE_BANDS, GATE_DAY, GATE_DISABLED, GATE_HIDDEN, GATE_KILLED, GATE_LIMITS, GATE_PHASE,
    GATE_RATE,
    GATE_RESTRICTED,
)


# ---- what the words are made of


cdef inline uint8_t venue_gate(const State* state) noexcept nogil:
    return (
        (GATE_KILLED if state.numbers.is_killed else 0)
        | (0 if state.numbers.is_day_open else GATE_DAY)
    )


cdef inline uint8_t limits_gate(const Limits* limits) noexcept nogil:
    return (
        (GATE_RATE if limits.order_rate else 0)
        | (
            GATE_LIMITS if limits.max_open_orders or limits.max_exposure
            or limits.duplicate_window_ns or limits.short_sale else 0
        )
    )


cdef inline uint8_t session_gate(const State* state, uint32_t session_id) noexcept nogil:
    return (
        (GATE_KILLED if state.sessions[session_id].is_killed else 0)
        | limits_gate(&state.session_limits[session_id])
    )


cdef inline uint8_t account_gate(const State* state, uint32_t account_id) noexcept nogil:
    cdef const Account* account = &state.accounts[account_id]
    return (
        (GATE_KILLED if account.is_killed else 0)
        | (GATE_RESTRICTED if account.restrictions else 0)
        | limits_gate(&state.account_limits[account_id])
    )


cdef inline uint8_t instrument_gate(const Instrument* instrument) noexcept nogil:
    return (
        (GATE_KILLED if instrument.is_killed else 0)
        | (0 if instrument.phase == PHASE_CONTINUOUS else GATE_PHASE)
        | (GATE_RESTRICTED if instrument.restriction else 0)
        | (GATE_HIDDEN if instrument.hidden_orders else 0)
        | (GATE_BANDS if instrument.has_bands else 0)
    )


cdef inline void set_gates(State* state) noexcept nogil:
    """Every word anew, after a restore."""
    cdef uint32_t i
    state.gate = venue_gate(state)
    for i in range(1, state.numbers.session_count + 1):
        state.sessions[i].gate = session_gate(state, i)
    for i in range(1, state.numbers.account_count + 1):
        state.accounts[i].gate = account_gate(state, i)
    for i in range(1, state.numbers.instrument_count + 1):
        state.instruments[i].gate = instrument_gate(&state.instruments[i])


cdef inline bint are_gates_right(const State* state) noexcept nogil:
    """Whether every word is what it is made of; for the walk."""
    cdef uint32_t i
    cdef uint32_t wrong = state.gate ^ venue_gate(state)
    for i in range(1, state.numbers.session_count + 1):
        wrong |= state.sessions[i].gate ^ session_gate(state, i)
    for i in range(1, state.numbers.account_count + 1):
        wrong |= state.accounts[i].gate ^ account_gate(state, i)
    for i in range(1, state.numbers.instrument_count + 1):
        wrong |= state.instruments[i].gate ^ instrument_gate(&state.instruments[i])
    return wrong == 0


# ---- the test, and what stands behind it


cdef inline uint32_t gate_of(
    const State* state, const Session* session, const Account* account,
    const Instrument* instrument, uint32_t account_id,
) noexcept nogil:
    """Everything special on an order's way; 0: nothing."""
    return (
        state.gate | session.gate | account.gate | instrument.gate
        | (grant_of(state, session.user_id, account_id)[0] & GATE_DISABLED)
    )


cdef inline uint8_t check_gate(
    const State* state, const Instrument* instrument, uint32_t gate, const Asked* asked
) noexcept nogil:
    """What of a gate that is not 0 refuses an order before its terms are looked at, or NONE."""
    cdef uint8_t reason
    rare()
    if gate & (GATE_KILLED | GATE_DISABLED):
        return REJECT_ENTRY_OFF
    reason = check_phase(state, instrument, asked.instrument_id)
    if reason:
        return reason
    if gate & GATE_RESTRICTED and is_restricted(state, asked):
        return REJECT_RESTRICTED
    return REJECT_NONE
