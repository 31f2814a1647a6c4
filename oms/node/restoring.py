"""Which snapshot a start begins from, and what becomes of the event log.

Called by the composition root, before anything else runs. Promises: a snapshot is taken only if it
is whole and this cluster's; its outputs are there byte for byte, or this node's own log makes them
again, or (only when that log begins too late for that) they are named as missing and fetched from
other nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oms.config import SettingsError
from oms.node.engine import Engine
from oms.node.event_file import ARCHIVE, EVENTS, EventFile, archived
from oms.node.event_log import EventLog
from oms.process_log import Log
from oms.replication import snapshot_file
from oms.replication.snapshot_file import Snapshot, SnapshotDamaged

LogBase = Callable[[], int]  # the log index that this node's journal begins behind


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the start begins; all 0: the whole log must be replayed."""

    log_index: int = 0
    event_seq: int = 0
    events_base: int = 0
    eve_index: int = 0  # of the snapshot of the day's eve, 0 when there is none
    events_crc: int = 0  # of the outputs (events_base, event_seq]
    missing_crc: int | None = None  # of the outputs that must be fetched; None: nothing lacks


def restore_newest(
    node: Path, *, engine: Engine, event_log: EventLog, cluster_id: int, log_base: LogBase, say: Log
) -> Restored:
    """Restore the newest snapshot in the node's folder that can be used, and cut the event log to
    it. Raises: SettingsError when the log begins behind every snapshot that is whole.
    """
    base: int | None = None
    for path in snapshot_file.newest_first(node / "snapshots"):
        try:
            snapshot = read(path, cluster_id)
            source = _source(node, snapshot, base or 0)
            engine.restore(bytes(snapshot.state))
        except (SnapshotDamaged, OSError, ValueError) as error:
            say.warning("snapshot_passed_over", file=path.name, reason=str(error))
            base = log_base() if base is None else base
            continue
        _cut(event_log, source, snapshot)
        say.info("snapshot_restored", log_index=snapshot.log_index, event_seq=snapshot.event_seq)
        return _restored(node, cluster_id, snapshot)
    base = log_base() if base is None else base
    if base == 0:
        event_log.begin_at(0)
        return Restored()
    return _without_outputs(node, engine, event_log, cluster_id, base, say)


def read(path: Path, cluster_id: int) -> Snapshot:
    """A snapshot of this cluster. Raises: SnapshotDamaged, OSError."""
    snapshot = snapshot_file.read(path)
    if snapshot.cluster_id != cluster_id:
        raise SnapshotDamaged(f"{path.name}: of cluster {snapshot.cluster_id:016x}")
    return snapshot


def _source(node: Path, snapshot: Snapshot, base_index: int) -> Path:
    """The event file that the snapshot relies on. Raises: SnapshotDamaged, when it cannot be
    started from with everything there.
    """
    if snapshot.log_index < base_index:
        raise SnapshotDamaged(f"{snapshot.log_index}: the log begins behind index {base_index}")
    source = _outputs(node, snapshot)
    if source is None:
        raise SnapshotDamaged(f"{snapshot.log_index}: its outputs are not all there as they were")
    return source


def _outputs(node: Path, snapshot: Snapshot) -> Path | None:
    """The file that holds the snapshot's outputs just as they were: the current one, or, after a
    crash at a change of day, the one that was put into the archive too early. Clients are replayed
    from these bytes: one that changed would be told as the truth.
    """
    base, event_seq = snapshot.events_base, snapshot.event_seq
    if event_seq == base:
        return node / EVENTS  # it needs none
    for path in (node / EVENTS, *archived(node)):
        try:
            file = EventFile.open(path)
        except FileNotFoundError:
            continue
        try:
            is_there = file.base <= base and file.has(event_seq)
            if is_there and file.crc(base, event_seq) == snapshot.events_crc:
                return path
        finally:
            file.close()
    return None


def _cut(event_log: EventLog, source: Path, snapshot: Snapshot) -> None:
    base, event_seq = snapshot.events_base, snapshot.event_seq
    if source.parent.parent.name == ARCHIVE:
        event_log.replace_by(source)
    if event_log.base <= base and event_log.event_seq >= event_seq > event_log.base:
        event_log.truncate(event_seq)
    else:
        event_log.begin_at(base)


def _restored(node: Path, cluster_id: int, snapshot: Snapshot, crc: int | None = None) -> Restored:
    return Restored(
        log_index=snapshot.log_index,
        event_seq=snapshot.event_seq,
        events_base=snapshot.events_base,
        events_crc=snapshot.events_crc,
        eve_index=_eve_index(node, cluster_id, snapshot.events_base),
        missing_crc=crc,
    )


def _eve_index(node: Path, cluster_id: int, events_base: int) -> int:
    """Log index of the snapshot of the day's eve: it has none of the day's outputs."""
    if not events_base:
        return 0  # the first day ever
    for path in reversed(snapshot_file.newest_first(node / "snapshots")):
        try:
            snapshot = read(path, cluster_id)
        except (SnapshotDamaged, OSError):
            continue
        if snapshot.event_seq == snapshot.events_base == events_base:
            return snapshot.log_index
    return 0


def _without_outputs(
    node: Path,
    engine: Engine,
    event_log: EventLog,
    cluster_id: int,
    base: int,
    say: Log,
) -> Restored:
    """The log cannot make them again: the state is right all the same, the others have them."""
    for path in snapshot_file.newest_first(node / "snapshots"):
        try:
            snapshot = read(path, cluster_id)
            if snapshot.log_index < base:
                continue
            engine.restore(bytes(snapshot.state))
        except (SnapshotDamaged, OSError, ValueError):
            continue  # as was said above
        event_log.begin_at(snapshot.events_base, missing_to=snapshot.event_seq)
        say.warning(
            "outputs_missing",
            log_index=snapshot.log_index,
            from_event_seq=snapshot.events_base + 1,
            to_event_seq=snapshot.event_seq,
        )
        return _restored(node, cluster_id, snapshot, snapshot.events_crc)
    raise SettingsError(
        what=f"there is no snapshot to start from, and the log begins behind index {base}",
        why="what was before is in the archive, and no snapshot at or behind that index is whole",
        do="`oms snapshot restore` from another folder, or give the node a new identity: "
        "`oms cluster replace`",
        read="docs/operating.md, Start a node from another node's snapshot",
    )
