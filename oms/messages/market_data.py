"""What stands on an instrument's topic (`md.<symbol>|`): best prices, trades, phases and calls.

Called by the node (encode) and by the feed reader (decode). Plain data, msgspec maps: readable
without this file, by any MessagePack library. Fields are only added, with a default.

Units: prices 10^-price_scale of the instrument, quantities whole shares, nanoseconds since 1970.
"""

import msgspec


class BookTop(msgspec.Struct, frozen=True, gc=False):
    """Best bid and offer after a change; an empty side is price 0 and quantity 0."""

    symbol: str
    event_seq: int
    topic_seq: int
    timestamp_ns: int
    bid_price: int
    bid_qty: int
    ask_price: int
    ask_qty: int


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A match. `side` is the incoming order's (BUY, SELL, ...)."""

    symbol: str
    event_seq: int
    topic_seq: int
    timestamp_ns: int
    match_id: int
    price: int
    qty: int
    side: str
    is_hidden: bool = False  # with an order that no book showed


class PhaseChange(msgspec.Struct, frozen=True, gc=False):
    """The instrument moved to another phase, by its name (CONTINUOUS, HALTED, ...)."""

    symbol: str
    event_seq: int
    topic_seq: int
    timestamp_ns: int
    phase: str


class CallState(msgspec.Struct, frozen=True, gc=False):
    """What would trade if the call ended now; nothing would: price and volume 0.

    `imbalance` is what would be left over at that price, on the side named (BUY, SELL, or none).
    """

    symbol: str
    event_seq: int
    topic_seq: int
    timestamp_ns: int
    phase: str
    price: int
    volume: int
    imbalance: int
    imbalance_side: str


class CallTrade(msgspec.Struct, frozen=True, gc=False):
    """All that a call traded, at its one price. The trades it is made of are not published."""

    symbol: str
    event_seq: int
    topic_seq: int
    timestamp_ns: int
    phase: str
    match_id: int
    price: int
    volume: int


class TradeBust(msgspec.Struct, frozen=True, gc=False):
    """A trade was taken back: who counts volume takes it out again."""

    symbol: str
    event_seq: int
    topic_seq: int
    timestamp_ns: int
    match_id: int
    price: int
    qty: int
