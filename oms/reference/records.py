"""Command records as named values.

Called by the engine for each record of an entry. Promises: reads what the layouts of
`oms/messages/records.py` say, judges nothing.
"""

from typing import NamedTuple

from oms.messages import records


class Head(NamedTuple):
    """The first 32 bytes of every record. Shape: scalars, in record order."""

    kind: int
    side: int
    ord_type: int
    time_in_force: int
    policy: int
    display: int
    capacity: int
    session_id: int
    conn_epoch: int
    client_seq: int
    not_after_ns: int


class OrderRecord(NamedTuple):
    """Kinds 1 to 5. Shape: scalars, in record order."""

    kind: int
    side: int
    ord_type: int
    time_in_force: int
    policy: int
    display: int
    capacity: int
    session_id: int
    conn_epoch: int
    client_seq: int
    not_after_ns: int
    account_id: int
    instrument_id: int
    price: int
    order_qty: int
    user_ref_num: int
    orig_user_ref_num: int
    iso: int
    cross_type: int
    refuse_reason: int
    cl_ord_id: bytes
    firm: bytes
    min_qty: int  # this and what follows: NEW_ORDER and REPLACE_ORDER
    display_qty: int
    trail: int
    expire_ns: int
    stop_price: int
    peg_offset: int
    trigger: int
    self_trade: int
    post_only: int


HEAD_FIELDS = len(Head._fields)


def head(record: bytes) -> Head:
    """The common header of a record."""
    return Head._make(records.EMPTY.unpack(record))


def order(record: bytes) -> OrderRecord:
    """A record of kinds 1 to 5."""
    return OrderRecord._make(records.ENTRY.unpack(record))
