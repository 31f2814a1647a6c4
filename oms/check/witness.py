"""The log as the witness: the oracle replays it, and every answer is held against what it makes.

Called by the judge. Promises: a session's expected stream comes from the log and the oracle alone
(docs/rules.md says what both must be); it is compared byte for byte as the replay goes on, so that
memory is needed for what clients were told and not for all that happened; log order is held
against real time: what was sent after an answer was there cannot stand before that answer's cause.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Final

from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES, EVENT_BYTES, SYMBOL_BYTES_MAX
from oms.check.evidence import NEVER_NS, Day, Evidence
from oms.check.verdict import Kind, Verdict
from oms.messages.enums import CancelReason, CommandKind, EventKind, Protocol
from oms.reference.engine import Engine
from oms.wire.outbound import SOUP_HEADER_BYTES, encode_packet

IsSkipped = Callable[[int, bytes], bool]  # log index, batch

# kind 0, reason 2, session_id 4, out_seq 16, client_seq 48, user_ref_num 60 of an event record
_EVENT: Final = struct.Struct("<BxBxI8xQ24xQ4xI64x")
assert _EVENT.size == EVENT_BYTES
# kind 0, session_id 8, user_ref_num 52 of a command record
_COMMAND: Final = struct.Struct("<B7xI40xI72x")
assert _COMMAND.size == COMMAND_BYTES

_ENTERING: Final = frozenset((int(CommandKind.NEW_ORDER), int(CommandKind.REPLACE_ORDER)))
_OUTCOMES: Final = frozenset(
    (
        int(EventKind.ORDER_ACCEPTED),
        int(EventKind.ORDER_REPLACED),
        int(EventKind.ORDER_REJECTED),
    )
)
_ACCEPTED: Final = int(EventKind.ORDER_ACCEPTED)
_CANCELED: Final = int(EventKind.ORDER_CANCELED)
_BY_USER: Final = int(CancelReason.USER)
_SYSTEM: Final = int(EventKind.SYSTEM_EVENT)
_DAY_START: Final = ord("S")
_CHANGES: Final = (int(EventKind.DIRECTORY_CHANGED), int(EventKind.DAY_STARTED))


class _Stream:
    """One day of one session: what was told, and how far the replay agrees with it."""

    def __init__(self, user: "_User", day: Day) -> None:
        self.user = user
        self.day = day
        self.outcomes: set[int] = set()  # UserRefNums that have one, by the replay
        self.count = 0  # messages that the replay has made
        self.agreed = 0  # so many of them were compared, or not told, without a difference
        self.beyond: list[bytes] = []  # from the first difference on, what the replay makes


class _User:
    """A user of the histories whom the log knows."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.commands: set[int] = set()  # UserRefNums of orders and replaces in the log
        self.days: dict[bytes, _Stream] = {}


class Witness:
    """One pass over a log."""

    def __init__(self, evidence: Mapping[str, Evidence], verdict: Verdict) -> None:
        self._evidence = evidence
        self._verdict = verdict
        self._engine = Engine(has_digest=False)
        self._users: dict[int, _User] = {}  # by session_id
        self._known: dict[str, int] = {}  # session_id by user
        self._streams: dict[int, _Stream] = {}  # the current day's, by session_id
        self._symbols: dict[int, bytes] = {}
        self._date = b""
        self._midnight_ns = 0
        self._latest_sent_ns = -1  # of all that stands in the log so far
        self._latest = ""
        self._is_latest_told = False

    def hear(self, entries: Iterable[tuple[int, bytes]], is_skipped: IsSkipped) -> None:
        """Replay the log, without the entries that operators had left out. Raises: what reading
        it raises.
        """
        engine, verdict = self._engine, self._verdict
        for log_index, batch in entries:
            verdict.entries += 1
            if is_skipped(log_index, batch):
                engine.skip_to(log_index)
                continue
            verdict.commands += (len(batch) - BATCH_HEADER_BYTES) // COMMAND_BYTES
            made = engine.apply(log_index, batch)
            self._read_commands(batch)
            if made:
                self._read_events(engine.events())

    def conclude(self) -> None:
        """What can only be said at the end of the log."""
        self._check_balance()
        for name, evidence in sorted(self._evidence.items()):
            session_id = self._known.get(name)
            if session_id is None:
                text = f"{name}: the log has no such user"
                self._verdict.find(Kind.CONTRADICTED, text)
                continue
            user = self._users[session_id]
            outcomes: set[int] = set()  # of this day and the one behind: at midnight it is either
            for date, day in reversed(evidence.in_order()):
                stream = user.days.get(date) or _Stream(user, day)
                outcomes |= stream.outcomes
                conclude_stream(stream, self._verdict)
                self._conclude_orders(user, day, outcomes)
                outcomes = stream.outcomes

    # ---- inside

    def _read_commands(self, batch: bytes) -> None:
        users = self._users
        if (len(batch) - BATCH_HEADER_BYTES) % COMMAND_BYTES:
            return
        records = memoryview(batch)[BATCH_HEADER_BYTES:]
        for kind, session_id, user_ref_num in _COMMAND.iter_unpack(records):
            if kind in _ENTERING and session_id in users:
                users[session_id].commands.add(user_ref_num)

    def _learn(self) -> tuple[bytes, int]:
        """Names and numbers as they are now; the trading date and its midnight."""
        directory = self._engine.directory()
        self._symbols = {
            view.instrument_id: view.symbol.encode("latin-1").ljust(SYMBOL_BYTES_MAX)
            for view in directory.instruments
        }
        names = {view.user_id: view.name.upper() for view in directory.users}
        for session in directory.sessions:
            name = names[session.user_id]
            is_new = session.protocol == Protocol.OUCH and name not in self._known
            if is_new and name in self._evidence:
                self._known[name] = session.session_id
                self._users[session.session_id] = _User(self._evidence[name])
        return b"%08d" % directory.trading_date, directory.midnight_ns

    def _read_events(self, events: bytes) -> None:
        """Compare one entry's events; the log's order is the order of these calls."""
        date, midnight_ns = self._date, self._midnight_ns
        kinds = events[::EVENT_BYTES]
        if _CHANGES[0] in kinds or _CHANGES[1] in kinds:
            date, midnight_ns = self._learn()
        users, streams = self._users, self._streams
        offset = -EVENT_BYTES
        for kind, reason, session_id, out_seq, client_seq, urn in _EVENT.iter_unpack(events):
            offset += EVENT_BYTES
            if not out_seq or session_id not in users:
                continue
            if kind == _SYSTEM and reason == _DAY_START:
                self._date, self._midnight_ns = date, midnight_ns
                streams.pop(session_id, None)
            stream = streams.get(session_id)
            if stream is None:
                stream = self._begin(session_id)
            packet = encode_packet(events, offset, self._symbols, self._midnight_ns)
            self._compare(stream, packet[SOUP_HEADER_BYTES:], out_seq)
            if kind in _OUTCOMES:
                self._note_outcome(stream, kind, urn, out_seq)
            elif kind == _CANCELED and reason == _BY_USER and client_seq:
                sent_ns = stream.day.first_cancel(urn)
                self._note_sent(sent_ns, stream.user.evidence, "cancel of", urn)
            if out_seq <= len(stream.day.times):
                told_ns = stream.day.times[out_seq - 1]
                if told_ns < self._latest_sent_ns and not self._is_latest_told:
                    self._find_late(stream, out_seq)
        self._date, self._midnight_ns = date, midnight_ns

    def _begin(self, session_id: int) -> _Stream:
        user = self._users[session_id]
        stream = _Stream(user, user.evidence.day_of(self._date))
        self._streams[session_id] = user.days[self._date] = stream
        return stream

    @staticmethod
    def _compare(stream: _Stream, message: bytes, out_seq: int) -> None:
        stream.count = out_seq
        if stream.beyond:
            stream.beyond.append(message)
            return
        messages = stream.day.messages
        if out_seq <= len(messages):
            told = messages[out_seq - 1]
            if told is not None and told != message:
                stream.beyond.append(message)
                return
        stream.agreed = out_seq

    def _note_outcome(self, stream: _Stream, kind: int, urn: int, out_seq: int) -> None:
        evidence = stream.user.evidence
        stream.outcomes.add(urn)
        sent = stream.day.sent_as(urn)
        if sent is not None:
            self._note_sent(sent.first_ns, evidence, "order", urn)
        elif kind == _ACCEPTED and evidence.is_complete and out_seq > evidence.base:
            text = f"{evidence.user}: order {urn} is in the log, and nobody sent it"
            self._verdict.find(Kind.INVENTED, text)

    def _note_sent(self, sent_ns: int, evidence: Evidence, what: str, urn: int) -> None:
        if sent_ns > self._latest_sent_ns and sent_ns != NEVER_NS:
            self._latest_sent_ns = sent_ns
            self._latest = f"{what} {urn} of {evidence.user}"
            self._is_latest_told = False

    def _find_late(self, stream: _Stream, out_seq: int) -> None:
        self._is_latest_told = True
        user = stream.user.evidence.user
        text = f"{self._latest} was sent after {user} was told message {out_seq}, and stands before"
        self._verdict.find(Kind.REORDERED, f"{text} it in the log")

    def _check_balance(self) -> None:
        totals = self._engine.totals()
        if totals.shares_issued != totals.shares_total:
            text = f"shares: issued {totals.shares_issued}, held {totals.shares_total}"
            self._verdict.find(Kind.UNBALANCED, text)
        for x in totals.currencies:
            for what, one, other in (
                ("issued", x.cash_issued, x.cash_total),
                ("held for orders", x.hold_total, x.hold_of_orders),
            ):
                if one != other:
                    text = f"currency {x.currency_id}: {what} {one}, and there is {other}"
                    self._verdict.find(Kind.UNBALANCED, text)

    def _conclude_orders(self, user: _User, day: Day, outcomes: set[int]) -> None:
        name, verdict = user.evidence.user, self._verdict
        for urn in sorted((day.accepted & day.sent.keys()) - user.commands):
            text = f"{name}: order {urn} was accepted, and the log has no such command"
            verdict.find(Kind.LOST, text)
        passed: set[int] = set()
        for written in day.connections:
            passed.update(written.passed())
        for urn in sorted(passed - outcomes - day.stale):
            text = f"{name}: order {urn} was passed over, a later one was answered"
            verdict.find(Kind.LOST, text)
        waiting = day.sent.keys() - day.accepted - day.rejected
        verdict.unanswered += len(waiting)
        verdict.unknown_resolved += len(waiting & outcomes)


def conclude_stream(stream: _Stream, verdict: Verdict) -> None:
    """Name what is wrong with a stream that is not what the replay makes."""
    told, user = stream.day, stream.user.evidence.user
    verdict.unread += max(0, stream.count - len(told.messages))
    if not stream.beyond and stream.count >= len(told.messages):
        return
    expected = stream.beyond
    ours = [message for message in told.messages[stream.agreed :] if message is not None]
    before = Counter(message for message in told.messages[: stream.agreed] if message is not None)
    counts, made = Counter(ours), Counter(expected)
    first = stream.agreed + 1
    for message, count in counts.items():
        happened = made[message]
        if not happened and not before[message]:
            text = f"{user}: told and not in the log, from message {first} on: {_shown(message)}"
            verdict.find(Kind.LOST, text, count)
        elif count > happened:
            text = f"{user}: told {count + before[message]} times: {_shown(message)}"
            verdict.find(Kind.DUPLICATED, text, count - happened)
    last = max((place for place, message in enumerate(expected) if counts[message]), default=-1)
    skipped = [message for message in expected[: last + 1] if not counts[message]]
    if skipped:
        text = f"{user}: left out of what was told: {_shown(skipped[0])}"
        verdict.find(Kind.LOST, text, len(skipped))
    places = {message: place for place, message in reversed(list(enumerate(expected)))}
    order = [places[message] for message in dict.fromkeys(ours) if message in places]
    descents = sum(after < place for place, after in pairwise(order))
    if descents:
        text = f"{user}: told in another order than in the log, from message {first} on"
        verdict.find(Kind.REORDERED, text, descents)


def _shown(message: bytes) -> str:
    return f"{message[:1].decode('latin-1')} {message[1:].hex()}"
