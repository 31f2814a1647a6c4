"""What the client tells whoever writes down everything it sends and is told.

Called by `aio.py` when a recorder was given to `connect`; `oms.check.history.Recorder` is one. The
client promises: `wrote` before the bytes go to the socket, `read` before it looks at them itself.
"""

from typing import Protocol


class RecordedConnection(Protocol):
    """One TCP connection."""

    def wrote(self, data: bytes) -> None:
        """These bytes are about to be written."""

    def read(self, data: bytes) -> None:
        """These bytes were read."""

    def lost(self, reason: str) -> None:
        """The connection is not used any more."""


class ConnectionRecorder(Protocol):
    """All connections of one client."""

    def connected(self, gateway: str) -> RecordedConnection:
        """A TCP connection to this address stands."""
