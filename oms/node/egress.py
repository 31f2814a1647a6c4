"""What leaves the node by publication: engine events, status, and through `feed` the topics.

Called by the replica for every applied entry and by the loop at the end of each turn. Promises:
events leave in order, only while this node leads, and only after they are applied, hence
committed; followers spend nothing on them. A frame that is lost is repaired by its number.
"""

import msgspec

from oms.bounds import ENGINE_FRAME_BYTES_MAX
from oms.messages.link import Status
from oms.node.feed import Feed
from oms.transport import topics
from oms.transport.sockets import NOW, NOW_MORE, Socket
from oms.wire import frames
from oms.wire.frames import FrameKind

_encode = msgspec.msgpack.Encoder().encode
_SEQ_OFFSET = 8


class Egress:
    """The `pub` socket and the queue of events not yet published in this turn."""

    def __init__(self, pub: Socket, feed: Feed) -> None:
        self._pub = pub
        self._feed = feed
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.term = 0
        self.is_leading = False

    def lead(self, term: int) -> None:
        """Publish from now on, and every topic's last number first."""
        self.is_leading = self._feed.is_leading = True
        self.term = term
        self._feed.start_heartbeats()

    def follow(self) -> None:
        """Publish status only."""
        self.is_leading = self._feed.is_leading = False
        self._pending.clear()
        self._pending_bytes = 0

    def add(self, data: bytes, timestamp_ns: int) -> None:
        """Events of one applied entry."""
        if not self.is_leading:
            return
        if self._pending and self._pending_bytes + len(data) > ENGINE_FRAME_BYTES_MAX:
            self.flush(timestamp_ns)
        self._pending.append(data)
        self._pending_bytes += len(data)

    def flush(self, timestamp_ns: int) -> None:
        """Publish what was applied since the last flush, as one engine frame."""
        if not self._pending:
            return
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        first = int.from_bytes(data[_SEQ_OFFSET : _SEQ_OFFSET + 8], "little")
        frame = frames.pack(FrameKind.ENGINE, self.term, first, timestamp_ns, data)
        self._pub.send(topics.ENGINE, NOW_MORE)
        self._pub.send(frame, NOW)
        self._feed.publish(data)

    def publish_status(self, status: Status) -> None:
        """To gateways and to feed readers."""
        frame = frames.pack(
            FrameKind.STATUS,
            status.term,
            status.event_seq,
            status.timestamp_ns,
            _encode(status),
        )
        for socket in (self._pub, self._feed.socket):
            socket.send(topics.STATUS, NOW_MORE)
            socket.send(frame, NOW)

    def send_heartbeats(self, timestamp_ns: int) -> None:
        """The topics' last numbers, as far as due."""
        self._feed.send_heartbeats(term=self.term, timestamp_ns=timestamp_ns)
