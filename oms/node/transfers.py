"""Administrators' wishes that another node lead, from the request to the answer.

Called by requests (`take`) and by the loop (`run`, every turn while there are any). Promises: each
is answered once: by who leads now, by NotLeader, or in words that say why this node still leads.
"""

from dataclasses import dataclass
from typing import Protocol

from oms.bounds import REQUEST_WAIT_NS
from oms.messages import link
from oms.node.replies import Asker, Replies
from oms.replication.port import LogStatus


class Transferable(Protocol):
    """The verb of `ReplicatedLog` that is used here."""

    def transfer(self, to: str | None) -> str:
        """Hand leadership over; "" means begun."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A transfer on its way."""

    asker: Asker
    term: int
    until_ns: int


class Transfers:
    """The transfers that were asked for and are not answered yet."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._wanted: list[tuple[Asker, str | None]] = []
        self._begun: list[_Begun] = []

    def __len__(self) -> int:
        return len(self._wanted) + len(self._begun)

    def take(self, asker: Asker, to: str | None) -> None:
        """One more."""
        self._wanted.append((asker, to))

    def run(self, log: Transferable, status: LogStatus, now_ns: int) -> None:
        """Answer what is over, then begin what is wanted: `status` is from before it began."""
        begun, wanted = self._begun, self._wanted
        self._begun, self._wanted = [], []
        for item in begun:
            if not self._is_answered(item, status, now_ns):
                self._begun.append(item)
        for asker, to in wanted:
            self._begin(log, status, asker, to, now_ns)

    def _begin(
        self, log: Transferable, status: LogStatus, asker: Asker, to: str | None, now_ns: int
    ) -> None:
        if status.role != "leader":
            self._replies.not_leader(asker, link.NotLeader(status.term, status.leader_id))
            return
        if to == status.node_id:
            self._replies.refuse(asker, f"{to} leads already")
            return
        refusal = log.transfer(to)
        if refusal:
            self._replies.refuse(asker, refusal)
        else:
            self._begun.append(_Begun(asker, status.term, now_ns + REQUEST_WAIT_NS))

    def _is_answered(self, item: _Begun, status: LogStatus, now_ns: int) -> bool:
        if status.role != "leader" and status.leader_id and status.term > item.term:
            answer = link.LeadershipTransferred(status.leader_id, status.term)
            self._replies.answer(item.asker, answer)
        elif status.role == "leader" and status.term == item.term and not status.is_transferring:
            self._replies.refuse(item.asker, "given up: no other node took over in time")
        elif now_ns > item.until_ns:
            self._replies.refuse(item.asker, "this node leads no more; who does is unknown")
        else:
            return False
        return True

    def refuse_all(self, reason: str) -> None:
        """None can be begun or followed to its end now."""
        for asker in [asker for asker, _ in self._wanted] + [item.asker for item in self._begun]:
            self._replies.refuse(asker, reason)
        self._wanted.clear()
        self._begun.clear()
