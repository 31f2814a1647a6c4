"""Whether this node's clock is one to lead with: compared with what the other nodes' status says.

Called by the loop (a peer's status came in; a look at every status period). Pure: times are
arguments. A status frame is never younger than it seems, so of a peer's last frames the one that
came fastest tells its clock best. It is held against the monotonic clock, so that a step of this
node's own clock shows at once. Promises: a node is told not to lead only while a majority of the
cluster, itself not among them, agrees on another time (RULES A9); two nodes never both wait.
"""

from collections import deque
from typing import Final

from oms.bounds import CLOCK_SKEW_MAX_NS

FRAMES_KEPT: Final = 32  # of each peer
FRAMES_MIN: Final = 2  # one frame may have been late
FRAME_AGE_MAX_NS: Final = 10_000_000_000  # what an older one says of a clock is over
PATIENCE_NS: Final = 1_000_000_000  # after a start: time for the others to be heard
_BACK_NS: Final = CLOCK_SKEW_MAX_NS * 3 // 4  # to be trusted again; not to and fro at the bound


class ClockWatch:
    """The other nodes' clocks as this node sees them."""

    def __init__(self, node_count: int) -> None:
        self._majority = node_count // 2 + 1
        self._others = node_count - 1
        # peer -> (heard at, monotonic; its clock less our monotonic time when it was heard)
        self._frames: dict[str, deque[tuple[int, int]]] = {}
        self._started_ns: int | None = None
        self._offset_ns: int | None = None  # own clock less monotonic time, at the last look
        self.may_lead = node_count == 1  # not before it is known, or PATIENCE_NS went by
        self.skew_ns = 0  # own clock less the nearest of the others; 0: not known

    def heard(self, peer: str, timestamp_ns: int, monotonic_ns: int) -> None:
        """A peer said what time it was."""
        frames = self._frames.setdefault(peer, deque(maxlen=FRAMES_KEPT))
        frames.append((monotonic_ns, timestamp_ns - monotonic_ns))

    def has_stepped(self, now_ns: int, monotonic_ns: int) -> bool:
        """Own clock is not where it was at the last look: look again before it stamps anything."""
        if self._offset_ns is None:
            return True
        return abs(now_ns - monotonic_ns - self._offset_ns) > CLOCK_SKEW_MAX_NS // 2

    def look(self, now_ns: int, monotonic_ns: int) -> bool:
        """Judge the own clock; returns `may_lead`."""
        if self._started_ns is None:
            self._started_ns = monotonic_ns
        own = self._offset_ns = now_ns - monotonic_ns
        clocks = sorted(self._clocks(monotonic_ns))
        self.skew_ns = min((own - clock for clock in clocks), key=abs, default=0)
        limit = CLOCK_SKEW_MAX_NS if self.may_lead else _BACK_NS
        if self._differs(own, clocks, limit):
            self.may_lead = False
        elif not self.may_lead:
            is_known = len(clocks) == self._others
            self.may_lead = is_known or monotonic_ns - self._started_ns >= PATIENCE_NS
        return self.may_lead

    def _clocks(self, monotonic_ns: int) -> list[int]:
        """Each peer's clock less our monotonic time, of those that were heard enough."""
        clocks: list[int] = []
        for frames in self._frames.values():
            while frames and monotonic_ns - frames[0][0] > FRAME_AGE_MAX_NS:
                frames.popleft()
            if len(frames) >= FRAMES_MIN:
                clocks.append(max(offset for _, offset in frames))
        return clocks

    def _differs(self, own: int, clocks: list[int], limit: int) -> bool:
        """A majority that agrees among itself is further than `limit` from the own clock."""
        for low in range(len(clocks) - self._majority + 1):
            group = clocks[low : low + self._majority]
            is_agreed = group[-1] - group[0] <= CLOCK_SKEW_MAX_NS
            if is_agreed and (own < group[0] - limit or own > group[-1] + limit):
                return True
        return False
