"""Where each entry of the log is in the segments, its term, and what each segment holds.

Called by journal.py, journal_recovery.py, journal_reader.py. Promises: in memory only, 8 bytes an
entry; entries are base_index + 1 to last_index without gaps, and the term of the base itself is
known (a log that was never based has base 0 of term 0). What is behind a truncation or before a
base is forgotten, never found again.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from oms.replication.errors import ReplicationError
from oms.replication.journal_format import SEGMENT_HEADER_BYTES
from oms.replication.journal_index import NO_LOWEST

FIRST_VERSION_WITH_TERM: Final = 2  # of a segment header
_SEGMENT_SHIFT: Final = 40
_OFFSET_MASK: Final = (1 << _SEGMENT_SHIFT) - 1


def pack_position(number: int, offset: int) -> int:
    """Segment and offset of a record's header as one number."""
    return number << _SEGMENT_SHIFT | offset


def unpack_position(position: int) -> tuple[int, int]:
    """Segment and offset again."""
    return position >> _SEGMENT_SHIFT, position & _OFFSET_MASK


@dataclass(slots=True)
class Span:
    """One used segment: what of the log it holds."""

    number: int
    version: int
    first_index: int
    term_before: int
    lowest: int = NO_LOWEST  # to which a truncation or base in it set the log's end
    base: tuple[int, int] | None = None  # of the last base record in it
    end: int = SEGMENT_HEADER_BYTES  # behind its last whole record

    @property
    def may_be_first(self) -> bool:
        """Whether a journal may begin with it: version 1 does not tell the term before."""
        return self.version >= FIRST_VERSION_WITH_TERM or self.first_index == 1

    def note_end(self, log_index: int, base_term: int | None = None) -> None:
        """A record in it set the log's end: a truncation, or a base that has a term."""
        self.lowest = min(self.lowest, log_index)
        if base_term is not None:
            self.base = (log_index, base_term)


class LogMap:
    """Entries base_index + 1 to last_index."""

    def __init__(self) -> None:
        self.base_index = 0
        self.base_term = 0
        self._positions: array[int] = array("Q")
        self._run_starts = [0]  # first index of each run of one term; the first run has the base
        self._run_terms = [0]

    @property
    def last_index(self) -> int:
        """The last entry, the base when there is none."""
        return self.base_index + len(self._positions)

    @property
    def last_term(self) -> int:
        """Term of the last entry, or of the base."""
        return self._run_terms[-1]

    def append(self, position: int, term: int) -> None:
        """The next entry."""
        if term != self._run_terms[-1]:
            self._run_starts.append(self.base_index + len(self._positions) + 1)
            self._run_terms.append(term)
        self._positions.append(position)

    def extend(self, positions: "array[int]", runs: Sequence[tuple[int, int]]) -> None:
        """Many entries; `runs` are (first index, term) of theirs, in order."""
        for first, term in runs:
            if term != self._run_terms[-1]:
                self._run_starts.append(first)
                self._run_terms.append(term)
        self._positions.extend(positions)

    def truncate(self, last_index: int) -> None:
        """Forget what is behind `last_index`."""
        del self._positions[last_index - self.base_index :]
        while self._run_starts[-1] > max(last_index, self.base_index):
            self._run_starts.pop()
            self._run_terms.pop()

    def rebase(self, log_index: int, term: int) -> None:
        """Forget everything; the next entry is the one behind `log_index`."""
        self.base_index, self.base_term = log_index, term
        del self._positions[:]
        self._run_starts, self._run_terms = [log_index], [term]

    def forget_to(self, log_index: int) -> None:
        """Begin behind `log_index`, an entry that exists, and keep the rest."""
        term = self.term_at(log_index)
        run = bisect_right(self._run_starts, log_index) - 1
        self._run_starts[: run + 1], self._run_terms[: run + 1] = [log_index], [term]
        del self._positions[: log_index - self.base_index]
        self.base_index, self.base_term = log_index, term

    def term_at(self, log_index: int) -> int:
        """Term of an entry that exists, or of the base. Raises: ReplicationError before it."""
        return self._run_terms[self._run_at(log_index)]

    def first_of_term_at(self, log_index: int) -> int:
        """Index of the first entry here that has the term of `log_index`."""
        return max(self.base_index + 1, self._run_starts[self._run_at(log_index)])

    def position_of(self, log_index: int) -> int:
        """Where an entry that exists is."""
        if not self.base_index < log_index <= self.last_index:
            raise ReplicationError(
                f"entry {log_index} is asked for, the log holds {self.base_index + 1} to "
                f"{self.last_index}"
            )
        return self._positions[log_index - self.base_index - 1]

    def positions_behind(self, log_index: int) -> "array[int]":
        """Of all entries behind `log_index`, in order."""
        return self._positions[log_index - self.base_index :]

    def runs_behind(self, log_index: int) -> list[tuple[int, int]]:
        """(First index, term) of the runs of the entries behind `log_index`."""
        if log_index >= self.last_index:
            return []
        run = self._run_at(log_index + 1)
        rest = zip(self._run_starts[run + 1 :], self._run_terms[run + 1 :], strict=True)
        return [(log_index + 1, self._run_terms[run]), *rest]

    def _run_at(self, log_index: int) -> int:
        run = bisect_right(self._run_starts, log_index) - 1
        if run < 0:
            raise ReplicationError(
                f"the term of entry {log_index} is asked for, the log begins behind "
                f"{self.base_index}"
            )
        return run
