"""The snapshots in a node's folder, looked at and changed while the node does not run.

Called by `oms snapshot list`, `verify` and `restore`. Promises: looking changes nothing; a restore
is refused unless the snapshot is of this cluster, the node is stopped and its own log makes exactly
that state; what a restore replaces is moved into `set-aside/` beside it, never removed.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from oms.bounds import EVENT_BYTES
from oms.config import SettingsError
from oms.node import skip_orders
from oms.node.engine import make_engine
from oms.node.event_file import EVENTS, AllEvents, seq_at
from oms.node.log_replay import LogReplay
from oms.replication import snapshot_file
from oms.replication.journal_reader import JournalReader, OnProgress, no_progress
from oms.replication.snapshot_file import Snapshot, SnapshotDamaged

SET_ASIDE: Final = "set-aside"
_MAKING: Final = "events.log.making"  # a start does not look at it
_READ: Final = "docs/operating.md, Snapshots"


class NodeFolder(msgspec.Struct, frozen=True):
    """Whose folder it is, from the node's settings."""

    path: Path
    node_id: str
    cluster_id: int
    engine: str  # as in NodeSettings

    @property
    def snapshots(self) -> Path:
        """Where its snapshots are."""
        return self.path / "snapshots"

    @property
    def journal(self) -> Path:
        """Where its log is."""
        return self.path / "journal"

    @property
    def events(self) -> Path:
        """Its event log."""
        return self.path / EVENTS


class SnapshotView(msgspec.Struct, frozen=True):
    """One file: what it says, and `fault` when it cannot be used."""

    node_id: str
    file: str
    log_index: int
    event_seq: int
    digest: str
    file_bytes: int
    written_ns: int
    fault: str = ""


class Restored(msgspec.Struct, frozen=True):
    """What a restore did; names of files, relative to the node's folder."""

    log_index: int
    digest: str
    file: str
    set_aside: list[str]
    are_events_rebuilt: bool


def load_all(folder: NodeFolder) -> tuple[list[SnapshotView], list[Snapshot]]:
    """Every snapshot file, newest first, and of those that are whole what they hold."""
    views: list[SnapshotView] = []
    whole: list[Snapshot] = []
    for path in snapshot_file.newest_first(folder.snapshots):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # a running node removed it: it keeps a few only
        try:
            snapshot = _read(path, folder.cluster_id)
        except (SnapshotDamaged, OSError) as error:
            views.append(_view(folder, path, None, stat, str(error)))
            continue
        views.append(_view(folder, path, snapshot, stat, ""))
        whole.append(snapshot)
    return views, whole


def faults(folder: NodeFolder, snapshot: Snapshot) -> list[str]:
    """Restore it into an engine: does it say of itself what is true? In words, none if so."""
    engine = make_engine(folder.engine)
    try:
        engine.restore(bytes(snapshot.state))
    except ValueError as error:
        return [f"its state cannot be restored: {error}"]
    found = [
        f"{name} {said} in its header, {is_so} in its state"
        for name, said, is_so in (
            ("log index", snapshot.log_index, engine.applied_index),
            ("event_seq", snapshot.event_seq, engine.event_seq),
            ("digest", f"{snapshot.digest:016x}", f"{engine.digest():016x}"),
        )
        if said != is_so
    ]
    crc = _events_crc(folder, snapshot)
    if crc is None:
        found.append(f"{EVENTS} ends before event {snapshot.event_seq}, which it relies on")
    elif crc != snapshot.events_crc:
        found.append(f"{EVENTS} up to event {snapshot.event_seq} is not what it was")
    return found


def restore(folder: NodeFolder, source: Path, *, on_progress: OnProgress = no_progress) -> Restored:
    """Make the next start of the node begin from `source`. Raises: SettingsError."""
    with stopped(folder):
        snapshot = _load(source, folder)
        if _events_crc(folder, snapshot) == snapshot.events_crc:
            _prove(folder, source, snapshot, on_progress=on_progress, events=None)
            return _place(folder, source, snapshot, None)
        making = folder.path / _MAKING
        try:
            with making.open("wb") as events:
                _prove(folder, source, snapshot, on_progress=on_progress, events=events)
                events.flush()
                os.fsync(events.fileno())
            return _place(folder, source, snapshot, making)
        finally:
            making.unlink(missing_ok=True)


@contextlib.contextmanager
def stopped(folder: NodeFolder) -> Iterator[None]:
    """Hold the lock that a running node holds. Raises: SettingsError."""
    try:
        fd = os.open(folder.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SettingsError(
            what=f"cannot use the folder {folder.path}",
            why=error.strerror or str(error),
            do="name a node of this venue with --node",
            read=_READ,
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                what=f"node {folder.node_id} runs",
                why="another process holds the lock of its folder",
                do="stop it first; the other nodes go on",
                read=_READ,
            ) from error
        yield
    finally:
        os.close(fd)


def _load(source: Path, folder: NodeFolder) -> Snapshot:
    try:
        return _read(source, folder.cluster_id)
    except SnapshotDamaged as error:
        why = str(error)
    except OSError as error:
        why = f"{source}: {error.strerror or error}"
    raise _refused(why, "take another snapshot; `oms snapshot list` shows which are valid")


def _prove(
    folder: NodeFolder,
    source: Path,
    snapshot: Snapshot,
    *,
    on_progress: OnProgress,
    events: BinaryIO | None,
) -> None:
    """This node's own log must make that state, or its next votes would speak of another log."""
    with JournalReader(
        folder.journal, cluster_id=folder.cluster_id, node_id=folder.node_id
    ) as reader:
        if snapshot.log_index > reader.last_index:
            damage = "" if reader.damage is None else f" ({reader.damage})"
            raise _refused(
                f"{source.name} is of log index {snapshot.log_index}, the log of "
                f"{folder.node_id} ends at {reader.last_index}{damage}",
                "let the node catch up from the others first; it needs no snapshot for that",
            )
        if snapshot.log_index < reader.base_index:
            raise _refused(
                f"{source.name} is of log index {snapshot.log_index}, the log of {folder.node_id} "
                f"begins behind {reader.base_index}",
                "take a newer one",
            )
        begin = _begin(folder, reader.base_index, snapshot)
        if events is not None and begin and begin[0].event_seq > snapshot.events_base:
            raise _refused(
                f"the log of {folder.node_id} can be replayed from event {begin[0].event_seq + 1} "
                f"on, and the day's outputs begin at {snapshot.events_base + 1}",
                "take the newest snapshot; what a start lacks it fetches from the other nodes",
            )
        replay = LogReplay(
            make_engine(folder.engine),
            snapshots=[*begin, snapshot],
            spare=make_engine(folder.engine),
            on_events=None if events is None else _Behind(snapshot.events_base, events).write,
            skips=skip_orders.load(folder.path),
        )
        report = replay.run(reader, until=snapshot.log_index, on_progress=on_progress)
    if report.differences:
        found = "; ".join(f"{item.place}: {item.text}" for item in report.differences)
        raise _refused(
            f"the log of {folder.node_id} does not make what is in {source.name}: {found}",
            "keep both; `oms log verify` on every node shows which one differs",
        )


def _place(folder: NodeFolder, source: Path, snapshot: Snapshot, events: Path | None) -> Restored:
    """Outputs first, then the snapshot, then the newer ones go: after a crash between the steps
    the node starts from one or the other.
    """
    moved: list[str] = []
    if events is not None:
        if folder.events.exists():
            moved.append(_set_aside(folder, folder.events))
        events.rename(folder.events)
        snapshot_file.sync_folder(folder.path)
    folder.snapshots.mkdir(exist_ok=True)
    place = snapshot_file.path_of(folder.snapshots, snapshot.log_index)
    newest_first = snapshot_file.newest_first(folder.snapshots)
    if place not in newest_first or not place.samefile(source):
        if place in newest_first:
            moved.append(_set_aside(folder, place))
        snapshot_file.write(folder.snapshots, snapshot)
    moved += [_set_aside(folder, path) for path in newest_first if path.name > place.name]
    snapshot_file.sync_folder(folder.snapshots)
    return Restored(
        log_index=snapshot.log_index,
        digest=f"{snapshot.digest:016x}",
        file=str(place.relative_to(folder.path)),
        set_aside=moved,
        are_events_rebuilt=events is not None,
    )


def _set_aside(folder: NodeFolder, path: Path) -> str:
    """Move a file out of the node's sight; returns its new name."""
    aside = folder.path / SET_ASIDE
    aside.mkdir(mode=0o700, exist_ok=True)
    number = 1
    while (aside / f"{path.name}.{number}").exists():
        number += 1
    target = aside / f"{path.name}.{number}"
    path.rename(target)
    snapshot_file.sync_folder(aside)
    return str(target.relative_to(folder.path))


def _read(path: Path, cluster_id: int) -> Snapshot:
    snapshot = snapshot_file.read(path)
    if snapshot.cluster_id != cluster_id:
        raise SnapshotDamaged(
            f"{path.name}: of cluster {snapshot.cluster_id:016x}, not of {cluster_id:016x}"
        )
    return snapshot


def _events_crc(folder: NodeFolder, snapshot: Snapshot) -> int | None:
    try:
        events = AllEvents(folder.events)
    except OSError:
        return None
    with contextlib.closing(events):
        return events.crc(snapshot.events_base, snapshot.event_seq)


def _begin(folder: NodeFolder, base_index: int, snapshot: Snapshot) -> list[Snapshot]:
    """The snapshot that a replay of what is left of the log begins from; none for a whole log."""
    if base_index == 0:
        return []
    known = [item for item in load_all(folder)[1] if item.log_index >= base_index]
    return [min([*known, snapshot], key=lambda item: item.log_index)]


class _Behind:
    """Writes the records behind a number."""

    def __init__(self, event_seq: int, file: BinaryIO) -> None:
        self._event_seq = event_seq
        self._file = file

    def write(self, data: bytes) -> None:
        """Records of one entry."""
        first = seq_at(data)
        self._file.write(data[max(0, self._event_seq + 1 - first) * EVENT_BYTES :])


def _view(
    folder: NodeFolder,
    path: Path,
    snapshot: Snapshot | None,
    stat: os.stat_result,
    fault: str,
) -> SnapshotView:
    stem = path.name.partition(".")[0]
    return SnapshotView(
        node_id=folder.node_id,
        file=path.name,
        log_index=_index_of(stem) if snapshot is None else snapshot.log_index,
        event_seq=0 if snapshot is None else snapshot.event_seq,
        digest="" if snapshot is None else f"{snapshot.digest:016x}",
        file_bytes=stat.st_size,
        written_ns=stat.st_mtime_ns,
        fault=fault,
    )


def _index_of(stem: str) -> int:
    try:
        return int(stem, 16)
    except ValueError:
        return 0


def _refused(why: str, do: str) -> SettingsError:
    return SettingsError(what="the snapshot is not restored", why=why, do=do, read=_READ)
