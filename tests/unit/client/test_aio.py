"""The asyncio client over real sockets: waiting, events, lost connections."""

import asyncio
import socket
import time
from collections.abc import Coroutine

import pytest

from oms.client import aio
from oms.client import orders as o
from oms.client.aio import AsyncClient
from oms.client.errors import (
    ConnectionLost,
    EventsOverrun,
    LoginRejected,
    OrderRejected,
    OrderStatusUnknown,
    SessionClosed,
)
from oms.client.orders import OrderState
from oms.client.session import SessionState
from tests.support.fake_server import FakeServer
from tests.support.fake_venue import UNLUCKY_QTY


def run(coroutine: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


async def connect(server: FakeServer) -> AsyncClient:
    return await AsyncClient.connect([server.address], "user", "SECRET", timeout_s=5)


def test_an_order_is_entered_waited_for_replaced_and_canceled() -> None:
    """The same verbs as the blocking client's."""

    async def story() -> None:
        async with await connect(server) as client:
            order = client.enter("ALDER", "BUY", 100, 251_000)
            assert isinstance(await order.outcome(timeout=5), o.Accepted)
            replacement = client.replace(order, 50, "25.20")
            assert isinstance(await replacement.outcome(timeout=5), o.Replaced)
            client.cancel(replacement)
            assert await client.query_account() == 3
            assert replacement.state is OrderState.CANCELED
            with pytest.raises(OrderRejected):
                await client.enter("ALDER", "SELL", UNLUCKY_QTY, None).outcome(timeout=5)

    with FakeServer() as server:
        run(story())


def test_events_come_in_order_and_end_when_the_client_is_closed() -> None:
    """`async for` is how robots live."""

    async def story() -> None:
        client = await connect(server)
        kinds: list[str] = []

        async def listen() -> None:
            kinds.extend([type(event).__name__ async for event in client.events()])

        task = asyncio.create_task(listen())
        order = client.enter("ALDER", "BUY", 100, "25.10")
        await order.outcome(timeout=5)
        client.cancel(order)
        await client.query_account()
        await client.close()
        await task
        assert kinds == ["LoggedIn", "QueryAnswered", "Accepted", "Canceled", "QueryAnswered"]

    with FakeServer() as server:
        run(story())


def test_a_lost_connection_is_resumed_and_waiting_orders_get_their_answer() -> None:
    """Whoever waits does not notice."""

    async def story() -> None:
        async with await connect(server) as client:
            server.is_deaf.set()
            order = client.enter("ALDER", "BUY", 100, "25.10")
            with pytest.raises(OrderStatusUnknown):
                await order.outcome(timeout=0.05)
            waiting = asyncio.create_task(order.outcome(timeout=5))
            await asyncio.to_thread(server.drop)
            server.is_deaf.clear()
            assert isinstance(await waiting, o.Accepted)
            assert order.state is OrderState.LIVE

    with FakeServer() as server:
        run(story())


def test_closing_wakes_whoever_waits() -> None:
    """With the truth: unknown."""

    async def story() -> None:
        client = await connect(server)
        server.is_deaf.set()
        order = client.enter("ALDER", "BUY", 100, "25.10")
        waiting = asyncio.create_task(order.outcome())
        query = asyncio.create_task(client.query_account())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(OrderStatusUnknown):
            await waiting
        with pytest.raises(SessionClosed):
            await query

    with FakeServer() as server:
        run(story())


def test_a_wrong_password_is_refused_at_once() -> None:
    """Trying again would not help."""

    async def story() -> None:
        with pytest.raises(LoginRejected):
            await AsyncClient.connect([server.address], "user", "WRONG", timeout_s=5)

    with FakeServer() as server:
        run(story())


def test_without_reconnect_a_lost_connection_is_the_end() -> None:
    """For the reader of events, too."""

    async def story() -> None:
        client = await AsyncClient.connect(
            [server.address], "user", "SECRET", reconnect=False, timeout_s=5
        )
        await asyncio.to_thread(server.drop)
        with pytest.raises(ConnectionLost):
            async for _ in client.events():
                pass
        with pytest.raises(ConnectionLost):
            client.enter("ALDER", "BUY", 100, "25.10")
        await client.close()

    with FakeServer() as server:
        run(story())


def test_unread_events_are_bounded_and_their_loss_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a silent drop; and who does not read them does not pay for them."""
    monkeypatch.setattr(aio, "CLIENT_EVENTS_MAX", 3)

    async def story() -> None:
        async with await connect(server) as client:
            for _ in range(4):
                await client.enter("ALDER", "BUY", 100, "25.10").outcome(timeout=5)
            with pytest.raises(EventsOverrun, match="3 events"):
                async for _ in client.events():
                    pass
            events = client.events()
            seen = [await anext(events) for _ in range(3)]
            assert [type(event).__name__ for event in seen] == ["Accepted"] * 3

    with FakeServer() as server:
        run(story())


def test_writing_into_a_lost_connection_is_quiet_and_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A burst is written before the loop hears that the connection is gone."""

    def burst(client: AsyncClient) -> list[aio.AsyncOrder]:
        server.drop()
        orders = []
        for _ in range(20):
            orders.append(client.enter("ALDER", "BUY", 100, 251_000))
            time.sleep(0.001)  # the kernel, not the loop, is to notice
        return orders

    async def story() -> None:
        async with await connect(server) as client:
            for order in burst(client):
                await order.outcome(timeout=5)

    with FakeServer() as server:
        run(story())
        assert server.venue.entered == list(range(1, 21))
    assert not caplog.records


def test_a_gateway_that_says_nothing_is_left_for_the_next_address() -> None:
    """A frozen process still has its connections taken by the kernel: only silence tells."""

    async def story() -> None:
        addresses = [frozen.getsockname(), server.address]
        client = await AsyncClient.connect(addresses, "user", "SECRET", silent_s=0.2, timeout_s=8)
        async with client:
            order = client.enter("ALDER", "BUY", 100, 251_000)
            assert isinstance(await order.outcome(timeout=5), o.Accepted)

    with FakeServer() as server, socket.create_server(("127.0.0.1", 0)) as frozen:
        run(story())


def test_first_login_stands_until_the_second_has_taken_over() -> None:
    """Closed before, it would be a disconnection: a session may want its orders canceled then."""

    async def story() -> None:
        async with await connect(server):
            assert server.most_open == 2
            for _ in range(2_000):
                if server.open_count == 1:
                    return
                await asyncio.sleep(0.001)
            pytest.fail("the first connection was never closed")

    with FakeServer() as server:
        run(story())


def test_gateway_that_dies_between_the_two_logins_is_left_for_the_next() -> None:
    """What the first has found out is of no use elsewhere; dialing the dead for ever is neither."""

    async def story() -> None:
        doomed = AsyncClient(
            [dead.getsockname(), server.address], "user", "SECRET", from_seq=1, reconnect=True
        )
        doomed.session.state = SessionState.REDIAL  # as after the first login there
        dead.close()
        doomed._task = asyncio.create_task(doomed._run())
        async with doomed:
            await doomed._first_live
            assert doomed.is_live

    with FakeServer() as server, socket.create_server(("127.0.0.1", 0)) as dead:
        run(story())
