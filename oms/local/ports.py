"""Free TCP ports of the loopback interface, chosen when a data folder is formatted.

Called by `folder.py`. A port is taken from below the range from which the system gives ports to
outgoing connections, so that no client socket of this machine sits on it at the next start.
"""

import random
import socket
from pathlib import Path
from typing import Final

LOWEST: Final = 10_240
_TRIES: Final = 2_000


def free_ports(count: int) -> list[int]:
    """Distinct ports that nobody listens on at this moment. Raises: OSError when none is left."""
    highest = min(_ephemeral_from(), 60_000) - 1
    if highest <= LOWEST:
        highest = 60_000
    chosen: list[int] = []
    draw = random.SystemRandom()
    for _ in range(_TRIES):
        port = draw.randint(LOWEST, highest)
        if port not in chosen and _is_free(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    msg = f"no {count} free ports between {LOWEST} and {highest} on 127.0.0.1"
    raise OSError(msg)


def _ephemeral_from() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except FileNotFoundError:
        return 32_768
    return int(text.split()[0])


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
