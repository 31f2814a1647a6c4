"""A log held against what was made of it: each difference is found, and its place is named."""

from dataclasses import replace
from pathlib import Path

import pytest

from oms.bounds import EVENT_BYTES
from oms.node import snapshot_shelf
from oms.node.event_file import AllEvents
from oms.node.log_replay import LogReplay, ReplayReport
from oms.reference.engine import Engine
from oms.replication import snapshot_file
from tests.support.node_on_disk import NodeOnDisk, flip


@pytest.fixture
def node(tmp_path: Path) -> NodeOnDisk:
    return NodeOnDisk(tmp_path / "n1", snapshots_at=(5, 8))


def replay(node: NodeOnDisk) -> ReplayReport:
    """Everything compared, as `oms log verify` does."""
    _, snapshots = snapshot_shelf.load_all(node.folder)
    events = AllEvents(node.folder.events)
    try:
        with node.reader() as reader:
            return LogReplay(Engine(), snapshots=snapshots, events=events, spare=Engine()).run(
                reader
            )
    finally:
        events.close()


def places(report: ReplayReport) -> list[tuple[str, str]]:
    return [(item.part, item.place) for item in report.differences]


def test_a_node_as_it_was_written_has_no_differences(node: NodeOnDisk) -> None:
    report = replay(node)
    assert report.differences == []
    assert (report.last_index, report.digest) == (node.last_index, node.engine.digest())
    assert report.events_compared == report.event_seq == node.engine.event_seq
    assert report.snapshots_compared == [5, 8]


def test_a_changed_event_is_named_by_number_byte_and_field(node: NodeOnDisk) -> None:
    """Only the first is: what follows it may be a consequence."""
    log_index = node.last_index - 1
    event_seq = node.events_at[log_index - 1] + 1
    offset = (event_seq - 1) * EVENT_BYTES
    flip(node.folder.events, offset + 72)
    flip(node.folder.events, node.folder.events.stat().st_size - 1)
    (found,) = replay(node).differences
    assert found.part == "events"
    assert found.place == f"event {event_seq}, byte {offset} of events.log, made by log index 8"
    assert "ORDER_ACCEPTED: the file has price 1000001, not 1000000" in found.text


def test_events_that_the_log_does_not_make_are_a_difference(node: NodeOnDisk) -> None:
    with node.folder.events.open("ab") as file:
        file.write(bytes(EVENT_BYTES))
    assert places(replay(node)) == [("events", f"event {node.engine.event_seq + 1}")]


def test_missing_events_are_one_only_if_a_snapshot_relies_on_them(node: NodeOnDisk) -> None:
    """A node writes them a little later than it applies, and makes them again at its start."""
    data = node.folder.events.read_bytes()
    relied_on = node.events_at[8]
    node.folder.events.write_bytes(data[: relied_on * EVENT_BYTES])
    assert replay(node).differences == []
    node.folder.events.write_bytes(data[: (relied_on - 1) * EVENT_BYTES])
    assert places(replay(node)) == [("events", f"event {relied_on}")]


@pytest.mark.parametrize("name", ["digest", "event_seq", "events_crc", "state"])
def test_a_snapshot_that_says_something_else_is_named(node: NodeOnDisk, name: str) -> None:
    """Its own checksum is right here: it was written with the wrong content."""
    kept = snapshot_file.read(node.snapshot_path(8))
    older = snapshot_file.read(node.snapshot_path(5))
    wrong = {
        "digest": replace(kept, digest=kept.digest ^ 1),
        "event_seq": replace(kept, event_seq=kept.event_seq - 1),
        "events_crc": replace(kept, events_crc=kept.events_crc ^ 1),
        "state": replace(kept, state=older.state),
    }
    snapshot_file.write(node.folder.snapshots, wrong[name])
    assert places(replay(node)) == [("snapshot", "log index 8")]


def test_a_snapshot_beyond_the_log_is_a_difference(node: NodeOnDisk) -> None:
    """Entries that were acknowledged would be gone."""
    kept = snapshot_file.read(node.snapshot_path(8))
    snapshot_file.write(node.folder.snapshots, replace(kept, log_index=90))
    assert places(replay(node)) == [("snapshot", "log index 90")]
