"""A pipe that ends the loop's sleep: signals and helper threads write, the loop reads.

Called by the composition root and the loop.
"""

import os
import signal
from types import FrameType

_READ_BYTES = 4_096


class Wakeup:
    """Both ends of the pipe, and whether the process is to stop, or to start itself anew."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.is_stop_wanted = False
        self.is_restart_wanted = False

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT ask for a clean stop. Main thread only."""
        signal.set_wakeup_fd(self.write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stop_wanted = True

    def stop(self) -> None:
        """Ask for a clean stop from another thread."""
        self.is_stop_wanted = True
        os.write(self.write_fd, b"q")

    @property
    def is_end_wanted(self) -> bool:
        """The loop is to end."""
        return self.is_stop_wanted or self.is_restart_wanted

    def clear(self) -> None:
        """Read the pipe empty."""
        while True:
            try:
                if len(os.read(self.read_fd, _READ_BYTES)) < _READ_BYTES:
                    return
            except BlockingIOError:
                return

    def close(self) -> None:
        """Close both ends."""
        os.close(self.read_fd)
        os.close(self.write_fd)
