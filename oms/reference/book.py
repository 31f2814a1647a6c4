"""All resting orders of one instrument: two sides of price levels, first in first out in each.

Called by the matcher, by views and by the digest. Promises: `bids` and `asks` iterate best price
first; a level is never empty.
"""

from collections.abc import Iterator
from operator import neg
from typing import NamedTuple

from sortedcontainers import SortedDict

from oms.messages.enums import Side
from oms.reference.order import Order

Level = dict[int, Order]  # order_id -> order, in order of arrival


class Top(NamedTuple):
    """Best prices and the quantity at them; an empty side is (0, 0). Shape: as BOOK_TOP."""

    bid_qty: int
    bid_price: int
    ask_qty: int
    ask_price: int


class Book:
    """One instrument's orders."""

    def __init__(self) -> None:
        self.bids: SortedDict[int, Level] = SortedDict(neg)
        self.asks: SortedDict[int, Level] = SortedDict()

    def same_side(self, side: int) -> "SortedDict[int, Level]":
        """The levels where an order of this side rests."""
        return self.bids if side == Side.BUY else self.asks

    def opposite(self, side: int) -> "SortedDict[int, Level]":
        """The levels an order of this side trades with."""
        return self.asks if side == Side.BUY else self.bids

    def add(self, order: Order) -> None:
        """Put an order at the back of its level."""
        self.same_side(order.side).setdefault(order.price, {})[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out, and its level when that is empty then."""
        levels = self.same_side(order.side)
        del levels[order.price][order.order_id]
        if not levels[order.price]:
            del levels[order.price]

    def first(self, levels: "SortedDict[int, Level]") -> Order | None:
        """Who trades next of one side."""
        return next(iter(levels.peekitem(0)[1].values())) if levels else None

    def first_opposite(self, side: int, worst_price: int) -> Order | None:
        """Who trades next with an order of this side that goes no further than `worst_price`."""
        levels = self.opposite(side)
        if not levels:
            return None
        price, level = levels.peekitem(0)
        if is_worse(side, price, worst_price):
            return None
        first: Order = next(iter(level.values()))
        return first

    def reachable(self, side: int, worst_price: int) -> Iterator[list[Order]]:
        """Level by level the orders that one of this side could trade with, first come first."""
        for price, level in self.opposite(side).items():
            if is_worse(side, price, worst_price):
                return
            yield list(level.values())

    def move_to_the_back(self, order: Order) -> None:
        """The order stands behind all others of its level now."""
        level = self.same_side(order.side)[order.price]
        level[order.order_id] = level.pop(order.order_id)

    def top(self) -> Top:
        """Best prices and quantities of both sides."""
        bid_price, bid_qty = _best(self.bids)
        ask_price, ask_qty = _best(self.asks)
        return Top(bid_qty, bid_price, ask_qty, ask_price)

    def orders(self) -> Iterator[Order]:
        """Every order: bids best first, then asks best first, each level first in first."""
        for levels in (self.bids, self.asks):
            for level in levels.values():
                yield from level.values()

    @property
    def is_empty(self) -> bool:
        """Nothing rests."""
        return not self.bids and not self.asks


def is_worse(side: int, price: int, worst_price: int) -> bool:
    """Whether an order of `side` that goes to `worst_price` must not trade at `price`."""
    return price > worst_price if side == Side.BUY else price < worst_price


def level_qty(level: Level) -> int:
    """Shown quantity of one level."""
    return sum(order.shown for order in level.values())


def _best(levels: "SortedDict[int, Level]") -> tuple[int, int]:
    if not levels:
        return 0, 0
    price, level = levels.peekitem(0)
    return price, level_qty(level)
