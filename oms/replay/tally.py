"""What one session's stream says about a replayed flow: acceptances, cancels, executions.

Called by `stream.py` with every sequenced frame. Pure, and on the hot path: a message costs one
`unpack_from` and one store. Everything that can be worked out later is worked out in `result`.

Units: times monotonic nanoseconds of this machine, quantities shares, prices 10^-4.
"""

import struct
from array import array
from typing import Final, NamedTuple

from oms.replay.flow import Flow, Known

# offsets in a frame: 0 `S`, 1 type, 2 timestamp, 10 UserRefNum, 14 the rest
_URN: Final = struct.Struct(">I")
_CANCELED: Final = struct.Struct(">II")  # UserRefNum, quantity
_EXECUTED: Final = struct.Struct(">IIQBQ")  # UserRefNum, quantity, price, liquidity, match
_REJECTED: Final = struct.Struct(">IH")  # UserRefNum, reason
_BODY: Final = 10
_ACCEPTED_TYPE: Final = ord("A")
_CANCELED_TYPE: Final = ord("C")
_EXECUTED_TYPE: Final = ord("E")
_REJECTED_TYPE: Final = ord("J")
_QUERY_TYPE: Final = ord("Q")
_REMOVED: Final = ord("R")
_UNANSWERED: Final = 0


class Execution(NamedTuple):
    """One `E`: an order's side of a match."""

    ordinal: int
    qty: int
    price: int
    liquidity: int
    match_id: int


class Tally:
    """Outcomes of one run of a flow whose first order has the UserRefNum `first_urn`."""

    def __init__(self, flow: Flow, first_urn: int) -> None:
        self._flow = flow
        self._first_urn = first_urn
        self.answered_ns = array("q", bytes(8 * flow.order_count))  # by order; 0: no answer
        self.accepted_count = 0
        self.done_count = 0  # messages certainly processed: a prefix of the flow
        self.reject_reasons: dict[int, int] = {}
        self._queries_answered = 0
        self._canceled: list[tuple[int, int]] = []  # UserRefNum, quantity
        self._executed: list[tuple[int, int, int, int, int]] = []

    @property
    def is_complete(self) -> bool:
        """Whether the query that closes the flow was answered: no outcome is outstanding."""
        return self._queries_answered == len(self._flow.queries)

    def take(self, frames: list[bytes], now_ns: int) -> None:
        """Sequenced frames, in order, read at `now_ns`."""
        first_urn = self._first_urn
        answered_ns = self.answered_ns
        order_count = len(answered_ns)
        last = -1
        for frame in frames:
            kind = frame[1]
            if kind == _ACCEPTED_TYPE:
                ordinal = _URN.unpack_from(frame, _BODY)[0] - first_urn
                if 0 <= ordinal < order_count:
                    answered_ns[ordinal] = now_ns
                    self.accepted_count += 1
                    last = ordinal
            elif kind == _CANCELED_TYPE:
                self._canceled.append(_CANCELED.unpack_from(frame, _BODY))
            elif kind == _EXECUTED_TYPE:
                self._executed.append(_EXECUTED.unpack_from(frame, _BODY))
            elif kind == _REJECTED_TYPE:
                urn, reason = _REJECTED.unpack_from(frame, _BODY)
                self.reject_reasons[reason] = self.reject_reasons.get(reason, 0) + 1
                if 0 <= urn - first_urn < order_count:
                    last = urn - first_urn
            elif kind == _QUERY_TYPE and not self.is_complete:
                self.done_count = self._flow.queries[self._queries_answered] + 1
                self._queries_answered += 1
                last = -1
        if last >= 0:
            self.done_count = self._flow.message_of_order[last] + 1

    def executions(self) -> list[Execution]:
        """Executions of this flow's orders, in the order of the stream."""
        first_urn = self._first_urn
        end = first_urn + len(self.answered_ns)
        return [
            Execution(urn - first_urn, qty, price, liquidity, match_id)
            for urn, qty, price, liquidity, match_id in self._executed
            if first_urn <= urn < end
        ]

    def resting_urns(self) -> list[int]:
        """UserRefNums of orders that are still in the book."""
        left = [
            size if rests and answered else 0
            for size, rests, answered in zip(
                self._flow.sizes, self._flow.is_resting, self.answered_ns, strict=True
            )
        ]
        for urn, qty in self._canceled:
            if 0 <= urn - self._first_urn < len(left):
                left[urn - self._first_urn] -= qty
        for execution in self.executions():
            left[execution.ordinal] -= execution.qty
        return [self._first_urn + ordinal for ordinal, qty in enumerate(left) if qty > 0]


def count_trades(executions: list[Execution]) -> tuple[int, int]:
    """Trades and shares, each match once: by its incoming side."""
    incoming = [execution.qty for execution in executions if execution.liquidity == _REMOVED]
    return len(incoming), sum(incoming)


def count_exact(known: list[Known], executions: list[Execution]) -> int:
    """How many known executions came out exactly: one match, with that order, price and size."""
    sides_of_match: dict[int, list[Execution]] = {}
    of_incoming: dict[int, list[Execution]] = {}
    for execution in executions:
        sides_of_match.setdefault(execution.match_id, []).append(execution)
        if execution.liquidity == _REMOVED:
            of_incoming.setdefault(execution.ordinal, []).append(execution)
    exact = 0
    for expected in known:
        matches = of_incoming.get(expected.incoming, [])
        if len(matches) != 1 or (matches[0].qty, matches[0].price) != (
            expected.qty,
            expected.price,
        ):
            continue
        resting = [
            side for side in sides_of_match[matches[0].match_id] if side.liquidity != _REMOVED
        ]
        exact += len(resting) == 1 and resting[0].ordinal == expected.resting
    return exact
