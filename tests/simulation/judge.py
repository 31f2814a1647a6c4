"""What must be true whatever happened: the contract, checked from the clients' side.

While it runs: every node is handed one history, in order, and makes the same state of it. When all
is over: the oracle replays that history; every tape of every client is what the replay says that
this session was told on that day, byte for byte from the first message on; every order has one
outcome, and an order that its client was told of is in the log exactly once; money and shares are
conserved; every linearizable read saw what anybody had been told before it was asked, and is what
the oracle answers at that index.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

import msgspec

from gateways.admission import DirectoryIndex
from gateways.binary.session import session_name
from oms.bounds import EVENT_BYTES
from oms.client import orders as o
from oms.messages import link
from oms.messages.enums import EventKind, Protocol
from oms.messages.event_records import unpack_event
from oms.reference.engine import Engine
from oms.robots.auditor import is_conserved
from oms.wire.outbound import SOUP_HEADER_BYTES, encode_packet
from tests.simulation.office import Answer, Read
from tests.simulation.parties import NodeProcess
from tests.simulation.traders import Tape, TraderProcess, Visitor
from tests.simulation.world import World

_VOID: Final = frozenset({o.OrderState.IGNORED, o.OrderState.REJECTED})


class _Stream:
    """What a session was told on one day, by the replay; index 0 is the message numbered 1."""

    def __init__(self, midnight_ns: int) -> None:
        self.records: list[tuple[bytes, int]] = []  # an entry's events, and where in them
        self.log_indexes: list[int] = []
        self.messages: list[bytes] = []  # once they are `encode`d
        self.entered: set[int] = set()  # UserRefNums
        self._midnight_ns = midnight_ns

    def encode(self, symbols: dict[int, bytes]) -> None:
        """As a client reads them."""
        packets = [
            encode_packet(events, offset, symbols, self._midnight_ns)
            for events, offset in self.records
        ]
        self.messages = [packet[SOUP_HEADER_BYTES:] for packet in packets]


_Days = dict[bytes, _Stream]  # by SoupBinTCP session, the oldest first


class Judge:
    """See the module's header."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.nodes: dict[str, NodeProcess] = {}
        self.latest_ns = 0  # when the newest entry was handed to somebody
        self.history: dict[int, bytes] = {}  # log index -> entry; empty: the log's own
        self.digests: dict[int, int] = {}
        self._handed: dict[tuple[str, int], int] = {}  # node and life -> log index
        self._latest: dict[str, dict[int, bytes]] = {}  # node -> what it was handed last

    # ---- while it runs

    def committed(self, name: str, log_index: int, term: int, entry: bytes) -> None:
        """A node was handed an entry and has applied it."""
        process = self.nodes[name]
        node = process.node
        key = (name, process.life)
        before = self._handed.get(key)
        if before is not None and log_index != before + 1:
            self._world.fault(f"{name} was handed {log_index} after {before}")
        self._handed[key] = log_index
        self._latest.setdefault(name, {})[log_index] = entry
        is_new = log_index not in self.history
        if self.history.setdefault(log_index, entry) != entry:
            self._world.fault(f"{name} was handed another entry {log_index} than others")
        if node is not None:
            digest = node.parts.replica._engine.digest()
            if self.digests.setdefault(log_index, digest) != digest:
                self._world.fault(f"{name} has another state at {log_index}")
        if is_new:
            self.latest_ns = self._world.now_ns
            self._world.note("committed", log_index, term, crc32(entry))

    # ---- when all is over

    def log_of(self, name: str, last_index: int) -> dict[int, bytes]:
        """The log as this node has it, up to an index: what a venue's owner would find. Entries
        that it has from a snapshot alone are those that others were handed.
        """
        latest = self._latest.get(name, {})
        return {
            log_index: latest.get(log_index, self.history.get(log_index, b""))
            for log_index in range(1, last_index + 1)
        }

    def close(
        self,
        traders: Sequence[TraderProcess],
        visitors: Sequence[Visitor],
        reads: Sequence[Read] = (),
    ) -> None:
        """Replay the log, and compare."""
        at_index: defaultdict[int, list[Read]] = defaultdict(list)
        for read in reads:
            at_index[read.answer.applied_index].append(read)
        engine, sessions = self._replay(at_index)
        directory = DirectoryIndex(engine.directory())
        totals = engine.totals()
        if not is_conserved(totals):
            self._world.fault(f"not conserved: {totals}")
        days: dict[str, _Days] = {}
        everybody: list[TraderProcess | Visitor] = [*traders, *visitors]
        for trader in everybody:
            session_id = directory.credentials(trader.user, Protocol.OUCH).session_id
            days[trader.user] = sessions[session_id]
            for stream in sessions[session_id].values():
                stream.encode(directory.symbols)
            if isinstance(trader, TraderProcess):
                self._compare_entries(trader, sessions[session_id])
            last = trader.tapes[-1] if isinstance(trader, TraderProcess) else None
            for tape in trader.tapes:
                self._compare(tape, sessions[session_id], is_last=tape is last)
        self._compare_times(reads, days)

    def _replay(self, reads: dict[int, list[Read]]) -> tuple[Engine, dict[int, _Days]]:
        """The oracle's state at the end, and what it says each session was told."""
        engine = Engine()
        sessions: defaultdict[int, _Days] = defaultdict(dict)
        for log_index in range(1, max(self.history, default=0) + 1):
            if log_index not in self.history:
                self._world.fault(f"nobody was handed entry {log_index}")
                continue
            entry = self.history[log_index]
            if not entry:
                engine.skip_to(log_index)
            elif engine.apply(log_index, entry):
                self._tell(log_index, engine, sessions)
            if self.digests.get(log_index, engine.digest()) != engine.digest():
                self._world.fault(f"the oracle has another state at {log_index}")
                break
            for read in reads.get(log_index, ()):
                expected = _answer(engine, read.request)
                if expected is not None:
                    expected = msgspec.structs.replace(expected, applied_index=log_index)
                if expected != read.answer:
                    self._world.fault(f"{read.node} answered {read.answer!r}, not {expected!r}")
        return engine, sessions

    def _tell(self, log_index: int, engine: Engine, sessions: dict[int, _Days]) -> None:
        """What each session is told of an entry."""
        events = engine.events()
        for offset in range(0, len(events), EVENT_BYTES):
            event = unpack_event(events[offset : offset + EVENT_BYTES])
            if not event.out_seq:
                continue
            days = sessions[event.session_id]
            if event.out_seq == 1:  # the first that it is ever told, or that of a new day
                directory = engine.directory()
                days[session_name(directory.trading_date)] = _Stream(directory.midnight_ns)
            stream = days[next(reversed(days))]
            stream.records.append((events, offset))
            stream.log_indexes.append(log_index)
            if event.kind in {EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED}:
                number = event.user_ref_num
                if number in stream.entered:
                    self._world.fault(f"session {event.session_id}: order {number} entered twice")
                stream.entered.add(number)

    def _compare(self, tape: Tape, days: _Days, *, is_last: bool) -> None:
        connection = tape.connection
        for text in connection.faults:
            self._world.fault(f"{tape.user}: {text}")
        stream = days.get(connection.session)
        messages = [] if stream is None else stream.messages
        expected = messages[connection.first_seq - 1 :]
        for number, message in enumerate(connection.tape):
            if number >= len(expected) or message != expected[number]:
                self._world.fault(
                    f"{tape.user}: message {connection.first_seq + number} is not the log's"
                )
                return
        if is_last and connection.session != next(reversed(days), b""):
            self._world.fault(f"{tape.user}: is not in the day {next(reversed(days), b'')!r}")
        if is_last and len(connection.tape) < len(expected):
            self._world.fault(
                f"{tape.user}: told {len(connection.tape)} of {len(expected)} messages"
            )
        if is_last:
            for request in tape.session.unacknowledged:
                self._world.fault(f"{tape.user}: no outcome of request {request.number}")

    def _compare_entries(self, trader: TraderProcess, days: _Days) -> None:
        """What a client holds for certain is so. What was under way when the day ended may have
        been entered on the next one.
        """
        dates = list(days)
        for tape in trader.tapes:
            date = tape.connection.session
            if date not in days:
                continue
            following = dates[dates.index(date) + 1 :][:1]
            entered = days[date].entered
            later = entered.union(*(days[name].entered for name in following))
            # A number that came to nothing in one life of a client is free for the next one.
            held = {
                order.urn
                for other in trader.tapes
                for order in other.orders
                if other.connection.session == date and order.state not in _VOID
            }
            for order in tape.orders:
                if order.state is o.OrderState.PENDING and tape is trader.tapes[-1]:
                    self._world.fault(f"{trader.user}: no outcome of {order!r}")
                if order.state in _VOID:
                    if order.urn in entered and order.urn not in held:
                        self._world.fault(f"{trader.user}: {order!r} is in the log")
                elif (
                    order.state not in {o.OrderState.PENDING, o.OrderState.UNKNOWN}
                    and order.urn not in later
                ):
                    self._world.fault(f"{trader.user}: {order!r} is not in the log")

    def _compare_times(self, reads: Sequence[Read], days: dict[str, _Days]) -> None:
        """A linearizable read sees whatever anybody knew, and no less than an earlier one."""
        floors = [0]  # the highest index that the first so many reads saw
        for read in reads:
            floors.append(max(floors[-1], read.answer.applied_index))
        for read in reads:
            known = max([floors[read.reads], *_known(read.tapes, days)])
            if read.answer.applied_index < known:
                self._world.fault(
                    f"{read.node} answered a linearizable read from index "
                    f"{read.answer.applied_index}, and index {known} was known before"
                )


def _known(tapes: Iterable[tuple[Tape, int]], days: dict[str, _Days]) -> list[int]:
    """Log index of the last message on each tape."""
    found: list[int] = []
    for tape, count in tapes:
        stream = days[tape.user].get(tape.connection.session)
        number = tape.connection.first_seq - 1 + count
        if stream is not None and 0 < number <= len(stream.log_indexes):
            found.append(stream.log_indexes[number - 1])
    return found


def _answer(engine: Engine, request: link.Read) -> Answer | None:
    match request:
        case link.GetTotals():
            return engine.totals()
        case link.GetBook(instrument_id, depth):
            return engine.book(instrument_id, depth)
        case link.GetAccount(account_id):
            return engine.account(account_id)
        case link.GetOpenOrders(session_id):
            return link.Orders(0, engine.session_orders(session_id))
        case _:
            return None
