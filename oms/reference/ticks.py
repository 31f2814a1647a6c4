"""Which prices are valid in an instrument, and the next ones (docs/rules.md, Ticks).

Called by whatever judges or makes a price. Promises: changes nothing. Units: prices 10^-4.
"""

from oms.reference.state import Instrument


def tick_at(instrument: Instrument, price: int) -> int:
    """The tick of the prices around `price`; at the border of two rows the upper one's."""
    del price
    return instrument.tick_size


def is_on_tick(instrument: Instrument, price: int) -> bool:
    """Whether a price above 0 is valid."""
    return price % tick_at(instrument, price) == 0


def price_floor(instrument: Instrument, price: int) -> int:
    """The highest valid price not above `price`; 0: there is none."""
    tick = tick_at(instrument, price)
    return max(price // tick * tick, 0)


def price_ceil(instrument: Instrument, price: int) -> int:
    """The lowest valid price not below `price`; it may be above PRICE_MAX."""
    price = max(price, 1)
    tick = tick_at(instrument, price)
    return -(-price // tick) * tick


def price_down(instrument: Instrument, price: int) -> int:
    """The next valid price below; 0: there is none."""
    return price_floor(instrument, price - 1)


def price_up(instrument: Instrument, price: int) -> int:
    """The next valid price above; it may be above PRICE_MAX."""
    return price_ceil(instrument, price + 1)
