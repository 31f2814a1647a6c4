"""A whole venue as a pytest fixture: three nodes and a gateway, real processes on loopback.

Found by pytest itself once the package is installed. It costs an ordinary test run nothing: what
it needs is imported when a fixture is asked for.

    def test_my_strategy_quotes_both_sides(venue_client):
        client = venue_client("MAKE1")
        client.enter("ALDER", "BUY", 100, "25.10").outcome(timeout=2)

`venue` is started once for the whole run; override `venue_config` to decide what is in it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from oms.client.blocking import Client
    from oms.config import VenueConfig
    from oms.local.venue import LocalVenue

SEED = 1


class ClientMaker(Protocol):
    """What the fixture `venue_client` is."""

    def __call__(self, user: str = ..., *, from_seq: int = ...) -> "Client":
        """A client of the venue, logged in as `user`."""


@pytest.fixture(scope="session")
def venue_config() -> "VenueConfig":
    """Instruments, accounts and users of the venue: those of `oms demo`, unless overridden."""
    from oms.local.samples import demo_config

    return demo_config(SEED)


@pytest.fixture(scope="session")
def venue(venue_config: "VenueConfig") -> Iterator["LocalVenue"]:
    """A running venue, gone without a trace after the last test."""
    from oms.local.venue import LocalVenue

    with LocalVenue.temporary(venue_config) as running:
        yield running


@pytest.fixture
def venue_client(venue: "LocalVenue", venue_config: "VenueConfig") -> Iterator[ClientMaker]:
    """Makes clients: `venue_client(user="GUEST", from_seq=0)`, logged in.

    At the end of the test their open orders are canceled, so that the next one finds none of them.
    """
    from oms.client.blocking import Client
    from oms.local.samples import GUEST

    passwords = {user.name: user.password for user in venue_config.users}
    made: list[Client] = []

    def make(user: str = GUEST, *, from_seq: int = 0) -> Client:
        client = Client.connect(venue.gateway_addresses, user, passwords[user], from_seq=from_seq)
        made.append(client)
        return client

    yield make
    for client in made:
        if client.is_live:
            for order in client.session.orders.open_orders():
                client.session.cancel(order)
            client.query_account()
        client.close()
