"""The replicated log of port.py on top of PySyncObj, a disk journal and authenticated links.

Called by the node's loop: poll `fds`, `on_ready`, `tick`. Promises: an entry is handed to
`on_commit` once, in order, after a majority has it on disk, this node included; nothing that
promises durability leaves before the fdatasync that makes it true; a library other than the
reviewed one is not started. Decisions are made in raft_rules.py, the library's seams are in
raft_core.py (docs/protocols/raft_link.md, docs/adr/0011).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from oms import bounds
from oms.replication.errors import Report, die, report_to_stderr
from oms.replication.journal import DiskJournal
from oms.replication.port import LogStatus, OnCommit, OnInstalled, OnSkip, SnapshotSource
from oms.replication.raft_core import (
    LEADER,
    RAW,
    ROLES,
    TIMEOUT_MAX_S,
    OnFatal,
    RaftParts,
    prepare_library,
)
from oms.replication.raft_rules import STALL_S, RaftRules
from oms.replication.raft_transport import RaftTransport, RankedNode
from oms.replication.snapshot_receiver import SnapshotReceiver, finish, intended
from oms.replication.standing import Standing

OnRoleChange = Callable[[LogStatus], None]

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
        prepare_library(clock)
        self._clock = clock
        self._node_id = node_id
        self._on_role_change = on_role_change
        self._on_installed = on_installed
        self._frames = Standing()
        self._folder = folder
        report = report or report_to_stderr(node_id)
        self._journal = _open_journal(
            folder, cluster_id=cluster_id, node_id=node_id, start_index=start_index,
            segment_bytes=segment_bytes, memory_bytes_max=memory_bytes_max, on_fatal=on_fatal,
        )  # fmt: skip
        nodes = [RankedNode(name, rank) for rank, name in enumerate(sorted(addresses))]
        own = next(node for node in nodes if node.node_id == node_id)
        peers = [node for node in nodes if node.node_id != node_id]
        try:
            self._transport = RaftTransport(
                own, peers, addresses, cluster_id=cluster_id, key=key, clock=clock,
                report=report, standing=self._frames,
            )  # fmt: skip
        except BaseException:
            self._journal.close()
            raise
        receiver = None
        if snapshot_folder is not None and on_installed is not None:
            receiver = SnapshotReceiver(
                snapshot_folder, self._journal, folder, cluster_id=cluster_id, report=report,
                on_fatal=on_fatal,
            )  # fmt: skip
        parts = RaftParts(
            own, peers, self._transport, self._journal, self._frames, clock, seed,
            start_index, on_commit, on_skip, on_fatal,
        )  # fmt: skip
        self._core = RaftRules(parts, report=report, source=snapshot_source, receiver=receiver)
        self._due_s = clock()  # when the next tick had to come, as the caller was told
        self._told = self._standing()

    def propose(self, entry: bytes) -> bool:
        """Append as leader; sent and synced by the `tick` that follows. False: not accepting
        (not leader, its first entry not applied yet, or the disk has no room).
        """
        if not 0 < len(entry) <= bounds.BATCH_BYTES_MAX:
            message = f"an entry of {len(entry)} bytes"
            raise ValueError(message)
        return self._core.append(RAW + entry)

    def pending(self) -> int:
        """Entries proposed by this leader and not yet committed."""
        core = self._core
        return self._journal.last_index - core.commit_index if core.role == LEADER else 0

    def tick(self) -> None:
        """Elections, heartbeats, sending, sync and commit; calls `on_commit` in log order."""
        now = self._clock()
        if now > self._due_s + STALL_S:
            self._transport.drain()
            self._core.resume(now)
        self._transport.tick()
        self._core.step(now)
        if self._on_role_change is not None and self._standing() != self._told:
            self._told = self._standing()
            self._on_role_change(self.status())
        self._due_s = now + self.next_deadline_s()
        installed = self._core.installed
        if installed is not None and self._on_installed is not None:
            on_installed, self._on_installed = self._on_installed, None
            on_installed(*installed)

    def fds(self) -> list[tuple[int, bool, bool]]:
        """Descriptors to poll: (fd, want_read, want_write)."""
        return self._transport.fds()

    def on_ready(self, fd: int, *, readable: bool, writable: bool) -> None:
        """A descriptor of `fds()` is ready."""
        self._transport.on_ready(fd, readable=readable, writable=writable)

    def next_deadline_s(self) -> float:
        """Seconds until `tick` must run though nothing became readable."""
        at = min(self._core.next_deadline_s(), self._transport.next_deadline_s())
        return min(max(0.0, at - self._clock()), TIMEOUT_MAX_S)

    def status(self) -> LogStatus:
        """Role, term and indexes."""
        core = self._core
        return LogStatus(
            node_id=self._node_id,
            role=ROLES[core.role],
            term=core.term,
            leader_id=core.leader_id,
            is_accepting=core.is_accepting,
            last_index=self._journal.last_index,
            commit_index=core.commit_index,
            applied_index=core.applied_index,
            journal_bytes=self._journal.bytes_used,
            base_index=self._journal.base_index,
            stale_frames=core.stale_frames,
            room=core.room_name,
            may_lead=core.may_lead,
            is_joining=core.is_joining,
            is_transferring=core.is_transferring,
            installing=core.installing,
            trading_date=self._frames.trading_date,
        )

    def transfer(self, to: str | None) -> str:
        """Hand leadership over; "" means begun, anything else says why not."""
        return self._core.transfer(to)

    def set_may_lead(self, may_lead: bool) -> None:  # noqa: FBT001  # a state, not an option
        """False: this node does not campaign, and hands over if it leads."""
        self._core.set_may_lead(may_lead=may_lead)

    def set_storage_ok(self, is_ok: bool) -> None:  # noqa: FBT001  # a state, not an option
        """False: the owner's own files have no room: as if the journal had none."""
        self._core.is_storage_ok = is_ok

    def note_trading_date(self, trading_date: int) -> None:
        """The owner's applied state has this date."""
        self._frames.note_date(trading_date)

    def archive(self, folder: Path, up_to_index: int) -> list[Path]:
        """Move whole segments to `folder`; call again until none moves."""
        if self._core.installed is not None:
            return []
        return self._journal.archive(folder, min(up_to_index, self._core.applied_index))

    def read(self, from_index: int, count: int) -> list[tuple[int, int, bytes]]:
        """Committed entries (log_index, term, entry) from the journal, the library's own left
        out; what is before its base is in no journal of this node.
        """
        first = max(from_index, self._journal.first_index)
        count = min(from_index + count, self._core.commit_index + 1) - first
        entries = self._journal.entries(first, max(0, count), _FOREVER)
        return [(index, term, raw[1:]) for raw, index, term in entries if raw[:1] == RAW]

    def close(self, *, clean: bool = True) -> None:
        """Sync what must be synced and close every descriptor. `clean=False` leaves the files as
        a killed process would (tests).
        """
        self._transport.destroy()
        self._core.close()
        self._journal.close(clean=clean)

    def _standing(self) -> tuple[int, int, str | None, bool]:
        core = self._core
        return core.role, core.term, core.leader_id, core.is_accepting


def _open_journal(
    folder: Path,
    *,
    cluster_id: int,
    node_id: str,
    start_index: int,
    segment_bytes: int,
    memory_bytes_max: int,
    on_fatal: OnFatal,
) -> DiskJournal:
    """The journal, behind the snapshot whose installation a crash may have interrupted.

    Raises: as DiskJournal.open.
    """
    intent = intended(folder, cluster_id)
    if intent is not None:
        journal = DiskJournal(
            folder, cluster_id=cluster_id, node_id=node_id, segment_bytes=segment_bytes,
            memory_bytes_max=memory_bytes_max, on_fatal=on_fatal,
        )  # fmt: skip
        finish(journal, folder, start_index, cluster_id)
        journal.close()
    return DiskJournal.open(
        folder, cluster_id=cluster_id, node_id=node_id, start_index=start_index,
        segment_bytes=segment_bytes, memory_bytes_max=memory_bytes_max, on_fatal=on_fatal,
    )  # fmt: skip
