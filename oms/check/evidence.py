"""What all histories of one user say together: everything sent, and the stream as it was told.

Called by the judge, before it looks at any log. Promises: a message has the earliest moment at
which anybody was told it, an order the earliest at which it may have been on its way, so that a
contradiction found with these times is one; the venue's own counting is held against the
clients'. Must never assume that what is not in an incomplete history did not happen.
"""

from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

from oms.check.history import Frame, FrameKind, History
from oms.check.verdict import Kind, Verdict
from oms.wire import ouch_messages as m
from oms.wire import soupbin
from oms.wire.errors import ProtocolError

OUT_SEQ_STEP_MAX: Final = 1 << 22  # further ahead than this, a number is no number of the stream
NEVER_NS: Final = (1 << 63) - 1

_ENTER: Final = bytes((m.EnterOrder.TYPE,))
_REPLACE: Final = bytes((m.ReplaceRequest.TYPE,))
_CANCEL: Final = bytes((m.CancelRequest.TYPE,))
_ANSWERS: Final = frozenset((bytes((m.Accepted.TYPE,)), bytes((m.Rejected.TYPE,))))


class Sent(NamedTuple):
    """An order or a replace. Shape: when it was first written, and its bytes."""

    first_ns: int
    message: bytes


class Day:
    """One day's stream as the user knows it, and what was sent on it.

    Index 0 of `messages` and `times` is the message with out_seq 1.
    """

    def __init__(self) -> None:
        self.messages: list[bytes | None] = []
        self.times = array("q")  # NEVER_NS where the clock is another one, or nothing was told
        self.sent: dict[int, Sent] = {}  # by UserRefNum: new orders and replaces
        self.others: dict[int, list[bytes]] = {}  # what else was sent under the same number
        self.stale: set[int] = set()  # sent behind a higher number, or twice: may be ignored
        self.cancels: dict[int, int] = {}  # UserRefNum -> when its first cancel was written
        self.connections: list[Written] = []
        self.accepted: set[int] = set()  # UserRefNums, as the client was told
        self.rejected: set[int] = set()
        self.before: Day | None = None  # the day before, of the same user
        self._highest = 0

    def reach(self, count: int) -> None:
        """Have room for so many messages."""
        missing = count - len(self.messages)
        if missing > 0:
            self.messages.extend([None] * missing)
            self.times.extend([NEVER_NS] * missing)

    def sent_as(self, user_ref_num: int) -> Sent | None:
        """What was sent under a number; what was under way at midnight belongs to both days."""
        found = self.sent.get(user_ref_num)
        if found is None and self.before is not None:
            return self.before.sent.get(user_ref_num)
        return found

    def first_cancel(self, user_ref_num: int) -> int:
        """When its first cancel was written, on this day or the one before; NEVER_NS: not known."""
        here = self.cancels.get(user_ref_num, NEVER_NS)
        if self.before is None:
            return here
        return min(here, self.before.cancels.get(user_ref_num, NEVER_NS))

    def sent_under(self, user_ref_num: int, kind: int) -> list[bytes]:
        """Every message of this kind that was sent under a number."""
        found = self.sent_as(user_ref_num)
        first = [] if found is None else [found.message]
        others = self.others.get(user_ref_num, [])
        return [message for message in (*first, *others) if message[0] == kind]

    def note_sent(self, message: bytes, now_ns: int, written: "Written") -> None:
        """A message that was written, perhaps not for the first time."""
        kind = message[:1]
        if kind == _ENTER:
            user_ref_num = int.from_bytes(message[1:5], "big")
            written.add(user_ref_num)
        elif kind == _REPLACE:
            user_ref_num = int.from_bytes(message[5:9], "big")
        elif kind == _CANCEL:
            user_ref_num = int.from_bytes(message[1:5], "big")
            self.cancels[user_ref_num] = min(self.cancels.get(user_ref_num, NEVER_NS), now_ns)
            return
        else:
            return
        before = self.sent.get(user_ref_num)
        if before is None:
            self.sent[user_ref_num] = Sent(now_ns, message)
            if user_ref_num < self._highest:
                self.stale.add(user_ref_num)
        else:
            if now_ns < before.first_ns:
                self.sent[user_ref_num] = Sent(now_ns, before.message)
            if message != before.message:
                self.others.setdefault(user_ref_num, []).append(message)
                self.stale.add(user_ref_num)
        self._highest = max(self._highest, user_ref_num)


class Written:
    """The new orders written on one connection, in order, and how far they were answered on it."""

    def __init__(self) -> None:
        self.user_ref_nums = array("Q")
        self.places: dict[int, int] = {}
        self.answered = 0  # this many of them were written before one that has an answer

    def add(self, user_ref_num: int) -> None:
        """One more."""
        self.places.setdefault(user_ref_num, len(self.user_ref_nums))
        self.user_ref_nums.append(user_ref_num)

    def note_answer(self, user_ref_num: int) -> None:
        """The venue has got to this one."""
        place = self.places.pop(user_ref_num, -1)
        self.answered = max(self.answered, place)

    def passed(self) -> Iterable[int]:
        """What the venue must have got to before."""
        return self.user_ref_nums[: self.answered]


class Evidence:
    """One user's."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.is_complete = True
        self.base = 0  # messages that were there before the first login of these histories
        self.days: dict[bytes, Day] = {}  # by SoupBinTCP session
        self.message_count = 0
        self.sent_count = 0
        self._is_based = False

    def add(self, history: History, verdict: Verdict, clock: str) -> None:
        """Take a history in; its times count if they are of this clock."""
        self.is_complete = self.is_complete and history.is_complete
        reader = _Reader(self, verdict, is_timed=history.owner.clock == clock)
        for frame in history.frames():
            reader.take(frame)

    def day_of(self, session: bytes) -> Day:
        """That day; one on which the user never logged in is empty, and follows the one before."""
        found = self.days.get(session)
        if found is None:
            found = Day()
            found.before = self.days.get(max((s for s in self.days if s < session), default=b""))
        return found

    def in_order(self) -> list[tuple[bytes, Day]]:
        """The days by date, each knowing the one before."""
        days = sorted(self.days.items())
        for (_, earlier), (_, later) in pairwise(days):
            later.before = earlier
        return days

    def note_base(self, asked: int, following: int) -> None:
        """The first login says where the past ends, if it asks for nothing of it."""
        if not self._is_based:
            self._is_based = True
            self.base = 0 if asked else following - 1


class _Connection:
    """What one history says of one connection."""

    def __init__(self) -> None:
        self.asked = 0
        self.day: Day | None = None  # when the login was answered
        self.session = b""
        self.written = Written()


class _Reader:
    """Goes through one history."""

    def __init__(self, evidence: Evidence, verdict: Verdict, *, is_timed: bool) -> None:
        self._evidence = evidence
        self._verdict = verdict
        self._is_timed = is_timed
        self._connections: dict[int, _Connection] = {}
        self._heard: dict[bytes, int] = {}  # the highest number of each day in this history

    def take(self, frame: Frame) -> None:
        """One frame."""
        connection = self._connections.get(frame.connection)
        if connection is None:
            connection = self._connections[frame.connection] = _Connection()
        kind = frame.kind
        if kind == FrameKind.RECEIVED:
            self._received(connection, frame)
        elif kind == FrameKind.SENT:
            self._sent(connection, frame)
        elif kind == FrameKind.ASKED:
            connection.asked = frame.out_seq
        elif kind == FrameKind.LOGIN and frame.body[:1] == b"A":
            self._login(connection, frame)

    def _find(self, text: str) -> None:
        self._verdict.find(Kind.CONTRADICTED, f"{self._evidence.user}: {text}")

    def _sent(self, connection: _Connection, frame: Frame) -> None:
        self._evidence.sent_count += 1
        if connection.day is not None:  # else not logged in: the venue refuses it
            now_ns = frame.monotonic_ns if self._is_timed else 0
            connection.day.note_sent(frame.body, now_ns, connection.written)

    def _login(self, connection: _Connection, frame: Frame) -> None:
        evidence = self._evidence
        try:
            accepted = soupbin.parse_login_accepted(frame.body)
        except ProtocolError as error:
            self._find(f"a login answer is malformed: {error}")
            return
        session = accepted.session
        connection.session = session
        connection.day = day = evidence.days.setdefault(session, Day())
        day.connections.append(connection.written)
        asked, heard = connection.asked, self._heard.get(session, 0)
        if asked and accepted.sequence != asked:
            self._find(f"asked for message {asked}, the venue went on with {accepted.sequence}")
        elif not asked and accepted.sequence <= heard:
            self._find(f"message {accepted.sequence} is to come next, {heard} were told before")
        evidence.note_base(asked, accepted.sequence)

    def _received(self, connection: _Connection, frame: Frame) -> None:
        evidence, out_seq, day = self._evidence, frame.out_seq, connection.day
        if day is None:
            self._find("a message before the login was answered")
            return
        if not 0 < out_seq <= len(day.messages) + OUT_SEQ_STEP_MAX:
            self._find(f"a message numbered {out_seq}")
            return
        day.reach(out_seq)
        session = connection.session
        if out_seq > self._heard.get(session, 0):
            self._heard[session] = out_seq
        message, place = frame.body, out_seq - 1
        before = day.messages[place]
        if before is None:
            day.messages[place] = message
            evidence.message_count += 1
        elif before != message:
            self._find(f"message {out_seq} was told twice, with different content")
            return
        if self._is_timed and frame.monotonic_ns < day.times[place]:
            day.times[place] = frame.monotonic_ns
        if message[:1] in _ANSWERS:
            connection.written.note_answer(int.from_bytes(message[9:13], "big"))


def gather(histories: Iterable[History], verdict: Verdict) -> dict[str, Evidence]:
    """Evidence by user."""
    histories = list(histories)
    clocks = [history.owner.clock for history in histories]
    clock = max(sorted(set(clocks)), key=clocks.count, default="")
    found: dict[str, Evidence] = {}
    for history in histories:
        user = history.owner.user.upper()
        evidence = found.setdefault(user, Evidence(user))
        evidence.add(history, verdict, clock)
        verdict.histories += 1
        verdict.incomplete += not history.is_complete
        verdict.other_clocks += history.owner.clock != clock
    return found
