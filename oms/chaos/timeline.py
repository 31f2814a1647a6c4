"""What a run looks like over time: acknowledgements a second, their latencies, and every fault.

Called by `run.py`; `report_page.py` draws it. Everything is counted at the clients: latency is from
the write of an order to its acceptance, in the second in which the acceptance came.
"""

import math
import time
from array import array
from typing import Final

import msgspec

from oms.chaos.kinds import KINDS, FaultName
from oms.robots.tally import Tally

_NS: Final = 1_000_000_000
_MS: Final = 1_000_000


class Second(msgspec.Struct, frozen=True, array_like=True):
    """One second of trading; latencies in milliseconds, 0 where nothing was acknowledged."""

    acknowledged: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Mark(msgspec.Struct, frozen=True):
    """One fault, in seconds from the start of trading."""

    name: FaultName
    from_s: float
    to_s: float  # done, and what was ended is started again
    told: str

    @property
    def family(self) -> str:
        """What was broken."""
        return KINDS[self.name].family.value


class Timeline(Tally):
    """The robots' tally, which also keeps when everything came."""

    def __init__(self) -> None:
        super().__init__()
        self._began_ns = time.perf_counter_ns()
        self._seconds: list[array[int]] = []
        self.marks: list[Mark] = []

    def begin(self) -> None:
        """Trading starts now."""
        self._began_ns = time.perf_counter_ns()

    @property
    def now_s(self) -> float:
        """Seconds of trading."""
        return (time.perf_counter_ns() - self._began_ns) / _NS

    def acknowledge(self, elapsed_ns: int) -> None:
        """An order was accepted so long after it was written."""
        super().acknowledge(elapsed_ns)
        second = (time.perf_counter_ns() - self._began_ns) // _NS
        while len(self._seconds) <= second:
            self._seconds.append(array("q"))
        self._seconds[second].append(elapsed_ns)

    def seconds(self) -> list[Second]:
        """From the first second on, none left out."""
        return [_second(sorted(found)) for found in self._seconds]


def _second(ranked: list[int]) -> Second:
    if not ranked:
        return Second(0, 0.0, 0.0, 0.0)

    def rank(share: float) -> float:
        return round(ranked[max(0, math.ceil(share * len(ranked)) - 1)] / _MS, 2)

    return Second(len(ranked), rank(0.5), rank(0.99), rank(1.0))
