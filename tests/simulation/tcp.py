"""TCP in memory: sockets for the Raft links, and what a poller says about them.

`RaftTransport` takes the module `socket` from here; everything it calls is what the real module
has, as far as it uses it. Descriptors are numbers that no process has.
"""

import errno
import itertools
import socket as real
from collections import deque
from typing import Final

from tests.simulation.network import End, Item, Network
from tests.simulation.world import SECOND, Process

BUFFER_BYTES: Final = 1 << 20  # under way and unread, of one direction
_PATIENCE_NS: Final = 2 * SECOND


class MemoryTcp:
    """One socket: fresh, listening, connecting, open or over."""

    def __init__(self, module: "TcpModule") -> None:
        self._module = module
        self.process = module.acting
        self._fd = next(module.fds)
        self._end: End | None = None
        self._read = bytearray()
        self._backlog: deque[MemoryTcp] = deque()
        self._port = 0
        self._is_over = False  # the other end is gone
        self._error = 0
        self._is_connecting = False
        self._is_full = False  # not everything was taken: whoever writes waits
        module.open[self._fd] = self

    # ---- the real one's face

    def fileno(self) -> int:
        """Its number, -1 when closed."""
        return self._fd

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  # the real one's face
        """Never blocks."""
        assert not flag

    def setsockopt(self, _level: int, _name: int, _value: int) -> None:
        """As it is."""

    def getsockopt(self, _level: int, _name: int) -> int:
        """SO_ERROR."""
        return self._error

    def bind(self, address: tuple[str, int]) -> None:
        """Take an address."""
        self._port = address[1]

    def listen(self, _backlog: int) -> None:
        """Take connections. Raises: OSError."""
        if not self._module.network.listen(self._port, self.process, self._arrived):
            raise OSError(errno.EADDRINUSE, "in use")

    def accept(self) -> tuple["MemoryTcp", tuple[str, int]]:
        """The next one that came. Raises: BlockingIOError."""
        if not self._backlog:
            raise BlockingIOError
        return self._backlog.popleft(), ("", 0)

    def connect_ex(self, address: tuple[str, int]) -> int:
        """Begin to connect."""
        self._is_connecting = True
        self._module.network.connect(
            self.process, address[1], self._opened, self._failed, patience_ns=_PATIENCE_NS
        )
        return errno.EINPROGRESS

    def recv_into(self, buffer: bytearray) -> int:
        """Read. Raises: BlockingIOError."""
        if not self._read:
            if self._is_over:
                return 0
            raise BlockingIOError
        count = min(len(buffer), len(self._read))
        buffer[:count] = self._read[:count]
        del self._read[:count]
        if self._end is not None:
            self._end.peer.resume()
        return count

    def sendmsg(self, parts: tuple[bytes, ...]) -> int:
        """Write what fits. Raises: OSError."""
        return self.send(b"".join(parts))

    def send(self, data: bytes | memoryview) -> int:
        """Write what fits. Raises: OSError."""
        if self._is_over or self._end is None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        room = BUFFER_BYTES - self._end.bytes_under_way
        self._is_full = len(data) > room
        if room <= 0:
            raise BlockingIOError
        piece = bytes(data[:room])
        self._end.send((piece,))
        return len(piece)

    def close(self) -> None:
        """Over."""
        if self._fd >= 0:
            self._module.open.pop(self._fd, None)
            if self._port:
                self._module.network.forget(self._port)
            self._fd = -1
        if self._end is not None:
            self._end.close()

    # ---- what a poller asks

    @property
    def is_readable(self) -> bool:
        """Something to read, or the end of it, or somebody who connects."""
        return bool(self._read or self._backlog) or self._is_over

    @property
    def is_writable(self) -> bool:
        """Connected (or that has failed), with room."""
        if self._is_connecting:
            return False
        return self._is_over or (self._end is not None and self._end.bytes_under_way < BUFFER_BYTES)

    # ---- the network

    def _arrived(self, end: End) -> None:
        with self._module.network.world.acting(self.process):
            taken = MemoryTcp(self._module)
        taken.carry(end)
        self._backlog.append(taken)
        self.process.wake()

    def _opened(self, end: End) -> None:
        self._is_connecting = False
        if self._fd < 0:
            end.close()
            return
        self.carry(end)
        self.process.wake()

    def _failed(self) -> None:
        self._is_connecting = False
        self._is_over = True
        self._error = errno.ECONNREFUSED
        self.process.wake()

    def carry(self, end: End) -> None:
        """The connection stands."""
        self._end = end

        def take(item: Item) -> bool:
            if len(self._read) >= BUFFER_BYTES:
                return False
            self._read += item[0]
            self.process.wake()
            return True

        def over(_reason: str) -> None:
            self._is_over = True
            self.process.wake()

        def room() -> None:
            if self._is_full:
                self._is_full = False
                self.process.wake()

        end.take, end.on_closed, end.on_room = take, over, room
        end.peer.resume()


class TcpModule:
    """The module `socket`, for whichever process acts."""

    AF_INET = real.AF_INET
    AF_INET6 = real.AF_INET6
    SOCK_STREAM = real.SOCK_STREAM
    SOL_SOCKET = real.SOL_SOCKET
    SO_ERROR = real.SO_ERROR
    SO_KEEPALIVE = real.SO_KEEPALIVE
    SO_RCVBUF = real.SO_RCVBUF
    SO_REUSEADDR = real.SO_REUSEADDR
    SO_SNDBUF = real.SO_SNDBUF
    IPPROTO_TCP = real.IPPROTO_TCP
    TCP_KEEPCNT = real.TCP_KEEPCNT
    TCP_KEEPIDLE = real.TCP_KEEPIDLE
    TCP_KEEPINTVL = real.TCP_KEEPINTVL
    TCP_NODELAY = real.TCP_NODELAY
    TCP_USER_TIMEOUT = real.TCP_USER_TIMEOUT

    def __init__(self, network: Network) -> None:
        self.network = network
        self.fds = itertools.count(2_000_000)
        self.open: dict[int, MemoryTcp] = {}

    @property
    def acting(self) -> Process:
        """Who makes a socket now."""
        process = self.network.world.current
        assert process is not None
        return process

    def socket(self, _family: int, _kind: int) -> MemoryTcp:
        """A new one."""
        return MemoryTcp(self)

    def forget(self, process: Process) -> None:
        """It is gone, with all its sockets."""
        self.open = {fd: tcp for fd, tcp in self.open.items() if tcp.process is not process}
