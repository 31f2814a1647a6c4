"""Ticks on a running venue: an operator sets a table, an instrument follows it, orders must fit."""

import json
from collections.abc import Iterator

import pytest

from oms.client.blocking import Client
from oms.client.errors import OrderRejected
from oms.config import (
    AccountConfig,
    InstrumentConfig,
    UserConfig,
    VenueConfig,
)
from oms.local.venue import LocalVenue
from tests.support.admin_verbs import admin, refused

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CONFIG = VenueConfig(
    instruments=[InstrumentConfig(symbol="OAK", reference_price="10.00")],
    participants=["NORTH"],
    accounts=[AccountConfig(firm="N", participant="NORTH", cash="1000")],
    users=[UserConfig(name="ANNA", participant="NORTH", password="A", accounts=["N"])],
)


@pytest.fixture(scope="module")
def venue() -> Iterator[LocalVenue]:
    """One instrument with a tick of a cent."""
    with LocalVenue.temporary(CONFIG) as running:
        yield running


def test_an_operator_sets_ticks_while_orders_rest(venue: LocalVenue) -> None:
    """Otherwise tables would be there, and nobody could say one."""
    with Client.connect(venue.gateway_addresses, "ANNA", "A") as anna:
        resting = anna.enter("OAK", "BUY", 10, "10.03")
        resting.outcome(5)
        rows = ["0:0.01", "10:0.05", *(f"{10 + n}:0.05" for n in range(1, 11))]
        assert "tick table 1 WIDE" in admin(venue, "ticks", "table", "WIDE", *rows)
        assert "OAK follows tick table WIDE" in admin(venue, "ticks", "follow", "OAK", "WIDE")
        assert resting.leaves_qty == 10
        with pytest.raises(OrderRejected, match="BAD_PRICE"):
            anna.enter("OAK", "BUY", 10, "10.03").outcome(5)
        anna.enter("OAK", "BUY", 10, "10.05").outcome(5)
        shown = admin(venue, "show", "directory")
        assert "WIDE" in shown
        tables = json.loads(admin(venue, "show", "directory", "--json"))["tick_tables"]
        assert len(tables[0]["prices"]) == len(rows)
        assert "a tick of 0.02" in admin(venue, "ticks", "single", "OAK", "0.02")
        anna.enter("OAK", "BUY", 10, "10.02").outcome(5)
    assert "there is no tick table" in refused(venue, "ticks", "follow", "OAK", "NARROW")
    assert "is no row" in refused(venue, "ticks", "table", "WIDE", "0.01")
    assert "is no name" in refused(venue, "ticks", "table", "MUCH TOO WIDE", "0:0.01")
    assert "BAD_VALUE" in refused(venue, "ticks", "table", "WIDE", "1:0.01")
