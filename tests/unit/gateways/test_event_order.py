"""Engine frames put in order: no repeat, no hole, bounded."""

from gateways.event_order import EventOrder
from oms.bounds import EVENT_BYTES, PENDING_FRAMES_MAX


def block(first: int, count: int = 1) -> bytes:
    """Records that carry their number."""
    return b"".join(n.to_bytes(EVENT_BYTES, "little") for n in range(first, first + count))


def numbers(blocks: list[bytes]) -> list[int]:
    """The numbers of the records, in order."""
    data = b"".join(blocks)
    return [
        int.from_bytes(data[offset : offset + EVENT_BYTES], "little")
        for offset in range(0, len(data), EVENT_BYTES)
    ]


def test_frames_in_order_pass_and_repeats_do_not() -> None:
    """A new leader publishes again what the old one had."""
    order = EventOrder(5)
    assert numbers(order.offer(5, block(5, 2))) == [5, 6]
    assert order.offer(5, block(5, 2)) == []
    assert numbers(order.offer(6, block(6, 3))) == [7, 8]
    assert order.offer(1, block(1, 2)) == []
    assert not order.is_missing()


def test_frames_behind_a_hole_wait_for_it() -> None:
    """Nothing later is handed on before the hole is filled, from whatever side."""
    order = EventOrder(1)
    assert order.offer(4, block(4)) == []
    assert order.offer(6, block(6, 2)) == []
    assert order.is_missing()
    assert numbers(order.offer(1, block(1, 3))) == [1, 2, 3, 4]
    assert order.is_missing()
    assert numbers(order.offer(2, block(2, 5))) == [5, 6, 7]
    assert not order.is_missing()


def test_longer_of_two_frames_with_one_start_is_kept() -> None:
    """Two leaders may cut the same events into other frames."""
    order = EventOrder(1)
    order.offer(2, block(2, 3))
    order.offer(2, block(2))
    assert numbers(order.offer(1, block(1))) == [1, 2, 3, 4]


def test_announced_events_are_missing_until_they_come() -> None:
    """A lost tail is seen from a status frame."""
    order = EventOrder(3)
    order.announce(2)
    assert not order.is_missing()
    order.announce(4)
    assert order.is_missing()
    order.offer(3, block(3, 2))
    assert not order.is_missing()


def test_waiting_frames_are_bounded_and_nothing_is_lost() -> None:
    """Beyond the bound frames are dropped; they stay missing and are fetched."""
    order = EventOrder(1)
    last = PENDING_FRAMES_MAX + 2
    for number in range(2, last + 1):
        order.offer(number, block(number))
    assert numbers(order.offer(1, block(1))) == list(range(1, last))
    assert order.is_missing()
    assert numbers(order.offer(last, block(last))) == [last]
    assert not order.is_missing()
