"""One order, live or on its way in.

Called by every file of this room. Promises: plain values only.
"""

from typing import Final

import msgspec

from oms.messages.enums import Liquidity, OrdType, TimeInForce

CALL_TIMES = frozenset((TimeInForce.AT_THE_OPEN, TimeInForce.AT_THE_CLOSE))

TRAILING_TYPES: Final = frozenset((OrdType.TRAILING_STOP, OrdType.TRAILING_STOP_LIMIT))
STOP_TYPES: Final = frozenset((OrdType.STOP, OrdType.STOP_LIMIT)) | TRAILING_TYPES
LIMITED_STOPS: Final = frozenset((OrdType.STOP_LIMIT, OrdType.TRAILING_STOP_LIMIT))
PEG_TYPES: Final = frozenset((OrdType.PEG_PRIMARY, OrdType.PEG_MARKET, OrdType.PEG_MIDPOINT))


class FeeSchedule(msgspec.Struct, frozen=True):
    """What an order pays of each fill, in 10^-7 of its value; below zero: is paid."""

    maker_rate: int
    taker_rate: int
    fee_account_id: int  # who gets it, or pays it


class Order(msgspec.Struct):
    """An order. `leaves` is open, `cum` is done in its whole chain of replaces."""

    order_id: int
    session_id: int
    user_ref_num: int
    account_id: int
    instrument_id: int
    side: int
    time_in_force: int
    price: int  # as entered: the limit, or what a market order happened to carry; STOP: how far
    leaves: int
    cum: int
    capacity: int
    cross_type: int
    firm: bytes
    expires_ns: int = 0  # when it goes, by the log's time; 0: no such time
    reserve: int = 0  # of the leaves: not shown
    peak: int = 0  # shown at a time while there is a reserve
    is_hidden: bool = False  # rests where nobody sees it
    public_id: int = 0  # the public's number for it, where it is not its order_id
    fees: FeeSchedule | None = None  # what it pays, as of its acceptance or last replace
    fee_carry: int = 0  # in 10^-7 units: charged too much so far, below one unit
    fee_held: int = 0  # of its account's hold
    slot: int = 0  # 0: never rested
    ord_type: int = OrdType.LIMIT  # of a resting one MARKET: it is in a call, at its collar price
    stop_price: int = 0  # what a stop order waits for; 0: it is none, or none any more
    trigger: int = 0
    trail: int = 0  # how far its stop price stays behind the market; 0: it does not follow it
    first_stop: int = 0  # of one that follows: the stop price that `price` belongs to
    self_trade: int = 0  # what it will say when it enters
    is_elected: bool = False  # it stands in the queue
    peg_offset: int = 0  # above 0: more aggressive than what it follows
    pegged_price: int = 0  # where a peg stands; 0: it is suspended

    @property
    def is_waiting(self) -> bool:
        """A stop order that has not entered the book yet."""
        return self.stop_price != 0

    @property
    def is_peg(self) -> bool:
        """It follows the best prices; `price` is its cap."""
        return self.ord_type in PEG_TYPES

    @property
    def stands_at(self) -> int:
        """The price of its level, at which it trades."""
        return self.pegged_price or self.price

    @property
    def shown(self) -> int:
        """What others see of a resting order."""
        return self.leaves - self.reserve

    @property
    def is_for_call(self) -> bool:
        """It goes when the call is over, traded or not."""
        return self.ord_type == OrdType.MARKET or self.time_in_force in CALL_TIMES

    def hide(self, display_qty: int) -> None:
        """It comes to rest, or leaves: `display_qty` is shown, the rest of it kept back; 0: all."""
        self.reserve = max(self.leaves - display_qty, 0) if display_qty else 0
        self.peak = display_qty if self.reserve else 0

    def cut(self, qty: int) -> None:
        """It loses shares without a trade: what is not shown first."""
        self.leaves -= qty
        self.take_from_reserve(min(qty, self.reserve))

    def take_from_reserve(self, qty: int) -> None:
        """Shown, or gone."""
        self.reserve -= qty
        self.peak = self.peak if self.reserve else 0


def liquidity_of(resting: Order) -> Liquidity:
    """What a resting order brings to a match."""
    return Liquidity.HIDDEN if resting.is_hidden else Liquidity.ADDED
