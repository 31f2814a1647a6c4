"""The gateway's ZeroMQ sockets to all nodes: PUSH, SUB and DEALER, on the loop.

Called by a door's composition root; `venue_link.py` decides what goes where. One PUSH per node,
used for the leader only (RULES A5); SUB to every node's `pub`; DEALER to every node's ROUTER.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import zmq

from gateways.venue_link import VenueLink
from gateways.zmq_readable import Readable
from oms.config import NodeAddress
from oms.transport import keys, sockets, topics


class ZmqWires:
    """See the module's header. Raises: SettingsError when a key cannot be read."""

    def __init__(self, nodes: list[NodeAddress], keys_folder: Path) -> None:
        self._nodes = nodes
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        pair = keys.load(keys_folder, keys.Role.GATEWAY)
        self._pushes: dict[str, zmq.Socket[bytes]] = {}
        self._subscribers: dict[str, zmq.Socket[bytes]] = {}
        self._dealers: dict[str, zmq.Socket[bytes]] = {}
        self._readables: list[Readable] = []
        self._answers: dict[str, Readable] = {}
        for node in nodes:
            public = keys.load_public(keys_folder, keys.node_name(node.node_id))
            self._pushes[node.node_id] = sockets.push(
                self._context, node.pull, pair=pair, server_public=public
            )
            self._subscribers[node.node_id] = sockets.subscriber(
                self._context,
                node.pub,
                pair=pair,
                server_public=public,
                subscriptions=(topics.ENGINE, topics.STATUS),
            )
            self._dealers[node.node_id] = sockets.dealer(
                self._context, node.router, pair=pair, server_public=public
            )

    def start(self, loop: asyncio.AbstractEventLoop, link: VenueLink) -> None:
        """Hand what arrives to the link."""
        for node_id, socket in self._subscribers.items():
            self._readables.append(Readable(loop, socket, _of_node(node_id, link)))
        for node_id, socket in self._dealers.items():
            self._answers[node_id] = Readable(loop, socket, link.on_reply)

    def push(self, node_id: str, frame: bytes) -> bool:
        """Send to a node's PULL. False: it would block."""
        try:
            self._pushes[node_id].send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def ask(self, node_id: str, request_id: bytes, body: bytes) -> bool:
        """Send to a node's ROUTER. False: it would block."""
        try:
            self._dealers[node_id].send_multipart([request_id, body], zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._answers[node_id].look()
        return True

    def look(self) -> None:
        """Look at every socket once, whatever the descriptors say; now and then."""
        for readable in self._readables:
            readable.look()
        for readable in self._answers.values():
            readable.look()

    def close(self) -> None:
        """Close every socket; what is unsent is lost, and is resent by whoever comes next."""
        for readable in [*self._readables, *self._answers.values()]:
            readable.close()
        for socket in self._pushes.values():
            socket.close(0)
        self._context.term()


def _of_node(node_id: str, link: VenueLink) -> Callable[[list[bytes]], None]:
    def on_message(message: list[bytes]) -> None:
        link.on_publication(node_id, message)

    return on_message
