"""Several currencies on a running venue: those of the configuration, and one that is added live."""

import json
from collections.abc import Iterator

import pytest

from oms.client.blocking import Client
from oms.client.errors import OrderRejected
from oms.config import (
    AccountConfig,
    CurrencyConfig,
    InstrumentConfig,
    UserConfig,
    VenueConfig,
)
from oms.local.venue import LocalVenue
from tests.support.admin_verbs import admin, refused

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CONFIG = VenueConfig(
    currencies=[CurrencyConfig("USD"), CurrencyConfig("EUR", "1.10")],
    instruments=[
        InstrumentConfig(symbol="OAK", reference_price="10.00"),
        InstrumentConfig(symbol="ELM", reference_price="10.00", currency="EUR"),
    ],
    participants=["NORTH", "SOUTH"],
    accounts=[
        AccountConfig(firm="N", participant="NORTH", cash="1000", balances={"EUR": "500"}),
        AccountConfig(firm="S", participant="SOUTH", all_shares=100),
    ],
    users=[
        UserConfig(name="ANNA", participant="NORTH", password="A", accounts=["N"]),
        UserConfig(name="SVEN", participant="SOUTH", password="S", accounts=["S"]),
    ],
)


@pytest.fixture(scope="module")
def venue() -> Iterator[LocalVenue]:
    """Dollars and euros."""
    with LocalVenue.temporary(CONFIG) as running:
        yield running


def balances(venue: LocalVenue, firm: str) -> list[tuple[int, int]]:
    """Cash and hold of each currency."""
    shown = json.loads(admin(venue, "show", "account", firm, "--json"))
    return [(one["cash"], one["hold"]) for one in shown["balances"]]


def test_a_trade_is_paid_in_the_instruments_currency(venue: LocalVenue) -> None:
    """Dollars do not buy what is settled in euros, and are not touched by it."""
    with (
        Client.connect(venue.gateway_addresses, "ANNA", "A") as buyer,
        Client.connect(venue.gateway_addresses, "SVEN", "S") as seller,
    ):
        with pytest.raises(OrderRejected, match="INSUFFICIENT_CASH"):
            buyer.enter("ELM", "BUY", 51, "10.00").outcome(5)
        buyer.enter("ELM", "BUY", 50, "10.00").outcome(5)
        assert balances(venue, "N") == [(1000_0000, 0), (500_0000, 500_0000)]
        seller.enter("ELM", "SELL", 20, "10.00").outcome(5)
        assert balances(venue, "N") == [(1000_0000, 0), (300_0000, 300_0000)]
        assert balances(venue, "S") == [(0, 0), (200_0000, 0)]
    shown = admin(venue, "show", "totals")
    assert [line.split()[:2] for line in shown.splitlines() if "cash" in line] == [
        ["cash", "USD"],
        ["cash", "EUR"],
    ]


def test_a_currency_is_added_named_and_paid_in(venue: LocalVenue) -> None:
    """What an operator types, and what the venue or the command answers."""
    assert "(--rate)" in refused(venue, "currency", "add", "JPY")
    assert "capital letters" in refused(venue, "currency", "add", "J1Y", "--rate", "1")
    assert "currency 3 JPY" in admin(venue, "currency", "add", "jpy", "--rate", "0.0065")
    assert "BAD_VALUE" in refused(venue, "currency", "add", "EUR", "--rate", "2")
    assert "BAD_VALUE" in refused(venue, "currency", "rate", "USD", "2")
    admin(venue, "currency", "rate", "JPY", "0.007")
    admin(venue, "instrument", "add", "FIR", "--reference-price", "100", "--currency", "JPY")
    assert "7.00 JPY into account N" in admin(venue, "deposit", "N", "7", "--currency", "JPY")
    said = admin(venue, "transfer", "N", "S", "2.50", "--currency", "JPY")
    assert "2.50 JPY from account N to S" in said
    assert balances(venue, "N")[2] == (4_5000, 0)
    assert "AMOUNT_UNAVAILABLE" in refused(venue, "transfer", "N", "S", "5", "--currency", "JPY")
    assert "there is no currency" in refused(venue, "deposit", "N", "7", "--currency", "CHF")
    words = ("transfer", "S", "N", "1", "--symbol", "OAK", "--currency", "JPY")
    assert "shares are in no currency" in refused(venue, *words)
    shown = admin(venue, "show", "directory")
    assert "0.007" in shown
    directory = json.loads(admin(venue, "show", "directory", "--json"))
    assert [one["currency_id"] for one in directory["instruments"]] == [1, 2, 3]
    assert "JPY" in admin(venue, "show", "account", "N")
