"""The index: a session's day, an account's topic, an instrument's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.messages.enums import EventFlag, EventKind
from oms.messages.event_records import unpack_events
from oms.node import event_index
from oms.node.event_file import EventFile
from oms.node.event_index import EventIndex
from oms.node.event_log import EventLog
from tests.support.node_parts import NOW_NS, event

K = EventKind


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "events.log")
    yield made
    made.close()


@pytest.fixture
def index(log: EventLog) -> EventIndex:
    return EventIndex(log)


def numbers(data: bytes) -> list[int]:
    """event_seq of each record."""
    return [event.event_seq for event in unpack_events(data)]


def accepted(number: int, *, session_id: int = 1, out_seq: int, at: int = NOW_NS) -> bytes:
    """An acceptance in a session's stream, on no topic."""
    return event(K.ORDER_ACCEPTED, number, session_id=session_id, out_seq=out_seq, timestamp_ns=at)


def test_a_sessions_records_are_found_by_out_seq(log: EventLog, index: EventIndex) -> None:
    log.append(accepted(1, session_id=1, out_seq=1) + accepted(2, session_id=2, out_seq=1))
    index.catch_up()
    log.append(accepted(3, session_id=1, out_seq=2) + accepted(4, session_id=1, out_seq=3))
    index.catch_up()
    assert index.session(1, 1, 10).tolist() == [0, 2, 3]
    assert index.session(1, 2, 1).tolist() == [2]
    assert index.session(1, 4, 10).tolist() == []
    assert index.session(3, 1, 10).tolist() == []
    assert (index.session_length(1), index.session_length(2), index.session_length(3)) == (3, 1, 0)


def test_a_new_day_begins_every_stream_again(log: EventLog, index: EventIndex) -> None:
    """The day's first record of a session stands before DAY_STARTED, in the same entry; a session
    that says nothing today has an empty stream, not yesterday's."""
    morning = NOW_NS + 10
    log.append(
        accepted(1, session_id=1, out_seq=1)
        + accepted(2, session_id=1, out_seq=2)
        + accepted(3, session_id=2, out_seq=1)
        + event(K.SYSTEM_EVENT, 4, session_id=1, out_seq=1, timestamp_ns=morning)
        + event(K.DAY_STARTED, 5, timestamp_ns=morning, order_id=20261122)
        + accepted(6, session_id=1, out_seq=2, at=morning + 1)
    )
    index.catch_up()
    assert index.session(1, 1, 10).tolist() == [3, 5]
    assert index.session_length(2) == 0


def test_chunks_make_no_difference(
    log: EventLog, index: EventIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry may be cut anywhere by the chunks in which the index is built."""
    monkeypatch.setattr(event_index, "CHUNK_RECORDS", 2)
    test_a_new_day_begins_every_stream_again(log, index)


def test_topics_are_numbered_from_what_is_kept(log: EventLog, index: EventIndex) -> None:
    log.append(
        event(K.ORDER_ACCEPTED, 1, account_id=7, topic_seq=1)
        + event(K.TRADE, 2, instrument_id=7, topic_seq=1)
        + event(K.ORDER_EXECUTED, 3, account_id=7, topic_seq=2)
        + event(K.BOOK_TOP, 4, instrument_id=7, topic_seq=2)
        + event(K.ORDER_REJECTED, 5, account_id=7, topic_seq=0)
    )
    index.catch_up()
    assert numbers(index.account(7, 1, 10)) == [1, 3]
    assert numbers(index.account(7, 1, 1)) == [1]
    assert numbers(index.instrument(7, 2, 10)) == [4]
    assert numbers(index.account(7, 3, 10)) == []
    assert (index.account_last(7), index.instrument_last(7), index.account_last(8)) == (2, 2, 0)
    assert (index.accounts(), index.instruments()) == ([7], [7])


def test_topics_keep_the_day_before_and_say_what_is_too_old(
    log: EventLog, index: EventIndex
) -> None:
    """The end of a day is read after the next has begun; what is older is refused, not empty."""
    for number, day in zip((0, 2, 4), (1, 2, 3), strict=True):
        if day > 1:
            index.catch_up()
            archived = log.folder / f"{day}"
            log.roll(archived)
            index.roll(EventFile.open(archived))
            assert index.account_last(7) == day - 1, "heartbeats go on before the first record"
            assert index.accounts() == [7]
        at = NOW_NS + day * 1_000
        log.append(
            event(K.DAY_STARTED, number + 1, timestamp_ns=at, order_id=20261100 + day)
            + event(K.ORDER_ACCEPTED, number + 2, account_id=7, topic_seq=day, timestamp_ns=at + 1)
        )
    index.catch_up()
    assert numbers(index.account(7, 2, 10)) == [4, 6]
    assert numbers(index.account(7, 2, 1)) == [4]
    assert numbers(index.account(7, 3, 10)) == [6]
    with pytest.raises(LookupError, match="from 2 on"):
        index.account(7, 1, 10)


def test_terms_come_with_their_order_also_from_the_day_before(
    log: EventLog, index: EventIndex
) -> None:
    """A reader that repairs a gap would take the order for one that asks for nothing."""
    terms = EventFlag.HAS_TERMS

    def day(number: int, seq: int) -> bytes:
        at = NOW_NS + number * 1_000
        return (
            event(K.DAY_STARTED, seq, timestamp_ns=at, order_id=20261100 + number)
            + event(K.ORDER_TERMS, seq + 1, timestamp_ns=at)
            + event(K.ORDER_ACCEPTED, seq + 2, account_id=7, topic_seq=number, flags=terms)
        )

    log.append(day(1, 1))
    index.catch_up()
    archived = log.folder / "1"
    log.roll(archived)
    index.roll(EventFile.open(archived))
    log.append(day(2, 4))
    index.catch_up()
    assert numbers(index.account(7, 1, 10)) == [2, 3, 5, 6]
    assert numbers(index.account(7, 1, 1)) == [2, 3], "the count is of numbered records"
