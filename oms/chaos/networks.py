"""A network of its own for every node and gateway, and a router between them that can lose packets.

Called by `arena.py`, where the kernel permits it (`why_not` says why not; `links.py` does without).
The router is a network namespace in which the calling thread lives, with all threads and processes
that it makes, until the block ends; the machine's own network is not touched. A partition loses
packets, as a real one does: connections stand, TCP sends again. Who asks from the router itself
(the arena's questions) is never cut off.
"""

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from oms.chaos.doors import Doors
from oms.chaos.relay import Relays
from oms.local.folder import HOST, VENUE_FILE
from oms.local.venue import LocalVenue

_NEW_NETWORK: Final = 0x4000_0000  # CLONE_NEWNET
_PREFERENCE: Final = "100"  # of the rules that lose packets
_POLL_S: Final = 0.002
_TOOLS: Final = ("ip", "nsenter", "unshare", "sleep")


class Router:
    """The network that the calling thread lives in until the block ends, and those behind it."""

    def __init__(self) -> None:
        self._before = -1
        self._holders: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _check(_libc().unshare(_NEW_NETWORK))
        _ip("link", "set", "lo", "up")
        forward = ["/bin/sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]
        subprocess.run(forward, check=True)  # noqa: S603  # a child: it has this thread's network
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the namespaces; the thread is in the machine's network again."""
        for holder in self._holders:
            holder.kill()
            holder.wait()
        _check(_libc().setns(self._before, _NEW_NETWORK))
        os.close(self._before)

    def make(self, number: int) -> list[str]:
        """The next network, numbered from 1; returns what a command in it begins with."""
        command = [_tool("unshare"), "--net", _tool("sleep"), "infinity"]
        holder = subprocess.Popen(command)  # noqa: S603  # the system's own program
        self._holders.append(holder)
        path, own = Path(f"/proc/{holder.pid}/ns/net"), Path("/proc/thread-self/ns/net")
        while holder.poll() is None and path.readlink() == own.readlink():
            time.sleep(_POLL_S)
        enter = [_tool("nsenter"), f"--net={path}"]
        router, inside = _router_end(number), f"inside{number}"
        _ip("link", "add", router, "type", "veth", "peer", "name", inside)
        _ip("link", "set", inside, "netns", str(holder.pid))
        _ip("addr", "add", f"{_address(number, 1)}/30", "dev", router)
        _ip("link", "set", router, "up")
        _ip("link", "set", "lo", "up", enter=enter)
        _ip("addr", "add", f"{_address(number)}/30", "dev", inside, enter=enter)
        _ip("link", "set", inside, "up", enter=enter)
        _ip("route", "add", "default", "via", _address(number, 1), enter=enter)
        return enter


class Networks(Doors):
    """The namespaces of one venue that was formatted and not started."""

    def __init__(self, venue: LocalVenue, relays: Relays, router: Router) -> None:
        """The relays were begun in the router. Raises: OSError."""
        self._venue = venue
        names = [node.node_id for node in venue.nodes]
        names += [gateway.name for gateway in venue.folder.venue.gateways]
        self._slots = {name: number for number, name in enumerate(names, 1)}
        self._enter = {number: router.make(number) for number in self._slots.values()}
        self._move(venue)
        self.lay()
        super().__init__(venue, relays)

    def lay(self) -> None:
        """Every process in its network: at first, and when a node was replaced."""
        for number, node in enumerate(self._venue.nodes, 1):
            self._slots[node.node_id] = number
        for name, number in self._slots.items():
            self._venue.enter[name] = self._enter[number]

    def isolate(self, node_id: str) -> None:
        """Nothing reaches this node or leaves it."""
        self.silence(node_id)
        self.deafen(node_id)

    def silence(self, node_id: str) -> None:
        """Nothing leaves this node; it hears everything."""
        self._lose("iif", _router_end(self._slots[node_id]))

    def deafen(self, node_id: str) -> None:
        """Nothing reaches this node; everybody hears it."""
        own = self._slots[node_id]
        for number in sorted(set(self._slots.values()) - {own}):
            self._lose("iif", _router_end(number), "to", _address(own))

    def mend(self) -> None:
        """Every link works."""
        while _ip("rule", "del", "pref", _PREFERENCE, is_checked=False):
            pass

    # ---- inside

    def _lose(self, *which: str) -> None:
        _ip("rule", "add", "pref", _PREFERENCE, *which, "blackhole")

    def _move(self, venue: LocalVenue) -> None:
        """Every address is one of a namespace's."""
        hosts: dict[str, str] = {}
        for node in venue.nodes:
            for address in (node.raft, node.pull, node.pub, node.feed, node.router):
                hosts[address] = _address(self._slots[node.node_id])
        for gateway in venue.folder.venue.gateways:
            hosts[gateway.listen] = _address(self._slots[gateway.name])
        folder = venue.folder
        files = [folder.path / VENUE_FILE]
        files += [folder.node_settings(node.node_id) for node in venue.nodes]
        files += [folder.gateway_settings(gateway.name) for gateway in folder.venue.gateways]
        for file in files:
            _replace(file, hosts)
        venue.reopen()


def why_not() -> str:
    """Why there can be no networks here; "" if there can."""
    missing = [name for name in _TOOLS if shutil.which(name) is None]
    if missing:
        return f"there is no {', '.join(missing)}"
    tried = [
        "unshare",
        "--net",
        "ip",
        "link",
        "add",
        "try0",
        "type",
        "veth",
        "peer",
        "name",
        "try1",
    ]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stderr.strip()


def _replace(file: Path, hosts: dict[str, str]) -> None:
    text = file.read_text()
    for address, host in hosts.items():
        text = text.replace(f'"{address}"', f'"{host}{address.removeprefix(HOST)}"')
    file.write_text(text)


def _address(number: int, end: int = 2) -> str:
    return f"10.77.{number}.{end}"


def _router_end(number: int) -> str:
    return f"router{number}"


def _ip(*words: str, enter: list[str] | None = None, is_checked: bool = True) -> bool:
    command = [*(enter or []), _tool("ip"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if is_checked and done.returncode:
        raise OSError(0, f"{' '.join(command)}: {done.stderr.strip()}")
    return not done.returncode


def _tool(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, name
    return found


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
