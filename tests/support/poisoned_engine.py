"""Engines that die of an order: what a fault in the matching engine looks like from outside.

Used by the tests of poison entries. The order is told by its ClOrdID, so it kills every node that
applies it, whenever and wherever that is, as a fault of the engine would.
"""

import os

from oms.node.engine import Engine as AnyEngine
from oms.reference.engine import Engine

POISON = b"POISON"


class Dies(Exception):
    """The process would be gone now."""


class RaisingEngine(Engine):
    """Dies by an exception: for tests within one process."""

    def apply(self, log_index: int, entry: bytes) -> int:
        """Apply an entry, or die."""
        if POISON in entry:
            raise Dies
        return super().apply(log_index, entry)


class AbortingEngine:
    """Any engine, until it sees poison: then the process is gone, as after INVARIANT."""

    def __init__(self, engine: AnyEngine) -> None:
        self._engine = engine

    def apply(self, log_index: int, entry: bytes) -> int:
        """Apply an entry, or die."""
        if POISON in entry:
            os.abort()
        return self._engine.apply(log_index, entry)

    def __getattr__(self, name: str) -> object:
        """Everything else is the engine's."""
        return getattr(self._engine, name)
