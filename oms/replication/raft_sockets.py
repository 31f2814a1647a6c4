"""The TCP sockets between nodes: how they are made, and every option they have.

Called by raft_transport.py. Promises: none of them ever waits; what the kernel knows of a dead peer
ends the connection within seconds.
"""

import errno
import socket
from typing import Final

from oms.config import SettingsError

_SOCKET_BUFFER_BYTES: Final = 1 << 20
_SILENCE_MS: Final = 2000  # unacknowledged data for so long: the kernel ends the connection


def parse(address: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[host]:port`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _family(address: tuple[str, int]) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def dial(address: tuple[str, int]) -> socket.socket | None:
    """A connection on its way to `address`; None: refused at once."""
    sock = socket.socket(_family(address), socket.SOCK_STREAM)
    prepare(sock)
    if sock.connect_ex(address) in {0, errno.EINPROGRESS}:
        return sock
    sock.close()
    return None


def has_failed(sock: socket.socket) -> bool:
    """Whether a connection that was on its way did not come about."""
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def prepare(sock: socket.socket) -> None:
    """Never waiting, never holding data back, ended by the kernel when the other side is gone."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its port may be a node's own
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MS)


def listen(address: tuple[str, int]) -> socket.socket:
    """A socket that other nodes can dial. Raises: SettingsError (the address cannot be used)."""
    sock = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER_BYTES)
        sock.bind(address)
        sock.listen(16)
    except OSError as error:
        sock.close()
        raise SettingsError(
            what=f"cannot listen for other nodes on {address[0]}:{address[1]}",
            why=error.strerror or str(error),
            do="free the address or give this node another one, in every node's file",
            read="docs/operating.md, When something does not start",
        ) from error
    sock.setblocking(False)
    return sock
