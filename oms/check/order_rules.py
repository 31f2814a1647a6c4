"""The life of every order as its client was told it, judged without any log.

Called by the judge with one user's stream after the other. Trusts the histories alone: an order is
accepted, replaced or rejected once, as it was sent and after it was sent; what is executed and
canceled is never more than was ordered, nor at a worse price than its limit; nothing follows the
end; a match has two sides at most, one buying and one selling, that agree on it; it is broken once
at most, and only for who was executed in it. Each order is a state machine of its own, so this is
a check of linearizability order by order.

Where a client joined a stream late, orders it has not seen accepted are not judged.
"""

import struct
from collections.abc import Callable
from typing import Final

from oms.check.as_sent import is_as_sent, is_near_enough
from oms.check.evidence import Day, Evidence
from oms.check.verdict import Kind, Verdict
from oms.wire import ouch_messages as m

# What follows the type: timestamp, then as the layouts of oms/wire/ouch_messages.py.
_ACCEPTED: Final = struct.Struct(">xQIBI8sQBBQBBBB14s")
_REPLACED: Final = struct.Struct(">xQIIBI8sQBBQBBBB14s")
_CANCELED: Final = struct.Struct(">xQIIB")
_PREVENTED: Final = struct.Struct(">xQIIBIQBB")
_EXECUTED: Final = struct.Struct(">xQIIQBQ")
_BROKEN: Final = struct.Struct(">xQIQ")
_REJECTED: Final = struct.Struct(">xQIH")
_REPLACE_SENT: Final = struct.Struct(">xIII")  # the original, the new number, the total

_TIMESTAMP: Final = slice(1, 9)
_MARKET: Final = m.PRICE_MARKET
_DEAD: Final = m.STATE_DEAD
_BUY: Final = m.SIDE_BUY
_DECREMENT: Final = ord("D")
_DAY_END: Final = b"E"


class _Order:
    """An order that was accepted."""

    __slots__ = ("done", "is_buy", "is_over", "last_match", "leaves", "limit", "side", "tif")

    def __init__(self, side: int, leaves: int, limit: int, tif: int, *, is_over: bool) -> None:
        self.side = side
        self.tif = tif
        self.is_buy = side == _BUY
        self.leaves = leaves
        self.limit = limit
        self.done = 0  # executed (or decremented), in the whole chain of replaces
        self.is_over = is_over
        self.last_match = 0


_Match = tuple[str, int, int, int, bool]  # user, UserRefNum, quantity, price, is a buy


class OrderRules:
    """All users', because a match has two sides."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._open_matches: dict[int, _Match] = {}  # one side was told so far
        self._whole_matches: set[int] = set()
        self._order_ids: set[int] = set()

    def judge(self, evidence: Evidence) -> None:
        """One user's streams, day by day."""
        reader = _UserRules(self, evidence, self._verdict)
        base = evidence.base
        for _, day in evidence.in_order():
            reader.read(day, base)
            base = 0

    def note_order_id(self, user: str, order_id: int) -> None:
        """The venue's number of an order: no two have the same."""
        if order_id in self._order_ids:
            self._verdict.find(Kind.DUPLICATED, f"{user}: order id {order_id} was given before")
        self._order_ids.add(order_id)

    def note_match(self, match_id: int, side: _Match) -> None:
        """One side of a match as somebody was told it."""
        verdict, user = self._verdict, side[0]
        if match_id in self._whole_matches:
            verdict.find(Kind.DUPLICATED, f"{user}: match {match_id} has more than two sides")
            return
        other = self._open_matches.pop(match_id, None)
        if other is None:
            self._open_matches[match_id] = side
            return
        self._whole_matches.add(match_id)
        if other[2:4] != side[2:4]:
            text = f"match {match_id}: {other[0]} was told {other[2:4]}, {user} {side[2:4]}"
            verdict.find(Kind.UNBALANCED, text)
        elif other[4] == side[4]:
            verdict.find(Kind.UNBALANCED, f"match {match_id}: {other[0]} and {user} on one side")


class _UserRules:
    """The orders of one user."""

    def __init__(self, rules: OrderRules, evidence: Evidence, verdict: Verdict) -> None:
        self._rules = rules
        self._evidence = evidence
        self._verdict = verdict
        self._orders: dict[int, _Order] = {}  # by UserRefNum
        self._earlier: dict[int, _Order] = {}  # of days before, not known to be over
        self._refused: set[int] = set()
        self._fills: set[int] = set()  # the day's matches with their UserRefNums
        self._broken_fills: set[int] = set()
        self._day = Day()
        self._is_whole = True  # every message of the day from the first one on was read so far
        self._handlers: dict[int, Callable[[bytes, int], None]] = {
            m.Accepted.TYPE: self._accepted,
            m.Replaced.TYPE: self._replaced,
            m.Rejected.TYPE: self._rejected,
            m.Canceled.TYPE: self._canceled,
            m.AiqCanceled.TYPE: self._prevented,
            m.Executed.TYPE: self._executed,
            m.BrokenTrade.TYPE: self._broken,
            m.SystemEvent.TYPE: self._venue_says,
        }

    def read(self, day: Day, base: int) -> None:
        """One day's stream, of which `base` messages are older than these histories.

        With a day, UserRefNums of orders that are over may be used again. The last messages of the
        day before may never have been told: who was not there cannot ask for them any more.
        """
        known = self._earlier | self._orders
        self._earlier = {urn: order for urn, order in known.items() if not order.is_over}
        self._orders.clear()
        self._refused.clear()
        self._fills.clear()
        self._broken_fills.clear()
        self._is_whole = self._is_whole and not self._day.messages
        self._day = day
        handlers, last = self._handlers, b""
        for number, message in enumerate(day.messages, start=1):
            if not message:
                self._is_whole = False
                continue
            if message[_TIMESTAMP] < last:
                self._find(Kind.REORDERED, f"message {number} is older than the one before")
            last = message[_TIMESTAMP]
            handler = handlers.get(message[0])
            if handler is not None:
                try:
                    handler(message, 0 if number <= base else day.times[number - 1])
                except struct.error:
                    self._find(Kind.CONTRADICTED, f"message {number} is too short")

    def _find(self, kind: Kind, text: str) -> None:
        self._verdict.find(kind, f"{self._evidence.user}: {text}")

    def _accepted(self, data: bytes, now_ns: int) -> None:
        (
            _, urn, side, qty, _, price, tif, _, order_id, _, _, _, state, _,
        ) = _ACCEPTED.unpack_from(data)  # fmt: skip
        self._day.accepted.add(urn)
        self._check_first(urn)
        self._check_as_sent(urn, data, now_ns)
        self._rules.note_order_id(self._evidence.user, order_id)
        is_over = state == _DEAD or qty == 0
        self._orders[urn] = _Order(side, qty, price, tif, is_over=is_over)

    def _check_first(self, urn: int) -> None:
        """An order is answered once; under a number of a day before it is a new one."""
        self._earlier.pop(urn, None)
        if urn in self._orders or urn in self._refused:
            self._find(Kind.DUPLICATED, f"order {urn} was answered before")

    def _check_as_sent(self, urn: int, data: bytes, now_ns: int) -> None:
        first = self._day.sent_as(urn)
        if first is not None and first.first_ns > now_ns > 0:
            self._find(Kind.REORDERED, f"order {urn} was accepted before it was entered")
        if first is not None and is_as_sent(first.message, data):
            return
        entered = self._day.sent_under(urn, m.EnterOrder.TYPE)
        if not entered:
            if now_ns:  # else before these histories began
                self._find(Kind.INVENTED, f"order {urn} was accepted and never entered")
        elif not any(is_as_sent(sent, data) or is_near_enough(sent, data) for sent in entered):
            self._find(Kind.CONTRADICTED, f"order {urn} was accepted otherwise than entered")

    def _replaced(self, data: bytes, now_ns: int) -> None:
        (
            _, old_urn, urn, side, qty, _, price, tif, _, order_id, _, _, _, state, _,
        ) = _REPLACED.unpack_from(data)  # fmt: skip
        self._day.accepted.add(urn)
        self._check_first(urn)
        old = self._known(old_urn)
        if old is None:
            if self._is_whole:
                self._find(Kind.IMPOSSIBLE, f"order {urn} replaces {old_urn}, which never was")
        else:
            if old.is_over:
                self._find(Kind.IMPOSSIBLE, f"order {urn} replaces {old_urn}, which was over")
            if old.side != side:
                self._find(Kind.CONTRADICTED, f"order {urn} changed its side")
            old.is_over = True
        done = 0 if old is None else old.done
        self._check_replace(urn, old_urn, now_ns, qty=qty, done=-1 if old is None else done)
        self._rules.note_order_id(self._evidence.user, order_id)
        replacement = _Order(side, qty, price, tif, is_over=state == _DEAD or qty == 0)
        replacement.done = done
        self._orders[urn] = replacement

    def _check_replace(self, urn: int, old_urn: int, now_ns: int, *, qty: int, done: int) -> None:
        """A replace is done as it was asked for; `done`: executed before, -1 if nobody knows."""
        sent = self._day.sent_as(urn)
        if sent is not None and sent.first_ns > now_ns > 0:
            self._find(Kind.REORDERED, f"replace {urn} was done before it was asked for")
        asked = [
            _REPLACE_SENT.unpack_from(message)
            for message in self._day.sent_under(urn, m.ReplaceRequest.TYPE)
        ]
        if not asked:
            if now_ns:
                self._find(Kind.INVENTED, f"order {urn} replaced {old_urn}, and nobody asked")
        elif not any(
            wanted_old == old_urn and (done < 0 or qty == max(wanted_qty - done, 0))
            for wanted_old, _, wanted_qty in asked
        ):
            self._find(Kind.CONTRADICTED, f"replace {urn} was done otherwise than asked for")

    def _rejected(self, data: bytes, now_ns: int) -> None:
        _, urn, _ = _REJECTED.unpack_from(data)
        self._check_first(urn)
        self._refused.add(urn)
        self._day.rejected.add(urn)
        sent = self._day.sent_as(urn)
        if sent is not None and sent.first_ns > now_ns > 0:
            self._find(Kind.REORDERED, f"order {urn} was rejected before it was entered")

    def _canceled(self, data: bytes, _now_ns: int) -> None:
        _, urn, qty, _ = _CANCELED.unpack_from(data)
        order = self._living(urn, "canceled")
        if order is not None:
            self._take(order, urn, qty)

    def _prevented(self, data: bytes, now_ns: int) -> None:
        """Reduced instead of trading with its own owner; DECREMENT counts as done."""
        _, urn, qty, _, _, _, _, strategy = _PREVENTED.unpack_from(data)
        order = self._known(urn)
        if order is not None and strategy == _DECREMENT:
            order.done += qty
        self._canceled(data, now_ns)

    def _executed(self, data: bytes, _now_ns: int) -> None:
        _, urn, qty, price, _, match_id = _EXECUTED.unpack_from(data)
        self._fills.add(match_id << 32 | urn)
        order = self._living(urn, "executed")
        if order is None:
            return
        if order.last_match == match_id:
            self._find(Kind.DUPLICATED, f"order {urn} was executed twice in match {match_id}")
        order.last_match = match_id
        is_beyond = price > order.limit if order.is_buy else price < order.limit
        if is_beyond and order.limit != _MARKET:
            self._find(Kind.IMPOSSIBLE, f"order {urn} was executed at {price}, beyond its limit")
        self._rules.note_match(match_id, (self._evidence.user, urn, qty, price, order.is_buy))
        order.done += qty
        self._take(order, urn, qty)

    def _broken(self, data: bytes, _now_ns: int) -> None:
        """A trade taken back: no order comes back, so none is touched."""
        _, urn, match_id = _BROKEN.unpack_from(data)
        fill = match_id << 32 | urn
        if fill in self._broken_fills:
            self._find(Kind.DUPLICATED, f"match {match_id} of order {urn} was broken twice")
        elif fill not in self._fills and self._is_whole:
            text = f"match {match_id} of order {urn} was broken and never executed"
            self._find(Kind.IMPOSSIBLE, text)
        self._broken_fills.add(fill)

    def _venue_says(self, data: bytes, _now_ns: int) -> None:
        """The day's end leaves no order that was for the day alone."""
        if data[9:10] == _DAY_END and self._is_whole:
            for urn, order in self._orders.items():
                if order.tif == m.TIF_DAY and not order.is_over:
                    self._find(Kind.IMPOSSIBLE, f"order {urn} was for the day, and outlived it")

    def _known(self, urn: int) -> _Order | None:
        """An order of the day, or one of a day before that is still there."""
        order = self._orders.get(urn)
        if order is None and urn in self._earlier:
            order = self._orders[urn] = self._earlier.pop(urn)
            if order.tif == m.TIF_DAY:
                self._find(Kind.IMPOSSIBLE, f"order {urn} was for a day before, and lives")
        return order

    def _living(self, urn: int, what: str) -> _Order | None:
        """The order, if it can be judged; what happens to one that is over cannot be."""
        order = self._known(urn)
        if order is None:
            if self._is_whole:
                self._find(Kind.IMPOSSIBLE, f"order {urn} was {what} and never accepted")
        elif order.is_over:
            self._find(Kind.IMPOSSIBLE, f"order {urn} was {what} after its end")
            return None
        return order

    def _take(self, order: _Order, urn: int, qty: int) -> None:
        order.leaves -= qty
        if order.leaves < 0:
            text = f"order {urn}: {-order.leaves} more were executed and canceled than ordered"
            self._find(Kind.IMPOSSIBLE, text)
        order.is_over = order.leaves <= 0
