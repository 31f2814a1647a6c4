"""The price of a call with thousands of prices, where the engine goes over whole parts of a ladder.

The generator's books have a few dozen levels; what the engine knows of a part's sum, and where it
leaves off going over parts, shows only in large ones. The oracle tries every price.
"""

import random

import msgspec
import pytest

from oms.messages import commands as c
from oms.messages.enums import EventKind, OrdType, Phase
from oms.messages.event_records import Event
from oms.messages.packing import pack_batch
from oms.reference.engine import Engine as Oracle
from tests.unit.core.venue import BUYER, SELLER, TICK, Venue

MIDDLE = 5_000


class CallVenue(Venue):
    """A venue in its opening call, beside the oracle."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        super().__init__(rule_version=2, phase=Phase.OPENING_AUCTION)

    def apply(self, *commands: c.Command) -> list[Event]:
        """One entry for both."""
        events = super().apply(*commands)
        self.oracle.apply(self.index, pack_batch(self.now_ns, list(commands)))
        assert self.engine.events() == self.oracle.events()
        return events


def _order(venue: CallVenue, rng: random.Random, spread: int) -> c.NewOrder:
    """Mostly overlapping, sometimes huge, hidden, an iceberg or at the market."""
    session = rng.choice((BUYER, SELLER))
    qty = rng.choice((rng.randrange(1, 100), rng.randrange(1, 100), rng.randrange(1, 20_000)))
    lean = spread // 3 if session == BUYER else -spread // 3
    price = (MIDDLE + lean + rng.randrange(-spread, spread)) * TICK
    order = venue.new(session, qty, price)
    kind = rng.random()
    if kind < 0.1:
        return msgspec.structs.replace(order, display=ord("N"))
    if kind < 0.2:
        return msgspec.structs.replace(order, display_qty=max(1, qty // 10))
    if kind < 0.21:
        return msgspec.structs.replace(order, ord_type=OrdType.MARKET, price=0)
    return order


@pytest.mark.parametrize("spread", [30, 400, 3_000])
@pytest.mark.parametrize("entry", [1, 40])
def test_the_price_of_a_large_call_is_the_oracles(spread: int, entry: int) -> None:
    """Every AUCTION_STATE of a call that grows and shrinks is the one that trying all says."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng, venue, said = random.Random(seed), CallVenue(), 0
    venue.apply(*[_order(venue, rng, spread) for _ in range(800)])
    for _ in range(60):
        commands: list[c.Command] = []
        for _ in range(entry):
            session, what = rng.choice((BUYER, SELLER)), rng.random()
            name = rng.randrange(1, venue.urn[session] + 1)
            if what < 0.5:
                commands.append(_order(venue, rng, spread))
            elif what < 0.8:
                commands.append(venue.cancel(session, name, rng.choice((0, 5))))
            else:
                price = (MIDDLE + rng.randrange(-spread, spread)) * TICK
                commands.append(venue.replace(session, name, 50, price))
        said += any(event.kind == EventKind.AUCTION_STATE for event in venue.apply(*commands))
    assert said > 10
    venue.engine.verify()


def test_one_order_takes_a_whole_side() -> None:
    """The last part of a ladder, too, is gone over at once, and then nothing is left there."""
    venue = CallVenue()
    venue.apply(*[venue.new(SELLER, 10, (MIDDLE + n) * TICK) for n in range(500)])
    for qty in (5_000, 1, 4_998, 5_001):
        venue.apply(venue.new(BUYER, qty, (MIDDLE + 600) * TICK))
        venue.apply(venue.cancel(BUYER, venue.urn[BUYER]))
    venue.engine.verify()
