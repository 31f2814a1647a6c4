"""Puts engine frames in the order of their event_seq: no repeat, no hole, nothing out of turn.

Called by `venue_link.py`. Pure. Frames behind a hole wait until the hole is filled by a replay;
beyond PENDING_FRAMES_MAX waiting ones the newest are dropped, and the replay goes on through them.
"""

from oms.bounds import EVENT_BYTES, PENDING_FRAMES_MAX


class EventOrder:
    """See the module's header. `next_seq` is the first event not yet handed on."""

    def __init__(self, next_seq: int) -> None:
        self.next_seq = next_seq
        self._waiting: dict[int, bytes] = {}
        self._announced = next_seq - 1

    def offer(self, first_seq: int, data: bytes) -> list[bytes]:
        """A frame's records, from the stream or a replay. Returns what may be handed on now."""
        last_seq = first_seq + len(data) // EVENT_BYTES - 1
        self._announced = max(self._announced, last_seq)
        if last_seq < self.next_seq:
            return []
        if first_seq > self.next_seq:
            if len(self._waiting) < PENDING_FRAMES_MAX:
                known = self._waiting.get(first_seq, b"")
                if len(data) > len(known):
                    self._waiting[first_seq] = data
            return []
        ready = [self._take(first_seq, data)]
        while self._waiting:
            first_seq = min(self._waiting)
            if first_seq > self.next_seq:
                break
            data = self._waiting.pop(first_seq)
            if first_seq + len(data) // EVENT_BYTES > self.next_seq:
                ready.append(self._take(first_seq, data))
        return ready

    def _take(self, first_seq: int, data: bytes) -> bytes:
        known = (self.next_seq - first_seq) * EVENT_BYTES
        self.next_seq = first_seq + len(data) // EVENT_BYTES
        return data[known:] if known else data

    def announce(self, event_seq: int) -> None:
        """A node has events up to this one."""
        self._announced = max(self._announced, event_seq)

    def is_missing(self) -> bool:
        """Events are known to exist that have not come: a hole, or a lost tail."""
        return self._announced >= self.next_seq
