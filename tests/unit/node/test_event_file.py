"""Event files: one day's, or all of a node's days as one."""

import zlib
from pathlib import Path

from oms.messages.enums import EventKind
from oms.node.event_file import AllEvents, EventFile, read_archived
from oms.node.event_log import EventLog
from tests.support.node_parts import event


def records(first: int, count: int) -> bytes:
    """Trades with these numbers."""
    return b"".join(event(EventKind.TRADE, number) for number in range(first, first + count))


def three_days(node: Path) -> None:
    """1 to 3, 4 to 9 and 10 to 11."""
    log = EventLog(node / "events.log")
    log.append(records(1, 3))
    log.roll(node / "archive" / "20261120" / "events.log")
    log.append(records(4, 6))
    log.roll(node / "archive" / "20261121" / "events.log")
    log.append(records(10, 2))
    log.close()


def test_all_days_read_as_one(tmp_path: Path) -> None:
    three_days(tmp_path)
    events = AllEvents(tmp_path / "events.log")
    assert events.event_seq == 11
    assert events.read(1, 99) == records(1, 11)
    assert events.read(3, 2) == records(3, 2)
    assert events.crc(3, 9) == zlib.crc32(records(4, 6))
    assert events.crc(9, 11) == zlib.crc32(records(10, 2))
    assert events.crc(9, 12) is None
    assert events.place(5) == "event 5, byte 128 of archive/20261121/events.log"
    assert events.place(11) == "event 11, byte 128 of events.log"
    events.close()


def test_a_lost_day_is_a_hole_and_no_other_days_record(tmp_path: Path) -> None:
    three_days(tmp_path)
    (tmp_path / "archive" / "20261121" / "events.log").unlink()
    events = AllEvents(tmp_path / "events.log")
    assert events.read(1, 99) == records(1, 3)
    assert events.read(4, 1) == b""
    assert events.crc(3, 9) is None
    events.close()


def test_an_older_day_is_replayed_from_the_archive(tmp_path: Path) -> None:
    """A gateway that slept over the change of day asks for what it missed."""
    three_days(tmp_path)
    assert read_archived(tmp_path, 2, 99) == records(2, 2)
    assert read_archived(tmp_path, 9, 1) == records(9, 1)
    assert read_archived(tmp_path, 10, 1) == b""


def test_a_file_whose_beginning_is_being_fetched_holds_nothing(tmp_path: Path) -> None:
    """For whoever looks from outside; zeros are no records."""
    log = EventLog(tmp_path / "events.log")
    log.begin_at(100, missing_to=104)
    log.append(records(105, 2))
    log.flush()
    events = AllEvents(tmp_path / "events.log")
    assert (events.event_seq, events.read(105, 1)) == (0, b"")
    events.close()
    log.close()


def test_a_file_says_itself_where_it_begins(tmp_path: Path) -> None:
    three_days(tmp_path)
    file = EventFile.open(tmp_path / "events.log")
    assert (file.base, file.event_seq) == (9, 11)
    assert (file.has(9), file.has(11), file.has(12)) == (True, True, False)
    assert file.read(9, 3) == b""
    file.close()
