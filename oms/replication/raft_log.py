"""The replicated log: PySyncObj fitted to port.py, with every private seam of it in this file.

Called by the node's loop: poll `fds`, `on_ready`, `tick`. Promises: an entry is handed to
`on_commit` once, in order, after a majority has it on disk, this node included; nothing that
promises durability leaves before the fdatasync that makes it true; a library other than the
reviewed one is not started. PySyncObj keeps: states, terms, votes, the commit rule, the step-down.
Replaced here, because of what was observed in it (docs/protocols/raft_link.md): replication and
its replies, applying, the start of an election, anything with pickle.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from pysyncobj import SyncObj, SyncObjConf, syncobj, version

from oms import bounds
from oms.replication.agreement import mismatch, take_entries
from oms.replication.elections import Election, LogEnd
from oms.replication.errors import Report, die, report_to_stderr
from oms.replication.journal import DiskJournal, Entry
from oms.replication.library_check import check_library
from oms.replication.port import LogStatus, OnCommit, OnInstalled, OnSkip, SnapshotSource
from oms.replication.raft_transport import (
    AppendEntries,
    AppendReply,
    Message,
    PreVote,
    PreVoteReply,
    RaftTransport,
    RankedNode,
    RequestVote,
    Vote,
)
from oms.replication.replicator import MESSAGE_BYTES, MESSAGE_ENTRIES, Replicator

OnRoleChange = Callable[[LogStatus], None]
OnFatal = Callable[[str, str], NoReturn]

_FOLLOWER, _CANDIDATE, _LEADER = 0, 1, 2
_ROLES: Final = ("follower", "candidate", "leader")
_NO_OP: Final = b"\x01"  # the library's own entry at a leader's start
_RAW: Final = b"\x20"  # ours; the library's command types end at 3

_PERIOD_S: Final = 0.02
_TIMEOUT_MIN_S: Final = 0.3
_TIMEOUT_MAX_S: Final = 0.6
_COMMIT_NOTICE_S: Final = 0.003  # followers hear of a commit so soon when no entry carries it
_STALL_S: Final = 0.1  # a tick so late: read the sockets before judging silence
_APPLY_SLICE_S: Final = 0.01  # a replay gives way to heartbeats so often
_APPLY_ENTRIES: Final = 64
_FOREVER: Final = 10**9


class RaftLog:
    """One node's replica of the log (port.ReplicatedLog)."""

    def __init__(
        self,
        node_id: str,
        addresses: dict[str, str],
        cluster_id: int,
        key: bytes,
        folder: Path,
        *,
        on_commit: OnCommit,
        on_skip: OnSkip,
        on_role_change: OnRoleChange | None = None,
        start_index: int = 0,
        clock: Callable[[], float] = time.monotonic,
        segment_bytes: int = bounds.JOURNAL_SEGMENT_BYTES,
        memory_bytes_max: int = bounds.JOURNAL_MEMORY_BYTES_MAX,
        seed: int | None = None,
        on_fatal: OnFatal = die,
        report: Report | None = None,
        snapshot_source: SnapshotSource | None = None,
        snapshot_folder: Path | None = None,
        on_installed: OnInstalled | None = None,
    ) -> None:
        """Open (or, the first time, make) the journal in `folder`, and listen.

        `addresses` are all members, this one included; entries up to `start_index` are in the
        caller's snapshot and not handed out again. Snapshots for followers come from
        `snapshot_source`; one from the leader is put into `snapshot_folder`.
        Raises: SettingsError, JournalDamagedError, LibraryChangedError.
        """
        check_library(Path(str(syncobj.__file__)), version.VERSION)
        syncobj.monotonicTime = clock  # all logs of one process share a clock
        self._clock = clock
        self._node_id = node_id
        self._on_role_change = on_role_change
        self._journal = DiskJournal.open(
            folder, cluster_id=cluster_id, node_id=node_id, start_index=start_index,
            segment_bytes=segment_bytes, memory_bytes_max=memory_bytes_max, on_fatal=on_fatal,
        )  # fmt: skip
        nodes = [RankedNode(name, rank) for rank, name in enumerate(sorted(addresses))]
        own = next(node for node in nodes if node.node_id == node_id)
        peers = [node for node in nodes if node.node_id != node_id]
        try:
            self._transport = RaftTransport(
                own, peers, addresses, cluster_id=cluster_id, key=key, clock=clock,
                report=report or report_to_stderr(node_id),
            )  # fmt: skip
        except BaseException:
            self._journal.close()
            raise
        self._core = _Core(
            own, peers, self._transport, self._journal, clock=clock, seed=seed,
            start_index=start_index, on_commit=on_commit, on_skip=on_skip, on_fatal=on_fatal,
        )  # fmt: skip
        self._snapshot_source = snapshot_source
        self._snapshot_folder = snapshot_folder
        self._on_installed = on_installed
        self._trading_date = 0
        self._due_s = clock()  # when the next tick had to come, as the caller was told
        self._told = self._standing()

    def propose(self, entry: bytes) -> bool:
        """Append as leader; sent and synced by the `tick` that follows. False: not accepting
        (not leader, its first entry not applied yet, or the disk has no room).
        """
        if not 0 < len(entry) <= bounds.BATCH_BYTES_MAX:
            message = f"an entry of {len(entry)} bytes"
            raise ValueError(message)
        return self._core.append(_RAW + entry)

    def pending(self) -> int:
        """Entries proposed by this leader and not yet committed."""
        core = self._core
        return self._journal.last_index - core.commit_index if core.role == _LEADER else 0

    def tick(self) -> None:
        """Elections, heartbeats, sending, sync and commit; calls `on_commit` in log order."""
        now = self._clock()
        if now > self._due_s + _STALL_S:
            self._transport.drain()
            self._core.resume(now)
        self._transport.tick()
        self._core.step(now)
        if self._on_role_change is not None and self._standing() != self._told:
            self._told = self._standing()
            self._on_role_change(self.status())
        self._due_s = now + self.next_deadline_s()

    def fds(self) -> list[tuple[int, bool, bool]]:
        """Descriptors to poll: (fd, want_read, want_write)."""
        return self._transport.fds()

    def on_ready(self, fd: int, *, readable: bool, writable: bool) -> None:
        """A descriptor of `fds()` is ready."""
        self._transport.on_ready(fd, readable=readable, writable=writable)

    def next_deadline_s(self) -> float:
        """Seconds until `tick` must run though nothing became readable."""
        at = min(self._core.next_deadline_s(), self._transport.next_deadline_s())
        return min(max(0.0, at - self._clock()), _TIMEOUT_MAX_S)

    def status(self) -> LogStatus:
        """Role, term and indexes."""
        core = self._core
        return LogStatus(
            node_id=self._node_id,
            role=_ROLES[core.role],
            term=core.term,
            leader_id=core.leader_id,
            is_accepting=core.is_accepting,
            last_index=self._journal.last_index,
            commit_index=core.commit_index,
            applied_index=core.applied_index,
            journal_bytes=self._journal.bytes_used,
            may_lead=core.may_lead,
            trading_date=self._trading_date,
        )

    def transfer(self, to: str | None) -> str:
        """Hand leadership over; "" means begun."""
        if self._core.role != _LEADER:
            return f"{self._node_id} does not lead"
        return f"{to or 'nobody'} cannot take over now"

    def set_may_lead(self, may_lead: bool) -> None:  # noqa: FBT001  # a state, not an option
        """False: this node does not campaign."""
        self._core.may_lead = may_lead

    def set_storage_ok(self, is_ok: bool) -> None:  # noqa: FBT001  # a state, not an option
        """False: the owner's own files have no room: nothing is appended here."""
        self._core.is_storage_ok = is_ok

    def note_trading_date(self, trading_date: int) -> None:
        """The owner's applied state has this date."""
        self._trading_date = max(self._trading_date, trading_date)

    def archive(self, folder: Path, up_to_index: int) -> list[Path]:  # noqa: ARG002
        """Move whole segments to `folder`."""
        return []

    def read(self, from_index: int, count: int) -> list[tuple[int, int, bytes]]:
        """Committed entries (log_index, term, entry) from the journal, the library's own left
        out.
        """
        count = min(count, self._core.commit_index + 1 - from_index)
        entries = self._journal.entries(max(1, from_index), max(0, count), _FOREVER)
        return [(index, term, raw[1:]) for raw, index, term in entries if raw[:1] == _RAW]

    def close(self, *, clean: bool = True) -> None:
        """Sync what must be synced and close every descriptor. `clean=False` leaves the files as
        a killed process would (tests).
        """
        self._transport.destroy()
        self._journal.close(clean=clean)

    def _standing(self) -> tuple[int, int, str | None, bool]:
        core = self._core
        return core.role, core.term, core.leader_id, core.is_accepting


class _NoPoller:
    """The node's loop polls; the library's own polling at the end of a tick does nothing."""

    def poll(self, timeout: float) -> None:
        """Return at once."""


class _Core(SyncObj):  # type: ignore[misc]  # the library has no type information
    """The library's state machine, with its unsafe parts replaced.

    Names that begin with `_SyncObj__` are the library's private ones; the hash of its source is
    checked before they are relied upon.
    """

    _SyncObj__raftState: int
    _SyncObj__raftCurrentTerm: int
    _SyncObj__votedForNodeId: str | None
    _SyncObj__raftLeader: RankedNode | None
    _SyncObj__raftElectionDeadline: float
    _SyncObj__raftLog: DiskJournal
    _SyncObj__raftCommitIndex: int
    _SyncObj__raftLastApplied: int
    _SyncObj__raftMatchIndex: dict[RankedNode, int]
    _SyncObj__lastResponseTime: dict[RankedNode, float]
    _SyncObj__newAppendEntriesTime: float
    _SyncObj__noopIDx: int | None

    def __init__(
        self,
        own: RankedNode,
        peers: list[RankedNode],
        transport: RaftTransport,
        journal: DiskJournal,
        *,
        clock: Callable[[], float],
        seed: int | None,
        start_index: int,
        on_commit: OnCommit,
        on_skip: OnSkip,
        on_fatal: OnFatal,
    ) -> None:
        self._own = own
        self._peers = peers
        self._transport = transport
        self._journal = journal
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311  # spreads time-outs, no secret
        self._on_commit, self._on_skip, self._on_fatal = on_commit, on_skip, on_fatal
        self._election = Election(own.node_id, (len(peers) + 1) // 2 + 1)
        self._may_campaign = False
        self.may_lead = True
        self.is_storage_ok = True
        self._heard_leader_s = clock() - _TIMEOUT_MAX_S
        self._reply: tuple[RankedNode, AppendReply] | None = None  # waits for the next sync
        self._votes_from: set[tuple[int, str]] = set()
        super().__init__(own, peers, _settings(), transport=transport)
        self._poller = _NoPoller()
        # The library began with a memory journal: give it ours, and what ours remembers.
        self._SyncObj__raftLog = journal
        self._replicator = Replicator(peers, transport, journal, self._SyncObj__raftMatchIndex)
        if not len(journal):
            journal.add(_NO_OP, 1, 0)
            journal.sync()
        self._SyncObj__raftCurrentTerm = max(journal.getCurrentTerm(), journal[-1][2])
        self._SyncObj__votedForNodeId = journal.getVotedForNodeId()
        self._SyncObj__raftCommitIndex = max(1, start_index)
        self._SyncObj__raftLastApplied = start_index

    # --- what RaftLog asks ---

    @property
    def role(self) -> int:
        """Follower, candidate or leader."""
        return self._SyncObj__raftState

    @property
    def term(self) -> int:
        """The current term."""
        return self._SyncObj__raftCurrentTerm

    @property
    def commit_index(self) -> int:
        """The last entry known to be committed."""
        return self._SyncObj__raftCommitIndex

    @property
    def applied_index(self) -> int:
        """The last entry handed out."""
        return self._SyncObj__raftLastApplied

    @property
    def leader_id(self) -> str | None:
        """Who leads, as far as this node knows."""
        leader = self._SyncObj__raftLeader
        return leader.node_id if leader is not None else None

    @property
    def is_accepting(self) -> bool:
        """Leader, and an entry of its own term has been applied: the state is up to date."""
        first = self._SyncObj__noopIDx
        return self.role == _LEADER and first is not None and self.applied_index >= first

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
            deadline_s = max(self._SyncObj__raftElectionDeadline, now + _STALL_S)
            self._SyncObj__raftElectionDeadline = deadline_s
        heard = self._SyncObj__lastResponseTime
        for peer, heard_at_s in heard.items():
            heard[peer] = max(heard_at_s, now - _TIMEOUT_MAX_S + _STALL_S)

    def step(self, now: float) -> None:
        """One tick: send, then sync, then count and hand out. The own disk works while the
        entries travel and the followers' disks work; to sync only after the caller published
        what was handed out was tried, and showed no gain.
        """
        if self.role == _LEADER:
            self._replicator.send_new(now, term=self.term, commit_index=self.commit_index)
        elif not self._may_campaign:
            self._consider_election(now)  # may take messages in: before the sync
        self._journal.sync()
        self._flush_reply()
        before = self.commit_index
        self._onTick(0.0)
        if self.role == _LEADER and self.commit_index > before:
            at = self._clock() + _COMMIT_NOTICE_S
            self._SyncObj__newAppendEntriesTime = min(self._SyncObj__newAppendEntriesTime, at)

    def next_deadline_s(self) -> float:
        """When `step` has something to do."""
        if self._journal.is_dirty or self.applied_index < self.commit_index or self._reply:
            return 0.0
        if self.role == _LEADER:
            return self._SyncObj__newAppendEntriesTime
        early = self._election.attempt_at_s
        deadline = 0.0 if self._may_campaign else self._SyncObj__raftElectionDeadline
        return deadline if early is None else min(early, deadline)

    # --- overrides: elections ---

    def _SyncObj__generateRaftTimeout(self) -> float:  # noqa: N802
        spread: float = self._random.random()
        return _TIMEOUT_MIN_S + (_TIMEOUT_MAX_S - _TIMEOUT_MIN_S) * spread

    def _SyncObj__connectedToAnyone(self) -> bool:  # noqa: N802
        """The library asks this only before it campaigns: pre-votes decide."""
        granted, self._may_campaign = self._may_campaign, False
        return granted

    def _SyncObj__onBecomeLeader(self) -> None:  # noqa: N802
        self._replicator.lead()
        self._election.settle()
        self._reply = None
        super()._SyncObj__onBecomeLeader()
        self._journal.sync()  # the no-op is sent by now; it counts when it is on disk

    def _SyncObj__onNodeConnected(self, node: RankedNode) -> None:  # noqa: N802
        super()._SyncObj__onNodeConnected(node)
        if self.role == _LEADER:
            self._replicator.reconnected(node)
            self._SyncObj__newAppendEntriesTime = 0.0  # a heartbeat in the next tick
        elif self._SyncObj__raftLeader is None and self._election.attempt_at_s is None:
            self._election.leader_lost(self._clock(), place=self._own.rank)

    def _SyncObj__onNodeDisconnected(self, node: RankedNode) -> None:  # noqa: N802
        super()._SyncObj__onNodeDisconnected(node)
        if self._reply is not None and self._reply[0] == node:
            self._reply = None
        if self._SyncObj__raftLeader == node:
            self._SyncObj__raftLeader = None
            survivors = sorted(p.rank for p in [*self._peers, self._own] if p != node)
            self._election.leader_lost(self._clock(), place=survivors.index(self._own.rank))

    def _hears_leader(self, now: float) -> bool:
        if self.role == _LEADER:
            return True
        leader = self._SyncObj__raftLeader
        return leader is not None and now - self._heard_leader_s < _TIMEOUT_MIN_S

    def _consider_election(self, now: float) -> None:
        if not self._election.is_due(now, self._SyncObj__raftElectionDeadline):
            return
        if now >= self._SyncObj__raftElectionDeadline:
            self._transport.drain()  # the leader's word may have arrived while we were busy
            if not self._election.is_due(now, self._SyncObj__raftElectionDeadline):
                return
            self._SyncObj__raftElectionDeadline = now + self._SyncObj__generateRaftTimeout()
        if self.role == _LEADER or not self.may_lead or not self._journal.has_room(0):
            return
        if self._SyncObj__raftLeader is not None and not self._hears_leader(now):
            self._SyncObj__raftLeader = None
        if self._election.ask(now, self.term + 1):
            self._campaign()
            return
        end = self._journal.end
        for peer in self._peers:
            self._transport.send(peer, PreVote(self.term + 1, end.log_index, end.term))

    def _campaign(self) -> None:
        """Let the library's next tick start the election."""
        self._may_campaign = True
        self._SyncObj__raftElectionDeadline = 0.0

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
            and self.role != _LEADER
            and m.term == self.term + 1
            and self._election.granted(node.node_id, m.term)
        ):
            self._campaign()

    def _adopt_term(self, term: int) -> None:
        """A higher term exists: whatever this node was, it is a follower now."""
        if self.role == _LEADER:
            self._SyncObj__raftElectionDeadline = (
                self._clock() + self._SyncObj__generateRaftTimeout()
            )
        self._reply = None
        self._may_campaign = False
        self._SyncObj__setCurrentTerm(term, None)
        self._SyncObj__setState(_FOLLOWER)
        self._SyncObj__raftLeader = None

    # --- overrides: messages ---

    def _SyncObj__onMessageReceived(self, node: RankedNode, message: Message) -> None:  # noqa: N802
        match message:
            case AppendEntries():
                self._on_append(node, message)
            case AppendReply():
                self._on_append_reply(node, message)
            case PreVote():
                self._on_pre_vote(node, message)
            case PreVoteReply():
                self._on_pre_vote_reply(node, message)
            case RequestVote(term, last_log_index, last_log_term):
                before = (self.term, self._SyncObj__votedForNodeId)
                if term > self.term:
                    self._adopt_term(term)
                super()._SyncObj__onMessageReceived(
                    node,
                    {
                        "type": "request_vote", "term": term,
                        "last_log_index": last_log_index, "last_log_term": last_log_term,
                    },
                )  # fmt: skip
                if (self.term, self._SyncObj__votedForNodeId) != before:
                    self._may_campaign = False
                    self._election.settle()
            case Vote(term):
                if (term, node.node_id) not in self._votes_from:
                    self._votes_from = {v for v in self._votes_from if v[0] == term}
                    self._votes_from.add((term, node.node_id))
                    super()._SyncObj__onMessageReceived(
                        node, {"type": "response_vote", "term": term}
                    )

    # --- overrides: replication, follower's side ---

    def _on_append(self, node: RankedNode, m: AppendEntries) -> None:
        if m.term < self.term:
            self._transport.send(node, AppendReply(self.term, False, 0, m.prev_index))
            return
        if m.term > self.term:
            self._adopt_term(m.term)
        elif self.role == _LEADER:
            self._on_fatal("raft_safety", f"two leaders in term {m.term}: this node and {node.id}")
        now = self._clock()
        self._SyncObj__setState(_FOLLOWER)
        self._SyncObj__raftLeader = node
        self._SyncObj__raftElectionDeadline = now + self._SyncObj__generateRaftTimeout()
        self._heard_leader_s = now
        self._may_campaign = False
        self._election.settle()
        retry_from = mismatch(self._journal, self.commit_index, m, self._on_fatal)
        if retry_from:
            self._transport.send(node, AppendReply(m.term, False, retry_from, m.prev_index))
            return
        matched = take_entries(self._journal, self.commit_index, m, self._on_fatal)
        self._reply = (node, AppendReply(m.term, True, matched, m.prev_index))
        committed = min(m.commit_index, matched)
        if committed > self.commit_index:
            self._SyncObj__raftCommitIndex = committed

    def _flush_reply(self) -> None:
        """One reply for all that arrived since the last sync; never of a term that is over."""
        if self._reply is not None:
            node, reply = self._reply
            self._reply = None
            if reply.term == self.term:
                self._transport.send(node, reply)

    # --- overrides: replication, leader's side ---

    def _SyncObj__sendAppendEntries(self) -> None:  # noqa: N802
        """The heartbeat: the library calls it when its period is over."""
        now = self._clock()
        self._SyncObj__newAppendEntriesTime = now + _PERIOD_S
        self._replicator.send_heartbeats(
            now, term=self.term, commit_index=self.commit_index, period_s=_PERIOD_S
        )

    def _on_append_reply(self, node: RankedNode, m: AppendReply) -> None:
        if m.term > self.term:
            self._adopt_term(m.term)
        elif m.term == self.term and self.role == _LEADER:  # else it is of a term that is over
            self._SyncObj__lastResponseTime[node] = self._clock()
            if not self._replicator.on_reply(node, m):
                self._on_fatal("raft_safety", f"{node.id} holds {m.index}, beyond this leader")

    # --- overrides: applying ---

    def _SyncObj__getEntries(  # noqa: N802
        self,
        fromIDx: int,  # noqa: N803
        count: int | None = None,
        maxSizeBytes: int | None = None,  # noqa: N803
    ) -> list[Entry]:
        """The library's would take the whole rest of the log into memory to send a part."""
        count = MESSAGE_ENTRIES if count is None else count
        return self._journal.entries(fromIDx, count, maxSizeBytes or MESSAGE_BYTES)

    def _SyncObj__applyLogEntries(self) -> bool:  # noqa: N802
        """Hand out what is committed, a slice at a time; False: no extra heartbeat is wanted."""
        stop_s = self._clock() + _APPLY_SLICE_S
        while self.applied_index < self.commit_index:
            count = min(_APPLY_ENTRIES, self.commit_index - self.applied_index)
            for command, index, term in self._journal.entries(
                self.applied_index + 1, count, MESSAGE_BYTES
            ):
                self._SyncObj__raftLastApplied = index
                self._hand_out(command, index, term)
            if self._clock() >= stop_s:
                break
        return False

    def _hand_out(self, command: bytes, log_index: int, term: int) -> None:
        """Give one entry to the caller. A callback that raises ends the process: handing the
        entry out again, or going on without it, would both be wrong.
        """
        try:
            if command[:1] == _RAW:
                self._on_commit(log_index, term, command[1:])
            else:
                self._on_skip(log_index)
        except Exception as error:  # noqa: BLE001  # whatever it is ends the process
            self._on_fatal("apply_failed", f"entry {log_index}: {error!r}")

    def _SyncObj__doApplyCommand(self, command: bytes) -> None:  # noqa: N802
        """Never reached (applying is replaced); the library's would unpickle."""
        self._on_fatal("library_misuse", f"the library applies {command[:1]!r}")

    def _SyncObj__tryLogCompaction(self) -> None:  # noqa: N802
        """The day's log is kept; snapshots are the node's (RULES A8, A16)."""

    def _SyncObj__loadDumpFile(self, clearJournal: bool) -> None:  # noqa: N802, N803, FBT001
        """Never reached; the library's would discard the journal."""
        self._on_fatal("library_misuse", f"the library loads a dump ({clearJournal})")

    def _checkCommandsToApply(self) -> None:  # noqa: N802
        """Nothing: `append` writes to the log itself, and commands are never forwarded."""


def _settings() -> SyncObjConf:
    """The library's settings (its own batching is off the path: `_Core.step` sends at once; the
    flag stays on because without it the library opens a pipe nobody reads).
    """
    return SyncObjConf(
        autoTick=False,
        appendEntriesUseBatch=True,
        appendEntriesPeriod=_PERIOD_S,
        raftMinTimeout=_TIMEOUT_MIN_S,
        raftMaxTimeout=_TIMEOUT_MAX_S,
        leaderFallbackTimeout=_TIMEOUT_MAX_S,
        connectionTimeout=2,
        connectionRetryTime=0.1,
        commandsWaitLeader=False,
        appendEntriesBatchSizeBytes=MESSAGE_BYTES,
        logCompactionMinEntries=_FOREVER,
        logCompactionMinTime=_FOREVER,
        dynamicMembershipChange=False,
        useFork=False,
    )
