"""Where the answers to requests go: one reply each, never waited for.

Called by requests and reads. Promises: nothing blocks; a reply that its asker cannot take is
dropped and counted, because the asker will ask again.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import zmq

from oms.messages import link
from oms.node.queries import CannotAnswer, Queries
from oms.transport.keys import Role
from oms.transport.sockets import NOW, Socket

ANSWER: Final = b"1"
REFUSAL: Final = b"0"
NOT_LEADER: Final = b"L"

_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Asker:
    """Where an answer goes."""

    identity: bytes
    request_id: bytes
    role: Role


class Replies:
    """The sending side of the `router` socket."""

    def __init__(self, socket: Socket, queries: Queries) -> None:
        self._socket = socket
        self._queries = queries
        self.lost_count = 0

    def query(self, asker: Asker, request: link.Request) -> None:
        """Answer from the state as it is now."""
        try:
            answer = self._queries.answer(request, asker.role)
        except CannotAnswer as error:
            self.refuse(asker, str(error))
        else:
            self.answer(asker, answer)

    def answer(self, asker: Asker, answer: msgspec.Struct) -> None:
        """The answer that the request's docstring names."""
        self._send(asker, ANSWER, answer)

    def refuse(self, asker: Asker, reason: str) -> None:
        """No answer, and why."""
        self._send(asker, REFUSAL, link.Refusal(reason))

    def not_leader(self, asker: Asker, leader: link.NotLeader) -> None:
        """Somebody else has to be asked."""
        self._send(asker, NOT_LEADER, leader)

    def _send(self, asker: Asker, code: bytes, body: msgspec.Struct) -> None:
        try:
            self._socket.send_multipart(
                [asker.identity, asker.request_id, code, _encode(body)], NOW
            )
        except zmq.ZMQError as error:
            # Gone, or not reading: it asks again. Anything else is our own fault.
            if error.errno not in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
                raise
            self.lost_count += 1
