"""A partition along a node: what passes and what does not, with sockets in the nodes' places."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.chaos.links import Links
from oms.chaos.relay import Relays
from oms.cli.cluster_replace import replace
from oms.config import GatewaySettings, NodeSettings, load
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue

WAIT_S = 10.0
NOTHING_S = 0.2


class Ends:
    """Both ends of a link from g1 to n1, and of one from n1 to n2."""

    def __init__(self, venue: LocalVenue, links: Links) -> None:
        self.links = links
        self._sockets: list[socket.socket] = []
        gateway = load(venue.folder.gateway_settings("g1"), GatewaySettings)
        node = load(venue.folder.node_settings("n1"), NodeSettings)
        self.gateway, self.node = self._join(gateway.nodes[0].router, venue.nodes[0].router)
        self.dialer, self.dialed = self._join(node.nodes[1].raft, venue.nodes[1].raft)

    def _join(self, relayed: str, real: str) -> tuple[socket.socket, socket.socket]:
        assert relayed != real
        host, _, port = real.rpartition(":")
        with socket.create_server((host, int(port))) as listener:
            host, _, port = relayed.rpartition(":")
            near = socket.create_connection((host, int(port)), WAIT_S)
            far, _ = listener.accept()
        self._sockets += [near, far]
        return near, far

    def close(self) -> None:
        """Give all sockets back."""
        for one in self._sockets:
            one.close()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    """A venue that was formatted and never started."""
    venue = LocalVenue.format(tmp_path / "venue", demo_config(1), gateway_count=2)
    with Relays() as relays:
        made = Ends(venue, Links(venue, relays))
        yield made
        made.close()


def passes(sender: socket.socket, receiver: socket.socket) -> bool:
    """Whether a byte arrives."""
    sender.sendall(b"x")
    receiver.settimeout(NOTHING_S)
    try:
        return receiver.recv(1) == b"x"
    except TimeoutError:
        return False


def test_nothing_passes_to_or_from_an_isolated_node(ends: Ends) -> None:
    """Both ways, to gateways and to nodes, and connections stand."""
    ends.links.isolate("n1")
    pairs = [(ends.gateway, ends.node), (ends.dialer, ends.dialed)]
    assert not any(passes(one, other) or passes(other, one) for one, other in pairs)


def test_a_silenced_node_hears(ends: Ends) -> None:
    """Whoever dialed."""
    ends.links.silence("n1")
    assert passes(ends.gateway, ends.node)
    assert passes(ends.dialed, ends.dialer)
    assert not passes(ends.node, ends.gateway)
    assert not passes(ends.dialer, ends.dialed)


def test_a_deafened_node_is_heard(ends: Ends) -> None:
    """The other way round."""
    ends.links.deafen("n1")
    assert not passes(ends.gateway, ends.node)
    assert not passes(ends.dialed, ends.dialer)
    assert passes(ends.node, ends.gateway)
    assert passes(ends.dialer, ends.dialed)


def test_the_others_are_not_touched_and_what_was_kept_arrives(ends: Ends) -> None:
    """As after a real partition: TCP has sent it again."""
    ends.links.isolate("n2")
    assert passes(ends.gateway, ends.node)
    assert not passes(ends.dialer, ends.dialed)
    ends.links.mend()
    ends.dialed.settimeout(WAIT_S)
    assert ends.dialed.recv(1) == b"x"


def test_relays_stand_before_a_node_that_took_anothers_place(tmp_path: Path) -> None:
    """Its settings are new, and so are the others': without relays nobody could cut it off."""
    venue = LocalVenue.format(tmp_path / "venue", demo_config(1), gateway_count=2)
    with Relays() as relays:
        links = Links(venue, relays)
        doors = links.doors
        assert replace(venue.folder.path, "n1", "n4") == 0
        venue.reopen()
        links.lay()
        real = {node.node_id: node for node in venue.nodes}
        assert sorted(real) == ["n2", "n3", "n4"]
        for gateway in ("g1", "g2"):
            for node in load(venue.folder.gateway_settings(gateway), GatewaySettings).nodes:
                assert {node.pull, node.pub, node.router}.isdisjoint(
                    {real[node.node_id].pull, real[node.node_id].pub, real[node.node_id].router}
                )
        for dialer, dialed in (("n2", "n3"), ("n2", "n4"), ("n3", "n4")):
            seen = load(venue.folder.node_settings(dialer), NodeSettings).nodes
            [relayed] = [node.raft for node in seen if node.node_id == dialed]
            assert relayed != real[dialed].raft
        links.isolate("n4")
        assert links.doors == doors, "clients know them"
