"""Pins the loop's thread to a core, and lets helper threads off it again.

Called by the composition root, after the ZeroMQ threads exist (they must not share the core), and
at the top of helper threads (which inherit the pin).
"""

import os


def available() -> frozenset[int]:
    """Cores this thread may run on."""
    return frozenset(os.sched_getaffinity(0))


def pin(core: int) -> None:
    """Pin the calling thread alone. Raises: OSError when there is no such core."""
    os.sched_setaffinity(0, {core})


def unpin(cores: frozenset[int]) -> None:
    """Let the calling thread run on `cores` again."""
    os.sched_setaffinity(0, cores)
