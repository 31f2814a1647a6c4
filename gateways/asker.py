"""Requests to the nodes, asked again (elsewhere) until somebody gives a usable answer.

Called by `venue_link.py`. Pure but for the wires it is handed. A node that is down, refuses or
lags is passed over; every attempt has its own request id, so a late answer to an earlier one is
ignored. Asking twice is harmless: requests only read.
"""

import struct
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from oms.messages.link import Request

ATTEMPT_NS: Final = 500_000_000  # no answer for so long: ask the next node
RETRY_NS: Final = 30_000_000  # refused, or not usable yet: ask again after so long
ANSWER: Final = b"1"
_ID: Final = struct.Struct(">Q")


class Wires(Protocol):
    """The sockets to the nodes."""

    def push(self, node_id: str, frame: bytes) -> bool:
        """Send to a node's PULL. False: it would block."""

    def ask(self, node_id: str, request_id: bytes, body: bytes) -> bool:
        """Send to a node's ROUTER. False: it would block."""


class Question:
    """One request until it is answered. `use` is handed the raw answer and the event_seq its node
    was known to have when asked; False: not usable yet, ask again.
    """

    __slots__ = ("asked_ns", "attempts", "event_seq", "node_id", "request", "retry_ns", "use")

    def __init__(self, request: Request, use: Callable[[bytes, int], bool]) -> None:
        self.request = request
        self.use = use
        self.attempts = 0
        self.asked_ns = 0
        self.retry_ns = 0
        self.node_id = ""
        self.event_seq = 0


class Asker:
    """See the module's header."""

    def __init__(
        self,
        wires: Wires,
        node_ids: list[str],
        first_choice: Callable[[], str | None],
        event_seqs: dict[str, int],
    ) -> None:
        self._wires = wires
        self._node_ids = node_ids
        self._first_choice = first_choice
        self._event_seqs = event_seqs
        self._encoder = msgspec.msgpack.Encoder()
        self._open: dict[bytes, Question] = {}
        self._waiting: list[Question] = []
        self._last_id = 0

    def ask(self, request: Request, use: Callable[[bytes, int], bool], now_ns: int) -> Question:
        """Ask until answered or canceled."""
        question = Question(request, use)
        self._send(question, now_ns)
        return question

    def cancel(self, question: Question) -> None:
        """Nobody wants the answer any more."""
        self._open = {key: value for key, value in self._open.items() if value is not question}
        self._waiting = [waiting for waiting in self._waiting if waiting is not question]

    def _send(self, question: Question, now_ns: int) -> None:
        node_id = self._choose(question.attempts)
        question.attempts += 1
        question.asked_ns = now_ns
        question.node_id = node_id
        question.event_seq = self._event_seqs.get(node_id, 0)
        self._last_id += 1
        request_id = _ID.pack(self._last_id)
        if self._wires.ask(node_id, request_id, self._encoder.encode(question.request)):
            self._open[request_id] = question
        else:
            self._retry(question, now_ns)

    def _choose(self, attempts: int) -> str:
        """The leader first, then one after another."""
        first = self._first_choice()
        if first is None:
            return self._node_ids[attempts % len(self._node_ids)]
        start = self._node_ids.index(first)
        return self._node_ids[(start + attempts) % len(self._node_ids)]

    def _retry(self, question: Question, now_ns: int) -> None:
        question.retry_ns = now_ns + RETRY_NS
        self._waiting.append(question)

    def answered(self, frames: list[bytes], now_ns: int) -> None:
        """A reply from a node: request id, code, body."""
        if len(frames) != 3:
            return
        request_id, code, body = frames
        question = self._open.pop(request_id, None)
        if question is None:
            return
        is_used = False
        try:
            is_used = code == ANSWER and question.use(body, question.event_seq)
        finally:  # an unreadable answer raises: the caller logs it, another node is asked
            if not is_used:
                self._retry(question, now_ns)

    def tick(self, now_ns: int) -> None:
        """Ask the next node for what has no answer."""
        late = now_ns - ATTEMPT_NS
        for request_id, question in list(self._open.items()):
            if question.asked_ns <= late:
                del self._open[request_id]
                self._send(question, now_ns)
        due = [question for question in self._waiting if question.retry_ns <= now_ns]
        if due:
            self._waiting = [w for w in self._waiting if w.retry_ns > now_ns]
            for question in due:
                self._send(question, now_ns)
