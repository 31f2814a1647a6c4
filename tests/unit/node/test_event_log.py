"""The event log: contiguous records, found again by number, cut and refilled."""

import errno
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from oms.bounds import EVENT_BYTES, EVENTS_AHEAD_BYTES
from oms.messages.enums import EventKind
from oms.node import event_log
from oms.node.event_log import EventLog
from tests.support.node_parts import event


def records(first: int, count: int) -> bytes:
    """Trades with these numbers."""
    return b"".join(event(EventKind.TRADE, number) for number in range(first, first + count))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.log"


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    made = EventLog(path)
    yield made
    made.close()


def test_records_read_back_by_number(log: EventLog) -> None:
    log.append(records(1, 3))
    log.append(records(4, 2))
    assert log.event_seq == 5
    assert log.read(2, 3) == records(2, 3)
    assert log.read(5, 100) == records(5, 1)
    assert log.read(6, 1) == b""


@pytest.mark.parametrize("first", [2, 4])
def test_records_that_do_not_follow_are_refused(log: EventLog, first: int) -> None:
    """A hole or a repeat would shift every later record to another's place."""
    log.append(records(1, 2))
    with pytest.raises(ValueError, match="does not follow"):
        log.append(records(first, 1))


def test_a_reopened_log_goes_on(path: Path) -> None:
    log = EventLog(path)
    log.append(records(1, 3))
    log.close()
    again = EventLog(path)
    assert again.event_seq == 3
    again.append(records(4, 1))
    assert again.read(1, 10) == records(1, 4)
    again.close()


def test_a_record_cut_short_is_dropped_at_open(path: Path) -> None:
    """What a killed process was writing; the replay writes it again."""
    path.write_bytes(records(1, 3)[: 2 * EVENT_BYTES + 5])
    log = EventLog(path)
    assert log.event_seq == 2
    assert path.stat().st_size == 2 * EVENT_BYTES
    log.close()


def test_a_file_whose_last_record_is_not_in_its_place_is_emptied(path: Path) -> None:
    """A hole left by a power cut: nothing in it is trusted, all of it is derived."""
    path.write_bytes(records(1, 2) + b"\0" * EVENT_BYTES)
    log = EventLog(path)
    assert log.event_seq == 0
    log.close()


def test_truncate_then_refill(log: EventLog) -> None:
    log.append(records(1, 5))
    log.truncate(2)
    assert log.event_seq == 2
    log.append(records(3, 1))
    assert log.read(1, 10) == records(1, 3)


def test_a_day_that_is_over_goes_to_the_archive_whole(log: EventLog, path: Path) -> None:
    """Numbers go on; the new file begins where the old one ends, and says so itself."""
    log.append(records(1, 5))
    archived = path.parent / "archive" / "20261122" / "events.log"
    log.roll(archived)
    assert archived.read_bytes() == records(1, 5)
    assert (log.base, log.event_seq, log.read(5, 1)) == (5, 5, b"")
    log.append(records(6, 3))
    assert log.read(6, 10) == records(6, 3)
    assert log.records()["event_seq"].tolist() == [6, 7, 8]
    assert log.gather(np.array([2])) == records(8, 1)
    again = EventLog(path)
    assert (again.base, again.event_seq) == (5, 8)
    again.close()


def test_a_day_that_cannot_be_archived_stays(log: EventLog, path: Path) -> None:
    (path.parent / "archive").write_bytes(b"no folder")
    log.append(records(1, 5))
    with pytest.raises(OSError, match="archive"):
        log.roll(path.parent / "archive" / "20261122" / "events.log")
    log.append(records(6, 1))
    assert log.read(1, 10) == records(1, 6)


def test_an_archived_day_can_be_taken_back(log: EventLog, path: Path) -> None:
    """After a crash the day may have to be ended once more."""
    log.append(records(1, 5))
    archived = path.parent / "archive" / "20261122" / "events.log"
    log.roll(archived)
    log.append(records(6, 1))
    log.replace_by(archived)
    assert (log.base, log.event_seq, log.read(1, 10)) == (0, 5, records(1, 5))


def test_missing_records_are_not_read_and_come_into_their_place(log: EventLog) -> None:
    """Zeros told to a client would be worse than no answer."""
    log.begin_at(100, missing_to=104)
    assert (log.missing, log.first_present, log.read(101, 4)) == (4, 105, b"")
    log.append(records(105, 1))
    assert log.read(105, 9) == records(105, 1)
    log.fill(103, records(103, 2))
    log.fill(101, records(101, 2))
    log.filled()
    assert (log.missing, log.read(101, 9)) == (0, records(101, 5))
    file = log.file()
    assert file.crc(100, 105) == zlib.crc32(records(101, 5))
    file.close()


def test_what_a_full_disk_does_not_take_waits(
    log: EventLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and nothing that is not in the file is told to anybody."""
    log.append(records(1, 1))
    log.flush()

    def full(_fd: int, _data: memoryview, _offset: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(event_log, "_write_all", full)
        log.append(records(2, 2))
        log.flush()
        log.append(records(4, 1))
        assert (log.event_seq, log.readable_seq, log.has_room) == (4, 1, False)
        assert log.read(1, 9) == records(1, 1)
        with pytest.raises(OSError, match="not all in the file"):
            log.roll(path.with_name("old"))
    assert log.read(1, 9) == records(1, 4)
    assert log.has_room


def test_waiting_records_cost_no_more_the_more_they_are(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that replays a day onto a full disk must not copy all that waits at every entry."""
    handed: list[int] = []

    def full(_fd: int, data: memoryview, _offset: int) -> None:
        handed.append(len(data))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(event_log, "FLUSH_BYTES", 10 * EVENT_BYTES)
    with monkeypatch.context() as patch:
        patch.setattr(event_log, "_write_all", full)
        for number in range(1, 200, 2):
            log.append(records(number, 2))
        assert len(handed) == 1
        log.flush()
        assert max(handed) <= 11 * EVENT_BYTES
    assert log.read(1, 300) == records(1, 200)


def test_any_other_fault_of_the_disk_is_not_lived_with(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_fd: int, _data: memoryview, _offset: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    log.append(records(1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(event_log, "_write_all", broken)
        with pytest.raises(OSError, match="Input/output"):
            log.flush()


def test_room_is_taken_ahead_and_given_back(path: Path) -> None:
    """The file is as long as its records; only blocks are reserved behind them."""
    log = EventLog(path)
    log.append(records(1, 3))
    log.flush()
    stat = path.stat()
    assert stat.st_size == 3 * EVENT_BYTES
    assert stat.st_blocks * 512 >= EVENTS_AHEAD_BYTES
    log.close()
    assert path.stat().st_blocks * 512 < EVENTS_AHEAD_BYTES


def test_gather_copies_whole_records(log: EventLog) -> None:
    """Reserved bytes too: a replayed record is the published one."""
    log.append(records(1, 4))
    assert log.gather(np.array([3, 0])) == records(4, 1) + records(1, 1)
    assert log.gather(np.empty(0, np.int64)) == b""


def test_the_view_grows_with_the_file(log: EventLog) -> None:
    assert len(log.records()) == 0
    log.append(records(1, 2))
    assert log.records()["event_seq"].tolist() == [1, 2]
    log.append(records(3, 1))
    assert log.records()["event_seq"].tolist() == [1, 2, 3]
