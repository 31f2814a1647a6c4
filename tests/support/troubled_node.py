"""A node that a test can trouble while it runs: `python -m tests.support.troubled_node`.

Started by the tests of the procedures in place of `oms.node.main`. Its clock is set wrong by
`tests.support.skewed_node.set_skew`; its disk is full as long as there is a file `full` beside its
settings; a certain order kills it (`tests.support.poisoned_engine`).
"""

import sys
from pathlib import Path

from oms.node.event_log import EventLog
from oms.node.main import main
from tests.support.poisoned_node import poisoned
from tests.support.skewed_node import SkewedClock

FULL = "full"


def fill_disks(path: Path) -> None:
    """From now on the room ahead of the event log is gone while `path` exists."""
    has_room: property = vars(EventLog)["has_room"]

    def is_there(event_log: EventLog) -> bool:
        return bool(has_room.__get__(event_log)) and not path.exists()

    setattr(EventLog, "has_room", property(is_there))  # noqa: B010  # mypy: not a method


if __name__ == "__main__":
    fill_disks(Path(sys.argv[sys.argv.index("--settings") + 1]).parent / FULL)
    sys.exit(main(poisoned, SkewedClock))
