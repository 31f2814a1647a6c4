"""Reads the feeds: executions by account, and market data, gapless across the death of a node.

Called by users and tests. A reader subscribes at every node; only the leader publishes, but who
that is does not matter here. What was lost on the way (a slow reader, a dead leader) is seen by its
number and fetched from any node. Blocking, one thread, no locks.

    with FeedReader(venue.nodes, venue.keys, ["md.ALDER|"], from_seq=1) as feed:
        for message in feed:
            print(message)
"""

import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec
import zmq

from oms.client.errors import FeedLost
from oms.client.topic_stream import TopicStream
from oms.config import NodeAddress
from oms.messages.executions import OrderEvent
from oms.messages.link import Frames, ReplayTopic
from oms.messages.market_data import BookTop, CallState, CallTrade, PhaseChange, Trade, TradeBust
from oms.transport import keys, sockets
from oms.wire import frames
from oms.wire.errors import ProtocolError
from oms.wire.frames import FrameKind

FeedMessage = OrderEvent | BookTop | Trade | PhaseChange | CallState | CallTrade | TradeBust

ANSWER_S: Final = 2.0  # after that another node is asked
PAUSE_S: Final = 0.02  # before the next node is asked when one had nothing new
DRAIN_MAX: Final = 1_024  # frames read from one socket in one go
_REPLY_FRAMES: Final = 3
_PUBLICATION_FRAMES: Final = 2
_ANSWER: Final = b"1"
_REQUEST_ID: Final = struct.Struct("<Q")
_ENCODER: Final = msgspec.msgpack.Encoder()
_FRAMES: Final = msgspec.msgpack.Decoder(Frames)
_BODIES: Final[dict[int, msgspec.msgpack.Decoder[FeedMessage]]] = {
    FrameKind.EXECUTION: msgspec.msgpack.Decoder(OrderEvent),
    FrameKind.TRADE: msgspec.msgpack.Decoder(Trade),
    FrameKind.BOOK_TOP: msgspec.msgpack.Decoder(BookTop),
    FrameKind.PHASE: msgspec.msgpack.Decoder(PhaseChange),
    FrameKind.CALL_STATE: msgspec.msgpack.Decoder(CallState),
    FrameKind.CALL_TRADE: msgspec.msgpack.Decoder(CallTrade),
    FrameKind.TRADE_BUST: msgspec.msgpack.Decoder(TradeBust),
}


def decode(frame: bytes) -> FeedMessage:
    """A numbered frame's message. Raises: ProtocolError for a kind or body nobody knows."""
    header, body = frames.unpack(frame)
    decoder = _BODIES.get(header.kind)
    if decoder is None:
        raise ProtocolError(1, f"feed frame of unknown kind {header.kind}")
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError(frames.HEADER.size, str(error)) from error


class _Replay:
    """The one request for missing frames that a topic has under way."""

    __slots__ = ("asked", "give_up_at", "request_id")

    def __init__(self) -> None:
        self.request_id = b""
        self.give_up_at = 0.0  # of an answer, or of the pause before the next question
        self.asked = 0  # nodes asked so far


class FeedReader:
    """Subscriptions at all nodes and the topics' streams. See the file's header."""

    def __init__(
        self,
        nodes: Sequence[NodeAddress],
        key_folder: Path,
        topics: Sequence[str | bytes],
        *,
        from_seq: int | None = None,
        role: keys.Role = keys.Role.FEED,
    ) -> None:
        """Subscribe. `from_seq` None: from now on; 1: everything the nodes still have."""
        pair = keys.load(key_folder, role)
        publics = [keys.load_public(key_folder, keys.node_name(node.node_id)) for node in nodes]
        names = [topic.encode("ascii") if isinstance(topic, str) else topic for topic in topics]
        self._streams = {name: TopicStream(name, from_seq) for name in names}
        self._replays = {name: _Replay() for name in names}
        self._topic_of_request: dict[bytes, bytes] = {}
        self._next_request = 1
        self._ready: deque[bytes] = deque()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._subscribers = [
            sockets.subscriber(
                self._context, node.feed, pair=pair, server_public=public,
                subscriptions=tuple(names),
            )
            for node, public in zip(nodes, publics, strict=True)
        ]  # fmt: skip
        self._dealers = [
            sockets.dealer(self._context, node.router, pair=pair, server_public=public)
            for node, public in zip(nodes, publics, strict=True)
        ]
        self._poller = zmq.Poller()
        for socket in (*self._subscribers, *self._dealers):
            self._poller.register(socket, zmq.POLLIN)

    def next(self, timeout: float | None = None) -> FeedMessage | None:
        """The next message of any topic, or None when there is none for `timeout` seconds.

        Within a topic messages are contiguous. Raises: FeedLost when no node has the missing ones
        any more (the next call goes on behind them), ProtocolError.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            wait_s = self._ask_for_missing()
            if deadline is not None:
                left_s = deadline - time.monotonic()
                if left_s <= 0 and not self._poller.poll(0):
                    return None
                wait_s = min(wait_s, max(left_s, 0.0))
            for socket, _ in self._poller.poll(int(wait_s * 1_000) + 1):
                if socket in self._subscribers:
                    self._read_publications(socket)
                else:
                    self._read_answers(socket)
        return decode(self._ready.popleft())

    def __iter__(self) -> Iterator[FeedMessage]:
        while (message := self.next()) is not None:
            yield message

    def next_seq(self, topic: str | bytes) -> int:
        """Number of the topic's next message, 0 while nothing was heard of it."""
        name = topic.encode("ascii") if isinstance(topic, str) else topic
        return self._streams[name].next_seq

    def close(self) -> None:
        """Unsubscribe; nothing is waited for."""
        for socket in (*self._subscribers, *self._dealers):
            self._poller.unregister(socket)
            socket.close(0)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # ---- live

    def _read_publications(self, socket: "zmq.Socket[bytes]") -> None:
        for _ in range(DRAIN_MAX):
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            stream = self._streams.get(parts[0])
            if stream is not None and len(parts) == _PUBLICATION_FRAMES:
                self._ready.extend(_taken(stream, parts[1]))

    # ---- what is missing

    def _ask_for_missing(self) -> float:
        """Send what requests are due; returns how long nothing needs to be done."""
        wait_s = ANSWER_S
        now = time.monotonic()
        for topic, stream in self._streams.items():
            if not stream.is_behind:
                continue
            replay = self._replays[topic]
            if now >= replay.give_up_at:
                self._ask(stream, replay, now)
            wait_s = min(wait_s, replay.give_up_at - now)
        return max(wait_s, 0.0)

    def _ask(self, stream: TopicStream, replay: _Replay, now: float) -> None:
        self._topic_of_request.pop(replay.request_id, None)
        dealer = self._dealers[replay.asked % len(self._dealers)]
        replay.asked += 1
        replay.request_id = _REQUEST_ID.pack(self._next_request)
        self._next_request += 1
        request = ReplayTopic(topic=stream.topic.decode("ascii"), from_topic_seq=stream.next_seq)
        try:
            dealer.send_multipart([replay.request_id, _ENCODER.encode(request)], zmq.NOBLOCK)
        except zmq.Again:
            replay.give_up_at = now + PAUSE_S
            return
        self._topic_of_request[replay.request_id] = stream.topic
        replay.give_up_at = now + ANSWER_S

    def _read_answers(self, socket: "zmq.Socket[bytes]") -> None:
        while True:
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) != _REPLY_FRAMES:
                continue
            topic = self._topic_of_request.pop(parts[0], None)
            if topic is None:
                continue  # an answer that came after another node was asked
            replay = self._replays[topic]
            replay.give_up_at = time.monotonic() + PAUSE_S
            if parts[1] == _ANSWER:
                self._take_replay(self._streams[topic], replay, parts[2])

    def _take_replay(self, stream: TopicStream, replay: _Replay, body: bytes) -> None:
        try:
            answer = _FRAMES.decode(body)
        except msgspec.DecodeError as error:
            raise ProtocolError(0, f"replay answer: {error}") from error
        stream.last_seq = max(stream.last_seq, answer.topic_seq)
        before = stream.next_seq
        for frame in answer.frames:
            self._ready.extend(_taken(stream, frame))
        if stream.next_seq > before:
            replay.give_up_at = 0.0  # it went on: ask the same node for the rest, if any
            replay.asked -= 1
        elif answer.frames:
            first = frames.unpack(answer.frames[0])[0].number
            if first > before:
                self._ready.extend(stream.skip_to(first))
                raise FeedLost(stream.topic.decode("ascii"), before, first - 1)


def _taken(stream: TopicStream, frame: bytes) -> list[bytes]:
    try:
        return stream.take(frame)
    except ValueError as error:
        raise ProtocolError(0, str(error)) from error
