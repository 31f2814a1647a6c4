"""The seam between a session's replay and its live events, event by event."""

import struct

import pytest

from gateways.binary import joiner as joiner_module
from gateways.binary.joiner import Joiner, Ready
from oms.bounds import EVENT_BYTES

LOGIN_NS = 1_000


def records(first: int, last: int, *, timestamp_ns: int = LOGIN_NS) -> bytes:
    """Event records `first` to `last` of a stream."""
    made = bytearray()
    for out_seq in range(first, last + 1):
        record = bytearray(EVENT_BYTES)
        struct.pack_into("<16xQ8xq", record, 0, out_seq, timestamp_ns)
        made += record
    return bytes(made)


def numbers(ready: Ready | None) -> list[int]:
    """The numbers of what may be sent now."""
    assert ready is not None
    return [int.from_bytes(data[at + 16 : at + 24], "little") for data, at in ready]


def hold(joiner: Joiner, *out_seqs: int, timestamp_ns: int = LOGIN_NS) -> None:
    """Live events."""
    for out_seq in out_seqs:
        joiner.hold(records(out_seq, out_seq, timestamp_ns=timestamp_ns), 0, out_seq)


def is_joined(joiner: Joiner) -> bool:
    """Whether live events may be sent as they come."""
    return joiner.is_joined


def test_live_events_follow_the_replay_when_it_has_reached_them() -> None:
    """And not before, however the replay is cut into pieces."""
    joiner = Joiner(1, 5, LOGIN_NS)
    hold(joiner, 6, 7)
    assert numbers(joiner.replayed(records(1, 2))) == [1, 2]
    assert not is_joined(joiner)
    assert numbers(joiner.replayed(records(2, 9))) == [3, 4, 5, 6, 7]
    assert is_joined(joiner)
    assert joiner.next_out_seq == 8


def test_a_held_event_keeps_the_record_before_it() -> None:
    """That may be the terms of its order, without which it could not be sent."""
    joiner = Joiner(1, 1, LOGIN_NS)
    joiner.hold(b"t" * EVENT_BYTES + records(2, 2), EVENT_BYTES, 2)
    ready = joiner.replayed(records(1, 1))
    assert ready is not None
    data, at = ready[1]
    assert data[at - EVENT_BYTES : at] == b"t" * EVENT_BYTES
    assert data[at:] == records(2, 2)


def test_live_events_of_the_replays_own_part_are_not_held() -> None:
    """They come with the replay: the login's number says so."""
    joiner = Joiner(3, 5, LOGIN_NS)
    hold(joiner, 4, 5, 6)
    assert numbers(joiner.replayed(records(3, 5))) == [3, 4, 5, 6]


def test_repeated_live_event_is_held_once() -> None:
    """A new leader publishes its end again."""
    joiner = Joiner(1, 1, LOGIN_NS)
    hold(joiner, 2, 3, 2, 3, 4)
    assert numbers(joiner.replayed(records(1, 1))) == [1, 2, 3, 4]


def test_live_events_beyond_the_bound_are_replayed_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten, all of them, and nothing is lost: the replay goes on to the newest."""
    monkeypatch.setattr(joiner_module, "HELD_EVENTS_MAX", 2)
    joiner = Joiner(1, 2, LOGIN_NS)
    hold(joiner, 3, 4)
    hold(joiner, 5, timestamp_ns=LOGIN_NS + 5)
    assert numbers(joiner.replayed(records(1, 2))) == [1, 2]
    assert not is_joined(joiner)
    hold(joiner, 6, timestamp_ns=LOGIN_NS + 6)
    assert numbers(joiner.replayed(records(3, 5, timestamp_ns=LOGIN_NS + 5))) == [3, 4, 5, 6]
    assert is_joined(joiner)


def test_hole_in_the_live_events_is_replayed() -> None:
    """What is held must follow the replay without a hole, so it is not held."""
    joiner = Joiner(1, 2, LOGIN_NS)
    hold(joiner, 3)
    hold(joiner, 5)
    assert numbers(joiner.replayed(records(1, 4))) == [1, 2, 3, 4]
    assert not is_joined(joiner)
    assert numbers(joiner.replayed(records(5, 5))) == [5]
    assert is_joined(joiner)


@pytest.mark.parametrize(
    "wrong", [records(2, 3), records(1, 1, timestamp_ns=LOGIN_NS + 1), records(4, 4)]
)
def test_records_of_another_stream_are_noticed(wrong: bytes) -> None:
    """A hole, or a time behind the login's, is another day's stream: no seam for that."""
    assert Joiner(1, 3, LOGIN_NS).replayed(wrong) is None
