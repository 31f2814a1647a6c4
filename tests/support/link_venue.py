"""A venue in one process for the gateways' tests: real rules, fake sockets, faults on request.

Used by tests/unit/gateways. It is the `Wires` of a VenueLink: pushes go to a queue, `step` applies
them as one log entry and publishes what the engine says. The nodes share one log, as they would
after commit; a node can be down, refuse or lag.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from gateways.courier import LoggedIn, Window
from gateways.venue_link import VenueLink
from oms.bounds import EVENT_BYTES
from oms.config import AccountConfig, CapacityConfig, InstrumentConfig, UserConfig, VenueConfig
from oms.local.genesis import build_genesis
from oms.messages.admin_commands import StartDay
from oms.messages.commands import Command, NewOrder
from oms.messages.enums import OUCH_POLICY, EventKind, OrdType, Side, TimeInForce
from oms.messages.event_records import Event, unpack_event, unpack_events
from oms.messages.link import (
    GetDirectory,
    Push,
    Records,
    Refusal,
    ReplayEvents,
    ReplaySession,
    Request,
    Status,
)
from oms.messages.packing import pack_batch
from oms.process_log import Log
from oms.reference.engine import Engine
from oms.wire import frames

NOW_NS = 1_790_000_000_000_000_000
CLUSTER_ID = 0xC0FFEE
GATEWAY_ID = 77
NODES = ["n1", "n2", "n3"]
SESSION = 2  # of user U1; U2 has the next
CONFIG = VenueConfig(
    instruments=[
        InstrumentConfig(symbol="OAK", reference_price="100.00"),
        InstrumentConfig(symbol="ELM", reference_price="50.00"),
    ],
    participants=["NORTH"],
    accounts=[
        AccountConfig(firm="A1", participant="NORTH", cash="1000000000", all_shares=1_000_000),
        AccountConfig(firm="A2", participant="NORTH", cash="1000000000", all_shares=1_000_000),
    ],
    users=[
        UserConfig(name="U1", participant="NORTH", password="P1", accounts=["A1", "A2"]),
        UserConfig(name="U2", participant="NORTH", password="P2", accounts=["A2"]),
    ],
    capacity=CapacityConfig(
        orders_max=10_000,
        instruments_max=16,
        participants_max=16,
        accounts_max=16,
        users_max=16,
        sessions_max=16,
        positions_max=256,
    ),
)


class FakeClock:
    """A time that only tests move."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return NOW_NS + self.now_ns


@dataclass
class Recorder:
    """A connection that keeps what the link tells it."""

    window: Window | None = None
    login: LoggedIn | None = None
    events: list[tuple[int, Event]] = field(default_factory=list)
    void_reasons: list[str] = field(default_factory=list)
    fullness: list[bool] = field(default_factory=list)

    def logged_in(self, window: Window, login: LoggedIn) -> None:
        self.window, self.login = window, login

    def deliver(self, data: bytes, offset: int, out_seq: int) -> None:
        self.events.append((out_seq, unpack_event(data, offset)))

    def voided(self, reason: str) -> None:
        self.void_reasons.append(reason)

    def window_full(self, *, is_full: bool) -> None:
        self.fullness.append(is_full)

    @property
    def accepted(self) -> list[int]:
        """The UserRefNums accepted, in order of arrival."""
        return [
            event.user_ref_num for _, event in self.events if event.kind == EventKind.ORDER_ACCEPTED
        ]

    def out_seqs(self) -> list[int]:
        """The numbers of the stream, in order of arrival."""
        return [out_seq for out_seq, _ in self.events]


class LinkVenue:
    """See the module's header."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = Engine()
        self.events = b""
        self.log_index = 0
        self.term = 1
        self.leader: str | None = "n1"
        self.down: set[str] = set()
        self.refusing: set[str] = set()
        self.lagging: set[str] = set()  # they have no event that is asked for
        self.is_full = False  # the leader's PUSH would block
        self.pushed: list[Command] = []
        self.frames_pushed = 0
        self.requests: list[tuple[str, Request]] = []
        self._questions: list[tuple[str, bytes, Request]] = []
        self.soon: list[Callable[[], None]] = []
        self.log_text = io.StringIO()
        self.link = VenueLink(
            wires=self,
            node_ids=NODES,
            gateway_id=GATEWAY_ID,
            cluster_id=CLUSTER_ID,
            clock=self.clock,
            call_soon=lambda call: self.soon.append(call),  # noqa: PLW0108 - it is replaced
            log=Log("g1", self.log_text, role="gateway"),
        )
        for entry in build_genesis(CONFIG, CLUSTER_ID, NOW_NS):
            self._apply(entry)

    def _apply(self, entry: bytes) -> bytes:
        self.log_index += 1
        self.engine.apply(self.log_index, entry)
        data = self.engine.events()
        self.events += data
        return data

    # ---- the wires

    def push(self, node_id: str, frame: bytes) -> bool:
        if self.is_full:
            return False
        push = msgspec.msgpack.decode(frame, type=Push)
        self.frames_pushed += 1
        if node_id == self.leader:
            self.pushed += push.commands
        return True

    def ask(self, node_id: str, request_id: bytes, body: bytes) -> bool:
        request: Request = msgspec.msgpack.decode(body, type=Request)
        self.requests.append((node_id, request))
        if node_id not in self.down:
            self._questions.append((node_id, request_id, request))
        return True

    # ---- what tests do

    def run(self) -> None:
        """The loop's turn: scheduled calls, then answers, until nothing is left to do."""
        while self.soon or self._questions:
            soon, self.soon = self.soon, []
            for call in soon:
                call()
            questions, self._questions = self._questions, []
            for node_id, request_id, request in questions:
                self.link.on_reply([request_id, *self._answer(node_id, request)])

    def _answer(self, node_id: str, request: Request) -> list[bytes]:
        encode = msgspec.msgpack.encode
        if node_id in self.refusing:
            return [b"0", encode(Refusal("not now"))]
        if isinstance(request, GetDirectory):
            return [b"1", encode(self.engine.directory())]
        if isinstance(request, ReplayEvents) and node_id in self.lagging:
            return [b"1", self._records(b"")]
        if isinstance(request, ReplayEvents):
            return [b"1", self._records(self.events[(request.from_event_seq - 1) * EVENT_BYTES :])]
        if isinstance(request, ReplaySession):
            data = b"".join(
                self.events[offset : offset + EVENT_BYTES]
                for offset in range(0, len(self.events), EVENT_BYTES)
                if (event := unpack_event(self.events, offset)).out_seq >= request.from_out_seq
                and event.session_id == request.session_id
            )
            return [b"1", self._records(data)]
        msg = f"the fake venue does not answer {request}"
        raise AssertionError(msg)

    def _records(self, data: bytes) -> bytes:
        cut = data[: 64 * EVENT_BYTES]
        return msgspec.msgpack.encode(
            Records(cut, self.log_index, self.engine.event_seq, len(cut) == len(data))
        )

    def status(self, node_id: str) -> None:
        """A node's status frame reaches the gateway."""
        is_leader = node_id == self.leader
        status = Status(
            node_id=node_id,
            role="leader" if is_leader else "follower",
            term=self.term,
            leader_id=self.leader,
            accepting=is_leader,
            commit_index=self.log_index,
            applied_index=self.log_index,
            event_seq=self.engine.event_seq,
            digest="0" * 16,
            timestamp_ns=self.clock.wall_ns(),
            trading_date=0,
            durability="disk",
            journal_bytes=0,
            pid=1,
            cluster_id=CLUSTER_ID,
        )
        body = msgspec.msgpack.encode(status)
        frame = frames.pack(frames.FrameKind.STATUS, self.term, status.event_seq, 0, body)
        self.link.on_publication(node_id, [b"status|", frame])

    def statuses(self) -> None:
        """All nodes that are up say where they stand."""
        for node_id in NODES:
            if node_id not in self.down:
                self.status(node_id)
        self.run()

    def start(self) -> None:
        """The gateway learns leader and directory."""
        self.statuses()
        assert self.link.directory is not None

    def apply(self, commands: list[Command], *, lost: bool = False) -> bytes:
        """One log entry; its events are published unless `lost`."""
        first_seq = self.engine.event_seq + 1
        data = self._apply(pack_batch(self.clock.wall_ns(), commands))
        if data and not lost:
            self.publish(first_seq, data)
        return data

    def publish(self, first_seq: int, data: bytes) -> None:
        """The leader's engine frame reaches the gateway."""
        frame = frames.pack(frames.FrameKind.ENGINE, self.term, first_seq, 0, data)
        self.link.on_publication(self.leader or "n1", [b"engine|", frame])

    def step(self, *, lost: bool = False) -> list[Event]:
        """Push, apply everything pushed as one entry, publish, answer; returns the events."""
        self.run()
        commands, self.pushed = self.pushed, []
        data = self.apply(commands, lost=lost) if commands else b""
        self.run()
        return unpack_events(data)

    def elect(self, node_id: str) -> None:
        """Another node leads; what the old one had not read is lost."""
        self.pushed.clear()
        self.term += 1
        self.leader = node_id
        self.statuses()

    def pass_time(self, seconds: float) -> None:
        """Time goes by with the timer running."""
        end_ns = self.clock.now_ns + int(seconds * 1_000_000_000)
        while self.clock.now_ns < end_ns:
            self.clock.now_ns += 50_000_000
            self.link.tick()
            self.run()

    def log_in(self, session_id: int = SESSION) -> Recorder:
        """A connection whose login stands in the log."""
        recorder = Recorder()
        self.link.login(session_id, recorder)
        self.step()
        assert recorder.window is not None
        return recorder

    def order(self, recorder: Recorder, number: int, *, price: int = 990_000) -> NewOrder:
        """The session's command `number`, a resting buy of 10 OAK."""
        assert recorder.window is not None
        return NewOrder(
            session_id=recorder.window.session_id,
            conn_epoch=recorder.window.conn_epoch,
            client_seq=number,
            not_after_ns=self.link.not_after_ns(),
            policy=OUCH_POLICY,
            user_ref_num=number,
            account_id=1,
            instrument_id=1,
            side=Side.BUY,
            ord_type=OrdType.LIMIT,
            time_in_force=TimeInForce.DAY,
            order_qty=10,
            price=price,
            cl_ord_id=b"",
            firm=b"",
            display=ord("Y"),
            capacity=ord("P"),
            iso=ord("N"),
            cross_type=ord("N"),
        )

    def enter(self, recorder: Recorder, first: int, last: int) -> None:
        """Submit orders `first` to `last`."""
        assert recorder.window is not None
        self.link.submit(
            recorder.window, [self.order(recorder, number) for number in range(first, last + 1)]
        )


def start_day(session_id: int, conn_epoch: int, client_seq: int, date: int) -> StartDay:
    """The administrator opens a trading day."""
    return StartDay(session_id, conn_epoch, client_seq, (1 << 62), date, NOW_NS)
