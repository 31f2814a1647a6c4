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
        self.hidden_bids: SortedDict[int, Level] = SortedDict(neg)
        self.hidden_asks: SortedDict[int, Level] = SortedDict()

    def home(self, order: Order) -> "SortedDict[int, Level]":
        """The levels where an order rests."""
        if order.is_hidden:
            return self.hidden_bids if order.side == Side.BUY else self.hidden_asks
        return self.bids if order.side == Side.BUY else self.asks

    def opposite(self, side: int) -> "SortedDict[int, Level]":
        """The displayed levels an order of this side trades with."""
        return self.asks if side == Side.BUY else self.bids

    def hidden_opposite(self, side: int) -> "SortedDict[int, Level]":
        """The hidden levels an order of this side trades with."""
        return self.hidden_asks if side == Side.BUY else self.hidden_bids

    def add(self, order: Order) -> None:
        """Put an order at the back of its level."""
        self.home(order).setdefault(order.stands_at, {})[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out, and its level when that is empty then."""
        levels = self.home(order)
        del levels[order.stands_at][order.order_id]
        if not levels[order.stands_at]:
            del levels[order.stands_at]

    def everyone(self, side: int) -> "SortedDict[int, Level]":
        """The displayed levels of a side, each with the hidden orders of its price behind it."""
        both: SortedDict[int, Level] = SortedDict(neg) if side == Side.BUY else SortedDict()
        hidden = self.hidden_bids if side == Side.BUY else self.hidden_asks
        for levels in (self.bids if side == Side.BUY else self.asks, hidden):
            for price, level in levels.items():
                both[price] = both.get(price, {}) | level
        return both

    def first(self, side: int) -> Order | None:
        """Who trades next of one side, whatever the price."""
        shown, hidden = (
            (self.bids, self.hidden_bids) if side == Side.BUY else (self.asks, self.hidden_asks)
        )
        firsts = [levels.peekitem(0) for levels in (shown, hidden) if levels]
        if not firsts:
            return None
        best = (max if side == Side.BUY else min)(price for price, _ in firsts)
        level: Level = next(level for price, level in firsts if price == best)
        return next(iter(level.values()))

    def first_opposite(self, side: int, worst_price: int) -> Order | None:
        """Who trades next with an order of this side that goes no further than `worst_price`."""
        first = self.first(Side.SELL if side == Side.BUY else Side.BUY)
        if first is None or is_worse(side, first.stands_at, worst_price):
            return None
        return first

    def reachable(self, side: int, worst_price: int) -> Iterator[list[Order]]:
        """Level by level the orders that one of this side could trade with, first come first; at
        one price the displayed ones before the hidden ones.
        """
        shown, hidden = self.opposite(side), self.hidden_opposite(side)
        prices = sorted({*shown, *hidden}, reverse=side != Side.BUY)
        for price in prices:
            if is_worse(side, price, worst_price):
                return
            for levels in (shown, hidden):
                if price in levels:
                    yield list(levels[price].values())

    def move_to_the_back(self, order: Order) -> None:
        """The order stands behind all others of its level now."""
        level = self.home(order)[order.stands_at]
        level[order.order_id] = level.pop(order.order_id)

    def top(self) -> Top:
        """Best prices and quantities of both sides."""
        bid_price, bid_qty = _best(self.bids)
        ask_price, ask_qty = _best(self.asks)
        return Top(bid_qty, bid_price, ask_qty, ask_price)

    def orders(self) -> Iterator[Order]:
        """Every order: bids best first, then asks best first, then the hidden ones alike, each
        level first in first.
        """
        for levels in self.ladders:
            for level in levels.values():
                yield from level.values()

    @property
    def ladders(self) -> tuple["SortedDict[int, Level]", ...]:
        """Displayed bids and asks, hidden bids and asks."""
        return self.bids, self.asks, self.hidden_bids, self.hidden_asks

    @property
    def is_empty(self) -> bool:
        """Nothing rests."""
        return not any(self.ladders)


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
