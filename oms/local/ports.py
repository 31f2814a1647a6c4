"""TCP ports of the loopback interface: free ones for a new data folder, and who listens on one.

Called by `folder.py` and `venue.py`. A port is taken from below the range from which the system
gives ports to outgoing connections, so that no client socket of this machine sits on it at the
next start.
"""

import contextlib
import random
import socket
from pathlib import Path
from typing import Final

LOWEST: Final = 10_240
_TRIES: Final = 2_000
# Columns of /proc/net/tcp, and its code of a listening socket.
_LOCAL: Final = 1
_STATE: Final = 3
_INODE: Final = 9
_LISTEN: Final = "0A"


def free_ports(count: int) -> list[int]:
    """Distinct ports that nobody listens on at this moment. Raises: OSError when none is left."""
    highest = min(_ephemeral_from(), 60_000) - 1
    if highest <= LOWEST:
        highest = 60_000
    chosen: list[int] = []
    draw = random.SystemRandom()
    for _ in range(_TRIES):
        port = draw.randint(LOWEST, highest)
        if port not in chosen and is_free(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    msg = f"no {count} free ports between {LOWEST} and {highest} on 127.0.0.1"
    raise OSError(msg)


def is_listening(pid: int, port: int) -> bool:
    """Whether this very process listens there: a stranger on the port would answer as well."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process ended
        inodes = {f"socket:[{inode}]" for inode in _listening_inodes(pid, port)}
        return any(_link(entry) in inodes for entry in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # a descriptor that was closed meanwhile
        return ""


def _listening_inodes(pid: int, port: int) -> list[str]:
    """In the network that the process lives in."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return [
        row[_INODE]
        for row in rows
        if row[_STATE] == _LISTEN and int(row[_LOCAL].rpartition(":")[2], 16) == port
    ]


def _ephemeral_from() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except FileNotFoundError:
        return 32_768
    return int(text.split()[0])


def is_free(port: int) -> bool:
    """Whether it can be bound at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
