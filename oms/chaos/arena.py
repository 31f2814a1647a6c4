"""The venue that chaos is made in: three nodes on disks that do as they are told, two gateways, and
networks between them that can be cut.

Called by `run.py` and by tests. Where forgetful disks cannot be mounted the nodes have ordinary
ones, and `why_no_power` says so: then there are no power cuts and no full, failing or slow disks.
Where network namespaces cannot be made a relay stands on every link (`why_no_networks`).
Belongs to one thread but for `kill`. Leaves no process; files are left where the caller said.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from oms.chaos import networks
from oms.chaos.forgetful_disk import ForgetfulDisk, why_not
from oms.chaos.links import Links
from oms.chaos.networks import Networks
from oms.chaos.relay import Relays
from oms.chaos.switch import FOLDER, Switch, path_of
from oms.config import VenueConfig
from oms.local.venue import LocalVenue, VenueError, never

GONE_S: Final = 10.0
GATEWAYS: Final = 2
NODE_MODULE: Final = "oms.chaos.fault_node"
READ: Final = "docs/chaos.md"


class Arena:
    """Made by `arena`, running."""

    def __init__(
        self, venue: LocalVenue, links: Links | Networks, why_no_power: str, why_no_networks: str
    ) -> None:
        self.venue = venue
        self.links = links
        self.why_no_power = why_no_power  # "": power can be cut
        self.why_no_networks = why_no_networks  # "": packets are lost; else relays hold them
        self.disks: dict[str, ForgetfulDisk] = {}
        self.switches = {node_id: self._switch(node_id) for node_id in self.node_ids}
        self._next_number = len(self.switches) + 1

    @property
    def networks(self) -> str:
        """How they are cut, for the reader."""
        if self.why_no_networks:
            return f"a relay on every link holds what is sent ({self.why_no_networks})"
        return "each process in a network of its own, and a router that loses packets"

    @property
    def node_ids(self) -> list[str]:
        """The nodes."""
        return [node.node_id for node in self.venue.nodes]

    @property
    def gateway_names(self) -> list[str]:
        """The gateways."""
        return [gateway.name for gateway in self.venue.folder.venue.gateways]

    def wait_gone(self, names: Sequence[str], timeout_s: float = GONE_S) -> None:
        """Wait for the end of processes that were killed. Raises: VenueError."""
        for name in names:
            if not self.venue.wait_gone(name, timeout_s):
                raise VenueError(
                    what=f"{name} does not end",
                    why=f"it was killed, or should have ended, {timeout_s:.0f} s ago",
                    do="look at the machine: a process that SIGKILL does not end hangs in the disk",
                    read=READ,
                )

    def kill(self, names: Sequence[str]) -> None:
        """SIGKILL, and the end."""
        for name in names:
            self.venue.kill(name)
        self.wait_gone(names)

    def cut_power(self, names: Sequence[str], seed: int) -> None:
        """The disks lose what was not synced, and the nodes are gone."""
        for number, name in enumerate(names):
            self.disks[name].cut(seed + number)
        self.kill(names)

    def restart(self, names: Sequence[str]) -> None:
        """Start what was killed."""
        for name in names:
            self.venue.start_node(name)

    def restore_power(self, names: Sequence[str]) -> None:
        """The disks hold what they kept, and the nodes start with that."""
        for name in names:
            self.disks[name].restore()
        self.restart(names)

    def replace(self, lost: str) -> str:
        """The disk of a node is gone; a new one takes its place, as docs/operating.md says.

        Nothing runs. Returns the new node's name. Raises: VenueError.
        """
        new, self._next_number = f"n{self._next_number}", self._next_number + 1
        venue = self.venue.folder.path
        if lost in self.disks:
            self.disks.pop(lost).give_back()
        shutil.rmtree(venue / lost)
        command = [sys.executable, "-m", "oms.cli.main", "cluster", "replace", lost, new]
        done = subprocess.run(  # noqa: S603  # our own program
            [*command, "--data", str(venue)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise VenueError(
                what=f"{lost} cannot be replaced",
                why=done.stderr.strip(),
                do="keep the venue's folder: it shows a fault of this program",
                read=READ,
            )
        self.venue.reopen()
        self.links.lay()
        self.switches.pop(lost).close()
        self.switches[new] = self._switch(new)
        if not self.why_no_power:
            self.disks[new] = ForgetfulDisk.over(venue / new)
        return new

    def close(self) -> None:
        """End every process; the nodes' folders are ordinary ones, for whoever reads the log."""
        self.venue.stop()
        while self.disks:
            _, disk = self.disks.popitem()
            disk.give_back()
        while self.switches:
            _, switch = self.switches.popitem()
            switch.close()

    def _switch(self, node_id: str) -> Switch:
        return Switch(path_of(self.venue.folder.path, node_id))


@contextmanager
def arena(
    folder: Path,
    config: VenueConfig,
    *,
    is_canceled: Callable[[], bool] = never,
    node_module: str = NODE_MODULE,
) -> Iterator[Arena]:
    """A running venue in `folder`. Raises: VenueError, StartCanceled."""
    why_no_power, why_no_networks = why_not() or "", networks.why_not()
    with ExitStack() as stack:
        router = None if why_no_networks else stack.enter_context(networks.Router())
        relays = stack.enter_context(Relays())
        venue = LocalVenue.format(folder, config, gateway_count=GATEWAYS)
        venue.node_module = node_module
        (folder / FOLDER).mkdir()
        links = Networks(venue, relays, router) if router else Links(venue, relays)
        made = Arena(venue, links, why_no_power, why_no_networks)
        stack.callback(made.close)
        for node_id in [] if why_no_power else made.node_ids:
            made.disks[node_id] = ForgetfulDisk.over(folder / node_id)
        venue.start(is_canceled=is_canceled)
        yield made
