"""Reads of the state that wait: for a log index, or for proof that this node leads (RULES A13).

Called by requests. Promises: a read with `min_index` sees that index or is refused in words; a
linearizable read sees every command that anybody was told of before it was asked, because an entry
of this leader's own term was proposed after it came and is applied before it is answered. One entry
proves for all reads that came since the one before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oms.bounds import REQUEST_WAIT_NS
from oms.messages import link
from oms.node.queries import Queries
from oms.node.replies import Asker, Replies
from oms.node.sequencer import Sequencer
from oms.transport.keys import Role


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A read that is not answered yet."""

    asker: Asker
    request: link.Read
    until_ns: int


class Reads:
    """The reads that cannot be answered at once; who may wait is the caller's business."""

    def __init__(
        self,
        replies: Replies,
        *,
        queries: Queries,
        sequencer: Sequencer,
        tokens: Iterator[int],
        not_leader: Callable[[], link.NotLeader],
    ) -> None:
        """`tokens` are shared with whoever else gives tokens to the sequencer."""
        self._replies = replies
        self._queries = queries
        self._sequencer = sequencer
        self._tokens = tokens
        self._not_leader = not_leader
        self._for_index: list[_Waiting] = []
        self._for_proof: dict[int, list[_Waiting]] = {}  # token of the entry that proves

    def __len__(self) -> int:
        return len(self._for_index) + sum(map(len, self._for_proof.values()))

    @property
    def has_waiting(self) -> bool:
        """Reads wait for an index."""
        return bool(self._for_index)

    def must_wait(self, request: link.Read) -> bool:
        """Whether it cannot be answered at once."""
        return request.linearizable or request.min_index > self._queries.applied_index

    def take(self, asker: Asker, request: link.Read, now_ns: int, *, is_accepting: bool) -> None:
        """A read that must wait."""
        waiting = _Waiting(asker, request, now_ns + REQUEST_WAIT_NS)
        if not request.linearizable:
            self._for_index.append(waiting)
        elif asker.role is Role.FEED:  # it makes the leader write: not for everybody
            self._replies.refuse(asker, f"role {asker.role} may not ask for linearizable reads")
        elif not is_accepting:
            self._replies.not_leader(asker, self._not_leader())
        else:
            token = self._sequencer.proof_token
            if not token:
                token = next(self._tokens)
                self._sequencer.offer_proof(token)
            self._for_proof.setdefault(token, []).append(waiting)

    def on_applied(self, token: int) -> None:
        """The entry that carried this token is applied: this node led after the reads came."""
        for waiting in self._for_proof.pop(token, ()):
            if waiting.request.min_index <= self._queries.applied_index:
                self._replies.query(waiting.asker, waiting.request)
            else:
                self._for_index.append(waiting)

    def answer_waiting(self, now_ns: int) -> None:
        """Answer reads whose index is applied, refuse what has waited too long."""
        if self._for_index:
            all_waiting, self._for_index = self._for_index, []
            for waiting in all_waiting:
                index = waiting.request.min_index
                if index <= self._queries.applied_index:
                    self._replies.query(waiting.asker, waiting.request)
                elif now_ns > waiting.until_ns:
                    self._replies.refuse(waiting.asker, f"index {index} is not applied yet")
                else:
                    self._for_index.append(waiting)
        for token, unproven in list(self._for_proof.items()):
            for waiting in unproven:
                if now_ns > waiting.until_ns:
                    reason = "no majority confirmed in time that this node leads; ask again"
                    self._replies.refuse(waiting.asker, reason)
            # An empty list stays until its token comes back or the leadership ends.
            self._for_proof[token] = [item for item in unproven if now_ns <= item.until_ns]

    def stop_accepting(self) -> None:
        """This node does not lead any more: what it knows may be old."""
        body = self._not_leader()
        for unproven in self._for_proof.values():
            for waiting in unproven:
                self._replies.not_leader(waiting.asker, body)
        self._for_proof.clear()
