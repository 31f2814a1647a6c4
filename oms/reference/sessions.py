"""Who may speak, in which order: admission of commands, login and logout.

Called by the engine for every record. Promises: a command of a stale epoch has no effect and says
nothing; each client_seq is processed at most once (docs/rules.md, Admission).
"""

from oms.messages import records
from oms.messages.enums import EventKind
from oms.reference import mass_cancel
from oms.reference.events import Draft, Events
from oms.reference.records import HEAD_FIELDS, Head
from oms.reference.state import Session, Venue

_I64_LIMIT = 1 << 63


def admit(venue: Venue, events: Events, head: Head, timestamp_ns: int) -> Session | None:
    """The session whose command is to be processed now, or None: answered or void."""
    session = venue.session(head.session_id)
    if session is None or not session.is_logged_in or head.conn_epoch != session.conn_epoch:
        return None
    expected = session.client_seq + 1
    if head.client_seq < expected:
        out_seq = session.window.get(head.client_seq, 0)
        _outcome(events, EventKind.ALREADY_APPLIED, head, order_id=out_seq)
        return None
    if head.client_seq > expected:
        _outcome(events, EventKind.GAP, head, order_id=expected)
        return None
    if head.not_after_ns < timestamp_ns:
        _outcome(events, EventKind.COMMAND_EXPIRED, head, order_id=expected)
        return None
    session.client_seq = head.client_seq
    return session


def login(venue: Venue, events: Events, record: bytes, timestamp_ns: int) -> None:
    """LOGIN. A repeat changes nothing; a new one has to come in time, if it has a limit."""
    fields = records.LOGIN.unpack(record)
    nonce, gateway_id = fields[HEAD_FIELDS:]
    head = Head._make(fields[:HEAD_FIELDS])
    session = venue.session(head.session_id)
    if session is None:
        return
    if nonce != session.login_nonce or session.conn_epoch == 0:
        if head.not_after_ns and head.not_after_ns < timestamp_ns:
            head = head._replace(conn_epoch=0, client_seq=nonce)
            _outcome(events, EventKind.COMMAND_EXPIRED, head, order_id=0)
            return
        session.conn_epoch += 1
        session.client_seq = 0
        session.window.clear()
        session.login_nonce = nonce
        session.gateway_id = gateway_id
        session.is_logged_in = True
    events.emit(
        Draft(
            kind=EventKind.SESSION_LOGGED_IN,
            session_id=session.session_id,
            conn_epoch=session.conn_epoch,
            client_seq=nonce,
            order_id=session.out_seq,
            price=_signed(session.gateway_id),
            user_ref_num=session.last_user_ref_num,
        )
    )


def logout(venue: Venue, events: Events, head: Head) -> None:
    """LOGOUT."""
    session = venue.session(head.session_id)
    if session is not None and session.is_logged_in and head.conn_epoch == session.conn_epoch:
        _log_out(venue, events, session)


def gateway_lost(venue: Venue, events: Events, record: bytes) -> None:
    """GATEWAY_LOST: everybody who came through that gateway is logged out."""
    gateway_id = records.LOGIN.unpack(record)[-1]
    for session in venue.sessions:
        if session.is_logged_in and session.gateway_id == gateway_id:
            _log_out(venue, events, session)


def _log_out(venue: Venue, events: Events, session: Session) -> None:
    session.is_logged_in = False
    mass_cancel.disconnected(venue, session)
    events.emit(
        Draft(
            kind=EventKind.SESSION_LOGGED_OUT,
            session_id=session.session_id,
            conn_epoch=session.conn_epoch,
            price=_signed(session.gateway_id),
        )
    )


def _outcome(events: Events, kind: EventKind, head: Head, *, order_id: int) -> None:
    events.emit(
        Draft(
            kind=kind,
            session_id=head.session_id,
            conn_epoch=head.conn_epoch,
            client_seq=head.client_seq,
            order_id=order_id,
        )
    )


def _signed(value: int) -> int:
    """The same 64 bits as a signed number."""
    return value - 2 * _I64_LIMIT if value >= _I64_LIMIT else value
