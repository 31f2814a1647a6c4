"""Compares this replica's digests with what the other nodes say about the same log index.

Called by the replica (after each entry) and by the loop (a peer's status came in). A digest is a
chain: two replicas that differ once differ for ever. A node that differs from a majority of the
cluster must fence itself; one peer alone that differs is the peer's own trouble.
"""

from typing import Final

from oms.messages.link import Status

KEPT: Final = 1 << 13  # entries remembered: several status periods at full load


class DigestWatch:
    """A ring of (log_index, digest) of this node, and who disagreed."""

    def __init__(self, node_count: int) -> None:
        self._majority = node_count // 2 + 1
        self._indexes = [-1] * KEPT
        self._digests = [0] * KEPT
        self._differing: dict[str, int] = {}  # peer -> log index of the first difference

    def note(self, log_index: int, digest: int) -> None:
        """This node applied `log_index`."""
        slot = log_index % KEPT
        self._indexes[slot] = log_index
        self._digests[slot] = digest

    def at(self, log_index: int) -> int | None:
        """This node's digest at `log_index`; None when that is not remembered (any more)."""
        slot = log_index % KEPT
        return self._digests[slot] if self._indexes[slot] == log_index else None

    def compare(self, peer: Status) -> bool:
        """Take in a peer's status. True: this one is new and differs from ours."""
        slot = peer.applied_index % KEPT
        if self._indexes[slot] != peer.applied_index or peer.node_id in self._differing:
            return False
        if int(peer.digest, 16) == self._digests[slot]:
            return False
        self._differing[peer.node_id] = peer.applied_index
        return True

    @property
    def must_fence(self) -> bool:
        """A majority of the cluster has another state than this node."""
        return len(self._differing) >= self._majority
