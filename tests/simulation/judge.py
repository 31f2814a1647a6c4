"""What must be true whatever happened: the contract, checked from the clients' side.

While it runs: every node is handed one history, in order, and makes the same state of it. When all
is over: the oracle replays that history; every tape of every client is what the replay says that
this session was told, byte for byte from the first message on; every order has one outcome, and an
order that its client was told of is in the log exactly once; money and shares are conserved.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from gateways.admission import DirectoryIndex
from oms.bounds import EVENT_BYTES
from oms.client import orders as o
from oms.messages.enums import EventKind, Protocol
from oms.messages.event_records import unpack_event
from oms.reference.engine import Engine
from oms.robots.auditor import is_conserved
from oms.wire.outbound import SOUP_HEADER_BYTES, encode_packet
from tests.simulation.parties import NodeProcess
from tests.simulation.traders import Tape, TraderProcess, Visitor
from tests.simulation.world import World

_VOID: Final = frozenset({o.OrderState.IGNORED, o.OrderState.REJECTED})


class Judge:
    """See the module's header."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.nodes: dict[str, NodeProcess] = {}
        self.history: dict[int, bytes] = {}  # log index -> entry; empty: the log's own
        self.digests: dict[int, int] = {}
        self._handed: dict[tuple[str, int], int] = {}  # node and life -> log index

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
        is_new = log_index not in self.history
        if self.history.setdefault(log_index, entry) != entry:
            self._world.fault(f"{name} was handed another entry {log_index} than others")
        if node is not None:
            digest = node.parts.replica._engine.digest()
            if self.digests.setdefault(log_index, digest) != digest:
                self._world.fault(f"{name} has another state at {log_index}")
        if is_new:
            self._world.note("committed", log_index, term, crc32(entry))

    # ---- when all is over

    def close(self, traders: Sequence[TraderProcess], visitors: Sequence[Visitor]) -> None:
        """Replay the log, and compare."""
        engine, streams = self._replay()
        directory = DirectoryIndex(engine.directory())
        totals = engine.totals()
        if not is_conserved(totals):
            self._world.fault(f"not conserved: {totals}")
        everybody: list[TraderProcess | Visitor] = [*traders, *visitors]
        for trader in everybody:
            session_id = directory.credentials(trader.user, Protocol.OUCH).session_id
            stream = streams.get(session_id, [])
            told = [
                encode_packet(record, 0, directory.symbols, directory.midnight_ns)
                for record in stream
            ]
            messages = [packet[SOUP_HEADER_BYTES:] for packet in told]
            if isinstance(trader, TraderProcess):
                self._compare_entries(trader, stream)
            last = trader.tapes[-1] if isinstance(trader, TraderProcess) else None
            for tape in trader.tapes:
                self._compare(tape, messages, is_last=tape is last)

    def _replay(self) -> tuple[Engine, dict[int, list[bytes]]]:
        """The oracle's state at the end, and what it says each session was told."""
        engine = Engine()
        streams: dict[int, list[bytes]] = {}
        for log_index in range(1, max(self.history, default=0) + 1):
            if log_index not in self.history:
                self._world.fault(f"nobody was handed entry {log_index}")
                continue
            entry = self.history[log_index]
            if not entry:
                engine.skip_to(log_index)
            elif engine.apply(log_index, entry):
                events = engine.events()
                for offset in range(0, len(events), EVENT_BYTES):
                    if int.from_bytes(events[offset + 16 : offset + 24], "little"):
                        session_id = int.from_bytes(events[offset + 4 : offset + 8], "little")
                        record = events[offset : offset + EVENT_BYTES]
                        streams.setdefault(session_id, []).append(record)
            if self.digests.get(log_index, engine.digest()) != engine.digest():
                self._world.fault(f"the oracle has another state at {log_index}")
                break
        return engine, streams

    def _compare(self, tape: Tape, messages: list[bytes], *, is_last: bool) -> None:
        connection = tape.connection
        for text in connection.faults:
            self._world.fault(f"{tape.user}: {text}")
        expected = messages[connection.first_seq - 1 :]
        for number, message in enumerate(connection.tape):
            if number >= len(expected) or message != expected[number]:
                self._world.fault(
                    f"{tape.user}: message {connection.first_seq + number} is not the log's"
                )
                return
        if is_last and len(connection.tape) < len(expected):
            self._world.fault(
                f"{tape.user}: told {len(connection.tape)} of {len(expected)} messages"
            )
        if is_last:
            for request in tape.session.unacknowledged:
                self._world.fault(f"{tape.user}: no outcome of request {request.number}")

    def _compare_entries(self, trader: TraderProcess, stream: list[bytes]) -> None:
        """Each order entered once at most; what its client holds for certain is so."""
        entered: set[int] = set()
        for record in stream:
            event = unpack_event(record)
            if event.kind in {EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED}:
                if event.user_ref_num in entered:
                    self._world.fault(f"{trader.user}: order {event.user_ref_num} entered twice")
                entered.add(event.user_ref_num)
        # A number that came to nothing in one life of a client is free for the next one.
        held = {
            order.urn for tape in trader.tapes for order in tape.orders if order.state not in _VOID
        }
        for tape in trader.tapes:
            for order in tape.orders:
                is_in = order.urn in entered
                if order.state is o.OrderState.PENDING and tape is trader.tapes[-1]:
                    self._world.fault(f"{trader.user}: no outcome of {order!r}")
                if order.state in _VOID:
                    if is_in and order.urn not in held:
                        self._world.fault(f"{trader.user}: {order!r} is in the log")
                elif order.state not in {o.OrderState.PENDING, o.OrderState.UNKNOWN} and not is_in:
                    self._world.fault(f"{trader.user}: {order!r} is not in the log")
