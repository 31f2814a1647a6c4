"""When a snapshot is taken and which one a restart begins from.

Called by the composition root (`restore_newest`) and by the loop (`is_due`, `start`, `finish`). A
helper thread writes and syncs; the loop's thread only copies the state. Nodes take turns, and the
leader waits until it is a whole period late, because the copy makes its clients wait.
"""

import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from oms.bounds import SNAPSHOT_EVERY_ENTRIES, SNAPSHOTS_KEPT
from oms.messages import link
from oms.node import affinity
from oms.node.engine import Engine
from oms.node.event_log import EventLog
from oms.process_log import Log
from oms.replication import snapshot_file
from oms.replication.snapshot_file import Snapshot, SnapshotDamaged


def restore_newest(
    folder: Path, *, engine: Engine, event_log: EventLog, cluster_id: int, say: Log
) -> int:
    """Restore the newest snapshot that is whole and whose outputs are in the event log.

    Cuts the event log to it. Returns its log index; 0 when the whole log must be replayed.
    """
    for path in snapshot_file.newest_first(folder):
        try:
            snapshot = _read(path, cluster_id)
            _check_outputs(event_log, snapshot, path)
            engine.restore(snapshot.state)
        except (SnapshotDamaged, OSError, ValueError) as error:
            say.warning("snapshot_passed_over", file=path.name, reason=str(error))
            continue
        event_log.truncate(snapshot.event_seq)
        say.info("snapshot_restored", log_index=snapshot.log_index, event_seq=snapshot.event_seq)
        return snapshot.log_index
    event_log.truncate(0)
    return 0


def _read(path: Path, cluster_id: int) -> Snapshot:
    snapshot = snapshot_file.read(path)
    if snapshot.cluster_id != cluster_id:
        raise SnapshotDamaged(f"{path.name}: of cluster {snapshot.cluster_id:016x}")
    return snapshot


def _check_outputs(event_log: EventLog, snapshot: Snapshot, path: Path) -> None:
    """Clients are replayed from these bytes: one that changed would be told as the truth."""
    if not event_log.has(snapshot.event_seq):
        reason = f"the event log ends at {event_log.event_seq}, needed up to {snapshot.event_seq}"
        raise SnapshotDamaged(f"{path.name}: {reason}")
    if event_log.crc(snapshot.event_seq) != snapshot.events_crc:
        raise SnapshotDamaged(f"{path.name}: the event log's checksum is wrong")


@dataclass(slots=True)
class _Work:
    """One write by the helper thread; `error` and `done` are set by it, in that order."""

    snapshot: Snapshot
    started_ns: int
    error: str = ""
    done: bool = False


class Snapshots:
    """The snapshots of a running node."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: Engine,
        event_log: EventLog,
        cluster_id: int,
        turn: int,
        node_count: int,
        say: Log,
    ) -> None:
        """Bounds: `turn` of `node_count` is this node's place in the rotation."""
        self._folder = folder
        self._engine = engine
        self._event_log = event_log
        self._cluster_id = cluster_id
        self._say = say
        self._cores = affinity.available()
        self._work: _Work | None = None
        self._thread: threading.Thread | None = None
        self._wakeup_fd = -1
        offset = turn * SNAPSHOT_EVERY_ENTRIES // node_count
        self._next = _next_after(engine.applied_index, offset)
        self._offset = offset

    def wake_by(self, fd: int) -> None:
        """A pipe to write a byte to when a write is done."""
        self._wakeup_fd = fd

    @property
    def is_writing(self) -> bool:
        """One is being written, or waits for `finish`."""
        return self._work is not None

    def is_due(self, *, is_leading: bool) -> bool:
        """Time to call `start`."""
        if self.is_writing:
            return False
        patience = SNAPSHOT_EVERY_ENTRIES if is_leading else 0
        return self._engine.applied_index >= self._next + patience

    def start(self) -> None:
        """Copy the state and hand it to the helper thread."""
        started_ns = time.monotonic_ns()
        self._next = _next_after(self._engine.applied_index, self._offset)
        self._event_log.flush()
        self._work = _Work(self._copy(), started_ns)
        self._thread = threading.Thread(
            target=self._write, args=(self._work,), name="snapshot", daemon=True
        )
        copied_ns = time.monotonic_ns()
        self._thread.start()
        self._say.info(
            "snapshot_started",
            log_index=self._work.snapshot.log_index,
            bytes=len(self._work.snapshot.state),
            copy_us=(copied_ns - started_ns) // 1_000,
        )

    def _copy(self) -> Snapshot:
        engine = self._engine
        return Snapshot(
            cluster_id=self._cluster_id,
            log_index=engine.applied_index,
            event_seq=engine.event_seq,
            digest=engine.digest(),
            state=engine.snapshot(),
        )

    def _write(self, work: _Work) -> None:
        """On the helper thread: the outputs it relies on, then the snapshot."""
        affinity.unpin(self._cores)
        try:
            os.fdatasync(self._event_log.fileno())
            events_crc = self._event_log.crc(work.snapshot.event_seq)
            snapshot_file.write(self._folder, replace(work.snapshot, events_crc=events_crc))
            snapshot_file.prune(self._folder, SNAPSHOTS_KEPT)
        except OSError as error:
            work.error = str(error)
        work.done = True
        if self._wakeup_fd >= 0:
            os.write(self._wakeup_fd, b"s")

    def finish(self) -> link.SnapshotMade | link.Refusal | None:
        """Take note of a write that is done, and say what came of it; None while there is none.

        A failed one costs a longer replay, nothing else.
        """
        work, thread = self._work, self._thread
        if work is None or thread is None or not work.done:
            return None
        thread.join()
        self._work = self._thread = None
        if work.error:
            self._say.error("snapshot_failed", reason=work.error)
            return link.Refusal(f"the snapshot could not be written: {work.error}")
        snapshot = work.snapshot
        self._say.info(
            "snapshot_written",
            log_index=snapshot.log_index,
            took_ms=(time.monotonic_ns() - work.started_ns) // 1_000_000,
        )
        return link.SnapshotMade(
            log_index=snapshot.log_index,
            event_seq=snapshot.event_seq,
            digest=f"{snapshot.digest:016x}",
            state_bytes=len(snapshot.state),
            file=snapshot_file.path_of(self._folder, snapshot.log_index).name,
        )

    def stop(self, *, is_last_wanted: bool = True) -> None:
        """At the end: wait for the write in progress, then write the last state if wanted."""
        self._join()
        newest = snapshot_file.newest_first(self._folder)[:1]
        current = snapshot_file.path_of(self._folder, self._engine.applied_index)
        if is_last_wanted and newest != [current]:
            self.start()
            self._join()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self.finish()


def _next_after(log_index: int, offset: int) -> int:
    """First index above `log_index` at which it is this node's turn."""
    every = SNAPSHOT_EVERY_ENTRIES
    return log_index - (log_index - offset) % every + every
