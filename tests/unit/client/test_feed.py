"""The feed reader against nodes that lose frames, die, and answer replays."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec
import pytest
import zmq

from oms.client.errors import FeedLost
from oms.client.feed import FeedReader, decode
from oms.config import NodeAddress
from oms.messages.link import Frames, ReplayTopic, Request
from oms.messages.market_data import Trade
from oms.transport import keys, sockets, topics
from oms.wire import frames
from oms.wire.errors import ProtocolError
from oms.wire.frames import FrameKind

TOPIC = topics.market_data("ELM")
NODES = ("n1", "n2")


def trade(number: int) -> Trade:
    return Trade("ELM", number, number, 0, number, 1, 100, "BUY")


def frame(number: int) -> bytes:
    return frames.pack(FrameKind.TRADE, 0, number, 0, msgspec.msgpack.encode(trade(number)))


class FakeNode:
    """The two sockets of a node that a feed reader knows."""

    def __init__(self, node_id: str, folder: Path, has: tuple[int, int]) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.zap = keys.ZapHandler(self.context, keys.load_allow_list(folder))
        pair = keys.load(folder, keys.node_name(node_id))
        self.feed = sockets.feed(self.context, "127.0.0.1:*", pair)
        self.router = sockets.router(self.context, "127.0.0.1:*", pair)
        self.address = NodeAddress(
            node_id, "", "", "", self._port(self.feed), self._port(self.router)
        )
        self.has = has  # first and last number it can replay
        self.asked = 0
        self.subscribed = threading.Event()
        self._outbox: list[bytes] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @staticmethod
    def _port(socket: "zmq.Socket[bytes]") -> str:
        endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(endpoint, bytes)
        return endpoint.rstrip(b"\0").decode().removeprefix("tcp://")

    def publish(self, *published: bytes) -> None:
        with self._lock:
            self._outbox += published

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        for socket in (self.feed, self.router, self.zap.socket):
            socket.close(0)
        self.context.term()

    def _run(self) -> None:
        poller = zmq.Poller()
        for socket in (self.feed, self.router, self.zap.socket):
            poller.register(socket, zmq.POLLIN)
        while not self._stop.is_set():
            for socket, _ in poller.poll(5):
                if socket is self.zap.socket:
                    self.zap.on_readable()
                elif socket is self.feed:
                    self.subscribed.set()
                    socket.recv()
                else:
                    self._answer()
            with self._lock:
                outbox, self._outbox = self._outbox, []
            for published in outbox:
                self.feed.send_multipart([TOPIC, published])

    def _answer(self) -> None:
        identity, request_id, body = self.router.recv_multipart()
        request = msgspec.msgpack.decode(body, type=Request)
        assert isinstance(request, ReplayTopic)
        self.asked += 1
        first, last = self.has
        number = max(request.from_topic_seq, first)
        piece = [frame(one) for one in range(number, min(number + 10, last + 1))]
        answer = Frames(piece, last, number + 10 > last)
        self.router.send_multipart([identity, request_id, b"1", msgspec.msgpack.encode(answer)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.generate(tmp_path / "keys", NODES)
    return tmp_path / "keys"


@pytest.fixture
def nodes(folder: Path) -> Iterator[list[FakeNode]]:
    """Two nodes; the second has everything, the first nothing."""
    with FakeNode("n1", folder, (1, 0)) as first, FakeNode("n2", folder, (1, 60)) as second:
        yield [first, second]


def reader(nodes: list[FakeNode], folder: Path, from_seq: int | None) -> FeedReader:
    feed = FeedReader([node.address for node in nodes], folder, [TOPIC], from_seq=from_seq)
    for node in nodes:
        assert node.subscribed.wait(5)
    return feed


def take(feed: FeedReader, count: int) -> list[int]:
    found = [feed.next(timeout=5) for _ in range(count)]
    assert all(isinstance(message, Trade) for message in found)
    return [message.topic_seq for message in found if message is not None]


def test_gaps_are_filled_from_a_node_that_has_the_frames(
    nodes: list[FakeNode], folder: Path
) -> None:
    """The first one asked has nothing: the next one is."""
    nodes[1].has = (1, 31)
    with reader(nodes, folder, 1) as feed:
        nodes[0].publish(*(frame(number) for number in (1, 2, 30, 31)))
        assert take(feed, 31) == list(range(1, 32))
        assert feed.next(timeout=0.05) is None
        assert nodes[0].asked >= 1
        assert nodes[1].asked >= 3


def test_a_new_leader_goes_on_and_its_repeats_are_dropped(
    nodes: list[FakeNode], folder: Path
) -> None:
    """Frames may come again after a change of leader."""
    with reader(nodes, folder, None) as feed:
        nodes[0].publish(*(frame(number) for number in (5, 6, 7)))
        assert take(feed, 3) == [5, 6, 7]
        nodes[1].publish(*(frame(number) for number in (6, 7, 8)))
        assert take(feed, 1) == [8]


def test_a_lost_tail_is_fetched_after_a_heartbeat(nodes: list[FakeNode], folder: Path) -> None:
    """Nobody publishes any more, and still nothing is missing."""
    with reader(nodes, folder, 1) as feed:
        nodes[1].publish(frames.pack(FrameKind.HEARTBEAT, 3, 25, 0, b""))
        assert take(feed, 25) == list(range(1, 26))


def test_frames_of_an_earlier_day_are_reported_lost_and_the_rest_is_read(folder: Path) -> None:
    """Never silently: the numbers are named."""
    with FakeNode("n1", folder, (11, 20)) as node, reader([node], folder, 1) as feed:
        node.publish(frame(20))
        with pytest.raises(FeedLost, match="1 to 10"):
            feed.next(timeout=5)
        assert take(feed, 10) == list(range(11, 21))


def test_a_reader_without_a_key_on_the_list_hears_nothing(
    nodes: list[FakeNode], folder: Path, tmp_path: Path
) -> None:
    """The feed is not public."""
    keys.generate(tmp_path / "stranger", NODES)
    for node_id in NODES:
        name = f"{keys.node_name(node_id)}.public"
        (tmp_path / "stranger" / name).write_bytes((folder / name).read_bytes())
    addresses = [node.address for node in nodes]
    with FeedReader(addresses, tmp_path / "stranger", [TOPIC], from_seq=1) as feed:
        nodes[0].publish(frame(1))
        assert feed.next(timeout=0.2) is None
        assert not nodes[0].subscribed.is_set()


def test_unknown_kinds_and_bodies_are_protocol_errors() -> None:
    """Every decoder meets corrupted bytes."""
    assert decode(frame(4)) == trade(4)
    for size in range(frames.HEADER.size, len(frame(4))):
        with pytest.raises(ProtocolError):
            decode(frame(4)[:size])
    with pytest.raises(ProtocolError, match="unknown kind"):
        decode(frames.pack(FrameKind.STATUS, 0, 1, 0, b""))
