"""The event log: contiguous records, found again by number, cut and refilled."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from oms.bounds import EVENT_BYTES
from oms.messages.enums import EventKind
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


def test_the_checksum_covers_every_record_up_to_a_number(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces or in one go, forwards or back, and after a cut: always that of the bytes."""
    monkeypatch.setattr("oms.node.event_log.CRC_RECORDS", 3)
    log.append(records(1, 10))
    log.flush()
    for event_seq in (4, 4, 10, 2, 0, 10):
        assert log.crc(event_seq) == zlib.crc32(records(1, event_seq))
    log.truncate(5)
    log.append(records(6, 1))
    log.flush()
    assert log.crc(6) == zlib.crc32(records(1, 6))
    with pytest.raises(OSError, match="ends before event 7"):
        log.crc(7)


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


def test_has_tells_whether_the_file_reaches_so_far(path: Path) -> None:
    path.write_bytes(records(1, 3))
    log = EventLog(path)
    assert [log.has(number) for number in (0, 1, 3, 4)] == [True, True, True, False]
    log.close()


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
