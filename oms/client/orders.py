"""What a client knows of one order, and what can happen to it.

Called by `session.py`, which alone changes an Order; users read it. An Order is what the venue has
said so far: a state other than PENDING and UNKNOWN is committed and final or live.

Units: prices 10^-4, quantities whole shares, `timestamp_ns` nanoseconds since midnight.
"""

from enum import IntEnum, unique
from typing import Final

import msgspec

from oms.client.errors import OrderRejected, OrderStatusUnknown
from oms.messages.enums import OUCH_REJECT_CODE, Side
from oms.wire import ouch_messages as m


@unique
class OrderState(IntEnum):
    """Where an order stands. Everything but PENDING, LIVE and UNKNOWN is final."""

    PENDING = 1  # written (or waiting to be), no answer yet
    LIVE = 2
    FILLED = 3
    CANCELED = 4  # also what is left of an IOC
    REPLACED = 5  # `replaced_by` goes on
    REJECTED = 6
    IGNORED = 7  # certain: it never took effect (its original was gone, or its number was used)
    UNKNOWN = 8  # the client was closed before the answer came


SIDE_CODE: Final[dict[str, int]] = {
    "B": m.SIDE_BUY,
    "S": m.SIDE_SELL,
    "T": m.SIDE_SELL_SHORT,
    "E": m.SIDE_SELL_SHORT_EXEMPT,
    "BUY": m.SIDE_BUY,
    "SELL": m.SIDE_SELL,
    "SELL_SHORT": m.SIDE_SELL_SHORT,
    "SELL_SHORT_EXEMPT": m.SIDE_SELL_SHORT_EXEMPT,
}
SIDE_OF_CODE: Final[dict[int, Side]] = {
    m.SIDE_BUY: Side.BUY,
    m.SIDE_SELL: Side.SELL,
    m.SIDE_SELL_SHORT: Side.SELL_SHORT,
    m.SIDE_SELL_SHORT_EXEMPT: Side.SELL_SHORT_EXEMPT,
}
_CODE_OF_SIDE: Final = {side: code for code, side in SIDE_OF_CODE.items()}


def side_code(side: Side | str) -> int:
    """OUCH's character. Raises: ValueError for a side nobody knows."""
    code = SIDE_CODE.get(side.upper()) if isinstance(side, str) else _CODE_OF_SIDE.get(side)
    if code is None:
        msg = f"{side!r} is no side: BUY, SELL, SELL_SHORT or SELL_SHORT_EXEMPT"
        raise ValueError(msg)
    return code


def reject_text(code: int) -> str:
    """OUCH's code in words. Several reasons share a code: then all of them are named."""
    names = [reason.name for reason, of_reason in OUCH_REJECT_CODE.items() if of_reason == code]
    return f"{' or '.join(names) or 'unknown reason'} (code 0x{code:02X})"


class Terms(msgspec.Struct, frozen=True):
    """What an order asks for besides side, quantity, price and time; by default nothing."""

    min_qty: int = 0  # at once, or nothing
    display_qty: int = 0  # an iceberg shows so much at a time; 0: all
    is_hidden: bool = False
    is_post_only: bool = False
    lives_s: int = 0  # seconds from its acceptance on; 0: until the day's end
    stop_price: int | str = 0  # waits for a trade at this price; 0: enters at once
    is_stop_on_best: bool = False  # it waits for the best price of the other side instead
    trail: int | str = 0  # the stop price follows the market at this distance; it may be 0 then
    peg: str = ""  # primary, market or midpoint: it follows that price, hidden, up to its own
    peg_offset: int | str = 0  # of a peg, to what it follows; above 0: more aggressive
    self_trade: str = ""  # OUCH's AIQStrategy: W newest, O oldest, D decrement; else the account's


NO_TERMS: Final = Terms()
PRICE_TYPE_CODE: Final = {"primary": ord("R"), "market": ord("P"), "midpoint": ord("M")}
PEG_OF_CODE: Final = {code: peg for peg, code in PRICE_TYPE_CODE.items()}


class Order:
    """One order, by its UserRefNum (`urn`)."""

    __slots__ = (
        "answer",
        "cancel_numbers",
        "cl_ord_id",
        "cum_qty",
        "firm",
        "leaves_qty",
        "order_id",
        "order_qty",
        "original",
        "price",
        "public_id",
        "reject_reason",
        "replaced_by",
        "replacements",
        "request_number",
        "side",
        "state",
        "symbol",
        "terms",
        "time_in_force",
        "urn",
    )

    def __init__(self, urn: int) -> None:
        self.urn = urn
        self.state = OrderState.PENDING
        self.symbol = ""
        self.side = Side.BUY
        self.order_qty = 0  # the chain's total, executed included
        self.price = 0
        self.time_in_force = "DAY"
        self.firm = ""
        self.terms = NO_TERMS
        self.cl_ord_id = ""
        self.order_id = 0  # 0 until accepted
        self.public_id = 0  # the market data's number for it; 0 until accepted
        self.cum_qty = 0
        self.leaves_qty = 0
        self.reject_reason = 0
        self.original: Order | None = None
        self.replaced_by: Order | None = None
        self.answer: AnyEvent | None = None  # the event that ended PENDING
        # the session's own marks
        self.request_number = 0  # of the request that entered it, while unacknowledged
        self.cancel_numbers: list[int] = []  # of the cancel requests not settled yet
        self.replacements: list[Order] = []  # replaces of this order without an answer

    @property
    def is_open(self) -> bool:
        """Whether it may still execute, as far as the client knows."""
        return self.state in (OrderState.PENDING, OrderState.LIVE)

    def result(self) -> "Accepted | Replaced | None":
        """The answer to its entry; None while there is none.

        Raises: OrderRejected, OrderStatusUnknown (no answer can come any more).
        """
        match self.answer:
            case Accepted() | Replaced():
                return self.answer
            case Rejected(reason=reason):
                raise OrderRejected(self.urn, reason, reject_text(reason))
            case Ignored():
                text = "the venue passed over it, its original was not live any more"
                raise OrderRejected(self.urn, 0, text)
        if self.state is OrderState.UNKNOWN:
            raise OrderStatusUnknown(self.urn, "the client was closed before the answer came")
        return None

    def __repr__(self) -> str:
        what = f"{self.side.name} {self.order_qty} {self.symbol} @ {self.price}"
        done = f"cum={self.cum_qty}, leaves={self.leaves_qty}"
        return f"Order(urn={self.urn}, {what}, {self.state.name}, {done})"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What all events share. `seq`: the message's number in the stream, 0 if there is none."""

    seq: int
    timestamp_ns: int


class Accepted(Event, frozen=True, kw_only=True):
    """The order is committed."""

    order: Order


class Replaced(Event, frozen=True, kw_only=True):
    """`original` gave way to `order`."""

    order: Order
    original: Order


class Canceled(Event, frozen=True, kw_only=True):
    """`qty` of the order went away; `reason` is OUCH's character."""

    order: Order
    qty: int
    reason: str


class Executed(Event, frozen=True, kw_only=True):
    """One fill of the order."""

    order: Order
    last_qty: int
    last_price: int
    liquidity: str
    match_id: int


class TradeBroken(Event, frozen=True, kw_only=True):
    """The venue took a fill of `urn` back: its shares, money and fee. No order comes back.

    What orders say of themselves stays: `cum_qty` counts what was executed.
    """

    urn: int
    order: Order | None  # None: it is not open any more
    match_id: int  # as `Executed` said
    reason: str


class Restated(Event, frozen=True, kw_only=True):
    """The order shows `display_qty` anew, behind the others at its price, as `public_id`."""

    order: Order
    public_id: int
    display_qty: int


class Elected(Event, frozen=True, kw_only=True):
    """A stop order's price was reached: it enters the book now, and goes as far as its price."""

    order: Order


class Rejected(Event, frozen=True, kw_only=True):
    """The order was refused; `reason` is OUCH's code."""

    order: Order
    reason: int


class Ignored(Event, frozen=True, kw_only=True):
    """The order certainly never took effect: the venue passed over it in silence."""

    order: Order


class CancelRejected(Event, frozen=True, kw_only=True):
    """A cancel was refused; the order is untouched."""

    order: Order


class QueryAnswered(Event, frozen=True, kw_only=True):
    """The venue expects this UserRefNum next. `number` is the query's, 0: nobody's here."""

    number: int
    next_user_ref_num: int


class SystemEvent(Event, frozen=True, kw_only=True):
    """Start (`S`) or end (`E`) of the day."""

    code: str


class OtherMessage(Event, frozen=True, kw_only=True):
    """A message about which this client keeps no book, as decoded."""

    message: m.Message


class LoggedIn(Event, frozen=True, kw_only=True):
    """The session is caught up and live; `resent` requests were written again."""

    resent: int


class Disconnected(Event, frozen=True, kw_only=True):
    """The connection is gone; `unacknowledged` requests wait for the next one."""

    reason: str
    unacknowledged: int


AnyEvent = (
    Accepted
    | Replaced
    | Canceled
    | Executed
    | TradeBroken
    | Restated
    | Elected
    | Rejected
    | Ignored
    | CancelRejected
    | QueryAnswered
    | SystemEvent
    | OtherMessage
    | LoggedIn
    | Disconnected
)
