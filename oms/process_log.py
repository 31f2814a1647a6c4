"""What a process says about itself: one JSON object a line on stderr, events with keys.

Called by every part of the nodes and of the gateways. Never called for a single order or entry:
state changes, closed connections, refusals and faults only. Promises: a line that cannot be
written (a full disk) stops nobody; it is dropped and counted, and the next that can be says so.
"""

import io
import os
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
        self._is_torn = False  # a line was written in part
        self._told = 0  # lines dropped, as the last line said
        self.dropped_count = 0

    def _write(self, level: str, event: str, values: dict[str, Value]) -> None:
        line: dict[str, Value] = {
            "ts": time.time_ns(),
            self._role: self._name,
            "level": level,
            "event": event,
        }
        line.update(values)
        if self.dropped_count > self._told:
            line["lines_dropped"] = self.dropped_count
        try:
            self._put(msgspec.json.encode(line) + b"\n")
        except OSError:
            self.dropped_count += 1  # there is no other place to say it
        else:
            self._told = self.dropped_count

    def _put(self, line: bytes) -> None:
        """Past the stream's buffer, which would keep what a full disk refuses, and try again."""
        try:
            fd = self._stream.fileno()
        except io.UnsupportedOperation:
            self._stream.write(line.decode())
            return
        data = b"\n" + line if self._is_torn else line
        written = os.write(fd, data)
        if written < len(data):
            self._is_torn = True
            raise OSError("a line was written in part")
        self._is_torn = False

    def info(self, event: str, **values: Value) -> None:
        """Something expected changed."""
        self._write("info", event, values)

    def warning(self, event: str, **values: Value) -> None:
        """A peer did what it should not, or a bound was reached."""
        self._write("warning", event, values)

    def error(self, event: str, **values: Value) -> None:
        """This process is at fault, or cannot go on."""
        self._write("error", event, values)
