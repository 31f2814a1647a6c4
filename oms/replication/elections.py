"""When a node asks to be elected, and when it encourages another: pre-votes.

Called by raft_rules.py; pure, time is an argument. Promises: a node campaigns only after a majority
said that it would vote for it and hears no leader either, so a node that was cut off does not
disturb a working leader when it returns. A leader whose connection closed is replaced at once,
without waiting for a time-out: survivors ask in the order of their rank, a little apart.
"""

from dataclasses import dataclass, field
from typing import Final

STAGGER_S: Final = 0.01  # between the survivors' first attempts
RETRY_S: Final = 0.01  # the other survivor may not have noticed yet
EARLY_FOR_S: Final = 0.3  # then ordinary time-outs take over
YIELD_S: Final = 0.05  # how long an encouraged node is left to campaign


@dataclass(frozen=True, slots=True, order=True)
class LogEnd:
    """How up to date a log is: by term of the last entry, then by its index."""

    term: int
    log_index: int


@dataclass(slots=True)
class Election:
    """This node's wish to lead."""

    node_id: str
    majority: int
    attempt_at_s: float | None = None  # next early attempt
    _early_until_s: float = 0.0
    _asked_term: int = 0
    _asked_at_s: float = 0.0
    _granted_by: set[str] = field(default_factory=set)

    def leader_lost(self, now: float, *, place: int) -> None:
        """The leader's connection closed (or peers appeared and none leads); `place` is this
        node's position among the survivors, from 0.
        """
        self.attempt_at_s = now + place * STAGGER_S
        self._early_until_s = now + EARLY_FOR_S

    def settle(self) -> None:
        """A leader was heard, or a vote given: no wish any more."""
        self.attempt_at_s = None
        self._asked_term = 0
        self._granted_by.clear()

    def is_due(self, now: float, deadline_s: float) -> bool:
        """Time for an attempt: an early one, or the ordinary time-out passed."""
        return now >= deadline_s or (self.attempt_at_s is not None and now >= self.attempt_at_s)

    def ask(self, now: float, term: int) -> bool:
        """Start a round of pre-votes for `term`; True when the own one is a majority already."""
        early = self.attempt_at_s is not None and now + RETRY_S < self._early_until_s
        self.attempt_at_s = now + RETRY_S if early else None
        self._asked_term, self._asked_at_s = term, now
        self._granted_by = {self.node_id}
        return len(self._granted_by) >= self.majority

    def granted(self, node_id: str, term: int) -> bool:
        """A pre-vote came; True once they are a majority (then the round is used up)."""
        if not self._asked_term or term != self._asked_term:
            return False
        self._granted_by.add(node_id)
        if len(self._granted_by) < self.majority:
            return False
        self._asked_term = 0
        return True

    def grants(self, now: float, *, asker: str, asker_end: LogEnd, own_end: LogEnd) -> bool:
        """Whether to encourage `asker`, given that this node hears no leader."""
        if asker_end < own_end:
            return False
        is_asking = self._asked_term > 0 and now - self._asked_at_s < YIELD_S
        if is_asking and asker_end == own_end and self.node_id < asker:
            return False  # both want it and are equal: the lower id goes first
        self._asked_term = 0
        if self.attempt_at_s is not None:
            self.attempt_at_s = max(self.attempt_at_s, now + YIELD_S)
        return True
