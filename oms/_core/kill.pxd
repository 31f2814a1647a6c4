"""Who may not enter orders for now: by their own wish, or by an administrator's.

Called by the dispatcher; risk reads what is set here. Promises: cancels, mass cancels and what
rests are not touched (docs/rules.md, Entry).
"""

from libc.stdint cimport uint8_t, uint32_t

from oms._core.gate cimport account_gate, instrument_gate, session_gate, venue_gate
from oms._core.order_events cimport command_ignored, number_in_session, order_rejected
from oms._core.records cimport EventRecord, KillRecord, OrderRecord
from oms._core.sessions cimport Session
from oms._core.state cimport (
    State, add_event, grant_of, has_account, has_instrument, session_of,
)
from oms._core.types cimport (
    EVENT_ENTRY_DISABLED, EVENT_ENTRY_ENABLED, GRANT_DISABLED, KILL_ACCOUNT, KILL_INSTRUMENT,
    KILL_SESSION, KILL_VENUE, REJECT_BAD_VALUE, REJECT_NONE, REJECT_NOT_ENTITLED, REJECT_UNKNOWN_ID,
)


cdef inline void mark_grant(uint8_t* grant, bint is_enabled) noexcept nogil:
    """Stop or let in again, where the user has any right at all."""
    if grant[0]:
        grant[0] = grant[0] & ~GRANT_DISABLED if is_enabled else grant[0] | GRANT_DISABLED


cdef inline void change_entry(
    State* state, Session* session, const OrderRecord* record, bint is_enabled
) noexcept nogil:
    """DISABLE_ENTRY and ENABLE_ENTRY: of the session's user, for one account or all of them."""
    cdef EventRecord* event
    cdef uint32_t account
    cdef uint8_t reason = record.refuse_reason
    if record.user_ref_num <= session.last_user_ref_num:
        command_ignored(state, record)
        return
    session.last_user_ref_num = record.user_ref_num
    if reason == REJECT_NONE and record.account_id and (
        not has_account(state, record.account_id)
        or grant_of(state, session.user_id, record.account_id)[0] == 0
    ):
        reason = REJECT_NOT_ENTITLED
    if reason:
        order_rejected(state, session, reason, record)
        return
    if record.account_id:
        mark_grant(grant_of(state, session.user_id, record.account_id), is_enabled)
    else:
        for account in range(1, state.numbers.account_count + 1):
            mark_grant(grant_of(state, session.user_id, account), is_enabled)
    event = add_event(state, EVENT_ENTRY_ENABLED if is_enabled else EVENT_ENTRY_DISABLED)
    number_in_session(state, event, record.session_id, record)
    event.side = record.side
    event.account_id = record.account_id
    event.instrument_id = record.instrument_id
    event.user_ref_num = record.user_ref_num
    event.firm = record.firm


cdef inline uint8_t apply_set_kill(State* state, const KillRecord* record) noexcept nogil:
    cdef uint32_t id = record.scope_id
    if record.scope < KILL_VENUE or record.scope > KILL_INSTRUMENT:
        return REJECT_BAD_VALUE
    if (
        (record.scope == KILL_VENUE and id != 0)
        or (record.scope == KILL_SESSION and session_of(state, id) == NULL)
        or (record.scope == KILL_ACCOUNT and not has_account(state, id))
        or (record.scope == KILL_INSTRUMENT and not has_instrument(state, id))
    ):
        return REJECT_UNKNOWN_ID
    if record.is_killed > 1:
        return REJECT_BAD_VALUE
    if record.scope == KILL_VENUE:
        state.numbers.is_killed = record.is_killed
        state.gate = venue_gate(state)
    elif record.scope == KILL_SESSION:
        state.sessions[id].is_killed = record.is_killed
        state.sessions[id].gate = session_gate(state, id)
    elif record.scope == KILL_ACCOUNT:
        state.accounts[id].is_killed = record.is_killed
        state.accounts[id].gate = account_gate(state, id)
    else:
        state.instruments[id].is_killed = record.is_killed
        state.instruments[id].gate = instrument_gate(&state.instruments[id])
    return REJECT_NONE
