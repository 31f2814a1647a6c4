"""Compares this replica's digests with what the other nodes say about the same log index.

Called by the replica (after each entry) and by the loop (a peer's status came in). A digest is a
chain: two replicas that differ once differ for ever. A node that differs from a majority of the
cluster must fence itself; one peer alone that differs is the peer's own trouble.
"""

from typing import Final

from oms.messages.link import Status

KEPT: Final = 1 << 13  # entries remembered: several status periods at full load
STATES_KEPT: Final = 64  # scrubs remembered: what a peer tells of is a status period old


class DigestWatch:
    """A ring of (log_index, digest) of this node, its last scrubs, and who disagreed."""

    def __init__(self, node_count: int) -> None:
        self._majority = node_count // 2 + 1
        self._indexes = [-1] * KEPT
        self._digests = [0] * KEPT
        self._states: dict[int, int] = {}  # log index of a scrub -> state digest
        # peer -> what differed first ("digest" or "state"), and the log index it was seen at
        self._differing: dict[str, tuple[str, int]] = {}

    def note(self, log_index: int, digest: int) -> None:
        """This node applied `log_index`."""
        slot = log_index % KEPT
        self._indexes[slot] = log_index
        self._digests[slot] = digest

    def at(self, log_index: int) -> int | None:
        """This node's digest at `log_index`; None when that is not remembered (any more)."""
        slot = log_index % KEPT
        return self._digests[slot] if self._indexes[slot] == log_index else None

    def note_state(self, log_index: int, state_digest: int) -> None:
        """This node's state was hashed at `log_index`."""
        self._states[log_index] = state_digest
        while len(self._states) > STATES_KEPT:
            del self._states[min(self._states)]

    def compare(self, peer: Status) -> bool:
        """Take in a peer's status. True: this one is new and differs from ours."""
        if peer.node_id in self._differing:
            return False
        digest, state = self.at(peer.applied_index), self._states.get(peer.scrub_index)
        if digest is not None and int(peer.digest, 16) != digest:
            self._differing[peer.node_id] = ("digest", peer.applied_index)
            return True
        if state is not None and int(peer.scrub_digest, 16) != state:
            self._differing[peer.node_id] = ("state", peer.scrub_index)
            return True
        return False

    def difference(self, node_id: str) -> tuple[str, int]:
        """What a peer that differs differed in first, and the log index it was seen at."""
        return self._differing[node_id]

    @property
    def must_fence(self) -> bool:
        """A majority of the cluster has another state than this node."""
        return len(self._differing) >= self._majority
