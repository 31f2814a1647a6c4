"""Reads the sessions' streams from the nodes and holds them against the robots' records.

Called by the demo: `glance` every second from a worker thread (always the same one), `judge` at the
end. Promises: every node is read on its own for the final judgement, and nothing the venue counts
itself is believed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from oms.local.requests import NoAnswer, NodeRequests, NotTheLeader, RequestRefused
from oms.messages import link
from oms.messages.event_records import unpack_stream
from oms.robots.audit import Finding, RunningAudit, compare, compare_live, compare_sent
from oms.robots.facts import facts_of_events
from oms.robots.robot import Robot

ASK_S: Final = 2.0
RETRY_S: Final = 0.2
RETRIES: Final = 10

_T = TypeVar("_T", bound=msgspec.Struct)


class AuditError(Exception):
    """The audit itself could not be done, which is no proof of anything."""


@dataclass(slots=True)
class Judgement:
    """The final audit."""

    finding: Finding = field(default_factory=Finding)
    streams_differ: int = 0  # sessions whose stream is not the same bytes at every node
    is_conserved: bool = False
    nodes_read: int = 0

    @property
    def is_clean(self) -> bool:
        """Nothing lost, nothing duplicated, all nodes alike, money and shares conserved."""
        return self.finding.is_clean and not self.streams_differ and self.is_conserved


class Auditor:
    """One per demo; belongs to the thread that calls it."""

    def __init__(self, requests: NodeRequests, robots: Sequence[Robot]) -> None:
        self._requests = requests
        self._robots = list(robots)
        self._running = {robot.name: RunningAudit(robot.seen) for robot in self._robots}
        self._session_ids: dict[str, int] = {}
        self._committed_before: int | None = None  # as of the last glance
        self.midnight_ns = 0

    @property
    def lost(self) -> int:
        """So far: facts that the log has otherwise, or does not have a second later."""
        return sum(audit.mismatches + audit.overdue for audit in self._running.values())

    @property
    def duplicated(self) -> int:
        """So far: effects that the log has twice."""
        return sum(audit.duplicated for audit in self._running.values())

    def learn(self, node_id: str) -> None:
        """Which session is whose. Raises: AuditError."""
        directory = self._ask(node_id, link.GetDirectory(), link.Directory)
        self.midnight_ns = directory.midnight_ns
        users = {user.user_id: user.name.strip("\0 ") for user in directory.users}
        self._session_ids = {
            users[session.user_id]: session.session_id for session in directory.sessions
        }

    def glance(self, node_id: str) -> None:
        """The cheap form: read from one node what is new, compare it by position.

        Raises: NoAnswer, RequestRefused (look again later, at another node).
        """
        for robot in self._robots:
            audit = self._running[robot.name]
            session_id = self._session_ids[robot.name]
            applied_index = 0
            is_end = False
            while not is_end:
                request = link.ReplaySession(session_id, audit.out_seq + 1)
                records = self._requests.ask(node_id, request, link.Records, ASK_S)
                audit.extend(unpack_stream(records.data))
                applied_index = records.applied_index
                is_end = records.is_end
            floor = self._committed_before
            audit.check(is_complete=floor is not None and applied_index >= floor)
        self._committed_before = self._committed()

    def _committed(self) -> int | None:
        """An index below which everything that was committed by now lies; None: nobody leads.

        A leader that accepts has applied all that was committed before its term.
        """
        statuses = self._requests.ask_all(link.GetStatus(), link.Status, ASK_S / 4)
        leading = [item for item in statuses.values() if item is not None and item.accepting]
        return max((item.applied_index for item in leading), default=None)

    def judge(self) -> Judgement:
        """The full form, after everything has settled. Raises: AuditError."""
        judgement = Judgement(nodes_read=len(self._requests.node_ids))
        first, *others = self._requests.node_ids
        for robot in self._robots:
            session_id = self._session_ids[robot.name]
            data = self._stream(first, session_id)
            if any(self._stream(node_id, session_id) != data for node_id in others):
                judgement.streams_differ += 1
                judgement.finding.note(f"{robot.name}: the nodes replay different streams")
            stream = facts_of_events(unpack_stream(data))
            judgement.finding.add(compare(robot.name, list(robot.seen), stream))
            judgement.finding.add(compare_sent(robot.name, robot.entered, stream))
            orders = self._ask(first, link.GetOpenOrders(session_id), link.Orders).orders
            live = {order.user_ref_num: order.leaves_qty for order in orders}
            judgement.finding.add(compare_live(robot.name, robot.believed_live(), live))
        totals = [
            self._ask(node_id, link.GetTotals(), link.Totals) for node_id in self._requests.node_ids
        ]
        judgement.is_conserved = all(is_conserved(item) for item in totals)
        return judgement

    def _stream(self, node_id: str, session_id: int) -> bytes:
        parts: list[bytes] = []
        next_out_seq = 1
        while True:
            request = link.ReplaySession(session_id, next_out_seq)
            records = self._ask(node_id, request, link.Records)
            events = unpack_stream(records.data)
            for event in events:
                if event.out_seq != next_out_seq:
                    msg = f"{node_id} replays {event.out_seq} where {next_out_seq} is due"
                    raise AuditError(msg)
                next_out_seq += 1
            parts.append(records.data)
            if records.is_end:
                return b"".join(parts)

    def _ask(self, node_id: str, request: link.Request, answer: type[_T]) -> _T:
        reason = ""
        for _ in range(RETRIES):
            try:
                return self._requests.ask(node_id, request, answer, ASK_S)
            except (NoAnswer, RequestRefused, NotTheLeader) as error:
                reason = str(error)
                time.sleep(RETRY_S)
        msg = f"{type(request).__name__} at {node_id}: {reason}"
        raise AuditError(msg)


def is_conserved(totals: link.Totals) -> bool:
    """What was brought in is what is there; what is held is what live orders hold."""
    are_all_there = bool(totals.currencies) and totals.shares_issued == totals.shares_total
    return are_all_there and all(
        (x.cash_issued, x.hold_total) == (x.cash_total, x.hold_of_orders) for x in totals.currencies
    )
