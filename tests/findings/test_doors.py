"""Findings 12 and a part of 5: what a stranger, or an old connection, can do through the door."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pysyncobj import syncobj

from tests.findings.doors import (
    LIMIT_S,
    Door,
    LibraryDoor,
    LibraryMember,
    Member,
    OurDoor,
    OurMember,
    Stranger,
    vote_request,
)
from tests.findings.rig import promise
from tests.support.raft_cluster import free_addresses

_LISTENING = "0A"  # in /proc/net/tcp


@pytest.fixture
def addresses() -> list[str]:
    """This node's, and those of two that do not run."""
    return sorted(free_addresses(["n1", "n2", "n3"]).values())


@pytest.fixture
def door(kind: str, addresses: list[str], tmp_path: Path) -> Iterator[Door]:
    """One of three; the others do not run."""
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
    """Somebody who can reach the port."""
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
    end_s = time.monotonic() + LIMIT_S
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
    stranger.say(addresses[2], vote_request(1 << 40))
    term = stranger.door.term()
    promise(f"a stranger changes no term, it is {term}", holds=term < 1 << 40)


def test_finding_05_a_newer_connection_replaces_the_older_which_is_not_read_again(
    kind: str, door: Door, addresses: list[str]
) -> None:
    """What is still in the old socket was said in another time: to the library it is news."""
    members: list[Member] = []
    for _ in range(2):
        if kind == "ours":
            members.append(OurMember(door, frozenset({"n1", "n2", "n3"})))
        else:
            members.append(LibraryMember(door, addresses[2]))
    old, new = members
    new.ask_for_a_vote(50)
    assert door.term() == 50
    old.ask_for_a_vote(70)
    term = door.term()
    for member in members:
        member.leave()
    promise(f"the older connection is not read, the term stays 50, not {term}", holds=term == 50)
