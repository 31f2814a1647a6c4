"""The TCP door: sockets, the password pool and the timer; what happens is decided elsewhere.

Called by `main.py`. One `Connection` per socket carries out the actions of its `Session` and is
the link's listener for it. Writes of one turn of the loop go out together. Promises: a client that
does not read is closed at SEND_BUFFER_BYTES_MAX; a socket is not read while its window is full or
the leader takes nothing; whatever a client sends, only its own connection can suffer.
"""

import asyncio
import hashlib
import hmac
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

from gateways.admission import Credentials, DirectoryIndex, is_room_left
from gateways.asker import Question
from gateways.binary.session import (
    Action,
    CheckPassword,
    Close,
    PauseReading,
    Replay,
    ResumeReading,
    Session,
    StartLogin,
    State,
)
from gateways.courier import LoggedIn, Window
from gateways.venue_link import Clock, VenueLink
from oms import bounds
from oms.messages.commands import OrderCommand
from oms.process_log import Log

TICK_S: Final = 0.1
PASSWORD_THREADS: Final = 2
SCRYPT_N: Final = 4096
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
WRITE_HIGH_BYTES: Final = 256 << 10  # a replay waits for the client above this


def is_right_password(password: bytes, credentials: Credentials) -> bool:
    """Compare with the log's hash; the protocol ignores case. Takes milliseconds."""
    key = hashlib.scrypt(
        password.upper(),
        salt=credentials.salt,
        n=SCRYPT_N,
        r=SCRYPT_R,
        p=SCRYPT_P,
        dklen=len(credentials.key_hash),
    )
    return hmac.compare_digest(key, credentials.key_hash)


class Connection(asyncio.BufferedProtocol):
    """One client's socket."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._link = server.link
        self._clock = server.clock
        self._transport: asyncio.Transport | None = None
        self.session = Session(server.directory, server.clock.monotonic_ns())
        self._window: Window | None = None
        self._nonce: int | None = None
        self._question: Question | None = None
        self._wanted_replay: Replay | None = None
        self._is_write_paused = False
        self._is_login_undecided = False
        self._is_window_full = False
        self._is_reading = True
        self._out: list[bytes] = []
        self._peer = ""

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._peer = str(transport.get_extra_info("peername"))
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        if not self._server.admit(self):
            self._server.log.warning("connection_refused", peer=self._peer, reason="no room")
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        """One buffer serves all: it is read out before the loop reads the next socket."""
        del sizehint
        return self._server.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """The client has sent something."""
        data = bytes(memoryview(self._server.read_buffer)[:nbytes])
        now_ns = self._clock.monotonic_ns()
        try:
            self._run(self.session.receive(data, now_ns, self._link.not_after_ns()))
        except Exception as error:  # noqa: BLE001 - the edge of one connection
            self._fault(error)

    def eof_received(self) -> bool:
        """The client will send nothing more: over."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, from either side."""
        self._transport = None
        self._server.forget(self)
        if self.session.state is not State.CLOSED:
            reason = "the client closed the connection" if exc is None else str(exc)
            self._run(self.session.voided(reason))

    def pause_writing(self) -> None:
        """The client does not keep up: hold replays back."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._is_write_paused = False
        if self._wanted_replay is not None:
            self._replay(self._wanted_replay)

    # ---- the link's listener

    def logged_in(self, window: Window, login: LoggedIn) -> None:
        """The log has this connection's login."""
        self._window = window
        self._nonce = None
        now_ns = self._clock.monotonic_ns()
        actions = self.session.logged_in(login, now_ns, self._link.not_after_ns())
        if self.session.state is not State.CLOSED:
            self._server.log.info(
                "logged_in",
                peer=self._peer,
                user=self.session.user,
                session_id=self.session.session_id,
                conn_epoch=login.conn_epoch,
            )
        self._run(actions)

    def deliver(self, data: bytes, offset: int, out_seq: int) -> None:
        """An event of this session's stream."""
        try:
            for action in self.session.deliver(data, offset, out_seq):
                if type(action) is bytes:
                    self._send(action)
                else:
                    self._run([action])
        except Exception as error:  # noqa: BLE001 - the edge of one connection
            self._fault(error)

    def voided(self, reason: str) -> None:
        """The log has ended the login."""
        self._window = None
        self._run(self.session.voided(reason))

    def stop(self) -> None:
        """This gateway ends: log the session out, close the socket."""
        self._run(self.session.voided("this gateway was stopped"))

    def window_full(self, *, is_full: bool) -> None:
        """Stop reading the client's socket, or go on."""
        self._is_window_full = is_full
        self.update_reading()

    # ---- carrying out actions

    def _run(self, actions: list[Action]) -> None:
        commands: list[OrderCommand] = []
        for action in actions:
            if isinstance(action, bytes):
                self._send(action)
            elif isinstance(action, Close):
                self._submit(commands)
                self._close(action)
            elif isinstance(action, CheckPassword):
                self._server.check_password(self, action)
            elif isinstance(action, StartLogin):
                self._nonce = self._link.login(action.session_id, self)
            elif isinstance(action, Replay):
                self._replay(action)
            elif isinstance(action, PauseReading):
                self._is_login_undecided = True
                self.update_reading()
            elif isinstance(action, ResumeReading):
                self._is_login_undecided = False
                self.update_reading()
            else:
                commands.append(action)
        self._submit(commands)

    def _submit(self, commands: list[OrderCommand]) -> None:
        if commands and self._window is not None:
            self._link.submit(self._window, commands)
        commands.clear()

    def password_checked(self, *, is_right: bool) -> None:
        """The pool's answer."""
        now_ns = self._clock.monotonic_ns()
        self._run(self.session.password_checked(is_right=is_right, now_ns=now_ns))

    def _replay(self, replay: Replay) -> None:
        if self._is_write_paused:
            self._wanted_replay = replay
            return
        self._wanted_replay = None
        self._question = self._link.replay_session(
            replay.session_id, replay.from_out_seq, replay.trading_date, self._replayed
        )

    def _replayed(self, records: bytes) -> None:
        self._question = None
        try:
            self._run(self.session.replayed(records))
        except Exception as error:  # noqa: BLE001 - the edge of one connection
            self._fault(error)

    def _fault(self, error: Exception) -> None:
        """We are at fault: this connection ends, the others go on."""
        trace = "".join(traceback.format_exception(error))
        self._server.log.error("connection_fault", peer=self._peer, trace=trace)
        self._run(self.session.voided("a fault of this gateway"))

    def update_reading(self) -> None:
        """Read the socket only when nothing speaks against it."""
        is_wanted = not (self._is_login_undecided or self._is_window_full or self._link.is_blocked)
        if is_wanted == self._is_reading or self._transport is None:
            return
        self._is_reading = is_wanted
        if is_wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
        now_ns = self._clock.monotonic_ns()
        self.session.reading_paused(is_paused=not is_wanted, now_ns=now_ns)

    def _send(self, data: bytes) -> None:
        if not self._out:
            self._server.write_soon(self)
        self._out.append(data)

    def write(self, now_ns: int) -> None:
        """Hand the turn's output to the socket."""
        transport = self._transport
        out, self._out = self._out, []
        if transport is None or not out:
            return
        transport.write(b"".join(out))
        self.session.sent(now_ns)
        if transport.get_write_buffer_size() > bounds.SEND_BUFFER_BYTES_MAX:
            self._run(self.session.voided("the client does not read"))
            transport.abort()

    def tick(self, now_ns: int) -> None:
        """Heartbeats and time-outs."""
        self._run(self.session.tick(now_ns))

    def _close(self, action: Close) -> None:
        log = self._server.log.warning if action.is_fault else self._server.log.info
        log(
            "connection_closed",
            peer=self._peer,
            user=self.session.user,
            session_id=self.session.session_id,
            reason=action.reason,
        )
        if self._question is not None:
            self._link.cancel(self._question)
            self._question = None
        if self._nonce is not None:
            self._link.abandon(self._nonce)
            self._nonce = None
        if self._window is not None:
            self._link.leave(self._window)
            self._window = None
        self.write(self._clock.monotonic_ns())
        if self._transport is not None:
            self._transport.close()


class Server:
    """All connections of one door. Make it when the directory is known."""

    def __init__(
        self, *, link: VenueLink, directory: DirectoryIndex, clock: Clock, log: Log
    ) -> None:
        self.link = link
        self.directory = directory
        self.clock = clock
        self.log = log
        self.read_buffer = bytearray(bounds.READ_BYTES_MAX)
        self._connections: dict[Connection, None] = {}
        self._unwritten: list[Connection] = []
        self._pool = ThreadPoolExecutor(PASSWORD_THREADS, thread_name_prefix="password")
        self._checks = 0
        self._loop = asyncio.get_running_loop()
        self._listener: asyncio.Server | None = None
        self.port = 0
        self._timer: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int) -> None:
        """Open the door."""
        self._listener = await self._loop.create_server(
            lambda: Connection(self), host, port, backlog=bounds.CONNECTIONS_MAX
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        self._tick()

    async def close(self) -> None:
        """Close the door and every connection; their sessions are logged out."""
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._connections):
            connection.stop()
        await asyncio.sleep(0)
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Everybody who is connected."""
        return tuple(self._connections)

    def admit(self, connection: Connection) -> bool:
        """Take a new connection in. False: no room."""
        if not is_room_left(len(self._connections), bounds.CONNECTIONS_MAX):
            return False
        self._connections[connection] = None
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)

    def write_soon(self, connection: Connection) -> None:
        """This connection has output: write it at the end of the turn."""
        if not self._unwritten:
            self._loop.call_soon(self._write_all)
        self._unwritten.append(connection)

    def _write_all(self) -> None:
        now_ns = self.clock.monotonic_ns()
        unwritten, self._unwritten = self._unwritten, []
        for connection in unwritten:
            connection.write(now_ns)

    def check_password(self, connection: Connection, check: CheckPassword) -> None:
        """Check off the loop. Beyond PASSWORD_CHECKS_MAX nobody is let in."""
        if self._checks >= bounds.PASSWORD_CHECKS_MAX:
            self.log.warning("login_refused", reason="too many logins at once")
            connection.password_checked(is_right=False)
            return
        self._checks += 1
        future = self._loop.run_in_executor(
            self._pool, is_right_password, check.password, check.credentials
        )
        future.add_done_callback(self._checked(connection))

    def _checked(self, connection: Connection) -> Callable[[asyncio.Future[bool]], None]:
        def done(future: asyncio.Future[bool]) -> None:
            self._checks -= 1
            if not future.cancelled():
                connection.password_checked(is_right=future.result())

        return done

    # ---- the link's door

    def directory_changed(self, directory: DirectoryIndex) -> None:
        """Names, users or sessions changed."""
        self.directory = directory
        for connection in self._connections:
            connection.session.use_directory(directory)

    def blocked(self, *, is_blocked: bool) -> None:
        """The leader takes nothing, or does again."""
        self.log.info("leader_takes_nothing" if is_blocked else "leader_takes_commands")
        for connection in list(self._connections):
            connection.update_reading()

    def _tick(self) -> None:
        now_ns = self.clock.monotonic_ns()
        for connection in list(self._connections):
            connection.tick(now_ns)
        self._timer = self._loop.call_later(TICK_S, self._tick)
