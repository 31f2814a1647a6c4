"""Every input of the engine, as gateways push it (msgspec, array-like) to the leader.

Plain data, no behavior. The leader decodes once (that is where the declared constraints are
checked) and packs the fixed records of `records.py`, which is all that log, engine and oracle see
(RULES A20). Fields are only appended, with a default; never reordered, reused or retyped.

Units: prices 10^-4 of the instrument's unit, money 10^-4 currency units, quantities whole shares,
times nanoseconds since 1970. One-character wire codes (display, capacity, ...) are ASCII numbers.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from oms.bounds import CL_ORD_ID_BYTES_MAX, FIRM_BYTES

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
U64 = Annotated[int, Meta(ge=0)]  # msgpack itself refuses more than 64 bits
I32 = Annotated[int, Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
I64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
ClOrdId = Annotated[bytes, Meta(max_length=CL_ORD_ID_BYTES_MAX)]
Firm = Annotated[bytes, Meta(max_length=FIRM_BYTES)]
Bytes8 = Annotated[bytes, Meta(max_length=8)]
Bytes16 = Annotated[bytes, Meta(max_length=16)]
Bytes32 = Annotated[bytes, Meta(max_length=32)]


class NewOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Enter an order. `user_ref_num` is the protocol's own key (OUCH UserRefNum)."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
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
    trail: U32 = 0  # of no order yet
    peg_offset: I32 = 0  # of no order yet


class ReplaceOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Replace a live order. `order_qty` is the chain's total, executed included (RULES B1)."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
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
    trail: U32 = 0
    peg_offset: I32 = 0


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """Cancel or reduce. `order_qty` is the new intended total, 0 to cancel everything open."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    policy: U16
    user_ref_num: U32
    order_qty: U32


class AccountQuery(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """OUCH Q: which UserRefNum comes next."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64


class RefusedRequest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A request this venue does not offer; its refusal is still a logged outcome."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    user_ref_num: U32
    refuse_reason: U8


class MassCancel(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """Cancel every order that fits; 0 fits all. Of this session, or by policy of the account."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    policy: U16
    user_ref_num: U32
    account_id: U32
    instrument_id: U32
    side: U8  # SELL fits every sale
    firm: Firm  # as sent, only echoed
    refuse_reason: U8 = 0


class DisableEntry(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """No new orders of this session's user for an account (0: any it has), until ENABLE_ENTRY."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    user_ref_num: U32
    account_id: U32
    firm: Firm  # as sent, only echoed
    refuse_reason: U8 = 0


class EnableEntry(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """New orders of this session's user again."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
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


class AddInstrument(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=33):
    """A tradable thing. Ids are dense from 1: the next free one, or DUPLICATE_ID / UNKNOWN_ID."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    instrument_id: U32
    symbol: Bytes8
    lot_size: U32
    tick_size: I64
    reference_price: I64  # 0: none yet
    price_collar_bps: U32  # limit orders; 0: no collar
    market_collar_bps: U32  # market orders; at least 1
    phase: U8
    price_scale: U8 = 4


class AddParticipant(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=34):
    """A firm."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    participant_id: U32
    name: Bytes16


class AddAccount(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=35):
    """Where cash, positions, holds and limits live. `firm` is its name on OUCH (appendage 2)."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    account_id: U32
    participant_id: U32
    firm: Firm
    max_order_qty: I64
    max_order_value: I64
    long_limit: I64
    short_limit: I64


class AddUser(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=36):
    """A login. `key_hash` is scrypt of the password with `salt`; the log never holds a password."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    user_id: U32
    participant_id: U32
    name: Bytes16
    salt: Bytes16
    key_hash: Bytes32


class OpenSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=37):
    """A user's numbered conversation on one protocol (RULES A1)."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    opened_session_id: U32
    user_id: U32
    default_account_id: U32
    protocol: U8
    options: U8 = 0  # SessionOption


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=38):
    """Set the entitlement bits of a user for an account; account 0 is the venue itself."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    user_id: U32
    account_id: U32
    entitlements: U32


class DepositCash(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=39):
    """Bring money in (or out, negative: never below what is held)."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    account_id: U32
    amount: I64
    key: U64 = 0  # the same again with the same key has no effect; 0: no key


class DepositShares(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=40):
    """Bring shares in (or out, negative: never below what is held for sales)."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    account_id: U32
    instrument_id: U32
    amount: I64
    key: U64 = 0  # as of DEPOSIT_CASH
    cost: I64 = 0  # what they were bought for, all together


class SetLimits(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=41):
    """Replace an account's limits; accepted orders are not touched."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    account_id: U32
    max_order_qty: I64
    max_order_value: I64
    long_limit: I64
    short_limit: I64


class SetInstrument(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=42):
    """Replace an instrument's parameters; the tick only while its book is empty."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    instrument_id: U32
    lot_size: U32
    tick_size: I64
    reference_price: I64
    price_collar_bps: U32
    market_collar_bps: U32


class SetPhase(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=43):
    """Move one instrument (0: all of them) to another phase."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    instrument_id: U32
    phase: U8
    call_ns: I64 = 0  # a call ends by itself after so long; 0: it does not


class SetBands(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=55):
    """How far an instrument may trade before a volatility call; 0 basis points: no such band."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    instrument_id: U32
    static_bps: U32  # around the price of the last call, or the reference price
    dynamic_bps: U32  # around the last trade
    call_ns: I64  # how long the volatility call lasts; 0: until told


class StartDay(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=44):
    """Open a trading day; output streams restart at 1 (RULES A21)."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    trading_date: U32  # yyyymmdd
    midnight_ns: I64


class EndDay(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=45):
    """Close the day: DAY orders expire in bounded steps."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64


class SetSelfTrade(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=47):
    """Which accounts are one owner, and what happens when they would trade with each other."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    account_id: U32
    group: U32 = 0  # accounts of one group are one owner; 0: the account alone
    mode: U8 = 0  # SelfTrade of its orders that say nothing; 0: they trade


class SetKill(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=48):
    """Stop new orders and replaces of a scope, or let them in again; what rests stays."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    scope: U8  # KillScope
    scope_id: U32  # 0 for the venue
    is_killed: U8


class SetRisk(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=49):
    """Change limits of an account, a session, or (scope_id 0) the default of all of them."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    scope: U8  # RiskScope
    scope_id: U32
    fields: U16  # RiskField: these are set to what stands below
    defaults: U16 = 0  # RiskField: these follow the default again
    options: U8 = 0  # LimitOption
    short_sale: U8 = 0  # ShortSale
    max_open_orders: U32 = 0  # 0: no limit, here and below
    order_rate: U32 = 0  # commands within the window
    cancel_reserve: U32 = 0  # of these, for cancels alone
    rate_window_ns: I64 = 0
    duplicate_window_ns: I64 = 0
    max_exposure: I64 = 0  # value of live orders
    max_order_qty: I64 = 0  # these four as in SetLimits: 0 is a limit
    max_order_value: I64 = 0
    long_limit: I64 = 0
    short_limit: I64 = 0


class SetRestriction(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=50):
    """Say what may not be entered in an instrument: by one account, or (account 0) by any."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    instrument_id: U32
    account_id: U32
    restriction: U8  # Restriction; 0: none any more
    options: U8 = 0  # LimitOption


class SetFees(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=52):
    """Say what a schedule's orders pay, or (account not 0) which schedule an account's are of."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    schedule_id: U32
    account_id: U32 = 0
    maker_rate: I32 = 0  # 10^-7 of a fill's value; below zero: a rebate
    taker_rate: I32 = 0
    fee_account_id: U32 = 0  # who gets it


class BustTrade(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=54):
    """Take a trade of the day back: money, shares and fees; no order comes back."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    match_id: U64


class Transfer(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=53):
    """Move money (instrument 0) or shares with their cost from one account to another."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    from_account_id: U32
    to_account_id: U32
    instrument_id: U32
    amount: I64
    key: U64 = 0  # as of DEPOSIT_CASH


class AdminMassCancel(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=46):
    """Cancel every order in the venue that fits; 0 fits all."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
    of_session_id: U32 = 0
    of_account_id: U32 = 0
    of_instrument_id: U32 = 0
    side: U8 = 0  # SELL fits every sale


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
AdminCommand = (
    AddInstrument
    | AddParticipant
    | AddAccount
    | AddUser
    | OpenSession
    | Grant
    | DepositCash
    | DepositShares
    | SetLimits
    | SetInstrument
    | SetPhase
    | StartDay
    | EndDay
    | AdminMassCancel
    | SetSelfTrade
    | SetKill
    | SetRestriction
    | SetFees
    | SetBands
    | Transfer
    | BustTrade
    | SetRisk
)
Command = OrderCommand | SessionCommand | Genesis | AdminCommand
