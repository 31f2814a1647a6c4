"""One direction of a relayed connection: what waits in it, and what is wrong with it.

Used by `relay.py`. Pure but for the two sockets that it names.
"""

import socket
from collections import deque
from enum import IntEnum, unique
from typing import Final

WAITING_BYTES_MAX: Final = 1 << 20  # beyond, the source is not read, unless its bytes are held


@unique
class Way(IntEnum):
    """A direction: UP is from the side that connects, DOWN is back to it."""

    UP = 0
    DOWN = 1


class Faults:
    """What is wrong with one direction of a link now."""

    def __init__(self) -> None:
        self.is_held = False  # read, but passed on only after `release`
        self.is_full = False  # not read at all: the sender's buffers fill
        self.delay_s = 0.0
        self.left = -1  # bytes until the connection is dropped; -1: no such thing
        self.passed = 0  # bytes handed to the target's socket, all connections
        self.lost = 0  # bytes that were read and went down with a connection


class Flow:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, faults: Faults) -> None:
        self.source = source
        self.sink = sink
        self.faults = faults
        self.waiting: deque[tuple[float, bytes]] = deque()  # when it may go on; what
        self.waiting_bytes = 0
        self.has_ended = False  # nothing more comes from the source
        self.is_shut = False  # and the sink has been told

    def is_read(self) -> bool:
        """Whether the source's bytes are wanted now."""
        if self.has_ended or self.faults.is_full:
            return False
        return self.faults.is_held or self.waiting_bytes < WAITING_BYTES_MAX

    def is_due(self, now: float) -> bool:
        """Whether something may be passed on now."""
        return bool(self.waiting) and not self.faults.is_held and self.waiting[0][0] <= now
