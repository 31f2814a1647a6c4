"""Stop orders through gateway and client: parked, moved and elected on either side of a kill."""

import pytest

from oms.client import orders as o
from oms.client.blocking import Client
from oms.client.orders import OrderState
from oms.client.requests import price_units
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SYMBOL = "ELM"
OWNER, MAKER, TAKER = "MAKE1", "MAKE2", "TAKE1"


def test_stop_orders_survive_the_leader_that_they_were_sent_to() -> None:
    """What waits is state like any other: the next leader moves it and lets it in."""
    config = demo_config(1)
    instrument = next(one for one in config.instruments if one.symbol == SYMBOL)
    middle, tick = price_units(instrument.reference_price), price_units(instrument.tick_size)
    passwords = {user.name: user.password for user in config.users}
    with LocalVenue.temporary(config, gateway_count=1) as venue:
        owner, maker, taker = (
            Client.connect(venue.gateway_addresses, name, passwords[name])
            for name in (OWNER, MAKER, TAKER)
        )
        with owner, maker, taker:
            trails = owner.enter(SYMBOL, "SELL", 10, None, terms=o.Terms(trail=5 * tick))
            waits = owner.enter(
                SYMBOL, "SELL", 7, None, terms=o.Terms(stop_price=middle - 8 * tick)
            )
            assert trails.outcome(5).order.terms.trail == 5 * tick
            assert waits.outcome(5).order.terms.stop_price == middle - 8 * tick
            leader = venue.leader()
            assert leader is not None
            venue.kill(leader)
            maker.enter(SYMBOL, "SELL", 1, middle + 10 * tick).outcome(20)
            taker.enter(SYMBOL, "BUY", 1, middle + 10 * tick, tif="IOC").outcome(20)
            bid = maker.enter(SYMBOL, "BUY", 50, middle + 5 * tick)
            bid.outcome(20)
            taker.enter(SYMBOL, "SELL", 1, middle + 5 * tick, tif="IOC").outcome(20)
            owner.query_account()
            told = list(owner.events(0.5))
            elected = [one.order for one in told if isinstance(one, o.Elected)]
            filled = [one for one in told if isinstance(one, o.Executed)]
            assert elected == [trails]
            assert [(one.order, one.last_qty, one.last_price) for one in filled] == [
                (trails, 10, middle + 5 * tick)
            ]
            assert (waits.is_open, waits.leaves_qty) == (True, 7)
            owner.cancel(waits)
            maker.cancel(bid)
            owner.query_account()
            assert waits.state is OrderState.CANCELED
