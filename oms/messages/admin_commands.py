"""The inputs of the engine that run the venue: who and what there is, limits, phases, money, days.

Called by the gateways' administration, by genesis and by everything that handles commands.py, whose
rules hold here as well: fields are only appended, with a default.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from oms.bounds import TICK_ROWS_SENT_MAX
from oms.messages.signed import (
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bytes8,
    Bytes16,
    Bytes32,
    CurrencyCode,
    Firm,
    Signed,
)


class AddInstrument(Signed, frozen=True, tag=33):
    """A tradable thing. Ids are dense from 1: the next free one, or DUPLICATE_ID / UNKNOWN_ID."""

    instrument_id: U32
    symbol: Bytes8
    lot_size: U32
    tick_size: I64
    reference_price: I64  # 0: none yet
    price_collar_bps: U32  # limit orders; 0: no collar
    market_collar_bps: U32  # market orders; at least 1
    phase: U8
    price_scale: U8 = 4
    currency_id: U8 = 0  # traded and settled in it; 0: the venue's first


class AddParticipant(Signed, frozen=True, tag=34):
    """A firm."""

    participant_id: U32
    name: Bytes16


class AddAccount(Signed, frozen=True, tag=35):
    """Where cash, positions, holds and limits live. `firm` is its name on OUCH (appendage 2)."""

    account_id: U32
    participant_id: U32
    firm: Firm
    max_order_qty: I64
    max_order_value: I64
    long_limit: I64
    short_limit: I64


class AddUser(Signed, frozen=True, tag=36):
    """A login. `key_hash` is scrypt of the password with `salt`; the log never holds a password."""

    user_id: U32
    participant_id: U32
    name: Bytes16
    salt: Bytes16
    key_hash: Bytes32


class OpenSession(Signed, frozen=True, tag=37):
    """A user's numbered conversation on one protocol (RULES A1)."""

    opened_session_id: U32
    user_id: U32
    default_account_id: U32
    protocol: U8
    options: U8 = 0  # SessionOption


class Grant(Signed, frozen=True, tag=38):
    """Set the entitlement bits of a user for an account; account 0 is the venue itself."""

    user_id: U32
    account_id: U32
    entitlements: U32


class DepositCash(Signed, frozen=True, tag=39):
    """Bring money in (or out, negative: never below what is held)."""

    account_id: U32
    amount: I64
    key: U64 = 0  # the same again with the same key has no effect; 0: no key
    currency_id: U32 = 0  # 0: the venue's first


class DepositShares(Signed, frozen=True, tag=40):
    """Bring shares in (or out, negative: never below what is held for sales)."""

    account_id: U32
    instrument_id: U32
    amount: I64
    key: U64 = 0  # as of DEPOSIT_CASH
    cost: I64 = 0  # what they were bought for, all together


class SetLimits(Signed, frozen=True, tag=41):
    """Replace an account's limits; accepted orders are not touched."""

    account_id: U32
    max_order_qty: I64
    max_order_value: I64
    long_limit: I64
    short_limit: I64


class SetInstrument(Signed, frozen=True, tag=42):
    """Replace an instrument's parameters; the tick only while its book is empty, but SET_TICKS."""

    instrument_id: U32
    lot_size: U32
    tick_size: I64
    reference_price: I64
    price_collar_bps: U32
    market_collar_bps: U32
    currency_id: U8 = 0  # 0, or the one it has: that never changes


class SetPhase(Signed, frozen=True, tag=43):
    """Move one instrument (0: all of them) to another phase."""

    instrument_id: U32
    phase: U8
    call_ns: I64 = 0  # a call ends by itself after so long; 0: it does not


class SetBands(Signed, frozen=True, tag=55):
    """How far an instrument may trade before a volatility call; 0 basis points: no such band."""

    instrument_id: U32
    static_bps: U32  # around the price of the last call, or the reference price
    dynamic_bps: U32  # around the last trade
    call_ns: I64  # how long the volatility call lasts; 0: until told


class TickRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """From this price on, up to the next row's, prices are multiples of the tick."""

    price: U32
    tick: U32


class SetTicks(Signed, frozen=True, tag=56):
    """Say what a tick table holds, or (instrument not 0) which one an instrument follows."""

    table_id: U32
    instrument_id: U32 = 0
    tick_size: U32 = 0  # of an instrument without a table; 0: the one it had
    name: Bytes8 = b""
    first_row: U8 = 0  # of those that are replaced, to the table's last
    rows: Annotated[tuple[TickRow, ...], Meta(max_length=TICK_ROWS_SENT_MAX)] = ()


class StartDay(Signed, frozen=True, tag=44):
    """Open a trading day; output streams restart at 1 (RULES A21)."""

    trading_date: U32  # yyyymmdd
    midnight_ns: I64


class EndDay(Signed, frozen=True, tag=45):
    """Close the day: DAY orders expire in bounded steps."""


class SetSelfTrade(Signed, frozen=True, tag=47):
    """Which accounts are one owner, and what happens when they would trade with each other."""

    account_id: U32
    group: U32 = 0  # accounts of one group are one owner; 0: the account alone
    mode: U8 = 0  # SelfTrade of its orders that say nothing; 0: they trade


class SetKill(Signed, frozen=True, tag=48):
    """Stop new orders and replaces of a scope, or let them in again; what rests stays."""

    scope: U8  # KillScope
    scope_id: U32  # 0 for the venue
    is_killed: U8


class SetRisk(Signed, frozen=True, tag=49):
    """Change limits of an account, a session, or (scope_id 0) the default of all of them."""

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


class SetRestriction(Signed, frozen=True, tag=50):
    """Say what may not be entered in an instrument: by one account, or (account 0) by any."""

    instrument_id: U32
    account_id: U32
    restriction: U8  # Restriction; 0: none any more
    options: U8 = 0  # LimitOption


class AddCurrency(Signed, frozen=True, tag=51):
    """Money of one more kind; of one that is there, its rate, and its code if it has none."""

    currency_id: U32
    code: CurrencyCode  # three capital letters, ISO 4217
    rate: I64  # what one unit is worth in the first currency, in 10^-8; for exposure limits


class SetFees(Signed, frozen=True, tag=52):
    """Say what a schedule's orders pay, or (account not 0) which schedule an account's are of."""

    schedule_id: U32
    account_id: U32 = 0
    maker_rate: I32 = 0  # 10^-7 of a fill's value; below zero: a rebate
    taker_rate: I32 = 0
    fee_account_id: U32 = 0  # who gets it


class BustTrade(Signed, frozen=True, tag=54):
    """Take a trade of the day back: money, shares and fees; no order comes back."""

    match_id: U64


class Transfer(Signed, frozen=True, tag=53):
    """Move money (instrument 0) or shares with their cost from one account to another."""

    from_account_id: U32
    to_account_id: U32
    instrument_id: U32
    amount: I64
    key: U64 = 0  # as of DEPOSIT_CASH
    currency_id: U32 = 0  # of money; 0: the venue's first


class AdminMassCancel(Signed, frozen=True, tag=46):
    """Cancel every order in the venue that fits; 0 fits all."""

    of_session_id: U32 = 0
    of_account_id: U32 = 0
    of_instrument_id: U32 = 0
    side: U8 = 0  # SELL fits every sale


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
    | AddCurrency
    | SetFees
    | SetBands
    | SetTicks
    | Transfer
    | BustTrade
    | SetRisk
)
