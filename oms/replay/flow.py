"""Recorded messages as what one OUCH session writes: packets in one buffer, in file order.

Called by the runner. Pure. All of a packet but its UserRefNum is decided by the recording, so
everything is encoded once (with the client's own encoder) and only the numbers are written in
before each repeat. The rules of translation:

* new: a limit order, good for the day; the firm is one of several, in turn.
* reduction and deletion of an order that the recording entered: a cancel to what is then intended.
* visible execution of such an order: a limit IOC of the other side at its price and size.
* everything else (hidden executions, auctions, halts, orders from before the recording): skipped.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from oms.bounds import REPLAY_IN_FLIGHT_MAX
from oms.client.orders import Order
from oms.client.requests import QUERY_PACKET, cancel_packet, enter_packet
from oms.messages.enums import Side
from oms.replay.lobster import Kind, Messages

QUERY_EVERY: Final = 1_024  # messages without an order in a row; cancels may have no answer
URN_OFFSET: Final = 4  # in an order's and in a cancel's packet: length, `U`, type, number
NO_ORDER: Final = -1
assert QUERY_EVERY < REPLAY_IN_FLIGHT_MAX, "cancels in a row must not block the flow for ever"

Integers = npt.NDArray[np.int64]


class Known(NamedTuple):
    """An execution the recording knows: of which order, and how many shares at which price.

    Shape: `incoming` and `resting` are ordinals of orders in the flow.
    """

    incoming: int
    resting: int
    qty: int
    price: int


class Flow:
    """Packets and what they mean. Orders have ordinals from 0 in the order they are entered."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.offsets: Integers = np.zeros(1, np.int64)  # of packet i; one more for the end
        self.times_ns: Integers = np.zeros(0, np.int64)
        self.ordinals: Integers = np.zeros(0, np.int64)  # order of packet i; NO_ORDER: a query
        self.message_of_order: list[int] = []
        self.queries: list[int] = []  # messages that are account queries
        self.sizes: list[int] = []  # by order
        self.is_resting: list[bool] = []  # by order: entered for the day
        self.known: list[Known] = []
        self.message_count = 0  # without the queries
        self.cancel_count = 0

    @property
    def order_count(self) -> int:
        """Orders entered, IOC included."""
        return len(self.sizes)

    def number_from(self, first_urn: int) -> None:
        """Write the UserRefNums: ordinal 0 gets `first_urn`."""
        is_numbered = self.ordinals != NO_ORDER
        values = (self.ordinals[is_numbered] + first_urn).astype(">u4").view(np.uint8)
        places = self.offsets[:-1][is_numbered] + URN_OFFSET
        data = np.frombuffer(self.buffer, np.uint8)
        data[places[:, None] + np.arange(4)] = values.reshape(-1, 4)


class _Builder:
    """Takes in messages one by one."""

    def __init__(self, symbol: str, firms: Sequence[str]) -> None:
        self.flow = Flow()
        self._symbol = symbol
        self._firms = firms
        self._ordinal_of_id: dict[int, int] = {}
        self._intended: dict[int, int] = {}  # order id -> total quantity wanted
        self._packets: list[bytes] = []
        self._times: list[int] = []
        self._ordinals: list[int] = []
        self._since_order = 0

    def take(
        self, kind: int, order_id: int, size: int, *, price: int, side: int, time: int
    ) -> None:
        """One line of the recording."""
        if kind == Kind.NEW:
            self._ordinal_of_id[order_id] = self._enter(
                Side.BUY if side > 0 else Side.SELL, size, price, time, is_resting=True
            )
            self._intended[order_id] = size
            return
        resting = self._ordinal_of_id.get(order_id)
        if resting is None:
            return
        if kind in (Kind.REDUCE, Kind.DELETE):
            intended = max(self._intended[order_id] - size, 0) if kind == Kind.REDUCE else 0
            self._intended[order_id] = intended
            self._add(cancel_packet(0, intended), time, resting)
            self.flow.cancel_count += 1
        elif kind == Kind.EXECUTE:
            other = Side.SELL if side > 0 else Side.BUY
            incoming = self._enter(other, size, price, time, is_resting=False)
            self.flow.known.append(Known(incoming, resting, size, price))

    def finish(self) -> Flow:
        """The flow, closed by a query whose answer proves that everything was processed."""
        self._query(self._times[-1] if self._times else 0)
        flow = self.flow
        flow.buffer = bytearray(b"".join(self._packets))
        sizes = np.array([len(packet) for packet in self._packets], np.int64)
        flow.offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        flow.times_ns = np.array(self._times, np.int64)
        flow.ordinals = np.array(self._ordinals, np.int64)
        flow.message_count = len(self._packets) - len(flow.queries)
        return flow

    def _enter(self, side: Side, size: int, price: int, time: int, *, is_resting: bool) -> int:
        flow = self.flow
        ordinal = len(flow.sizes)
        order = Order(0)
        order.symbol = self._symbol
        order.side = side
        order.order_qty = size
        order.price = price
        order.time_in_force = "DAY" if is_resting else "IOC"
        order.firm = self._firms[ordinal % len(self._firms)] if self._firms else ""
        flow.message_of_order.append(len(self._packets))
        flow.sizes.append(size)
        flow.is_resting.append(is_resting)
        self._add(enter_packet(order), time, ordinal)
        self._since_order = 0
        return ordinal

    def _add(self, packet: bytes, time: int, ordinal: int) -> None:
        if self._since_order >= QUERY_EVERY:
            self._query(time)
        self._packets.append(packet)
        self._times.append(time)
        self._ordinals.append(ordinal)
        self._since_order += 1

    def _query(self, time: int) -> None:
        self._since_order = 0
        self.flow.queries.append(len(self._packets))
        self._packets.append(QUERY_PACKET)
        self._times.append(time)
        self._ordinals.append(NO_ORDER)


def build(
    messages: Messages, *, symbol: str, firms: Sequence[str], session_count: int = 1
) -> list[Flow]:
    """One flow per session; an order and all that happens to it go through the same one."""
    builders = [_Builder(symbol, firms) for _ in range(session_count)]
    columns = [messages[name].tolist() for name in ("kind", "order_id", "size", "price")]
    rest = [messages[name].tolist() for name in ("direction", "time_ns")]
    for kind, order_id, size, price, side, time in zip(*columns, *rest, strict=True):
        builder = builders[order_id % session_count]
        builder.take(kind, order_id, size, price=price, side=side, time=time)
    return [builder.finish() for builder in builders]


def cancel_all(urns: Sequence[int]) -> bytes:
    """Packets that cancel these orders, and the query that proves it."""
    return b"".join([cancel_packet(urn, 0) for urn in urns]) + QUERY_PACKET
