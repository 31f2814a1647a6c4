"""What all robots of a demo have counted and timed together.

Called by the robots (one event loop) and read by the live line and the report. Promises nothing is
taken from the venue: every number here was counted at a client. Latency is from the write of an
order to its acceptance.
"""

import math
from collections import deque
from typing import Final

from oms.client.latency import LatencyHistogram

RECENT_MAX: Final = 4_096  # acknowledgements that the live line's percentiles look back on
_MICROSECOND_NS: Final = 1_000


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile of a few values; 0 without any."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


class Tally:
    """Counters of one demo."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0  # acceptances and replacements seen
        self.rejected = 0
        self.ignored = 0  # replaces that came too late
        self.trades = 0
        self.unknown_resolved = 0  # in flight at a kill, outcome known since
        self.latency = LatencyHistogram()
        self.recent_ns: deque[int] = deque(maxlen=RECENT_MAX)

    def acknowledge(self, elapsed_ns: int) -> None:
        """An order was accepted so long after it was written."""
        self.acknowledged += 1
        self.latency.record(elapsed_ns)
        self.recent_ns.append(elapsed_ns)

    def recent_us(self, share: float) -> float:
        """Percentile of the last acknowledgements."""
        return percentile([float(value) for value in self.recent_ns], share) / _MICROSECOND_NS
