"""Who leads now, as a gateway learns it from the status frames of all nodes.

Called by `venue_link.py`. Pure. A lower term than the highest seen is ignored (RULES A5): a node
that has just woken up still believes in an old leader.
"""

from oms.messages.link import Status


class LeaderView:
    """See the module's header. `leader_id` is None while nobody is known to accept commands."""

    def __init__(self) -> None:
        self.term = 0
        self.leader_id: str | None = None
        self.event_seqs: dict[str, int] = {}

    def observe(self, status: Status) -> bool:
        """Take in a status frame. True: the leader, or its term, is another than before."""
        self.event_seqs[status.node_id] = status.event_seq
        if status.term < self.term:
            return False
        before = (self.leader_id, self.term if self.leader_id else 0)
        if status.term > self.term:
            self.term = status.term
            self.leader_id = None
        if status.role == "leader" and status.accepting:
            self.leader_id = status.node_id
        elif self.leader_id == status.node_id:
            self.leader_id = None
        return before != (self.leader_id, self.term if self.leader_id else 0)

    @property
    def event_seq(self) -> int:
        """The last event any node has announced."""
        return max(self.event_seqs.values(), default=0)
