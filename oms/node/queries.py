"""What can be read of this replica, request by request. No sockets here.

Called by requests. Promises: answers say the index they were read at, are of bounded size, and show
salts and hashes only to those who check passwords.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import numpy as np

from oms.bounds import EVENT_BYTES, REPLAY_BYTES_MAX
from oms.messages import link
from oms.messages.event_records import EVENT_DTYPE
from oms.node.engine import Engine
from oms.node.event_file import read_archived
from oms.node.event_index import EventIndex
from oms.node.event_log import EventLog
from oms.node.feed_frames import to_frames
from oms.node.symbols import Symbols
from oms.transport import topics
from oms.transport.keys import Role
from oms.transport.topics import Executions, MarketData

RECORDS_MAX: Final = REPLAY_BYTES_MAX // EVENT_BYTES
FRAMES_MAX: Final = 512  # in one answer: encoding them takes a few milliseconds of the loop
DEPTH_MAX: Final = 1_000
FETCHING: Final = "outputs are being fetched; ask another node, or this one later"
_FOR_EVERYBODY: Final = (
    link.GetStatus,
    link.GetDirectory,
    link.ReplayTopic,
    link.GetBook,
    link.GetTotals,
    link.GetDigest,
)
_SEES_HASHES: Final = frozenset({Role.GATEWAY, Role.ADMIN})

Answer = (
    link.Status
    | link.Directory
    | link.Records
    | link.Frames
    | link.AccountView
    | link.Orders
    | link.BookView
    | link.Totals
    | link.DigestAt
)

_V = TypeVar("_V")


class CannotAnswer(Exception):
    """The request is understood and refused; the text is for who asked."""


class Queries:
    """Reads of engine and event log."""

    def __init__(
        self,
        *,
        engine: Engine,
        event_log: EventLog,
        index: EventIndex,
        symbols: Symbols,
        status: Callable[[], link.Status],
        digest_at: Callable[[int], int | None],
    ) -> None:
        self._engine = engine
        self._event_log = event_log
        self._index = index
        self._symbols = symbols
        self._status = status
        self._digest_at = digest_at

    @property
    def applied_index(self) -> int:
        """Index that answers are read at."""
        return self._engine.applied_index

    def answer(self, request: link.Request, role: Role) -> Answer:
        """Answer one request other than Submit. Raises: CannotAnswer."""
        if role is Role.FEED and not isinstance(request, _FOR_EVERYBODY):
            raise CannotAnswer(f"role {role} may not ask {type(request).__name__}")
        match request:
            case link.GetStatus():
                return self._status()
            case link.GetDirectory():
                return self._directory(role)
            case link.ReplayEvents(from_event_seq):
                return self._replay_events(from_event_seq)
            case link.ReplaySession(session_id, from_out_seq, trading_date):
                return self._replay_session(session_id, from_out_seq, trading_date)
            case link.ReplayTopic(topic, from_topic_seq):
                return self._replay_topic(topic, from_topic_seq)
            case link.GetAccount(account_id):
                account = _found(self._engine.account(account_id), f"account {account_id}")
                return msgspec.structs.replace(account, applied_index=self.applied_index)
            case link.GetOpenOrders(session_id):
                return link.Orders(self.applied_index, self._engine.session_orders(session_id))
            case link.GetBook(instrument_id, depth):
                book = self._engine.book(instrument_id, max(0, min(depth, DEPTH_MAX)))
                book = _found(book, f"instrument {instrument_id}")
                return msgspec.structs.replace(book, applied_index=self.applied_index)
            case link.GetTotals():
                totals = self._engine.totals()
                return msgspec.structs.replace(totals, applied_index=self.applied_index)
            case link.GetDigest(log_index):
                return self._digest(log_index)
            case link.Submit() | link.CreateSnapshot() | link.TransferLeadership():
                raise CannotAnswer(f"{type(request).__name__} is not a query")

    def _digest(self, log_index: int) -> link.DigestAt:
        if log_index == self.applied_index:
            digest: int | None = self._engine.digest()
        else:
            digest = self._digest_at(log_index)
        if digest is None:
            raise CannotAnswer(f"the digest at log index {log_index} is not remembered")
        return link.DigestAt(log_index, f"{digest:016x}")

    def _directory(self, role: Role) -> link.Directory:
        directory = self._engine.directory()
        if role in _SEES_HASHES:
            return directory
        users = [msgspec.structs.replace(user, salt=b"", key_hash=b"") for user in directory.users]
        return msgspec.structs.replace(directory, users=users)

    def _replay_events(self, from_event_seq: int) -> link.Records:
        if from_event_seq < 1:
            raise CannotAnswer("event_seq starts at 1")
        if from_event_seq <= self._event_log.base:
            data = read_archived(self._event_log.folder, from_event_seq, RECORDS_MAX)
            if not data:
                raise CannotAnswer(f"event {from_event_seq} is of a day that is not kept here")
        else:
            if from_event_seq < self._event_log.first_present:
                raise CannotAnswer(FETCHING)
            data = self._event_log.read(from_event_seq, RECORDS_MAX)
        end = from_event_seq + len(data) // EVENT_BYTES
        return self._records(data, is_end=end > self._event_log.event_seq)

    def _records(self, data: bytes, *, is_end: bool) -> link.Records:
        return link.Records(data, self.applied_index, self._event_log.event_seq, is_end)

    def _replay_session(
        self, session_id: int, from_out_seq: int, trading_date: int
    ) -> link.Records:
        if from_out_seq < 1:
            raise CannotAnswer("out_seq starts at 1")
        if self._event_log.missing:
            raise CannotAnswer(FETCHING)
        self._index.catch_up()
        if trading_date and self._index.trading_date != trading_date:
            raise CannotAnswer(f"{trading_date} is not the day whose outputs are here")
        positions = self._index.session(session_id, from_out_seq, RECORDS_MAX)
        chosen = self._index.with_terms(positions)
        if len(chosen) > RECORDS_MAX:
            positions = positions[: RECORDS_MAX // 2]
            chosen = self._index.with_terms(positions)
        end = from_out_seq + len(positions)
        is_end = end > self._index.session_length(session_id)
        return self._records(self._event_log.gather(chosen), is_end=is_end)

    def _replay_topic(self, topic: str, from_topic_seq: int) -> link.Frames:
        if from_topic_seq < 1:
            raise CannotAnswer("topic_seq starts at 1")
        if self._event_log.missing:
            raise CannotAnswer(FETCHING)
        self._index.catch_up()
        try:
            data, last = self._find_topic(topic, from_topic_seq)
        except (LookupError, ValueError) as error:
            raise CannotAnswer(str(error)) from error
        ids = np.frombuffer(data, EVENT_DTYPE)["instrument_id"].tolist()
        found = to_frames(data, [self._symbols.symbol(number) for number in ids])
        return link.Frames(found, last, is_end=from_topic_seq + len(found) > last)

    def _find_topic(self, topic: str, from_topic_seq: int) -> tuple[bytes, int]:
        """Records to send, and the topic's last number. Raises: LookupError, ValueError."""
        match topics.parse(topic.encode()):
            case Executions(account_id):
                data = self._index.account(account_id, from_topic_seq, FRAMES_MAX)
                return data, self._index.account_last(account_id)
            case MarketData(symbol):
                instrument_id = self._symbols.instrument_id(symbol)
                if not instrument_id:
                    raise LookupError(f"there is no instrument {symbol!r}")
                data = self._index.instrument(instrument_id, from_topic_seq, FRAMES_MAX)
                return data, self._index.instrument_last(instrument_id)


def _found(view: _V | None, what: str) -> _V:
    if view is None:
        raise CannotAnswer(f"there is no {what}")
    return view
