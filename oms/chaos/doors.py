"""A relay in front of every gateway: where clients connect, and how their connections are broken.

Called by `links.py` and `networks.py`, which add what is between nodes and gateways.
"""

from oms.chaos.relay import Relays
from oms.local.venue import LocalVenue


class Doors:
    """The gateways' doors of one venue."""

    def __init__(self, venue: LocalVenue, relays: Relays) -> None:
        self._doors = [relays.link(item.listen) for item in venue.folder.venue.gateways]

    @property
    def doors(self) -> list[tuple[str, int]]:
        """Where clients connect."""
        split = [relay.address.rpartition(":") for relay in self._doors]
        return [(host, int(port)) for host, _, port in split]

    def flap(self) -> None:
        """Every client's connection breaks, with what is on its way."""
        for relay in self._doors:
            relay.drop()
