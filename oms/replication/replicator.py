"""The leader's side of replication: what each follower has, lacks, and was told.

Called by raft_rules.py. Promises: a follower's next index never moves back because of a success; a
new or doubtful follower is probed with one message at a time until the logs agree, then entries
are sent as they come; no more waits unsent for one follower than its window (the rest stays in
the journal and is read from there).
"""

from dataclasses import dataclass
from typing import Final

from oms.replication.journal import DiskJournal
from oms.replication.raft_messages import AppendEntries, AppendReply
from oms.replication.raft_transport import RaftTransport, RankedNode

MESSAGE_BYTES: Final = 1 << 20  # entries in one message
MESSAGE_ENTRIES: Final = 1024
WINDOW_BYTES: Final = 4 << 20  # unsent to one follower
TURN_BYTES: Final = 8 << 20  # to one follower in one tick


@dataclass(slots=True)
class _Progress:
    next_index: int
    is_probing: bool = True
    is_probe_out: bool = False
    sent_at_s: float = 0.0
    told_commit: int = 0


class Replicator:
    """Sends a leader's log to its followers."""

    def __init__(
        self,
        peers: list[RankedNode],
        transport: RaftTransport,
        journal: DiskJournal,
        matched: dict[RankedNode, int],
    ) -> None:
        """`matched` is the library's own table, which its commit rule reads."""
        self._peers = peers
        self._transport = transport
        self._journal = journal
        self._matched = matched
        self._progress = {peer: _Progress(2) for peer in peers}

    def lead(self) -> None:
        """This node becomes leader (before its first entry is added): nothing is known."""
        for peer in self._peers:
            self._progress[peer] = _Progress(self._journal.last_index + 1)

    def reconnected(self, peer: RankedNode) -> None:
        """What was under way to `peer` is lost: start behind what it has confirmed."""
        self._progress[peer] = _Progress(max(2, self._matched[peer] + 1))

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
        progress, matched = self._progress[peer], self._matched[peer]
        if reply.matched:
            if reply.index > self._journal.last_index:
                return False
            self._matched[peer] = max(matched, reply.index)
            progress.next_index = max(progress.next_index, reply.index + 1)
            progress.is_probing = progress.is_probe_out = False
        elif reply.prev_index > matched and (
            not progress.is_probing or reply.prev_index == progress.next_index - 1
        ):  # else it was overtaken by a success, or answers a probe that is over
            progress.next_index = max(2, matched + 1, min(reply.index, reply.prev_index))
            progress.is_probing, progress.is_probe_out = True, False
        return True

    def _send(
        self, peer: RankedNode, now: float, *, term: int, commit_index: int, at_least_one: bool
    ) -> None:
        progress, journal = self._progress[peer], self._journal
        if not self._transport.is_connected(peer):
            return
        budget = TURN_BYTES
        while progress.next_index <= journal.last_index or at_least_one:
            if progress.is_probing and progress.is_probe_out:
                return
            if budget <= 0 or self._transport.unsent_bytes(peer) >= WINDOW_BYTES:
                return
            count = 1 if progress.is_probing else MESSAGE_ENTRIES
            entries = journal.entries(progress.next_index, count, MESSAGE_BYTES)
            previous = progress.next_index - 1
            message = AppendEntries(
                term, commit_index, previous, journal.term_at(previous),
                [(entry[2], entry[0]) for entry in entries],
            )  # fmt: skip
            if not self._transport.send(peer, message):
                return
            at_least_one = False
            budget -= sum(len(entry[0]) for entry in entries)
            progress.sent_at_s, progress.told_commit = now, commit_index
            if progress.is_probing:
                progress.is_probe_out = True
                return
            progress.next_index += len(entries)
