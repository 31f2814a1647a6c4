"""One TCP connection of the model's client, over the product's own `Connection` without a socket.

Called by `real_gateway.py`. The client speaks OUCH bytes: an item of the model is an Enter Order,
an Account Query or a Cancel of item 1, recognized in the stream by the message it causes.
"""

import asyncio
from typing import cast

from gateways.binary.server import Connection, Server
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from tests.model.state import Item

PRICE = 990_000
CANCELED_ITEM = 1


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nobody reads of itself."""

    def resume_reading(self) -> None:
        """Nobody reads of itself."""


class RealConnection:
    """The connection, the bytes at its client's end, and what the client made of them."""

    def __init__(self, server: object, items: tuple[Item, ...]) -> None:
        self.transport = FakeTransport()
        self.connection = Connection(cast("Server", server))
        self.connection.connection_made(self.transport)
        self.is_accepted = False
        self.read: list[int] = []  # items, in the order of the stream
        self._items = items
        self._splitter = soupbin.FrameSplitter()

    def log_in(self, sequence: int) -> None:
        """The login packet, asking for the stream from `sequence` on."""
        request = soupbin.LoginRequest(b"U1", b"P1", b"", sequence)
        self._write(soupbin.login_request(request))

    def submit(self, item: int) -> None:
        """The item's OUCH message."""
        self._write(soupbin.unsequenced(ouch.encode(self._message(item))))

    def _message(self, item: int) -> m.Inbound:
        match self._items[item - 1]:
            case Item.ENTER:
                return m.EnterOrder(item, m.SIDE_BUY, 10, b"OAK", PRICE)
            case Item.QUERY:
                return m.AccountQueryRequest()
            case Item.CANCEL:
                return m.CancelRequest(CANCELED_ITEM)

    def _write(self, data: bytes) -> None:
        buffer = self.connection.get_buffer(len(data))
        buffer[: len(data)] = data
        self.connection.buffer_updated(len(data))

    def take_in(self) -> None:
        """The client reads what has come."""
        data, self.transport.written = bytes(self.transport.written), bytearray()
        for frame in self._splitter.feed(data):
            if frame[0] == soupbin.LOGIN_ACCEPTED:
                self.is_accepted = True
            elif frame[0] == soupbin.SEQUENCED:
                self.read.append(self._item(ouch.decode_outbound(frame, 1)))
            else:
                raise AssertionError(frame)

    def _item(self, message: m.Outbound) -> int:
        match message:
            case m.Accepted(user_ref_num=number):
                return number
            case m.AccountQueryResponse():
                return self._items.index(Item.QUERY) + 1
            case m.Canceled(user_ref_num=1):
                return self._items.index(Item.CANCEL) + 1
            case _:
                raise AssertionError(message)
