"""Many orders at once: mass cancels and the orders of who is not connected any more.

Called by the dispatcher at the start of each entry and after each command that gives it work, and
when a session is logged out. Promises: however many orders there are, an entry examines at most
SCAN_SLOTS_MAX slots and cancels at most WORK_STEPS_MAX orders; the rest goes on in the next
entries, first come first served (docs/rules.md, Mass cancels; RULES A11).
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memmove, memset

from oms._core.breach cimport is_breach_meant
from oms._core.directory cimport Instrument
from oms._core.machine cimport INVARIANT, UNLIKELY
from oms._core.order_events cimport (
    Top, command_ignored, number_in_session, order_canceled, order_rejected, top_changed, top_of,
)
from oms._core.order_pool cimport Order
from oms._core.records cimport CommandRecord, EventRecord, MassCancelRecord, OrderRecord
from oms._core.removal cimport remove_order
from oms._core.sessions cimport Session
from oms._core.state cimport (
    CancelTask, State, TASKS_MAX, add_event, grant_of, has_account, has_instrument, session_of,
)
from oms._core.types cimport (
    CANCELED_SUPERVISORY, CANCELED_SYSTEM, CANCELED_USER, ENTITLED_CANCEL,
    EVENT_MASS_CANCEL_ACCEPTED, EVENT_MASS_CANCEL_DONE, FLAG_DISCONNECTED, FLAG_MASS_CANCELED,
    MASS_CANCELS_MAX, OPTION_CANCEL_ON_DISCONNECT, POLICY_WHOLE_ACCOUNT, REJECT_BAD_SIDE,
    REJECT_BAD_VALUE, REJECT_CAPACITY, REJECT_NONE, REJECT_NOT_ENTITLED, REJECT_UNKNOWN_ID,
    REJECT_UNKNOWN_INSTRUMENT, SCAN_SLOTS_MAX, SIDE_BUY, SIDE_SELL, SIDE_SELL_SHORT,
    SIDE_SELL_SHORT_EXEMPT, WORK_STEPS_MAX,
)


# ---- who gives work


cdef inline bint is_scope(uint8_t side) noexcept nogil:
    return (
        side == 0 or side == SIDE_BUY or side == SIDE_SELL or side == SIDE_SELL_SHORT
        or side == SIDE_SELL_SHORT_EXEMPT
    )


cdef inline bint is_work_full(const State* state) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t count = 0
    for i in range(state.work.count):
        count += not state.work.tasks[i].is_disconnect
    return count >= MASS_CANCELS_MAX


cdef inline CancelTask* add_task(State* state) noexcept nogil:
    """A new task over the slots there are now, otherwise zero."""
    cdef CancelTask* task = &state.work.tasks[state.work.count]
    INVARIANT(state.work.count < TASKS_MAX)
    INVARIANT(sizeof(CancelTask) == 64)
    memset(task, 0, sizeof(CancelTask))
    task.next_slot = 1
    task.last_slot = state.pool.highest
    state.work.count += 1
    return task


cdef inline CancelTask* add_admin_task(
    State* state, const CommandRecord* command, bint is_genesis
) noexcept nogil:
    """A new task of an administrator's command, over all orders there are now."""
    cdef CancelTask* task = add_task(state)
    task.last_order_id = state.numbers.order_id
    task.is_admin = 1
    if not is_genesis:
        task.asked_by = command.session_id
        task.conn_epoch = command.conn_epoch
        task.client_seq = command.client_seq
    return task


cdef inline uint8_t check_mass_cancel(
    const State* state, const Session* session, const OrderRecord* record
) noexcept nogil:
    """Why a session's mass cancel is refused, or NONE."""
    cdef bint is_known = has_account(state, record.account_id)
    if record.refuse_reason:
        return record.refuse_reason
    if record.policy & POLICY_WHOLE_ACCOUNT:
        if not is_known or not (
            grant_of(state, session.user_id, record.account_id)[0] & ENTITLED_CANCEL
        ):
            return REJECT_NOT_ENTITLED
    elif record.account_id and not is_known:
        return REJECT_NOT_ENTITLED
    if record.instrument_id and not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_INSTRUMENT
    if not is_scope(record.side):
        return REJECT_BAD_SIDE
    return REJECT_CAPACITY if is_work_full(state) else REJECT_NONE


cdef inline void mass_cancel(
    State* state, Session* session, const OrderRecord* record
) noexcept nogil:
    """MASS_CANCEL: answered, then queued."""
    cdef EventRecord* event
    cdef CancelTask* task
    cdef uint8_t reason
    if record.user_ref_num <= session.last_user_ref_num:
        command_ignored(state, record)
        return
    session.last_user_ref_num = record.user_ref_num
    reason = check_mass_cancel(state, session, record)
    if reason:
        order_rejected(state, session, reason, record)
        return
    event = add_event(state, EVENT_MASS_CANCEL_ACCEPTED)
    number_in_session(state, event, record.session_id, record)
    event.side = record.side
    event.account_id = record.account_id
    event.instrument_id = record.instrument_id
    event.user_ref_num = record.user_ref_num
    event.firm = record.firm
    task = add_task(state)
    task.of_session_id = (
        0 if record.policy & POLICY_WHOLE_ACCOUNT else record.session_id
    )
    task.of_account_id = record.account_id
    task.of_instrument_id = record.instrument_id
    task.side = record.side
    task.last_order_id = state.numbers.order_id
    task.asked_by = record.session_id
    task.conn_epoch = record.conn_epoch
    task.client_seq = record.client_seq
    task.user_ref_num = record.user_ref_num


cdef inline uint8_t apply_admin_mass_cancel(
    State* state, const MassCancelRecord* record, bint is_genesis
) noexcept nogil:
    """ADMIN_MASS_CANCEL: why it is refused, or NONE and it is queued."""
    cdef CancelTask* task
    if (
        (record.of_session_id and session_of(state, record.of_session_id) == NULL)
        or (record.of_account_id and not has_account(state, record.of_account_id))
        or (record.of_instrument_id and not has_instrument(state, record.of_instrument_id))
    ):
        return REJECT_UNKNOWN_ID
    if not is_scope(record.side):
        return REJECT_BAD_VALUE
    if is_work_full(state):
        return REJECT_CAPACITY
    task = add_admin_task(state, <const CommandRecord*>record, is_genesis)
    task.of_session_id = record.of_session_id
    task.of_account_id = record.of_account_id
    task.of_instrument_id = record.of_instrument_id
    task.side = record.side
    return REJECT_NONE


cdef inline void session_disconnected(State* state, uint32_t session_id) noexcept nogil:
    """A session was logged out: if it wants that, its orders go."""
    cdef const Session* session = &state.sessions[session_id]
    cdef CancelTask* task
    cdef uint32_t i
    if not session.options & OPTION_CANCEL_ON_DISCONNECT or session.live_orders == 0:
        return
    for i in range(state.work.count):
        task = &state.work.tasks[i]
        if task.is_disconnect and task.next_slot == 1:  # it will come past these orders, too
            task.last_slot = state.pool.highest
            return
    add_task(state).is_disconnect = 1


# ---- the work


cdef inline bint covers(const CancelTask* task, const Order* order) noexcept nogil:
    """Whether that order is of the kind this mass cancel is for."""
    return (
        order.order_id <= task.last_order_id
        and (task.of_session_id == 0 or task.of_session_id == order.session_id)
        and (task.of_account_id == 0 or task.of_account_id == order.account_id)
        and (task.of_instrument_id == 0 or task.of_instrument_id == order.instrument_id)
        and (
            task.side == 0 or task.side == order.side
            or (task.side == SIDE_SELL and order.side != SIDE_BUY)
        )
    )


cdef inline bint is_doomed(const State* state, const Order* order) noexcept nogil:
    """Whether a mass cancel that was accepted will come past this live order."""
    cdef const CancelTask* task
    cdef uint32_t i
    for i in range(state.work.count):
        task = &state.work.tasks[i]
        if not task.is_disconnect and not task.breach and covers(task, order):
            return True
    return False


cdef inline bint must_go(
    const State* state, const CancelTask* task, const Order* order
) noexcept nogil:
    cdef const Session* session
    if not task.is_disconnect:
        return covers(task, order) and is_breach_meant(state, task, order)
    session = &state.sessions[order.session_id]
    return session.options & OPTION_CANCEL_ON_DISCONNECT and not session.is_logged_in


cdef inline void take_away(
    State* state, uint32_t slot, uint8_t reason, uint8_t flags
) noexcept nogil:
    """The day's end or a mass cancel came past a live order."""
    cdef const Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    cdef uint32_t qty = order.leaves
    cdef Top before
    top_of(&before, state, instrument)
    remove_order(state, slot)
    order_canceled(state, order, order.price, qty, 0, reason, NULL).flags |= flags
    top_changed(state, instrument, order.instrument_id, &before)


cdef inline void cancel_for(
    State* state, const CancelTask* task, uint32_t slot
) noexcept nogil:
    cdef uint8_t reason = CANCELED_SUPERVISORY
    if task.is_disconnect:
        take_away(state, slot, CANCELED_SYSTEM, FLAG_DISCONNECTED)
        return
    if not task.is_admin and task.asked_by == state.pool.orders[slot].session_id:
        reason = CANCELED_USER
    take_away(state, slot, reason, FLAG_MASS_CANCELED)


cdef inline void task_done(State* state) noexcept nogil:
    """The oldest task leaves the queue; who asked is told."""
    cdef CancelTask task = state.work.tasks[0]
    cdef EventRecord* event
    state.work.count -= 1
    memmove(
        &state.work.tasks[0], &state.work.tasks[1],
        state.work.count * sizeof(CancelTask),
    )
    if task.is_disconnect:
        return
    event = add_event(state, EVENT_MASS_CANCEL_DONE)
    event.session_id = task.asked_by
    event.conn_epoch = task.conn_epoch
    event.client_seq = task.client_seq
    event.user_ref_num = task.user_ref_num
    event.qty = task.canceled


cdef inline void work_start(State* state) noexcept nogil:
    """A new entry has its whole share of work before it."""
    state.work.slots_left = SCAN_SLOTS_MAX
    state.work.cancels_left = WORK_STEPS_MAX
    if UNLIKELY(state.work.count != 0):
        work_on(state)


cdef inline void work_on(State* state) noexcept nogil:
    """Do what this entry still may."""
    cdef CancelTask* task = &state.work.tasks[0]
    cdef const Order* order
    cdef uint32_t slot
    while state.work.count and state.work.cancels_left:
        while task.next_slot <= task.last_slot and state.work.cancels_left:
            if state.work.slots_left == 0:
                return
            state.work.slots_left -= 1
            slot = task.next_slot
            task.next_slot += 1
            order = &state.pool.orders[slot]
            if order.leaves and must_go(state, task, order):
                state.work.cancels_left -= 1
                task.canceled += 1
                cancel_for(state, task, slot)
        if task.next_slot > task.last_slot:
            task_done(state)
