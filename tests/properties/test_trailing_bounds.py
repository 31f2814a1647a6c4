"""How many trailing stops wait, and what an entry costs that moves them all."""

import msgspec
import pytest

from oms.bounds import TRAILING_STOPS_MAX
from oms.messages import commands as c
from oms.messages.enums import (
    OUCH_POLICY,
    EventKind,
    OrdType,
    RejectReason,
    Side,
    TimeInForce,
)
from oms.messages.event_records import unpack_events
from tests.properties.test_bounds import ALICE, MODULES, NEVER, Venue
from tests.properties.test_mass_cancel_bounds import BOB, _order

CAROL = 4


def _trailing(ref: int, *, trail: int = 0) -> c.NewOrder:
    """Alice sells when the price has fallen by so much from its highest."""
    return msgspec.structs.replace(
        _order(ALICE, ref),
        side=Side.SELL,
        ord_type=OrdType.TRAILING_STOP,
        time_in_force=TimeInForce.GTC,
        price=0,
        trail=trail or 1_000 + 100 * (ref % 7),
    )


def _filled(module: str, count: int) -> Venue:
    venue = Venue(module, orders_max=count + 10)
    for first in range(1, count + 1, 1000):
        venue.apply([_trailing(ref) for ref in range(first, min(first + 1000, count + 1))])
    assert venue.engine.open_orders == count
    return venue


def _trade(ref: int, price: int) -> list[c.Command]:
    return [_order(BOB, ref, Side.SELL, price), _order(CAROL, ref, Side.BUY, price)]


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_only_so_many_trail_in_one_instrument(module: str) -> None:
    """Each print may move them all, so there is a bound; elected ones are moved no more."""
    venue = _filled(module, TRAILING_STOPS_MAX)
    refused = TRAILING_STOPS_MAX + 1
    assert venue.apply([_trailing(refused)]) == [EventKind.ORDER_REJECTED]
    assert unpack_events(venue.engine.events())[0].reason == RejectReason.CAPACITY
    venue.apply([c.CancelOrder(ALICE, 1, refused + 1, NEVER, OUCH_POLICY, 7, 0)])
    again = msgspec.structs.replace(_trailing(refused + 1), client_seq=refused + 2)
    assert EventKind.ORDER_ACCEPTED in venue.apply([again])


@pytest.mark.property
def test_engines_agree_on_a_climb_and_a_fall() -> None:
    """A full list moved by print after print, then elected in bounded pieces, either way."""
    venues = [_filled(module, TRAILING_STOPS_MAX) for module in MODULES]
    prices = [100_000, 100_500, 100_400, 101_000, 100_700, 100_000, 99_000]
    steps = [[_trade(ref, price) for ref, price in enumerate(prices, 1)]]
    for batch in [*steps[0], [], []]:
        said = [venue.apply(batch) for venue in venues]
        assert said[0] == said[1]
        for venue in venues:
            venue.engine.restore(venue.engine.snapshot())
        oracle, core = (venue.engine for venue in venues)
        assert oracle.state_digest() == core.state_digest()
        assert oracle.is_work_pending == core.is_work_pending
    stops = {order.stop_price for order in venues[1].engine.session_orders(ALICE)}
    assert not stops, "all of them were elected, and found nobody to trade with"
