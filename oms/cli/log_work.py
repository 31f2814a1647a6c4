"""The work of `oms log`: prints what journal reader and replay say.

Called by `log.py`. Exit code 1 when something is not as it should be, and then the place is named.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from oms.cli.node_folders import chosen_nodes
from oms.cli.progress import progress
from oms.config import SettingsError
from oms.messages.record_fields import CommandText, batch_commands, batch_summary
from oms.node import skip_orders, snapshot_shelf
from oms.node.engine import make_engine
from oms.node.event_file import ARCHIVE, AllEvents
from oms.node.log_replay import Difference, LogReplay, ReplayReport
from oms.node.snapshot_shelf import NodeFolder
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_reader import JournalEntry, JournalReader

_READ = "docs/operating.md, The log"
_encode = msgspec.json.Encoder().encode


class Span(msgspec.Struct, frozen=True):
    """Entries to show; without a first one the last `count`."""

    first: int | None
    count: int


class Range(msgspec.Struct, frozen=True):
    """Entries to export, both ends included; without an end as far as the log is kept."""

    first: int | None
    last: int | None


class EntryLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry as a JSON line."""

    log_index: int
    term: int
    kind: str  # batch, or no-op: the library's own
    timestamp_ns: int = 0
    command_count: int = 0
    kinds: dict[str, int] = {}
    commands: list[CommandText] = []
    segment: int = 0
    offset: int = 0
    fault: str = ""


class VerifyLine(msgspec.Struct, frozen=True):
    """What `verify` found at one node."""

    node_id: str
    is_as_written: bool
    last_index: int
    records: int
    segments: int
    truncations: int
    unfinished_bytes: int
    entries: int
    commands: int
    event_seq: int
    digest: str
    events_compared: int
    events_not_kept: int  # made by the replay and not in events.log (yet)
    snapshots_compared: list[int]
    differences: list[Difference]
    first_index: int = 1  # where the replay began: what was before is not kept in this folder


def inspect(data: Path, node: str | None, span: Span, *, has_records: bool, as_json: bool) -> int:
    """Print entries; 1 when the journal is damaged or they do not exist. Raises: SettingsError."""
    folder = chosen_nodes(data, node)[0]
    with _open(folder) as reader:
        first = span.first or max(reader.first_index, reader.last_index - span.count + 1)
        shown = 0
        try:
            for entry in reader.entries(first, first + span.count - 1):
                line = entry_line(entry, has_records=has_records or as_json)
                print(_encode(line).decode() if as_json else "\n".join(_entry_text(line)))
                shown += 1
        except JournalDamagedError as error:
            return _complain(f"{folder.node_id}: {error}")
        if not as_json:
            print(
                f"{folder.node_id}: {reader.last_index:,} entries, {reader.segments} segments, "
                f"{reader.truncations} truncations, last term {reader.last_term}",
                file=sys.stderr,
            )
        if reader.damage is not None:
            return _complain(f"{folder.node_id}: {reader.damage}")
        if not shown:
            return _complain(f"{folder.node_id}: {_extent(reader)}")
    return 0


def verify(data: Path, node: str | None, *, as_json: bool) -> int:
    """Check and replay; 1 on any difference. Raises: SettingsError."""
    lines = [_verify(folder) for folder in chosen_nodes(data, node)]
    for line in lines:
        print(_encode(line).decode() if as_json else "\n".join(_verify_text(line)))
    return 0 if all(line.is_as_written for line in lines) else 1


def export(data: Path, node: str | None, out: Path, span: Range, *, is_raw: bool) -> int:
    """Write a range to a new file; 1 when it is not all there. Raises: SettingsError."""
    folder = chosen_nodes(data, node)[0]
    with _open(folder) as reader:
        first = reader.first_index if span.first is None else span.first
        last = reader.last_index if span.last is None else span.last
        if not reader.first_index <= first <= last <= reader.last_index:
            why = f"{folder.node_id}: {_extent(reader)}"
            if reader.damage is not None:
                why = f"{folder.node_id}: {reader.damage}"
            raise _refused(why, "name a range within the log; `oms log inspect` shows its end")
        with _output(out) as file:
            for entry in reader.entries(first, last):
                if is_raw:
                    file.write(entry.batch)
                else:
                    file.write(_encode(entry_line(entry, has_records=True)) + b"\n")
        if span.last is None and reader.damage is not None:
            return _complain(f"{folder.node_id}: exported up to {last}; {reader.damage}")
    print(f"{folder.node_id}: exported {first:,} to {last:,}", file=sys.stderr)
    return 0


def entry_line(entry: JournalEntry, *, has_records: bool) -> EntryLine:
    """An entry for people; one that cannot be decoded is shown with the reason."""
    line = EntryLine(
        entry.log_index,
        entry.term,
        "batch" if entry.is_ours else "no-op",
        segment=entry.segment,
        offset=entry.offset,
    )
    if not entry.is_ours:
        return line
    try:
        summary = batch_summary(entry.batch)
        commands = batch_commands(entry.batch) if has_records else []
    except ValueError as error:
        return msgspec.structs.replace(line, fault=str(error))
    return msgspec.structs.replace(
        line,
        timestamp_ns=summary.timestamp_ns,
        command_count=summary.command_count,
        kinds=summary.kinds,
        commands=commands,
    )


# ---- inside


def _verify(folder: NodeFolder) -> VerifyLine:
    """What is derived from the log is read before it, so that a running node is never ahead."""
    views, snapshots = snapshot_shelf.load_all(folder)
    events = AllEvents(folder.events) if folder.events.exists() else None
    try:
        with _open(folder) as reader:
            replay = LogReplay(
                make_engine(folder.engine),
                snapshots=snapshots,
                events=events,
                spare=make_engine(folder.engine) if snapshots else None,
                skips=skip_orders.load(folder.path),
            )
            with progress(f"{folder.node_id} replaying", "entries") as on_progress:
                report = replay.run(reader, on_progress=on_progress)
            damage = [] if reader.damage is None else [
                Difference("journal", f"log index {reader.damage.log_index}", reader.damage.reason)
            ]  # fmt: skip
            damage += [
                Difference("snapshot", view.file, view.fault) for view in views if view.fault
            ]
            return _verify_line(folder, reader, report, damage, events)
    finally:
        if events is not None:
            events.close()


def _verify_line(
    folder: NodeFolder,
    reader: JournalReader,
    report: ReplayReport,
    damage: list[Difference],
    events: AllEvents | None,
) -> VerifyLine:
    differences = damage + report.differences
    kept = 0 if events is None else events.event_seq
    return VerifyLine(
        node_id=folder.node_id,
        is_as_written=not differences,
        last_index=report.last_index,
        records=reader.records,
        segments=reader.segments,
        truncations=reader.truncations,
        unfinished_bytes=reader.unfinished_bytes,
        entries=report.entry_count,
        commands=report.command_count,
        event_seq=report.event_seq,
        digest=f"{report.digest:016x}",
        events_compared=report.events_compared,
        events_not_kept=max(0, report.event_seq - kept),
        snapshots_compared=report.snapshots_compared,
        differences=differences,
        first_index=report.first_index,
    )


def _verify_text(line: VerifyLine) -> Iterator[str]:
    state = "as written" if line.is_as_written else f"{len(line.differences)} differences"
    yield (
        f"{line.node_id}: {state}; {line.last_index:,} entries, {line.commands:,} commands, "
        f"digest {line.digest}"
    )
    yield (
        f"    {line.segments} segments, {line.records:,} records, {line.truncations} truncations; "
        f"{line.events_compared:,} events and {len(line.snapshots_compared)} snapshots compared"
    )
    if line.first_index > 1:
        yield f"    replayed from log index {line.first_index:,}: what was before is not kept here"
    if line.events_not_kept:
        yield f"    {line.events_not_kept:,} events are not in events.log; a start makes them again"
    if line.unfinished_bytes:
        yield f"    {line.unfinished_bytes} bytes behind the end: being written, or cut at a start"
    for item in line.differences:
        yield f"    {item.part}, {item.place}: {item.text}"


def _entry_text(line: EntryLine) -> Iterator[str]:
    if line.kind != "batch":
        yield f"{line.log_index}  term {line.term}  {line.kind}"
        return
    if line.fault:
        yield f"{line.log_index}  term {line.term}  cannot be read: {line.fault}"
        return
    kinds = ", ".join(f"{count} {name}" for name, count in line.kinds.items()) or "no commands"
    yield f"{line.log_index}  term {line.term}  {_time(line.timestamp_ns)}  {kinds}"
    for number, command in enumerate(line.commands):
        fields = " ".join(f"{name}={value}" for name, value in command.fields.items())
        yield f"    {number}  {command.kind}  {fields}"


def _time(timestamp_ns: int) -> str:
    seconds, rest = divmod(timestamp_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _extent(reader: JournalReader) -> str:
    """What is kept of the log."""
    if reader.last_index < reader.first_index:
        return f"the log is empty behind index {reader.base_index}"
    return f"the log that is kept goes from index {reader.first_index} to {reader.last_index}"


@contextlib.contextmanager
def _open(folder: NodeFolder) -> Iterator[JournalReader]:
    with progress(f"{folder.node_id} reading", "bytes") as on_progress:
        reader = JournalReader(
            folder.journal,
            cluster_id=folder.cluster_id,
            node_id=folder.node_id,
            archive=folder.path / ARCHIVE,
            on_progress=on_progress,
        )
    with reader:
        yield reader


@contextlib.contextmanager
def _output(out: Path) -> Iterator[BinaryIO]:
    """A file that did not exist, readable by its owner alone; never overwritten."""
    if str(out) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _refused(f"{out}: {error.strerror or error}", "name a new file with --out") from error
    with os.fdopen(descriptor, "wb") as file:
        yield file


def _complain(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def _refused(why: str, do: str) -> SettingsError:
    return SettingsError(what="nothing was exported", why=why, do=do, read=_READ)
