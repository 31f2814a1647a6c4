"""A venue of real processes whose nodes have disks that forget what was not synced.

Called by tests/integration/test_power_cuts.py. To cut the power of a node is to cut its disk's and
to kill it; what it wrote between the two went nowhere. Needs what `ForgetfulDisk` needs.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from oms.chaos.disk_answer import DiskAnswer
from oms.chaos.forgetful_disk import ForgetfulDisk
from oms.config import VenueConfig
from oms.local.venue import LocalVenue

GONE_S: Final = 30.0


class PoweredVenue:
    """Three nodes on disks of their own, and a gateway that has none. Made by `powered_venue`."""

    def __init__(self, venue: LocalVenue, disks: dict[str, ForgetfulDisk]) -> None:
        self.venue = venue
        self.disks = disks

    def cut(self, seed: int, names: Sequence[str] = ()) -> list[DiskAnswer]:
        """The power goes, of all or of some: a draw for each disk. Returns what was unsynced."""
        answers = [
            self.disks[name].cut(seed + number) for number, name in enumerate(names or self.disks)
        ]
        self._end(names)
        return answers

    def forget(self) -> None:
        """The power of all goes, and nothing that is unsynced is there."""
        for disk in self.disks.values():
            disk.forget()
        self._end(())

    def _end(self, names: Sequence[str]) -> None:
        for name in names or self.disks:
            self.venue.kill(name)
        for name in names or self.disks:
            assert self.venue.wait_gone(name, GONE_S), f"{name} does not die"

    def restore(self, names: Sequence[str] = ()) -> None:
        """The power is back, and the nodes start with what their disks hold."""
        for name in names or self.disks:
            self.disks[name].restore()
            self.venue.start_node(name)


@contextmanager
def powered_venue(folder: Path, config: VenueConfig) -> Iterator[PoweredVenue]:
    """A running venue in `folder`."""
    venue = LocalVenue.format(folder / "venue", config)
    with ExitStack() as disks:
        powered = PoweredVenue(
            venue,
            {
                node.node_id: disks.enter_context(
                    ForgetfulDisk.over(venue.folder.path / node.node_id)
                )
                for node in venue.nodes
            },
        )
        with venue:
            venue.start()
            yield powered
