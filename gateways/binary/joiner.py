"""Joins the replay of a session's stream to its live events, without a seam.

Called by `session.py`. Pure. While the replay is fetched, live events wait here; when the replay
has reached the first of them they follow it. Bounds: beyond HELD_EVENTS_MAX the waiting ones are
forgotten and fetched with the replay instead, so a long replay never takes unbounded memory.
"""

import struct
from typing import Final

from oms.bounds import EVENT_BYTES

HELD_EVENTS_MAX: Final = 8192
_OUT_SEQ_TIME: Final = struct.Struct("<16xQ8xq")

Ready = list[tuple[bytes, int]]  # buffers and the offsets of records in them


class Joiner:
    """Replays up to `last_out_seq`, or further when live events had to be forgotten.

    `last_timestamp_ns` is the time of something in the log not before event `last_out_seq`: a
    record of an earlier number but a later time is of another day's stream.
    """

    def __init__(self, next_out_seq: int, last_out_seq: int, last_timestamp_ns: int) -> None:
        self.next_out_seq = next_out_seq
        self.is_joined = False
        self._last_out_seq = last_out_seq
        self._last_timestamp_ns = last_timestamp_ns
        self._held: Ready = []
        self._held_up_to = last_out_seq

    def hold(self, data: bytes, offset: int, out_seq: int) -> None:
        """A live event that has to wait for the replay."""
        if out_seq <= self._held_up_to:
            return
        is_next = out_seq == self._held_up_to + 1
        self._held_up_to = out_seq
        if is_next and len(self._held) < HELD_EVENTS_MAX:
            start = max(0, offset - EVENT_BYTES)  # its terms, perhaps
            self._held.append((data[start : offset + EVENT_BYTES], offset - start))
            return
        self._held.clear()
        self._last_out_seq = out_seq
        self._last_timestamp_ns = _OUT_SEQ_TIME.unpack_from(data, offset)[1]

    def replayed(self, records: bytes) -> Ready | None:
        """Records to send now, in order; `is_joined` when the live events are among them.

        None: the records are of another stream than the one that was logged in to.
        """
        ready: Ready = []
        for offset in range(0, len(records) - EVENT_BYTES + 1, EVENT_BYTES):
            if self.next_out_seq > self._last_out_seq:
                break
            out_seq, timestamp_ns = _OUT_SEQ_TIME.unpack_from(records, offset)
            if out_seq < self.next_out_seq:
                continue
            if out_seq > self.next_out_seq or timestamp_ns > self._last_timestamp_ns:
                return None
            ready.append((records, offset))
            self.next_out_seq = out_seq + 1
        if self.next_out_seq > self._last_out_seq:
            ready += self._held
            self.next_out_seq += len(self._held)
            self._held = []
            self.is_joined = True
        return ready
