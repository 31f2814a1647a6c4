"""The one link between a door and the venue: commands to the leader, events back in order.

Called by every door's server; knows no protocol. Promises: commands of all sessions go to the
leader in batches, one push a turn of the loop; every event is handed on in event_seq order, once,
holes and lost tails filled by replay before anything later; a name that an event needs is in the
directory before the event is handed on. IO is in the wires it is handed, time in the clock.
"""

import struct
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from gateways.admission import DirectoryIndex
from gateways.asker import Asker, Question, Wires
from gateways.courier import Courier, Listener, LoggedIn, Window
from gateways.event_order import EventOrder
from gateways.leader_view import LeaderView
from oms import bounds
from oms.bounds import EVENT_BYTES
from oms.messages.commands import Login, OrderCommand
from oms.messages.enums import EventKind
from oms.messages.link import (
    Directory,
    GetDirectory,
    Push,
    Records,
    ReplayEvents,
    ReplaySession,
    Status,
)
from oms.process_log import Log
from oms.wire import frames

TICK_NS: Final = 50_000_000

# kind 0, session_id 4, out_seq 16, client_seq 48, conn_epoch 56
_HEAD: Final = struct.Struct("<B3xI8xQ24xQI68x")
_TERMS: Final = int(EventKind.ORDER_TERMS)
# event_seq 8, timestamp 32, client_seq (nonce) 48, conn_epoch 56, order_id 64, price 72
_FIELDS: Final = struct.Struct("<8xQ16xq8xQI4xQq")
_GAP: Final = int(EventKind.GAP)
_EXPIRED: Final = int(EventKind.COMMAND_EXPIRED)
_LOGGED_IN: Final = int(EventKind.SESSION_LOGGED_IN)
_LOGGED_OUT: Final = int(EventKind.SESSION_LOGGED_OUT)
_PRIVATE_MAX: Final = 31
_DIRECTORY_CHANGED: Final = int(EventKind.DIRECTORY_CHANGED)
_DAY_STARTED: Final = int(EventKind.DAY_STARTED)
assert _HEAD.size == EVENT_BYTES


class Clock(Protocol):
    """The two times a gateway needs."""

    def monotonic_ns(self) -> int:
        """For time-outs."""

    def wall_ns(self) -> int:
        """Comparable with the log's time."""


class Door(Protocol):
    """What the link tells a door as a whole."""

    def directory_changed(self, directory: DirectoryIndex) -> None:
        """Names, users or sessions changed; the first call means: open."""

    def blocked(self, *, is_blocked: bool) -> None:
        """The leader takes nothing: read no socket until it does."""


class VenueLink:
    """See the module's header."""

    def __init__(
        self,
        *,
        wires: Wires,
        node_ids: list[str],
        gateway_id: int,
        cluster_id: int,
        clock: Clock,
        call_soon: Callable[[Callable[[], None]], object],
        log: Log,
    ) -> None:
        self.directory: DirectoryIndex | None = None
        self.trading_date = 0
        self.midnight_ns = 0
        self.is_blocked = False
        self._wires = wires
        self._gateway_id = gateway_id
        self._cluster_id = cluster_id
        self._clock = clock
        self._call_soon = call_soon
        self._log = log
        self._door: Door | None = None
        self._leader = LeaderView()
        self._courier = Courier()
        self._asker = Asker(
            wires, node_ids, lambda: self._leader.leader_id, self._leader.event_seqs
        )
        self._order: EventOrder | None = None
        self._inbox: deque[bytes] = deque()
        self._terms = b""  # the last record handed on, if it says the terms of the next one
        self._logins: dict[int, Listener] = {}
        self._last_nonce = gateway_id  # random, so that no two gateways ever choose one nonce
        self._replay: Question | None = None
        self._directory_question: Question | None = None
        self._directory_seq = -1  # the directory has seen events up to this one
        self._needed_seq = 0  # hand nothing on before the directory has seen this event
        self._stuck_seq = 0
        self._log_time_ns = 0
        self._pushed_ns = 0
        self._is_flush_due = False
        self._unsent: bytes | None = None
        self._status_decoder = msgspec.msgpack.Decoder(Status)
        self._records_decoder = msgspec.msgpack.Decoder(Records)
        self._directory_decoder = msgspec.msgpack.Decoder(Directory)
        self._encoder = msgspec.msgpack.Encoder()

    def open(self, door: Door) -> None:
        """Who is told about the venue as a whole."""
        self._door = door

    # ---- what a door asks for

    def not_after_ns(self) -> int:
        """Log time until which a command pushed now may be executed."""
        return max(self._clock.wall_ns(), self._log_time_ns) + bounds.COMMAND_TTL_NS

    def login(self, session_id: int, listener: Listener) -> int:
        """Push a login; `listener.logged_in` follows. Returns the nonce for `abandon`."""
        self._last_nonce = nonce = (self._last_nonce + 1) & ((1 << 64) - 1)
        self._logins[nonce] = listener
        login = Login(session_id, nonce, self._gateway_id, self.not_after_ns())
        self._courier.start_login(login, self._clock.monotonic_ns())
        self._flush_soon()
        return nonce

    def abandon(self, nonce: int) -> None:
        """The connection went away before its login was decided: it is not pushed again. Should
        a copy reach the log, it is logged out.
        """
        self._courier.end_login(nonce)
        self._logins.pop(nonce, None)

    def submit(self, window: Window, commands: list[OrderCommand]) -> None:
        """Push these after what the session has pushed before."""
        now_ns = self._clock.monotonic_ns()
        submit = self._courier.submit
        for command in commands:
            submit(window, command, now_ns)
        self._flush_soon()

    def leave(self, window: Window) -> None:
        """The connection is gone: log the session out when its commands are decided."""
        if self._courier.windows.get(window.session_id) is window:
            self._courier.leave(window, self._clock.monotonic_ns())
            self._flush_soon()

    def replay_session(
        self, session_id: int, from_out_seq: int, trading_date: int, use: Callable[[bytes], None]
    ) -> Question:
        """Fetch a piece of a day's stream of a session: a record or more, from this number on."""

        def use_answer(body: bytes, _: int) -> bool:
            records = self._records_decoder.decode(body)
            if len(records.data) < EVENT_BYTES:
                return False
            use(records.data)
            return True

        request = ReplaySession(session_id, from_out_seq, trading_date)
        return self._asker.ask(request, use_answer, self._clock.monotonic_ns())

    def cancel(self, question: Question) -> None:
        """The connection that asked is gone."""
        self._asker.cancel(question)

    # ---- to the leader

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._call_soon(self.flush)

    def flush(self) -> None:
        """Push what is waiting, in frames of PUSH_COMMANDS_MAX."""
        self._is_flush_due = False
        leader_id = self._leader.leader_id
        if leader_id is None:
            return
        outbox = self._courier.outbox
        while self._unsent is not None or outbox:
            if self._unsent is None:
                commands = self._courier.take(bounds.PUSH_COMMANDS_MAX)
                self._unsent = self._encoder.encode(Push(self._gateway_id, list(commands)))
            if not self._wires.push(leader_id, self._unsent):
                self._block(is_blocked=True)
                return
            self._unsent = None
            self._pushed_ns = self._clock.monotonic_ns()
        self._block(is_blocked=False)

    def _block(self, *, is_blocked: bool) -> None:
        if is_blocked != self.is_blocked:
            self.is_blocked = is_blocked
            if self._door is not None:
                self._door.blocked(is_blocked=is_blocked)

    # ---- from the nodes

    def on_publication(self, node_id: str, message: list[bytes]) -> None:
        """A message of a node's `pub`: topic, then header and body."""
        try:
            header, body = frames.unpack(message[-1])
            if header.kind == frames.FrameKind.ENGINE:
                self._on_engine(node_id, header.number, body)
            elif header.kind == frames.FrameKind.STATUS:
                self._on_status(self._status_decoder.decode(body))
        except (ValueError, msgspec.DecodeError) as error:
            self._log.error("publication_unreadable", node_id=node_id, reason=str(error))

    def on_reply(self, message: list[bytes]) -> None:
        """A message of a node's ROUTER."""
        try:
            self._asker.answered(message, self._clock.monotonic_ns())
        except msgspec.DecodeError as error:
            self._log.error("answer_unreadable", reason=str(error))

    def _on_status(self, status: Status) -> None:
        if status.cluster_id != self._cluster_id:
            if status.cluster_id:
                self._log.error("status_of_another_cluster", node_id=status.node_id)
            return
        now_ns = self._clock.monotonic_ns()
        is_new_leader = self._leader.observe(status)
        if is_new_leader:
            leader_id = self._leader.leader_id
            self._log.info("leader", leader_id=leader_id, term=self._leader.term)
            self._unsent = None
            self._courier.led_by(
                somebody=leader_id is not None, now_ns=now_ns, not_after_ns=self.not_after_ns()
            )
            self._flush_soon()
        if self._order is None:
            self._order = EventOrder(status.event_seq + 1)
            self._need_directory(status.event_seq)
        self._order.announce(status.event_seq)
        if status.node_id == self._leader.leader_id:
            self._log_time_ns = max(self._log_time_ns, status.timestamp_ns)
            # What the old leader did not live to publish; a lost tail waits for `tick`.
            if is_new_leader and self._order.is_missing():
                self._fill()

    def _on_engine(self, node_id: str, first_seq: int, body: bytes) -> None:
        if self._order is None:
            return
        last_seq = first_seq + len(body) // EVENT_BYTES - 1
        event_seqs = self._leader.event_seqs
        if last_seq > event_seqs.get(node_id, 0):
            event_seqs[node_id] = last_seq
        self._take(self._order.offer(first_seq, body))
        if self._order.is_missing():
            self._fill()

    def _fill(self) -> None:
        """Ask for the events that are missing, once at a time."""
        if self._replay is None and self._order is not None:
            first_seq = self._order.next_seq
            self._log.info("events_missing", from_event_seq=first_seq)
            self._replay = self._asker.ask(
                ReplayEvents(first_seq), self._use_events, self._clock.monotonic_ns()
            )

    def _use_events(self, body: bytes, _: int) -> bool:
        data = self._records_decoder.decode(body).data
        if self._order is None or (not data and self._order.is_missing()):
            return False
        self._replay = None
        if data:
            (first_seq, *_rest) = _FIELDS.unpack_from(data)
            self._take(self._order.offer(first_seq, data))
        if self._order.is_missing():
            self._fill()
        return True

    # ---- events, in order

    def _take(self, ready: list[bytes]) -> None:
        if ready:
            self._inbox.extend(ready)
            self._hand_on()

    def _hand_on(self) -> None:
        inbox = self._inbox
        while inbox and self._needed_seq <= self._directory_seq:
            data = inbox.popleft()
            end = self._dispatch(data)
            if end < len(data):
                inbox.appendleft(data[end:])
        if self._courier.outbox:
            self._flush_soon()

    def _dispatch(self, data: bytes) -> int:
        """Hand records on; returns where it stopped, at the end unless the directory is behind."""
        windows = self._courier.windows
        acknowledge = self._courier.acknowledge
        now_ns = self._clock.monotonic_ns()
        # A leader's clock may have been ahead of every other: the log's time does not go back, and
        # by clocks that are right all commands would be late until they have caught up with it.
        log_time_ns = _FIELDS.unpack_from(data, len(data) - EVENT_BYTES)[1]
        self._log_time_ns = max(self._log_time_ns, log_time_ns)
        not_after_ns = self.not_after_ns()
        offset = 0
        for kind, session_id, out_seq, client_seq, conn_epoch in _HEAD.iter_unpack(data):
            if kind <= _PRIVATE_MAX:
                window = windows.get(session_id)
                if kind == _LOGGED_IN:
                    self._on_logged_in(data, offset, session_id)
                elif window is not None:
                    if client_seq and conn_epoch == window.conn_epoch:
                        if kind in {_GAP, _EXPIRED}:
                            self._on_gap(window, data, offset, kind)
                        elif client_seq > window.acknowledged and not acknowledge(
                            window, client_seq, now_ns, not_after_ns
                        ):
                            self._on_fault(window, client_seq)
                    elif kind == _LOGGED_OUT and conn_epoch == window.conn_epoch:
                        self._void(window, "the venue logged the session out")
                    if out_seq and window.listener is not None:
                        if offset:
                            window.listener.deliver(data, offset, out_seq)
                        else:  # what it belongs to may have come in the frame before
                            joined = self._terms + data[:EVENT_BYTES]
                            window.listener.deliver(joined, len(self._terms), out_seq)
            elif kind >= _DIRECTORY_CHANGED:
                self._on_venue(kind, data, offset)
                if self._needed_seq > self._directory_seq:
                    return offset + EVENT_BYTES
            offset += EVENT_BYTES
        self._terms = data[-EVENT_BYTES:] if data[-EVENT_BYTES] == _TERMS else b""
        return offset

    def _on_logged_in(self, data: bytes, offset: int, session_id: int) -> None:
        _, timestamp_ns, nonce, conn_epoch, out_seq, gateway_id = _FIELDS.unpack_from(data, offset)
        now_ns = self._clock.monotonic_ns()
        window = self._courier.windows.get(session_id)
        if window is not None:
            if window.nonce == nonce and window.conn_epoch == conn_epoch:
                return  # a resent copy of the same login: nothing changed
            self._void(window, "taken over by another login")
        is_pending = self._courier.end_login(nonce)
        if not is_pending and gateway_id != self._gateway_id:
            return
        listener = self._logins.pop(nonce, None)
        window = Window(session_id, conn_epoch, nonce, listener, now_ns)
        self._courier.open(window)
        if listener is None:  # nobody waits for it any more
            self._courier.leave(window, now_ns)
            return
        login = LoggedIn(conn_epoch, out_seq, timestamp_ns, self.trading_date, self.midnight_ns)
        listener.logged_in(window, login)

    def _void(self, window: Window, reason: str) -> None:
        self._courier.void(window.session_id)
        if window.listener is not None:
            window.listener.voided(reason)

    def _on_gap(self, window: Window, data: bytes, offset: int, kind: int) -> None:
        expected = _FIELDS.unpack_from(data, offset)[4]
        now_ns = self._clock.monotonic_ns()
        if self._courier.resend_from(window, expected, now_ns, self.not_after_ns()):
            self._log.info(
                "commands_resent",
                session_id=window.session_id,
                from_client_seq=expected,
                cause=EventKind(kind).name,
            )

    def _on_fault(self, window: Window, client_seq: int) -> None:
        self._log.error(
            "outcome_of_unknown_command", session_id=window.session_id, client_seq=client_seq
        )
        self._void(window, "the venue decided a command that was never sent")

    def _on_venue(self, kind: int, data: bytes, offset: int) -> None:
        event_seq, _, _, _, date, midnight_ns = _FIELDS.unpack_from(data, offset)
        if kind == _DAY_STARTED:
            self.trading_date = date
            self.midnight_ns = midnight_ns
        if kind in {_DIRECTORY_CHANGED, _DAY_STARTED} and event_seq > self._directory_seq:
            self._need_directory(event_seq)

    # ---- directory

    def _need_directory(self, event_seq: int) -> None:
        self._needed_seq = event_seq
        if self._directory_question is None:
            self._directory_question = self._asker.ask(
                GetDirectory(), self._use_directory, self._clock.monotonic_ns()
            )

    def _use_directory(self, body: bytes, event_seq: int) -> bool:
        directory = self._directory_decoder.decode(body)
        if directory.cluster_id != self._cluster_id or event_seq < self._needed_seq:
            return False
        self._directory_question = None
        if self.directory is None:
            self.trading_date = directory.trading_date
            self.midnight_ns = directory.midnight_ns
        self.directory = index = DirectoryIndex(directory)
        self._directory_seq = event_seq
        if self._door is not None:
            self._door.directory_changed(index)
        self._hand_on()
        return True

    # ---- time

    def tick(self) -> None:
        """Lease, resends, retries; every TICK_NS."""
        now_ns = self._clock.monotonic_ns()
        self.flush()
        if not self.is_blocked:  # else the first copies still wait here: others would pile up
            resent = self._courier.tick(now_ns, self.not_after_ns())
            if resent:
                self._log.info("windows_resent", sessions=resent, cause="no progress")
        self._asker.tick(now_ns)
        order = self._order
        if order is not None:
            if order.is_missing() and order.next_seq == self._stuck_seq:
                self._fill()
            self._stuck_seq = order.next_seq
        if (
            not self._courier.outbox
            and self._unsent is None
            and self._leader.leader_id is not None
            and now_ns - self._pushed_ns >= bounds.GATEWAY_HEARTBEAT_NS - TICK_NS
        ):
            self._unsent = self._encoder.encode(Push(self._gateway_id, []))
        self.flush()
