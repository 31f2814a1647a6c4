"""The faults of the group `log`: what a replicated log, its gateways and its files promise, broken.

Read by tests/mutants/log.py and tests/simulation/planted.py. Each is a mistake that somebody could
really make, put in the place of a method or function of the product for the length of a run; those
of the engine's protocol are in log_engine_faults.py. Nothing of this is in the product.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Final, NamedTuple

from gateways.binary.joiner import Joiner, Ready
from gateways.binary.session import Action, Replay, State
from gateways.binary.session import Session as GatewaySession
from gateways.courier import Courier, LoggedIn, Window
from gateways.event_order import EventOrder
from oms.bounds import EVENT_BYTES
from oms.messages import link
from oms.node.egress import Egress
from oms.node.event_file import EventFile
from oms.node.event_log import EventLog
from oms.node.feed import Feed
from oms.node.reads import Reads
from oms.node.replies import Asker
from oms.node.snapshots import Snapshots, Taken
from oms.replication import journal, journal_archive, raft_rules, segment_maker, snapshot_file
from oms.replication.agreement import take_entries
from oms.replication.journal import DiskJournal
from oms.replication.journal_writer import JournalWriter
from oms.replication.raft_core import LEADER, OnFatal, RaftCore
from oms.replication.raft_messages import AppendEntries, AppendReply
from oms.replication.raft_rules import RaftRules
from oms.replication.raft_transport import RankedNode
from oms.replication.vote_file import COPY_OFFSETS, VoteFile, _Copy, _pack
from oms.transport.sockets import Socket

Patch = tuple[object, str, object]  # owner, attribute, what stands there


class LogFault(NamedTuple):
    """One fault. Shape: name; what it is; what is put where; a seed that is known to show it, where
    a hunt begins; kinds of faults that show it (none: any mix); the test that shows it, if the
    simulation seldom or never comes by it.
    """

    name: str
    what: str
    patches: Sequence[Patch]
    seed: int = 1
    kinds: tuple[str, ...] = ()
    test: str = ""


_on_append = RaftRules._on_append
_library_vote = RaftCore._library_vote
_replayed = Joiner.replayed
_logged_in = GatewaySession.logged_in
_deliver = GatewaySession.deliver
_copy = Snapshots.copy
_make_egress = Egress.__init__
_take_read = Reads.take


def sync_nothing(self: JournalWriter) -> None:
    """The log is not synced, and believes that it is."""
    self.is_dirty = False
    self._synced_records = self.records
    self._write_mark()


def store_unsynced(self: VoteFile, term: int, voted_for: str | None) -> None:
    """Term and vote are not synced."""
    self._update += 1
    data = _pack(self._cluster_id, _Copy(self._update, term, voted_for, self._is_joining))
    for offset in COPY_OFFSETS:
        os.pwrite(self._fd, data, offset)
    self.term, self.voted_for = term, voted_for


def count_alone(self: RaftCore) -> None:
    """A leader commits what it has itself."""
    self._SyncObj__raftCommitIndex = self._journal.last_index


def count_any_term(self: RaftCore) -> None:
    """An entry of an older term is committed by counting who holds it."""
    held = sorted([self._journal.last_index, *self._matched.values()])
    self._note_committed(held[(len(held) - 1) // 2])


def confirm_early(self: RaftRules, node: RankedNode, m: AppendEntries) -> None:
    """A follower confirms before its disk has it."""
    _on_append(self, node, m)
    self._flush_reply()


def confirm_all(self: RaftRules, node: RankedNode, m: AppendEntries) -> None:
    """A follower confirms all it has, not only what it knows to agree."""
    _on_append(self, node, m)
    if self._reply is not None:
        reply = self._reply[1]
        own = AppendReply(m.term, True, self._journal.last_index, reply.prev_index)
        self._reply = (node, own)


def vote_again(self: RaftCore, node: RankedNode, term: int, last_index: int, last: int) -> None:
    """A second vote in the same term."""
    self._SyncObj__votedForNodeId = None
    _library_vote(self, node, term, last_index, last)


def vote_for_shorter(self: RaftCore, node: RankedNode, term: int, _index: int, _term: int) -> None:
    """A vote for a log that lacks entries."""
    journal = self._journal
    _library_vote(self, node, term, journal.last_index, journal.end.term)


def count_old_reply(self: RaftRules, node: RankedNode, m: AppendReply) -> None:
    """A confirmation counts, whatever term it was given in."""
    if m.term > self.term:
        self._adopt_term(m.term)
    elif self.role == LEADER:
        self._note_response(node, self._clock())
        self._replicator.on_reply(node, m)


def cut_behind(
    journal: DiskJournal,
    commit_index: int,
    message: AppendEntries,
    on_fatal: OnFatal,
    *,
    has_room: Callable[[int], bool],
) -> int:
    """What stands behind a message is cut off, though it agrees."""
    index = take_entries(journal, commit_index, message, on_fatal, has_room=has_room)
    if message.entries and max(index, journal.base_index) < journal.last_index:
        journal.truncate_from(index + 1)
    return index


def commit_unseen(self: RaftRules, node: RankedNode, m: AppendEntries) -> None:
    """A follower believes the leader's commit index for entries that it has not compared."""
    _on_append(self, node, m)
    self._note_committed(min(m.commit_index, self._journal.last_index))


def copy_late(self: Snapshots) -> Taken:
    """A snapshot says that it has one entry more than it has."""
    taken = _copy(self)
    taken.snapshot = replace(taken.snapshot, log_index=taken.snapshot.log_index + 1)
    return taken


def hand_on_at_once(self: EventOrder, first_seq: int, data: bytes) -> list[bytes]:
    """Events are handed on as they arrive."""
    last_seq = first_seq + len(data) // EVENT_BYTES - 1
    self.next_seq = max(self.next_seq, last_seq + 1)
    return [data]


def publish_always(self: Egress, pub: Socket, feed: Feed) -> None:
    """Whatever is applied is published."""
    _make_egress(self, pub, feed)
    self.is_leading = True


def deliver_any(self: GatewaySession, data: bytes, offset: int, out_seq: int) -> list[Action]:
    """What comes is told, whatever its number."""
    if self.state is State.LIVE:
        self._next_out_seq = out_seq
    return _deliver(self, data, offset, out_seq)


def resend_nothing(
    _self: Courier, window: Window, _expected: int, now_ns: int, _not_after_ns: int
) -> None:
    """What was pushed once is never pushed again."""
    window.progress_ns = now_ns


def forget_window(self: Courier, *, somebody: bool, now_ns: int, not_after_ns: int) -> None:
    """Another leader: what was in flight is held for done."""
    del not_after_ns
    self.outbox.clear()
    self.is_led = somebody
    for window in self.windows.values():
        window.acknowledged += len(window.in_flight)
        window.in_flight.clear()
        window.progress_ns = now_ns


def tell_again(
    self: GatewaySession, login: LoggedIn, now_ns: int, not_after_ns: int
) -> list[Action]:
    """A client that comes back is told its last message again, under the next number."""
    actions = _logged_in(self, login, now_ns, not_after_ns)
    joiner = self._joiner
    if joiner is None or joiner.next_out_seq < 2:  # it was told nothing yet
        return actions
    joiner.next_out_seq -= 1
    again = Replay(self.session_id, joiner.next_out_seq, login.trading_date)
    return [again if isinstance(action, Replay) else action for action in actions]


def join_late(self: Joiner, records: bytes) -> Ready | None:
    """What came while the replay was fetched is held for told."""
    held, self._held = self._held, []
    ready = _replayed(self, records)
    if self.is_joined:
        self.next_out_seq += len(held)
    else:
        self._held = held
    return ready


def read_unproven(
    self: Reads, asker: Asker, request: link.Read, now_ns: int, *, is_accepting: bool
) -> None:
    """Who thinks that it leads answers a linearizable read at once."""
    if request.linearizable and is_accepting:
        self._replies.query(asker, request)
    else:
        _take_read(self, asker, request, now_ns, is_accepting=is_accepting)


def never(*_args: object) -> bool:
    """It is never so."""
    return False


def nothing(*_args: object) -> None:
    """It is not done."""


_UNSYNCED: Final = SimpleNamespace(
    open=os.open, close=os.close, fsync=nothing, O_RDONLY=os.O_RDONLY, O_DIRECTORY=os.O_DIRECTORY
)
# fmt: off
LOG_FAULTS: Final = [
    LogFault(
        "log not synced", "the log is written and never synced",
        [(JournalWriter, "sync", sync_nothing)],
    ),
    LogFault(
        "vote not synced", "term and vote are written and not synced",
        [(VoteFile, "store", store_unsynced)],
    ),
    LogFault(
        "kernel believed", "what a killed process left is vouched for without being synced",
        [(JournalWriter, "_put_on_disk", nothing)],
        test="tests/integration/test_journal_power_cuts.py",
    ),
    LogFault(
        "names not synced", "a new segment's name is not synced",
        [(segment_maker, "sync_folder", nothing), (journal, "sync_folder", nothing),
         (journal_archive, "sync_folder", nothing)],
    ),
    LogFault(
        "early confirmation", "a follower confirms before its sync",
        [(RaftRules, "_on_append", confirm_early)],
        seed=7, kinds=("short majority", "power cut", "slow disk"),
    ),
    LogFault(
        "confirms all", "a follower confirms all it has, not only what agrees",
        [(RaftRules, "_on_append", confirm_all)],
    ),
    LogFault(
        "leader alone", "acknowledged before it is committed: the leader counts itself alone",
        [(RaftCore, "_count", count_alone)],
    ),
    LogFault(
        "older term counted", "an entry of an older term is committed by counting",
        [(RaftCore, "_count", count_any_term)],
        test="tests/unit/replication/test_findings.py::"
             "test_an_entry_of_an_older_term_is_not_committed_by_counting",
    ),
    LogFault(
        "old reply counted", "a confirmation of an older term counts",
        [(RaftRules, "_on_append_reply", count_old_reply)],
        test="tests/unit/replication/test_findings.py::"
             "test_finding_05_reply_of_another_term_is_not_counted",
    ),
    LogFault(
        "stale term accepted", "the authority of an older term is accepted",
        [(RaftRules, "_is_stale", never)],
    ),
    LogFault(
        "commit unseen", "a follower applies what it has not compared with the leader's log",
        [(RaftRules, "_on_append", commit_unseen)],
    ),
    LogFault(
        "cut behind", "a message cuts off what stands behind it, committed or not",
        [(raft_rules, "take_entries", cut_behind)],
    ),
    LogFault(
        "vote forgotten", "the vote is forgotten at a restart",
        [(DiskJournal, "getVotedForNodeId", nothing)],
        test="tests/findings/test_disk.py::test_finding_11_a_damaged_vote_is_not_forgotten",
    ),
    LogFault(
        "second vote", "two votes in one term",
        [(RaftCore, "_library_vote", vote_again)],
    ),
    LogFault(
        "vote for shorter", "a vote for a log that lacks entries",
        [(RaftCore, "_library_vote", vote_for_shorter)],
        test="tests/unit/replication/test_findings.py::"
             "test_a_vote_is_given_to_no_log_that_lacks_entries",
    ),
    LogFault(
        "snapshot not synced", "a snapshot has its name before its bytes are on disk",
        [(snapshot_file, "os", _UNSYNCED)],
    ),
    LogFault(
        "outputs not synced", "a snapshot does not sync the outputs it relies on",
        [(EventFile, "sync", nothing)],
        test="tests/unit/node/test_snapshots.py::"
             "test_outputs_are_on_disk_before_the_snapshot_that_relies_on_them",
    ),
    LogFault(
        "outputs kept", "outputs behind the snapshot are kept at a restart",
        [(EventLog, "truncate", nothing)],
    ),
    LogFault(
        "snapshot ahead", "a snapshot says that it has one entry more than it has",
        [(Snapshots, "copy", copy_late)],
    ),
    LogFault(
        "nothing resent", "what a gateway has pushed once it never pushes again",
        [(Courier, "_resend", resend_nothing)],
    ),
    LogFault(
        "resend forgotten", "at a change of leader what is in flight is held for done",
        [(Courier, "led_by", forget_window)],
    ),
    LogFault(
        "events as they come", "a gateway hands events on as they arrive",
        [(EventOrder, "offer", hand_on_at_once)],
    ),
    LogFault(
        "replay published", "a node publishes while it replays, and numbers are not looked at",
        [(Egress, "__init__", publish_always), (Egress, "follow", nothing),
         (EventOrder, "offer", hand_on_at_once), (GatewaySession, "deliver", deliver_any)],
    ),
    LogFault(
        "read unproven", "a linearizable read is answered by a leader that may be deposed",
        [(Reads, "take", read_unproven)],
        seed=18,
    ),
    LogFault(
        "seam", "what came while a replay was fetched is left out",
        [(Joiner, "replayed", join_late)],
        kinds=("links break", "client flap", "slow way", "double login"),
    ),
    LogFault(
        "told again", "who comes back is told the last message again, under the next number",
        [(GatewaySession, "logged_in", tell_again)],
    ),
]
# fmt: on
