"""PySyncObj's state machine behind clean names: every private seam of the library is in this file.

Extended by raft_rules.py, which decides what a node says and does; nothing else touches it. The
library keeps states, terms, votes, the commit rule and the step-down. Promises: an entry is handed
out once, in order; a callback that raises ends the process; the parts of the library that were
found unsafe (docs/adr/0011) are replaced, here or by the hooks, or are never reached.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from pysyncobj import SyncObj, SyncObjConf, syncobj, version

from oms.replication.journal import DiskJournal, Entry
from oms.replication.library_check import check_library
from oms.replication.port import OnCommit, OnSkip
from oms.replication.raft_messages import Message
from oms.replication.raft_transport import RaftTransport, RankedNode
from oms.replication.replicator import MESSAGE_BYTES, MESSAGE_ENTRIES
from oms.replication.standing import Standing

OnFatal = Callable[[str, str], NoReturn]

FOLLOWER: Final = 0
CANDIDATE: Final = 1
LEADER: Final = 2
ROLES: Final = ("follower", "candidate", "leader")
NO_OP: Final = b"\x01"  # the library's own entry at a leader's start
RAW: Final = b"\x20"  # ours; the library's command types end at 3

PERIOD_S: Final = 0.02
TIMEOUT_MIN_S: Final = 0.3
TIMEOUT_MAX_S: Final = 0.6
_APPLY_SLICE_S: Final = 0.01  # a replay gives way to heartbeats so often
_APPLY_ENTRIES: Final = 64
_FOREVER: Final = 10**9


def prepare_library(clock: Callable[[], float]) -> None:
    """Check that the library is the reviewed one, and give it our clock (all logs of one process
    share it). Raises: LibraryChangedError.
    """
    check_library(Path(str(syncobj.__file__)), version.VERSION)
    syncobj.monotonicTime = clock


class _NoPoller:
    """The node's loop polls; the library's own polling at the end of a tick does nothing."""

    def poll(self, timeout: float) -> None:
        """Return at once."""


@dataclass(frozen=True, slots=True)
class RaftParts:
    """What a replica is made of and whom it tells.

    Entries up to `start_index` are in the owner's snapshot; `seed` None: time-outs at random.
    """

    own: RankedNode
    peers: list[RankedNode]
    transport: RaftTransport
    journal: DiskJournal
    standing: Standing
    clock: Callable[[], float]
    seed: int | None
    start_index: int
    on_commit: OnCommit
    on_skip: OnSkip
    on_fatal: OnFatal


class RaftCore(SyncObj, ABC):  # type: ignore[misc]  # the library has no type information
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
    _SyncObj__newAppendEntriesTime: float = 0.0  # the library lists its own attributes early
    _SyncObj__noopIDx: int | None
    _is_counted = False

    def __init__(self, parts: RaftParts) -> None:
        journal, standing = parts.journal, parts.standing
        self._own = parts.own
        self._peers = parts.peers
        self._transport = parts.transport
        self._journal = journal
        self._standing = standing
        self._clock = parts.clock
        self._random = random.Random(parts.seed)  # noqa: S311  # spreads time-outs, no secret
        self._on_commit, self._on_skip = parts.on_commit, parts.on_skip
        self._on_fatal = parts.on_fatal
        if not journal.last_index:
            journal.add(NO_OP, 1, 0)
            journal.sync()
        super().__init__(parts.own, parts.peers, _settings(), transport=parts.transport)
        self._poller = _NoPoller()
        # The library began with a memory journal: give it ours, and what ours remembers.
        self._SyncObj__raftLog = journal
        self._SyncObj__raftCurrentTerm = max(journal.getCurrentTerm(), journal.end.term)
        standing.term = self.term
        self._SyncObj__votedForNodeId = journal.getVotedForNodeId()
        self._SyncObj__raftCommitIndex = max(1, parts.start_index)
        self._SyncObj__raftLastApplied = parts.start_index

    # --- the library's state, by clean names ---

    @property
    def role(self) -> int:
        """Follower, candidate or leader."""
        return self._SyncObj__raftState

    @property
    def term(self) -> int:
        """The current term."""
        return self._SyncObj__raftCurrentTerm

    @property
    def vote(self) -> tuple[int, str | None]:
        """The current term, and whom this node voted for in it."""
        return self._SyncObj__raftCurrentTerm, self._SyncObj__votedForNodeId

    @property
    def commit_index(self) -> int:
        """The last entry known to be committed."""
        return self._SyncObj__raftCommitIndex

    @property
    def applied_index(self) -> int:
        """The last entry handed out."""
        return self._SyncObj__raftLastApplied

    @property
    def leader(self) -> RankedNode | None:
        """Who leads, as far as this node knows."""
        return self._SyncObj__raftLeader

    @property
    def has_applied_own_term(self) -> bool:
        """Leader, and an entry of its own term has been applied: the state is up to date."""
        first = self._SyncObj__noopIDx
        return self.role == LEADER and first is not None and self.applied_index >= first

    @property
    def _matched(self) -> dict[RankedNode, int]:
        """What each follower confirmed; the library's commit rule reads it."""
        return self._SyncObj__raftMatchIndex

    @property
    def _election_at_s(self) -> float:
        """Silence until then is an ordinary reason to ask for an election."""
        return self._SyncObj__raftElectionDeadline

    @_election_at_s.setter
    def _election_at_s(self, at_s: float) -> None:
        self._SyncObj__raftElectionDeadline = at_s

    @property
    def _heartbeat_at_s(self) -> float:
        """When a leader has something to say at the latest."""
        return self._SyncObj__newAppendEntriesTime

    @_heartbeat_at_s.setter
    def _heartbeat_at_s(self, at_s: float) -> None:
        self._SyncObj__newAppendEntriesTime = at_s

    def _note_leader(self, leader: RankedNode | None) -> None:
        self._SyncObj__raftLeader = leader

    def _note_committed(self, log_index: int) -> None:
        if log_index > self.commit_index:
            self._SyncObj__raftCommitIndex = log_index

    def _note_response(self, node: RankedNode, at_s: float) -> None:
        """`node` follows this leader: it counts against the step-down."""
        self._SyncObj__lastResponseTime[node] = at_s

    def _is_heard(self, node: RankedNode) -> bool:
        """Whether `node` answered this leader a moment ago."""
        return self._clock() - self._SyncObj__lastResponseTime[node] < TIMEOUT_MIN_S

    def _forgive_silence(self, at_s: float) -> None:
        """Nobody is judged silent for longer than since `at_s`."""
        heard = self._SyncObj__lastResponseTime
        for node, heard_at_s in heard.items():
            heard[node] = max(heard_at_s, at_s)

    def _restart_timeout(self) -> None:
        self._election_at_s = self._clock() + self._SyncObj__generateRaftTimeout()

    def _follow(self) -> None:
        """Be a follower, whatever it was."""
        self._SyncObj__setState(FOLLOWER)

    def _enter_term(self, term: int) -> None:
        """A follower in a higher term, without a vote and a leader; on disk when this returns."""
        if self.role == LEADER:
            self._restart_timeout()
        self._SyncObj__setCurrentTerm(term, None)
        self._follow()
        self._note_leader(None)

    def _library_tick(self) -> None:
        """Start an election that was decided on, count, hand out, step down, send heartbeats."""
        if self.role != LEADER:
            self._onTick(0.0)
            return
        self._count()
        self._is_counted = True
        try:
            self._onTick(0.0)
        finally:
            self._is_counted = False

    def _count(self) -> None:
        """The library's commit rule in one step: the highest entry that a majority holds, if it is
        of this term. The library reads every entry from the commit index on to learn its term: all
        of the log when a leader has just started, seconds without a heartbeat.
        """
        held = sorted([self._journal.last_index, *self._SyncObj__raftMatchIndex.values()])
        agreed = held[(len(held) - 1) // 2]
        if agreed > self.commit_index and self._journal.term_at(agreed) == self.term:
            self._SyncObj__raftCommitIndex = agreed

    def _SyncObj__getCurrentLogIndex(self) -> int:  # noqa: N802
        """The last entry; while the library is about to count, none behind what was counted."""
        return self.commit_index if self._is_counted else self._journal.last_index

    def _library_vote(self, node: RankedNode, term: int, last_index: int, last_term: int) -> None:
        """A request for a vote of this node."""
        super()._SyncObj__onMessageReceived(
            node,
            {
                "type": "request_vote", "term": term,
                "last_log_index": last_index, "last_log_term": last_term,
            },
        )  # fmt: skip

    def _library_count(self, node: RankedNode, term: int) -> None:
        """A vote for this node, the first of `node` in `term`."""
        super()._SyncObj__onMessageReceived(node, {"type": "response_vote", "term": term})

    # --- hooks: what raft_rules.py decides ---

    @abstractmethod
    def _takes_campaign(self) -> bool:
        """Whether an election is to begin now; asked once an attempt."""

    @abstractmethod
    def _before_leading(self) -> None:
        """Elected; the first entry of the term is not added yet."""

    @abstractmethod
    def _on_connected(self, node: RankedNode) -> None:
        """There is a link to `node`."""

    @abstractmethod
    def _on_disconnected(self, node: RankedNode) -> None:
        """The link to `node` is gone."""

    @abstractmethod
    def _on_message(self, node: RankedNode, message: Message) -> None:
        """`node` said something."""

    @abstractmethod
    def _send_heartbeats(self) -> None:
        """The library calls for them when its period is over."""

    # --- overrides: elections and messages ---

    def _SyncObj__generateRaftTimeout(self) -> float:  # noqa: N802
        spread: float = self._random.random()
        return TIMEOUT_MIN_S + (TIMEOUT_MAX_S - TIMEOUT_MIN_S) * spread

    def _SyncObj__connectedToAnyone(self) -> bool:  # noqa: N802
        """The library asks this only before it campaigns."""
        return self._takes_campaign()

    def _SyncObj__setCurrentTerm(  # noqa: N802
        self,
        term: int,
        votedForNodeId: str | None,  # noqa: N803
    ) -> None:
        super()._SyncObj__setCurrentTerm(term, votedForNodeId)
        self._standing.term = term

    def _SyncObj__onBecomeLeader(self) -> None:  # noqa: N802
        self._before_leading()
        super()._SyncObj__onBecomeLeader()
        self._journal.sync()  # the no-op is sent by now; it counts when it is on disk

    def _SyncObj__onNodeConnected(self, node: RankedNode) -> None:  # noqa: N802
        super()._SyncObj__onNodeConnected(node)
        self._on_connected(node)

    def _SyncObj__onNodeDisconnected(self, node: RankedNode) -> None:  # noqa: N802
        super()._SyncObj__onNodeDisconnected(node)
        self._on_disconnected(node)

    def _SyncObj__onMessageReceived(self, node: RankedNode, message: Message) -> None:  # noqa: N802
        self._on_message(node, message)

    def _SyncObj__sendAppendEntries(self) -> None:  # noqa: N802
        self._heartbeat_at_s = self._clock() + PERIOD_S
        self._send_heartbeats()

    # --- overrides: the log ---

    def _SyncObj__getCurrentLogTerm(self) -> int:  # noqa: N802
        return self._journal.end.term

    def _SyncObj__getEntries(  # noqa: N802
        self,
        fromIDx: int,  # noqa: N803
        count: int | None = None,
        maxSizeBytes: int | None = None,  # noqa: N803
    ) -> list[Entry]:
        """The library's would take the whole rest of the log into memory to send a part."""
        count = MESSAGE_ENTRIES if count is None else count
        return self._journal.entries(fromIDx, count, maxSizeBytes or MESSAGE_BYTES)

    # --- overrides: applying ---

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
            if command[:1] == RAW:
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
    """The library's settings (its own batching is off the path: `RaftRules.step` sends at once;
    the flag stays on because without it the library opens a pipe nobody reads).
    """
    return SyncObjConf(
        autoTick=False,
        appendEntriesUseBatch=True,
        appendEntriesPeriod=PERIOD_S,
        raftMinTimeout=TIMEOUT_MIN_S,
        raftMaxTimeout=TIMEOUT_MAX_S,
        leaderFallbackTimeout=TIMEOUT_MAX_S,
        connectionTimeout=2,
        connectionRetryTime=0.1,
        commandsWaitLeader=False,
        appendEntriesBatchSizeBytes=MESSAGE_BYTES,
        logCompactionMinEntries=_FOREVER,
        logCompactionMinTime=_FOREVER,
        dynamicMembershipChange=False,
        useFork=False,
    )
