"""What can go wrong with the log, how it is told, and how a process ends that must not go on.

Called by every file of this room and by the node's top. A damaged or failing disk ends the
process: the others repair a dead replica, nobody repairs a wrong one.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

Report = Callable[[str, dict[str, str]], None]  # event, values: a link refused or lost


class ReplicationError(Exception):
    """Base of what this room raises by itself."""


class JournalDamagedError(ReplicationError):
    """What is on disk is not what was written. `log_index` is the first entry in doubt."""

    def __init__(self, log_index: int, reason: str) -> None:
        super().__init__(f"journal damaged at log index {log_index}: {reason}")
        self.log_index = log_index
        self.reason = reason


class JournalFullError(ReplicationError):
    """No segment is left to write to: the disk is full, or slower than the traffic."""


class LibraryChangedError(ReplicationError):
    """The installed PySyncObj is not the one that was reviewed."""


def report_to_stderr(node_id: str) -> Report:
    """What a node writes about its links when nobody else takes it: one JSON object a line."""

    def report(event: str, values: dict[str, str]) -> None:
        line = {"ts": time.time_ns(), "node": node_id, "level": "warning", "event": event}
        sys.stderr.write(json.dumps(line | values) + "\n")
        sys.stderr.flush()

    return report


def die(event: str, reason: str) -> NoReturn:
    """Say why on stderr, one JSON object on a line, and abort without any clean-up.

    Nothing is flushed or synced on the way out: after a failed fdatasync the kernel may have
    dropped the very pages a second attempt would report as written.
    """
    report = {"event": event, "reason": reason, "traceback": traceback.format_exc()}
    sys.stderr.write(json.dumps(report) + "\n")
    sys.stderr.flush()
    os.abort()
