"""The order book's structure: queues, many prices, far prices, large venues."""

import random

from oms.messages import commands as c
from oms.messages.enums import EventKind, TimeInForce
from oms.messages.event_records import Event
from tests.unit.core.venue import BUYER, SELLER, TICK, Venue, executed

MIDDLE = 500_000 * TICK // TICK * TICK


def _names(events: list[Event]) -> list[int]:
    return [event.user_ref_num for event in executed(events, SELLER)]


def test_first_come_is_first_served() -> None:
    """Price-time priority is what the venue sells."""
    venue = Venue()
    venue.apply(*[venue.new(SELLER, 10, 1000) for _ in range(5)])
    assert _names(venue.apply(venue.new(BUYER, 25, 1000))) == [1, 2, 3]
    assert _names(venue.apply(venue.new(BUYER, 25, 1000))) == [3, 4, 5]
    venue.engine.verify()


def test_orders_leave_a_queue_from_any_place() -> None:
    """Head, middle and tail: the rest keeps its order."""
    venue = Venue()
    venue.apply(*[venue.new(SELLER, 10, 1000) for _ in range(6)])
    for gone in (3, 1, 6):
        venue.apply(venue.cancel(SELLER, gone))
        venue.engine.verify()
    assert _names(venue.apply(venue.new(BUYER, 100, 1000))) == [2, 4, 5]


def test_reducing_keeps_the_place_and_replacing_does_not() -> None:
    """RULES B1: less is free, everything else goes to the back."""
    venue = Venue()
    venue.apply(*[venue.new(SELLER, 10, 1000) for _ in range(3)])
    venue.apply(venue.cancel(SELLER, 1, 4))
    venue.apply(venue.replace(SELLER, 2, 10, 1000))
    assert _names(venue.apply(venue.new(BUYER, 100, 1000))) == [1, 3, 4]


def test_many_prices_come_out_in_order() -> None:
    """Ladders split and merge; the best price is always the best."""
    rng = random.Random(5)
    venue = Venue()
    model: dict[int, int] = {}  # price -> quantity of the asks
    names: dict[int, tuple[int, int]] = {}
    for _ in range(40):
        batch: list[c.Command] = []
        for _ in range(60):
            if names and rng.random() < 0.45:
                name = rng.choice(list(names))
                price, qty = names.pop(name)
                model[price] -= qty
                if not model[price]:
                    del model[price]
                batch.append(venue.cancel(SELLER, name))
            else:
                price, qty = rng.randint(1, 3000) * TICK, rng.randint(1, 9)
                batch.append(venue.new(SELLER, qty, price))
                names[venue.urn[SELLER]] = (price, qty)
                model[price] = model.get(price, 0) + qty
        venue.apply(*batch)
        venue.engine.verify()
    book = venue.engine.book(1, 10_000)
    assert book is not None
    assert [(level.price, level.qty) for level in book.asks] == sorted(model.items())
    everything = sum(model.values())
    events = venue.apply(venue.new(BUYER, everything, 3000 * TICK))
    prices = [event.price for event in executed(events, BUYER)]
    assert prices == sorted(prices)
    assert venue.engine.open_orders == 0
    venue.engine.verify()


def test_emptying_from_the_far_end_keeps_the_rest() -> None:
    """Chunks that run dry at the worst prices are the ones a far quote leaves behind."""
    venue = Venue()
    for first in range(0, 1000, 250):
        venue.apply(*[venue.new(BUYER, 1, (n + 1) * TICK) for n in range(first, first + 250)])
    for first in range(1, 991, 90):
        venue.apply(*[venue.cancel(BUYER, name) for name in range(first, first + 90)])
        venue.engine.verify()
    book = venue.engine.book(1, 100)
    assert book is not None
    assert [level.price for level in book.bids] == [n * TICK for n in range(1000, 990, -1)]


def test_far_prices_stand_beside_near_ones() -> None:
    """The lowest and the highest price there is are prices like any other."""
    venue = Venue(tick=1)
    venue.apply(venue.new(BUYER, 1, 1), venue.new(BUYER, 2, 1_000_000))
    venue.apply(venue.new(SELLER, 3, 2_000_000_000), venue.new(SELLER, 4, 1_000_001))
    book = venue.engine.book(1, 10)
    assert book is not None
    assert [(level.price, level.qty) for level in book.bids] == [(1_000_000, 2), (1, 1)]
    assert [(level.price, level.qty) for level in book.asks] == [(1_000_001, 4), (2 * 10**9, 3)]
    events = venue.apply(venue.new(BUYER, 7, 2_000_000_000, tif=TimeInForce.FOK))
    assert [event.price for event in executed(events, BUYER)] == [1_000_001, 2_000_000_000]
    venue.engine.verify()


def test_books_do_not_see_each_other() -> None:
    """Levels of all books share one table; the same price twice is two levels."""
    venue = Venue(instruments=50)
    for instrument in range(1, 51):
        venue.apply(venue.new(SELLER, instrument, 1000, instrument=instrument))
    events = venue.apply(venue.new(BUYER, 100, 1000, instrument=17, tif=TimeInForce.IOC))
    assert [(event.instrument_id, event.qty) for event in executed(events, SELLER)] == [(17, 17)]
    assert venue.engine.open_orders == 49
    venue.engine.verify()


def test_looking_ahead_decides_nothing() -> None:
    """Above 16,384 live orders entries are read ahead: one entry must do what many would."""
    rng = random.Random(9)
    together, apart = Venue(instruments=20), Venue(instruments=20)
    for _ in range(17):
        batch = [
            together.new(BUYER, 5, rng.randint(1, 400) * TICK, instrument=rng.randint(1, 20))
            for _ in range(1000)
        ]
        together.apply(*batch)
        apart.apply(*batch)
    apart.seq, apart.urn = dict(together.seq), dict(together.urn)
    mixed: list[c.Command] = []
    for _ in range(400):
        name = rng.randint(1, 17_000)
        mixed.append(together.cancel(BUYER, name))
        mixed.append(together.replace(BUYER, rng.randint(1, 17_000), 3, 401 * TICK))
        mixed.append(together.new(SELLER, 20, rng.randint(300, 401) * TICK, instrument=3))
    events = [event._replace(timestamp_ns=0) for event in together.apply(*mixed)]
    one_by_one = [event for command in mixed for event in apart.apply(command)]
    assert events == [event._replace(timestamp_ns=0) for event in one_by_one]
    assert any(event.kind == EventKind.TRADE for event in events)
    together.engine.verify()
