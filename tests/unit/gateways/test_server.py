"""The TCP door over real sockets on loopback, against a venue in the same process."""

import asyncio
import io
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from gateways.binary import server as server_module
from gateways.binary.server import Server
from oms import bounds
from oms.process_log import Log
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from tests.support.link_venue import SESSION, LinkVenue

Scenario = Callable[["Door"], Awaitable[None]]


class Client:
    """A bare socket that speaks SoupBinTCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.splitter = soupbin.FrameSplitter()
        self.frames: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def login(self, *, sequence: int = 1, user: bytes = b"u1", password: bytes = b"p1") -> None:
        self.write(soupbin.login_request(soupbin.LoginRequest(user, password, b"", sequence)))

    def enter(self, number: int, *, qty: int = 10) -> None:
        order = m.EnterOrder(number, ord("B"), qty, b"OAK", 990_000)
        self.write(soupbin.unsequenced(ouch.encode(order)))

    def messages(self) -> list[m.Outbound]:
        return [ouch.decode_outbound(f, 1) for f in self.frames if f[0] == soupbin.SEQUENCED]

    def answers(self) -> list[int]:
        """Types of the packets that are not sequenced data, heartbeats left out."""
        skipped = {soupbin.SEQUENCED, soupbin.SERVER_HEARTBEAT}
        return [frame[0] for frame in self.frames if frame[0] not in skipped]


class Door:
    """The server under test, its venue, and a loop that steps the venue."""

    def __init__(self, venue: LinkVenue, server: Server, log: io.StringIO) -> None:
        self.venue, self.server, self.log = venue, server, log
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        assert self.server.port
        client = Client(*await asyncio.open_connection("127.0.0.1", self.server.port))
        self.clients.append(client)
        return client

    async def until(self, what: Callable[[], bool]) -> None:
        """Step the venue and read the sockets until something is so."""
        for _ in range(2_000):
            self.venue.step()
            for client in self.clients:
                await self._read(client)
            if what():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(self.log.getvalue())

    async def _read(self, client: Client) -> None:
        if client.reader.at_eof():
            return
        try:
            data = await asyncio.wait_for(client.reader.read(1 << 16), 0.001)
        except TimeoutError:
            return
        client.frames += client.splitter.feed(data)

    async def logged_in(self, *, sequence: int = 1, user: bytes = b"u1") -> Client:
        client = await self.connect()
        client.login(sequence=sequence, user=user, password=user.replace(b"u", b"p"))
        await self.until(lambda: bool(client.answers()))
        assert client.answers() == [soupbin.LOGIN_ACCEPTED]
        return client


def play(scenario: Scenario) -> None:
    """Run a scenario on uvloop."""

    async def run() -> None:
        venue = LinkVenue()
        loop = asyncio.get_running_loop()
        venue.start()
        assert venue.link.directory is not None
        log = io.StringIO()
        server = Server(
            link=venue.link,
            directory=venue.link.directory,
            clock=venue.clock,
            log=Log("g1", log),
        )
        venue.link.open(server)
        await server.listen("127.0.0.1", 0)
        door = Door(venue, server, log)
        try:
            await scenario(door)
        finally:
            for client in door.clients:
                client.writer.close()
            await server.close()
            await loop.shutdown_default_executor()

    uvloop.run(run())


def test_orders_go_in_and_their_events_come_out() -> None:
    """The whole way through the door, over a real socket."""

    async def scenario(door: Door) -> None:
        client = await door.logged_in()
        for number in range(1, 6):
            client.enter(number)
        await door.until(lambda: len(client.messages()) == 6)
        assert [type(message) for message in client.messages()] == [m.SystemEvent] + [
            m.Accepted
        ] * 5

    play(scenario)


def test_reconnecting_client_gets_the_rest_byte_for_byte() -> None:
    """The recovery protocol of SoupBinTCP: next number, exact replay, live, no seam."""

    async def scenario(door: Door) -> None:
        first = await door.logged_in()
        for number in range(1, 100):
            first.enter(number)
        await door.until(lambda: len(first.messages()) == 100)
        second = await door.logged_in(sequence=41)
        second.enter(100)
        await door.until(lambda: len(second.messages()) == 61)
        assert second.messages()[:60] == first.messages()[40:]
        assert first.reader.at_eof()
        assert "taken over" in door.log.getvalue()

    play(scenario)


def test_wrong_password_is_answered_and_closed() -> None:
    """`J A`, then the end of the stream."""

    async def scenario(door: Door) -> None:
        client = await door.connect()
        client.login(password=b"wrong")
        await door.until(client.reader.at_eof)
        assert client.frames == [b"JA"]

    play(scenario)


def test_malformed_input_closes_only_its_own_connection() -> None:
    """Whatever a client sends, the others go on."""

    async def scenario(door: Door) -> None:
        good = await door.logged_in(user=b"u2")
        bad = await door.logged_in()
        bad.write(b"\x00\x00")
        await door.until(bad.reader.at_eof)
        assert "malformed input" in door.log.getvalue()
        good.enter(1)
        await door.until(lambda: len(good.messages()) == 2)

    play(scenario)


def test_disconnected_client_is_logged_out() -> None:
    """The log says when a connection ends: that is what cancel-on-disconnect will hang on."""

    async def scenario(door: Door) -> None:
        client = await door.logged_in()
        client.writer.close()
        await door.until(
            lambda: (
                not any(
                    s.is_logged_in
                    for s in door.venue.engine.directory().sessions
                    if s.session_id == SESSION
                )
            )
        )

    play(scenario)


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound they stay, one past it is closed at once, and room is found again."""
    monkeypatch.setattr(bounds, "CONNECTIONS_MAX", 2)

    async def scenario(door: Door) -> None:
        first = await door.logged_in()
        second = await door.logged_in(user=b"u2")
        third = await door.connect()
        await door.until(third.reader.at_eof)
        assert not first.reader.at_eof()
        assert not second.reader.at_eof()
        assert "connection_refused" in door.log.getvalue()
        first.writer.close()
        await door.until(lambda: len(door.server.connections) == 1)
        await door.logged_in()

    play(scenario)


def test_client_that_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its unsent bytes are bounded; its stream waits in the log for when it comes back."""
    monkeypatch.setattr(bounds, "SEND_BUFFER_BYTES_MAX", 1 << 16)

    async def scenario(door: Door) -> None:
        client = await door.logged_in()
        door.clients.remove(client)  # nobody reads it any more
        connection = door.server.connections[0]
        for _ in range(200):
            connection._send(bytes(1 << 16))
            await asyncio.sleep(0)
            if "does not read" in door.log.getvalue():
                break
        assert "does not read" in door.log.getvalue()
        client.writer.close()

    play(scenario)


def test_socket_is_not_read_while_the_leader_takes_nothing() -> None:
    """Backpressure reaches the client's TCP window; nothing is dropped."""

    async def scenario(door: Door) -> None:
        client = await door.logged_in()
        door.venue.is_full = True
        client.enter(1)
        await door.until(lambda: door.venue.link.is_blocked)
        client.enter(2)
        await asyncio.sleep(0.02)
        door.venue.is_full = False
        door.venue.pass_time(0.1)
        await door.until(lambda: len(client.messages()) == 3)

    play(scenario)


def test_logins_waiting_for_their_check_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of logins cannot queue up more work than the pool is allowed."""
    monkeypatch.setattr(bounds, "PASSWORD_CHECKS_MAX", 0)

    async def scenario(door: Door) -> None:
        client = await door.connect()
        client.login()
        await door.until(client.reader.at_eof)
        assert client.frames == [b"JA"]
        assert "too many logins" in door.log.getvalue()

    play(scenario)


def test_fault_of_ours_closes_one_connection_and_is_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An uncaught exception at the edge of a connection must not reach the others."""

    async def scenario(door: Door) -> None:
        good = await door.logged_in(user=b"u2")
        bad = await door.logged_in()
        connection = next(c for c in door.server.connections if c.session.user == "u1")
        monkeypatch.setattr(connection.session, "receive", lambda *_: 1 // 0)
        bad.enter(1)
        await door.until(bad.reader.at_eof)
        assert "ZeroDivisionError" in door.log.getvalue()
        good.enter(1)
        await door.until(lambda: len(good.messages()) == 2)

    play(scenario)


def test_tick_is_often_enough_for_the_heartbeat() -> None:
    """0.9 s of silence plus one tick stays within a second."""
    assert server_module.TICK_S <= 0.1


def test_client_that_leaves_before_its_login_is_decided_is_noticed() -> None:
    """Its login is pushed no more: it would end the connection that it has made elsewhere."""

    async def scenario(door: Door) -> None:
        door.venue.leader = None
        door.venue.term += 1
        door.venue.statuses()
        client = await door.connect()
        client.login()
        await door.until(lambda: bool(door.venue.link._courier._logins))
        client.writer.transport.abort()
        await door.until(lambda: not door.server.connections)
        assert not door.venue.link._courier._logins

    play(scenario)
