"""What a process says about itself: one JSON object a line on stderr, events with keys.

Called by every part of the nodes and of the gateways. Never called for a single order or entry:
state changes, closed connections, refusals and faults only.
"""

import time
from typing import TextIO

import msgspec

Value = str | int | float | bool | None


class Log:
    """Writes lines `{"ts": ..., "node": ..., "level": ..., "event": ..., ...}`.

    `role` is the key under which the process's name stands: node or gateway.
    """

    def __init__(self, name: str, stream: TextIO, *, role: str = "node") -> None:
        self._name = name
        self._stream = stream
        self._role = role

    def _write(self, level: str, event: str, values: dict[str, Value]) -> None:
        line: dict[str, Value] = {
            "ts": time.time_ns(),
            self._role: self._name,
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
        """This process is at fault, or cannot go on."""
        self._write("error", event, values)
