"""The one price at which collected orders trade (docs/rules.md, Calls; RULES B5).

Called by the auction. Promises: reads only; every open share counts, shown or not.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from sortedcontainers import SortedDict

from oms.messages.enums import OrdType, Side
from oms.reference import ticks
from oms.reference.book import Book, Level
from oms.reference.order import Order
from oms.reference.state import Instrument


class CallPrice(NamedTuple):
    """What would trade. Shape: scalars; nothing would: zeros. A surplus of sells is below 0."""

    price: int = 0
    volume: int = 0
    imbalance: int = 0


def find(book: Book, instrument: Instrument) -> CallPrice:
    """Most shares, then the smallest surplus, then where it presses, then near the reference."""
    all_bids, all_asks = book.everyone(Side.BUY), book.everyone(Side.SELL)
    if not all_bids or not all_asks:
        return CallPrice()
    high, low = all_bids.peekitem(0)[0], all_asks.peekitem(0)[0]
    if high < low:
        return CallPrice()
    bids = sorted((price, _open(level)) for price, level in all_bids.items() if price >= low)
    asks = sorted((price, _open(level)) for price, level in all_asks.items() if price <= high)
    reference = instrument.reference()
    buys = {(order.price, order.ord_type) for order in _orders(all_bids, bids)}
    sells = {(order.price, order.ord_type) for order in _orders(all_asks, asks)}
    is_market_alone = (buys, sells) == ({(high, OrdType.MARKET)}, {(low, OrdType.MARKET)})
    near = {price for price, _ in (*bids, *asks)}
    near |= {ticks.price_down(instrument, price) for price, _ in (*bids, *asks)}
    near |= {ticks.price_up(instrument, price) for price, _ in (*bids, *asks)}
    near |= {ticks.price_floor(instrument, reference), ticks.price_ceil(instrument, reference)}
    outcomes = _outcomes(bids, asks, [price for price in near if low <= price <= high])
    if is_market_alone:
        return _nearest(outcomes, reference)
    most = max(outcome.volume for outcome in outcomes)
    outcomes = [outcome for outcome in outcomes if outcome.volume == most]
    least = min(abs(outcome.imbalance) for outcome in outcomes)
    outcomes = [outcome for outcome in outcomes if abs(outcome.imbalance) == least]
    if all(outcome.imbalance < 0 for outcome in outcomes):
        return min(outcomes)
    if all(outcome.imbalance > 0 for outcome in outcomes):
        return max(outcomes)
    return _nearest(outcomes, reference)


def _nearest(outcomes: list[CallPrice], reference: int) -> CallPrice:
    """To the reference, of two the higher; without a reference the highest."""
    if reference == 0:
        return max(outcomes)
    return min(outcomes, key=lambda outcome: (abs(outcome.price - reference), -outcome.price))


def _outcomes(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], prices: list[int]
) -> list[CallPrice]:
    """What would trade at each of the prices; the levels come with their prices ascending."""
    bid_prices, ask_prices = [price for price, _ in bids], [price for price, _ in asks]
    below = [0, *accumulate(qty for _, qty in bids)]  # bids at the first n prices
    sold = [0, *accumulate(qty for _, qty in asks)]
    found = []
    for price in prices:
        demand = below[-1] - below[bisect_left(bid_prices, price)]
        supply = sold[bisect_right(ask_prices, price)]
        found.append(CallPrice(price, min(demand, supply), demand - supply))
    return found


def _orders(levels: "SortedDict[int, Level]", chosen: list[tuple[int, int]]) -> Iterator[Order]:
    for price, _ in chosen:
        yield from levels[price].values()


def _open(level: Level) -> int:
    return sum(order.leaves for order in level.values())
