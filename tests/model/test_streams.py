"""Every order in which frames, losses, repeats and replays can come, to the product's own code.

The model's gateway takes events one by one; these two put them in that order. Each is walked
through all its states for a short stream.
"""

from copy import deepcopy

import pytest

from gateways import event_order
from gateways.binary import joiner as joiner_module
from gateways.binary.joiner import Joiner
from gateways.event_order import EventOrder
from oms.bounds import EVENT_BYTES
from oms.messages.enums import EventKind
from oms.messages.event_records import EVENT

pytestmark = pytest.mark.model

EVENTS = 5


def record(number: int) -> bytes:
    """Event `number`, of a stream and of the log alike; its time is its number."""
    return EVENT.pack(
        EventKind.ORDER_CANCELED, 1, 0, 0, 2, number, number, 0, number, 1, 1, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, b"", b"", 0, 0, 0,
    )  # fmt: skip


RECORDS = [record(number) for number in range(EVENTS + 1)]


def body(first: int, last: int) -> bytes:
    """Events `first` to `last`."""
    return b"".join(RECORDS[first : last + 1])


def numbers(data: bytes) -> list[int]:
    """The numbers of the events in a frame."""
    starts = range(0, len(data), EVENT_BYTES)
    return [int.from_bytes(data[start + 8 : start + 16], "little") for start in starts]


FRAMES = [(first, last) for first in range(1, EVENTS + 1) for last in range(first, EVENTS + 1)]


@pytest.mark.parametrize("waiting_max", [1, 2, 100])
def test_event_order_hands_on_every_event_once_and_in_order(
    waiting_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any frames in any order, lost or repeated; a replay from the hole on always heals."""
    monkeypatch.setattr(event_order, "PENDING_FRAMES_MAX", waiting_max)
    start = EventOrder(1)
    known = {repr(sorted(vars(start).items()))}
    waiting = [start]
    while waiting:
        order = waiting.pop()
        announced = order._announced
        assert order.is_missing() == (announced >= order.next_seq)
        for first, last in FRAMES:
            after = deepcopy(order)
            ready = b"".join(after.offer(first, body(first, last)))
            assert numbers(ready) == list(range(order.next_seq, after.next_seq))
            assert after._announced == max(announced, last)
            assert len(after._waiting) <= waiting_max
            if first == order.next_seq and last >= announced:
                assert not after.is_missing()
            key = repr(sorted(vars(after).items()))
            if key not in known:
                known.add(key)
                waiting.append(after)
    print(f"{len(known)} states")


@pytest.mark.parametrize("held_max", [0, 1, 2, 100])
@pytest.mark.parametrize("logged_in_at", range(1, EVENTS + 1))
def test_joiner_joins_replay_and_live_events_without_a_seam(
    held_max: int, logged_in_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live events come at any moment, the replay in any pieces and from nodes ahead or behind."""
    monkeypatch.setattr(joiner_module, "HELD_EVENTS_MAX", held_max)
    for asked in range(1, logged_in_at + 1):
        _join(asked, logged_in_at)


def _join(asked: int, logged_in_at: int) -> None:
    """All states from one login: (joiner, live events so far, events sent so far)."""
    start = (Joiner(asked, logged_in_at, logged_in_at), logged_in_at, asked - 1)
    known: set[str] = set()
    waiting = [start]
    ends = 0
    while waiting:
        joiner, live, sent = waiting.pop()
        if live < EVENTS:
            after = deepcopy(joiner)
            is_sent_at_once = joiner.is_joined
            if not is_sent_at_once:
                after.hold(body(1, EVENTS), live * EVENT_BYTES, live + 1)
            waiting += _if_new(known, after, live + 1, sent + is_sent_at_once)
        elif joiner.is_joined:
            assert sent == EVENTS
            ends += 1
        if not joiner.is_joined:
            for last in range(joiner.next_out_seq, EVENTS + 1):
                after = deepcopy(joiner)
                ready = after.replayed(body(joiner.next_out_seq, last))
                assert ready is not None
                told = [numbers(data[at : at + EVENT_BYTES])[0] for data, at in ready]
                assert told == list(range(sent + 1, sent + 1 + len(told)))
                assert after.is_joined <= (sent + len(told) == live)
                waiting += _if_new(known, after, live, sent + len(told))
    assert ends


def _if_new(known: set[str], joiner: Joiner, live: int, sent: int) -> list[tuple[Joiner, int, int]]:
    key = repr((sorted(vars(joiner).items()), live, sent))
    if key in known:
        return []
    known.add(key)
    return [(joiner, live, sent)]
