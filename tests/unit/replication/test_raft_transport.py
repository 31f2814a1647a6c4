"""The transport on real sockets: bounds, strangers, replacement, loss seen at once."""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from oms import bounds
from oms.config import SettingsError
from oms.replication.raft_messages import AppendEntries, Message, Vote
from oms.replication.raft_session import FRAME_HEAD, LinkError, RaftSession
from oms.replication.raft_transport import RaftTransport, RankedNode
from oms.replication.standing import Standing
from tests.support.raft_cluster import free_addresses

KEY = b"k" * 32
NODES = {name: RankedNode(name, rank) for rank, name in enumerate(["n1", "n2"])}


class End:
    """One transport and what it reported."""

    def __init__(self, name: str, addresses: dict[str, str], **options: bytes | int) -> None:
        settings: dict[str, bytes | int] = {"cluster_id": 7, "key": KEY, **options}
        self.standing = Standing()
        self.peer = NODES["n2" if name == "n1" else "n1"]
        self.transport = RaftTransport(
            NODES[name],
            [self.peer],
            addresses,
            cluster_id=int(settings["cluster_id"]),
            key=bytes(settings["key"]),
            clock=time.monotonic,
            report=lambda event, values: self.reports.append((event, values["reason"])),
            standing=self.standing,
        )
        self.reports: list[tuple[str, str]] = []
        self.got: list[Message] = []
        self.seen: list[str] = []
        self.transport.setOnMessageReceivedCallback(lambda _, message: self.got.append(message))
        self.transport.setOnNodeConnectedCallback(lambda node: self.seen.append(f"+{node.id}"))
        self.transport.setOnNodeDisconnectedCallback(lambda node: self.seen.append(f"-{node.id}"))


class Wire:
    """Both ends and one loop."""

    def __init__(self) -> None:
        self.addresses = free_addresses(["n1", "n2"])
        self.ends: list[End] = []

    def end(self, name: str, **options: bytes | int) -> End:
        end = End(name, self.addresses, **options)
        self.ends.append(end)
        return end

    def turn(self) -> None:
        poller = select.poll()
        owners = {}
        for end in self.ends:
            end.transport.tick()
            for fd, want_read, want_write in end.transport.fds():
                owners[fd] = end.transport
                events = (select.POLLIN if want_read else 0) | (select.POLLOUT if want_write else 0)
                poller.register(fd, events)
        for fd, events in poller.poll(5):
            owners[fd].on_ready(
                fd, readable=bool(events & ~select.POLLOUT), writable=bool(events & select.POLLOUT)
            )

    def until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end_s
            self.turn()

    def stranger(self, name: str = "n2") -> socket.socket:
        host, port = self.addresses[name].split(":")
        return socket.create_connection((host, int(port)))


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    for end in wire.ends:
        end.transport.destroy()


def linked(wire: Wire) -> tuple[End, End]:
    one, two = wire.end("n1"), wire.end("n2")
    wire.until(lambda: one.seen == ["+n2"] and two.seen == ["+n1"])
    return one, two


def is_closed(sock: socket.socket, wire: Wire) -> bool:
    sock.setblocking(False)
    for _ in range(50):
        wire.turn()
        try:
            if sock.recv(1000) == b"":
                return True
        except BlockingIOError:
            continue
        except ConnectionResetError:
            return True
    return False


def test_messages_of_any_size_arrive_whole_and_in_order(wire: Wire) -> None:
    one, two = linked(wire)
    sent: list[Message] = [
        AppendEntries(1, 2, 3, 4, [(5, b"x" * size)]) for size in (1, 1000, 200_000, 3_000_000, 7)
    ]
    for message in sent:
        assert one.transport.send(one.peer, message)
    assert one.transport.unsent_bytes(one.peer) > 0
    wire.until(lambda: len(two.got) == len(sent))
    assert two.got == sent
    assert one.transport.unsent_bytes(one.peer) == 0
    assert two.transport.send(two.peer, Vote(9))
    wire.until(lambda: one.got == [Vote(9)])


def test_finding_12_the_librarys_votes_pass_and_nothing_else_of_it_does(wire: Wire) -> None:
    """No forwarded command, no pickle: what is not in the list does not leave the node."""
    one, two = linked(wire)
    one.transport.send(one.peer, {"type": "response_vote", "term": 3})
    wire.until(lambda: two.got == [Vote(3)])
    with pytest.raises(LinkError, match="apply_command"):
        one.transport.send(one.peer, {"type": "apply_command", "term": 0, "command": "x"})


def test_closed_connection_is_seen_by_the_other_end_at_once(wire: Wire) -> None:
    one, two = linked(wire)
    one.transport.destroy()
    wire.ends.remove(one)
    wire.turn()
    assert two.seen == ["+n1", "-n1"]
    assert two.reports == [("raft_link_lost", "closed by the other end")]
    assert not two.transport.send(two.peer, Vote(1))


def test_restarted_node_is_connected_again(wire: Wire) -> None:
    one, two = linked(wire)
    two.transport.destroy()
    wire.ends.remove(two)
    wire.until(lambda: one.seen == ["+n2", "-n2"])
    again = wire.end("n2")
    wire.until(lambda: one.seen == ["+n2", "-n2", "+n2"] and again.seen == ["+n1"])


def test_finding_05_newer_connection_replaces_the_older_which_is_not_read_again(wire: Wire) -> None:
    """Finding 5: the library went on reading superseded sockets."""
    one, two = linked(wire)
    old = one.transport._links["n2"]
    one.transport._links.clear()  # one end forgot the connection, as after a lost packet
    one.transport._by_fd.clear()
    wire.until(lambda: two.seen == ["+n1", "-n1", "+n1"])
    head, mac = old.session.seal(b"\x92\x02\x05", term=0, trading_date=0)
    assert is_closed(old.sock, wire)
    with contextlib.suppress(ConnectionError):
        old.sock.send(head + b"\x92\x02\x05" + mac)
    wire.turn()
    assert two.got == []
    old.sock.close()


@pytest.mark.parametrize("options", [{"key": b"x" * 32}, {"cluster_id": 8}])
def test_wrong_key_or_cluster_never_connects(wire: Wire, options: dict[str, bytes | int]) -> None:
    one, two = wire.end("n1", **options), wire.end("n2")
    wire.until(lambda: bool(one.transport.refusals or two.transport.refusals))
    assert one.seen == two.seen == []
    assert {event for event, _ in one.reports + two.reports} == {"raft_link_refused"}
    assert not two.transport.send(two.peer, Vote(1))


def test_short_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="32 are needed"):
        End("n1", free_addresses(["n1", "n2"]), key=b"short")


def test_taken_address_is_refused_in_four_lines(wire: Wire) -> None:
    wire.end("n2")
    with pytest.raises(SettingsError, match="cannot listen"):
        wire.end("n2")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 20,
        bytes(400),
        FRAME_HEAD.pack(bounds.RAFT_FRAME_BYTES_MAX, 0),
        FRAME_HEAD.pack(257, 0),
        FRAME_HEAD.pack(100, 1) + bytes(92),
    ],
)
def test_stranger_that_does_not_speak_the_protocol_is_closed(wire: Wire, data: bytes) -> None:
    two = wire.end("n2")
    with wire.stranger() as sock:
        sock.sendall(data)
        assert is_closed(sock, wire)
    assert len(two.transport.refusals) == 1
    assert two.seen == []


def authenticated(wire: Wire, two: End) -> tuple[socket.socket, RaftSession]:
    """A socket on which n1's handshake is through, to send what n1 never would."""
    sock = wire.stranger()
    session = RaftSession(
        cluster_id=7, key=KEY, own_id="n1", members=frozenset(NODES), dials="n2", nonce=b"n" * 16
    )
    sock.sendall(session.start())
    sock.setblocking(False)
    answer = b""
    while len(answer) < FRAME_HEAD.size:
        wire.turn()
        try:
            answer += sock.recv(1000)
        except BlockingIOError:
            continue
    sock.sendall(session.handshake(answer[FRAME_HEAD.size :]))
    wire.until(lambda: two.seen == ["+n1"])
    return sock, session


def test_frame_over_the_bound_ends_the_link(wire: Wire) -> None:
    two = wire.end("n2")
    sock, _ = authenticated(wire, two)
    sock.sendall(FRAME_HEAD.pack(bounds.RAFT_FRAME_BYTES_MAX + 1, 1))
    wire.until(lambda: two.seen == ["+n1", "-n1"])
    assert two.transport.refusals[-1] == f"n1: frame of {bounds.RAFT_FRAME_BYTES_MAX + 1} bytes"
    sock.close()


def test_replayed_frame_ends_the_link(wire: Wire) -> None:
    two = wire.end("n2")
    sock, session = authenticated(wire, two)
    head, mac = session.seal(b"\x92\x02\x05", term=0, trading_date=0)
    sock.sendall(head + b"\x92\x02\x05" + mac)
    wire.until(lambda: two.got == [Vote(5)])
    sock.sendall(head + b"\x92\x02\x05" + mac)
    wire.until(lambda: two.seen == ["+n1", "-n1"])
    assert two.got == [Vote(5)]
    sock.close()


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x92\x63\x05", b"\x92\x02\xff", b"\x92\x02\xa1x"])
def test_finding_12_message_that_is_not_in_the_list_ends_the_link(wire: Wire, body: bytes) -> None:
    """Sealed with the right key, and still not decoded into anything but the known messages."""
    two = wire.end("n2")
    sock, session = authenticated(wire, two)
    head, mac = session.seal(body, term=0, trading_date=0)
    sock.sendall(head + body + mac)
    wire.until(lambda: two.seen == ["+n1", "-n1"])
    assert two.got == []
    sock.close()


def test_peer_that_does_not_read_is_dropped_at_the_bound(wire: Wire) -> None:
    one, two = linked(wire)
    message = AppendEntries(1, 1, 1, 1, [(1, bytes(2_000_000))])
    count = 0
    while one.transport.send(one.peer, message):
        count += 1
        assert count < 40
    assert one.seen == ["+n2", "-n2"]
    wire.ends.remove(two)
    two.transport.destroy()


def test_handshake_that_hangs_is_ended(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.replication.raft_transport._HANDSHAKE_S", 0.05)
    two = wire.end("n2")
    with wire.stranger() as sock:
        wire.until(lambda: bool(two.transport.refusals))
        assert is_closed(sock, wire)
