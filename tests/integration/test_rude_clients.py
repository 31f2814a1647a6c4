"""What clients can do to themselves and cannot do to others: take-overs, scraps and garbage.

A real venue, bare sockets beside the product's client, and robots whose trading must not notice.
"""

import asyncio
import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.bounds import CLIENT_FRAME_BYTES_MAX
from oms.client.errors import ConnectionLost
from oms.config import VenueConfig
from oms.local.samples import GUEST, demo_config
from oms.local.venue import LocalVenue
from oms.messages.enums import Protocol
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from tests.support.crash_evidence import ASK_S, directory_of, messages_of, run, session_stream
from tests.support.crash_load import Load, TapedClient, new_seed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

TAKE_OVERS = 6
ORDERS = 30  # written before each take-over, without waiting
PRICE_SHARE = 0.9  # of the reference: nobody trades with these


@pytest.fixture
def seed() -> int:
    """A new one for every run; pytest shows it when the test fails."""
    return new_seed()


@pytest.fixture
def config(seed: int) -> VenueConfig:
    """The demo's instruments and robots."""
    return demo_config(seed)


@pytest.fixture
def venue(config: VenueConfig) -> Iterator[LocalVenue]:
    """Three nodes and two gateways."""
    with LocalVenue.temporary(config, gateway_count=2) as running:
        yield running


def low_price(config: VenueConfig) -> int:
    """A price at which an order for the first instrument rests."""
    return round(float(config.instruments[0].reference_price) * PRICE_SHARE * 100) * 100


# ---- take-overs


def test_the_newest_login_holds_and_the_stream_has_no_seam(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Each client begins where the one before stood, at the other gateway, in the middle of it."""
    clients: list[TapedClient] = []

    async def script(load: Load) -> None:
        symbol, price = config.instruments[0].symbol, low_price(config)
        password = load.passwords[GUEST]
        for turn in range(TAKE_OVERS):
            first = clients[-1].taped.next_seq if clients else 1
            client = await TapedClient.connect(
                [venue.gateway_addresses[turn % 2]], GUEST, password, from_seq=first,
                reconnect=False,
            )  # fmt: skip
            clients.append(client)
            if turn:
                await load.wait(lambda: not clients[-2].is_live, "the end of the older login")
                with pytest.raises(ConnectionLost, match="closed the connection"):
                    clients[-2].enter(symbol, "BUY", 1, price)
            for _ in range(ORDERS):
                client.enter(symbol, "BUY", 1, price)
            await asyncio.sleep(load.draw.random() * 0.01)
        await clients[-1].query_account()
        assert_one_stream(venue, clients)
        for client in clients:
            await client.close()

    run(venue, config, seed, script)
    for name in ("g1", "g2"):
        assert "taken over by another login" in reasons(venue.log_file(name))


def assert_one_stream(venue: LocalVenue, clients: list[TapedClient]) -> None:
    """Every client was told a part of the one stream; together they were told all of it."""
    directory = directory_of(venue, "n1")
    session_id = directory.credentials(GUEST, Protocol.OUCH).session_id
    deadline = time.monotonic() + ASK_S
    taped = [client.taped for client in clients]
    while True:
        stream = messages_of(session_stream(venue, "n1", session_id), directory)
        if len(stream) >= taped[-1].next_seq - 1:
            break
        assert time.monotonic() < deadline, "n1 does not catch up"
    for tape in taped:
        assert not tape.faults
        assert tape.tape == stream[tape.first_seq - 1 : tape.next_seq - 1]
    assert taped[-1].next_seq - 1 == len(stream)
    decoded = [ouch.decode_outbound(message) for message in stream]
    urns = [message.user_ref_num for message in decoded if isinstance(message, m.Accepted)]
    assert urns == sorted(set(urns))
    assert len(urns) >= ORDERS


def reasons(path: Path) -> list[str]:
    """Why a gateway closed connections."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["reason"] for line in lines if line["event"] == "connection_closed"]


# ---- scraps and garbage


class Bare:
    """A socket that speaks only when told to."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, ASK_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.splitter = soupbin.FrameSplitter()
        self.frames: list[bytes] = []

    def log_in(self, load: Load, user: str, sequence: int = 0) -> bytes:
        """The login packet."""
        password = load.passwords[user].encode()
        return soupbin.login_request(soupbin.LoginRequest(user.encode(), password, b"", sequence))

    def read_until_closed(self) -> None:
        """The venue ends it, after whatever it still had to say."""
        try:
            while data := self.socket.recv(1 << 16):
                self.frames += self.splitter.feed(data)
        except ConnectionResetError:
            pass
        self.socket.close()

    def read_until(self, kind: int) -> bytes:
        """The next frame of this kind."""
        while True:
            for frame in self.frames:
                if frame[0] == kind:
                    self.frames.remove(frame)
                    return frame
            data = self.socket.recv(1 << 16)
            assert data, "the venue closed the connection"
            self.frames += self.splitter.feed(data)


def test_messages_in_single_bytes_are_whole_messages(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """TCP has no messages: how the bytes are cut is nobody's business."""

    def one_by_one(load: Load) -> None:
        bare = Bare(venue.gateway_addresses[0])
        query = soupbin.unsequenced(ouch.encode(m.AccountQueryRequest()))
        order = soupbin.unsequenced(
            ouch.encode(
                m.EnterOrder(
                    1, m.SIDE_BUY, 1, config.instruments[0].symbol.encode(), low_price(config)
                )
            )
        )
        for packet in (bare.log_in(load, GUEST), order, soupbin.CLIENT_HEARTBEAT_PACKET, query):
            for number in range(len(packet)):
                bare.socket.sendall(packet[number : number + 1])
                time.sleep(load.draw.random() * 0.002)
        accepted = ouch.decode_outbound(bare.read_until(soupbin.SEQUENCED), 1)
        assert isinstance(accepted, m.Accepted)
        answered = ouch.decode_outbound(bare.read_until(soupbin.SEQUENCED), 1)
        assert isinstance(answered, m.AccountQueryResponse)
        assert answered.next_user_ref_num == 2
        bare.socket.sendall(soupbin.LOGOUT_PACKET)
        bare.read_until_closed()

    async def script(load: Load) -> None:
        await load.blocking(lambda: one_by_one(load))

    run(venue, config, seed, script)


def garbage(draw: random.Random, login: bytes) -> list[tuple[bytes, str]]:
    """What a client must not send, and a word of why it was closed."""
    hello = soupbin.unsequenced(ouch.encode(m.AccountQueryRequest()))
    packet = b"\0\1"
    return [
        (b"GET / HTTP/1.1\r\nHost: venue\r\n\r\n", "malformed input"),
        (b"\0\0", "malformed input"),
        (b"\xff\xff" + draw.randbytes(100), "malformed input"),
        ((CLIENT_FRAME_BYTES_MAX + 1).to_bytes(2, "big") + b"U", "malformed input"),
        (hello, "not allowed in state WAIT_LOGIN"),
        (packet + b"Z", "not allowed in state WAIT_LOGIN"),
        (packet + b"L", "malformed input"),
        (login + login, "not allowed in state"),
        (login + soupbin.unsequenced(b""), "malformed input"),
        (login + soupbin.unsequenced(b"O" + draw.randbytes(5)), "malformed input"),
        (login + soupbin.unsequenced(b"?" + draw.randbytes(40)), "malformed input"),
        (login + hello + packet + b"S", "not allowed in state"),
        (login + b"\0\0", "malformed input"),
    ]


def test_garbage_closes_its_own_connection_with_a_logged_reason(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Whatever somebody sends, the robots at the same gateway trade on over one connection."""

    def be_rude(load: Load) -> None:
        address, log = venue.gateway_addresses[0], venue.log_file("g1")
        bare = Bare(address)
        bare.socket.close()
        for data, word in garbage(load.draw, bare.log_in(load, GUEST)):
            known = len(reasons(log))
            rude = Bare(address)
            rude.socket.sendall(data)
            rude.read_until_closed()
            deadline = time.monotonic() + ASK_S
            while not any(word in reason for reason in reasons(log)[known:]):
                assert time.monotonic() < deadline, (data, reasons(log)[known:])
                time.sleep(0.01)

    async def script(load: Load) -> None:
        await load.blocking(lambda: be_rude(load))

    load = run(venue, config, seed, script)
    assert all(len(client.resent) == 1 for client in load.clients.values())
