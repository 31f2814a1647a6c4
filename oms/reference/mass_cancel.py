"""Many orders at once: mass cancels and the orders of who is not connected any more.

Called by the engine at the start of each entry and after each command that gives it work, and by
the sessions when one is logged out. Promises: however many orders there are, an entry examines at
most SCAN_SLOTS_MAX slots and cancels at most WORK_STEPS_MAX orders; the rest goes on in the next
entries, first come first served (docs/rules.md, Mass cancels; RULES A11).
"""

from oms.bounds import MASS_CANCELS_MAX
from oms.messages import records
from oms.messages.enums import (
    CancelReason,
    Entitlement,
    EventFlag,
    EventKind,
    Policy,
    RejectReason,
    SessionOption,
    Side,
)
from oms.reference import breach, matcher, risk
from oms.reference.budget import Budget
from oms.reference.events import Draft, Events
from oms.reference.order import Order
from oms.reference.records import HEAD_FIELDS, Head, OrderRecord
from oms.reference.state import CancelTask, Session, Venue

_SIDES = frozenset((0, *(int(side) for side in Side)))


# ---- who gives work


def mass_cancel(venue: Venue, events: Events, session: Session, record: OrderRecord) -> None:
    """MASS_CANCEL: answered, then queued."""
    if record.user_ref_num <= session.last_user_ref_num:
        events.answer(EventKind.COMMAND_IGNORED, session)
        return
    session.last_user_ref_num = record.user_ref_num
    reason = _check(venue, session, record)
    if reason:
        on_topic = risk.may_enter(venue, session, record.account_id)
        events.order_rejected(record, reason, on_topic=on_topic)
        return
    events.as_sent(EventKind.MASS_CANCEL_ACCEPTED, record)
    is_whole = record.policy & Policy.WHOLE_ACCOUNT
    venue.tasks.append(
        CancelTask(
            of_session_id=0 if is_whole else session.session_id,
            of_account_id=record.account_id,
            of_instrument_id=record.instrument_id,
            side=record.side,
            last_order_id=venue.numbers.next_order_id - 1,
            last_slot=venue.numbers.highest_slot,
            asked_by=session.session_id,
            conn_epoch=session.conn_epoch,
            client_seq=session.client_seq,
            user_ref_num=record.user_ref_num,
        )
    )


def admin_mass_cancel(venue: Venue, session: Session | None, record: bytes) -> int:
    """ADMIN_MASS_CANCEL: why it is refused, or NONE and it is queued."""
    of_session, of_account, of_instrument = records.MASS_CANCEL.unpack(record)[HEAD_FIELDS:]
    side = Head._make(records.EMPTY.unpack(record)).side
    if (
        (of_session and venue.session(of_session) is None)
        or (of_account and venue.account(of_account) is None)
        or (of_instrument and venue.instrument(of_instrument) is None)
    ):
        return RejectReason.UNKNOWN_ID
    if side not in _SIDES:
        return RejectReason.BAD_VALUE
    if is_full(venue):
        return RejectReason.CAPACITY
    venue.tasks.append(
        CancelTask(
            of_session_id=of_session,
            of_account_id=of_account,
            of_instrument_id=of_instrument,
            side=side,
            last_order_id=venue.numbers.next_order_id - 1,
            last_slot=venue.numbers.highest_slot,
            asked_by=session.session_id if session else 0,
            conn_epoch=session.conn_epoch if session else 0,
            client_seq=session.client_seq if session else 0,
            is_admin=True,
        )
    )
    return RejectReason.NONE


def cancel_breaches(
    venue: Venue,
    session: Session | None,
    kind: int,
    *,
    account_id: int = 0,
    instrument_id: int = 0,
    session_id: int = 0,
) -> None:
    """A limit or restriction was changed: what it refuses now goes; there is room for it."""
    venue.tasks.append(
        CancelTask(
            of_account_id=account_id,
            of_instrument_id=instrument_id,
            of_session_id=session_id,
            last_order_id=venue.numbers.next_order_id - 1,
            last_slot=venue.numbers.highest_slot,
            asked_by=session.session_id if session else 0,
            conn_epoch=session.conn_epoch if session else 0,
            client_seq=session.client_seq if session else 0,
            is_admin=True,
            breach=kind,
        )
    )


def disconnected(venue: Venue, session: Session) -> None:
    """A session was logged out: if it wants that, its orders go."""
    wants = session.options & SessionOption.CANCEL_ON_DISCONNECT
    if not wants or session.live_orders == 0:
        return
    for task in venue.tasks:
        if task.is_disconnect and task.next_slot == 1:  # it will come past these orders, too
            task.last_slot = venue.numbers.highest_slot
            return
    last_slot = venue.numbers.highest_slot
    venue.tasks.append(CancelTask(last_slot=last_slot, is_disconnect=True))


def _check(venue: Venue, session: Session, record: OrderRecord) -> int:
    if record.refuse_reason:
        return record.refuse_reason
    bits = venue.entitlements(session.user_id, record.account_id)
    is_known = venue.account(record.account_id) is not None
    if record.policy & Policy.WHOLE_ACCOUNT:
        if not is_known or not bits & Entitlement.CANCEL:
            return RejectReason.NOT_ENTITLED
    elif record.account_id and not is_known:
        return RejectReason.NOT_ENTITLED
    if record.instrument_id and venue.instrument(record.instrument_id) is None:
        return RejectReason.UNKNOWN_INSTRUMENT
    if record.side not in _SIDES:
        return RejectReason.BAD_SIDE
    return RejectReason.CAPACITY if is_full(venue) else RejectReason.NONE


def is_full(venue: Venue) -> bool:
    """Whether no further mass cancel can be queued."""
    return sum(not task.is_disconnect for task in venue.tasks) >= MASS_CANCELS_MAX


# ---- the work


def run(venue: Venue, events: Events, budget: Budget) -> None:
    """Do what this entry still may."""
    while venue.tasks and budget.cancels:
        task = venue.tasks[0]
        while task.next_slot <= task.last_slot and budget.cancels:
            if budget.slots == 0:
                return
            budget.slots -= 1
            order = venue.slots.get(task.next_slot)
            task.next_slot += 1
            if order is not None and _must_go(venue, task, order):
                budget.cancels -= 1
                task.canceled += 1
                _cancel(venue, events, task, order)
        if task.next_slot > task.last_slot:
            venue.tasks.pop(0)
            _done(events, task)


def _must_go(venue: Venue, task: CancelTask, order: Order) -> bool:
    if not task.is_disconnect:
        return task.covers(order) and breach.is_meant(venue, task, order)
    session = venue.sessions[order.session_id - 1]
    wants = session.options & SessionOption.CANCEL_ON_DISCONNECT
    return bool(wants) and not session.is_logged_in


def _cancel(venue: Venue, events: Events, task: CancelTask, order: Order) -> None:
    reason, flag = CancelReason.SUPERVISORY, EventFlag.MASS_CANCELED
    if task.is_disconnect:
        reason, flag = CancelReason.SYSTEM, EventFlag.DISCONNECTED
    elif not task.is_admin and task.asked_by == order.session_id:
        reason = CancelReason.USER
    matcher.take_away(venue, events, order, reason, flag)


def _done(events: Events, task: CancelTask) -> None:
    if task.is_disconnect:
        return
    events.emit(
        Draft(
            kind=EventKind.MASS_CANCEL_DONE,
            session_id=task.asked_by,
            conn_epoch=task.conn_epoch,
            client_seq=task.client_seq,
            user_ref_num=task.user_ref_num,
            qty=task.canceled,
        )
    )
