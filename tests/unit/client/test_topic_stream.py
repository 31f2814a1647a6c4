"""One feed topic in order, whatever the network did to it."""

import random

import pytest

from oms.client import topic_stream
from oms.client.topic_stream import TopicStream
from oms.wire import frames
from oms.wire.frames import FrameKind


def frame(number: int, kind: FrameKind = FrameKind.TRADE) -> bytes:
    return frames.pack(kind, 0, number, 0, b"%d" % number)


def numbers(taken: list[bytes]) -> list[int]:
    return [frames.unpack(one)[0].number for one in taken]


@pytest.mark.parametrize("seed", range(10))
def test_lost_doubled_and_shuffled_frames_come_out_contiguous(seed: int) -> None:
    """Replay fills what live lost; nothing comes twice."""
    draw = random.Random(seed)
    live = [number for number in range(1, 201) for _ in range(draw.choice((0, 1, 1, 2)))]
    for _ in range(60):
        first, second = draw.randrange(len(live)), draw.randrange(len(live))
        live[first], live[second] = live[second], live[first]
    stream = TopicStream(b"md.ELM|", 1)
    out: list[int] = []
    for number in live:
        out += numbers(stream.take(frame(number)))
        if draw.random() < 0.1 and stream.is_behind:
            for replayed in range(stream.next_seq, stream.next_seq + 5):
                out += numbers(stream.take(frame(replayed)))
    stream.take(frame(200, FrameKind.HEARTBEAT))
    while stream.is_behind:
        out += numbers(stream.take(frame(stream.next_seq)))
    assert out == list(range(1, max(out) + 1))
    assert stream.next_seq == max(out) + 1 >= 201


def test_a_lost_tail_is_seen_by_the_heartbeat() -> None:
    """Without it the last trade of the day could be missing for ever."""
    stream = TopicStream(b"md.ELM|", 1)
    assert numbers(stream.take(frame(1))) == [1]
    assert not stream.is_behind
    stream.take(frame(3, FrameKind.HEARTBEAT))
    assert stream.is_behind


def test_from_now_starts_at_the_first_frame_or_behind_the_first_heartbeat() -> None:
    """A newcomer is told where the topic stands."""
    stream = TopicStream(b"md.ELM|", None)
    assert numbers(stream.take(frame(7))) == [7]
    stream = TopicStream(b"md.ELM|", None)
    stream.take(frame(7, FrameKind.HEARTBEAT))
    assert stream.next_seq == 8
    assert not stream.is_behind


def test_held_back_frames_are_bounded_and_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and what did not fit is not forgotten."""
    monkeypatch.setattr(topic_stream, "FEED_PENDING_FRAMES_MAX", 2)
    stream = TopicStream(b"md.ELM|", 1)
    for number in (3, 4, 5):
        assert stream.take(frame(number)) == []
    assert numbers(stream.take(frame(1))) == [1]
    assert numbers(stream.take(frame(2))) == [2, 3, 4]
    assert stream.is_behind
    assert stream.next_seq == 5


def test_frames_that_nobody_has_are_given_up_as_a_whole() -> None:
    """An earlier day's frames are gone; later ones still count."""
    stream = TopicStream(b"md.ELM|", 1)
    stream.take(frame(9))
    assert numbers(stream.skip_to(9)) == [9]
    assert not stream.is_behind


def test_what_is_no_frame_is_refused() -> None:
    """Every decoder meets truncated bytes."""
    stream = TopicStream(b"md.ELM|", 1)
    for size in range(frames.HEADER.size):
        with pytest.raises(ValueError, match="PUB frame"):
            stream.take(frame(1)[:size])
