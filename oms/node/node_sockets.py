"""A node's ZeroMQ sockets: its own doors, and its ends at the other nodes.

Called by the composition root. Promises: what was made is closed again in one go; a door that
cannot be opened stops the start with four lines. Raft's links are not here (raft_transport.py).
"""

from pathlib import Path
from typing import NamedTuple

import zmq

from oms.config import NodeAddress, NodeSettings, SettingsError
from oms.node.outputs_fetch import Peer
from oms.transport import keys, sockets, topics
from oms.transport.keys import ZapHandler
from oms.transport.sockets import Socket

_READ = "docs/operating.md, When something does not start"


class Doors(NamedTuple):
    """The sockets that others connect to."""

    pull: Socket
    pub: Socket
    feed: Socket
    router: Socket


class NodeSockets:
    """One context and everything in it."""

    def __init__(self, settings: NodeSettings) -> None:
        """Raises: SettingsError (a key file)."""
        self._settings = settings
        self._keys = Path(settings.keys)
        self._pair = keys.load(self._keys, keys.node_name(settings.node_id))
        self._context = sockets.context()
        self._made: list[Socket] = []
        self.zap = ZapHandler(self._context, keys.load_allow_list(self._keys))

    def doors(self) -> Doors:
        """Open them. Raises: SettingsError."""
        address = self._address()
        made: list[Socket] = []
        for make, where in (
            (sockets.pull, address.pull),
            (sockets.pub, address.pub),
            (sockets.feed, address.feed),
            (sockets.router, address.router),
        ):
            try:
                made.append(make(self._context, where, self._pair))
            except zmq.ZMQError as error:
                raise SettingsError(
                    what=f"cannot listen on {where}",
                    why=str(error),
                    do="free the port, or write another address in node.toml",
                    read=_READ,
                ) from error
        self._made += made
        return Doors(*made)

    def _address(self) -> NodeAddress:
        for node in self._settings.nodes:
            if node.node_id == self._settings.node_id:
                return node
        raise SettingsError(
            what=f"node {self._settings.node_id!r} has no address",
            why="it is not in the list of nodes",
            do="add it to `nodes` in node.toml",
            read=_READ,
        )

    def _others(self) -> list[tuple[NodeAddress, bytes]]:
        """The other nodes and their public keys."""
        return [
            (node, keys.load_public(self._keys, keys.node_name(node.node_id)))
            for node in self._settings.nodes
            if node.node_id != self._settings.node_id
        ]

    def statuses(self) -> list[Socket]:
        """The other nodes' status: digests and clocks are compared with it."""
        made = [
            sockets.subscriber(
                self._context,
                node.pub,
                pair=self._pair,
                server_public=public,
                subscriptions=(topics.STATUS,),
            )
            for node, public in self._others()
        ]
        self._made += made
        return made

    def routers(self) -> list[Peer]:
        """Ends at the other nodes' ROUTERs, to fetch what this node lacks."""
        peers = [
            Peer(
                node.node_id,
                sockets.dealer(self._context, node.router, pair=self._pair, server_public=public),
            )
            for node, public in self._others()
        ]
        self._made += [peer.socket for peer in peers]
        return peers

    def close(self) -> None:
        """Close every socket; what is unsent is lost."""
        self.zap.close()
        for socket in self._made:
            socket.close(0)
        self._context.term()
