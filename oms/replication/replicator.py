"""The leader's side of replication: what each follower has, lacks, and was told.

Called by raft_rules.py. Promises: a follower's next index never moves back because of a success; a
new or doubtful follower is probed with one message at a time until the logs agree, then entries
are sent as they come; no more waits unsent for one follower than its window (the rest stays in
the journal and is read from there). A follower without room is sent heartbeats only; one that needs
what the journal no longer has is sent a snapshot (snapshot_sender.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from oms.replication.handover import Successor
from oms.replication.journal import DiskJournal
from oms.replication.raft_messages import (
    NO_RESERVE,
    NO_ROOM,
    ROOM,
    AppendEntries,
    AppendReply,
    InstallReply,
)
from oms.replication.raft_transport import RaftTransport, RankedNode
from oms.replication.snapshot_sender import SnapshotSender

MESSAGE_BYTES: Final = 1 << 20  # entries in one message
MESSAGE_ENTRIES: Final = 1024
WINDOW_BYTES: Final = 4 << 20  # unsent to one follower
TURN_BYTES: Final = 8 << 20  # to one follower in one tick


@dataclass(slots=True)
class _Progress:
    next_index: int
    is_probing: bool = True
    is_probe_out: bool = False
    probe_entries: int = 0
    sent_at_s: float = 0.0
    told_commit: int = 0
    room: int = ROOM
    may_lead: bool | None = None  # until it says


class Replicator:
    """Sends a leader's log to its followers."""

    def __init__(
        self,
        peers: list[RankedNode],
        transport: RaftTransport,
        journal: DiskJournal,
        matched: dict[RankedNode, int],
        snapshots: SnapshotSender,
    ) -> None:
        """`matched` is the library's own table, which its commit rule reads."""
        self._peers = peers
        self._transport = transport
        self._journal = journal
        self._matched = matched
        self._snapshots = snapshots
        self._progress = {peer: _Progress(2) for peer in peers}
        self.may_use_reserve = False  # as all are told

    def lead(self) -> None:
        """This node becomes leader (before its first entry is added): nothing is known."""
        for peer in self._peers:
            self._progress[peer] = _Progress(self._journal.last_index + 1)
        self._snapshots.close()

    def stop(self) -> None:
        """This node leads no more."""
        self._snapshots.close()

    def reconnected(self, peer: RankedNode) -> None:
        """What was under way to `peer` is lost: start behind what it has confirmed, or, if that is
        nothing, where it was being asked.
        """
        before = self._progress[peer]
        next_index = max(2, self._matched[peer] + 1)
        if next_index <= self._journal.base_index < before.next_index:
            next_index = self._journal.base_index + 1  # asked for before a snapshot is sent
        self._progress[peer] = _Progress(next_index, room=before.room)

    def disconnected(self, peer: RankedNode) -> None:
        """Nothing is kept open for one that may never come back."""
        self._snapshots.drop(peer)

    def rooms(self, is_heard: Callable[[RankedNode], bool]) -> list[int]:
        """What room the followers said they have: those that are there and answer."""
        is_connected = self._transport.is_connected
        return [
            progress.room
            for peer, progress in self._progress.items()
            if is_connected(peer) and is_heard(peer)
        ]

    def successors(self, is_heard: Callable[[RankedNode], bool]) -> list[Successor]:
        """The followers, as they could take over."""
        return [
            Successor(
                peer.node_id,
                self._matched[peer],
                self._transport.is_connected(peer),
                is_heard(peer),
                progress.may_lead,
                progress.room,
            )
            for peer, progress in self._progress.items()
        ]

    def send_new(self, now: float, *, term: int, commit_index: int) -> None:
        """To every follower what it lacks."""
        for peer in self._peers:
            self._send(peer, now, term=term, commit_index=commit_index, at_least_one=False)

    def send_heartbeats(self, now: float, *, term: int, commit_index: int, period_s: float) -> None:
        """To every follower something, unless it was told all this a moment ago."""
        for peer, progress in self._progress.items():
            if progress.told_commit < commit_index or now - progress.sent_at_s >= period_s / 2:
                progress.is_probe_out = False
                self._send(peer, now, term=term, commit_index=commit_index, at_least_one=True)

    def on_reply(self, peer: RankedNode, reply: AppendReply) -> bool:
        """A reply of this term. False: it claims more than this leader has ever sent."""
        progress = self._progress[peer]
        progress.room, progress.may_lead = reply.room, reply.may_lead
        if reply.matched:
            return self._advance(peer, reply.index)
        if reply.prev_index > self._matched[peer] and (
            not progress.is_probing or reply.prev_index == progress.next_index - 1
        ):  # else it was overtaken by a success, or answers a probe that is over
            base = self._journal.base_index
            next_index = min(reply.index, reply.prev_index)
            if next_index <= base < reply.prev_index:
                next_index = base + 1  # a whole term back is too far: the base is asked for first
            progress.next_index = max(2, self._matched[peer] + 1, next_index)
            progress.is_probing, progress.is_probe_out = True, False
        return True

    def on_install_reply(self, peer: RankedNode, reply: InstallReply, now: float) -> bool:
        """Where the follower's copy of a snapshot ends. False: it claims too much."""
        self._snapshots.on_reply(peer, reply, now)
        return not reply.is_done or self._advance(peer, reply.log_index)

    def _advance(self, peer: RankedNode, log_index: int) -> bool:
        """`peer` has everything up to `log_index` on disk."""
        if log_index > self._journal.last_index:
            return False
        progress = self._progress[peer]
        self._matched[peer] = max(self._matched[peer], log_index)
        if progress.is_probing and progress.probe_entries and log_index < progress.next_index:
            return True  # the one entry was not taken: again with the next heartbeat
        progress.next_index = max(progress.next_index, log_index + 1)
        progress.is_probing = progress.is_probe_out = False
        if not self._takes_entries(progress):
            progress.next_index, progress.is_probing = self._matched[peer] + 1, True
        if progress.next_index > self._journal.base_index:
            self._snapshots.drop(peer)
        return True

    def _takes_entries(self, progress: _Progress) -> bool:
        """Sending what will not be taken would be sending it again and again."""
        if progress.room == NO_RESERVE:
            return False
        return progress.room != NO_ROOM or self.may_use_reserve

    def _send(
        self, peer: RankedNode, now: float, *, term: int, commit_index: int, at_least_one: bool
    ) -> None:
        progress, journal = self._progress[peer], self._journal
        if not self._transport.is_connected(peer):
            return
        needs_snapshot = progress.next_index <= journal.base_index
        if needs_snapshot:
            self._snapshots.send(peer, now, term=term)
        budget = TURN_BYTES
        while progress.next_index <= journal.last_index or at_least_one:
            if progress.is_probing and progress.is_probe_out:
                return
            if budget <= 0 or self._transport.unsent_bytes(peer) >= WINDOW_BYTES:
                return
            is_bare = needs_snapshot or not self._takes_entries(progress)
            if is_bare and not at_least_one:
                return
            next_index = max(progress.next_index, journal.base_index + 1)
            count = 1 if progress.is_probing else MESSAGE_ENTRIES
            entries = [] if is_bare else journal.entries(next_index, count, MESSAGE_BYTES)
            previous = next_index - 1
            message = AppendEntries(
                term, commit_index, previous, journal.term_at(previous),
                [(entry[2], entry[0]) for entry in entries], self.may_use_reserve,
            )  # fmt: skip
            if not self._transport.send(peer, message):
                return
            at_least_one = False
            budget -= sum(len(entry[0]) for entry in entries)
            progress.sent_at_s, progress.told_commit = now, commit_index
            if progress.is_probing:
                progress.is_probe_out, progress.probe_entries = True, len(entries)
                return
            if is_bare:
                return
            progress.next_index += len(entries)
