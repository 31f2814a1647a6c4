"""The node with a clock that a test can set wrong: `python -m tests.support.skewed_node`.

Started by tests/integration/test_leadership.py, not `oms.node.main`. The skew, 8 bytes, is in
the file `clock` beside the node's settings; a test changes it while the node runs.
"""

import mmap
import struct
import sys
from pathlib import Path

from oms.node.clock import Clock
from oms.node.main import main

_SKEW = struct.Struct("<q")


class SkewedClock(Clock):
    """The machine's wall clock, and what the file says."""

    def __init__(self) -> None:
        path = clock_file(Path(sys.argv[sys.argv.index("--settings") + 1]))
        if not path.exists():
            set_skew(path, 0)
        with path.open("rb") as file:
            self._skew = mmap.mmap(file.fileno(), _SKEW.size, mmap.MAP_SHARED, mmap.PROT_READ)

    def now_ns(self) -> int:
        """Wrong by as much as the file says."""
        skew_ns: int = _SKEW.unpack_from(self._skew)[0]
        return super().now_ns() + skew_ns


def clock_file(settings: Path) -> Path:
    """Where the skew of the node with these settings is."""
    return settings.parent / "clock"


def set_skew(path: Path, skew_ns: int) -> None:
    """Set a clock wrong; a node that runs sees it at once."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(_SKEW.pack(skew_ns))


if __name__ == "__main__":
    sys.exit(main(make_clock=SkewedClock))
