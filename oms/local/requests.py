"""Questions to the nodes' ROUTER endpoints, asked with the administrator's key; blocking.

Called by the local venue, `oms admin`, `oms status` and the demo's audit; one instance belongs to
one thread. Promises: every call ends at its timeout, an answer is matched to its question by
number, and an answer to an earlier question that was given up is dropped.
"""

import itertools
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec
import zmq

from oms.config import NodeAddress
from oms.messages import link
from oms.transport import keys, sockets

ANSWER: Final = b"1"
REFUSAL: Final = b"0"
NOT_LEADER: Final = b"L"
CONNECT_POLL_S: Final = 0.005
_REPLY_FRAMES: Final = 3
_REQUEST_ID: Final = struct.Struct("<Q")
_ENCODER: Final = msgspec.msgpack.Encoder()

_T = TypeVar("_T", bound=msgspec.Struct)


class NoAnswer(Exception):
    """The node did not answer in time; nothing is known about the request."""


class NotTheLeader(Exception):
    """The node does not lead; `leader_id` is who does, as far as it knows."""

    def __init__(self, node_id: str, leader_id: str | None) -> None:
        super().__init__(f"{node_id} does not lead (the leader is {leader_id or 'unknown'})")
        self.leader_id = leader_id


class RequestRefused(Exception):
    """The node answered that it cannot answer, and why."""


class NodeRequests:
    """One DEALER per node."""

    def __init__(self, nodes: Sequence[NodeAddress], key_folder: Path) -> None:
        pair = keys.load(key_folder, keys.Role.ADMIN)
        publics = [
            keys.load_public(key_folder, keys.node_name(node.node_id)) for node in nodes
        ]  # before the context is made: a missing key leaves nothing to close
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets = {
            node.node_id: sockets.dealer(
                self._context, node.router, pair=pair, server_public=public
            )
            for node, public in zip(nodes, publics, strict=True)
        }
        self._request_ids = itertools.count(1)

    @property
    def node_ids(self) -> list[str]:
        """The nodes, in the order of the settings."""
        return list(self._sockets)

    def ask(self, node_id: str, request: link.Request, answer: type[_T], timeout_s: float) -> _T:
        """One question to one node. Raises: NoAnswer, NotTheLeader, RequestRefused."""
        deadline = time.monotonic() + timeout_s
        request_id = self._send(node_id, request, deadline)
        if request_id is None:
            msg = f"{node_id} cannot be reached"
            raise NoAnswer(msg)
        return self._receive(node_id, request_id, answer, deadline)

    def ask_all(
        self,
        request: link.Request,
        answer: type[_T],
        timeout_s: float,
        node_ids: Sequence[str] | None = None,
    ) -> dict[str, _T | None]:
        """One question to every node (or those named) at once; None where no answer came in
        time. A node that cannot be reached is given half the time to connect.
        """
        started = time.monotonic()
        asked = self.node_ids if node_ids is None else list(node_ids)
        request_ids: dict[str, bytes] = {}
        while len(request_ids) < len(asked):
            for node_id in asked:
                if node_id not in request_ids:
                    request_id = self._send(node_id, request, 0.0)
                    if request_id is not None:
                        request_ids[node_id] = request_id
            if time.monotonic() - started > timeout_s / 2:
                break
            if len(request_ids) < len(asked):
                time.sleep(CONNECT_POLL_S)
        answers: dict[str, _T | None] = dict.fromkeys(asked)
        for node_id, request_id in request_ids.items():
            try:
                answers[node_id] = self._receive(node_id, request_id, answer, started + timeout_s)
            except (NoAnswer, RequestRefused):
                continue
        return answers

    def close(self) -> None:
        """Close every socket; nothing is waited for."""
        for socket in self._sockets.values():
            socket.close(0)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, node_id: str, request: link.Request, deadline: float) -> bytes | None:
        socket = self._sockets[node_id]
        if not socket.poll(_milliseconds_to(deadline), zmq.POLLOUT):
            return None
        request_id = _REQUEST_ID.pack(next(self._request_ids))
        try:
            socket.send_multipart([request_id, _ENCODER.encode(request)], zmq.NOBLOCK)
        except zmq.Again:
            return None
        return request_id

    def _receive(self, node_id: str, request_id: bytes, answer: type[_T], deadline: float) -> _T:
        socket = self._sockets[node_id]
        while True:
            if not socket.poll(_milliseconds_to(deadline), zmq.POLLIN):
                msg = f"{node_id} did not answer in time"
                raise NoAnswer(msg)
            frames = socket.recv_multipart()
            if len(frames) == _REPLY_FRAMES and frames[0] == request_id:
                return _decode(node_id, frames[1], frames[2], answer)


def _decode(node_id: str, code: bytes, body: bytes, answer: type[_T]) -> _T:
    if code == ANSWER:
        return msgspec.msgpack.decode(body, type=answer)
    if code == NOT_LEADER:
        refusal = msgspec.msgpack.decode(body, type=link.NotLeader)
        raise NotTheLeader(node_id, refusal.leader_id)
    msg = f"{node_id}: {msgspec.msgpack.decode(body, type=link.Refusal).reason}"
    raise RequestRefused(msg)


def _milliseconds_to(deadline: float) -> int:
    return max(0, round((deadline - time.monotonic()) * 1000))
