"""The only reader of system time in a node.

Called by the loop once a turn; everything else gets `now_ns` as an argument (STYLE c). Wall time
stamps entries and status, monotonic time drives leases and periods.
"""

import time


class Clock:
    """System time, nanoseconds."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go backwards, from an arbitrary start."""
        return time.monotonic_ns()
