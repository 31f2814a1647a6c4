"""How a replica takes part in elections: asking, encouraging, voting, being told to lead.

Extended by raft_rules.py; on top of the library's state machine (raft_core.py), with the wish to
lead in elections.py. Promises: nobody campaigns without pre-votes of a majority, unless the leader
itself hands over; a node that is joining neither votes, nor pre-votes, nor campaigns; one that may
not lead does not campaign; one without room gives the others time to.
"""

from abc import abstractmethod
from typing import Final

from oms.replication.elections import Election, LogEnd
from oms.replication.raft_core import LEADER, TIMEOUT_MAX_S, TIMEOUT_MIN_S, RaftCore, RaftParts
from oms.replication.raft_messages import (
    ROOM,
    Current,
    PreVote,
    PreVoteReply,
    RequestVote,
    TimeoutNow,
    Vote,
)
from oms.replication.raft_transport import RankedNode

PATIENCE_S: Final = 2.0  # a node without room campaigns only if nobody else did for so long


class RaftVoter(RaftCore):
    """One replica's elections."""

    def __init__(self, parts: RaftParts) -> None:
        self._election = Election(parts.own.node_id, (len(parts.peers) + 1) // 2 + 1)
        self._may_campaign = False
        self._ordered_term = 0  # the leader of this term handed over to this node
        self._told_to_lead = True
        self._heard_leader_s = parts.clock() - TIMEOUT_MAX_S
        self._votes_from: set[tuple[int, str]] = set()
        super().__init__(parts)

    @property
    def is_joining(self) -> bool:
        """A new identity that has not caught up yet."""
        return self._journal.is_joining

    @property
    def may_lead(self) -> bool:
        """Whether this node would lead."""
        return self._told_to_lead and not self.is_joining

    def set_may_lead(self, *, may_lead: bool) -> None:
        """The owner's word."""
        self._told_to_lead = may_lead

    # --- hooks ---

    @abstractmethod
    def _own_room(self) -> int:
        """ROOM, NO_ROOM or NO_RESERVE."""

    @abstractmethod
    def _leave_office(self) -> None:
        """A higher term exists: what was promised in the old one is not said any more."""

    # --- the wish to lead ---

    def _hears_leader(self, now: float) -> bool:
        if self.role == LEADER:
            return True
        return self.leader is not None and now - self._heard_leader_s < TIMEOUT_MIN_S

    def _would_campaign(self, now: float) -> bool:
        """A node without room may be the only one that has all entries: it is late, not silent."""
        if self.role == LEADER or not self.may_lead:
            return False
        return self._own_room() == ROOM or now - self._heard_leader_s >= PATIENCE_S

    def _consider_election(self, now: float) -> None:
        if not self._election.is_due(now, self._election_at_s):
            return
        if now >= self._election_at_s:
            self._transport.drain()  # the leader's word may have arrived while we were busy
            if not self._election.is_due(now, self._election_at_s):
                return
            self._restart_timeout()
        if self.leader is not None and not self._hears_leader(now):
            self._note_leader(None)
        if not self._would_campaign(now):
            self._election.settle()
            return
        if self._election.ask(now, self.term + 1):
            self._campaign()
            return
        end = self._journal.end
        for peer in self._peers:
            self._transport.send(peer, PreVote(self.term + 1, end.log_index, end.term))

    def _campaign(self) -> None:
        """Let the library's next tick start the election."""
        self._may_campaign = True
        self._election_at_s = 0.0

    def _takes_campaign(self) -> bool:
        """Pre-votes, or the leader, decided."""
        granted, self._may_campaign = self._may_campaign, False
        return granted

    def _on_timeout_now(self, node: RankedNode, m: TimeoutNow) -> None:
        """Its leader hands over: heartbeats of that term do not call the campaign off."""
        if m.term == self.term and node == self.leader and self.may_lead:
            self._ordered_term = m.term
            self._campaign()

    def _hear_leader(self, node: RankedNode, term: int) -> None:
        """Somebody leads in `term`, which is not over."""
        if term > self.term:
            self._adopt_term(term)
        elif self.role == LEADER:
            self._on_fatal("raft_safety", f"two leaders in term {term}: this node and {node.id}")
        self._follow()
        self._note_leader(node)
        self._heard_leader_s = self._clock()
        self._election.settle()
        if self._ordered_term != term or not self._may_campaign:
            self._may_campaign = False
            self._restart_timeout()

    # --- the others' wishes ---

    def _on_pre_vote(self, node: RankedNode, m: PreVote) -> None:
        now = self._clock()
        granted = (
            m.term > self.term
            and not self.is_joining
            and not self._hears_leader(now)
            and self._election.grants(
                now,
                asker=node.node_id,
                asker_end=LogEnd(m.last_log_term, m.last_log_index),
                own_end=self._journal.end,
            )
        )
        self._transport.send(node, PreVoteReply(m.term, granted, self.term))

    def _on_pre_vote_reply(self, node: RankedNode, m: PreVoteReply) -> None:
        if m.own_term > self.term:
            self._adopt_term(m.own_term)
        elif (
            m.granted
            and m.term == self.term + 1
            and self._would_campaign(self._clock())
            and self._election.granted(node.node_id, m.term)
        ):
            self._campaign()

    def _on_request_vote(self, node: RankedNode, m: RequestVote) -> None:
        before = self.vote
        if m.term > self.term:
            self._adopt_term(m.term)
        if not self.is_joining:
            self._library_vote(node, m.term, m.last_log_index, m.last_log_term)
        if self.vote != before:
            self._may_campaign = False
            self._election.settle()

    def _on_vote(self, node: RankedNode, m: Vote) -> None:
        if (m.term, node.node_id) not in self._votes_from:
            self._votes_from = {v for v in self._votes_from if v[0] == m.term}
            self._votes_from.add((m.term, node.node_id))
            self._library_count(node, m.term)

    def _on_current(self, m: Current) -> None:
        """What this node said came from a term that is over."""
        if m.term > self.term:
            self._adopt_term(m.term)

    def _adopt_term(self, term: int) -> None:
        """A higher term exists: whatever this node was, it is a follower now."""
        self._leave_office()
        self._may_campaign = False
        self._enter_term(term)
