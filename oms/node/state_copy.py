"""The engine's state as it is now, in bytes that are there a little later.

Called by snapshots.py: `copy_state` in the loop, the rest on the helper thread that writes. A small
state is copied at once. For a large one a process beside this one does it, which has the memory as
it was at the fork (docs/adr/0045): the loop waits for the fork alone. Where there is no room for a
process the loop copies, as for a small state.
"""

import mmap
import os
from typing import Protocol, runtime_checkable

from oms.bounds import SNAPSHOT_COPY_BYTES_MAX
from oms.node.engine import Engine

ORDER_BYTES = 64  # of a snapshot, at least


class StateCopy(Protocol):
    """A copy that may still be in the making."""

    def wait(self) -> bytes | memoryview:
        """The bytes. Any thread, once. Raises: OSError when they could not be made."""

    def drop(self) -> None:
        """It is not wanted after all."""


class CopiedAtOnce:
    """Bytes that are there."""

    def __init__(self, state: bytes) -> None:
        self._state = state

    def wait(self) -> bytes | memoryview:
        """The bytes."""
        return self._state

    def drop(self) -> None:
        """Nothing is left behind."""


class CopiedBeside:
    """Bytes that a process beside this one writes into a file in memory."""

    def __init__(self, engine: "ForkingEngine") -> None:
        """Raises: OSError, and then nothing is left behind."""
        self._engine = engine
        self._file = os.memfd_create("quorate-snapshot", os.MFD_CLOEXEC)
        try:
            self._process = engine.snapshot_beside(self._file)
        except OSError:
            os.close(self._file)
            raise

    def wait(self) -> bytes | memoryview:
        """The bytes, when the process has ended. Raises: OSError when it failed."""
        status = self._end()
        try:
            if status:
                raise OSError(0, f"the process beside this one ended with status {status}")
            return memoryview(mmap.mmap(self._file, 0, prot=mmap.PROT_READ))
        finally:
            os.close(self._file)

    def drop(self) -> None:
        """Let it end; it takes a moment."""
        self._end()
        os.close(self._file)

    def _end(self) -> int:
        _, status = os.waitpid(self._process, 0)
        self._engine.join_pages()
        return os.waitstatus_to_exitcode(status)


@runtime_checkable
class ForkingEngine(Protocol):
    """What only the core can do."""

    def snapshot_beside(self, file: int) -> int:
        """Start a process that writes the state into `file`. Raises: OSError."""

    def join_pages(self) -> None:
        """When it has ended."""


def copy_state(engine: Engine, last_bytes: int) -> StateCopy:
    """The state now; `last_bytes` is how large it was when it was last copied, 0: not known."""
    size = max(engine.open_orders * ORDER_BYTES, last_bytes)
    if size > SNAPSHOT_COPY_BYTES_MAX and isinstance(engine, ForkingEngine):
        try:
            return CopiedBeside(engine)
        except OSError:
            pass  # no room for a process: then the loop does it
    return CopiedAtOnce(engine.snapshot())
