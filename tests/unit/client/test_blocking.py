"""The blocking client over real sockets: waiting, time-outs, lost connections."""

import socket
import time

import pytest

from oms.client import orders as o
from oms.client.blocking import Client
from oms.client.errors import (
    ConnectionLost,
    LoginRejected,
    OrderRejected,
    OrderStatusUnknown,
    SessionClosed,
)
from oms.client.orders import OrderState
from oms.client.session import SessionState
from tests.support.fake_server import FakeServer
from tests.support.fake_venue import UNLUCKY_QTY


def connect(server: FakeServer, **rest: bool) -> Client:
    return Client.connect([server.address], "user", "SECRET", timeout_s=5, **rest)


def test_an_order_is_entered_waited_for_replaced_and_canceled() -> None:
    """The tutorial's first page."""
    with FakeServer() as server, connect(server) as client:
        order = client.enter("ALDER", "BUY", 100, "25.10", firm="R01")
        assert isinstance(order.outcome(timeout=5), o.Accepted)
        replacement = client.replace(order, 50, "25.20")
        assert isinstance(replacement.outcome(timeout=5), o.Replaced)
        client.cancel(replacement)
        assert client.query_account() == 3
        assert replacement.state is OrderState.CANCELED


def test_a_refusal_is_raised_where_the_outcome_is_asked_for() -> None:
    """`enter` never waits, so it cannot know."""
    with FakeServer() as server, connect(server) as client, pytest.raises(OrderRejected):
        client.enter("ALDER", "BUY", UNLUCKY_QTY, "25.10").outcome(timeout=5)


def test_no_answer_in_time_is_unknown_and_may_be_asked_again() -> None:
    """A time-out is never reported as a failure."""
    with FakeServer() as server, connect(server) as client:
        server.is_deaf.set()
        order = client.enter("ALDER", "BUY", 100, "25.10")
        with pytest.raises(OrderStatusUnknown):
            order.outcome(timeout=0.05)
        assert order.state is OrderState.PENDING
        server.is_deaf.clear()
        server.drop()
        assert isinstance(order.outcome(timeout=5), o.Accepted)


def test_a_lost_connection_is_resumed_without_the_user() -> None:
    """Events go on at the next number, and the lost request is written again."""
    with FakeServer() as server, connect(server) as client:
        first = client.enter("ALDER", "BUY", 100, "25.10")
        first.outcome(timeout=5)
        server.is_deaf.set()
        second = client.enter("ALDER", "BUY", 100, "25.10")
        server.drop()
        server.is_deaf.clear()
        with server.lock:
            server.venue.fill(first.urn, 100)
        assert isinstance(second.outcome(timeout=5), o.Accepted)
        assert first.state is OrderState.FILLED
        kinds = [type(event).__name__ for event in client.events(timeout=0)]
        assert kinds[2:6] == ["Accepted", "Disconnected", "Executed", "LoggedIn"]


def test_without_reconnect_a_lost_connection_is_the_end() -> None:
    """Whoever asks for one connection gets one."""
    with FakeServer() as server, connect(server, reconnect=False) as client:
        server.is_deaf.set()
        order = client.enter("ALDER", "BUY", 100, "25.10")
        server.drop()
        with pytest.raises((ConnectionLost, OrderStatusUnknown)):
            order.outcome(timeout=5)
        assert order.state is OrderState.UNKNOWN
        with pytest.raises(ConnectionLost):
            client.enter("ALDER", "BUY", 100, "25.10")


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    """Any gateway serves any session."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead: tuple[str, int] = listener.getsockname()
    with (
        FakeServer() as server,
        Client.connect([dead, server.address], "user", "SECRET", timeout_s=5) as client,
    ):
        assert client.is_live


def test_nobody_there_is_an_error_that_names_the_addresses() -> None:
    """Not an endless wait."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead: tuple[str, int] = listener.getsockname()
    with pytest.raises(ConnectionLost, match=str(dead[1])):
        Client.connect([dead], "user", "SECRET", timeout_s=0.2)


def test_a_wrong_password_is_refused_at_once() -> None:
    """Trying again would not help."""
    with FakeServer() as server, pytest.raises(LoginRejected):
        Client.connect([server.address], "user", "WRONG", timeout_s=5)


def test_a_closed_client_takes_no_orders() -> None:
    """Nor does it lose them silently."""
    with FakeServer() as server:
        client = connect(server)
        client.close()
        with pytest.raises(SessionClosed):
            client.enter("ALDER", "BUY", 100, "25.10")
        assert client.poll(timeout=0) is not None  # what happened before can still be read


def test_a_gateway_that_says_nothing_is_left_for_the_next_address() -> None:
    """A frozen process still has its connections taken by the kernel: only silence tells."""
    with FakeServer() as server, socket.create_server(("127.0.0.1", 0)) as frozen:
        addresses = [frozen.getsockname(), server.address]
        with Client.connect(addresses, "user", "SECRET", silent_s=0.2, timeout_s=8) as client:
            order = client.enter("ALDER", "BUY", 100, 251_000)
            assert isinstance(order.outcome(timeout=5), o.Accepted)


def test_first_login_stands_until_the_second_has_taken_over() -> None:
    """Closed before, it would be a disconnection: a session may want its orders canceled then."""
    with FakeServer() as server, connect(server) as client:
        assert server.most_open == 2
        for _ in range(2_000):
            if server.open_count == 1:
                return
            client.pump(time.monotonic() + 0.001)
        pytest.fail("the first connection was never closed")


def test_gateway_that_dies_between_the_two_logins_is_left_for_the_next() -> None:
    """What the first has found out is of no use elsewhere; dialing the dead for ever is neither."""
    with FakeServer() as server, socket.create_server(("127.0.0.1", 0)) as dead:
        addresses = [dead.getsockname(), server.address]
        doomed = Client(addresses, "user", "SECRET", from_seq=1, reconnect=True)
        doomed.session.state = SessionState.REDIAL  # as after the first login there
        dead.close()
        with doomed:
            for _ in range(200):
                doomed.pump(time.monotonic() + 0.1)
                if doomed.is_live:
                    break
            assert doomed.is_live
