"""What a session has asked for and has no certain outcome of yet, in the order of asking.

Called by `session.py`. Pure. It rests on one fact: what the venue processes on a connection is a
prefix of what was written, and everything here is written again in its old order on the next
connection. So an answer to one request proves that everything asked before it is done, answered
or not.
"""

from collections import OrderedDict
from collections.abc import Iterator

from oms.client import orders as o
from oms.client.book import OrderTable
from oms.client.orders import AnyEvent, Order, OrderState


class Request:
    """One packet and what it is about."""

    __slots__ = ("number", "order", "packet", "target")

    def __init__(
        self, number: int, packet: bytes, *, order: Order | None, target: Order | None
    ) -> None:
        self.number = number
        self.packet = packet
        self.order = order  # entered by it: an order or a replacement
        self.target = target  # to be canceled by it

    @property
    def is_query(self) -> bool:
        """Whether it asks for nothing but where the stream is."""
        return self.order is None and self.target is None

    @property
    def may_be_silent(self) -> bool:
        """Whether the venue may pass over it without an answer."""
        return self.order is None or self.order.original is not None


class Unacknowledged:
    """The requests by number, oldest first."""

    def __init__(self, table: OrderTable) -> None:
        self._table = table
        self._requests: OrderedDict[int, Request] = OrderedDict()
        self._next_number = 1

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._requests.values()))

    @property
    def oldest(self) -> Request:
        """The first one. Raises: StopIteration when there is none."""
        return next(iter(self._requests.values()))

    def add(
        self, packet: bytes, *, order: Order | None = None, target: Order | None = None
    ) -> Request:
        """One more, the newest."""
        request = Request(self._next_number, packet, order=order, target=target)
        self._requests[self._next_number] = request
        self._next_number += 1
        if order is not None:
            order.request_number = request.number
        if target is not None:
            target.cancel_numbers.append(request.number)
        return request

    def answered(self, order: Order, events: list[AnyEvent]) -> None:
        """The venue answered the request that entered `order`."""
        number = order.request_number
        if number:
            self.settle(number - 1, events)
            self._requests.pop(number, None)
            order.request_number = 0
        if order.original is not None and order in order.original.replacements:
            order.original.replacements.remove(order)

    def settle(self, number: int, events: list[AnyEvent]) -> None:
        """Everything up to `number` is done. An order among it without an answer never was."""
        while self._requests:
            request = self.oldest
            if request.number > number:
                return
            del self._requests[request.number]
            if request.target is not None:
                request.target.cancel_numbers.remove(request.number)
            elif request.order is not None:
                request.order.request_number = 0
                self._ignored(request.order, events)

    def bury(self, order: Order, events: list[AnyEvent]) -> None:
        """`order` can change no more: nothing asked about it can have an effect any more."""
        self._table.remove(order.urn)
        for number in order.cancel_numbers:
            self._requests.pop(number, None)
        order.cancel_numbers.clear()
        replacements = order.replacements[:]
        order.replacements.clear()
        for replacement in replacements:
            self.ignore(replacement, events)

    def ignore(self, order: Order, events: list[AnyEvent]) -> None:
        """`order` can never take effect: forget its request."""
        self._requests.pop(order.request_number, None)
        order.request_number = 0
        self._ignored(order, events)

    def abandon(self) -> list[Order]:
        """No answer can come any more: orders without one are UNKNOWN. Returns these."""
        abandoned = []
        for request in self._requests.values():
            if request.order is not None and request.order.state is OrderState.PENDING:
                request.order.state = OrderState.UNKNOWN
                abandoned.append(request.order)
        self._requests.clear()
        return abandoned

    def _ignored(self, order: Order, events: list[AnyEvent]) -> None:
        if order.state is not OrderState.PENDING:
            return
        order.state = OrderState.IGNORED
        order.leaves_qty = 0
        if order.original is not None and order in order.original.replacements:
            order.original.replacements.remove(order)
        order.answer = o.Ignored(seq=0, timestamp_ns=0, order=order)
        events.append(order.answer)
        self.bury(order, events)
