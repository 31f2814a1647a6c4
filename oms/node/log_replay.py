"""Replays a node's log through an engine and holds it against what the node has kept of it.

Called by `oms log verify`, `oms snapshot verify` and `oms snapshot restore`; the node itself does
not. Reads only. Promises: every batch is applied as a node applies it; every event record is
compared with the event log's, every snapshot with the state at its index; the first difference of
each kind is named exactly, with its place.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from oms.bounds import EVENT_BYTES
from oms.messages.enums import EventKind
from oms.messages.event_records import unpack_event
from oms.messages.records import BATCH_HEADER
from oms.node import skip_orders
from oms.node.engine import Engine
from oms.node.event_file import AllEvents
from oms.node.skip_orders import SkipOrder
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_reader import JournalEntry, JournalReader, OnProgress, no_progress
from oms.replication.snapshot_file import Snapshot

PROGRESS_ENTRIES: Final = 1_024
FIELDS_NAMED_MAX: Final = 6
_DAY_STARTED: Final = int(EventKind.DAY_STARTED)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the log says; `place` is for people to find it."""

    part: str  # journal, events or snapshot
    place: str
    text: str


@dataclass(slots=True)
class ReplayReport:
    """What was replayed, and what did not agree."""

    first_index: int = 0  # the first one that was applied
    last_index: int = 0
    entry_count: int = 0  # ours; the library's own are not counted
    command_count: int = 0
    event_seq: int = 0
    digest: int = 0
    events_compared: int = 0
    snapshots_compared: list[int] = field(default_factory=list)  # their log indexes
    differences: list[Difference] = field(default_factory=list)


class LogReplay:
    """One pass over a log from its first entry; if what was before is not kept any more, from the
    first snapshot at or behind that place.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        snapshots: Iterable[Snapshot] = (),
        events: AllEvents | None = None,
        spare: Engine | None = None,
        on_events: Callable[[bytes], object] | None = None,
        skips: Mapping[int, SkipOrder] | None = None,
    ) -> None:
        """`spare` is an engine that snapshots are restored into, to compare whole states;
        `on_events` gets the records of each entry that makes some; `skips` are the orders that
        the node's folder has.
        """
        self._engine = engine
        self._on_events = on_events
        self._spare = spare
        self._skips = skips or {}
        self._events = events
        self._snapshots = {snapshot.log_index: snapshot for snapshot in snapshots}
        # What a snapshot says of its day's events is told by a replay of the whole day only.
        self._events_base = 0 if engine.event_seq == 0 else None
        self._events_crc = 0
        self._is_day_known = False  # a trading day was started before
        self._is_event_differing = False
        self.report = ReplayReport()

    def run(
        self,
        reader: JournalReader,
        *,
        until: int | None = None,
        on_progress: OnProgress = no_progress,
    ) -> ReplayReport:
        """Replay up to log index `until` (or all there is), then compare the ends."""
        report = self.report
        last = reader.last_index if until is None else min(until, reader.last_index)
        if not self._begin(reader.base_index, last):
            return report
        first = report.first_index = self._engine.applied_index + 1
        try:
            for entry in reader.entries(first, last):
                self._apply(entry)
                if entry.log_index % PROGRESS_ENTRIES == 0:
                    on_progress(entry.log_index - first + 1, last - first + 1)
        except JournalDamagedError as error:
            report.differences.append(
                Difference("journal", f"log index {error.log_index}", error.reason)
            )
        on_progress(last - first + 1, last - first + 1)
        report.last_index = self._engine.applied_index
        report.event_seq = self._engine.event_seq
        report.digest = self._engine.digest()
        if until is None:
            self._compare_ends(reader)
        return report

    # ---- inside

    def _begin(self, base_index: int, last_index: int) -> bool:
        """Take the state from which the log can be replayed; False: there is none."""
        if base_index == 0:
            return True
        for log_index in sorted(self._snapshots):
            snapshot = self._snapshots[log_index]
            if not base_index <= log_index <= last_index:
                continue
            try:
                self._engine.restore(bytes(snapshot.state))
            except ValueError:
                continue  # `faults` of the shelf names it
            is_whole_day = snapshot.event_seq == snapshot.events_base
            self._events_base = snapshot.events_base if is_whole_day else None
            self._is_day_known = True
            return True
        text = f"it begins behind log index {base_index}, and no snapshot there is whole"
        self.report.differences.append(Difference("journal", f"log index {base_index}", text))
        return False

    def _apply(self, entry: JournalEntry) -> None:
        engine, report = self._engine, self.report
        if not entry.is_ours or skip_orders.find(self._skips, entry.log_index, entry.batch):
            engine.skip_to(entry.log_index)
        else:
            report.entry_count += 1
            if len(entry.batch) >= BATCH_HEADER.size:
                report.command_count += BATCH_HEADER.unpack_from(entry.batch)[2]
            if engine.apply(entry.log_index, entry.batch):
                self._take_events(entry.log_index, engine.events())
        snapshot = self._snapshots.get(entry.log_index)
        if snapshot is not None:
            self._compare_snapshot(snapshot)

    def _take_events(self, log_index: int, data: bytes) -> None:
        self._follow_day(data)
        if self._on_events is not None:
            self._on_events(data)
        if self._events is None:
            return
        first = self._engine.event_seq - len(data) // EVENT_BYTES + 1
        kept = self._events.read(first, len(data) // EVENT_BYTES)
        self.report.events_compared += len(kept) // EVENT_BYTES
        if kept == data[: len(kept)] or self._is_event_differing:
            return
        self._is_event_differing = True  # what follows is told by the first
        for offset in range(0, len(kept), EVENT_BYTES):
            record, wanted = kept[offset : offset + EVENT_BYTES], data[offset:]
            wanted = wanted[:EVENT_BYTES]
            if record != wanted:
                event_seq = first + offset // EVENT_BYTES
                self.report.differences.append(
                    Difference(
                        "events",
                        f"{self._events.place(event_seq)}, made by log index {log_index}",
                        _told_apart(record, wanted),
                    )
                )
                return

    def _follow_day(self, data: bytes) -> None:
        """As the node does: with every day but the first the outputs begin anew."""
        if _DAY_STARTED in data[::EVENT_BYTES]:
            if self._is_day_known:
                self._events_base = self._engine.event_seq - len(data) // EVENT_BYTES
                self._events_crc = 0
            self._is_day_known = True
        self._events_crc = zlib.crc32(data, self._events_crc)

    def _compare_snapshot(self, snapshot: Snapshot) -> None:
        engine = self._engine
        self.report.snapshots_compared.append(snapshot.log_index)
        found = [
            f"{name} {kept} in the file, {replayed} by the log"
            for name, kept, replayed in (
                ("digest", f"{snapshot.digest:016x}", f"{engine.digest():016x}"),
                ("event_seq", snapshot.event_seq, engine.event_seq),
                *self._of_day(snapshot),
            )
            if kept != replayed
        ]
        if self._spare is not None:
            try:
                self._spare.restore(bytes(snapshot.state))
            except ValueError as error:
                found.append(f"its state cannot be restored: {error}")
            else:
                if self._spare.state_digest() != engine.state_digest():
                    found.append("its state is not the one that the log makes")
        place = f"log index {snapshot.log_index}"
        self.report.differences += [Difference("snapshot", place, text) for text in found]

    def _of_day(self, snapshot: Snapshot) -> list[tuple[str, int, int]]:
        """What a snapshot says of its day's events, and what the replay does."""
        if snapshot.event_seq == snapshot.events_base:
            return [("checksum of the events", snapshot.events_crc, 0)]
        if self._events_base is None:
            return []
        return [
            ("begin of the day's events", snapshot.events_base, self._events_base),
            ("checksum of the events", snapshot.events_crc, self._events_crc),
        ]

    def _compare_ends(self, reader: JournalReader) -> None:
        """Snapshots and events beyond the log, and events that a snapshot relies on."""
        differences = self.report.differences
        for log_index in sorted(self._snapshots):
            if log_index > reader.last_index:
                text = f"the log ends at index {reader.last_index}"
                differences.append(Difference("snapshot", f"log index {log_index}", text))
        if self._events is None:
            return
        kept = self._events.event_seq
        if kept > self._engine.event_seq:
            text = f"the log makes {self._engine.event_seq} events, the file has {kept}"
            differences.append(Difference("events", f"event {self._engine.event_seq + 1}", text))
        relying = [item for item in self._snapshots.values() if item.events_base < item.event_seq]
        needed = max((item.event_seq for item in relying), default=0)
        if kept < needed:
            text = f"events.log ends before event {needed}, which the newest snapshot relies on"
            differences.append(Difference("events", f"event {kept + 1}", text))


def _told_apart(record: bytes, wanted: bytes) -> str:
    """Which fields of two event records differ."""
    kept, made = unpack_event(record), unpack_event(wanted)
    kind = EventKind(made.kind).name if made.kind in list(EventKind) else f"kind {made.kind}"
    fields: Sequence[str] = [
        f"{name} {old!r}, not {new!r}"
        for name, old, new in zip(kept._fields, kept, made, strict=True)
        if old != new
    ]
    if not fields:
        return f"{kind}: reserved bytes differ"
    return f"{kind}: the file has {'; '.join(fields[:FIELDS_NAMED_MAX])}"
