"""Committed entries -> engine -> event log -> egress: this node's copy of the state.

Called by the replicated log from inside its tick, in log order. Promises: each entry is applied
once, in order, and nothing else ever touches the engine; nothing is done per event.
"""

from collections.abc import Callable

from oms.bounds import SCRUB_EVERY_ENTRIES
from oms.node.clock import Clock
from oms.node.digests import DigestWatch
from oms.node.egress import Egress
from oms.node.engine import Engine
from oms.node.event_log import EventLog
from oms.node.poison import EntryGuard
from oms.node.scrub import Scrub
from oms.node.sequencer import Sequencer
from oms.node.trading_days import TradingDays, may_start_day
from oms.process_log import Log

OnSubmitsApplied = Callable[[list[int], bytes], None]  # tokens, the entry's events


class Replica:
    """Applies entries; the log's two callbacks are its methods."""

    def __init__(
        self,
        *,
        engine: Engine,
        event_log: EventLog,
        egress: Egress,
        sequencer: Sequencer,
        digests: DigestWatch,
        scrub: Scrub,
        guard: EntryGuard,
        days: TradingDays,
        clock: Clock,
        say: Log,
        on_submits_applied: OnSubmitsApplied,
    ) -> None:
        self._engine = engine
        self._event_log = event_log
        self._egress = egress
        self._sequencer = sequencer
        self._digests = digests
        self._scrub = scrub
        self._guard = guard
        self._days = days
        self._clock = clock
        self._say = say
        self._on_submits_applied = on_submits_applied
        self.entries_applied = 0  # since the start of this process

    def on_commit(self, log_index: int, term: int, entry: bytes) -> None:
        """Apply one committed entry. An index that is not above the last is refused."""
        engine = self._engine
        if log_index <= engine.applied_index:
            self._say.error(
                "entry_refused", log_index=log_index, term=term, applied=engine.applied_index
            )
            return
        if self._guard.must_skip(log_index, entry):
            engine.skip_to(log_index)
            data = b""
        else:
            may_start = may_start_day(entry)
            eve = self._days.eve() if may_start else None
            self._guard.begin(log_index)
            data = engine.events() if engine.apply(log_index, entry) else b""
            self._guard.end(log_index)
            if may_start:
                self._days.after(eve, data)
        if data:
            self._event_log.append(data)
            if self._egress.is_leading:
                self._egress.add(data, self._clock.now_ns())
        self.entries_applied += 1
        self._note_digests(log_index)
        if self._sequencer.has_submits_in_flight:
            tokens = self._sequencer.on_applied(entry)
            if tokens:
                self._on_submits_applied(tokens, data)

    def on_skip(self, log_index: int) -> None:
        """The log's own entry: nothing for the engine."""
        if log_index > self._engine.applied_index:
            self._engine.skip_to(log_index)
            self._note_digests(log_index)

    def gateways(self) -> list[int]:
        """Gateways through which a session is logged in, in order.

        Number 0 is an administrator at a node's ROUTER: nobody's heartbeat, hence no lease.
        """
        sessions = self._engine.directory().sessions
        return sorted({item.gateway_id for item in sessions if item.is_logged_in} - {0})

    def _note_digests(self, log_index: int) -> None:
        self._digests.note(log_index, self._engine.digest())
        if log_index % SCRUB_EVERY_ENTRIES == 0:
            self._scrub.run(log_index)
