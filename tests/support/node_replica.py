"""One replica with its outputs, over fake sockets and a memory log: everything but the loop.

Used by the tests of egress, feed, queries, requests and replica.
"""

import io
from pathlib import Path

from oms.messages.commands import Command
from oms.messages.event_records import Event, unpack_events
from oms.messages.packing import pack_batch
from oms.node import poison
from oms.node.clock import Clock
from oms.node.clock_watch import ClockWatch
from oms.node.digests import DigestWatch
from oms.node.egress import Egress
from oms.node.event_index import EventIndex
from oms.node.event_log import EventLog
from oms.node.feed import Feed
from oms.node.queries import Queries
from oms.node.replica import Replica
from oms.node.requests import Requests
from oms.node.scrub import Scrub
from oms.node.sequencer import Sequencer
from oms.node.snapshots import Snapshots
from oms.node.status import StatusReader
from oms.node.symbols import Symbols
from oms.node.trading_days import TradingDays
from oms.process_log import Log
from oms.reference.engine import Engine
from oms.transport import topics
from oms.wire import frames
from oms.wire.frames import Header
from tests.support.node_parts import (
    CLUSTER_ID,
    NOW_NS,
    FakeSocket,
    MemoryLog,
    genesis,
    silent_log,
)


class OneReplica:
    """A leader after the genesis; nothing is published of that, as after a restart."""

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()
        self.event_log = EventLog(folder / "events.log")
        self.index = EventIndex(self.event_log)
        self.pub, self.feed_socket, self.router = FakeSocket(), FakeSocket(), FakeSocket()
        self.symbols = Symbols(self.engine)
        self.feed = Feed(self.feed_socket.as_socket, self.index, self.symbols, silent_log())
        self.egress = Egress(self.pub.as_socket, self.feed)
        self.sequencer = Sequencer(self.engine, [])
        self.digests = DigestWatch(3)
        self.said = io.StringIO()
        self.say = Log("n1", self.said)
        self.guard = poison.open_guard(folder, cluster_id=CLUSTER_ID, node_id="n1", say=self.say)
        self.scrub = Scrub(self.engine, self.digests)
        (folder / "snapshots").mkdir(exist_ok=True)
        self.snapshots = Snapshots(
            folder / "snapshots",
            engine=self.engine,
            event_log=self.event_log,
            cluster_id=CLUSTER_ID,
            turn=0,
            node_count=3,
            say=self.say,
        )
        self.days = TradingDays(
            folder,
            engine=self.engine,
            event_log=self.event_log,
            index=self.index,
            snapshots=self.snapshots,
            say=self.say,
        )
        self.status = StatusReader(
            node_id="n1",
            engine=self.engine,
            event_log=self.event_log,
            days=self.days,
            clock=Clock(),
            clock_watch=ClockWatch(1),
            cluster_id=CLUSTER_ID,
            durability="disk",
            scrub=self.scrub,
            skip_orders=self.guard.order_count,
            say=self.say,
        )
        self.queries = Queries(
            engine=self.engine,
            event_log=self.event_log,
            index=self.index,
            symbols=self.symbols,
            status=self.status.status,
            digest_at=self.digests.at,
        )
        self.requests = Requests(
            self.router.as_socket,
            queries=self.queries,
            sequencer=self.sequencer,
            not_leader=self.status.not_leader,
            say=silent_log(),
        )
        self.replica = Replica(
            engine=self.engine,
            event_log=self.event_log,
            egress=self.egress,
            sequencer=self.sequencer,
            digests=self.digests,
            scrub=self.scrub,
            guard=self.guard,
            days=self.days,
            clock=Clock(),
            say=self.say,
            on_submits_applied=self.requests.on_submits_applied,
        )
        self.log = MemoryLog(self.replica.on_commit, self.replica.on_skip)
        for entry in genesis():
            self.log.propose(entry)
        self.log.tick()
        self.now_ns = NOW_NS

    def lead(self) -> None:
        """Become leader and drop what is published at that moment."""
        self.egress.lead(term=3)
        self.requests.is_accepting = True
        self.take()

    def apply(self, *commands: Command) -> list[Event]:
        """Commit one entry and publish what it says."""
        before = self.event_log.event_seq
        self.now_ns += 1_000
        self.log.propose(pack_batch(self.now_ns, list(commands)))
        self.log.tick()
        self.egress.flush(self.now_ns)
        return unpack_events(self.event_log.read(before + 1, 1 << 20))

    def run(self) -> None:
        """Propose and commit what the sequencer holds."""
        self.now_ns += 1_000
        self.sequencer.run(self.log, self.now_ns)
        self.log.tick()
        self.egress.flush(self.now_ns)

    def subscribe(self, *names: bytes, on: bool = True) -> None:
        """What a subscriber's socket says."""
        for name in names:
            self.feed_socket.incoming.append([(b"\1" if on else b"\0") + name])
        self.feed.on_readable()

    def heartbeats(self) -> list[tuple[bytes, Header]]:
        """What is due, all of it."""
        while self.feed.has_heartbeats:
            self.egress.send_heartbeats(self.now_ns)
        return self.take()

    def take(self) -> list[tuple[bytes, Header]]:
        """Topic and header of what went out on the feed since the last look."""
        return [(topic, frames.unpack(frame)[0]) for topic, frame in self.feed_socket.take()]

    def take_frames(self, topic: bytes) -> list[bytes]:
        """Whole frames of one topic."""
        return [frame for name, frame in self.feed_socket.take() if name == topic]

    def take_engine(self) -> list[tuple[Header, bytes]]:
        """Engine frames published since the last look."""
        return [frames.unpack(frame) for topic, frame in self.pub.take() if topic == topics.ENGINE]

    def close(self) -> None:
        """Close the files."""
        self.event_log.close()
        self.guard.close()
