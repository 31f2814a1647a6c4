"""What a replica of the log does at each message and each tick: elections, replication, replies.

Called by raft_log.py; on top of the library's state machine (raft_core.py). Promises: nothing that
promises durability leaves before the sync that makes it true; a reply is of the term it was made
in; an entry is appended, compared and truncated as in agreement.py, sent as in replicator.py; an
election begins as in elections.py. What cannot be is fatal, never repaired in silence.
"""

from collections.abc import Callable
from typing import Final

from oms.replication.agreement import mismatch, take_entries
from oms.replication.elections import Election, LogEnd
from oms.replication.journal import DiskJournal
from oms.replication.port import OnCommit, OnSkip
from oms.replication.raft_core import (
    LEADER,
    PERIOD_S,
    TIMEOUT_MAX_S,
    TIMEOUT_MIN_S,
    OnFatal,
    RaftCore,
)
from oms.replication.raft_messages import (
    AppendEntries,
    AppendReply,
    Message,
    PreVote,
    PreVoteReply,
    RequestVote,
    Vote,
)
from oms.replication.raft_transport import RaftTransport, RankedNode
from oms.replication.replicator import Replicator
from oms.replication.standing import Standing

STALL_S: Final = 0.1  # a tick so late: read the sockets before judging silence
_COMMIT_NOTICE_S: Final = 0.003  # followers hear of a commit so soon when no entry carries it


class RaftRules(RaftCore):
    """One replica."""

    def __init__(
        self,
        own: RankedNode,
        peers: list[RankedNode],
        transport: RaftTransport,
        journal: DiskJournal,
        standing: Standing,
        *,
        clock: Callable[[], float],
        seed: int | None,
        start_index: int,
        on_commit: OnCommit,
        on_skip: OnSkip,
        on_fatal: OnFatal,
    ) -> None:
        self._election = Election(own.node_id, (len(peers) + 1) // 2 + 1)
        self._may_campaign = False
        self.may_lead = True
        self.is_storage_ok = True
        self._heard_leader_s = clock() - TIMEOUT_MAX_S
        self._reply: tuple[RankedNode, AppendReply] | None = None  # waits for the next sync
        self._votes_from: set[tuple[int, str]] = set()
        super().__init__(
            own, peers, transport, journal, standing, clock=clock, seed=seed,
            start_index=start_index, on_commit=on_commit, on_skip=on_skip, on_fatal=on_fatal,
        )  # fmt: skip
        self._replicator = Replicator(peers, transport, journal, self._matched)

    # --- what RaftLog asks ---

    @property
    def leader_id(self) -> str | None:
        """Who leads, as far as this node knows."""
        return self.leader.node_id if self.leader is not None else None

    @property
    def is_accepting(self) -> bool:
        """Whether `append` may succeed."""
        return self.has_applied_own_term

    def append(self, command: bytes) -> bool:
        """Put a command into this leader's log."""
        if not self.is_accepting or not self.is_storage_ok:
            return False
        if not self._journal.has_room(len(command)):
            return False
        self._journal.add(command, self._journal.last_index + 1, self.term)
        return True

    def resume(self, now: float) -> None:
        """This process stood still, and perhaps the others with it: nobody is judged silent
        before there was time to hear from them.
        """
        if not self._may_campaign:
            self._election_at_s = max(self._election_at_s, now + STALL_S)
        self._forgive_silence(now - TIMEOUT_MAX_S + STALL_S)

    def step(self, now: float) -> None:
        """One tick: send, then sync, then count and hand out. The own disk works while the
        entries travel and the followers' disks work; to sync only after the caller published
        what was handed out was tried, and showed no gain.
        """
        if self.role == LEADER:
            self._replicator.send_new(now, term=self.term, commit_index=self.commit_index)
        elif not self._may_campaign:
            self._consider_election(now)  # may take messages in: before the sync
        self._journal.sync()
        self._flush_reply()
        before = self.commit_index
        self._library_tick()
        if self.role == LEADER and self.commit_index > before:
            self._heartbeat_at_s = min(self._heartbeat_at_s, self._clock() + _COMMIT_NOTICE_S)

    def next_deadline_s(self) -> float:
        """When `step` has something to do."""
        if self._journal.is_dirty or self.applied_index < self.commit_index or self._reply:
            return 0.0
        if self.role == LEADER:
            return self._heartbeat_at_s
        early = self._election.attempt_at_s
        deadline = 0.0 if self._may_campaign else self._election_at_s
        return deadline if early is None else min(early, deadline)

    # --- elections ---

    def _takes_campaign(self) -> bool:
        """Pre-votes decided."""
        granted, self._may_campaign = self._may_campaign, False
        return granted

    def _before_leading(self) -> None:
        self._replicator.lead()
        self._election.settle()
        self._reply = None

    def _on_connected(self, node: RankedNode) -> None:
        if self.role == LEADER:
            self._replicator.reconnected(node)
            self._heartbeat_at_s = 0.0  # a heartbeat in the next tick
        elif self.leader is None and self._election.attempt_at_s is None:
            self._election.leader_lost(self._clock(), place=self._own.rank)

    def _on_disconnected(self, node: RankedNode) -> None:
        if self._reply is not None and self._reply[0] == node:
            self._reply = None
        if self.leader == node:
            self._note_leader(None)
            survivors = sorted(p.rank for p in [*self._peers, self._own] if p != node)
            self._election.leader_lost(self._clock(), place=survivors.index(self._own.rank))

    def _hears_leader(self, now: float) -> bool:
        if self.role == LEADER:
            return True
        return self.leader is not None and now - self._heard_leader_s < TIMEOUT_MIN_S

    def _consider_election(self, now: float) -> None:
        if not self._election.is_due(now, self._election_at_s):
            return
        if now >= self._election_at_s:
            self._transport.drain()  # the leader's word may have arrived while we were busy
            if not self._election.is_due(now, self._election_at_s):
                return
            self._restart_timeout()
        if self.role == LEADER or not self.may_lead or not self._journal.has_room(0):
            return
        if self.leader is not None and not self._hears_leader(now):
            self._note_leader(None)
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

    def _on_pre_vote(self, node: RankedNode, m: PreVote) -> None:
        now = self._clock()
        granted = (
            m.term > self.term
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
            and self.role != LEADER
            and m.term == self.term + 1
            and self._election.granted(node.node_id, m.term)
        ):
            self._campaign()

    def _on_request_vote(self, node: RankedNode, m: RequestVote) -> None:
        before = self.vote
        if m.term > self.term:
            self._adopt_term(m.term)
        self._library_vote(node, m.term, m.last_log_index, m.last_log_term)
        if self.vote != before:
            self._may_campaign = False
            self._election.settle()

    def _on_vote(self, node: RankedNode, m: Vote) -> None:
        if (m.term, node.node_id) not in self._votes_from:
            self._votes_from = {v for v in self._votes_from if v[0] == m.term}
            self._votes_from.add((m.term, node.node_id))
            self._library_count(node, m.term)

    def _adopt_term(self, term: int) -> None:
        """A higher term exists: whatever this node was, it is a follower now."""
        self._reply = None
        self._may_campaign = False
        self._enter_term(term)

    # --- messages ---

    def _on_message(self, node: RankedNode, message: Message) -> None:
        match message:
            case AppendEntries():
                self._on_append(node, message)
            case AppendReply():
                self._on_append_reply(node, message)
            case PreVote():
                self._on_pre_vote(node, message)
            case PreVoteReply():
                self._on_pre_vote_reply(node, message)
            case RequestVote():
                self._on_request_vote(node, message)
            case Vote():
                self._on_vote(node, message)

    # --- replication, follower's side ---

    def _on_append(self, node: RankedNode, m: AppendEntries) -> None:
        if m.term < self.term:
            self._transport.send(node, AppendReply(self.term, False, 0, m.prev_index))
            return
        if m.term > self.term:
            self._adopt_term(m.term)
        elif self.role == LEADER:
            self._on_fatal("raft_safety", f"two leaders in term {m.term}: this node and {node.id}")
        self._follow()
        self._note_leader(node)
        self._restart_timeout()
        self._heard_leader_s = self._clock()
        self._may_campaign = False
        self._election.settle()
        retry_from = mismatch(self._journal, self.commit_index, m, self._on_fatal)
        if retry_from:
            self._transport.send(node, AppendReply(m.term, False, retry_from, m.prev_index))
            return
        matched = take_entries(self._journal, self.commit_index, m, self._on_fatal)
        self._reply = (node, AppendReply(m.term, True, matched, m.prev_index))
        self._note_committed(min(m.commit_index, matched))

    def _flush_reply(self) -> None:
        """One reply for all that arrived since the last sync; never of a term that is over."""
        if self._reply is not None:
            node, reply = self._reply
            self._reply = None
            if reply.term == self.term:
                self._transport.send(node, reply)

    # --- replication, leader's side ---

    def _send_heartbeats(self) -> None:
        self._replicator.send_heartbeats(
            self._clock(), term=self.term, commit_index=self.commit_index, period_s=PERIOD_S
        )

    def _on_append_reply(self, node: RankedNode, m: AppendReply) -> None:
        if m.term > self.term:
            self._adopt_term(m.term)
        elif m.term == self.term and self.role == LEADER:  # else it is of a term that is over
            self._note_response(node, self._clock())
            if not self._replicator.on_reply(node, m):
                self._on_fatal("raft_safety", f"{node.id} holds {m.index}, beyond this leader")
