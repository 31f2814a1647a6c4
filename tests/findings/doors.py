"""A node with a real listener, the library's or ours, and who may come to its door.

Used by test_doors.py. A stranger speaks the library's language, pickles in zlib; a member is what
each kind takes for one: an address said aloud, or a handshake with the cluster's key.
"""

import os
import select
import socket
import time
from abc import ABC, abstractmethod
from pathlib import Path

from pysyncobj import SyncObj, SyncObjConf, replicated
from pysyncobj.poller import createPoller
from pysyncobj.tcp_connection import CONNECTION_STATE, TcpConnection

from oms.replication.raft_log import RaftLog
from oms.replication.raft_messages import RequestVote, encode
from oms.replication.raft_session import FRAME_HEAD, NONCE_BYTES, RaftSession
from tests.support.raft_cluster import CLUSTER_ID, KEY, raise_fatal

LIMIT_S = 20.0
_TURNS = 60


class Door(ABC):
    """One running node with a real listener."""

    address: str

    @abstractmethod
    def turn(self) -> None:
        """Let it work once."""

    @abstractmethod
    def applied(self) -> list[str]:
        """Its replicated state."""

    @abstractmethod
    def term(self) -> int:
        """Its term."""

    @abstractmethod
    def leads(self) -> bool:
        """Whether it does."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""


class _Register(SyncObj):  # type: ignore[misc]  # the library has no type information
    def __init__(self, address: str, others: list[str]) -> None:
        # With others, no time-out of its own may change its term under a test.
        patience = {"raftMinTimeout": 90, "raftMaxTimeout": 99, "connectionTimeout": 99}
        conf = SyncObjConf(autoTick=False, **(patience if others else {}))
        super().__init__(address, others, conf)
        self.items: list[str] = []

    @replicated  # type: ignore[untyped-decorator]
    def put(self, item: str) -> None:
        self.items.append(item)


class LibraryDoor(Door):
    """As shipped: an address, no password."""

    def __init__(self, address: str, others: list[str]) -> None:
        self.address = address
        self.node = _Register(address, others)

    def turn(self) -> None:
        self.node.doTick(0.001)

    def applied(self) -> list[str]:
        return list(self.node.items)

    def term(self) -> int:
        return int(self.node.raftCurrentTerm)

    def leads(self) -> bool:
        return bool(self.node._isLeader())

    def close(self) -> None:
        self.node.destroy()


class OurDoor(Door):
    """RaftLog on its address: n3, which the others dial."""

    def __init__(self, address: str, others: list[str], folder: Path) -> None:
        self.address = address
        self.items: list[str] = []
        addresses = dict(zip(("n3", "n2", "n1"), [address, *others], strict=False))
        self.log = RaftLog(
            "n3", addresses, CLUSTER_ID, KEY, folder / "n3",
            on_commit=lambda _index, _term, entry: self.items.append(entry.decode()),
            on_skip=lambda _: None, on_fatal=raise_fatal, segment_bytes=1 << 16,
        )  # fmt: skip

    def turn(self) -> None:
        poller = select.poll()
        for fd, want_read, want_write in self.log.fds():
            events = (select.POLLIN if want_read else 0) | (select.POLLOUT if want_write else 0)
            poller.register(fd, events)
        for fd, events in poller.poll(1):
            readable, writable = bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)
            self.log.on_ready(fd, readable=readable, writable=writable)
        self.log.tick()

    def applied(self) -> list[str]:
        return self.items

    def term(self) -> int:
        return self.log.status().term

    def leads(self) -> bool:
        return self.log.status().is_accepting

    def close(self) -> None:
        self.log.close()


class Stranger:
    """The library's own client side of a connection, with nothing behind it."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.poller = createPoller("auto")
        self.link = TcpConnection(self.poller, timeout=60.0)
        host, port = door.address.split(":")
        assert self.link.connect(host, int(port))
        end_s = time.monotonic() + LIMIT_S
        while self.link.state != CONNECTION_STATE.CONNECTED:
            assert time.monotonic() < end_s
            self.turn()

    def turn(self) -> None:
        """Both ends work once."""
        self.door.turn()
        self.poller.poll(0.001)

    def say(self, *messages: object) -> None:
        """Send, and give the node more than enough turns to read and act."""
        for message in messages:
            self.link.send(message)
        for _ in range(_TURNS):
            self.turn()

    def leave(self) -> None:
        """Close the connection."""
        self.link.disconnect()


class Member(ABC):
    """A connection on which the node takes us for another member of its cluster."""

    @abstractmethod
    def ask_for_a_vote(self, term: int) -> None:
        """As a candidate of `term` whose log is up to date; the node has read it afterwards."""

    @abstractmethod
    def leave(self) -> None:
        """Close the connection."""


class LibraryMember(Member):
    """It said so."""

    def __init__(self, door: Door, address: str) -> None:
        self.stranger = Stranger(door)
        self.stranger.say(address)

    def ask_for_a_vote(self, term: int) -> None:
        self.stranger.say(vote_request(term))

    def leave(self) -> None:
        self.stranger.leave()


class OurMember(Member):
    """n1, which dials n3 and holds the key."""

    def __init__(self, door: Door, members: frozenset[str]) -> None:
        self.door = door
        host, port = door.address.split(":")
        self.sock = socket.create_connection((host, int(port)))
        self.sock.setblocking(False)
        self.session = RaftSession(
            cluster_id=CLUSTER_ID, key=KEY, own_id="n1", members=members, dials="n3",
            nonce=os.urandom(NONCE_BYTES),
        )  # fmt: skip
        self.sock.sendall(self.session.start())
        answer = b""
        end_s = time.monotonic() + LIMIT_S
        while len(answer) < FRAME_HEAD.size:
            assert time.monotonic() < end_s
            door.turn()
            try:
                answer += self.sock.recv(1000)
            except BlockingIOError:
                continue
        self.sock.sendall(self.session.handshake(answer[FRAME_HEAD.size :]))
        self._turns()

    def ask_for_a_vote(self, term: int) -> None:
        body = encode(RequestVote(term, 99, 99))
        head, mac = self.session.seal(body, term=term, trading_date=0)
        try:
            self.sock.sendall(head + body + mac)
        except ConnectionError:  # the node has closed it: so much the better
            return
        self._turns()

    def leave(self) -> None:
        self.sock.close()

    def _turns(self) -> None:
        for _ in range(_TURNS):
            self.door.turn()


def vote_request(term: int) -> dict[str, str | int]:
    """The library's message."""
    return {"type": "request_vote", "term": term, "last_log_index": 99, "last_log_term": 99}
