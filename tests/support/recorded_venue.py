"""A whole venue in one object, with clients that write histories: for tests of the checker.

Orders go through the gateway's own translation into a log, an engine makes events of it, and these
come back to the clients as bytes. Nothing is random and nothing is asynchronous: a test decides
what is in one entry, who hears of it and when, and can tell lies on the way.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path

from gateways.admission import DirectoryIndex
from gateways.binary.session import session_name
from gateways.binary.translate import Translator
from oms.bounds import EVENT_BYTES
from oms.check.history import SUFFIX, Clock, RecordedConnection, Recorder
from oms.config import VenueConfig
from oms.local.genesis import build_genesis
from oms.local.samples import replay_config
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import Protocol
from oms.messages.event_records import unpack_event
from oms.messages.packing import pack_batch
from oms.node.engine import Engine
from oms.reference.engine import Engine as ReferenceEngine
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from oms.wire.outbound import encode_message

START_NS = 1_767_605_400_000_000_000
CLUSTER_ID = 0xC0FFEE
SYMBOL = b"AAPL"
FOREVER_NS = (1 << 62) - 1


class StepClock(Clock):
    """One for all clients of a venue: every look at it is a microsecond later."""

    def __init__(self) -> None:
        self.name = "a test's"
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        self.now_ns += 1_000
        return self.now_ns

    def wall_ns(self) -> int:
        return START_NS + self.now_ns


class RecordedClient:
    """One session: its messages wait for an entry, its answers wait until it listens."""

    def __init__(self, venue: "RecordedVenue", name: str, path: Path) -> None:
        self.venue = venue
        self.name = name
        self.path = path
        self.recorder = Recorder(path, name, venue.clock)
        self.connection: RecordedConnection | None = None
        self.session_id = venue.directory.credentials(name, Protocol.OUCH).session_id
        self.waiting: list[c.Command] = []  # sent, and in no entry yet
        self.stream: list[bytes] = []  # all of the day
        self.heard = 0  # how many of them
        self.next_urn = itertools.count(1)
        self._epoch = 0
        self._client_seq = 0
        self._translator: Translator | None = None

    def login(self, from_seq: int | None = None, *, lies_about_number: int = 0) -> None:
        """On a new connection: the log has it, the answer is recorded, the rest is replayed."""
        venue = self.venue
        self._epoch += 1
        self._client_seq = 0
        venue.commit([c.Login(self.session_id, self._epoch, 7)])
        credentials = venue.directory.credentials(self.name, Protocol.OUCH)
        self._translator = Translator(
            session_id=self.session_id,
            conn_epoch=self._epoch,
            default_account_id=credentials.default_account_id,
            accounts=venue.directory.accounts,
            instruments=venue.directory.instruments,
            rule_version=venue.directory.rule_version,
        )
        asked = self.heard + 1 if from_seq is None else from_seq
        self.connection = venue.connected(self)
        self.connection.wrote(
            soupbin.login_request(soupbin.LoginRequest(self.name.encode(), b"X", b"", asked))
        )
        following = (asked or len(self.stream) + 1) + lies_about_number
        self.connection.read(soupbin.login_accepted(venue.soup_session, following))
        self.heard = following - 1

    def forget(self) -> None:
        """Begin the history anew: what was before is in none."""
        self.recorder.abandon()
        self.path.unlink()
        self.recorder = Recorder(self.path, self.name, self.venue.clock)

    def drop(self) -> None:
        """The connection is lost; what was not heard is not heard on it any more."""
        assert self.connection is not None
        self.connection.lost("dropped")
        self.connection = None

    def send(self, message: m.Inbound) -> None:
        """Record it as written, and hand it to the venue."""
        data = self.write(message)
        assert self._translator is not None
        self._client_seq += 1
        self.waiting.append(self._translator.translate(data, 0, self._client_seq, FOREVER_NS))

    def write(self, message: m.Inbound) -> bytes:
        """Record it as written; it gets lost on the way."""
        assert self.connection is not None
        data = ouch.encode(message)
        self.connection.wrote(soupbin.unsequenced(data))
        return data

    def enter(
        self, side: int, qty: int, price: int, *, tif: int = m.TIF_DAY, cl_ord_id: bytes = b""
    ) -> int:
        """A new order; its UserRefNum."""
        urn = next(self.next_urn)
        self.send(m.EnterOrder(urn, side, qty, SYMBOL, price, tif, cl_ord_id=cl_ord_id))
        return urn

    def cancel(self, urn: int, qty: int = 0) -> None:
        """Cancel an order."""
        self.send(m.CancelRequest(urn, qty))

    def replace(self, urn: int, qty: int, price: int) -> int:
        """Replace an order; the new UserRefNum."""
        new_urn = next(self.next_urn)
        self.send(m.ReplaceRequest(urn, new_urn, qty, price))
        return new_urn

    def listen(self) -> None:
        """Read everything that waits."""
        if self.connection is not None and self.heard < len(self.stream):
            messages = self.stream[self.heard :]
            self.heard = len(self.stream)
            self.connection.read(b"".join(soupbin.sequenced(message) for message in messages))

    def hear(self, message: bytes) -> None:
        """The venue says something, true or not."""
        assert self.connection is not None
        self.connection.read(soupbin.sequenced(message))


class RecordedVenue:
    """Log, engine and clients."""

    def __init__(
        self, folder: Path, names: int = 2, *, engine: Engine | None = None, firms: int = 2
    ) -> None:
        self.folder = folder
        self.clock = StepClock()
        self.engine = engine or ReferenceEngine()
        self.log: list[bytes] = []
        self.config: VenueConfig = replay_config(account_count=firms, session_count=names)
        self.clients: list[RecordedClient] = []
        for batch in build_genesis(self.config, CLUSTER_ID, START_NS):
            self.log.append(batch)
            self.engine.apply(len(self.log), batch)
        self.learn()
        for user in self.config.users:
            path = folder / f"{user.name}{SUFFIX}"
            self.clients.append(RecordedClient(self, user.name, path))
        self._sessions = {client.session_id: client for client in self.clients}
        self._deliver(self.engine.events())

    def learn(self) -> None:
        """Names and numbers as they are now."""
        self.directory = DirectoryIndex(self.engine.directory())
        self.soup_session = session_name(self.directory.trading_date)

    def connected(self, client: RecordedClient) -> RecordedConnection:
        """A connection of this client, as its recorder sees it."""
        return client.recorder.connected("test")

    def commit(self, commands: Iterable[c.Command] | None = None) -> None:
        """One entry of these commands, or of what all clients have sent."""
        if commands is None:
            commands = [command for client in self.clients for command in client.waiting]
            for client in self.clients:
                client.waiting.clear()
        self.append(pack_batch(START_NS + self.clock.monotonic_ns(), list(commands)))

    def start_day(self, command: ac.StartDay) -> None:
        """A new day: everybody's connection ends, and the streams begin anew."""
        for client in self.clients:
            if client.connection is not None:
                client.drop()
            client.stream.clear()
            client.heard = 0
            client.next_urn = itertools.count(1)
        self.log.append(pack_batch(START_NS + self.clock.monotonic_ns(), [command]))
        self.engine.apply(len(self.log), self.log[-1])
        self.learn()
        self._deliver(self.engine.events())

    def append(self, batch: bytes) -> None:
        """One entry as it is; its events wait for the clients."""
        self.log.append(batch)
        self.engine.apply(len(self.log), batch)
        self._deliver(self.engine.events())

    def _deliver(self, events: bytes) -> None:
        for offset in range(0, len(events), EVENT_BYTES):
            event = unpack_event(events, offset)
            client = self._sessions.get(event.session_id)
            if client is not None and event.out_seq:
                message = encode_message(
                    events, offset, self.directory.symbols, self.directory.midnight_ns
                )
                client.stream.append(message)

    def listen(self) -> None:
        """Everybody reads what waits for them."""
        for client in self.clients:
            client.listen()

    def step(self) -> None:
        """What was sent is committed and answered."""
        self.commit()
        self.listen()

    def close(self) -> Path:
        """Histories end in order; the log's file."""
        for client in self.clients:
            client.recorder.close()
        return self.write_log(self.log)

    def write_log(self, batches: list[bytes]) -> Path:
        """A log in the form of `oms log export --raw`."""
        path = self.folder / "log.raw"
        path.write_bytes(b"".join(batches))
        return path
