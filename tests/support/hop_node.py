"""The node's process with places to die at: `python -m tests.support.hop_node --settings ...`.

Started by tests/support/hops.py in place of `oms.node.main`. As leader it can be killed at
`propose` (the log has the entry in memory, nobody else has it), `sent` (the log has had its turn:
written and on its way), `commit` (committed and not applied), `apply` (applied and not published),
`publish` (handed to PUB).
"""

import sys
from typing import Final
from unittest import mock

import zmq

from oms import bounds
from oms.node.egress import Egress
from oms.node.main import main
from oms.node.replica import Replica
from oms.replication.raft_log import RaftLog
from oms.transport import sockets
from oms.transport.sockets import KeyPair, Socket
from tests.support import hop_faults

NARROW_HWM: Final = 8  # frames to one gateway
NARROW_BYTES: Final = 8_192  # of the kernel

_propose = RaftLog.propose
_tick = RaftLog.tick
_on_commit = Replica.on_commit
_flush = Egress.flush
_serve = sockets._serve
_unsent: list[bytes] = []


def propose(log: RaftLog, entry: bytes) -> bool:
    """The leader takes an entry in."""
    is_taken = _propose(log, entry)
    if is_taken:
        hop_faults.reached("propose", entry)
        _unsent.append(entry)
    return is_taken


def tick(log: RaftLog) -> None:
    """The log's turn."""
    _tick(log)
    for entry in _unsent:
        hop_faults.reached("sent", entry)
    _unsent.clear()


def on_commit(replica: Replica, log_index: int, term: int, entry: bytes) -> None:
    """A committed entry reaches the engine."""
    is_leading = replica._egress.is_leading
    if is_leading:
        hop_faults.reached("commit", entry)
    _on_commit(replica, log_index, term, entry)
    if is_leading:
        hop_faults.reached("apply", entry)


def flush(egress: Egress, timestamp_ns: int) -> None:
    """What was applied is published."""
    data = b"".join(egress._pending)
    _flush(egress, timestamp_ns)
    hop_faults.reached("publish", data)


def serve_narrowly(socket: Socket, address: str, domain: str, pair: KeyPair) -> None:
    """PUB with as little room as there is, so that a slow subscriber loses soon."""
    if domain == sockets.DOMAIN_PUB:
        socket.setsockopt(zmq.SNDBUF, NARROW_BYTES)
        socket.setsockopt(zmq.SNDHWM, NARROW_HWM)
    _serve(socket, address, domain, pair)


if __name__ == "__main__":
    assert bounds.ENGINE_HWM > NARROW_HWM
    for target, name, wrapped in (
        (RaftLog, "propose", propose),
        (RaftLog, "tick", tick),
        (Replica, "on_commit", on_commit),
        (Egress, "flush", flush),
    ):
        mock.patch.object(target, name, wrapped).start()
    if (hop_faults.folder() / hop_faults.NARROW).exists():
        mock.patch.object(sockets, "_serve", serve_narrowly).start()
    sys.exit(main())
