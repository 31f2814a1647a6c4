"""The fair prices that all robots look at: seeded random walks, one per instrument.

Called by makers and takers. Pure but for its generator. Prices stay near where they began, so that
no collar is ever in the way. Units: 10^-4.
"""

import random
from collections.abc import Sequence
from typing import Final

from oms.config import InstrumentConfig
from oms.local.decimals import to_units

REACH_BPS: Final = 300  # how far a price may walk from its beginning


class Quoted:
    """One instrument: its tick and where its fair price stands."""

    __slots__ = ("fair_price", "highest", "lowest", "symbol", "tick_size")

    def __init__(self, config: InstrumentConfig) -> None:
        self.symbol = config.symbol
        self.tick_size = to_units(config.tick_size, "tick_size")
        reference = to_units(config.reference_price, "reference_price")
        self.fair_price = reference - reference % self.tick_size
        reach = self.fair_price * REACH_BPS // 10_000
        self.lowest = self.fair_price - reach
        self.highest = self.fair_price + reach

    def walk(self, ticks: int) -> None:
        """Move by some ticks, unless that leads too far away."""
        moved = self.fair_price + ticks * self.tick_size
        if self.lowest <= moved <= self.highest:
            self.fair_price = moved

    def at(self, ticks: int) -> int:
        """The price so many ticks from the fair one, at least one tick."""
        return max(self.tick_size, self.fair_price + ticks * self.tick_size)


class Market:
    """All instruments of the demo."""

    def __init__(self, instruments: Sequence[InstrumentConfig], draw: random.Random) -> None:
        self._draw = draw
        self.instruments = [Quoted(config) for config in instruments]

    def pick(self) -> Quoted:
        """Some instrument, a step further on its walk."""
        chosen = self._draw.choice(self.instruments)
        chosen.walk(self._draw.choice((-1, 0, 0, 1)))
        return chosen
