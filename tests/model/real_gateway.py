"""One gateway process of the product without its sockets: link, courier, event order, sessions.

Called by `mirror.py`. It is the `Wires` of a VenueLink and what `Connection` needs of its server.
Nothing happens by itself: the mirror hands it events, leaders and time.
"""

import io
from collections.abc import Callable

import msgspec

from gateways.admission import DirectoryIndex
from gateways.binary.server import Connection
from gateways.binary.session import CheckPassword
from gateways.courier import LONE_RESEND_NS, Window
from gateways.venue_link import VenueLink
from oms.bounds import EVENT_BYTES, READ_BYTES_MAX
from oms.messages.commands import Command
from oms.messages.link import (
    GetDirectory,
    Push,
    Records,
    ReplayEvents,
    ReplaySession,
    Request,
    Status,
)
from oms.process_log import Log
from oms.reference.engine import Engine
from oms.wire import frames
from tests.model.real_client import RealConnection
from tests.model.state import Item
from tests.support.link_venue import CLUSTER_ID, NODES, SESSION

PIECE_RECORDS = 2  # a replay comes in pieces


class Times:
    """A gateway's two clocks: its own, and the log's."""

    def __init__(self, log_time_ns: Callable[[], int]) -> None:
        self.now_ns = 5_000_000_000
        self._log_time_ns = log_time_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self._log_time_ns()


class RealGateway:
    """See the module's header."""

    def __init__(self, gateway_id: int, engine: Engine, log_time_ns: Callable[[], int]) -> None:
        self.gateway_id = gateway_id
        self.clock = Times(log_time_ns)
        self.log = Log("model", io.StringIO())
        self.pushed: list[Command] = []
        self.connections: dict[int, RealConnection] = {}  # by real nonce
        self.read_buffer = bytearray(READ_BYTES_MAX)
        self._engine = engine
        self._soon: list[Callable[[], None]] = []
        self._unwritten: list[Connection] = []
        self._questions: list[tuple[bytes, Request]] = []
        self.taken_seq = 0  # events handed on so far
        self.link = VenueLink(
            wires=self,
            node_ids=NODES,
            gateway_id=gateway_id,
            cluster_id=CLUSTER_ID,
            clock=self.clock,
            call_soon=lambda call: self._soon.append(call),  # noqa: PLW0108 - the list changes
            log=self.log,
        )

    def start(self, term: int) -> None:
        """The first status and the directory."""
        self.taken_seq = self._engine.event_seq
        self.hear(term)
        assert self.link.directory is not None
        self.link.flush()
        self.pushed.clear()

    # ---- wires

    def push(self, node_id: str, frame: bytes) -> bool:
        del node_id
        self.pushed += msgspec.msgpack.decode(frame, type=Push).commands
        return True

    def ask(self, node_id: str, request_id: bytes, body: bytes) -> bool:
        del node_id
        self._questions.append((request_id, msgspec.msgpack.decode(body, type=Request)))
        return True

    # ---- what a connection needs of its server

    @property
    def directory(self) -> DirectoryIndex:
        index = self.link.directory
        assert index is not None
        return index

    def admit(self, connection: Connection) -> bool:
        del connection
        return True

    def forget(self, connection: Connection) -> None:
        del connection

    def write_soon(self, connection: Connection) -> None:
        self._unwritten.append(connection)

    def check_password(self, connection: Connection, check: CheckPassword) -> None:
        assert check.credentials.session_id == SESSION
        connection.password_checked(is_right=True)

    # ---- what the mirror does

    def run(self) -> None:
        """The turn's end: what was put off happens, what was written reaches the client."""
        while self._soon:
            soon, self._soon = self._soon, []
            for call in soon:
                call()
        unwritten, self._unwritten = self._unwritten, []
        for connection in unwritten:
            connection.write(self.clock.now_ns)
        for real in self.connections.values():
            real.take_in()
        directory = [key for key, asked in self._questions if isinstance(asked, GetDirectory)]
        for request_id in directory:
            self._answer(request_id, msgspec.msgpack.encode(self._engine.directory()))

    def _answer(self, request_id: bytes, body: bytes) -> None:
        self._questions = [asked for asked in self._questions if asked[0] != request_id]
        self.link.on_reply([request_id, b"1", body])
        self.run()

    def hear(self, term: int) -> None:
        """A status frame of the leader of `term`."""
        seq = self.taken_seq
        status = Status(
            node_id=NODES[term % len(NODES)], role="leader", term=term, leader_id=None,
            accepting=True, commit_index=0, applied_index=0, event_seq=seq, digest="",
            timestamp_ns=0, trading_date=0, durability="disk", journal_bytes=0, pid=1,
            cluster_id=CLUSTER_ID,
        )  # fmt: skip
        self._publish(frames.FrameKind.STATUS, seq, msgspec.msgpack.encode(status))

    def _publish(self, kind: frames.FrameKind, number: int, body: bytes) -> None:
        self.link.on_publication(NODES[0], [b"|", frames.pack(kind, 1, number, 0, body)])
        self.run()

    def take_published(self, events: bytes, last_seq: int) -> None:
        """The events up to `last_seq` come as a frame that begins with old ones."""
        start = max(self.taken_seq - 1, 0)
        self.taken_seq = last_seq
        body = events[start * EVENT_BYTES : last_seq * EVENT_BYTES]
        self._publish(frames.FrameKind.ENGINE, start + 1, body)

    def take_replayed(self, events: bytes, last_seq: int) -> None:
        """The same when their frame was lost: the next one shows the hole, a replay fills it."""
        first = self.taken_seq
        self.taken_seq = last_seq
        if last_seq - first > 1:
            body = events[(last_seq - 1) * EVENT_BYTES : last_seq * EVENT_BYTES]
            self._publish(frames.FrameKind.ENGINE, last_seq, body)
        else:
            self._announce(last_seq)
        [request_id] = [key for key, asked in self._questions if isinstance(asked, ReplayEvents)]
        data = events[first * EVENT_BYTES : last_seq * EVENT_BYTES]
        self._answer(request_id, msgspec.msgpack.encode(Records(data, 0, last_seq, is_end=True)))

    def _announce(self, last_seq: int) -> None:
        """A follower has more events; after two turns of the timer they are missed."""
        status = Status(
            node_id="n9", role="follower", term=0, leader_id=None, accepting=False,
            commit_index=0, applied_index=0, event_seq=last_seq, digest="", timestamp_ns=0,
            trading_date=0, durability="disk", journal_bytes=0, pid=1, cluster_id=CLUSTER_ID,
        )  # fmt: skip
        self._publish(frames.FrameKind.STATUS, last_seq, msgspec.msgpack.encode(status))
        for _ in range(2):
            self.link.tick()
            self.run()

    def connect(self, items: tuple[Item, ...], sequence: int) -> int:
        """A client logs in; the nonce of its login."""
        real = RealConnection(self, items)
        real.log_in(sequence)
        nonce = self._newest_nonce()
        self.connections[nonce] = real
        self.run()
        return nonce

    def _newest_nonce(self) -> int:
        return max(self.pending)

    def answer_replays(self, events: bytes) -> None:
        """A node answers the session's replay, piece by piece, up to the log's end."""
        while True:
            is_open = self.link._asker._open
            asked = [q for q in self._questions if q[0] in is_open]
            if not asked:
                return
            [(request_id, request)] = asked
            assert isinstance(request, ReplaySession)
            wanted = [
                record for number, record in _stream(events) if number >= request.from_out_seq
            ]
            data = b"".join(wanted[:PIECE_RECORDS])
            self._answer(request_id, msgspec.msgpack.encode(Records(data, 0, 0, is_end=False)))

    def fire_timers(self) -> None:
        """Everything that waits for an outcome has waited too long."""
        self.clock.now_ns += 2 * LONE_RESEND_NS
        self.link.tick()
        self.run()

    @property
    def window(self) -> Window | None:
        """The session's window."""
        return self.link._courier.windows.get(SESSION)

    @property
    def pending(self) -> list[int]:
        """Nonces of logins that somebody waits for."""
        return list(self.link._courier._logins)


def _stream(events: bytes) -> list[tuple[int, bytes]]:
    """The session's numbered events."""
    found = []
    for offset in range(0, len(events), EVENT_BYTES):
        record = events[offset : offset + EVENT_BYTES]
        number = int.from_bytes(record[16:24], "little")
        if number and int.from_bytes(record[4:8], "little") == SESSION:
            found.append((number, record))
    return found
