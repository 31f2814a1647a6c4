"""Findings 12 and a part of 5: what a stranger, or an old connection, can do through the door.

The stranger speaks the library's language, pickles in zlib; it knocks at both kinds of nodes.
"""

import os
import select
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pysyncobj import SyncObj, SyncObjConf, replicated, syncobj
from pysyncobj.poller import createPoller
from pysyncobj.tcp_connection import CONNECTION_STATE, TcpConnection

from oms.replication.raft_log import RaftLog
from tests.findings.rig import promise
from tests.support.raft_cluster import CLUSTER_ID, KEY, free_addresses, raise_fatal

_LISTENING = "0A"


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
        conf = SyncObjConf(autoTick=False, appendEntriesUseBatch=False)
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
    """RaftLog on its address."""

    def __init__(self, address: str, others: list[str], folder: Path) -> None:
        self.address = address
        self.items: list[str] = []
        addresses = dict(zip(("n1", "n2", "n3"), [address, *others], strict=False))
        self.log = RaftLog(
            "n1", addresses, CLUSTER_ID, KEY, folder / "n1",
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
        end_s = time.monotonic() + 20
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
        for _ in range(60):
            self.turn()

    def leave(self) -> None:
        """Close the connection."""
        self.link.disconnect()


@pytest.fixture
def addresses() -> list[str]:
    """This node's, and those of two that do not run."""
    return sorted(free_addresses(["n1", "n2", "n3"]).values())


@pytest.fixture
def door(kind: str, addresses: list[str], tmp_path: Path) -> Iterator[Door]:
    """n1 of three."""
    own, *others = addresses
    door = OurDoor(own, others, tmp_path) if kind == "ours" else LibraryDoor(own, others)
    yield door
    door.close()


@pytest.fixture
def lone_door(kind: str, addresses: list[str], tmp_path: Path) -> Iterator[Door]:
    """A cluster of one, so that it leads and commits."""
    own = addresses[0]
    door = OurDoor(own, [], tmp_path) if kind == "ours" else LibraryDoor(own, [])
    yield door
    door.close()


@pytest.fixture
def stranger(door: Door) -> Iterator[Stranger]:
    """Somebody who can reach n1's port."""
    stranger = Stranger(door)
    yield stranger
    stranger.leave()


class Burglar:
    """Runs when it is unpickled."""

    def __init__(self, loot: Path) -> None:
        self.loot = loot

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return (os.mkdir, (str(self.loot),))


def test_finding_12_one_packet_of_a_stranger_runs_no_code(
    stranger: Stranger, tmp_path: Path
) -> None:
    """The library unpickles before it knows who is there."""
    loot = tmp_path / "loot"
    stranger.say(Burglar(loot))
    promise("a stranger's packet is not executed", holds=not loot.exists())


def test_finding_12_only_the_own_address_is_bound(door: Door) -> None:
    """The library listens on every address of the machine unless it is told otherwise."""
    host, port = door.address.split(":")
    door.turn()
    bound = [
        ".".join(str(byte) for byte in bytes.fromhex(address)[::-1])
        for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]
        for address, _, at in [line.split()[1].partition(":")]
        if line.split()[3] == _LISTENING and int(at, 16) == int(port)
    ]
    promise(f"it listens on {host} only, not on {bound}", holds=bound == [host])


def test_finding_12_a_stranger_submits_no_command(lone_door: Door) -> None:
    """Who calls himself read-only may write, in the library."""
    command = b"\0" + syncobj.pickle.dumps((0, ("a stranger's",)))
    stranger = Stranger(lone_door)
    end_s = time.monotonic() + 20
    while not lone_door.leads():
        assert time.monotonic() < end_s
        lone_door.turn()
    stranger.say("readonly", {"type": "apply_command", "command": command})
    stranger.leave()
    promise(f"only members submit, not {lone_door.applied()}", holds=not lone_door.applied())


def test_finding_12_a_stranger_does_not_speak_for_a_member(
    stranger: Stranger, addresses: list[str]
) -> None:
    """In the library, saying an address is being there: a term of 2^40 ends every leader."""
    vote = {"type": "request_vote", "term": 1 << 40, "last_log_index": 9, "last_log_term": 9}
    stranger.say(addresses[2], vote)
    term = stranger.door.term()
    promise(f"a stranger changes no term, it is {term}", holds=term < 1 << 40)
