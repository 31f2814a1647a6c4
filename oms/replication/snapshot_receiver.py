"""The follower's side of snapshot installation: the leader's file, written aside and checked.

Called by raft_rules.py. Promises: a copy has no holes (a piece is taken only where the copy ends);
it gets its name only when it is whole, every checksum is right and it is synced; a crash at any
step leaves either the log as it was or, once the file has its name, an intention (`installing` in
the journal's folder) that the next start carries out. No memory beyond a piece is taken.

`installing`, little endian: 0 8s magic   8 u64 cluster_id   16 u64 log_index   24 u64 log_term
32 u32 crc32 of 0..31.
"""

import errno
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from oms.replication import snapshot_file
from oms.replication.errors import Report
from oms.replication.journal import DiskJournal
from oms.replication.raft_messages import InstallSnapshot
from oms.replication.segment_maker import sync_folder

_INTENT: Final = struct.Struct("<8sQQQ")
_MAGIC: Final = b"QRINSTAL"
_CRC: Final = struct.Struct("<I")
_SYNC_EVERY_BYTES: Final = 4 << 20  # in small portions: the node also votes meanwhile
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Name(NamedTuple):
    """Which file it is: of two leaders, or two files of one, no bytes are mixed."""

    term: int
    log_index: int
    file_bytes: int


class SnapshotReceiver:
    """At most one copy on its way to this node."""

    def __init__(
        self,
        folder: Path,
        journal: DiskJournal,
        journal_folder: Path,
        *,
        cluster_id: int,
        report: Report,
        on_fatal: Callable[[str, str], NoReturn],
    ) -> None:
        """`folder` is where the node keeps its snapshots."""
        self._folder = folder
        self._aside = folder / "installing"
        self._journal = journal
        self._journal_folder = journal_folder
        self._cluster_id = cluster_id
        self._report = report
        self._on_fatal = on_fatal
        self._name: _Name | None = None
        self._fd = -1
        self._unsynced = 0
        self.next_offset = 0
        self._remove_aside()

    @property
    def log_index(self) -> int:
        """Of the snapshot that is being received, 0: none."""
        return self._name.log_index if self._name is not None else 0

    @property
    def is_complete(self) -> bool:
        """The copy has all its bytes; they are not checked yet."""
        return self._name is not None and self.next_offset == self._name.file_bytes

    def take(self, m: InstallSnapshot) -> None:
        """Add a piece if it is the next one. Raises: OSError (no space); nothing is left then."""
        name = _Name(m.term, m.log_index, m.file_bytes)
        if name != self._name:
            self.drop()
            if m.offset == 0:
                self._begin(name)
        is_next = name == self._name and m.offset == self.next_offset
        if not is_next or m.offset + len(m.data) > m.file_bytes:
            return
        try:
            self._write(m.data)
        except OSError as error:
            self._give_up(error)
            raise

    def install(self, log_term: int) -> Path | None:
        """Check the copy, give it its name and begin the journal behind it; the file's path, or
        None when it is not what it should be (then it is gone). Raises: OSError (no space).
        """
        name = self._name
        if name is None:
            return None
        path = self._path(name)
        try:
            os.fsync(self._fd)
            reason = self._fault(path, name)
            if reason:
                self._report("snapshot_refused", {"reason": reason})
                self.drop()
                return None
            _write_intent(self._journal_folder, self._cluster_id, name.log_index, log_term)
        except OSError as error:
            _remove_intent(self._journal_folder)
            self._give_up(error)
            raise
        final = self._folder / path.name
        try:
            path.rename(final)
            sync_folder(self._folder)
            self._journal.rebase(name.log_index, log_term)
            _remove_intent(self._journal_folder)
            self.drop()
        except OSError as error:  # half done: what the intention says is for the next start
            self._on_fatal("snapshot_io_error", str(error))
        return final

    def drop(self) -> None:
        """Forget the copy."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._name, self.next_offset, self._unsynced = -1, None, 0, 0
        self._remove_aside()

    # --- inside ---

    def _path(self, name: _Name) -> Path:
        return snapshot_file.path_of(self._aside, name.log_index)

    def _begin(self, name: _Name) -> None:
        try:
            self._aside.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._fd = os.open(self._path(name), flags, 0o600)
        except OSError as error:
            self._give_up(error)
            raise
        self._name = name

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, self.next_offset)
            self.next_offset += written
            self._unsynced += written
            view = view[written:]
        if self._unsynced >= _SYNC_EVERY_BYTES:
            os.fdatasync(self._fd)
            self._unsynced = 0

    def _fault(self, path: Path, name: _Name) -> str:
        try:
            snapshot = snapshot_file.check(path)
        except snapshot_file.SnapshotDamaged as error:
            return str(error)
        if snapshot.cluster_id != self._cluster_id:
            return f"{path.name} is of cluster {snapshot.cluster_id:016x}"
        return "" if snapshot.log_index == name.log_index else f"{path.name} is not what it says"

    def _give_up(self, error: OSError) -> None:
        """No space is for the caller to bear; any other error of a disk ends the process."""
        if error.errno not in _NO_SPACE:
            self._on_fatal("snapshot_io_error", str(error))
        self.drop()

    def _remove_aside(self) -> None:
        if self._aside.is_dir():
            for path in sorted(self._aside.iterdir()):
                path.unlink()


def intended(journal_folder: Path, cluster_id: int) -> tuple[int, int] | None:
    """(log_index, log_term) of an installation that a crash interrupted, if there is one."""
    try:
        data = (journal_folder / "installing").read_bytes()
    except FileNotFoundError:
        return None
    if len(data) != _INTENT.size + _CRC.size:
        return None
    if _CRC.unpack_from(data, _INTENT.size)[0] != zlib.crc32(data[: _INTENT.size]):
        return None
    magic, cluster, log_index, log_term = _INTENT.unpack_from(data)
    return (log_index, log_term) if (magic, cluster) == (_MAGIC, cluster_id) else None


def finish(journal: DiskJournal, journal_folder: Path, start_index: int, cluster_id: int) -> None:
    """Carry out what a crash interrupted, if the owner starts from that snapshot: then the file
    had its name, and the journal begins behind it. Else the intention came to nothing.
    """
    intent = intended(journal_folder, cluster_id)
    if intent is None:
        return
    if intent[0] == start_index > journal.base_index and not holds(journal, *intent):
        journal.rebase(*intent)
    _remove_intent(journal_folder)


def holds(journal: DiskJournal, log_index: int, log_term: int) -> bool:
    """Whether this log has that very entry, or begins right behind it."""
    return (
        journal.base_index <= log_index <= journal.last_index
        and journal.term_at(log_index) == log_term
    )


def _write_intent(journal_folder: Path, cluster_id: int, log_index: int, log_term: int) -> None:
    body = _INTENT.pack(_MAGIC, cluster_id, log_index, log_term)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = os.open(journal_folder / "installing", flags, 0o600)
    try:
        os.pwrite(fd, body + _CRC.pack(zlib.crc32(body)), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(journal_folder)


def _remove_intent(journal_folder: Path) -> None:
    (journal_folder / "installing").unlink(missing_ok=True)
    sync_folder(journal_folder)
