"""What clients saw against what the replicated log says: lost and duplicated, by comparison.

Called by the demo (every second with what is new, at the end with everything) and by tests that
kill nodes. Pure: two lists of facts per session go in, a finding comes out. One list is what the
client wrote down itself, in the order in which it arrived; the other is the session's stream as a
node replays it. The detector knows nothing of the venue's own counters or claims.

* lost: the client saw it, and the log's stream does not have it (or an order it believes live is
  not live, or an order it sent never got an outcome).
* duplicated: one order accepted twice, one match executed twice for an order, or one fact delivered
  to the client more often than it happened.
* undelivered: in the stream, never delivered; disordered: delivered in another order.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from oms.messages.enums import OUCH_REJECT_CODE, EventKind, RejectReason
from oms.messages.records import Event

EXAMPLES_MAX: Final = 5

_ENTERED: Final = frozenset({EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED})
_ANSWERS: Final = _ENTERED | {EventKind.ORDER_REJECTED}


class Fact(NamedTuple):
    """One thing that happened to an order, as far as the wire tells it. Shape: plain integers.

    `order_id` of an acceptance or replacement, else 0; `detail` is the match of an execution, the
    wire's code of a reject, the reason of a cancel, the original of a replacement.
    """

    kind: int
    user_ref_num: int
    order_id: int
    qty: int
    price: int
    detail: int


def fact_of_event(event: Event) -> Fact | None:
    """The fact in an event record of a stream; None for those that are not about an order."""
    kind, urn = event.kind, event.user_ref_num
    match kind:
        case EventKind.ORDER_ACCEPTED:
            return Fact(kind, urn, event.order_id, event.qty, event.price, 0)
        case EventKind.ORDER_REPLACED:
            return Fact(
                kind, urn, event.order_id, event.qty, event.price, event.orig_user_ref_num
            )
        case EventKind.ORDER_EXECUTED:
            return Fact(kind, urn, 0, event.qty, event.price, event.match_id)
        case EventKind.ORDER_CANCELED:
            return Fact(kind, urn, 0, event.qty, 0, event.reason)
        case EventKind.ORDER_REJECTED:
            return Fact(kind, urn, 0, 0, 0, OUCH_REJECT_CODE[RejectReason(event.reason)])
        case EventKind.CANCEL_REJECTED:
            return Fact(kind, urn, 0, 0, 0, 0)
        case _:
            return None


def facts_of_events(events: Iterable[Event]) -> list[Fact]:
    """The facts of a stream, in its order."""
    return [fact for event in events if (fact := fact_of_event(event)) is not None]


@dataclass(slots=True)
class Finding:
    """What a comparison found; additive over sessions."""

    sessions: int = 0
    facts_compared: int = 0
    lost: int = 0
    duplicated: int = 0
    undelivered: int = 0
    disordered: int = 0
    unresolved: int = 0
    live_mismatched: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing of any kind was found."""
        return not (
            self.lost
            or self.duplicated
            or self.undelivered
            or self.disordered
            or self.unresolved
            or self.live_mismatched
        )

    def add(self, other: "Finding") -> None:
        """Take in the finding of another session."""
        self.sessions += other.sessions
        self.facts_compared += other.facts_compared
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.undelivered += other.undelivered
        self.disordered += other.disordered
        self.unresolved += other.unresolved
        self.live_mismatched += other.live_mismatched
        self.examples += other.examples[: max(0, EXAMPLES_MAX - len(self.examples))]

    def note(self, text: str) -> None:
        """Keep an example for the report."""
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(text)


def compare(name: str, seen: Sequence[Fact], stream: Sequence[Fact]) -> Finding:
    """A session's whole record against its whole stream, after both have settled."""
    finding = Finding(sessions=1, facts_compared=max(len(seen), len(stream)))
    _compare_counts(finding, name, seen, stream)
    _count_repeats(finding, f"{name}, log", stream)
    if not _count_repeats(finding, f"{name}, client", seen):
        in_both = Counter(seen) & Counter(stream)
        if _restricted(seen, in_both) != _restricted(stream, in_both):
            finding.disordered += 1
            finding.note(f"{name}: the same facts in another order than in the log")
    return finding


def compare_live(name: str, believed: Iterable[int], live: Iterable[int]) -> Finding:
    """Orders the client believes live against the live orders of the state (user_ref_nums)."""
    finding = Finding()
    believed_set, live_set = set(believed), set(live)
    for user_ref_num in sorted(believed_set ^ live_set):
        finding.live_mismatched += 1
        where = "at the client" if user_ref_num in believed_set else "in the state"
        finding.note(f"{name}: order {user_ref_num} is live {where} only")
    return finding


def compare_sent(name: str, sent: Iterable[int], stream: Sequence[Fact]) -> Finding:
    """Every request sent must have an outcome in the log: accepted, replaced or rejected.

    Only for requests that always have one: orders. A replace that came too late is ignored by the
    protocol and is not given here.
    """
    finding = Finding()
    answered = {fact.user_ref_num for fact in stream if fact.kind in _ANSWERS}
    for user_ref_num in sent:
        if user_ref_num not in answered:
            finding.unresolved += 1
            finding.note(f"{name}: order {user_ref_num} was sent and has no outcome in the log")
    return finding


def _compare_counts(
    finding: Finding, name: str, seen: Sequence[Fact], stream: Sequence[Fact]
) -> None:
    seen_counts, stream_counts = Counter(seen), Counter(stream)
    for fact, count in seen_counts.items():
        happened = stream_counts[fact]
        if happened == 0:
            finding.lost += count
            finding.note(f"{name}: seen by the client, not in the log: {fact}")
        elif count > happened:
            finding.duplicated += count - happened
            finding.note(f"{name}: delivered {count} times, happened {happened} times: {fact}")
    for fact, count in stream_counts.items():
        missing = count - seen_counts[fact]
        if missing > 0:
            finding.undelivered += missing
            finding.note(f"{name}: in the log, not delivered: {fact}")


def _count_repeats(finding: Finding, name: str, facts: Sequence[Fact]) -> int:
    """One order answered twice, or one match counted twice, in a single list of facts."""
    counter = RepeatCounter()
    for fact in facts:
        if counter.is_repeat(fact):
            finding.note(f"{name}: a second time: {fact}")
    finding.duplicated += counter.repeats
    return counter.repeats


def _restricted(facts: Sequence[Fact], kept: Counter[Fact]) -> list[Fact]:
    left = kept.copy()
    chosen = []
    for fact in facts:
        if left[fact] > 0:
            left[fact] -= 1
            chosen.append(fact)
    return chosen


class RepeatCounter:
    """Sees one list of facts go by and counts what must not happen twice. Cheap: one set."""

    __slots__ = ("_known", "repeats")

    def __init__(self) -> None:
        self._known: set[tuple[int, int, int]] = set()
        self.repeats = 0

    def is_repeat(self, fact: Fact) -> bool:
        """Whether an order got a second answer, an order id a second order, a match a second
        execution of the same order."""
        if fact.kind == EventKind.ORDER_EXECUTED:
            keys = [(EventKind.ORDER_EXECUTED, fact.user_ref_num, fact.detail)]
        elif fact.kind in _ANSWERS:
            keys = [(0, fact.user_ref_num, 0)]
            if fact.kind == EventKind.ORDER_ACCEPTED:
                keys.append((EventKind.ORDER_ACCEPTED, 0, fact.order_id))
        else:
            return False
        is_known = any(key in self._known for key in keys)
        self._known.update(keys)
        self.repeats += is_known
        return is_known


class RunningAudit:
    """The cheap form while a session runs: the n-th fact seen must be the n-th of the stream.

    Feed both sides as they come; `mismatches` counts facts at which they differ. Once they differ
    the count only tells that something is wrong: `compare` says what.
    """

    __slots__ = ("_checked", "_repeats", "_seen", "_stream", "mismatches", "stream_out_seq")

    def __init__(self, seen: Sequence[Fact]) -> None:
        self._seen = seen  # grows at the client's side while we look on
        self._stream: list[Fact] = []
        self._checked = 0
        self._repeats = RepeatCounter()
        self.mismatches = 0
        self.stream_out_seq = 0  # read so far; the next replay starts one above

    @property
    def stream(self) -> list[Fact]:
        """The stream's facts so far."""
        return self._stream

    def extend(self, events: Sequence[Event]) -> None:
        """More of the stream. Raises: ValueError when its numbers are not contiguous."""
        for event in events:
            if event.out_seq != self.stream_out_seq + 1:
                msg = f"stream jumps from {self.stream_out_seq} to {event.out_seq}"
                raise ValueError(msg)
            self.stream_out_seq = event.out_seq
            fact = fact_of_event(event)
            if fact is not None:
                self._stream.append(fact)
                self._repeats.is_repeat(fact)

    def check(self) -> None:
        """Compare what both sides have by now."""
        ready = min(len(self._seen), len(self._stream))
        for position in range(self._checked, ready):
            if self._seen[position] != self._stream[position]:
                self.mismatches += 1
        self._checked = ready

    @property
    def log_repeats(self) -> int:
        """What the log itself holds twice."""
        return self._repeats.repeats
