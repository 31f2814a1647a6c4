"""A node with a deliberate mistake, to see it found: `python -m tests.support.unsynced_node`.

Started by tests/integration/test_power_cuts.py in place of `oms.node.main`. What it calls durable
it has only handed to the kernel: no kill shows that, a power cut does.
"""

import os
import sys

from oms.node.main import main


def do_nothing(_descriptor: int) -> None:
    """The mistake."""


if __name__ == "__main__":
    setattr(os, "fdatasync", do_nothing)  # noqa: B010  # mypy: not a variable
    sys.exit(main())
