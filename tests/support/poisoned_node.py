"""The node's process with an engine that dies of poison: `python -m tests.support.poisoned_node`.

Started by tests/integration/test_poison.py in place of `oms.node.main`; the node's own code has no
way to be told to crash.
"""

import sys
from typing import cast

from oms.node.engine import Engine, make_engine
from oms.node.main import main
from tests.support.poisoned_engine import AbortingEngine


def poisoned(kind: str) -> Engine:
    """The engine that the settings name, inside one that dies."""
    return cast("Engine", AbortingEngine(make_engine(kind)))


if __name__ == "__main__":
    sys.exit(main(poisoned))
