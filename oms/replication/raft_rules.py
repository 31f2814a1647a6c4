"""What a replica of the log does at each message and each tick: replication, replies, handing over.

Called by raft_log.py; elections are in raft_voter.py. Promises: nothing that promises durability
leaves before the sync that makes it true; a reply is of the term it was made in; a claim of
authority from an older term or trading date is answered, counted and not followed; a snapshot moves
neither commit index nor log until it is installed whole, and then nothing more is done here. What
cannot be is fatal, never repaired in silence.
"""

from pathlib import Path
from typing import Final

from oms.replication import room
from oms.replication.agreement import mismatch, take_entries
from oms.replication.errors import Report
from oms.replication.handover import Handover, Successor, most_up_to_date
from oms.replication.port import SnapshotSource
from oms.replication.raft_core import LEADER, PERIOD_S, TIMEOUT_MAX_S, RaftParts
from oms.replication.raft_messages import (
    NO_RESERVE,
    ROOM,
    AppendEntries,
    AppendReply,
    Current,
    InstallReply,
    InstallSnapshot,
    Message,
    PreVote,
    PreVoteReply,
    RequestVote,
    TimeoutNow,
    Vote,
)
from oms.replication.raft_transport import RankedNode
from oms.replication.raft_voter import RaftVoter
from oms.replication.replicator import Replicator
from oms.replication.snapshot_receiver import SnapshotReceiver, holds
from oms.replication.snapshot_sender import SnapshotSender

STALL_S: Final = 0.1  # a tick so late: read the sockets before judging silence
_COMMIT_NOTICE_S: Final = 0.003  # followers hear of a commit so soon when no entry carries it


class RaftRules(RaftVoter):
    """One replica."""

    def __init__(
        self,
        parts: RaftParts,
        *,
        report: Report,
        source: SnapshotSource | None,
        receiver: SnapshotReceiver | None,
    ) -> None:
        self._report = report
        self._receiver = receiver
        self._reply: tuple[RankedNode, AppendReply] | None = None  # waits for the next sync
        self._is_caught_up = False  # a joining node, once what it took in is on disk
        self._handover = Handover()
        self._uses_reserve = False
        self.is_storage_ok = True
        self.stale_frames = 0
        self.installed: tuple[int, Path] | None = None  # then nothing more is done
        super().__init__(parts)
        sender = SnapshotSender(
            parts.transport, parts.journal, source, report=report, on_fatal=parts.on_fatal
        )
        self._replicator = Replicator(
            parts.peers, parts.transport, parts.journal, self._matched, sender
        )

    # --- what RaftLog asks ---

    @property
    def leader_id(self) -> str | None:
        """Who leads, as far as this node knows."""
        return self.leader.node_id if self.leader is not None else None

    @property
    def is_transferring(self) -> bool:
        """A leader that is handing over."""
        return self._handover.is_under_way

    @property
    def is_accepting(self) -> bool:
        """Whether `append` may succeed."""
        return self.has_applied_own_term and not self._handover.is_under_way

    @property
    def room_name(self) -> str:
        """As the port says it."""
        return room.name(self._own_room(), squeezed=self._uses_reserve)

    @property
    def installing(self) -> int:
        """Log index of the snapshot that is being received, 0: none."""
        return self._receiver.log_index if self._receiver is not None else 0

    def append(self, command: bytes) -> bool:
        """Put a command into this leader's log."""
        if not self.is_accepting or not self._has_room(len(command)):
            return False
        self._journal.add(command, self._journal.last_index + 1, self.term)
        return True

    def transfer(self, to: str | None) -> str:
        """Begin to hand over; "" or why not."""
        if self.role != LEADER:
            return f"{self._own.node_id} does not lead, {self.leader_id or 'nobody'} does"
        if to == self._own.node_id:
            return f"{to} leads already"
        if self._handover.is_under_way:
            target = self._handover.target
            return "" if to in {None, target} else f"{target} is taking over already"
        successors = {one.node_id: one for one in self._replicator.successors(self._is_heard)}
        if to is None:
            best = most_up_to_date(successors.values())
            if best is None:
                reasons = [one.obstacle() for one in successors.values()]
                return "; ".join(reasons) or "there is no other node"
            to = best.node_id
        if to not in successors:
            return f"{to} is not a node of this cluster"
        obstacle = successors[to].obstacle()
        if not obstacle:
            self._handover.begin(to, self._clock())
        return obstacle

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
        if self.installed is not None:
            return
        if self.role == LEADER:
            self._judge_room()
            self._hand_over(now)
            self._replicator.send_new(now, term=self.term, commit_index=self.commit_index)
        elif not self._may_campaign:
            self._consider_election(now)  # may take messages in: before the sync
        self._journal.sync()
        self._end_joining()
        self._flush_reply()
        was_leader, before = self.role == LEADER, self.commit_index
        self._library_tick()
        if self.role != LEADER and was_leader:
            self._leave_office()  # it reached no majority
        elif self.role == LEADER and self.commit_index > before:
            self._heartbeat_at_s = min(self._heartbeat_at_s, self._clock() + _COMMIT_NOTICE_S)

    def next_deadline_s(self) -> float:
        """When `step` has something to do."""
        if self.installed is not None:
            return float("inf")
        if self._journal.is_dirty or self.applied_index < self.commit_index or self._reply:
            return 0.0
        if self.role == LEADER:
            return self._heartbeat_at_s
        early = self._election.attempt_at_s
        deadline = 0.0 if self._may_campaign else self._election_at_s
        return deadline if early is None else min(early, deadline)

    def close(self) -> None:
        """Give descriptors back."""
        self._replicator.stop()
        if self._receiver is not None:
            self._receiver.drop()

    # --- hooks of the parts below ---

    def _before_leading(self) -> None:
        self._election.settle()
        self._reply = None
        self._use_reserve(allowed=False)
        if self._receiver is not None:
            self._receiver.drop()
        self._replicator.lead()

    def _leave_office(self) -> None:
        self._reply = None
        self._handover.end()
        self._replicator.stop()

    def _on_connected(self, node: RankedNode) -> None:
        if self.role == LEADER:
            self._replicator.reconnected(node)
            self._heartbeat_at_s = 0.0  # a heartbeat in the next tick
        elif self.leader is None and self._election.attempt_at_s is None:
            self._election.leader_lost(self._clock(), place=self._own.rank)

    def _on_disconnected(self, node: RankedNode) -> None:
        if self._reply is not None and self._reply[0] == node:
            self._reply = None
        self._replicator.disconnected(node)
        if self.leader == node:
            self._note_leader(None)
            survivors = sorted(p.rank for p in [*self._peers, self._own] if p != node)
            self._election.leader_lost(self._clock(), place=survivors.index(self._own.rank))

    def _send_heartbeats(self) -> None:
        self._replicator.send_heartbeats(
            self._clock(), term=self.term, commit_index=self.commit_index, period_s=PERIOD_S
        )

    # --- room ---

    def _own_room(self) -> int:
        is_low = self._journal.is_low or not self.is_storage_ok
        return room.level(is_low=is_low, has_reserve=self._journal.has_reserve)

    def _has_room(self, length: int) -> bool:
        if not self._uses_reserve and self._own_room() != ROOM:
            return False
        return self._journal.has_room(length)

    def _use_reserve(self, *, allowed: bool) -> None:
        if allowed != self._uses_reserve:
            self._uses_reserve = allowed
            self._journal.allow_reserve(allowed)

    def _judge_room(self) -> None:
        """A leader without room that nobody can relieve lives on its reserve too."""
        own_room = self._own_room()
        levels = [own_room, *self._replicator.rooms(self._is_heard)]
        squeezed = room.is_squeezed(levels, len(self._peers) + 1) or (
            own_room != ROOM and not self._handover.is_under_way and self._roomier(own_room) is None
        )
        self._use_reserve(allowed=squeezed)
        self._replicator.may_use_reserve = squeezed

    # --- handing over ---

    def _roomier(self, room_level: int) -> Successor | None:
        """Who could take over and has more room than that."""
        best = most_up_to_date(self._replicator.successors(self._is_heard))
        return best if best is not None and best.room < room_level else None

    def _hand_over(self, now: float) -> None:
        self._handover.expire(now)
        if self._handover.may_begin_unasked(now):
            own_room = self._own_room()
            if not self.may_lead or own_room != ROOM:
                best = self._roomier(own_room if self.may_lead else NO_RESERVE + 1)
                if best is not None:
                    self._handover.begin(best.node_id, now)
        if not self._handover.is_under_way or self._handover.is_told:
            return
        target = next(peer for peer in self._peers if peer.node_id == self._handover.target)
        if self._matched[target] == self._journal.last_index:
            self._handover.is_told = self._transport.send(target, TimeoutNow(self.term))

    # --- messages ---

    def _on_message(self, node: RankedNode, message: Message) -> None:
        if self.installed is not None:
            return
        match message:
            case AppendReply():
                self._on_append_reply(node, message)
            case InstallReply():
                self._on_install_reply(node, message)
            case PreVoteReply():
                self._on_pre_vote_reply(node, message)
            case Vote():
                self._on_vote(node, message)
            case Current():
                self._on_current(message)
            case _ if self._is_stale(node, message):
                self.stale_frames += 1
                if isinstance(message, AppendEntries):
                    self._answer(node, self.term, matched=False, index=0, m=message)
                else:
                    self._transport.send(node, Current(self.term))
            case AppendEntries():
                self._on_append(node, message)
            case InstallSnapshot():
                self._on_install(node, message)
            case PreVote():
                self._on_pre_vote(node, message)
            case RequestVote():
                self._on_request_vote(node, message)
            case TimeoutNow():
                self._on_timeout_now(node, message)

    def _is_stale(
        self,
        node: RankedNode,
        message: AppendEntries | InstallSnapshot | PreVote | RequestVote | TimeoutNow,
    ) -> bool:
        """Whether it claims authority that is over."""
        term = message.term - 1 if isinstance(message, PreVote) else message.term
        return term < self.term or self._standing.is_behind(node.node_id)

    # --- replication, follower's side ---

    def _on_append(self, node: RankedNode, m: AppendEntries) -> None:
        self._hear_leader(node, m.term)
        self._use_reserve(allowed=m.may_use_reserve)
        retry_from = mismatch(self._journal, self.commit_index, m, self._on_fatal)
        if retry_from:
            self._answer(node, m.term, matched=False, index=retry_from, m=m)
            return
        matched = take_entries(
            self._journal, self.commit_index, m, self._on_fatal, has_room=self._has_room
        )
        reply = AppendReply(m.term, True, matched, m.prev_index, self._own_room(), self.may_lead)
        self._reply = (node, reply)
        self._note_committed(min(m.commit_index, matched))
        if self._receiver is not None and 0 < self._receiver.log_index <= self.commit_index:
            self._receiver.drop()  # what it is for came as entries
        if self.is_joining and self._journal.base_index <= m.commit_index <= matched:
            # Committed in the leader's own term: then everything committed before is known to it.
            self._is_caught_up = self._journal.term_at(m.commit_index) == m.term

    def _answer(
        self, node: RankedNode, term: int, *, matched: bool, index: int, m: AppendEntries
    ) -> None:
        """At once: it promises nothing."""
        self._transport.send(
            node,
            AppendReply(term, matched, index, m.prev_index, self._own_room(), self.may_lead),
        )

    def _flush_reply(self) -> None:
        """One reply for all that arrived since the last sync; never of a term that is over."""
        if self._reply is not None:
            node, reply = self._reply
            self._reply = None
            if reply.term == self.term:
                self._transport.send(node, reply)

    def _end_joining(self) -> None:
        """Called when everything taken in is on disk."""
        if self._is_caught_up and self.is_joining:
            self._journal.end_joining()
            self._report("joined", {"reason": f"caught up to {self._journal.last_index}"})

    def _on_install(self, node: RankedNode, m: InstallSnapshot) -> None:
        self._hear_leader(node, m.term)
        if m.log_index <= self.commit_index or holds(self._journal, m.log_index, m.log_term):
            self._journal.sync()  # it may have come in just now
            self._transport.send(node, InstallReply(m.term, m.log_index, m.file_bytes, True))
            if self._receiver is not None:
                self._receiver.drop()
            return
        receiver = self._receiver
        if receiver is None:
            return
        path = None
        try:
            receiver.take(m)
            if receiver.is_complete and self._journal.has_room(0):
                path = receiver.install(m.log_term)
        except OSError as error:
            self._report("snapshot_refused", {"reason": str(error)})
            return  # the leader asks again
        next_offset = m.file_bytes if path is not None else receiver.next_offset
        if path is not None:
            self.installed = (m.log_index, path)
            self._reply = None
        self._transport.send(node, InstallReply(m.term, m.log_index, next_offset, path is not None))

    # --- replication, leader's side ---

    def _on_append_reply(self, node: RankedNode, m: AppendReply) -> None:
        if m.term > self.term:
            self._adopt_term(m.term)
        elif m.term == self.term and self.role == LEADER:  # else it is of a term that is over
            self._note_response(node, self._clock())
            if not self._replicator.on_reply(node, m):
                self._on_fatal("raft_safety", f"{node.id} holds {m.index}, beyond this leader")

    def _on_install_reply(self, node: RankedNode, m: InstallReply) -> None:
        if m.term == self.term and self.role == LEADER:
            now = self._clock()
            self._note_response(node, now)
            if not self._replicator.on_install_reply(node, m, now):
                self._on_fatal("raft_safety", f"{node.id} holds {m.log_index}, beyond this leader")
