"""Every input of the engine, as gateways push it (msgspec, array-like) to the leader.

Plain data, no behavior. The leader decodes once (that is where the declared constraints are
checked) and packs the fixed records of `records.py`, which is all that log, engine and oracle see
(RULES A20). Fields are only appended, with a default; never reordered, reused or retyped. Here are
the commands of clients and gateways, and the union of all; units: signed.py.
"""

import msgspec

from oms.messages.admin_commands import AdminCommand
from oms.messages.signed import I32, I64, U8, U16, U32, U64, ClOrdId, Firm, Signed


class NewOrder(Signed, frozen=True, tag=1):
    """Enter an order. `user_ref_num` is the protocol's own key (OUCH UserRefNum)."""

    policy: U16
    user_ref_num: U32
    account_id: U32  # 0: the firm named is unknown; refused by a logged outcome
    instrument_id: U32  # 0: the symbol named is unknown
    side: U8
    ord_type: U8
    time_in_force: U8
    order_qty: U32
    price: I64  # market orders: as sent, only echoed
    cl_ord_id: ClOrdId
    firm: Firm
    display: U8
    capacity: U8
    iso: U8
    cross_type: U8
    refuse_reason: U8 = 0  # RejectReason found by pure translation; refused in the log
    min_qty: U32 = 0  # trade at least so much at once or not at all; 0: none
    self_trade: U8 = 0  # SelfTrade; 0: the account's
    post_only: U8 = 0  # PostOnly; 0: no
    expire_ns: I64 = 0  # GTD: time of the log; GTT: how long; others: 0
    display_qty: U32 = 0  # iceberg: what is shown at a time; 0: all
    stop_price: I64 = 0  # of a stop order
    trigger: U8 = 0  # Trigger of a stop order
    trail: U32 = 0  # of a trailing stop: the distance of its stop price
    peg_offset: I32 = 0  # of a peg; above 0: more aggressive


class ReplaceOrder(Signed, frozen=True, tag=2):
    """Replace a live order. `order_qty` is the chain's total, executed included (RULES B1)."""

    policy: U16
    orig_user_ref_num: U32
    user_ref_num: U32
    time_in_force: U8
    order_qty: U32
    price: I64
    cl_ord_id: ClOrdId
    display: U8
    iso: U8
    refuse_reason: U8 = 0
    min_qty: U32 = 0  # these five as in NewOrder: a replace enters anew
    self_trade: U8 = 0
    post_only: U8 = 0
    expire_ns: I64 = 0
    display_qty: U32 = 0
    stop_price: I64 = 0  # 0: the stop order's own
    trigger: U8 = 0  # 0, or the stop order's own
    trail: U32 = 0  # 0: the trailing stop's own
    peg_offset: I32 = 0


class CancelOrder(Signed, frozen=True, tag=3):
    """Cancel or reduce. `order_qty` is the new intended total, 0 to cancel everything open."""

    policy: U16
    user_ref_num: U32
    order_qty: U32


class AccountQuery(Signed, frozen=True, tag=4):
    """OUCH Q: which UserRefNum comes next."""


class RefusedRequest(Signed, frozen=True, tag=5):
    """A request this venue does not offer; its refusal is still a logged outcome."""

    user_ref_num: U32
    refuse_reason: U8


class MassCancel(Signed, frozen=True, tag=6):
    """Cancel every order that fits; 0 fits all. Of this session, or by policy of the account."""

    policy: U16
    user_ref_num: U32
    account_id: U32
    instrument_id: U32
    side: U8  # SELL fits every sale
    firm: Firm  # as sent, only echoed
    refuse_reason: U8 = 0


class DisableEntry(Signed, frozen=True, tag=7):
    """No new orders of this session's user for an account (0: any it has), until ENABLE_ENTRY."""

    user_ref_num: U32
    account_id: U32
    firm: Firm  # as sent, only echoed
    refuse_reason: U8 = 0


class EnableEntry(Signed, frozen=True, tag=8):
    """New orders of this session's user again."""

    user_ref_num: U32
    account_id: U32
    firm: Firm
    refuse_reason: U8 = 0


class Login(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=16):
    """A new connection of a session: new epoch, the old connection is void (RULES A3)."""

    session_id: U32
    nonce: U64  # chosen by the gateway; a repeat of the same nonce is the same login
    gateway_id: U64
    not_after_ns: I64 = 0  # log time; later it has no effect; 0: no limit


class Logout(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=17):
    """The connection ended (asked for, or lost)."""

    session_id: U32
    conn_epoch: U32


class GatewayLost(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=18):
    """The leader's own command: this gateway's lease ran out (RULES A4)."""

    gateway_id: U64


class Genesis(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=32):
    """First record of the log: capacities, and how many admin records follow unsigned."""

    cluster_id: U64
    rule_version: U32
    records_following: U32
    orders_max: U32
    instruments_max: U32
    participants_max: U32
    accounts_max: U32
    users_max: U32
    sessions_max: U32
    positions_max: U32
    duplicates_max: U32 = 0  # orders of one account remembered; 0: DUPLICATES_MAX
    trades_max: U32 = 0  # of a day's last matches: may be taken back; 0: none
    currencies_max: U32 = 0  # 0: CURRENCIES_MAX


OrderCommand = (
    NewOrder
    | ReplaceOrder
    | CancelOrder
    | AccountQuery
    | RefusedRequest
    | MassCancel
    | DisableEntry
    | EnableEntry
)
SessionCommand = Login | Logout | GatewayLost
Command = OrderCommand | SessionCommand | Genesis | AdminCommand
