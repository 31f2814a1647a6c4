"""Random tick tables, and random prices near each other by whatever ticks hold just now.

Called by the generator's makers. Promises: deterministic in the given random source.
"""

from math import lcm
from random import Random

from oms.bounds import PRICE_MAX, TICK_ROWS_MAX, TICK_ROWS_SENT_MAX, TICK_TABLES_MAX
from oms.messages import admin_commands as ac
from oms.reference import ticks
from oms.reference.state import Instrument, Venue

TICKS = (1, 5, 10, 25, 100, 100, 250, 2500)
BAD_SHARE = 0.1  # of the rows that are sent


def stepped(instrument: Instrument, price: int, steps: int) -> int:
    """So many valid prices above `price` (or below), itself rounded down; at least the lowest."""
    price = ticks.price_floor(instrument, price)
    for _ in range(abs(steps)):
        price = (ticks.price_up if steps > 0 else ticks.price_down)(instrument, price)
    return price or ticks.price_up(instrument, 0)


def set_ticks(rng: Random, venue: Venue, sign: tuple[int, int, int, int]) -> ac.SetTicks:
    """A table, or which one an instrument follows; now and then one that cannot be."""
    table = rng.choice((1, 1, 2, 2, 3, rng.randint(0, len(venue.tick_tables) + 2)))
    if rng.random() < 0.01:
        table = TICK_TABLES_MAX + 1
    target = venue.instrument(rng.randint(0, len(venue.instruments) + 1))
    if target is not None and rng.random() < 0.6:
        if rng.random() < 0.4:  # a tick of its own
            tick = rng.choice((0, target.tick_size, *TICKS, PRICE_MAX + 1))
            return ac.SetTicks(*sign, 0, target.instrument_id, tick)
        tick = rng.choice((0, 0, 0, 0, 0, 0, 1))
        return ac.SetTicks(*sign, table, target.instrument_id, tick)
    some = rng.choice(venue.instruments) if venue.instruments else None
    near = (some.reference() if some else 0) or 10_000
    known = len(venue.tick_tables[table - 1].rows) if 0 < table <= len(venue.tick_tables) else 0
    first = rng.choice((0, 0, 0, known, rng.randint(0, TICK_ROWS_MAX)))
    name = rng.choice((b"T%d" % table, b"T%d" % table, b"T%d" % table, b"T1", b" "))
    return ac.SetTicks(*sign, table, 0, 0, name, first, _rows(rng, near, first))


def _rows(rng: Random, near: int, first: int) -> tuple[ac.TickRow, ...]:
    """Borders round a price that orders come near to."""
    tick = rng.choice(TICKS)
    rows = [ac.TickRow(0, tick)]
    if first:
        rows = [ac.TickRow(near - near % tick + rng.randint(1, 9) * tick, tick)]
    for _ in range(rng.choice((0, 1, 1, 2, 3, TICK_ROWS_SENT_MAX - 1))):
        both = lcm(tick, other := rng.choice(TICKS))
        least = rows[-1].price + both
        price = max(near - near % both + rng.randint(-2, 2) * both, least)
        price = min(price - price % both, PRICE_MAX)
        rows.append(ac.TickRow(price, other))
        tick = other
    if rng.random() < BAD_SHARE:
        at = rng.randrange(len(rows))
        rows[at] = ac.TickRow(rows[at].price + rng.choice((0, 1, 3)), rows[at].tick + 1)
    return tuple(rows)
