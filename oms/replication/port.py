"""What the venue needs from any replicated log; the wall round the library behind it.

Called by the node's loop. Bytes and integers cross this border, nothing with a class. The log
calls back from inside `tick` and `on_readable` only, on the caller's thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

ROOM_AMPLE: Final = "ample"  # this node has room for entries
ROOM_LOW: Final = "low"  # it has not, the others have: it is out of the quorum
ROOM_RESERVE: Final = "reserve"  # less than a majority has: all live on their reserves


@dataclass(frozen=True, slots=True)
class LogStatus:
    """Where a replica of the log stands. `leader_id` is None while nobody is known to lead."""

    node_id: str
    role: str  # "leader", "follower" or "candidate"
    term: int
    leader_id: str | None
    is_accepting: bool  # leader, and an entry of its own term has been applied
    last_index: int
    commit_index: int
    applied_index: int
    journal_bytes: int
    base_index: int = 0  # entries up to it are in a snapshot, not in this node's journal
    stale_frames: int = 0  # claims of authority from an older term or date that were dropped
    room: str = ROOM_AMPLE  # or "low", or "reserve": then only what frees something may pass
    may_lead: bool = True  # False: `set_may_lead(False)`, or still joining
    is_joining: bool = False  # a new identity that has not caught up yet: it does not vote
    is_transferring: bool = False  # a leader that is handing over: it takes no proposals
    installing: int = 0  # log index of the snapshot that is being received, 0: none
    trading_date: int = 0  # the newest this node knows of, YYYYMMDD


@dataclass(frozen=True, slots=True)
class SnapshotOffer:
    """A whole snapshot file that may be sent to a follower; it may be removed meanwhile."""

    log_index: int
    path: Path
    file_bytes: int


class SnapshotSource(Protocol):
    """Where the log gets a snapshot from when a follower needs what is in no journal."""

    def newest(self) -> SnapshotOffer | None:
        """The newest durable snapshot of this node. Called from inside `tick`; must not block."""


OnInstalled = Callable[[int, Path], None]
"""log_index, path: a snapshot from the leader is durable under `path`, and this node's journal
begins behind it. Called once, at the end of a `tick`; from then on the log does nothing until its
owner has closed it and starts itself anew from the snapshot.
"""

OnCommit = Callable[[int, int, bytes], None]  # log_index, term, entry; must not raise
OnSkip = Callable[[int], None]  # log_index of an entry that is the library's own (no-op)


class ReplicatedLog(Protocol):
    """A log of opaque entries agreed by a majority, each of which has it on disk."""

    def propose(self, entry: bytes) -> bool:
        """Append as leader. False: not accepting; the entry is nowhere. True promises nothing
        but a place in this leader's log: only `on_commit` says that it happened.
        """

    def pending(self) -> int:
        """Entries proposed by this leader and not yet committed."""

    def tick(self) -> None:
        """Elections, heartbeats, sending, sync and commit; calls `on_commit` in log order."""

    def fds(self) -> list[tuple[int, bool, bool]]:
        """Descriptors to poll: (fd, want_read, want_write)."""

    def on_ready(self, fd: int, *, readable: bool, writable: bool) -> None:
        """A descriptor of `fds()` is ready."""

    def next_deadline_s(self) -> float:
        """Seconds until `tick` must run though nothing became readable."""

    def status(self) -> LogStatus:
        """Role, term and indexes."""

    def transfer(self, to: str | None) -> str:
        """Hand leadership to `to`, or to the most up-to-date follower. "" means that it has begun
        (no proposals are taken meanwhile; after an election time-out without success this leader
        goes on); anything else says why not.
        """

    def set_may_lead(self, may_lead: bool) -> None:  # noqa: FBT001  # a state, not an option
        """False: this node does not campaign, and hands over if it leads."""

    def set_storage_ok(self, is_ok: bool) -> None:  # noqa: FBT001  # a state, not an option
        """False: the owner's own files have no room either; the same as a journal without room."""

    def note_trading_date(self, trading_date: int) -> None:
        """The owner's applied state has this date (YYYYMMDD); an older one changes nothing."""

    def archive(self, folder: Path, up_to_index: int) -> list[Path]:
        """Move whole segments whose every entry is <= `up_to_index` to `folder`; a snapshot at or
        behind the next entry must be durable on this node. Returns where they are now.
        """

    def read(self, from_index: int, count: int) -> list[tuple[int, int, bytes]]:
        """Committed entries (log_index, term, entry) from the journal, the library's own left
        out.
        """

    def close(self) -> None:
        """Sync what must be synced and close every descriptor."""
