"""What the venue needs from any replicated log; the wall round the library behind it.

Called by the node's loop. Bytes and integers cross this border, nothing with a class. The log
calls back from inside `tick` and `on_readable` only, on the caller's thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


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

    def read(self, from_index: int, count: int) -> list[tuple[int, int, bytes]]:
        """Committed entries (log_index, term, entry) from the journal, the library's own left
        out.
        """

    def close(self) -> None:
        """Sync what must be synced and close every descriptor."""
