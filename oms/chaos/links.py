"""Relays on every link of a local venue, and networks that are cut along its nodes.

Called by `arena.py`. Made between the formatting of a venue and its start: the addresses in the
settings of nodes and gateways become those of relays. A partition is silent, as in a real network:
connections stand, what is sent is kept on its way, and it arrives when the partition ends.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from oms.chaos.doors import Doors
from oms.chaos.relay import Relay, Relays
from oms.chaos.relay_flow import Way
from oms.config import GatewaySettings, NodeAddress, NodeSettings, load
from oms.local.folder import sync_folder, to_toml
from oms.local.venue import LocalVenue

_BOTH: Final = (Way.UP, Way.DOWN)


class Links(Doors):
    """All links of one venue: node to node, gateway to node, client to gateway."""

    def __init__(self, venue: LocalVenue, relays: Relays) -> None:
        self._venue = venue
        self._relays = relays
        self._known: dict[tuple[str, str], Relay] = {}  # by who connects, and to what
        # Every relay at a node, with the way that leads away from it.
        self._at_node: dict[str, list[tuple[Relay, Way]]] = {}
        super().__init__(venue, relays)
        self.lay()

    def lay(self) -> None:
        """Put the relays into the settings: at first, and when a node was replaced."""
        self._at_node = {node.node_id: [] for node in self._venue.nodes}
        for gateway in self._venue.folder.venue.gateways:
            self._relay_gateway(gateway.name)
        for node in self._venue.nodes:
            self._relay_node(node.node_id)

    def isolate(self, node_id: str) -> None:
        """Nothing reaches this node or leaves it."""
        for relay, _ in self._at_node[node_id]:
            for way in _BOTH:
                relay.hold(way)

    def silence(self, node_id: str) -> None:
        """Nothing leaves this node; it hears everything."""
        for relay, away in self._at_node[node_id]:
            relay.hold(away)

    def deafen(self, node_id: str) -> None:
        """Nothing reaches this node; everybody hears it."""
        for relay, away in self._at_node[node_id]:
            relay.hold(Way.DOWN if away is Way.UP else Way.UP)

    def mend(self) -> None:
        """Every link works."""
        self._relays.mend()

    # ---- inside

    def _relay_gateway(self, name: str) -> None:
        path = self._venue.folder.gateway_settings(name)
        settings = load(path, GatewaySettings)
        nodes = [
            msgspec.structs.replace(
                node,
                pull=self._link(name, node.node_id, node.pull),
                pub=self._link(name, node.node_id, node.pub),
                router=self._link(name, node.node_id, node.router),
            )
            for node in self._venue.nodes
        ]
        _write(path, to_toml(msgspec.structs.replace(settings, nodes=nodes)))

    def _relay_node(self, node_id: str) -> None:
        path = self._venue.folder.node_settings(node_id)
        settings = load(path, NodeSettings)
        nodes = [self._raft_address(node_id, node) for node in self._venue.nodes]
        _write(path, to_toml(msgspec.structs.replace(settings, nodes=nodes)))

    def _raft_address(self, dialer: str, node: NodeAddress) -> NodeAddress:
        """The lower id dials the higher one, so the lower one's own address stays."""
        if node.node_id <= dialer:
            return node
        relay = self._relay(dialer, node.raft)
        self._at_node[node.node_id].append((relay, Way.DOWN))
        self._at_node[dialer].append((relay, Way.UP))
        return msgspec.structs.replace(node, raft=relay.address)

    def _link(self, gateway: str, node_id: str, target: str) -> str:
        relay = self._relay(gateway, target)
        self._at_node[node_id].append((relay, Way.DOWN))
        return relay.address

    def _relay(self, dialer: str, target: str) -> Relay:
        if (dialer, target) not in self._known:
            self._known[dialer, target] = self._relays.link(target)
        return self._known[dialer, target]


def _write(path: Path, text: str) -> None:
    """On disk when this returns: the next power cut may take everything else."""
    aside = path.with_suffix(".new")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync_folder(path.parent)
