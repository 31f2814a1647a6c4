"""The venue that chaos is made in: three nodes on disks whose power can be cut, two gateways, and a
relay on every link.

Called by `run.py` and by tests. Where forgetful disks cannot be mounted the nodes have ordinary
ones, and `why_no_power` says so: then there are no power cuts. Belongs to one thread but for
`kill`. Leaves no process; files are left where the caller said.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from oms.chaos.forgetful_disk import ForgetfulDisk, why_not
from oms.chaos.links import Links
from oms.chaos.relay import Relays
from oms.config import VenueConfig
from oms.local.venue import LocalVenue, VenueError, never

GONE_S: Final = 10.0
GATEWAYS: Final = 2


class Arena:
    """Made by `arena`, running."""

    def __init__(
        self, venue: LocalVenue, links: Links, disks: dict[str, ForgetfulDisk], why_no_power: str
    ) -> None:
        self.venue = venue
        self.links = links
        self.disks = disks
        self.why_no_power = why_no_power  # "": power can be cut

    @property
    def node_ids(self) -> list[str]:
        """The nodes."""
        return [node.node_id for node in self.venue.nodes]

    @property
    def gateway_names(self) -> list[str]:
        """The gateways."""
        return [gateway.name for gateway in self.venue.folder.venue.gateways]

    def wait_gone(self, names: Sequence[str]) -> None:
        """Wait for the end of processes that were killed. Raises: VenueError."""
        for name in names:
            if not self.venue.wait_gone(name, GONE_S):
                raise VenueError(
                    what=f"{name} does not end",
                    why=f"it was killed {GONE_S:.0f} s ago",
                    do="look at the machine: a process that SIGKILL does not end hangs in the disk",
                    read="docs/testing.md, Chaos",
                )

    def cut_power(self, names: Sequence[str], seed: int) -> None:
        """The disks lose what was not synced, and the nodes are gone."""
        for number, name in enumerate(names):
            self.disks[name].cut(seed + number)
        for name in names:
            self.venue.kill(name)
        self.wait_gone(names)

    def restart(self, names: Sequence[str]) -> None:
        """Start what was killed; a disk whose power was cut has it again."""
        for name in names:
            self.venue.start_node(name)

    def restore_power(self, names: Sequence[str]) -> None:
        """The disks hold what they kept, and the nodes start with that."""
        for name in names:
            self.disks[name].restore()
        self.restart(names)

    def close(self) -> None:
        """End every process; the nodes' folders are ordinary ones, for whoever reads the log."""
        self.venue.stop()
        while self.disks:
            _, disk = self.disks.popitem()
            disk.give_back()


@contextmanager
def arena(
    folder: Path, config: VenueConfig, *, is_canceled: Callable[[], bool] = never
) -> Iterator[Arena]:
    """A running venue in `folder`. Raises: VenueError, StartCanceled."""
    why_no_power = why_not() or ""
    with ExitStack() as stack:
        relays = stack.enter_context(Relays())
        venue = LocalVenue.format(folder, config, gateway_count=GATEWAYS)
        made = Arena(venue, Links(venue, relays), {}, why_no_power)
        stack.callback(made.close)
        for node in [] if why_no_power else venue.nodes:
            made.disks[node.node_id] = ForgetfulDisk.over(folder / node.node_id)
        venue.start(is_canceled=is_canceled)
        yield made
