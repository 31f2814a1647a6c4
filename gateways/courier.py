"""Commands on their way: each session's window, what to push next, and what to push again.

Called by `venue_link.py`. Pure; `now_ns` is monotonic, `not_after_ns` log time. Promises: a command
stays in its window until its committed outcome has come; windows are resent in client_seq order
to a new leader, from where a GAP or COMMAND_EXPIRED says (once for each), and when nothing of any
session was decided for RESEND_AFTER_NS (of this one, while others go on: LONE_RESEND_NS; the pipe
is first in, first out, so who waits behind others has lost nothing) (RULES A2, A5). Bounds:
SESSION_IN_FLIGHT_MAX pushed and undecided per session, less when many are busy, so that a full
pipe is worked off well within COMMAND_TTL_NS; what a session reads beyond waits here, and its
socket is not read.
"""

from collections import deque
from typing import Final, Protocol

import msgspec

from oms.bounds import (
    GATEWAY_IN_FLIGHT_MAX,
    RESEND_AFTER_NS,
    SESSION_IN_FLIGHT_MAX,
    SESSION_IN_FLIGHT_MIN,
)
from oms.messages.commands import Command, Login, Logout, OrderCommand

LONE_RESEND_NS: Final = 4 * RESEND_AFTER_NS
LOGOUT_TRIES_MAX: Final = 20  # a logout that is void has no event: then it is let go
_replace = msgspec.structs.replace


class LoggedIn(msgspec.Struct, frozen=True, gc=False):
    """What the log says about a login, and the trading day it happened in."""

    conn_epoch: int
    out_seq: int
    timestamp_ns: int
    trading_date: int
    midnight_ns: int


class Listener(Protocol):
    """One connection, as the link to the venue sees it."""

    def logged_in(self, window: "Window", login: LoggedIn) -> None:
        """The log has the login; commands go through `window` from now on."""

    def deliver(self, data: bytes, offset: int, out_seq: int) -> None:
        """The event record at `offset` is number `out_seq` of the session's stream."""

    def voided(self, reason: str) -> None:
        """The log has ended the login. Nothing follows."""

    def window_full(self, *, is_full: bool) -> None:
        """Stop reading the client's socket, or go on."""


class Window:
    """The commands of one login of one session. Shape: in flight first, then waiting."""

    __slots__ = (
        "acknowledged", "conn_epoch", "episode", "in_flight", "is_full", "listener",
        "logout_count", "logout_ns", "nonce", "progress_ns", "session_id", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        session_id: int,
        conn_epoch: int,
        nonce: int,
        listener: Listener | None,
        now_ns: int,
    ) -> None:
        self.session_id = session_id
        self.conn_epoch = conn_epoch
        self.nonce = nonce
        self.listener = listener  # None: the connection is gone, a Logout follows the last outcome
        self.acknowledged = 0  # client_seq up to which the outcome is known
        self.in_flight: deque[OrderCommand] = deque()
        self.waiting: deque[OrderCommand] = deque()
        self.is_full = False
        self.logout_ns = 0  # when the Logout was pushed last
        self.logout_count = 0
        self.episode = 0  # the client_seq that was last resent from on the engine's word
        self.progress_ns = now_ns


class Courier:
    """All windows and pending logins of one gateway, and the queue to the leader."""

    def __init__(self) -> None:
        self.windows: dict[int, Window] = {}
        self.outbox: deque[Command] = deque()
        self.share = SESSION_IN_FLIGHT_MAX  # what one session may have in flight now
        self._progress_ns = 0  # when anything was decided last
        self.is_led = False  # somebody takes commands; else windows fill and wait
        self._logins: dict[int, tuple[Login, int]] = {}  # nonce -> login, when pushed last

    # ---- sessions

    def start_login(self, login: Login, now_ns: int) -> None:
        """Push a login until `end_login`."""
        self._logins[login.nonce] = (login, now_ns)
        self._push(login)

    def end_login(self, nonce: int) -> bool:
        """The log has the login (or it is given up). False: it was not pending here."""
        return self._logins.pop(nonce, None) is not None

    def open(self, window: Window) -> None:
        """A login of ours stands in the log; an older one of that session is void."""
        self.windows[window.session_id] = window

    def void(self, session_id: int) -> Window | None:
        """The log has ended this session's login: nothing more will be decided in it."""
        return self.windows.pop(session_id, None)

    def leave(self, window: Window, now_ns: int) -> None:
        """The connection is gone. What it has sent is still seen through, then logged out."""
        window.listener = None
        window.is_full = False
        self._log_out_when_done(window, now_ns)

    def _log_out_when_done(self, window: Window, now_ns: int) -> None:
        if not window.in_flight and not window.waiting:
            window.logout_ns = now_ns
            window.logout_count += 1
            self._push(Logout(window.session_id, window.conn_epoch))

    # ---- commands

    def submit(self, window: Window, command: OrderCommand, now_ns: int) -> None:
        """The session's next command."""
        in_flight = window.in_flight
        count = len(in_flight)
        if count >= self.share:
            window.waiting.append(command)
            if not window.is_full and window.listener is not None:
                window.is_full = True
                window.listener.window_full(is_full=True)
            return
        if count == 0:
            window.progress_ns = now_ns
        in_flight.append(command)
        if self.is_led:
            self.outbox.append(command)

    def acknowledge(self, window: Window, client_seq: int, now_ns: int, not_after_ns: int) -> bool:
        """Everything up to `client_seq` is decided. False: that was never sent, a fault."""
        count = client_seq - window.acknowledged
        in_flight = window.in_flight
        if count > len(in_flight):
            return False
        for _ in range(count):
            in_flight.popleft()
        window.acknowledged = client_seq
        window.progress_ns = self._progress_ns = now_ns
        if window.waiting:
            self._send_waiting(window, not_after_ns)
        if window.is_full and not window.waiting and len(in_flight) <= self.share // 2:
            window.is_full = False
            if window.listener is not None:
                window.listener.window_full(is_full=False)
        if window.listener is None:
            self._log_out_when_done(window, now_ns)
        return True

    def _send_waiting(self, window: Window, not_after_ns: int) -> None:
        room = max(self.share - len(window.in_flight), 0)
        for _ in range(min(room, len(window.waiting))):
            command = _replace(window.waiting.popleft(), not_after_ns=not_after_ns)
            window.in_flight.append(command)
            if self.is_led:
                self.outbox.append(command)

    def resend_from(self, window: Window, expected: int, now_ns: int, not_after_ns: int) -> bool:
        """The engine waits for `expected`. Every later command in the pipe says so again; the
        first one counts. True: resent.
        """
        if expected == window.episode:
            return False
        window.episode = expected
        self._resend(window, expected, now_ns, not_after_ns)
        return True

    def _resend(self, window: Window, expected: int, now_ns: int, not_after_ns: int) -> None:
        window.progress_ns = now_ns
        if not self.is_led:
            return
        skip = expected - window.acknowledged - 1
        for index, command in enumerate(window.in_flight):
            if index >= skip:
                fresh = _replace(command, not_after_ns=not_after_ns)
                window.in_flight[index] = fresh
                self.outbox.append(fresh)

    # ---- leader and time

    def led_by(self, *, somebody: bool, now_ns: int, not_after_ns: int) -> None:
        """Another leader (or nobody): what is undecided goes to it, in order."""
        self.outbox.clear()
        self.is_led = somebody
        if not somebody:
            return
        for window in self.windows.values():
            window.episode = 0
            self._resend(window, window.acknowledged + 1, now_ns, not_after_ns)
            if window.listener is None:
                self._log_out_when_done(window, now_ns)
        for login, _ in list(self._logins.values()):
            self._push_login_again(login, now_ns, not_after_ns)

    def _push_login_again(self, login: Login, now_ns: int, not_after_ns: int) -> None:
        """With a new limit: the copy before may have outlived its own."""
        self.start_login(_replace(login, not_after_ns=not_after_ns), now_ns)

    def tick(self, now_ns: int, not_after_ns: int) -> int:
        """Resend what has had no progress for too long; returns how many sessions that was."""
        busy = sum(1 for window in self.windows.values() if window.in_flight)
        self.share = min(
            SESSION_IN_FLIGHT_MAX,
            max(SESSION_IN_FLIGHT_MIN, GATEWAY_IN_FLIGHT_MAX // max(busy, 1)),
        )
        if not self.is_led:
            return 0
        late = now_ns - RESEND_AFTER_NS
        lone = late if self._progress_ns <= late else now_ns - LONE_RESEND_NS
        count = 0
        for window in self.windows.values():
            if window.in_flight:
                if window.progress_ns <= lone:
                    window.episode = 0
                    self._resend(window, window.acknowledged + 1, now_ns, not_after_ns)
                    count += 1
            elif window.listener is None and window.logout_ns <= late:
                self._log_out_when_done(window, now_ns)
        for window in [w for w in self.windows.values() if w.logout_count > LOGOUT_TRIES_MAX]:
            self.windows.pop(window.session_id)
        for login, pushed_ns in list(self._logins.values()):
            if pushed_ns <= late:
                self._push_login_again(login, now_ns, not_after_ns)
        return count

    def _push(self, command: Command) -> None:
        if self.is_led:
            self.outbox.append(command)

    def take(self, count: int) -> list[Command]:
        """The next commands to push, at most `count`."""
        outbox = self.outbox
        if len(outbox) <= count:
            commands = list(outbox)
            outbox.clear()
            return commands
        return [outbox.popleft() for _ in range(count)]
