"""The obvious engine: the same rules as `oms/_core`, written to be read (docs/rules.md).

Called by tests as the oracle, and by whoever wants a second opinion in production. Promises: the
same methods as `oms._core.engine.Engine`, the same event bytes and digests; obvious, not fast.
"""

from oms import bounds
from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES
from oms.messages import link, records
from oms.messages.enums import CommandKind, EventKind
from oms.reference import (
    admin,
    auction,
    day,
    digest,
    kill,
    mass_cancel,
    matcher,
    pegs,
    phase_change,
    scrub,
    sessions,
    snapshot,
    stops,
    views,
)
from oms.reference.budget import Budget
from oms.reference.events import Draft, Events
from oms.reference.records import HEAD_FIELDS, Head
from oms.reference.records import head as read_head
from oms.reference.records import order as read_order
from oms.reference.state import Capacities, Currency, Session, Venue

_ORDER_KINDS = range(CommandKind.NEW_ORDER, CommandKind.ENABLE_ENTRY + 1)
_U32 = 0xFFFF_FFFF
_CHAINS_EVENTS = 3  # from this rule version on the digest takes in what the engine says
_CAPACITY_LIMITS = (
    bounds.HARD_ORDERS_MAX,
    bounds.INSTRUMENTS_MAX * 16,
    bounds.PARTICIPANTS_MAX * 16,
    bounds.ACCOUNTS_MAX * 16,
    bounds.USERS_MAX * 16,
    bounds.SESSIONS_MAX * 16,
    bounds.POSITIONS_MAX * 16,
    bounds.DUPLICATES_MAX * 16,
)


class Engine:
    """Orders, risk, accounts and matching of a whole venue; empty until a genesis entry."""

    def __init__(self, *, has_digest: bool = True) -> None:
        """`has_digest`: chain entries and events up; who compares the events needs no chain."""
        self._venue = Venue()
        self._events = b""
        self._has_digest = has_digest

    def apply(self, log_index: int, entry: bytes) -> int:
        """Apply one committed log entry. Raises: ValueError when `log_index` was applied."""
        numbers = self._venue.numbers
        if log_index <= numbers.applied_index:
            message = f"log index {log_index} is not above {numbers.applied_index}"
            raise ValueError(message)
        numbers.applied_index = log_index
        batch = _commands(entry)
        if batch is None:
            self._events = b""
            digest.mix(numbers.lanes, (log_index, numbers.last_timestamp, 0, 0))
            return 0
        stamped, commands = batch
        timestamp_ns = max(stamped, numbers.last_timestamp + 1)
        numbers.last_timestamp = timestamp_ns
        events = Events(self._venue, timestamp_ns)
        budget = Budget()
        self._venue.touched.clear()
        day.sweep_step(self._venue, events)
        day.restate_step(self._venue, events)
        day.expire_due(self._venue, events)
        phase_change.end_due_calls(self._venue, events, budget)
        auction.run(self._venue, events, budget)
        mass_cancel.run(self._venue, events, budget)
        _follow(self._venue, events, budget)
        for command in commands:
            self._process(events, command, timestamp_ns, budget)
            _follow(self._venue, events, budget)
        auction.publish(self._venue, events)
        self._events = bytes(events.data)
        if self._has_digest:
            digest.mix(numbers.lanes, (log_index, timestamp_ns, len(commands), 0))
            self._chain(commands)
        return len(self._events) // bounds.EVENT_BYTES

    def _chain(self, commands: list[bytes]) -> None:
        """Take the commands and the events of an entry into the digest."""
        lanes = self._venue.numbers.lanes
        if self._venue.numbers.rule_version >= _CHAINS_EVENTS:
            for command in commands:
                if read_head(command).kind >= CommandKind.GENESIS:
                    digest.mix_records(lanes, command)
            digest.mix_pairs(lanes, self._events)
        else:
            for command in commands:
                digest.mix_records(lanes, command)
            digest.mix_records(lanes, self._events)

    def _process(self, events: Events, command: bytes, timestamp_ns: int, budget: Budget) -> None:
        """One command record, and what it gives to do beyond itself."""
        venue, head = self._venue, read_head(command)
        if venue.capacities is None:
            if head.kind == CommandKind.GENESIS:
                _genesis(venue, command)
        elif venue.numbers.genesis_left > 0:
            if head.kind in admin.KINDS:
                venue.numbers.genesis_left -= 1
                admin.administrate(venue, events, None, head, command)
                _go_on(venue, events, budget)
        elif head.kind == CommandKind.LOGIN:
            sessions.login(venue, events, command, timestamp_ns)
        elif head.kind == CommandKind.LOGOUT:
            sessions.logout(venue, events, head)
            _go_on(venue, events, budget)
        elif head.kind == CommandKind.GATEWAY_LOST:
            sessions.gateway_lost(venue, events, command)
            _go_on(venue, events, budget)
        elif head.kind in _ORDER_KINDS or head.kind in admin.KINDS:
            session = sessions.admit(venue, events, head, timestamp_ns)
            if session is not None:
                _perform(venue, events, session, head, command)
                _go_on(venue, events, budget)
                session.remember()

    def events(self) -> bytes:
        """The event records of the last `apply`."""
        return self._events

    @property
    def applied_index(self) -> int:
        """The last log index applied or skipped."""
        return self._venue.numbers.applied_index

    def skip_to(self, log_index: int) -> None:
        """Note that entries up to `log_index` hold nothing for the engine."""
        self._venue.numbers.applied_index = max(log_index, self.applied_index)

    @property
    def has_genesis(self) -> bool:
        """Whether a genesis entry was applied."""
        return self._venue.capacities is not None

    @property
    def last_timestamp_ns(self) -> int:
        """The time of the last entry."""
        return self._venue.numbers.last_timestamp

    @property
    def event_seq(self) -> int:
        """The number of the last event."""
        return self._venue.numbers.event_seq

    @property
    def is_work_pending(self) -> bool:
        """Bounded work is unfinished: sweep, mass cancels, uncrosses, orders whose time is over,
        elected stop orders, pegs.
        """
        venue = self._venue
        is_overdue = 0 < self.next_due_ns <= venue.numbers.last_timestamp
        is_queued = bool(venue.tasks or venue.uncrossing or venue.numbers.restate_up_to)
        is_electing = stops.next_waiting(venue) is not None
        is_pegging = pegs.next_due(venue) is not None
        return venue.numbers.sweep_slot > 0 or is_queued or is_overdue or is_electing or is_pegging

    @property
    def next_due_ns(self) -> int:
        """When the next order expires or the next call ends; 0: none does."""
        timers = self._venue.timers
        due = [timers.peekitem(0)[0][0]] if timers else []
        due += [i.call.ends_ns for i in self._venue.instruments if i.call.ends_ns]
        return min(due, default=0)

    @property
    def open_orders(self) -> int:
        """Live orders in the venue."""
        return len(self._venue.live)

    def digest(self) -> int:
        """Chain over what every entry led to."""
        return digest.finish(self._venue.numbers.lanes)

    def state_digest(self) -> int:
        """Hash of the canonical state."""
        return digest.state_digest(self._venue)

    def scrub_digest(self, step: int) -> int:
        """Hash of a slice of the canonical state; `step` turns through all of it."""
        return scrub.scrub_digest(self._venue, step)

    def snapshot(self) -> bytes:
        """The whole state, in this engine's own format."""
        return snapshot.save(self._venue)

    def restore(self, data: bytes) -> None:
        """Replace the state. Raises: ValueError when the bytes are not a sound snapshot."""
        self._venue = snapshot.load(data)
        self._events = b""

    def directory(self) -> link.Directory:
        """Who and what there is."""
        return views.directory(self._venue)

    def account(self, account_id: int) -> link.AccountView | None:
        """An account with its positions."""
        return views.account(self._venue, account_id)

    def session_orders(self, session_id: int) -> list[link.OrderView]:
        """A session's live orders."""
        return views.session_orders(self._venue, session_id)

    def book(self, instrument_id: int, depth: int) -> link.BookView | None:
        """The best levels of a book."""
        return views.book(self._venue, instrument_id, depth)

    def totals(self) -> link.Totals:
        """Issued against held."""
        return views.totals(self._venue)


def _commands(entry: bytes) -> tuple[int, list[bytes]] | None:
    """The entry's time and command records; None when it is not a batch."""
    if len(entry) < BATCH_HEADER_BYTES:
        return None
    marker, version, count, _flags, stamped, _, _ = records.BATCH_HEADER.unpack_from(entry)
    if (
        marker != records.BATCH_MARKER
        or version != records.BATCH_VERSION
        or len(entry) != BATCH_HEADER_BYTES + count * COMMAND_BYTES
        or stamped > bounds.TIMESTAMP_MAX
    ):
        return None
    starts = range(BATCH_HEADER_BYTES, len(entry), COMMAND_BYTES)
    return stamped, [entry[start : start + COMMAND_BYTES] for start in starts]


def _go_on(venue: Venue, events: Events, budget: Budget) -> None:
    """What a command has queued, as far as this entry may."""
    auction.run(venue, events, budget)
    mass_cancel.run(venue, events, budget)


def _follow(venue: Venue, events: Events, budget: Budget) -> None:
    """Stop orders and pegs follow what the last command did, as far as this entry may."""
    stops.follow(venue, events, budget)
    while pegs.follow(venue, events, budget):
        stops.follow(venue, events, budget)


def _genesis(venue: Venue, command: bytes) -> None:
    """GENESIS: ignored when it asks for nothing or for too much."""
    (cluster_id, rule_version, following, *maxima, trades_max,
     currencies_max) = records.GENESIS.unpack(command)[HEAD_FIELDS:]  # fmt: skip
    maxima[-1] = maxima[-1] or bounds.DUPLICATES_MAX
    if any(not 1 <= asked <= most for asked, most in zip(maxima, _CAPACITY_LIMITS, strict=True)):
        return
    if trades_max > bounds.TRADES_MAX or currencies_max > bounds.CURRENCIES_MAX:
        return
    venue.capacities = Capacities(*maxima)
    venue.trades_max = trades_max
    venue.currencies_max = currencies_max or bounds.CURRENCIES_MAX
    venue.currencies = [Currency(bytes(4), bounds.CURRENCY_RATE_ONE)]
    venue.numbers.cluster_id = cluster_id
    venue.numbers.rule_version = rule_version
    venue.numbers.genesis_left = following


def _perform(venue: Venue, events: Events, session: Session, head: Head, command: bytes) -> None:
    """An admitted command."""
    match head.kind:
        case CommandKind.NEW_ORDER:
            matcher.new_order(venue, events, session, read_order(command))
        case CommandKind.REPLACE_ORDER:
            matcher.replace_order(venue, events, session, read_order(command))
        case CommandKind.CANCEL_ORDER:
            matcher.cancel_order(venue, events, session, read_order(command))
        case CommandKind.MASS_CANCEL:
            mass_cancel.mass_cancel(venue, events, session, read_order(command))
        case CommandKind.DISABLE_ENTRY | CommandKind.ENABLE_ENTRY:
            is_enabled = head.kind == CommandKind.ENABLE_ENTRY
            record = read_order(command)
            kill.change_entry(venue, events, session, record, is_enabled=is_enabled)
        case CommandKind.REFUSED_REQUEST:
            matcher.refused_request(venue, events, session, read_order(command))
        case CommandKind.ACCOUNT_QUERY:
            events.emit(
                Draft(
                    kind=EventKind.ACCOUNT_QUERY_RESPONSE,
                    session_id=session.session_id,
                    client_seq=session.client_seq,
                    conn_epoch=session.conn_epoch,
                    user_ref_num=(session.last_user_ref_num + 1) & _U32,
                )
            )
        case _:
            admin.administrate(venue, events, session, head, command)
