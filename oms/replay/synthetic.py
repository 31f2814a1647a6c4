"""Makes order flow for people who have no recording: the same messages for the same seed, for ever.

Called by the runner. A plain price-time book is kept while generating, so that every reduction,
deletion and execution names an order that is there, and an execution is always of the first order
at the best price: a venue that keeps price and time gives back every one of them exactly.

The mix (new, deleted, reduced, executed) and the distance of new orders from the touch are those
of a liquid share; prices walk at random. Only `Random.random` is used, whose sequence Python
promises never to change.
"""

import random
from collections import OrderedDict
from typing import Final

import numpy as np

from oms.replay.lobster import MESSAGE, Kind, Messages

COUNT: Final = 100_000
TICK: Final = 100  # 10^-4
START_TICKS: Final = 58_500
OPEN_NS: Final = 34_200 * 10**9
RESTING_AIM: Final = 400  # orders; the further above, the more are deleted
EXECUTED_SHARE: Final = 0.046
REDUCED_SHARE: Final = 0.006
DEPTH_TICKS: Final = 60
LOTS_MAX: Final = 20
FIRST_ID: Final = 16_000_000
_BUY: Final = 1


class _Book:
    """Orders by price, first in first out; ids by order of arrival."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, OrderedDict[int, int]]] = {1: {}, -1: {}}
        self.where: dict[int, tuple[int, int]] = {}
        self.ids: list[int] = []
        self.position: dict[int, int] = {}

    def best(self, direction: int) -> int | None:
        levels = self.levels[direction]
        if not levels:
            return None
        return max(levels) if direction == _BUY else min(levels)

    def add(self, order_id: int, direction: int, ticks: int, size: int) -> None:
        self.levels[direction].setdefault(ticks, OrderedDict())[order_id] = size
        self.where[order_id] = (direction, ticks)
        self.position[order_id] = len(self.ids)
        self.ids.append(order_id)

    def size(self, order_id: int) -> int:
        direction, ticks = self.where[order_id]
        return self.levels[direction][ticks][order_id]

    def take(self, order_id: int, size: int) -> None:
        direction, ticks = self.where[order_id]
        level = self.levels[direction][ticks]
        level[order_id] -= size
        if level[order_id]:
            return
        del level[order_id], self.where[order_id]
        if not level:
            del self.levels[direction][ticks]
        last = self.ids.pop()
        hole = self.position.pop(order_id)
        if last != order_id:
            self.ids[hole] = last
            self.position[last] = hole


def generate(seed: int, count: int = COUNT) -> Messages:
    """`count` messages. Same seed and count, same messages."""
    draw = random.Random(seed).random  # noqa: S311 - order flow, not a secret
    book = _Book()
    middle = START_TICKS
    time_ns = OPEN_NS
    next_id = FIRST_ID
    rows: list[tuple[int, int, int, int, int, int]] = []
    for _ in range(count):
        time_ns += 1 + int(-40_000_000 * _log_share(draw()))
        choice = draw()
        deleted_share = 0.45 * len(book.ids) / RESTING_AIM
        if choice < EXECUTED_SHARE and book.ids:
            direction = _BUY if draw() < 0.5 else -_BUY
            if book.best(direction) is None:
                direction = -direction
            ticks = book.best(direction)
            if ticks is None:
                continue
            order_id, size = next(iter(book.levels[direction][ticks].items()))
            done = size if draw() < 0.6 else 1 + int(draw() * size)
            done = min(done, size)
            book.take(order_id, done)
            kind = Kind.EXECUTE
            middle += direction * -1 if draw() < 0.3 else 0
        elif choice < EXECUTED_SHARE + REDUCED_SHARE + deleted_share and book.ids:
            order_id = book.ids[int(draw() * len(book.ids))]
            direction, ticks = book.where[order_id]
            size = book.size(order_id)
            is_reduced = choice < EXECUTED_SHARE + REDUCED_SHARE and size > 1
            done = 1 + int(draw() * (size - 1)) if is_reduced else size
            kind = Kind.REDUCE if is_reduced else Kind.DELETE
            book.take(order_id, done)
        else:
            direction, ticks = _new_place(book, middle, draw(), draw())
            next_id += 1 + int(draw() * 9)
            order_id = next_id
            done = 100 if draw() < 0.5 else 1 + int(draw() * 100 * LOTS_MAX)
            book.add(order_id, direction, ticks, done)
            kind = Kind.NEW
        rows.append((time_ns, kind, direction, done, order_id, ticks * TICK))
    return np.array(rows, dtype=MESSAGE)


def _log_share(share: float) -> float:
    """A cheap stand-in for a logarithm, the same on every machine: many small waits, few long."""
    return -(share * share * share)


def _new_place(book: _Book, middle: int, coin: float, share: float) -> tuple[int, int]:
    """Side and price of a new order: mostly near the touch, never through it."""
    direction = _BUY if coin < 0.5 else -_BUY
    away = int(share * share * DEPTH_TICKS)
    ticks = middle - direction * (1 + away)
    other = book.best(-direction)
    if other is not None and (ticks - other) * direction >= 0:
        ticks = other - direction
    return direction, max(ticks, 1)
