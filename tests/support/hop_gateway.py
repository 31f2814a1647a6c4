"""The binary gateway's process with places to die at: `python -m tests.support.hop_gateway`.

Started by tests/support/hops.py in place of `gateways.binary.main`. It can be killed at `read`
(it has a client's order and has pushed it to nobody) and at `pushed` (PUSH has taken it).
"""

import sys
from unittest import mock

from gateways.binary.main import main
from gateways.wires import ZmqWires
from tests.support import hop_faults

_push = ZmqWires.push


def push(wires: ZmqWires, node_id: str, frame: bytes) -> bool:
    """Commands go to the leader."""
    hop_faults.reached("read", frame)
    is_taken = _push(wires, node_id, frame)
    if is_taken:
        hop_faults.reached("pushed", frame)
    return is_taken


if __name__ == "__main__":
    mock.patch.object(ZmqWires, "push", push).start()
    sys.exit(main())
