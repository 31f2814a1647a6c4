"""Money by command on a running venue: fees of the configuration, transfers, a trade taken back."""

import json
from collections.abc import Iterator

import pytest

from oms.client import orders as o
from oms.client.blocking import Client
from oms.config import (
    AccountConfig,
    FeesConfig,
    InstrumentConfig,
    UserConfig,
    VenueConfig,
)
from oms.local.venue import LocalVenue
from tests.support.admin_verbs import admin, refused

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CASH = 1_000_000_0000
CONFIG = VenueConfig(
    instruments=[InstrumentConfig(symbol="OAK", reference_price="10.00")],
    participants=["NORTH", "SOUTH"],
    accounts=[
        AccountConfig(firm="N", participant="NORTH", cash="1000000", fee_schedule=1),
        AccountConfig(firm="S", participant="SOUTH", cash="1000000", all_shares=1_000),
        AccountConfig(firm="FEES", participant="VENUE"),
    ],
    users=[
        UserConfig(name="ANNA", participant="NORTH", password="A", accounts=["N"]),
        UserConfig(name="SVEN", participant="SOUTH", password="S", accounts=["S"]),
    ],
    fees=[FeesConfig(to="FEES", maker="-0.2", taker="0.5")],
)


@pytest.fixture(scope="module")
def venue() -> Iterator[LocalVenue]:
    """Two firms, one of which pays fees."""
    with LocalVenue.temporary(CONFIG) as running:
        yield running


def cash(venue: LocalVenue) -> list[int]:
    """What the accounts N, S and FEES have."""
    shown = [admin(venue, "show", "account", firm, "--json") for firm in ("N", "S", "FEES")]
    return [int(json.loads(text)["cash"]) for text in shown]


def test_a_broken_trade_reaches_both_clients_and_everything_goes_back(venue: LocalVenue) -> None:
    """The fee is the configuration's; after the bust all three accounts have what they had."""
    with (
        Client.connect(venue.gateway_addresses, "ANNA", "A") as buyer,
        Client.connect(venue.gateway_addresses, "SVEN", "S") as seller,
    ):
        resting = seller.enter("OAK", "SELL", 100, "10.00")
        resting.outcome(5)
        bought = buyer.enter("OAK", "BUY", 60, "10.00")
        bought.outcome(5)
        (fill,) = [one for one in buyer.events(0.5) if isinstance(one, o.Executed)]
        paid = 300  # half a basis point of 600.00
        assert cash(venue) == [CASH - 600_0000 - paid, CASH + 600_0000, paid]
        assert "is taken back" in admin(venue, "bust", str(fill.match_id))
        (of_buyer,) = [one for one in buyer.events(0.5) if isinstance(one, o.TradeBroken)]
        (of_seller,) = [one for one in seller.events(0.5) if isinstance(one, o.TradeBroken)]
        assert (of_buyer.match_id, of_buyer.urn, of_buyer.reason) == (
            fill.match_id,
            bought.urn,
            "S",
        )
        assert (of_seller.match_id, of_seller.urn) == (fill.match_id, resting.urn)
        assert of_buyer.reason == "S", "supervisory"
        assert (of_buyer.order, of_seller.order) == (None, resting), "filled; open with the rest"
        assert (resting.leaves_qty, resting.cum_qty) == (40, 60), "no order comes back"
        seller.cancel(resting)
        seller.query_account()
    assert cash(venue) == [CASH, CASH, 0]
    assert "ALREADY_BUSTED" in refused(venue, "bust", str(fill.match_id))


def test_transfers_move_money_once_for_a_key_and_never_what_is_not_there(venue: LocalVenue) -> None:
    """The same command again, as after a timeout, must not pay twice."""
    before = cash(venue)
    for _ in range(2):
        admin(venue, "transfer", "N", "S", "250.50", "--key", "77")
    assert cash(venue) == [before[0] - 250_5000, before[1] + 250_5000, before[2]]
    assert "WRONG_KEY" in refused(venue, "transfer", "N", "S", "1", "--key", "77")
    assert "AMOUNT_UNAVAILABLE" in refused(venue, "transfer", "FEES", "S", "1")
    admin(venue, "transfer", "S", "N", "10", "--symbol", "OAK")
    shown = json.loads(admin(venue, "show", "account", "N", "--json"))
    assert [one["qty"] for one in shown["positions"]] == [10]


def test_fee_schedules_are_changed_and_given(venue: LocalVenue) -> None:
    """From the next order on; what the engine refuses is said by name."""
    admin(venue, "fees", "set", "2", "--to", "FEES", "--taker", "1.5")
    admin(venue, "fees", "give", "S", "2")
    directory = json.loads(admin(venue, "show", "directory", "--json"))
    rates = [(one["maker_rate"], one["taker_rate"]) for one in directory["fees"]]
    assert rates == [(-200, 500), (0, 1_500)]
    account = json.loads(admin(venue, "show", "account", "S", "--json"))
    assert account["fee_schedule"] == 2
    assert "UNKNOWN_ID" in refused(venue, "fees", "give", "S", "9")
    change = ("fees", "set", "1", "--to", "FEES", "--taker")
    assert "BAD_VALUE" in refused(venue, *change, "1001")
    assert "not a decimal number" in refused(venue, *change, "x")
