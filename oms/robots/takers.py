"""Takers: they trade with the makers' quotes, at once or not at all, and sometimes wait.

Called by `crowd.py`. At most RESTING_MAX orders of a taker rest; the oldest is withdrawn first.
"""

from collections import deque
from typing import Final

from oms.client.aio import AsyncOrder
from oms.messages.enums import Side
from oms.robots.robot import Robot, Surroundings

RESTING_MAX: Final = 16
REACH_TICKS: Final = 5  # how far beyond the fair price an order may trade
LOTS: Final = (50, 100, 100, 200, 400)
KINDS: Final = ("IOC", "FOK", "MARKET", "DAY")
SHARES: Final = (6, 1, 1, 2)


class Taker(Robot):
    """See the module's header."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        super().__init__(name, surroundings)
        self._resting: deque[AsyncOrder] = deque()

    def act(self) -> None:
        """Trade with somebody, or offer to."""
        instrument = self.market.pick()
        side = self.draw.choice((Side.BUY, Side.SELL))
        kind = self.draw.choices(KINDS, SHARES)[0]
        toward = 1 if side is Side.BUY else -1
        quantity = self.draw.choice(LOTS)
        if kind == "MARKET":
            self.enter(instrument.symbol, side, quantity, None, "IOC")
        elif kind == "DAY":
            self._offer(instrument.symbol, side, quantity, instrument.at(-toward))
        else:
            price = instrument.at(toward * self.draw.randint(1, REACH_TICKS))
            self.enter(instrument.symbol, side, quantity, price, kind)

    def settle(self, order: AsyncOrder) -> None:
        """Forget offers that are done."""
        if not order.is_open and order in self._resting:
            self._resting.remove(order)

    def _offer(self, symbol: str, side: Side, quantity: int, price: int) -> None:
        if len(self._resting) >= RESTING_MAX:
            self.cancel(self._resting.popleft())
        self._resting.append(self.enter(symbol, side, quantity, price, "DAY"))
