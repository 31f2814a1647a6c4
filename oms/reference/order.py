"""One order, live or on its way in.

Called by every file of this room. Promises: plain values only.
"""

import msgspec

from oms.messages.enums import OrdType


class Order(msgspec.Struct):
    """An order. `leaves` is open, `cum` is done in its whole chain of replaces."""

    order_id: int
    session_id: int
    user_ref_num: int
    account_id: int
    instrument_id: int
    side: int
    time_in_force: int
    price: int  # as entered: the limit, or what a market order happened to carry
    leaves: int
    cum: int
    capacity: int
    cross_type: int
    firm: bytes
    expires_ns: int = 0  # when it goes, by the log's time; 0: no such time
    slot: int = 0  # 0: never rested
    ord_type: int = OrdType.LIMIT  # only an incoming order can be anything else
