"""Restrictions and limits: how an administrator changes them.

Called by the dispatcher. Each `apply_...` checks ids first, then values; it returns a RejectReason
and has no effect unless it is NONE. Promises: live orders are touched only where the command asks
for it, and then by bounded work (docs/rules.md, Restrictions).
"""

from libc.stdint cimport uint8_t, uint32_t

from oms._core.directory cimport Instrument
from oms._core.gate cimport account_gate, instrument_gate
from oms._core.ledger cimport Account, Position, position_find, position_make
from oms._core.mass_cancel cimport add_admin_task, is_work_full
from oms._core.state cimport CancelTask, State, has_account, has_instrument
from oms._core.types cimport (
    CommandRecord, LIMIT_OPTION_ALL, REJECT_BAD_VALUE, REJECT_CAPACITY, REJECT_NONE,
    REJECT_UNKNOWN_ID, RESTRICTION_ALL, RestrictionRecord,
)


cdef inline void cancel_breaches(
    State* state, const CommandRecord* command, uint32_t account_id, uint32_t instrument_id,
    bint is_genesis,
) noexcept nogil:
    """What is refused now goes; the caller has seen that there is room for the work."""
    cdef CancelTask* task = add_admin_task(state, command, is_genesis)
    task.of_account_id = account_id
    task.of_instrument_id = instrument_id
    task.is_breach = 1


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
    account.gate = account_gate(account)
    return REJECT_NONE


cdef inline uint8_t apply_set_restriction(
    State* state, const CommandRecord* command, bint is_genesis
) noexcept nogil:
    cdef const RestrictionRecord* record = <const RestrictionRecord*>command
    cdef Instrument* instrument
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
        cancel_breaches(state, command, record.account_id, record.instrument_id, is_genesis)
    return REJECT_NONE
