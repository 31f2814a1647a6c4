"""A TCP server in front of `FakeVenue`: for tests of the clients that own a socket.

It runs in a thread of its own and can be told to drop its connections, before or after it has
processed what was sent.
"""

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Self

from tests.support.fake_venue import FakeDoor, FakeVenue


class FakeServer:
    """Listens on a free port of loopback while the context is open."""

    def __init__(self, password: bytes = b"SECRET") -> None:
        self.venue = FakeVenue()
        self.lock = threading.Lock()  # around every touch of `venue` from outside
        self.is_deaf = threading.Event()  # takes requests in without processing them
        self.login_count = 0
        self.open_count = 0
        self.most_open = 0  # connections at a time
        self._password = password
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._doors: dict[socket.socket, FakeDoor] = {}
        self._stop = threading.Event()
        self._drop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._listener.getsockname()
        return host, port

    def drop(self) -> None:
        """Close every connection, now."""
        self._drop.set()
        while self._drop.is_set():
            self._stop.wait(0.001)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([self._listener, *self._doors], [], [], 0.005)
            for readable in ready:
                if readable is self._listener:
                    connection, _ = self._listener.accept()
                    self._doors[connection] = FakeDoor(self.venue, self._password)
                    self.login_count += 1
                    self.most_open = max(self.most_open, len(self._doors))
                else:
                    self._serve(readable)
            for connection in list(self._doors):
                self._send(connection)
            self.open_count = len(self._doors)
            if self._drop.is_set():
                for connection in list(self._doors):
                    self._close(connection)
                self._drop.clear()
        for connection in list(self._doors):
            self._close(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        with self.lock:
            self._doors[connection].receive(data, processes=not self.is_deaf.is_set())

    def _send(self, connection: socket.socket) -> None:
        door = self._doors[connection]
        with self.lock:
            data = door.pull()
        with contextlib.suppress(OSError):
            connection.sendall(data)
        if not door.is_open:
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        if self._doors.pop(connection, None) is not None:
            connection.close()
