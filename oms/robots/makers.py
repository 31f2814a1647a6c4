"""Market makers: quotes on both sides of the fair price, replaced as it moves.

Called by `crowd.py`. Each keeps at most DEPTH quotes a side and instrument.
"""

from collections import deque
from typing import Final

from oms.client.aio import AsyncOrder
from oms.messages.enums import Side
from oms.robots.market import Quoted
from oms.robots.robot import Robot, Surroundings

DEPTH: Final = 4
SPREAD_TICKS: Final = 3
LOTS: Final = (100, 200, 300, 500)
CANCEL_SHARE: Final = 0.3  # of full sides: an old quote is withdrawn, else replaced


class Maker(Robot):
    """See the module's header."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        super().__init__(name, surroundings)
        self._quotes: dict[tuple[str, Side], deque[AsyncOrder]] = {}

    def act(self) -> None:
        """Add a quote, or renew the oldest where enough stand."""
        instrument = self.market.pick()
        side = self.draw.choice((Side.BUY, Side.SELL))
        standing = self._standing(instrument, side)
        price = self._price(instrument, side)
        if len(standing) < DEPTH:
            quantity = self.draw.choice(LOTS)
            standing.append(self.enter(instrument.symbol, side, quantity, price, "DAY"))
            return
        oldest = standing.popleft()
        if self.draw.random() < CANCEL_SHARE:
            self.cancel(oldest)
        else:
            total = oldest.cum_qty + self.draw.choice(LOTS)
            standing.append(self.replace(oldest, total, price))

    def settle(self, order: AsyncOrder) -> None:
        """Forget quotes that are done."""
        if not order.is_open:
            quotes = self._quotes.get((order.symbol.strip(), order.side))
            if quotes is not None and order in quotes:
                quotes.remove(order)

    def _standing(self, instrument: Quoted, side: Side) -> deque[AsyncOrder]:
        return self._quotes.setdefault((instrument.symbol, side), deque())

    def _price(self, instrument: Quoted, side: Side) -> int:
        away = self.draw.randint(1, SPREAD_TICKS)
        return instrument.at(-away if side is Side.BUY else away)
