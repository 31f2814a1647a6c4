"""The relay itself: a test of hops is worth what its faults are."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from oms.chaos.relay import Relay, Relays
from oms.chaos.relay_flow import Way

SECONDS = 10.0


class Ends:
    """A connection through a relay, and both its ends."""

    def __init__(self, relays: Relays) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.relay: Relay = relays.link(f"{host}:{port}")
        self.client, self.server = self.connect()

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """A further connection."""
        host, _, port = self.relay.address.rpartition(":")
        client = socket.create_connection((host, int(port)), SECONDS)
        server, _ = self._listener.accept()
        server.settimeout(SECONDS)
        return client, server

    def accept(self) -> socket.socket:
        """The target's end of a connection made otherwise."""
        server, _ = self._listener.accept()
        server.settimeout(SECONDS)
        return server

    def close(self) -> None:
        for one in (self.client, self.server, self._listener):
            one.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A connection that works."""
    with Relays() as relays:
        made = Ends(relays)
        yield made
        made.close()


def knock(relay: Relay) -> None:
    """Connect and wait for a word; refused at once, or a moment later."""
    host, _, port = relay.address.rpartition(":")
    with socket.create_connection((host, int(port)), SECONDS) as visitor:
        visitor.recv(1)


def wait_for(what: int, ends: Ends) -> None:
    deadline = time.monotonic() + SECONDS
    while ends.relay.waiting(Way.UP) != what and time.monotonic() < deadline:
        time.sleep(0.001)
    assert ends.relay.waiting(Way.UP) == what


def test_it_relays_both_ways_and_passes_the_end_on(ends: Ends) -> None:
    """Without faults it is a wire."""
    ends.client.sendall(b"there")
    assert ends.server.recv(100) == b"there"
    ends.server.sendall(b"and back")
    assert ends.client.recv(100) == b"and back"
    ends.client.shutdown(socket.SHUT_WR)
    assert ends.server.recv(100) == b""
    ends.server.sendall(b"still")
    assert ends.client.recv(100) == b"still"
    ends.server.close()
    assert ends.client.recv(100) == b""
    assert (ends.relay.passed(Way.UP), ends.relay.passed(Way.DOWN)) == (5, 13)


def test_held_bytes_come_later_and_in_order(ends: Ends) -> None:
    """Also when their sender is gone by then: a dead leader's last frames."""
    ends.relay.hold(Way.UP)
    ends.client.sendall(b"early ")
    wait_for(6, ends)
    ends.client.sendall(b"late")
    ends.client.close()
    wait_for(10, ends)
    ends.relay.release(Way.UP)
    received = b""
    while data := ends.server.recv(100):
        received += data
    assert received == b"early late"


def test_dropped_connection_loses_what_was_held(ends: Ends) -> None:
    """And both ends know at once."""
    ends.relay.hold(Way.UP)
    ends.client.sendall(b"x" * 1000)
    wait_for(1000, ends)
    ends.relay.drop()
    assert ends.relay.lost(Way.UP) == 1000
    with pytest.raises(ConnectionError):
        ends.server.recv(1)
    with pytest.raises(ConnectionError):
        ends.client.recv(1)
    ends.relay.release(Way.UP)
    client, server = ends.connect()
    client.sendall(b"again")
    assert server.recv(100) == b"again"
    client.close()
    server.close()


def test_cut_link_refuses_until_it_is_mended(ends: Ends) -> None:
    """A partition, not only a lost connection."""
    ends.relay.cut()
    with pytest.raises(ConnectionError):
        knock(ends.relay)
    ends.relay.mend()
    client, server = ends.connect()
    assert ends.relay.open_count == 1
    client.close()
    server.close()


def test_message_is_torn_at_the_byte_that_was_asked_for(ends: Ends) -> None:
    """The other side sees a beginning and no end."""
    ends.relay.drop_after(Way.UP, 3)
    ends.client.sendall(b"abcdef")
    with contextlib.suppress(ConnectionError):  # a reset may overtake what was not read yet
        assert ends.server.recv(100) == b"abc"
    with pytest.raises(ConnectionError):
        ends.client.recv(1)
    assert (ends.relay.passed(Way.UP), ends.relay.lost(Way.UP)) == (3, 3)


def test_full_link_stops_the_sender_and_loses_nothing(ends: Ends) -> None:
    """The sender's buffers fill; afterwards all of it comes."""
    ends.relay.fill(Way.UP)
    ends.client.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += ends.client.send(bytes(1 << 16))
    assert ends.relay.waiting(Way.UP) == 0
    ends.relay.release(Way.UP)
    received = 0
    while received < sent:
        received += len(ends.server.recv(1 << 20))
    assert received == sent


def test_delayed_bytes_come_not_before_their_time(ends: Ends) -> None:
    """One direction only."""
    ends.relay.delay(Way.UP, 0.05)
    started = time.monotonic()
    ends.client.sendall(b"slow")
    ends.server.sendall(b"fast")
    assert ends.client.recv(100) == b"fast"
    assert ends.server.recv(100) == b"slow"
    assert time.monotonic() - started >= 0.05


def test_repeated_connection_says_the_same(ends: Ends) -> None:
    """An attacker, or a network that does what networks do not do."""
    ends.client.sendall(b"said once")
    assert ends.server.recv(100) == b"said once"
    with ends.relay.repeat():
        again = ends.accept()
        assert again.recv(100) == b"said once"
        again.close()
