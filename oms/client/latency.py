"""Latencies in log-linear counters: constant memory, any number of records, known precision.

Called by replay, robots and benchmarks. Pure. Every power of two is cut into 128 equal parts, so a
percentile is at most 1/128 above the true value and never below it. One record costs a shift and an
increment (a histogram library's record was measured at 1.6 us).

Units: nanoseconds in, and out.
"""

from collections.abc import Iterable
from typing import Final

PART_BITS: Final = 7
PARTS: Final = 1 << PART_BITS
VALUE_BITS: Final = 42  # 73 minutes; longer ones count as that
VALUE_MAX: Final = (1 << VALUE_BITS) - 1
_COUNTERS: Final = (VALUE_BITS - PART_BITS + 1) << PART_BITS


def counter_of(value: int) -> int:
    """Index of the counter that holds `value` (0 to VALUE_MAX)."""
    if value < PARTS:
        return value
    shift = value.bit_length() - 1 - PART_BITS
    return (shift << PART_BITS) + (value >> shift)


def highest_of(counter: int) -> int:
    """The highest value that falls into the counter."""
    if counter < PARTS:
        return counter
    shift = (counter >> PART_BITS) - 1
    part = (counter & (PARTS - 1)) + PARTS
    return ((part + 1) << shift) - 1


class LatencyHistogram:
    """Counters of nanoseconds."""

    def __init__(self) -> None:
        self._counters = [0] * _COUNTERS
        self.count = 0
        self.max = 0

    def record(self, value: int) -> None:
        """One latency. A negative one (a clock that was set) counts as zero."""
        value = min(max(value, 0), VALUE_MAX)
        self._counters[counter_of(value)] += 1
        self.count += 1
        self.max = max(self.max, value)

    def record_all(self, values: Iterable[int]) -> None:
        """Many latencies."""
        for value in values:
            self.record(value)

    def percentile(self, per_mille: int) -> int:
        """The value that `per_mille` of 1,000 records do not exceed; 0 without records."""
        rank = -(-self.count * per_mille // 1_000)  # rounded up: at least that many records
        seen = 0
        for counter, number in enumerate(self._counters):
            seen += number
            if number and seen >= rank:
                return min(highest_of(counter), self.max)
        return 0

    def summary_us(self) -> dict[str, int]:
        """p50, p90, p99, p999 and max in microseconds, rounded up."""
        figures = {
            name: self.percentile(per_mille)
            for name, per_mille in (("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999))
        }
        figures["max"] = self.max
        return {name: -(-value // 1_000) for name, value in figures.items()}
