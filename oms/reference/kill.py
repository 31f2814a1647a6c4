"""Who may not enter orders for now: by their own wish, or by an administrator's.

Called by the engine and the administration; asked by risk. Promises: cancels, mass cancels and what
rests are not touched (docs/rules.md, Entry).
"""

from oms.messages import records
from oms.messages.enums import EventKind, KillScope, RejectReason
from oms.reference import risk
from oms.reference.events import Events
from oms.reference.records import HEAD_FIELDS, OrderRecord
from oms.reference.state import DISABLED, Account, Counters, Instrument, Session, Venue


def change_entry(
    venue: Venue, events: Events, session: Session, record: OrderRecord, *, is_enabled: bool
) -> None:
    """DISABLE_ENTRY and ENABLE_ENTRY: of the session's user, for one account or all of them."""
    if record.user_ref_num <= session.last_user_ref_num:
        events.answer(EventKind.COMMAND_IGNORED, session)
        return
    session.last_user_ref_num = record.user_ref_num
    meant = [
        key
        for key, bits in venue.grants.items()
        if key[0] == session.user_id and key[1] and bits and record.account_id in (0, key[1])
    ]
    is_unknown = record.account_id != 0 and not meant
    reason = record.refuse_reason or (RejectReason.NOT_ENTITLED if is_unknown else 0)
    if reason:
        on_topic = risk.may_enter(venue, session, record.account_id)
        events.order_rejected(record, reason, on_topic=on_topic)
        return
    for key in meant:
        bits = venue.grants[key] & ~DISABLED
        venue.grants[key] = bits if is_enabled else bits | DISABLED
    kind = EventKind.ENTRY_ENABLED if is_enabled else EventKind.ENTRY_DISABLED
    events.as_sent(kind, record)


def set_kill(venue: Venue, record: bytes) -> tuple[int, int]:
    """SET_KILL: why it is refused, or NONE and it is done; and the id concerned."""
    named_id, scope, is_killed = records.KILL.unpack(record)[HEAD_FIELDS:]
    target: Counters | Session | Account | Instrument | None
    if scope == KillScope.VENUE:
        target = venue.numbers if named_id == 0 else None
    elif scope == KillScope.SESSION:
        target = venue.session(named_id)
    elif scope == KillScope.ACCOUNT:
        target = venue.account(named_id)
    elif scope == KillScope.INSTRUMENT:
        target = venue.instrument(named_id)
    else:
        return RejectReason.BAD_VALUE, named_id
    if target is None:
        return RejectReason.UNKNOWN_ID, named_id
    if is_killed > 1:
        return RejectReason.BAD_VALUE, named_id
    target.is_killed = bool(is_killed)
    return RejectReason.NONE, named_id
