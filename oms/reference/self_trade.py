"""Orders of one owner that meet: what happens instead of a trade (docs/rules.md, Self-trade).

Called by the matcher. Promises: with a mode set no owner ever trades with itself; the resting
order's event comes before the incoming one's.
"""

import struct

from oms.messages.enums import CancelReason, Liquidity, SelfTrade
from oms.reference import ledger
from oms.reference.events import Events
from oms.reference.order import Order, liquidity_of
from oms.reference.records import OrderRecord
from oms.reference.state import Venue

_PREVENTED = struct.Struct("<qIBB2x")  # price, quantity, liquidity, mode


def mode_of(venue: Venue, order: Order, record: OrderRecord) -> int:
    """What an incoming order says, or else its account; 0: it may trade with its owner."""
    return record.self_trade or venue.accounts[order.account_id - 1].self_trade


def is_same_owner(venue: Venue, one: Order, other: Order) -> bool:
    """One account, or two of one group."""
    group = venue.accounts[one.account_id - 1].owner_group
    is_one_group = group != 0 and group == venue.accounts[other.account_id - 1].owner_group
    return one.account_id == other.account_id or is_one_group


def can_trade(venue: Venue, incoming: Order, worst: int, mode: int, needed: int) -> bool:
    """Whether at least `needed` would trade at once, given what self-trade prevention takes."""
    found = 0
    for level in venue.book(incoming.instrument_id).reachable(incoming.side, worst):
        for resting in level:
            if not mode or not is_same_owner(venue, resting, incoming):
                found += resting.shown
            elif mode != SelfTrade.CANCEL_OLDEST:
                return found >= needed
        # What is not shown comes to the end of the level, behind every own order.
        found += sum(
            resting.reserve
            for resting in level
            if not mode or not is_same_owner(venue, resting, incoming)
        )
        if found >= needed:
            return True
    return False


def prevent(
    venue: Venue, events: Events, resting: Order, incoming: Order, mode: int, record: OrderRecord
) -> None:
    """The incoming order has met one of its owner's; the mode says who gives way."""
    price, both = resting.stands_at, min(resting.leaves, incoming.leaves)

    def give_way(order: Order, qty: int, liquidity: Liquidity) -> None:
        is_resting = liquidity != Liquidity.REMOVED
        if is_resting:
            ledger.release(venue, order, qty)
        order.cut(qty)
        if is_resting:
            ledger.hold_fees(venue, order, order.leaves)
        if mode == SelfTrade.DECREMENT:
            order.cum += qty
        events.canceled(
            order,
            qty,
            CancelReason.SELF_TRADE,
            None if is_resting else record,
            prevented=_PREVENTED.pack(price, both, liquidity, mode),
        )
        if is_resting and order.leaves == 0:
            venue.unlink(order)
            venue.free_slot(order)

    is_decrement = mode == SelfTrade.DECREMENT
    if mode != SelfTrade.CANCEL_NEWEST:
        give_way(resting, both if is_decrement else resting.leaves, liquidity_of(resting))
    if mode != SelfTrade.CANCEL_OLDEST:
        give_way(incoming, both if is_decrement else incoming.leaves, Liquidity.REMOVED)
