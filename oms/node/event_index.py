"""Where a session's, an account's or an instrument's records are in the event log.

Called by requests (replay) and egress (last numbers). Built lazily in chunks of bounded work by
`catch_up`, never on the path of an order. Holds what is in the event log; of the day before, while
this process lives, the topics, for those who lost their last frames: what older days said is in the
archive only.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from oms.messages.enums import EventFlag, EventKind
from oms.node.event_file import EventFile, topic_seq_at
from oms.node.event_log import EventLog

CHUNK_RECORDS: Final = 16_384  # indexed in one go, about a millisecond
_ENTERED: Final = (int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_REPLACED))
_FLAGS_AT: Final = 3  # byte of an event record
_U16_MAX: Final = 0xFFFF
Table = dict[int, "array[int]"]
_Positions = npt.NDArray[np.int64]
_Records = npt.NDArray[np.void]


def _groups(keys: npt.NDArray[np.uint32]) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Split positions 0..n-1 by key, each group in order. A stable sort of 16 bits is a radix
    sort, ten times faster than one of 32.
    """
    if len(keys) == 0:
        return []
    short = keys.astype(np.uint16) if int(keys.max()) <= _U16_MAX else keys
    order = np.argsort(short, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.diff(ordered)) + 1
    return [(int(keys[group[0]]), group) for group in np.split(order, starts)]


@dataclass(frozen=True, slots=True)
class _DayBefore:
    """Where the topics of the day before are, in its file."""

    file: EventFile
    accounts: Table
    instruments: Table

    def read(self, position: int) -> bytes:
        """The record at a position."""
        return self.file.read(self.file.base + 1 + position, 1)

    def read_with_terms(self, position: int) -> bytes:
        """The same, behind its ORDER_TERMS if it has one."""
        record = self.read(position)
        has_terms = record[0] in _ENTERED and record[_FLAGS_AT] & EventFlag.HAS_TERMS
        return self.read(position - 1) + record if has_terms else record


class EventIndex:
    """Positions (0-based record numbers) by session, account and instrument."""

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._indexed = event_log.first_present - 1 - event_log.base  # records looked at
        self.trading_date = 0  # of the newest day whose start is in what is indexed
        self._day_start = 0  # position of the first record of that day
        self._sessions: dict[int, array[int]] = {}
        self._accounts: dict[int, array[int]] = {}
        self._instruments: dict[int, array[int]] = {}
        self._before: _DayBefore | None = None

    @property
    def lag(self) -> int:
        """Records not indexed yet."""
        return self._log.event_seq - self._log.base - self._indexed

    def catch_up(self) -> None:
        """Index everything there is. The loop keeps the lag to about one chunk."""
        count = self._log.readable_seq - self._log.base
        while self._indexed < count:
            records = self._log.records()
            end = min(self._indexed + CHUNK_RECORDS, len(records))
            self._add(records[self._indexed : end], self._indexed)
            self._indexed = end

    def roll(self, archived: EventFile) -> None:
        """The day's file is in the archive now, and another one begins."""
        if self._before is not None:
            self._before.file.close()
        self._before = _DayBefore(archived, self._accounts, self._instruments)
        self._accounts, self._instruments = {}, {}
        self.restart()

    def restart(self) -> None:
        """Another file, or one whose missing records have come: begin anew."""
        for table in (self._sessions, self._accounts, self._instruments):
            table.clear()
        self.trading_date = self._day_start = 0
        self._indexed = self._log.first_present - 1 - self._log.base

    def _add(self, records: _Records, base: int) -> None:
        kinds = records["kind"]
        topic_seqs = records["topic_seq"]
        is_private = (topic_seqs > 0) & (kinds < EventKind.TRADE)
        is_public = (topic_seqs > 0) & (kinds >= EventKind.TRADE)
        self._add_topic(self._accounts, records["account_id"], np.flatnonzero(is_private), base)
        self._add_topic(
            self._instruments, records["instrument_id"], np.flatnonzero(is_public), base
        )
        self._add_sessions(records, base)
        for at in np.flatnonzero(kinds == EventKind.DAY_STARTED):
            self.trading_date = int(records["order_id"][at])
            self._start_day(int(records["timestamp_ns"][at]), base + int(at))

    @staticmethod
    def _add_topic(
        table: dict[int, "array[int]"],
        ids: npt.NDArray[np.uint32],
        chosen: _Positions,
        base: int,
    ) -> None:
        for key, group in _groups(ids[chosen]):
            positions = table.setdefault(key, array("q"))
            positions.frombytes((chosen[group] + base).tobytes())

    def _add_sessions(self, records: _Records, base: int) -> None:
        out_seqs = records["out_seq"]
        chosen = np.flatnonzero(out_seqs > 0)
        for session_id, group in _groups(records["session_id"][chosen]):
            at = chosen[group]
            positions = self._sessions.setdefault(session_id, array("q"))
            restarts = np.flatnonzero(out_seqs[at] == 1)
            if len(restarts):
                del positions[:]  # a new day: the stream begins again
                at = at[restarts[-1] :]
            positions.frombytes((at + base).tobytes())

    def _start_day(self, timestamp_ns: int, position: int) -> None:
        """Drop what is older. The day's first records stand before DAY_STARTED, in the same entry,
        and an entry is what shares one timestamp.
        """
        times = self._log.records()["timestamp_ns"]
        day_start = bisect_left(range(position), timestamp_ns, key=lambda at: int(times[at]))
        for positions in self._sessions.values():
            _drop_below(positions, day_start)
        for table in (self._accounts, self._instruments):
            for positions in table.values():
                _drop_below(positions, self._day_start)
        self._day_start = day_start

    # ---- reading; the caller has called catch_up

    def session_length(self, session_id: int) -> int:
        """Last out_seq of the session today."""
        return len(self._sessions.get(session_id, ()))

    def session(self, session_id: int, from_out_seq: int, count: int) -> _Positions:
        """Positions of a session's records from `from_out_seq` (at least 1) on."""
        return _cut(self._sessions.get(session_id), from_out_seq - 1, count)

    def with_terms(self, positions: _Positions) -> _Positions:
        """The same with each ORDER_TERMS before the record that has one."""
        chosen = self._log.records()[positions]
        opened = np.isin(chosen["kind"], _ENTERED)
        at = np.flatnonzero(opened & ((chosen["flags"] & EventFlag.HAS_TERMS) > 0))
        return np.insert(positions, at, positions[at] - 1) if len(at) else positions

    def account(self, account_id: int, from_topic_seq: int, count: int) -> bytes:
        """An account's records from `from_topic_seq` on, ORDER_TERMS before those that have some.
        Raises: LookupError when that number is from before what is kept.
        """
        before = self._before.accounts.get(account_id) if self._before else None
        return self._topic(before, self._accounts.get(account_id), from_topic_seq, count)

    def instrument(self, instrument_id: int, from_topic_seq: int, count: int) -> bytes:
        """An instrument's records. Raises: LookupError, as above."""
        before = self._before.instruments.get(instrument_id) if self._before else None
        return self._topic(before, self._instruments.get(instrument_id), from_topic_seq, count)

    def _topic(
        self,
        before: "array[int] | None",
        today: "array[int] | None",
        from_topic_seq: int,
        count: int,
    ) -> bytes:
        data, first = b"", self._first(today)
        if before and self._before is not None and (not first or from_topic_seq < first):
            old = topic_seq_at(self._before.read(before[0]))
            _check(from_topic_seq, old)
            chosen = before[from_topic_seq - old :][:count]
            data = b"".join(self._before.read_with_terms(position) for position in chosen)
            from_topic_seq += len(chosen)
            count -= len(chosen)
        if first and count:
            _check(from_topic_seq, first)
            positions = _cut(today, from_topic_seq - first, count)
            data += self._log.gather(self.with_terms(positions))
        return data

    def account_last(self, account_id: int) -> int:
        """Last topic_seq of an account's topic, 0 when nothing is kept."""
        before = self._before.accounts.get(account_id) if self._before else None
        return self._last(before, self._accounts.get(account_id))

    def instrument_last(self, instrument_id: int) -> int:
        """Last topic_seq of an instrument's topic, 0 when nothing is kept."""
        before = self._before.instruments.get(instrument_id) if self._before else None
        return self._last(before, self._instruments.get(instrument_id))

    def _first(self, positions: "array[int] | None") -> int:
        return int(self._log.records()["topic_seq"][positions[0]]) if positions else 0

    def _last(self, before: "array[int] | None", today: "array[int] | None") -> int:
        if today:
            return int(self._log.records()["topic_seq"][today[-1]])
        if before and self._before is not None:
            return topic_seq_at(self._before.read(before[-1]))
        return 0

    def accounts(self) -> list[int]:
        """Accounts that have records, in order."""
        return sorted(self._accounts.keys() | (self._before.accounts if self._before else {}))

    def instruments(self) -> list[int]:
        """Instruments that have records, in order."""
        return sorted(self._instruments.keys() | (self._before.instruments if self._before else {}))


def _check(from_topic_seq: int, first: int) -> None:
    if from_topic_seq < first:
        msg = f"topic_seq {from_topic_seq} is older than what is kept, from {first} on"
        raise LookupError(msg)


def _drop_below(positions: "array[int]", bound: int) -> None:
    view = np.frombuffer(positions, np.int64)
    count = int(np.searchsorted(view, bound))
    del view  # the array cannot be resized while a view on it exists
    del positions[:count]


def _cut(positions: "array[int] | None", first: int, count: int) -> _Positions:
    if not positions or first >= len(positions) or count <= 0:
        return np.empty(0, np.int64)
    return np.frombuffer(positions[first : first + count], np.int64)
