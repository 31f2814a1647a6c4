"""A slice of the canonical state, hashed: docs/rules.md, Digest, `scrub_digest`.

Called by the engine. Promises: the words of the slice to the letter.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, TypeVar

from oms.messages.enums import Side
from oms.reference import digest
from oms.reference.order import Order
from oms.reference.state import Stops, Venue

SLOTS: Final = 4_096  # order slots in one step
ENTITIES: Final = 1_024  # instruments, participants, accounts
HEAVY: Final = 16  # users (each with its grants), sessions (each with its window)
_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF

_T = TypeVar("_T")


def window_at(step: int, count: int, width: int) -> range:
    """Which ids of a table of `count` are in the slice."""
    windows = -(-count // width)
    start = step % windows * width if windows else 0
    return range(start + 1, min(start + width, count) + 1)


def scrub_digest(venue: Venue, step: int) -> int:
    """Hash of the slice that a step turns to."""
    lanes = [1, 2, 3, 4]
    digest.mix(lanes, list(_words(venue, step)))
    return digest.finish(lanes)


def _words(venue: Venue, step: int) -> Iterator[int]:
    yield from digest.counter_words(venue)
    yield from _slot_words(venue, window_at(step, venue.numbers.highest_slot, SLOTS))
    for instrument in _in(venue.instruments, step, ENTITIES):
        yield from digest.instrument_words(instrument)
        yield from digest.print_words(venue.stops_of(instrument.instrument_id))
        yield from digest.peg_words(venue.pegs_of(instrument.instrument_id))
    for participant in _in(venue.participants, step, ENTITIES):
        yield from digest.participant_words(participant)
    for account in _in(venue.accounts, step, ENTITIES):
        yield from digest.account_words(account)
    yield _positions(venue, window_at(step, len(venue.accounts), ENTITIES))
    for user in _in(venue.users, step, HEAVY):
        yield from digest.user_words(user)
        for (user_id, account_id), bits in venue.grants.items():
            if user_id == user.user_id and bits:
                yield from (user_id, account_id, bits)
    for session in _in(venue.sessions, step, HEAVY):
        yield from digest.session_words(session)
    yield from digest.currency_words(venue)
    yield venue.numbers.restate_up_to
    yield venue.numbers.restate_last
    yield from digest.task_words(venue)
    yield venue.numbers.keys_taken
    for posting in _in(venue.keyed, step, ENTITIES):
        yield from digest.keyed_words(posting)
    yield from digest.fee_words(venue)
    yield from digest.tick_words(venue)
    yield venue.trades_max
    yield venue.day_match_id
    first, last = digest.trade_range(venue)
    window = window_at(step, last + 1 - first, ENTITIES)
    yield from digest.trade_words(venue, range(first + window.start - 1, first + window.stop - 1))
    if venue.capacities is None:
        return
    yield from venue.default_limits
    for table in (venue.account_limits, venue.session_limits):
        yield from digest.limits_words(table[0])
        for limits in _in(table[1:], step, HEAVY):
            yield from digest.limits_words(limits)


def _in(table: list[_T], step: int, width: int) -> list[_T]:
    """Ids are places in the table, from 1."""
    return [table[number - 1] for number in window_at(step, len(table), width)]


def _slot_words(venue: Venue, window: range) -> Iterator[int]:
    """Orders, and free slots, each with the slot that comes behind it."""
    behind = dict(pairwise(reversed(venue.free_slots)))
    for book in venue.books:
        for levels in book.ladders:
            for level in levels.values():
                behind.update(pairwise(order.slot for order in level.values()))
    for stops in venue.stops:
        behind.update(_behind(stops))
    for slot in window:
        order = venue.slots.get(slot)
        if order is None:
            yield slot
        else:
            yield from digest.order_words(order)
        yield behind.get(slot, 0)


def _behind(stops: Stops) -> Iterator[tuple[int, int]]:
    """Stop orders of one price, or elected, stand behind each other; trailing ones do not."""
    for one, other in pairwise(o for o in digest.in_their_places(stops) if _is_in_a_row(o)):
        is_one_price = (one.trigger, one.side == Side.BUY, one.stop_price) == (
            other.trigger,
            other.side == Side.BUY,
            other.stop_price,
        )
        if one.is_elected or (is_one_price and not other.is_elected):
            yield one.slot, other.slot


def _is_in_a_row(order: Order) -> bool:
    return order.is_elected or not order.trail


def _positions(venue: Venue, accounts: range) -> int:
    """In no order: the hashes are added up."""
    total = 0
    for key, position in venue.positions.items():
        if key[0] in accounts:
            lanes = [1, 2, 3, 4]
            digest.mix(lanes, digest.position_words(key, position))
            total += digest.finish(lanes)
    return total & _MASK
