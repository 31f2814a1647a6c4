"""The node's process with places to die at: `python -m oms.chaos.fault_node --settings node.toml`.

Started by the arena in place of `oms.node.main`. It is the product's node; a few of its functions
are wrapped so that they look at the switch (`switch.py`) on their way, its clock is wrong by what
the switch says, its segments are small, so that journals go on to the next one often, and a process
beside it copies the state for every snapshot, as if that were large. The product itself cannot be
told to die, and pays nothing for this.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from oms.chaos.switch import Blow, Place, Switch, path_of
from oms.node import state_copy
from oms.node.clock import Clock
from oms.node.egress import Egress
from oms.node.main import main
from oms.node.replica import Replica
from oms.replication import snapshot_file
from oms.replication.journal import DiskJournal
from oms.replication.journal_writer import JournalWriter
from oms.replication.raft_log import RaftLog

SEGMENT_BYTES: Final = 4 << 20
_IN_WRITE: Final = frozenset({Place.SEGMENT_BEGUN, Place.SEGMENT_READY, Place.SEGMENT_WANTED})

_P = ParamSpec("_P")
_R = TypeVar("_R")


def switch_of(arguments: list[str]) -> Switch:
    """The switch of the node with these arguments."""
    folder = Path(arguments[arguments.index("--settings") + 1]).parent
    return Switch(path_of(folder.parent, folder.name))


class WrongClock(Clock):
    """The machine's clock, and what the switch says."""

    def __init__(self) -> None:
        self._switch = switch_of(sys.argv)

    def now_ns(self) -> int:
        """Wrong by as much as the switch says."""
        return super().now_ns() + self._switch.skew_ns


class Places:
    """The product's functions, with a look at the switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._writing_snapshot = False
        self._full: JournalWriter | None = None  # whose next segment is being begun

    def reached(self, place: Place) -> None:
        """The node is there: if this place is armed, the node is struck."""
        if self._switch.place == place:
            blow = self._switch.blow
            self._switch.disarm()
            os.kill(os.getpid(), signal.SIGKILL if blow is Blow.KILL else signal.SIGSTOP)

    def install(self) -> None:
        """Wrap them, for good."""
        for owner, name, wrapped in (
            (RaftLog, "propose", self._propose(RaftLog.propose)),
            (JournalWriter, "sync", self._sync(JournalWriter.sync)),
            (JournalWriter, "write", self._write(JournalWriter.write)),
            (
                JournalWriter,
                "_next_segment",
                self._next_segment(JournalWriter._next_segment),  # noqa: SLF001
            ),
            (DiskJournal, "setCurrentTerm", self._vote(DiskJournal.setCurrentTerm)),
            (Replica, "on_commit", self._commit(Replica.on_commit)),
            (Egress, "flush", self._flush(Egress.flush)),
            (snapshot_file, "write", self._snapshot(snapshot_file.write)),
            (
                snapshot_file,
                "sync_folder",
                self._before(Place.SNAPSHOT_NAMED, snapshot_file.sync_folder),
            ),
            (os, "fsync", self._fsync(os.fsync)),
            (os, "fdatasync", self._fdatasync(os.fdatasync)),
        ):
            setattr(owner, name, wrapped)
        defaults = RaftLog.__init__.__kwdefaults__ or {}
        assert "segment_bytes" in defaults
        defaults["segment_bytes"] = SEGMENT_BYTES
        setattr(state_copy, "SNAPSHOT_COPY_BYTES_MAX", 0)  # noqa: B010  # a constant for mypy

    def _before(self, place: Place, function: Callable[_P, _R]) -> Callable[_P, _R]:
        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            self.reached(place)
            return function(*args, **kwargs)

        return wrapped

    # ---- the log

    def _propose(
        self, propose: Callable[[RaftLog, bytes], bool]
    ) -> Callable[[RaftLog, bytes], bool]:
        def wrapped(log: RaftLog, entry: bytes) -> bool:
            is_taken = propose(log, entry)
            if is_taken:
                self.reached(Place.PROPOSED)
            return is_taken

        return wrapped

    def _sync(self, sync: Callable[[JournalWriter], None]) -> Callable[[JournalWriter], None]:
        def wrapped(writer: JournalWriter) -> None:
            if not writer.is_dirty:
                return
            self.reached(Place.APPENDED)
            sync(writer)
            self.reached(Place.SYNCED)

        return wrapped

    def _vote(
        self, store: Callable[[DiskJournal, int, str | None], None]
    ) -> Callable[[DiskJournal, int, str | None], None]:
        def wrapped(journal: DiskJournal, term: int, voted_for: str | None) -> None:
            store(journal, term, voted_for)
            if voted_for is not None:
                self.reached(Place.VOTED)

        return wrapped

    def _commit(
        self, on_commit: Callable[[Replica, int, int, bytes], None]
    ) -> Callable[[Replica, int, int, bytes], None]:
        return self._before(Place.COMMITTED, on_commit)

    def _flush(self, flush: Callable[[Egress, int], None]) -> Callable[[Egress, int], None]:
        def wrapped(egress: Egress, timestamp_ns: int) -> None:
            if egress._pending:  # noqa: SLF001
                self.reached(Place.PUBLISHING)
            flush(egress, timestamp_ns)

        return wrapped

    # ---- segments

    def _write(self, write: Callable[_P, int]) -> Callable[_P, int]:
        """The next segment is begun, or asked for, before its time."""

        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> int:
            if self._switch.place in _IN_WRITE:
                writer = args[0]
                assert isinstance(writer, JournalWriter)
                if writer._is_next_ready(hurry=True):  # noqa: SLF001
                    writer._next_segment()  # noqa: SLF001
                elif self._switch.place == Place.SEGMENT_WANTED:
                    self._switch.disarm()
            return write(*args, **kwargs)

        return wrapped

    def _next_segment(
        self, begin: Callable[[JournalWriter], None]
    ) -> Callable[[JournalWriter], None]:
        def wrapped(writer: JournalWriter) -> None:
            self._full = writer
            begin(writer)
            self._full = None
            self.reached(Place.SEGMENT_READY)

        return wrapped

    def _fdatasync(self, fdatasync: Callable[[int], None]) -> Callable[[int], None]:
        def wrapped(descriptor: int) -> None:
            if self._full is not None and descriptor != self._full.fd:
                self.reached(Place.SEGMENT_BEGUN)
            fdatasync(descriptor)

        return wrapped

    # ---- snapshots, written by a thread of their own

    def _snapshot(self, write: Callable[_P, _R]) -> Callable[_P, _R]:
        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            self._writing_snapshot = True
            try:
                return write(*args, **kwargs)
            finally:
                self._writing_snapshot = False

        return wrapped

    def _fsync(self, fsync: Callable[[int], None]) -> Callable[[int], None]:
        def wrapped(descriptor: int) -> None:
            if self._writing_snapshot:
                self.reached(Place.SNAPSHOT_WRITTEN)
            fsync(descriptor)

        return wrapped


if __name__ == "__main__":
    Places(switch_of(sys.argv)).install()
    sys.exit(main(make_clock=WrongClock))
