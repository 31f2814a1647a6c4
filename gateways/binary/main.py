"""The binary door's process: settings -> objects -> run; nothing else.

Run as `python -m gateways.binary.main --settings <gateway.toml>`. SIGTERM and SIGINT end it
cleanly: sessions are logged out, sockets closed. Says what happens in JSON lines on stderr.
"""

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Final

import uvloop

from gateways.admission import DirectoryIndex
from gateways.binary.server import Server
from gateways.venue_link import TICK_NS, VenueLink
from gateways.wires import ZmqWires
from oms.config import GatewaySettings, SettingsError, load
from oms.process_log import Log

_GRACE_S: Final = 0.2  # from the last Logout pushed to the sockets closed


class SystemClock:
    """The only reader of system time in a gateway."""

    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


class Gateway:
    """The link, and the door that opens when the link knows the venue."""

    def __init__(self, settings: GatewaySettings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._clock = SystemClock()
        self._loop = asyncio.get_running_loop()
        self._server: Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._wires = ZmqWires(settings.nodes, Path(settings.keys))
        self._link = VenueLink(
            wires=self._wires,
            node_ids=[node.node_id for node in settings.nodes],
            gateway_id=secrets.randbits(63) | 1,
            cluster_id=int(settings.cluster_id, 16),
            clock=self._clock,
            call_soon=self._loop.call_soon,
            log=log,
        )

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopped.set)
        self._link.open(self)
        self._wires.start(self._loop, self._link)
        self._tick()
        self._log.info("started", pid=os.getpid())
        await self._stopped.wait()
        if self._server is not None:
            await self._server.close()
        self._link.flush()
        await asyncio.sleep(_GRACE_S)
        self._wires.close()
        self._log.info("stopped")

    def _tick(self) -> None:
        self._link.tick()
        self._wires.look()
        self._loop.call_later(TICK_NS / 1_000_000_000, self._tick)

    def directory_changed(self, directory: DirectoryIndex) -> None:
        """The first directory opens the door."""
        if self._server is not None:
            self._server.directory_changed(directory)
            return
        self._server = Server(
            link=self._link, directory=directory, clock=self._clock, log=self._log
        )
        self._opening = self._loop.create_task(self._listen(self._server))

    def blocked(self, *, is_blocked: bool) -> None:
        """The leader takes nothing, or does again."""
        if self._server is not None:
            self._server.blocked(is_blocked=is_blocked)

    async def _listen(self, server: Server) -> None:
        host, _, port = self._settings.listen.rpartition(":")
        try:
            await server.listen(host, int(port))
        except OSError as error:
            self._log.error("cannot_listen", address=self._settings.listen, reason=str(error))
            self._stopped.set()
            return
        self._log.info("listening", address=self._settings.listen)


def main() -> int:
    """Run the process; the exit code."""
    parser = argparse.ArgumentParser(prog="gateways.binary.main", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="the gateway's TOML file")
    path: Path = parser.parse_args().settings
    try:
        settings = load(path, GatewaySettings)
        log = Log(settings.name, sys.stderr, role="gateway")
        if settings.core is not None:
            os.sched_setaffinity(0, {settings.core})
        uvloop.run(_serve(settings, log))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


async def _serve(settings: GatewaySettings, log: Log) -> None:
    await Gateway(settings, log).run()


if __name__ == "__main__":
    sys.exit(main())
