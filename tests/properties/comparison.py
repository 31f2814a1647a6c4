"""Two engines, one log: everything they say must be the same, byte for byte.

Called by the property tests and by `compare.py`. Promises: after every entry the event bytes and
the chain digest are compared, every so often the state digest, the answers to queries and the
conservation of money and shares; a disagreement is an `EngineDisagreement` that says what differs.
"""

from collections import Counter
from collections.abc import Callable

from oms.bounds import EVENT_BYTES
from oms.messages.enums import CancelReason, EventFlag, EventKind, RejectReason, RestatedReason
from oms.messages.event_records import unpack_event
from oms.reference.engine import Engine
from tests.properties.steps import Step, pack
from tests.scenarios import render

EngineFactory = Callable[[], Engine]
Mix = Counter[str]
STATE_EVERY = 16


class EngineDisagreement(AssertionError):
    """The engine under test does not do what the oracle does."""


class Comparison:
    """The oracle and one engine under test, driven by the same entries."""

    def __init__(
        self, make_engine: EngineFactory, *, restore_every: int = 0, state_every: int = STATE_EVERY
    ) -> None:
        self.oracle = Engine()
        self.mix: Mix = Counter()
        self.commands = 0
        self._make_engine = make_engine
        self._engine = make_engine()
        self._restore_every = restore_every
        self._state_every = state_every
        self._log_index = 0

    def apply(self, step: Step) -> None:
        """One entry on both. Raises: EngineDisagreement."""
        entry = pack(step, self.oracle._venue)
        self._log_index += 1
        index = self._log_index
        count = self.oracle.apply(index, entry)
        expected = self.oracle.events()
        got_count = self._engine.apply(index, entry)
        got = self._engine.events()
        if got != expected or got_count != count:
            raise EngineDisagreement(_event_difference(expected, got))
        self._same("digest", self.oracle.digest(), self._engine.digest())
        self._same("next_due_ns", self.oracle.next_due_ns, self._engine.next_due_ns)
        self._same("is_work_pending", self.oracle.is_work_pending, self._engine.is_work_pending)
        self._count(step, expected)
        if index % self._state_every == 0:
            self.check_state()
        if self._restore_every and index % self._restore_every == 0:
            self.restart_from_snapshot()

    def check_state(self) -> None:
        """The state itself, and what can be asked about it."""
        oracle, engine = self.oracle, self._engine
        verify = getattr(engine, "verify", None)
        if verify is not None:  # the core can walk its own structures
            try:
                verify()
            except AssertionError as error:
                raise EngineDisagreement(str(error)) from error
        self._same("state_digest", oracle.state_digest(), engine.state_digest())
        step = self._log_index  # any: the slices of small venues are few
        self._same("scrub_digest", oracle.scrub_digest(step), engine.scrub_digest(step))
        for name in ("applied_index", "has_genesis", "last_timestamp_ns", "event_seq"):
            self._same(name, getattr(oracle, name), getattr(engine, name))
        self._same("open_orders", oracle.open_orders, engine.open_orders)
        self._same("totals()", oracle.totals(), engine.totals())
        self._same("directory()", oracle.directory(), engine.directory())
        directory = oracle.directory()
        for account_id in range(len(directory.accounts) + 2):
            self._same("account()", oracle.account(account_id), engine.account(account_id))
        for session_id in range(len(directory.sessions) + 2):
            orders = oracle.session_orders(session_id), engine.session_orders(session_id)
            self._same("session_orders()", *orders)
        for instrument_id in range(len(directory.instruments) + 2):
            books = oracle.book(instrument_id, 3), engine.book(instrument_id, 3)
            self._same("book()", *books)
        totals = oracle.totals()
        self._same("shares", totals.shares_issued, totals.shares_total)
        for currency in totals.currencies:
            self._same("cash", currency.cash_issued, currency.cash_total)
            self._same("holds", currency.hold_of_orders, currency.hold_total)

    def restart_from_snapshot(self) -> None:
        """Go on with a new engine that was given the old one's snapshot."""
        saved = self._engine.snapshot()
        fresh = self._make_engine()
        try:
            fresh.restore(saved)
        except ValueError as error:
            message = f"entry {self._log_index}: it refuses its own snapshot: {error}"
            raise EngineDisagreement(message) from error
        self._same("digest after restore", self._engine.digest(), fresh.digest())
        self._same("state after restore", self._engine.state_digest(), fresh.state_digest())
        step = self._log_index
        self._same("slice after restore", self._engine.scrub_digest(step), fresh.scrub_digest(step))
        self._same("snapshot of a restored engine", saved, fresh.snapshot())
        self._engine = fresh

    def _same(self, what: str, expected: object, got: object) -> None:
        if expected != got:
            message = f"{what} at entry {self._log_index}:\n  oracle {expected}\n  engine {got}"
            raise EngineDisagreement(message)

    def _count(self, step: Step, events: bytes) -> None:
        self.commands += len(step.planned)
        self.mix["entries that are no batch" if step.raw is not None else "entries"] += 1
        if self.oracle._venue.tasks:
            self.mix["entries that leave mass cancels to the next"] += 1
        for offset in range(0, len(events), EVENT_BYTES):
            self.mix[_label(events, offset)] += 1


def _label(events: bytes, offset: int) -> str:
    event = unpack_event(events, offset)
    label = render.name_of(EventKind, event.kind)
    if event.kind in (EventKind.ORDER_REJECTED, EventKind.CANCEL_REJECTED):
        return f"{label} {render.name_of(RejectReason, event.reason)}"
    if event.kind == EventKind.ORDER_RESTATED:
        return f"{label} {render.name_of(RestatedReason, event.reason)}"
    if event.kind == EventKind.ADMIN_REJECTED:
        return f"{label} {render.name_of(RejectReason, event.reason)}"
    if event.kind == EventKind.ORDER_EXECUTED and event.fee:
        return f"{label} {'fee' if event.fee > 0 else 'rebate'}"
    if event.kind == EventKind.ORDER_CANCELED:
        label += f" {render.name_of(CancelReason, event.reason)}"
        label += " DISCONNECTED" if event.flags & EventFlag.DISCONNECTED else ""
        why = f" {render.name_of(RejectReason, event.reject_reason)}"
        return label + (why if event.reject_reason else "")
    return label


def _event_difference(expected: bytes, got: bytes) -> str:
    """The first event record that differs, field by field."""
    lines = [f"oracle wrote {len(expected) // EVENT_BYTES} events, engine {len(got) / EVENT_BYTES}"]
    for offset in range(0, max(len(expected), len(got)), EVENT_BYTES):
        ours, theirs = expected[offset : offset + EVENT_BYTES], got[offset : offset + EVENT_BYTES]
        if ours == theirs:
            lines.append(f"  both   {render.event(ours)}")
            continue
        if ours:
            lines.append(f"  oracle {render.event(ours)}\n         {unpack_event(ours)}")
        if theirs:
            lines.append(f"  engine {render.event(theirs)}\n         {unpack_event(theirs)}")
    return "\n".join(lines)
