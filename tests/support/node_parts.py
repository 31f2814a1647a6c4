"""Stand-ins for what surrounds a part of the node: sockets, the log, event records, an engine.

Used by tests/unit/node. A fake socket is a pair of lists; the memory log commits at once, or
holds back when told to; the engine is the real reference engine with a small genesis.
"""

import io
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec
import zmq

from oms.config import AccountConfig, CapacityConfig, InstrumentConfig, UserConfig, VenueConfig
from oms.local.genesis import build_genesis
from oms.messages.commands import Login, NewOrder
from oms.messages.enums import OUCH_POLICY, EventKind, OrdType, Side, TimeInForce
from oms.messages.event_records import EVENT
from oms.messages.packing import pack_batch
from oms.process_log import Log
from oms.reference.engine import Engine
from oms.replication.port import LogStatus, OnCommit, OnSkip
from oms.transport.sockets import Socket

NOW_NS = 1_790_000_000_000_000_000
CLUSTER_ID = 0xC0FFEE
CASH = 100_000_000  # of each account
CONFIG = VenueConfig(
    instruments=[
        InstrumentConfig(symbol="OAK", reference_price="100.00"),
        InstrumentConfig(symbol="ELM", reference_price="50.00"),
    ],
    participants=["NORTH"],
    accounts=[
        AccountConfig(firm="A1", participant="NORTH", cash=f"{CASH}", all_shares=1_000_000),
        AccountConfig(firm="A2", participant="NORTH", cash=f"{CASH}", all_shares=1_000_000),
    ],
    users=[
        UserConfig(name="U1", participant="NORTH", password="P1", accounts=["A1", "A2"]),
    ],
    capacity=CapacityConfig(
        orders_max=1_000,
        instruments_max=16,
        participants_max=16,
        accounts_max=16,
        users_max=16,
        sessions_max=16,
        positions_max=256,
    ),
)
ADMIN_SESSION = 1
SESSION = 2
GATEWAY = 77


def genesis() -> list[bytes]:
    """Entries of a venue with two instruments, two accounts and one trading session."""
    return build_genesis(CONFIG, CLUSTER_ID, NOW_NS)


def started_engine() -> Engine:
    """An engine after the genesis."""
    engine = Engine()
    for log_index, entry in enumerate(genesis(), start=1):
        engine.apply(log_index, entry)
    return engine


def login(session_id: int = SESSION, nonce: int = 9, gateway_id: int = GATEWAY) -> Login:
    """A gateway's login of a session."""
    return Login(session_id=session_id, nonce=nonce, gateway_id=gateway_id)


def order(client_seq: int, *, side: Side = Side.BUY, account_id: int = 1) -> NewOrder:
    """An order for 100 OAK at 100.00, in epoch 1."""
    return NewOrder(
        session_id=SESSION,
        conn_epoch=1,
        client_seq=client_seq,
        not_after_ns=NOW_NS + 3_600_000_000_000,
        policy=int(OUCH_POLICY),
        user_ref_num=client_seq,
        account_id=account_id,
        instrument_id=1,
        side=int(side),
        ord_type=int(OrdType.LIMIT),
        time_in_force=int(TimeInForce.DAY),
        order_qty=100,
        price=1_000_000,
        cl_ord_id=b"C%d" % client_seq,
        firm=b"A1",
        display=ord("Y"),
        capacity=ord("P"),
        iso=ord("N"),
        cross_type=ord("N"),
    )


def entry(*commands: Login | NewOrder, at_ns: int = NOW_NS) -> bytes:
    """A log entry."""
    return pack_batch(at_ns, list(commands))


def event(
    kind: EventKind,
    event_seq: int,
    *,
    session_id: int = 0,
    out_seq: int = 0,
    topic_seq: int = 0,
    timestamp_ns: int = NOW_NS,
    account_id: int = 0,
    instrument_id: int = 0,
    conn_epoch: int = 0,
    order_id: int = 0,
    price: int = 0,
    flags: int = 0,
) -> bytes:
    """One event record; reserved bytes are not zero, so that a copy that drops them is seen."""
    record = bytearray(
        EVENT.pack(
            kind, 0, 0, flags, session_id, event_seq, out_seq, topic_seq, timestamp_ns, account_id,
            instrument_id, 0, conn_epoch, 0, order_id, price, 0, 0, 0, 0, 0, 0, 0, b"", b"",
            0, 0, 0,
        )
    )  # fmt: skip
    record[127] = 0xA5
    return bytes(record)


def silent_log() -> Log:
    """A log nobody reads."""
    return Log("n1", io.StringIO())


@dataclass(frozen=True)
class FakeFrame:
    """A received frame with its metadata."""

    bytes: bytes
    user_id: str

    @property
    def buffer(self) -> memoryview:
        """The bytes, as libzmq lends them."""
        return memoryview(self.bytes)

    def get(self, name: str) -> str:
        """Metadata by name."""
        assert name == "User-Id"
        return self.user_id


@dataclass(eq=False)
class FakeSocket:
    """Lists instead of a wire."""

    incoming: deque[list[bytes]] = field(default_factory=deque)
    sent: list[list[bytes]] = field(default_factory=list)
    user_id: str = "gateway"
    _parts: list[bytes] = field(default_factory=list)
    error: zmq.ZMQError | None = None

    @property
    def as_socket(self) -> Socket:
        """For those who ask for a socket by its type."""
        return cast("Socket", self)

    def recv(self, flags: int = 0) -> bytes:
        """Next message of one frame."""
        return self.recv_multipart(flags)[0]

    def recv_multipart(self, flags: int = 0, *, copy: bool = True) -> list[bytes]:
        """Next message."""
        assert flags & zmq.NOBLOCK, "the loop must never wait in a socket"
        if not self.incoming:
            raise zmq.Again
        parts = self.incoming.popleft()
        if copy:
            return parts
        return cast("list[bytes]", [FakeFrame(part, self.user_id) for part in parts])

    def send(self, data: bytes, flags: int = 0) -> None:
        """One frame of a message."""
        assert flags & zmq.NOBLOCK, "the loop must never wait in a socket"
        self._parts.append(data)
        if not flags & zmq.SNDMORE:
            self.sent.append(self._parts)
            self._parts = []

    def send_multipart(self, parts: list[bytes], flags: int = 0) -> None:
        """A whole message."""
        assert flags & zmq.NOBLOCK, "the loop must never wait in a socket"
        if self.error is not None:
            raise self.error
        self.sent.append(list(parts))

    def take(self) -> list[list[bytes]]:
        """What was sent since the last look."""
        sent, self.sent = self.sent, []
        return sent


class MemoryLog:
    """A replicated log of one node, in memory (port.ReplicatedLog)."""

    def __init__(self, on_commit: OnCommit, on_skip: OnSkip) -> None:
        self._on_commit = on_commit
        self._on_skip = on_skip
        self.entries: list[bytes] = []
        self.committed = 0
        self.holds = False
        self.refuses = False
        self.role = "leader"
        self.term = 1
        self.is_transferring = False
        self.may_lead = True

    def propose(self, entry: bytes) -> bool:
        """Append, unless told to refuse."""
        if self.refuses:
            return False
        self.entries.append(entry)
        return True

    def pending(self) -> int:
        """What is not committed."""
        return len(self.entries) - self.committed

    def tick(self) -> None:
        """Commit everything, unless told to hold back."""
        while not self.holds and self.committed < len(self.entries):
            self.committed += 1
            self._on_commit(self.committed, self.term, self.entries[self.committed - 1])

    def fds(self) -> list[tuple[int, bool, bool]]:
        """None."""
        return []

    def on_ready(self, fd: int, *, readable: bool, writable: bool) -> None:
        """Never called."""
        raise AssertionError((fd, readable, writable))

    def next_deadline_s(self) -> float:
        """Far."""
        return 1.0

    def status(self) -> LogStatus:
        """Where it stands."""
        return LogStatus(
            node_id="n1",
            role=self.role,
            term=self.term,
            leader_id="n1" if self.role == "leader" else "n2",
            is_accepting=self.role == "leader",
            last_index=len(self.entries),
            commit_index=self.committed,
            applied_index=self.committed,
            journal_bytes=0,
            may_lead=self.may_lead,
            is_transferring=self.is_transferring,
        )

    def transfer(self, to: str | None) -> str:
        """Nobody else is there."""
        return f"{to} is not there"

    def set_may_lead(self, may_lead: bool) -> None:  # noqa: FBT001  # as the port has it
        """Remembered."""
        self.may_lead = may_lead

    def set_storage_ok(self, is_ok: bool) -> None:  # noqa: FBT001  # as the port has it
        """Remembered."""
        self.is_storage_ok = is_ok

    def note_trading_date(self, trading_date: int) -> None:
        """Remembered."""
        self.trading_date = trading_date

    def archive(self, folder: Path, up_to_index: int) -> list[Path]:
        """Remembered; nothing is on disk."""
        self.archived = (folder, up_to_index)
        return []

    def read(self, from_index: int, count: int) -> list[tuple[int, int, bytes]]:
        """Committed entries."""
        last = min(self.committed, from_index + count - 1)
        return [
            (index, self.term, self.entries[index - 1]) for index in range(from_index, last + 1)
        ]

    def close(self) -> None:
        """Nothing to close."""


def decode(body: bytes) -> msgspec.Raw:
    """A msgpack body, decoded."""
    return cast("msgspec.Raw", msgspec.msgpack.decode(body))
