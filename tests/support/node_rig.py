"""A venue of real node processes, and a stand-in for a gateway and a feed reader around it.

Used by tests/integration. Keeps what it heard, so that a test can compare it with what the nodes
replay. Runs the fast engine when it is built, else the reference engine.
"""

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import msgspec
import zmq

from oms.bounds import EVENT_BYTES
from oms.config import VenueConfig
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.commands import Command, NewOrder
from oms.messages.enums import EventKind, Side
from oms.messages.event_records import Event, unpack_events
from oms.transport import keys, sockets, topics
from oms.transport.sockets import Context, Socket
from oms.wire import frames
from oms.wire.frames import Header
from tests.support.node_parts import CONFIG, GATEWAY, SESSION, login, order

TIMEOUT_S = 20.0
_encode = msgspec.msgpack.Encoder().encode


def engine_kind() -> str:
    """The fast engine, if this tree has it built."""
    return "core" if importlib.util.find_spec("oms._core.engine") else "reference"


@contextlib.contextmanager
def node_venue(folder: Path, config: VenueConfig = CONFIG) -> Iterator[LocalVenue]:
    """Three formatted nodes without gateways, not started; nothing runs afterwards."""
    venue = LocalVenue.format(folder / "venue", config, gateway_count=0)
    for node in venue.nodes:
        path = venue.folder.node_settings(node.node_id)
        lines = [line for line in path.read_text().splitlines() if not line.startswith("engine")]
        path.write_text("\n".join([f'engine = "{engine_kind()}"', *lines]) + "\n")
    with venue:
        yield venue


class Rig:
    """Pushes like a gateway, listens like a gateway and like a feed reader."""

    def __init__(self, venue: LocalVenue, feed_topics: tuple[bytes, ...] = ()) -> None:
        self.venue = venue
        self._context: Context = sockets.context()
        gateway, reader = keys.load(venue.keys, "gateway"), keys.load(venue.keys, "feed")
        self._push: dict[str, Socket] = {}
        self._listening: list[Socket] = []
        for node in venue.nodes:
            public = keys.load_public(venue.keys, keys.node_name(node.node_id))
            self._push[node.node_id] = sockets.push(
                self._context, node.pull, pair=gateway, server_public=public
            )
            self._listening += [
                sockets.subscriber(
                    self._context,
                    node.pub,
                    pair=gateway,
                    server_public=public,
                    subscriptions=(topics.ENGINE, topics.STATUS),
                ),
                sockets.subscriber(
                    self._context,
                    node.feed,
                    pair=reader,
                    server_public=public,
                    subscriptions=feed_topics,
                ),
            ]
        self.engine: dict[int, bytes] = {}  # event_seq -> record, as published
        self.events: list[Event] = []  # the same in order of arrival, repeats left out
        self.feed: dict[bytes, dict[int, bytes]] = {}  # topic -> topic_seq -> frame
        self.heartbeats: list[tuple[bytes, Header]] = []
        self.roles: dict[str, link.Status] = {}

    def push(self, node_id: str, *commands: Command, gateway_id: int = GATEWAY) -> None:
        """One PUSH frame to one node, waiting until it can be sent."""
        socket = self._push[node_id]
        assert socket.poll(int(TIMEOUT_S * 1_000), zmq.POLLOUT), f"{node_id} does not read"
        socket.send(_encode(link.Push(gateway_id, list(commands))), zmq.NOBLOCK)

    def read(self, timeout_ms: int = 10) -> None:
        """Take in what has arrived."""
        poller = zmq.Poller()
        for socket in self._listening:
            poller.register(socket, zmq.POLLIN)
        for socket, _ in poller.poll(timeout_ms):
            with contextlib.suppress(zmq.Again):
                while True:
                    topic, frame = socket.recv_multipart(zmq.NOBLOCK)
                    self._take(topic, frame)

    def _take(self, topic: bytes, frame: bytes) -> None:
        header, body = frames.unpack(frame)
        if topic == topics.STATUS:
            status = msgspec.msgpack.decode(body, type=link.Status)
            self.roles[status.node_id] = status
        elif topic == topics.ENGINE:
            for offset, event in enumerate(unpack_events(body)):
                assert event.event_seq == header.number + offset
                record = body[offset * EVENT_BYTES : (offset + 1) * EVENT_BYTES]
                known = self.engine.setdefault(event.event_seq, record)
                assert known == record, f"two truths about event {event.event_seq}"
                if known is record:
                    self.events.append(event)
        elif header.kind == frames.FrameKind.HEARTBEAT:
            self.heartbeats.append((topic, header))
        else:
            known = self.feed.setdefault(topic, {}).setdefault(header.number, frame)
            assert known == frame, f"two truths about {topic!r} {header.number}"

    def wait(self, is_done: Callable[[], bool], what: str) -> None:
        """Read until something is so."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_done():
            assert time.monotonic() < deadline, f"{what} did not happen"
            self.read()

    def wait_ready(self) -> str:
        """Wait until every running node was heard and one accepts; returns that one."""
        running = {name for name, pid in self.venue.pids().items() if pid is not None}

        def leaders() -> list[str]:
            return [name for name in running if name in self.roles and self.roles[name].accepting]

        self.roles.clear()
        self.wait(lambda: running <= self.roles.keys() and bool(leaders()), "an accepting leader")
        return leaders()[0]

    def log_in(self, leader: str) -> int:
        """Log the trading session in; returns its epoch."""
        before = len(self.events)
        self.push(leader, login(nonce=time.monotonic_ns()))
        self.wait(lambda: bool(self.seen(EventKind.SESSION_LOGGED_IN, before)), "the login")
        return self.seen(EventKind.SESSION_LOGGED_IN, before)[-1].conn_epoch

    def seen(self, kind: EventKind, start: int = 0) -> list[Event]:
        """Published events of one kind."""
        return [event for event in self.events[start:] if event.kind == kind]

    def close(self) -> None:
        """Close every socket."""
        for socket in [*self._push.values(), *self._listening]:
            socket.close(0)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def orders(epoch: int, first: int, count: int) -> list[NewOrder]:
    """Buys and sells in turn, so that they trade."""
    return [
        msgspec.structs.replace(
            order(
                number,
                side=Side.BUY if number % 2 else Side.SELL,
                account_id=1 if number % 2 else 2,
            ),
            session_id=SESSION,
            conn_epoch=epoch,
            not_after_ns=time.time_ns() + 60_000_000_000,
        )
        for number in range(first, first + count)
    ]


def replay_events(venue: LocalVenue, node_id: str) -> bytes:
    """Every event record a node has."""
    data = b""
    while True:
        request = link.ReplayEvents(len(data) // EVENT_BYTES + 1)
        records = venue.requests().ask(node_id, request, link.Records, TIMEOUT_S)
        data += records.data
        if records.is_end:
            return data
