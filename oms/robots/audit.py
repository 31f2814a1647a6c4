"""What clients saw against what the replicated log says: lost and duplicated, by comparison.

Called by the demo (every second with what is new, at the end with everything) and by tests that
kill nodes. Pure: two lists of facts per session go in, a finding comes out. One list is what the
client wrote down itself, in the order in which it arrived; the other is the session's stream as a
node replays it. The detector knows nothing of the venue's own counters or claims.

* lost: the client saw it, and the log's stream does not have it.
* duplicated: one order answered twice, one match executed twice for an order, or one fact delivered
  to the client more often than it happened.
* undelivered: in the stream, never delivered. disordered: delivered in another order.
* unresolved: sent, and without an outcome. live_mismatched: live at one side only.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from oms.messages.enums import EventKind
from oms.messages.event_records import Event
from oms.robots.facts import Fact, fact_of_event

EXAMPLES_MAX: Final = 5

_ANSWERS: Final = frozenset(
    {EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED, EventKind.ORDER_REJECTED}
)
_ENTERED: Final = frozenset({EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED})
_Key = tuple[str, int, int]


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
    seen_counts, stream_counts = Counter(seen), Counter(stream)
    known: set[_Key] = set()
    for fact in stream:
        if _is_repeat(fact, known):
            finding.duplicated += 1
            finding.note(f"{name}: a second time in the log: {fact}")
    _compare_counts(finding, name, seen_counts, stream_counts, known)
    in_both = seen_counts & stream_counts
    if _restricted(seen, in_both) != _restricted(stream, in_both):
        finding.disordered += 1
        finding.note(f"{name}: the same facts in another order than in the log")
    return finding


def compare_live(name: str, believed: dict[int, int], live: dict[int, int]) -> Finding:
    """Open quantity by user_ref_num: what the client believes against the state's live orders."""
    finding = Finding()
    for user_ref_num in sorted(believed.keys() | live.keys()):
        ours, theirs = believed.get(user_ref_num, 0), live.get(user_ref_num, 0)
        if ours != theirs:
            finding.live_mismatched += 1
            finding.note(
                f"{name}: order {user_ref_num} has {ours} open at the client, {theirs} in the state"
            )
    return finding


def compare_sent(name: str, sent: Iterable[int], stream: Iterable[Fact]) -> Finding:
    """Every new order sent must have an outcome in the log: accepted or rejected."""
    finding = Finding()
    answered = {fact.user_ref_num for fact in stream if fact.kind in _ANSWERS}
    for user_ref_num in sent:
        if user_ref_num not in answered:
            finding.unresolved += 1
            finding.note(f"{name}: order {user_ref_num} was sent and has no outcome in the log")
    return finding


def _compare_counts(
    finding: Finding,
    name: str,
    seen: Counter[Fact],
    stream: Counter[Fact],
    known: set[_Key],
) -> None:
    for fact, count in seen.items():
        happened = stream[fact]
        if happened == 0:
            finding.lost += count
            finding.note(f"{name}: seen by the client, not in the log: {fact}")
            # The log has this order or match, but with other numbers: it came to be twice.
            finding.duplicated += _is_repeat(fact, known)
        elif count > happened:
            finding.duplicated += count - happened
            finding.note(f"{name}: delivered {count} times, happened {happened} times: {fact}")
    for fact, count in stream.items():
        missing = count - seen[fact]
        if missing > 0:
            finding.undelivered += missing
            finding.note(f"{name}: in the log, not delivered: {fact}")


def _is_repeat(fact: Fact, known: set[_Key]) -> bool:
    """Whether an order's answer, an order id or an order's match is there already; notes it."""
    keys: list[_Key] = []
    if fact.kind == EventKind.ORDER_EXECUTED:
        keys.append(("match", fact.user_ref_num, fact.detail))
    if fact.kind in _ANSWERS:
        keys.append(("answer", fact.user_ref_num, 0))
    if fact.kind in _ENTERED:
        keys.append(("order", fact.order_id, 0))
    is_known = any(key in known for key in keys)
    known.update(keys)
    return is_known


def _restricted(facts: Sequence[Fact], kept: Counter[Fact]) -> list[Fact]:
    left = kept.copy()
    chosen = []
    for fact in facts:
        if left[fact] > 0:
            left[fact] -= 1
            chosen.append(fact)
    return chosen


class Positions(Protocol):
    """A growing list of facts, as `FactLog`."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, position: int) -> Fact:
        """One of them."""


class RunningAudit:
    """The cheap form while a session runs: the n-th fact seen must be the n-th of the stream.

    Numbers used up in the log must rise: a UserRefNum that is answered and an order id that is
    given again would be an order twice. `mismatches` only tells that something is wrong: `compare`
    says what.
    """

    __slots__ = (
        "_answered",
        "_checked",
        "_order_id",
        "_seen",
        "_seen_before",
        "_waiting",
        "duplicated",
        "mismatches",
        "out_seq",
        "overdue",
    )

    def __init__(self, seen: Positions) -> None:
        self._seen = seen  # grows at the client's side while we look on
        self._seen_before = 0  # its length at the last check
        self._checked = 0
        self._waiting: deque[Fact] = deque()  # in the log, not seen yet
        self._answered = 0
        self._order_id = 0
        self.out_seq = 0  # the stream is read up to here
        self.mismatches = 0
        self.duplicated = 0
        self.overdue = 0

    def extend(self, events: Iterable[Event]) -> None:
        """More of the stream. Raises: ValueError when its numbers are not contiguous."""
        for event in events:
            if event.out_seq != self.out_seq + 1:
                msg = f"the stream jumps from {self.out_seq} to {event.out_seq}"
                raise ValueError(msg)
            self.out_seq = event.out_seq
            fact = fact_of_event(event)
            if fact is not None:
                self._waiting.append(fact)
                self._check_rising(fact)

    def check(self, *, is_complete: bool) -> None:
        """Compare what both sides have by now.

        `is_complete`: the stream was read from a node that has applied everything that was
        committed at the last check. Only then does a missing fact mean anything.
        """
        seen_now = len(self._seen)
        while self._waiting and self._checked < seen_now:
            if self._seen[self._checked] != self._waiting.popleft():
                self.mismatches += 1
            self._checked += 1
        if is_complete:
            # What was seen before the last check, and is still not in the log, is lost.
            self.overdue = max(0, self._seen_before - self._checked)
        self._seen_before = seen_now

    def _check_rising(self, fact: Fact) -> None:
        if fact.kind in _ANSWERS:
            self.duplicated += fact.user_ref_num <= self._answered
            self._answered = max(self._answered, fact.user_ref_num)
        if fact.kind in _ENTERED:
            self.duplicated += fact.order_id <= self._order_id
            self._order_id = max(self._order_id, fact.order_id)
