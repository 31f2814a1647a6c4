"""Networks that lose packets: who hears whom, with senders and receivers in the nodes' places."""

import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.chaos import networks
from oms.chaos.networks import Networks, Router
from oms.chaos.relay import Relays
from oms.config import GatewaySettings, NodeSettings, load
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue

WAIT_S = 10.0
NOTHING_S = 0.3
ECHO = """
import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind((sys.argv[1], 4000))
print("bound", flush=True)
for line in sys.stdin:
    own.sendto(b"x", (line.strip(), 4000))
"""
LISTEN = """
import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind((sys.argv[1], 4000))
print("bound", flush=True)
while True:
    print(own.recvfrom(1)[1][0], flush=True)
"""


class Ends:
    """A process in each network; what one sends, another prints."""

    def __init__(self, venue: LocalVenue, made: Networks) -> None:
        self.networks = made
        self.hosts = {node.node_id: node.raft.partition(":")[0] for node in venue.nodes}
        self.hosts["g1"] = venue.gateway_addresses[0][0]
        self._enter = venue.enter
        self._children: list[subprocess.Popen[str]] = []

    def child(self, name: str, code: str) -> subprocess.Popen[str]:
        """In that network."""
        command = [*self._enter[name], sys.executable, "-c", code, self.hosts[name]]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "bound\n"
        return child

    def passes(self, source: str, target: str) -> bool:
        """Whether a datagram arrives."""
        receiver, sender = self.child(target, LISTEN), self.child(source, ECHO)
        assert sender.stdin is not None
        assert receiver.stdout is not None
        print(self.hosts[target], file=sender.stdin)
        ready, _, _ = select.select([receiver.stdout], [], [], NOTHING_S)
        if ready:
            assert receiver.stdout.readline().strip() == self.hosts[source]
        self.close()
        return bool(ready)

    def close(self) -> None:
        """End the children."""
        for child in self._children:
            child.kill()
            child.communicate()
        self._children.clear()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    """A venue that was formatted and never started."""
    reason = networks.why_not()
    if reason:
        pytest.skip(reason)
    with Router() as router, Relays() as relays:
        venue = LocalVenue.format(tmp_path / "venue", demo_config(1), gateway_count=2)
        made = Ends(venue, Networks(venue, relays, router))
        yield made
        made.close()


def test_everybody_hears_everybody_until_a_node_is_cut_off(ends: Ends) -> None:
    """Both ways, one way and the other, and as before when it is mended."""
    cut = ends.networks
    assert ends.passes("n1", "n2")
    assert ends.passes("g1", "n1")
    cut.silence("n1")
    assert not ends.passes("n1", "n2")
    assert ends.passes("n2", "n1")
    cut.mend()
    cut.deafen("n1")
    assert ends.passes("n1", "g1")
    assert not ends.passes("g1", "n1")
    assert ends.passes("g1", "n2"), "the others hear each other"
    cut.mend()
    cut.isolate("n1")
    assert not ends.passes("n1", "n2")
    assert not ends.passes("n2", "n1")
    cut.mend()
    assert ends.passes("n1", "n2")


def test_whoever_asks_from_the_router_is_answered(ends: Ends) -> None:
    """The arena must see how a node stands that the others do not hear."""
    ends.networks.isolate("n1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("", 4000))
        own.settimeout(WAIT_S)
        sender = ends.child("n1", ECHO)
        assert sender.stdin is not None
        print(ends.hosts["n1"].removesuffix("2") + "1", file=sender.stdin)
        assert own.recv(1) == b"x"


def test_all_settings_name_the_networks(tmp_path: Path) -> None:
    """A process that listens on the machine's loopback would be heard by nobody."""
    if networks.why_not():
        pytest.skip(networks.why_not())
    before = Path("/proc/thread-self/ns/net").readlink()
    with Router() as router, Relays() as relays:
        venue = LocalVenue.format(tmp_path / "venue", demo_config(1), gateway_count=2)
        Networks(venue, relays, router)
        hosts = {f"10.77.{number}.2" for number in (1, 2, 3)}
        for name in ("n1", "n2", "n3"):
            node = load(venue.folder.node_settings(name), NodeSettings)
            assert {item.pull.partition(":")[0] for item in node.nodes} == hosts
        gateway = load(venue.folder.gateway_settings("g2"), GatewaySettings)
        assert gateway.listen.startswith("10.77.5.2:")
        assert {item.router.partition(":")[0] for item in gateway.nodes} == hosts
        assert Path("/proc/thread-self/ns/net").readlink() != before
    assert Path("/proc/thread-self/ns/net").readlink() == before, "the machine's own network again"
