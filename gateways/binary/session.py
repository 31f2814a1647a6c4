"""One client's SoupBinTCP connection as a state table: bytes and events in, actions out.

Called by `server.py`, which does what the actions say. Pure: no socket, no clock; `now_ns` is
monotonic and an argument. Promises: nothing but `A` or `J` goes out before the login is decided,
every sequenced packet is the event with exactly that out_seq, a client is never sent less than it
asked for, and input the table does not have closes the connection with a reason.

An action is bytes to send, a command to submit, or one of the structs below.

    state        L        U        R        O        + (debug)
    WAIT_LOGIN   login    close    close    close    ignored
    CHECKING     held     held     held     held     ignored     password, then Login in the log
    REPLAYING    close    submit   heard    close    ignored
    LIVE         close    submit   heard    close    ignored
"""

from collections.abc import Callable
from enum import IntEnum, unique
from typing import Final

import msgspec

from gateways.admission import Credentials, DirectoryIndex
from gateways.binary.joiner import Joiner
from gateways.binary.translate import Translator
from gateways.courier import LoggedIn
from oms import bounds
from oms.messages.commands import OrderCommand
from oms.messages.enums import EventKind, Protocol
from oms.wire import soupbin
from oms.wire.errors import ProtocolError
from oms.wire.outbound import encode_packet

LOGIN_BEFORE_NS: Final = 10_000_000_000  # from connecting to a complete login packet
DECIDE_BEFORE_NS: Final = 15_000_000_000  # from the login packet to its answer
SILENT_NS: Final = 15_000_000_000  # a 3.00 client heard nothing from for so long is gone
HEARTBEAT_NS: Final = 900_000_000  # sent nothing for so long: a heartbeat, within 1 s with ticks
TIMEOUT_MIN_MS: Final = 1_000
TIMEOUT_MAX_MS: Final = 60_000
_MS: Final = 1_000_000
_DAY_START: Final = ord("S")
_SYSTEM_EVENT: Final = int(EventKind.SYSTEM_EVENT)


@unique
class State(IntEnum):
    """Where a connection stands."""

    WAIT_LOGIN = 0
    CHECKING = 1
    REPLAYING = 2
    LIVE = 3
    CLOSED = 4


class CheckPassword(msgspec.Struct, frozen=True, gc=False):
    """Compare off the loop, then call `password_checked`."""

    password: bytes
    credentials: Credentials


class StartLogin(msgspec.Struct, frozen=True, gc=False):
    """Push a Login for this session, then call `logged_in`."""

    session_id: int


class Replay(msgspec.Struct, frozen=True, gc=False):
    """Fetch the session's stream of this day from this number on, then call `replayed`."""

    session_id: int
    from_out_seq: int
    trading_date: int


class PauseReading(msgspec.Struct, frozen=True, gc=False):
    """Do not read the socket until `ResumeReading`. Not without need: who does not read does not
    notice either that the client is gone.
    """


class ResumeReading(msgspec.Struct, frozen=True, gc=False):
    """The login is decided: read on."""


class Close(msgspec.Struct, frozen=True, gc=False):
    """Send what is waiting, close, and log the reason. Nothing follows.

    `is_fault`: the client (or this venue) did what it should not.
    """

    reason: str
    is_fault: bool = False


Action = (
    bytes
    | OrderCommand
    | CheckPassword
    | StartLogin
    | Replay
    | PauseReading
    | ResumeReading
    | Close
)
_Handler = Callable[["Session", bytes, list[Action], int], None]  # int: not_after_ns


def session_name(trading_date: int) -> bytes:
    """The SoupBinTCP session: it changes with the day, because the numbers restart with it."""
    return b"%08d" % trading_date


class Session:
    """See the module's header."""

    def __init__(self, directory: DirectoryIndex, now_ns: int) -> None:
        self.state = State.WAIT_LOGIN
        self.session_id = 0
        self.conn_epoch = 0
        self.user = ""
        self._directory = directory
        self._splitter = soupbin.FrameSplitter(bounds.CLIENT_FRAME_BYTES_MAX)
        self._client_seq = 0
        self._next_out_seq = 0
        self._midnight_ns = 0
        self._trading_date = 0
        self._symbols = directory.symbols
        self._translator: Translator | None = None
        self._joiner: Joiner | None = None
        self._request = soupbin.LoginRequest(b"", b"", b"", 0)
        self._default_account_id = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._since_ns = now_ns
        self._heard_ns = now_ns
        self._sent_ns = now_ns
        self._silent_ns = SILENT_NS
        self._is_paused = False

    # ---- from the client

    def receive(self, data: bytes, now_ns: int, not_after_ns: int) -> list[Action]:
        """Bytes from the socket. `not_after_ns` is for the commands made of them."""
        actions: list[Action] = []
        self._heard_ns = now_ns
        try:
            for frame in self._splitter.feed(data):
                if frame[0] == soupbin.UNSEQUENCED and self._translator is not None:
                    seq = self._client_seq + 1
                    actions.append(self._translator.translate(frame, 1, seq, not_after_ns))
                    self._client_seq = seq
                else:
                    self._receive_other(frame, actions, not_after_ns)
                if self.state is State.CLOSED:
                    break
        except ProtocolError as error:
            self._close(actions, f"malformed input: {error}", is_fault=True)
        return actions

    def _receive_other(self, frame: bytes, actions: list[Action], not_after_ns: int) -> None:
        kind = frame[0]
        if kind == soupbin.DEBUG:
            return
        if self.state is State.CHECKING:
            self._hold(frame, actions)
            return
        handler = _TABLE[self.state].get(kind)
        if handler is None:
            reason = f"packet {chr(kind)!r} is not allowed in state {self.state.name}"
            self._close(actions, reason, is_fault=True)
            return
        handler(self, frame, actions, not_after_ns)

    def _hold(self, frame: bytes, actions: list[Action]) -> None:
        """The login is not decided: this comes after it."""
        had_room = self._held_bytes <= bounds.LOGIN_HELD_BYTES_MAX
        self._held.append(frame)
        self._held_bytes += len(frame)
        if had_room and self._held_bytes > bounds.LOGIN_HELD_BYTES_MAX:
            actions.append(PauseReading())

    def login(self, frame: bytes, actions: list[Action], _: int) -> None:
        """`L`: who, which session, from which number."""
        self._request = request = soupbin.parse_login_request(frame)
        self.user = request.user.decode("ascii", "replace")
        if request.heartbeat_timeout_ms is not None:
            clamped = min(max(request.heartbeat_timeout_ms, TIMEOUT_MIN_MS), TIMEOUT_MAX_MS)
            self._silent_ns = clamped * _MS
        credentials = self._directory.credentials(self.user, Protocol.OUCH)
        self.session_id = credentials.session_id
        self._default_account_id = credentials.default_account_id
        self.state = State.CHECKING
        self._since_ns = self._heard_ns
        actions.append(CheckPassword(request.password, credentials))

    def submit(self, frame: bytes, actions: list[Action], not_after_ns: int) -> None:
        """`U`: an OUCH message becomes a command."""
        assert self._translator is not None, "REPLAYING and LIVE have one"
        seq = self._client_seq + 1
        actions.append(self._translator.translate(frame, 1, seq, not_after_ns))
        self._client_seq = seq

    def heard(self, frame: bytes, actions: list[Action], _: int) -> None:
        """A heartbeat: having been received is all it is for."""

    def logout(self, _frame: bytes, actions: list[Action], _: int) -> None:
        """`O`."""
        self._close(actions, "the client logged out")

    # ---- the login's way through password and log

    def password_checked(self, *, is_right: bool, now_ns: int) -> list[Action]:
        """The answer to CheckPassword."""
        actions: list[Action] = []
        if self.state is not State.CHECKING:
            return actions
        if not is_right or self.session_id == 0:
            self._reject(actions, soupbin.REJECT_NOT_AUTHORIZED, "unknown user or wrong password")
        elif not self._is_current(self._directory.trading_date):
            self._reject(actions, soupbin.REJECT_NO_SESSION, "another session was asked for")
        else:
            self._since_ns = now_ns
            actions.append(StartLogin(self.session_id))
        return actions

    def logged_in(self, login: LoggedIn, now_ns: int, not_after_ns: int) -> list[Action]:
        """The log has the login: answer it, then replay what was asked for."""
        actions: list[Action] = []
        if self.state is not State.CHECKING:
            return actions
        self.conn_epoch = login.conn_epoch
        asked = self._request.sequence
        following = login.out_seq + 1
        if not self._is_current(login.trading_date):
            self._reject(actions, soupbin.REJECT_NO_SESSION, "another session was asked for")
            return actions
        if asked > following:
            reason = f"the client is ahead: it asks for {asked}, the next number is {following}"
            self._reject(actions, soupbin.REJECT_NO_SESSION, reason, is_fault=True)
            return actions
        self._next_out_seq = asked or following
        self._midnight_ns = login.midnight_ns
        self._trading_date = login.trading_date
        self._translator = Translator(
            session_id=self.session_id,
            conn_epoch=login.conn_epoch,
            default_account_id=self._default_account_id,
            accounts=self._directory.accounts,
            instruments=self._directory.instruments,
            rule_version=self._directory.rule_version,
        )
        actions.append(soupbin.login_accepted(session_name(login.trading_date), self._next_out_seq))
        self._heard_ns = self._sent_ns = now_ns
        if self._next_out_seq <= login.out_seq:
            self.state = State.REPLAYING
            self._joiner = Joiner(self._next_out_seq, login.out_seq, login.timestamp_ns)
            actions.append(Replay(self.session_id, self._next_out_seq, self._trading_date))
        else:
            self.state = State.LIVE
        self._receive_held(actions, not_after_ns)
        return actions

    def _receive_held(self, actions: list[Action], not_after_ns: int) -> None:
        """What the client sent behind its login, without waiting for the answer."""
        held, self._held, self._held_bytes = self._held, [], 0
        try:
            for frame in held:
                self._receive_other(frame, actions, not_after_ns)
                if self.state is State.CLOSED:
                    return
        except ProtocolError as error:
            self._close(actions, f"malformed input: {error}", is_fault=True)
            return
        actions.append(ResumeReading())

    def _is_current(self, trading_date: int) -> bool:
        asked = self._request.session
        return not asked or asked == session_name(trading_date)

    def _reject(
        self, actions: list[Action], code: int, reason: str, *, is_fault: bool = False
    ) -> None:
        actions.append(soupbin.login_rejected(code))
        self._close(actions, f"login refused: {reason}", is_fault=is_fault)

    # ---- from the venue

    def deliver(self, data: bytes, offset: int, out_seq: int) -> list[Action]:
        """The event record at `offset`, number `out_seq` of this session's stream."""
        if data[offset] == _SYSTEM_EVENT and data[offset + 2] == _DAY_START:
            return self._end_session()
        if self.state is State.LIVE:
            if out_seq == self._next_out_seq:
                self._next_out_seq = out_seq + 1
                return [encode_packet(data, offset, self._symbols, self._midnight_ns)]
            if out_seq < self._next_out_seq:
                return []
            actions: list[Action] = []
            reason = f"event {self._next_out_seq} of the stream is missing before {out_seq}"
            self._close(actions, reason, is_fault=True)
            return actions
        if self._joiner is not None:
            self._joiner.hold(data, offset, out_seq)
        return []

    def replayed(self, records: bytes) -> list[Action]:
        """A piece of the replay: records from the number asked for on, at least one."""
        joiner = self._joiner
        actions: list[Action] = []
        if joiner is None:
            return actions
        ready = joiner.replayed(records)
        if ready is None:
            self._close(actions, "the replay is not of the day of the login", is_fault=True)
            return actions
        if ready:
            actions.append(
                b"".join([encode_packet(r, o, self._symbols, self._midnight_ns) for r, o in ready])
            )
        self._next_out_seq = joiner.next_out_seq
        if joiner.is_joined:
            self._joiner = None
            self.state = State.LIVE
        else:
            actions.append(Replay(self.session_id, self._next_out_seq, self._trading_date))
        return actions

    def _end_session(self) -> list[Action]:
        """A new day's stream starts: these numbers are at their end for ever."""
        actions: list[Action] = []
        if self.state in {State.REPLAYING, State.LIVE}:
            actions.append(soupbin.END_OF_SESSION_PACKET)
        self._close(actions, "a new trading day has started")
        return actions

    def voided(self, reason: str) -> list[Action]:
        """The log says that this login is over (another login, or the gateway's lease)."""
        actions: list[Action] = []
        self._close(actions, reason)
        return actions

    def use_directory(self, directory: DirectoryIndex) -> None:
        """The directory changed."""
        self._directory = directory
        self._symbols = directory.symbols
        if self._translator is not None:
            self._translator.use_names(directory.accounts, directory.instruments)

    # ---- time

    def sent(self, now_ns: int) -> None:
        """Something was written to the socket, which counts as a heartbeat."""
        self._sent_ns = now_ns

    def reading_paused(self, *, is_paused: bool, now_ns: int) -> None:
        """The server stopped (or goes on) reading: a client is not silent while nobody listens."""
        self._is_paused = is_paused
        self._heard_ns = now_ns

    def tick(self, now_ns: int) -> list[Action]:
        """Heartbeats and time-outs; call ten times a second."""
        actions: list[Action] = []
        if self.state is State.WAIT_LOGIN:
            if now_ns - self._since_ns >= LOGIN_BEFORE_NS:
                self._close(actions, "no login in time", is_fault=True)
        elif self.state is State.CHECKING:
            if now_ns - self._since_ns >= DECIDE_BEFORE_NS:
                self._close(actions, "the venue did not decide the login in time")
        elif self.state is not State.CLOSED:
            if not self._is_paused and now_ns - self._heard_ns >= self._silent_ns:
                seconds = self._silent_ns // 1_000_000_000
                self._close(actions, f"nothing heard for {seconds} s")
            elif now_ns - self._sent_ns >= HEARTBEAT_NS:
                actions.append(soupbin.SERVER_HEARTBEAT_PACKET)
        return actions

    def _close(self, actions: list[Action], reason: str, *, is_fault: bool = False) -> None:
        self._joiner = None
        self._translator = None
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            actions.append(Close(reason, is_fault))


_LOGGED_IN: Final[dict[int, _Handler]] = {
    soupbin.UNSEQUENCED: Session.submit,
    soupbin.CLIENT_HEARTBEAT: Session.heard,
    soupbin.LOGOUT: Session.logout,
}
_TABLE: Final[dict[State, dict[int, _Handler]]] = {
    State.WAIT_LOGIN: {soupbin.LOGIN_REQUEST: Session.login},
    State.REPLAYING: _LOGGED_IN,
    State.LIVE: _LOGGED_IN,
    State.CLOSED: {},
}
