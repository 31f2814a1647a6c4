"""The command `oms` with nodes that have a fault: `python -m tests.support.oms_command`.

Typed by the tests of the procedures. The product's own command has no way to start other nodes
than its own.
"""

import os

from oms.cli.main import main
from oms.local import venue

if __name__ == "__main__":
    venue._NODE_MODULE = os.environ["OMS_TEST_NODE_MODULE"]  # type: ignore[misc]
    main()
