"""The binary door in front of a real venue: three nodes, two gateways, processes and sockets."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from oms.bounds import GATEWAY_LEASE_NS
from oms.config import AccountConfig, InstrumentConfig, UserConfig, VenueConfig
from oms.local.venue import LocalVenue
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
USERS = ("U1", "U2", "U3", "U4", "U5")
CONFIG = VenueConfig(
    instruments=[InstrumentConfig(symbol="OAK", reference_price="100.00")],
    participants=["NORTH"],
    accounts=[
        AccountConfig(
            firm=f"A{number}", participant="NORTH", cash="100000000000", all_shares=1 << 30
        )
        for number in (1, 2)
    ],
    users=[
        UserConfig(name=name, participant="NORTH", password="Secret", accounts=["A1", "A2"])
        for name in USERS
    ],
)


class Client:
    """A bare, blocking SoupBinTCP client; `raw` is every sequenced message as it came."""

    def __init__(self, address: tuple[str, int], user: str, *, sequence: int = 1) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.splitter = soupbin.FrameSplitter()
        self.raw: list[bytes] = []
        self.others: list[bytes] = []
        self.is_ended = False
        self.write(
            soupbin.login_request(soupbin.LoginRequest(user.encode(), b"secret", b"", sequence))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def order(self, number: int, *, side: str = "B", qty: int = 10, firm: bytes = b"") -> None:
        appendage = b"\x05\x02" + firm.ljust(4) if firm else b""
        message = m.EnterOrder(number, ord(side), qty, b"OAK", 990_000, appendage=appendage)
        self.write(soupbin.unsequenced(ouch.encode(message)))

    def read_until(self, is_enough: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not is_enough() and not self.is_ended:
            assert time.monotonic() < end, (len(self.raw), self.others)
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            self.is_ended = not data
            for frame in self.splitter.feed(data):
                kept = self.raw if frame[0] == soupbin.SEQUENCED else self.others
                kept.append(frame[1:] if frame[0] == soupbin.SEQUENCED else frame)

    def messages(self) -> list[m.Outbound]:
        return [ouch.decode_outbound(raw) for raw in self.raw]

    def accepted(self) -> list[int]:
        return [x.user_ref_num for x in self.messages() if isinstance(x, m.Accepted)]


@pytest.fixture(scope="module")
def venue() -> Iterator[LocalVenue]:
    """One venue for all tests here; each has a user of its own."""
    with LocalVenue.temporary(CONFIG, gateway_count=2) as running:
        yield running


def test_stream_continues_at_the_other_gateway_byte_for_byte(venue: LocalVenue) -> None:
    """Any gateway can serve any session at any time, with the same bytes and timestamps."""
    first, second = venue.gateway_addresses
    with Client(first, "u1") as client:
        for number in range(1, 201):
            client.order(number, side="BS"[number % 2], firm=(b"", b"A2")[number % 2])
        client.read_until(lambda: len(client.raw) >= 401)
        with Client(second, "U1", sequence=100) as again:
            again.order(201, qty=7)
            again.read_until(lambda: 201 in again.accepted())
            assert again.raw[:302] == client.raw[99:]
            client.read_until(lambda: client.is_ended)
        with Client(first, "u1") as whole:
            whole.read_until(lambda: 201 in whole.accepted())
            assert whole.raw[:401] == client.raw
            assert whole.raw[99:] == again.raw


def test_rejects_are_logged_outcomes_with_their_code(venue: LocalVenue) -> None:
    """Same stream, same numbers, same replay as any other outcome."""
    with Client(venue.gateway_addresses[0], "u2") as client:
        client.write(
            soupbin.unsequenced(ouch.encode(m.EnterOrder(1, ord("B"), 10, b"NONE", 990_000)))
        )
        client.order(2, firm=b"ZZZZ")
        client.order(3, qty=0)
        client.write(soupbin.unsequenced(ouch.encode(m.ModifyRequest(4, ord("S"), 1))))
        client.write(soupbin.unsequenced(ouch.encode(m.AccountQueryRequest())))
        client.read_until(lambda: len(client.raw) >= 6)
        _, *rejects, query = client.messages()
        assert [x.reason for x in rejects if isinstance(x, m.Rejected)] == [
            0x17, 0x0C, 0x13, 0x0F
        ]  # fmt: skip
        assert isinstance(query, m.AccountQueryResponse)
        assert query.next_user_ref_num == 5


def test_login_ahead_of_the_stream_is_refused(venue: LocalVenue) -> None:
    """The client has seen what the venue does not have: never clamp."""
    with Client(venue.gateway_addresses[0], "u3", sequence=1_000) as client:
        client.read_until(lambda: client.is_ended)
        assert client.others == [b"JS"]
    with Client(venue.gateway_addresses[0], "u3") as client:
        client.read_until(lambda: bool(client.raw))
        assert client.others[0][:1] == b"A"


def test_malformed_input_closes_with_a_logged_reason(venue: LocalVenue) -> None:
    """The client is told nothing; the operator reads why."""
    with Client(venue.gateway_addresses[1], "u4") as client:
        client.read_until(lambda: bool(client.raw))
        client.write(soupbin.unsequenced(b"?"))
        client.read_until(lambda: client.is_ended)
    assert "malformed input: unknown message type" in venue.log_file("g2").read_text()


def test_orders_in_flight_survive_the_leaders_death(venue: LocalVenue) -> None:
    """Accepted means committed: with the leader killed under load, every order has one outcome."""
    count = 3_000
    leader = venue.leader()
    assert leader is not None
    with Client(venue.gateway_addresses[0], "u5") as client:
        for number in range(1, count + 1):
            client.order(number, side="BS"[number % 2])
            if number == count // 2:
                venue.kill(leader)
                client.read_until(lambda: len(client.raw) > 10)
        client.read_until(lambda: len(client.accepted()) >= count)
        venue.start_node(leader)
        assert client.accepted() == list(range(1, count + 1))
        with Client(venue.gateway_addresses[1], "u5") as again:
            again.read_until(lambda: len(again.raw) >= len(client.raw))
            assert again.raw[: len(client.raw)] == client.raw
    venue.wait_equal()


def test_gateways_death_leaves_the_session_to_the_other_one(venue: LocalVenue) -> None:
    """A gateway holds no truth; its lease running out must not touch who has moved on."""
    with Client(venue.gateway_addresses[0], "u4") as client:
        client.order(1)
        client.read_until(lambda: bool(client.accepted()))
        venue.kill("g1")
        client.read_until(lambda: client.is_ended)
        with Client(venue.gateway_addresses[1], "u4", sequence=len(client.raw) + 1) as again:
            again.order(2)
            again.read_until(lambda: 2 in again.accepted())
            time.sleep(GATEWAY_LEASE_NS / 1e9 + 0.5)
            again.order(3)
            again.read_until(lambda: 3 in again.accepted())
            assert not again.is_ended
    venue.start_node("g1")
