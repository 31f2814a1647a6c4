"""A leader that hands over: to whom, until when, and what stands in the way.

Called by raft_rules.py; pure, time is an argument. Promises: one attempt at a time; an attempt that
has not worked within an election time-out is given up, and one the leader makes of its own accord
is not repeated at once: while it lasts nothing is accepted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ATTEMPT_S: Final = 0.6
PAUSE_S: Final = 1.0  # between attempts that nobody asked for


@dataclass(frozen=True, slots=True)
class Successor:
    """A follower as the leader knows it."""

    node_id: str
    matched: int  # everything up to here is on its disk
    is_connected: bool
    is_heard: bool  # it answered a moment ago
    may_lead: bool | None  # as it said in its last reply; None: it has not replied yet
    room: int  # raft_messages.ROOM, NO_ROOM or NO_RESERVE

    def obstacle(self) -> str:
        """Why it cannot take over, "" when it can."""
        if not self.is_connected:
            return f"{self.node_id} is not connected"
        if not self.is_heard or self.may_lead is None:
            return f"{self.node_id} does not answer"
        if not self.may_lead:
            return f"{self.node_id} may not lead now"
        return ""


class Handover:
    """Of one leader."""

    def __init__(self) -> None:
        self.target: str | None = None
        self.is_told = False
        self._until_s = 0.0
        self._again_s = 0.0

    @property
    def is_under_way(self) -> bool:
        """Nothing is accepted meanwhile."""
        return self.target is not None

    def begin(self, target: str, now: float) -> None:
        """From now on the log only waits for `target`."""
        self.target, self.is_told, self._until_s = target, False, now + ATTEMPT_S
        self._again_s = now + ATTEMPT_S + PAUSE_S

    def end(self) -> None:
        """Another leads, or this one goes on."""
        self.target, self.is_told = None, False

    def expire(self, now: float) -> None:
        """Give up what takes too long."""
        if self.target is not None and now >= self._until_s:
            self.end()

    def may_begin_unasked(self, now: float) -> bool:
        """Whether an attempt of the leader's own is not too soon."""
        return self.target is None and now >= self._again_s


def most_up_to_date(successors: Iterable[Successor]) -> Successor | None:
    """Who is waited for the least: of those that can, with room first, then by what they hold."""
    able = [successor for successor in successors if not successor.obstacle()]
    return max(able, key=lambda s: (-s.room, s.matched, s.node_id), default=None)
