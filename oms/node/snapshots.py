"""When a snapshot is taken, and how it comes to the disk.

Called by the loop (`is_due`, `start`, `finish`) and at a change of the trading day (`copy`,
`start_day`). A helper thread writes and syncs; the loop's thread only sees to the copy of the state
(state_copy.py). Nodes take turns, and the leader waits until it is a whole period late: a copy
makes its clients wait for some milliseconds. While outputs are being fetched there are none: what a
snapshot says of them is not known.
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
from oms.node.event_file import EventFile
from oms.node.event_log import EventLog
from oms.node.state_copy import StateCopy, copy_state
from oms.process_log import Log
from oms.replication import snapshot_file
from oms.replication.port import SnapshotOffer
from oms.replication.snapshot_file import Snapshot


@dataclass(slots=True)
class Taken:
    """A snapshot that is in the making; the helper thread, or whoever drops it, ends that."""

    snapshot: Snapshot  # without its state until `copy` is there
    copy: StateCopy | None  # None: it is

    def complete(self) -> Snapshot:
        """With its state. Any thread. Raises: OSError when that could not be made."""
        if self.copy is not None:
            copy, self.copy = self.copy, None
            self.snapshot = replace(self.snapshot, state=copy.wait())
        return self.snapshot

    def drop(self) -> None:
        """It is not wanted after all."""
        if self.copy is not None:
            self.copy.drop()
            self.copy = None


@dataclass(slots=True)
class _Work:
    """One write by the helper thread; `error` and `done` are set by it, in that order."""

    taken: Taken
    outputs: EventFile
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
        events_base: int = 0,
        eve_index: int = 0,
        events_crc: int = 0,
    ) -> None:
        """Bounds: `turn` of `node_count` is this node's place in the rotation. `events_base` and
        `eve_index` are the restored day's: where its outputs begin, and its eve's snapshot;
        `events_crc` is of its outputs up to where the event log stands.
        """
        self._folder = folder
        self._engine = engine
        self._event_log = event_log
        self._cluster_id = cluster_id
        self._say = say
        self._cores = affinity.available()
        self._work: _Work | None = None
        self._thread: threading.Thread | None = None
        self._wakeup_fd = -1
        self._events_base = events_base
        self._eve: Taken | None = None  # waits to be written
        self._state_bytes = 0  # of the last one
        self.eve_index = eve_index  # of the day's eve, once it is durable; else 0
        event_log.day_crc = events_crc
        self._newest: SnapshotOffer | None = None
        self._look_for_newest()
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

    @property
    def is_eve_waiting(self) -> bool:
        """The copy of a day's eve is to be written before any other."""
        return self._eve is not None

    def is_due(self, *, is_leading: bool) -> bool:
        """Time to call `start`."""
        if self.is_writing or self._event_log.missing:
            return False
        if self._eve is not None:
            return True
        patience = SNAPSHOT_EVERY_ENTRIES if is_leading else 0
        return self._engine.applied_index >= self._next + patience

    def start(self) -> None:
        """Copy the state (or take the copy of the day's eve) and hand it to the helper thread."""
        started_ns = time.monotonic_ns()
        taken, self._eve = self._eve, None
        if taken is None:
            self._next = _next_after(self._engine.applied_index, self._offset)
            taken = self.copy()
        self._work = _Work(taken, self._event_log.file(), started_ns)
        self._thread = threading.Thread(
            target=self._write, args=(self._work,), name="snapshot", daemon=True
        )
        copied_ns = time.monotonic_ns()
        self._thread.start()
        self._say.info(
            "snapshot_started",
            log_index=taken.snapshot.log_index,
            copy_us=(copied_ns - started_ns) // 1_000,
        )

    def copy(self) -> Taken:
        """The state now, in memory, or on its way there."""
        engine = self._engine
        snapshot = Snapshot(
            cluster_id=self._cluster_id,
            log_index=engine.applied_index,
            event_seq=engine.event_seq,
            digest=engine.digest(),
            state=b"",
            events_base=self._events_base,
            events_crc=self._event_log.day_crc,
        )
        return Taken(snapshot, copy_state(engine, self._state_bytes))

    def start_day(self, eve: Taken) -> None:
        """A trading day began; `eve` is the state before. It will be written first, and kept."""
        self._events_base = eve.snapshot.event_seq
        self._event_log.day_crc = 0
        eve.snapshot = replace(eve.snapshot, events_base=self._events_base, events_crc=0)
        if self._eve is not None:
            self._eve.drop()  # of a day that ended before its eve could be written
        self._eve = eve
        self.eve_index = 0

    def _write(self, work: _Work) -> None:
        """On the helper thread: the outputs it relies on, then the snapshot."""
        affinity.unpin(self._cores)
        try:
            snapshot = work.taken.complete()
            work.outputs.sync()
            if work.outputs.has(snapshot.event_seq):
                snapshot_file.write(self._folder, snapshot)
                is_eve = snapshot.event_seq == snapshot.events_base
                spared = snapshot.log_index if is_eve else self.eve_index
                snapshot_file.prune(self._folder, SNAPSHOTS_KEPT, spared)
            else:
                work.error = f"the event log ends before event {snapshot.event_seq}"
        except OSError as error:
            work.error = str(error)
        work.outputs.close()
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
        snapshot = work.taken.snapshot
        self._state_bytes = len(snapshot.state)
        is_eve = 0 < snapshot.events_base == snapshot.event_seq == self._events_base
        if work.error:
            self._say.error("snapshot_failed", reason=work.error)
            if is_eve and self._eve is None and snapshot.state:
                self._eve = work.taken  # it cannot be made again: tried until it is durable
            return link.Refusal(f"the snapshot could not be written: {work.error}")
        if is_eve:
            self.eve_index = snapshot.log_index
        self._look_for_newest()
        self._say.info(
            "snapshot_written",
            log_index=snapshot.log_index,
            bytes=len(snapshot.state),
            took_ms=(time.monotonic_ns() - work.started_ns) // 1_000_000,
        )
        return link.SnapshotMade(
            log_index=snapshot.log_index,
            event_seq=snapshot.event_seq,
            digest=f"{snapshot.digest:016x}",
            state_bytes=len(snapshot.state),
            file=snapshot_file.path_of(self._folder, snapshot.log_index).name,
        )

    def newest(self) -> SnapshotOffer | None:
        """The newest durable one, for a follower that is far behind (`port.SnapshotSource`)."""
        return self._newest

    def _look_for_newest(self) -> None:
        for path in snapshot_file.newest_first(self._folder):
            try:
                log_index = int(path.name.partition(".")[0], 16)
                self._newest = SnapshotOffer(log_index, path, path.stat().st_size)
            except (ValueError, FileNotFoundError):
                continue  # somebody else's file, or taken away meanwhile
            return

    def stop(self, *, is_last_wanted: bool = True) -> None:
        """At the end: wait for the write in progress, then write the last state if wanted."""
        self._join()
        if self._event_log.missing:
            return
        if self._eve is not None:
            self.start()
            self._join()
            self._eve = None  # if it could not be written: the next start makes it again
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
