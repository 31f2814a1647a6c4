"""What stands on an account's topic (`exec.<account_id>|`): one map per event of its orders.

Called by the node (encode) and by the feed reader (decode). Plain data, msgspec maps: readable
without this file, by any MessagePack library. A field that does not apply is left out. Fields are
only added, with a default.

Units: prices 10^-price_scale of the instrument, quantities whole shares, nanoseconds since 1970.
"""

import msgspec


class OrderEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An event of an order. `event` is the EventKind's name; codes are names, never numbers."""

    event: str  # ORDER_ACCEPTED, ..._REPLACED, ..._CANCELED, ..._EXECUTED, ..._REJECTED, CANCEL_..
    event_seq: int
    topic_seq: int
    timestamp_ns: int
    account_id: int
    session_id: int
    user_ref_num: int
    symbol: str = ""
    order_id: int = 0
    orig_user_ref_num: int = 0
    cl_ord_id: str = ""
    firm: str = ""
    side: str = ""
    ord_type: str = ""
    time_in_force: str = ""
    price: int = 0
    order_qty: int = 0  # accepted, replaced: what is open; rejected: what was asked for
    leaves_qty: int = 0
    is_live: bool = False
    last_qty: int = 0  # executed
    last_price: int = 0
    match_id: int = 0
    liquidity: str = ""  # ADDED or REMOVED
    fee: int = 0  # executed: what the account paid, 10^-4 currency units; below zero: was paid
    canceled_qty: int = 0
    cancel_reason: str = ""
    reject_reason: str = ""
    public_id: int = 0  # the public's number for the order, where it is not its order_id
    shown_qty: int = 0  # restated: what the public sees of it
    restated_reason: str = ""  # DISPLAY or ELECTED
    is_hidden: bool = False  # accepted, replaced, rejected, as are all that follow: as sent
    min_qty: int = 0
    display_qty: int = 0
    self_trade: str = ""
    post_only: str = ""
    expire_ns: int = 0  # GTD: since 1970; GTT: how long
    stop_price: int = 0
    trigger: str = ""  # of an order that waits: LAST_TRADE or BEST_PRICE
    trail: int = 0
    peg_offset: int = 0
