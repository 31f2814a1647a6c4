"""Calls a function when a ZeroMQ socket has messages, from an asyncio (uvloop) loop.

Called by `venue_link.py` and `asker.py`. A ZeroMQ socket's descriptor is edge-triggered: it becomes
readable when the socket's state changes, and only reading to the end, or looking at EVENTS, arms
it again; sending may swallow the edge of a message that has just arrived. So: drain until EAGAIN,
and `look` after every send. `zmq.asyncio` would make a future for every message instead.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import zmq

MESSAGES_PER_TURN: Final = 256  # then the loop's other work gets its turn


class Readable:
    """Drains one socket into `on_message` (called with the frames of a message)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: "zmq.Socket[bytes]",
        on_message: Callable[[list[bytes]], None],
    ) -> None:
        self._loop = loop
        self._socket = socket
        self._on_message = on_message
        self._is_closed = False
        self._is_asked = False
        self._fd = int(socket.getsockopt(zmq.FD))
        loop.add_reader(self._fd, self._drain)
        self.look()

    def look(self) -> None:
        """Look for messages soon: after a send, and now and then to be safe."""
        if not self._is_asked and not self._is_closed:
            self._is_asked = True
            self._loop.call_soon(self._looked)

    def _looked(self) -> None:
        self._is_asked = False
        self._drain()

    def _drain(self) -> None:
        receive = self._socket.recv_multipart
        on_message = self._on_message
        for _ in range(MESSAGES_PER_TURN):
            if self._is_closed:
                return
            try:
                frames = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            on_message(frames)
        self.look()

    def close(self) -> None:
        """Stop reading and close the socket."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._fd)
            self._socket.close(0)
