"""The administrator's session: logged commands, each with exactly one effect (RULES A2, A21).

Called by `oms admin`. A command keeps its (conn_epoch, client_seq) through every retry, over
time-outs and a change of leader, so it is applied once or not at all; a repeat that was applied
before is answered from the session's stream. When nothing can be learned in time the answer is
"unknown" with the way to ask again, never a guess.
"""

import secrets
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import msgspec

from oms.bounds import COMMAND_TTL_NS
from oms.config import SettingsError
from oms.local.genesis import ADMIN_SESSION_ID
from oms.local.requests import NoAnswer, NotTheLeader, RequestRefused
from oms.messages import link
from oms.messages.admin_commands import AdminCommand
from oms.messages.commands import Login
from oms.messages.enums import EventKind, RejectReason
from oms.messages.event_records import Event, unpack_event, unpack_stream

TIMEOUT_S: Final = 20.0
ATTEMPT_S: Final = 2.0
STATUS_S: Final = 0.5
RETRY_S: Final = 0.05
ADMIN_GATEWAY_ID: Final = 0  # no gateway: no lease, so no silence that could log the session out
_READ: Final = "docs/operating.md, Admin commands"

_T = TypeVar("_T", bound=msgspec.Struct)


class AdminRejected(SettingsError):
    """The venue's certain no: the command had no effect."""

    reason = RejectReason.NONE  # the venue's code, where it gave one


class AdminUnavailable(SettingsError):
    """Nobody to ask, or no answer: the outcome is not known here."""

    exit_code = 3


class Asks(Protocol):
    """The part of `NodeRequests` that is used here."""

    @property
    def node_ids(self) -> list[str]:
        """The nodes."""

    def ask(self, node_id: str, request: link.Request, answer: type[_T], timeout_s: float) -> _T:
        """One question to one node."""


class AdminSession:
    """Log in once, then `execute` any number of commands."""

    def __init__(
        self,
        asks: Asks,
        *,
        timeout_s: float = TIMEOUT_S,
        now_ns: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._asks = asks
        self._timeout_s = timeout_s
        self._now_ns = now_ns
        self._sleep = sleep
        self._leader: str | None = None
        self._epoch = 0
        self._client_seq = 0
        self._refusal = ""  # the last, for the report when time is up

    def login(self) -> None:
        """Open a new epoch; an older administrator's connection is void. Raises: as `execute`."""
        nonce = secrets.randbits(62) + 1
        request = link.Submit(
            Login(session_id=ADMIN_SESSION_ID, nonce=nonce, gateway_id=ADMIN_GATEWAY_ID)
        )
        deadline = self._deadline()
        while self._now_ns() < deadline:
            event = self._submit(request)
            if event is not None and event.kind == EventKind.SESSION_LOGGED_IN:
                self._epoch = event.conn_epoch
                self._client_seq = 0
                return
        raise self._unavailable("log in as administrator", "nothing was changed")

    def execute(self, command: AdminCommand) -> Event:
        """Send one command until its outcome is known; returns its ADMIN_APPLIED.

        Raises: AdminRejected, AdminUnavailable.
        """
        if self._epoch == 0:
            self.login()
        self._client_seq += 1
        deadline = self._deadline()
        while self._now_ns() < deadline:
            signed = msgspec.structs.replace(
                command,
                session_id=ADMIN_SESSION_ID,
                conn_epoch=self._epoch,
                client_seq=self._client_seq,
                not_after_ns=self._now_ns() + COMMAND_TTL_NS,
            )
            event = self._submit(link.Submit(signed))
            outcome = self._outcome_if_void() if event is None else self._outcome(event)
            if outcome is not None:
                return self._judge(command, outcome)
        raise self._unavailable(
            f"learn the outcome of {type(command).__name__}",
            "it may or may not have been applied; `oms admin show directory` tells",
        )

    def read(self, request: link.Request, answer: type[_T]) -> _T:
        """Ask the leader; a linearizable request makes sure that it still is the one.

        Raises: AdminRejected (it cannot answer), AdminUnavailable.
        """
        deadline = self._deadline()
        while self._now_ns() < deadline:
            node_id = self._locate()
            if node_id is not None:
                try:
                    return self._asks.ask(node_id, request, answer, ATTEMPT_S)
                except NoAnswer:
                    self._look_again(None)
                except NotTheLeader as error:
                    self._look_again(error.leader_id)
                except RequestRefused as error:
                    raise AdminRejected(
                        what=f"there is no answer to {type(request).__name__}",
                        why=str(error),
                        do="look at what there is with `oms admin show directory`",
                        read=_READ,
                    ) from error
        raise self._unavailable(f"ask {type(request).__name__}", "nothing was changed")

    # ---- inside

    def _deadline(self) -> int:
        return self._now_ns() + round(self._timeout_s * 1e9)

    def _locate(self) -> str | None:
        """Who leads; asked of every node in turn, and remembered while it is true."""
        if self._leader is None:
            for node_id in self._asks.node_ids:
                try:
                    status = self._asks.ask(node_id, link.GetStatus(), link.Status, STATUS_S)
                except (NoAnswer, RequestRefused):
                    continue
                if status.accepting:
                    self._leader = node_id
                    return node_id
            self._sleep(RETRY_S)
        return self._leader

    def _look_again(self, hint: str | None) -> None:
        self._leader = hint if hint in self._asks.node_ids else None
        self._sleep(RETRY_S)

    def _submit(self, request: link.Submit) -> Event | None:
        """One attempt at the leader; None when it brought no event."""
        node_id = self._locate()
        if node_id is None:
            return None
        try:
            outcome = self._asks.ask(node_id, request, link.Outcome, ATTEMPT_S)
        except NoAnswer:
            self._look_again(None)
        except NotTheLeader as error:
            self._look_again(error.leader_id)
        except RequestRefused as error:
            # Too late, too full, or a void epoch: the same command may be sent again.
            self._refusal = str(error)
            self._sleep(RETRY_S)
        else:
            return unpack_event(outcome.record)
        return None

    def _outcome(self, event: Event) -> Event | None:
        """The command's own outcome, if `event` (or the session's stream) tells it."""
        number = (event.session_id, event.conn_epoch, event.client_seq)
        if number != (ADMIN_SESSION_ID, self._epoch, self._client_seq):
            return None
        match event.kind:
            case EventKind.ADMIN_APPLIED | EventKind.ADMIN_REJECTED:
                return event
            case EventKind.ALREADY_APPLIED if self._leader is not None:
                try:
                    return self._find_in_stream(self._leader, 0)
                except (NoAnswer, NotTheLeader, RequestRefused):
                    return None  # the next attempt is answered alike
            case _:  # COMMAND_EXPIRED: without effect, to be sent again
                return None

    def _outcome_if_void(self) -> Event | None:
        """No answer may mean that the epoch is void: then the command came before, or never.

        Void is for good (a login makes a new epoch), so a state in which it is void has the
        command's outcome in its stream, or no state ever will.
        """
        node_id = self._leader
        if node_id is None:
            return None
        try:
            directory = self._asks.ask(node_id, link.GetDirectory(), link.Directory, ATTEMPT_S)
            session = next(s for s in directory.sessions if s.session_id == ADMIN_SESSION_ID)
            is_superseded = session.conn_epoch > self._epoch
            if session.conn_epoch < self._epoch or (not is_superseded and session.is_logged_in):
                return None
            found = self._find_in_stream(node_id, directory.applied_index)
        except (NoAnswer, NotTheLeader, RequestRefused):
            return None
        if found is None and is_superseded:
            raise AdminRejected(
                what="another administrator logged in; this command is not in today's stream",
                why="the venue has one administrator's session at a time; the newest login holds",
                do="look with `oms admin show`, and run the command again if it is still wanted",
                read=_READ,
            )
        if found is None:  # logged out, as happens after a change of leader
            self.login()
            self._client_seq = 1
        return found

    def _find_in_stream(self, node_id: str, min_index: int) -> Event | None:
        """The outcome in the session's stream of this very node. Raises: as `ask`."""
        from_out_seq = 1
        while True:
            request = link.ReplaySession(ADMIN_SESSION_ID, from_out_seq)
            records = self._asks.ask(node_id, request, link.Records, ATTEMPT_S)
            if records.applied_index < min_index:
                msg = f"{node_id} was asked again and has applied less than before"
                raise NoAnswer(msg)
            events = unpack_stream(records.data)
            for event in events:
                if (event.conn_epoch, event.client_seq) == (self._epoch, self._client_seq) and (
                    event.kind in {EventKind.ADMIN_APPLIED, EventKind.ADMIN_REJECTED}
                ):
                    return event
            if records.is_end or not events:
                return None
            from_out_seq = events[-1].out_seq + 1

    def _judge(self, command: AdminCommand, event: Event) -> Event:
        if event.kind == EventKind.ADMIN_APPLIED:
            return event
        reason = RejectReason(event.reason)
        refused = AdminRejected(
            what=f"the venue refused {type(command).__name__}",
            why=f"{reason.name}: {EXPLAINED.get(reason, 'see the list of reasons')}",
            do="change what was asked for; nothing was applied",
            read="docs/rules.md, Administration",
        )
        refused.reason = reason
        raise refused

    def _unavailable(self, what: str, state: str) -> AdminUnavailable:
        return AdminUnavailable(
            what=f"cannot {what}",
            why=f"no leader answered within {self._timeout_s:.0f} s: {state}"
            + (f" (last refusal: {self._refusal})" if self._refusal else ""),
            do="look at `oms status`; start the venue with `oms up` and ask again",
            read=_READ,
        )


EXPLAINED: Final = {
    RejectReason.NOT_ADMIN: "the session's user has no ADMIN right",
    RejectReason.UNKNOWN_ID: "an id or name that it refers to does not exist",
    RejectReason.DUPLICATE_ID: "the id exists already",
    RejectReason.BAD_VALUE: "a value outside its range, or a name that is taken",
    RejectReason.WRONG_DAY: "the day is open (start), not open (end), or not later than the last",
    RejectReason.AMOUNT_UNAVAILABLE: "more than the account has free of holds",
    RejectReason.CAPACITY: "the genesis entry's maximum is reached",
}
