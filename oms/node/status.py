"""What a node says about where it stands: `link.Status` and `link.NotLeader`.

Called by the loop (publish) and by requests (GetStatus). Reads only.
"""

import os
from dataclasses import dataclass

from oms.messages import link
from oms.node.clock import Clock
from oms.node.clock_watch import ClockWatch
from oms.node.engine import Engine
from oms.node.event_log import EventLog
from oms.node.scrub import Scrub
from oms.node.trading_days import TradingDays
from oms.process_log import Log
from oms.replication.port import LogStatus

FENCED = "fenced"


@dataclass(slots=True)
class Standing:
    """The part of a status that is the loop's own."""

    log: LogStatus
    is_accepting: bool = False  # the log accepts, and the genesis is applied
    is_fenced: bool = False


class StatusReader:
    """Puts a status together from everything that knows a part of it."""

    def __init__(
        self,
        *,
        node_id: str,
        engine: Engine,
        event_log: EventLog,
        days: TradingDays,
        clock: Clock,
        cluster_id: int,
        durability: str,
        clock_watch: ClockWatch,
        scrub: Scrub,
        skip_orders: int,
        say: Log,
    ) -> None:
        self.standing = Standing(
            LogStatus(
                node_id=node_id,
                role="follower",
                term=0,
                leader_id=None,
                is_accepting=False,
                last_index=0,
                commit_index=0,
                applied_index=0,
                journal_bytes=0,
            )
        )
        self._engine = engine
        self._event_log = event_log
        self._days = days
        self._clock = clock
        self._cluster_id = cluster_id
        self._durability = durability
        self._clock_watch = clock_watch
        self._scrub = scrub
        self._skip_orders = skip_orders
        self._say = say
        self._pid = os.getpid()

    def status(self) -> link.Status:
        """Where this node stands now."""
        standing, engine = self.standing, self._engine
        log, scrub = standing.log, self._scrub
        return link.Status(
            node_id=log.node_id,
            role=FENCED if standing.is_fenced else log.role,
            term=log.term,
            leader_id=None if standing.is_fenced else log.leader_id,
            accepting=standing.is_accepting,
            commit_index=log.commit_index,
            applied_index=engine.applied_index,
            event_seq=self._event_log.event_seq,
            digest=f"{engine.digest():016x}",
            timestamp_ns=self._clock.now_ns(),
            trading_date=self._days.trading_date,
            durability=self._durability,
            journal_bytes=log.journal_bytes,
            pid=self._pid,
            cluster_id=self._cluster_id,
            scrub_index=scrub.log_index,
            scrub_digest=f"{scrub.state_digest:016x}" if scrub.log_index else "",
            skip_orders=self._skip_orders,
            clock_skew_ns=self._clock_watch.skew_ns,
            may_lead=log.may_lead,
            is_joining=log.is_joining,
            room=log.room,
            base_index=log.base_index,
            events_base=self._event_log.base,
            outputs_missing=self._event_log.missing,
            stale_frames=log.stale_frames,
            lines_dropped=self._say.dropped_count,
        )

    def not_leader(self) -> link.NotLeader:
        """Whom to ask instead."""
        log = self.standing.log
        leader_id = None if log.leader_id == log.node_id else log.leader_id
        return link.NotLeader(log.term, leader_id)
