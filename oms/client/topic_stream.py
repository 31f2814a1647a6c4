"""One topic of the feed put in order: no number twice, none left out; no IO.

Called by `feed.py` with every frame of the topic, live or replayed, in whatever order. It promises
that what it hands out is contiguous, and it knows at any time from which number frames are missing.
"""

from oms.bounds import FEED_PENDING_FRAMES_MAX
from oms.wire import frames
from oms.wire.frames import FrameKind


class TopicStream:
    """Numbers and held-back frames of one topic."""

    def __init__(self, topic: bytes, from_seq: int | None) -> None:
        self.topic = topic
        self.next_seq = from_seq or 0  # 0: the first frame or heartbeat decides
        self.last_seq = 0  # the highest number anybody spoke of
        self._pending: dict[int, bytes] = {}

    @property
    def is_behind(self) -> bool:
        """Whether frames are known to exist that are neither here nor held back in order."""
        return 0 < self.next_seq <= self.last_seq

    def take(self, frame: bytes) -> list[bytes]:
        """One frame; returns those that are now in order. Raises: ValueError (not a frame)."""
        header, _ = frames.unpack(frame)
        number = header.number
        if header.kind == FrameKind.HEARTBEAT:
            self.last_seq = max(self.last_seq, number)
            if not self.next_seq:
                self.next_seq = number + 1
            return []
        self.last_seq = max(self.last_seq, number)
        if not self.next_seq:
            self.next_seq = number
        if number < self.next_seq:
            return []
        if number > self.next_seq:
            # Beyond the bound it is fetched again: `last_seq` remembers that it exists.
            if len(self._pending) < FEED_PENDING_FRAMES_MAX:
                self._pending[number] = frame
            return []
        ready = [frame]
        self.next_seq += 1
        while self._pending:
            held = self._pending.pop(self.next_seq, None)
            if held is None:
                break
            ready.append(held)
            self.next_seq += 1
        return ready

    def skip_to(self, number: int) -> list[bytes]:
        """Give up what lies before `number`; returns what is in order from there on."""
        self.next_seq = number
        for early in [held for held in self._pending if held < number]:
            del self._pending[early]
        frame = self._pending.pop(number, None)
        return [] if frame is None else self.take(frame)
