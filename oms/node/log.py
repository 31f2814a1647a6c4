"""What a node says about itself: one JSON object a line on stderr, events with keys.

Called by every part of the node. Never called for a single order or entry: state changes, refusals
and faults only.
"""

import time
from typing import TextIO

import msgspec

Value = str | int | float | bool | None


class Log:
    """Writes lines `{"ts": ..., "node": ..., "level": ..., "event": ..., ...}`."""

    def __init__(self, node_id: str, stream: TextIO) -> None:
        self._node_id = node_id
        self._stream = stream

    def _write(self, level: str, event: str, values: dict[str, Value]) -> None:
        line: dict[str, Value] = {
            "ts": time.time_ns(),
            "node": self._node_id,
            "level": level,
            "event": event,
        }
        line.update(values)
        self._stream.write(msgspec.json.encode(line).decode() + "\n")
        self._stream.flush()

    def info(self, event: str, **values: Value) -> None:
        """Something expected changed."""
        self._write("info", event, values)

    def warning(self, event: str, **values: Value) -> None:
        """A peer did what it should not, or a bound was reached."""
        self._write("warning", event, values)

    def error(self, event: str, **values: Value) -> None:
        """This node is at fault, or cannot go on."""
        self._write("error", event, values)
