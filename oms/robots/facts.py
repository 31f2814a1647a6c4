"""What happened to orders, as a client can know it: the unit that the audit compares.

Called by the robots (what they saw) and the auditor (what the log says). Pure. Facts are kept
packed, because a demo may run for hours.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from oms.messages.enums import OUCH_REJECT_CODE, EventKind, RejectReason
from oms.messages.event_records import Event

_PACKED: Final = struct.Struct("<BIQIqQ")


class Fact(NamedTuple):
    """One thing that happened to an order. Shape: plain integers, fields that do not apply are 0.

    `order_id` of an acceptance or replacement; `qty` accepted, executed or canceled; `price` of an
    order or execution; `detail` is the match of an execution, the wire's code of a reject, the
    reason of a cancel, the replaced order's user_ref_num of a replacement.
    """

    kind: int
    user_ref_num: int
    order_id: int
    qty: int
    price: int
    detail: int


class FactLog:
    """A growing list of facts, about 33 bytes each."""

    __slots__ = ("_data",)

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._data = bytearray()
        for fact in facts:
            self.append(fact)

    def append(self, fact: Fact) -> None:
        """One more."""
        self._data += _PACKED.pack(*fact)

    def __len__(self) -> int:
        return len(self._data) // _PACKED.size

    def __getitem__(self, position: int) -> Fact:
        if not 0 <= position < len(self):
            raise IndexError(position)
        return Fact._make(_PACKED.unpack_from(self._data, position * _PACKED.size))

    def __iter__(self) -> Iterator[Fact]:
        # A copy: the log may grow while it is read, and a bytearray in use cannot.
        return map(Fact._make, _PACKED.iter_unpack(bytes(self._data)))


def fact_of_event(event: Event) -> Fact | None:
    """The fact in an event record of a stream; None for those that are not about an order."""
    kind, urn = event.kind, event.user_ref_num
    match kind:
        case EventKind.ORDER_ACCEPTED:
            return Fact(kind, urn, event.order_id, event.qty, event.price, 0)
        case EventKind.ORDER_REPLACED:
            return Fact(kind, urn, event.order_id, 0, event.price, event.orig_user_ref_num)
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
