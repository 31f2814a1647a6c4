"""Fetches the outputs that this node lacks from the other nodes, in the background.

Called by the loop while there are any. One piece is on its way at a time, and goes to its place in
the event log's file; nobody is shown a record of it before all are there and their checksum is the
snapshot's. Promises: a peer that answers wrong bytes, or nothing, is left for the next one; a start
anew after a crash begins anew; the node's other work never waits for this.
"""

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import zmq

from oms.bounds import EVENT_BYTES, REQUEST_WAIT_NS
from oms.messages import link
from oms.messages.event_records import EVENT_DTYPE
from oms.node.event_log import EventLog
from oms.node.replies import ANSWER
from oms.process_log import Log
from oms.transport.sockets import NOW, Socket

RETRY_NS: Final = 500_000_000  # after a peer that could not answer
_REPLY_FRAMES: Final = 3
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(link.Records).decode


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node's ROUTER."""

    node_id: str
    socket: Socket


class OutputsFetch:
    """From the first record that is missing to the last."""

    def __init__(self, event_log: EventLog, peers: Sequence[Peer], *, crc: int, say: Log) -> None:
        """`crc` is what the snapshot says of all of them."""
        self.peers = peers
        self._event_log = event_log
        self._wanted_crc = crc
        self._say = say
        self._request_ids = itertools.count(1)
        self._asked = b""  # id of the request that is on its way
        self._ask_at_ns = 0
        self._until_ns = 0
        self._peer = 0
        self._next_seq = event_log.base + 1
        self._crc = 0

    @property
    def is_over(self) -> bool:
        """Nothing is missing (any more)."""
        return not self._event_log.missing

    def run(self, now_ns: int) -> None:
        """Ask, or give up a peer that does not answer."""
        if self.is_over:
            return
        if self._asked and now_ns > self._until_ns:
            self._leave("no answer", now_ns)
        if not self._asked and now_ns >= self._ask_at_ns:
            self._ask(now_ns)

    def _ask(self, now_ns: int) -> None:
        self._asked = next(self._request_ids).to_bytes(8, "little")
        self._until_ns = now_ns + REQUEST_WAIT_NS
        request = _encode(link.ReplayEvents(self._next_seq))
        try:
            self.peers[self._peer].socket.send_multipart([self._asked, request], NOW)
        except zmq.Again:
            self._leave("cannot be reached", now_ns)

    def _leave(self, why: str, now_ns: int) -> None:
        """Another peer is asked, from the beginning: pieces of one answer belong together."""
        self._say.warning(
            "outputs_not_fetched",
            peer=self.peers[self._peer].node_id,
            from_event_seq=self._next_seq,
            reason=why,
        )
        self._peer = (self._peer + 1) % len(self.peers)
        self._asked = b""
        self._ask_at_ns = now_ns + RETRY_NS
        self._next_seq = self._event_log.base + 1
        self._crc = 0

    def on_readable(self, peer: Peer, now_ns: int) -> None:
        """Take what was answered, one message: the rest comes in the next turns."""
        try:
            parts = peer.socket.recv_multipart(NOW)
        except zmq.Again:
            return
        if self.is_over or len(parts) != _REPLY_FRAMES or parts[0] != self._asked:
            return  # the answer to a request that was given up
        self._asked = b""
        _, code, body = parts
        if code != ANSWER:
            reason = body.decode(errors="replace")
            self._leave(f"refused: {reason}", now_ns)
            return
        try:
            data = _decode(body).data
        except msgspec.DecodeError as error:
            self._leave(str(error), now_ns)
            return
        self._take(data, now_ns)

    def _take(self, data: bytes, now_ns: int) -> None:
        count = min(len(data) // EVENT_BYTES, self._event_log.missing_to + 1 - self._next_seq)
        data = data[: count * EVENT_BYTES]
        numbers = np.frombuffer(data, EVENT_DTYPE)["event_seq"]
        if not count or not np.array_equal(numbers, self._next_seq + np.arange(count)):
            self._leave("these are not the records that were asked for", now_ns)
            return
        try:
            self._event_log.fill(self._next_seq, data)
        except OSError as error:
            self._leave(str(error), now_ns)
            return
        self._crc = zlib.crc32(data, self._crc)
        self._next_seq += count
        if self._next_seq <= self._event_log.missing_to:
            self._ask(now_ns)
        elif self._crc == self._wanted_crc:
            self._say.info("outputs_fetched", peer=self.peers[self._peer].node_id)
            self._event_log.filled()
        else:
            self._leave("their checksum is not the snapshot's", now_ns)

    def close(self) -> None:
        """Close the sockets."""
        for peer in self.peers:
            peer.socket.close(0)
