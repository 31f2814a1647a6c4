"""Faults of the group `log` that are in the engine: whose command counts, how often, until when.

Read by tests/mutants/log.py. The nodes of such a run have the oracle for an engine, bent in one
place while it applies; whoever judges the run has it as it is.
"""

import contextlib
from typing import Final
from unittest import mock

from oms.messages import records
from oms.reference import mass_cancel, matcher, sessions
from oms.reference.engine import Engine
from oms.reference.events import Events
from oms.reference.records import HEAD_FIELDS, Head, OrderRecord
from oms.reference.state import Session, Venue
from tests.mutants.log_faults import LogFault, Patch
from tests.simulation import parties

_admit = sessions.admit
_login = sessions.login
_logout = sessions.logout
_gateway_lost = sessions.gateway_lost
_new_order = matcher.new_order


class Bent(Engine):
    """The oracle with something else in one place; `patches` is of the whole run."""

    patches: tuple[Patch, ...] = ()

    def apply(self, log_index: int, entry: bytes) -> int:
        """As the oracle would, if it had been written so."""
        with contextlib.ExitStack() as stack:
            for owner, name, value in self.patches:
                stack.enter_context(mock.patch.object(owner, name, value))
            return super().apply(log_index, entry)


class Twice(Engine):
    """Applies an entry, and now and then once more: to sessions as they were before it."""

    def apply(self, log_index: int, entry: bytes) -> int:
        """The events of both."""
        before = [(s.client_seq, s.last_user_ref_num) for s in self._venue.sessions]
        count = super().apply(log_index, entry)
        if log_index % 50:
            return count
        first = self.events()
        self._venue.numbers.applied_index -= 1
        for session, was in zip(self._venue.sessions, before, strict=False):
            session.client_seq, session.last_user_ref_num = was
        count += super().apply(log_index, entry)
        self._events = first + self._events
        return count


def admit_again(venue: Venue, events: Events, head: Head, timestamp_ns: int) -> Session | None:
    """A command that was processed is processed again."""
    session = venue.session(head.session_id)
    if session is not None and head.client_seq <= session.client_seq:
        session.client_seq = head.client_seq - 1
    return _admit(venue, events, head, timestamp_ns)


def take_key_again(venue: Venue, events: Events, session: Session, record: OrderRecord) -> None:
    """A UserRefNum that was used counts as new, unless its order is still live."""
    if (session.session_id, record.user_ref_num) not in venue.live:
        session.last_user_ref_num = min(session.last_user_ref_num, record.user_ref_num - 1)
    _new_order(venue, events, session, record)


def admit_old(venue: Venue, events: Events, head: Head, timestamp_ns: int) -> Session | None:
    """A command of an epoch that is over counts."""
    session = venue.session(head.session_id)
    if session is not None and head.conn_epoch < session.conn_epoch:
        head = head._replace(conn_epoch=session.conn_epoch, client_seq=session.client_seq + 1)
    return _admit(venue, events, head, timestamp_ns)


def admit_gap(venue: Venue, events: Events, head: Head, timestamp_ns: int) -> Session | None:
    """A command counts though others before it are missing."""
    session = venue.session(head.session_id)
    if session is not None and head.conn_epoch == session.conn_epoch:
        session.client_seq = max(session.client_seq, head.client_seq - 1)
    return _admit(venue, events, head, timestamp_ns)


def admit_late(venue: Venue, events: Events, head: Head, _timestamp_ns: int) -> Session | None:
    """A command counts though its time is over."""
    return _admit(venue, events, head, head.not_after_ns)


def login_again(venue: Venue, events: Events, record: bytes, timestamp_ns: int) -> None:
    """A copy of the login in force begins another epoch."""
    session = venue.session(Head._make(records.LOGIN.unpack(record)[:HEAD_FIELDS]).session_id)
    if session is not None:
        session.login_nonce = 0
    _login(venue, events, record, timestamp_ns)


def logout_late(venue: Venue, events: Events, head: Head) -> None:
    """A logout of an epoch that is over ends the one that is in force, and cancels its orders."""
    session = venue.session(head.session_id)
    if session is not None:
        head = head._replace(conn_epoch=session.conn_epoch)
    _logout(venue, events, head)


def lose_everybody(venue: Venue, events: Events, record: bytes) -> None:
    """A gateway's loss logs everybody out, through whichever gateway they came."""
    gateway_id = records.LOGIN.unpack(record)[-1]
    for session in venue.sessions:
        session.gateway_id = gateway_id
    _gateway_lost(venue, events, record)


def nothing(*_args: object) -> None:
    """It is not done."""


def _bent(*patches: Patch) -> list[Patch]:
    kind = type("BentEngine", (Bent,), {"patches": patches})
    return [(parties, "make_engine", lambda _kind: kind())]


# fmt: off
ENGINE_FAULTS: Final = [
    LogFault(
        "applied twice", "an entry is applied a second time",
        [(parties, "make_engine", lambda _kind: Twice())],
    ),
    LogFault(
        "dedupe forgotten", "a resent command is processed again, and its key counts as new",
        _bent((sessions, "admit", admit_again), (matcher, "new_order", take_key_again)),
    ),
    LogFault(
        "resend processed", "a resent command is processed again; its key protects it",
        _bent((sessions, "admit", admit_again)),
    ),
    LogFault(
        "old epoch counts", "a command of a connection that is over has its effect",
        [(sessions, "admit", admit_old)],
        test="tests/scenarios/test_matching.py::test_scenario_says_what_happens"
             "[login_and_epochs-reference]",
    ),
    LogFault(
        "gap ignored", "a command counts though others before it are missing",
        _bent((sessions, "admit", admit_gap)),
        kinds=("overtaken messages", "links break"),
    ),
    LogFault(
        "late command", "a command has its effect after its time is over",
        [(sessions, "admit", admit_late)],
        test="tests/scenarios/test_matching.py::test_scenario_says_what_happens"
             "[expired_command-reference]",
    ),
    LogFault(
        "login repeated", "a copy of the login in force ends the connection",
        _bent((sessions, "login", login_again)),
        kinds=("repeated messages", "client restart", "client flap"),
    ),
    LogFault(
        "late cancel on disconnect", "a late logout cancels the orders of the next connection",
        _bent((sessions, "logout", logout_late)),
    ),
    LogFault(
        "no cancel on disconnect", "orders stay though their session wants them canceled",
        _bent((mass_cancel, "disconnected", nothing)),
        kinds=("client restart", "client flap"),
    ),
    LogFault(
        "everybody lost", "a gateway's loss logs out who came through the other one",
        _bent((sessions, "gateway_lost", lose_everybody)),
        kinds=("kill gateway", "pause"),
    ),
]
# fmt: on
