"""The fixed layouts: what a log entry holds and what the engine writes, byte for byte.

Called by the leader's sequencer (pack), by everything that reads events (numpy views, unpack) and
by the oracle. All little endian. `oms/_core/types.pxd` has the same layouts as C structs, and a
test compares every offset. This is the log's format: a change needs a version, golden files and a
`Wire` line in CHANGELOG.

Command record, 128 bytes: a common header of 32 bytes, then a body by kind.

    0 u8 kind   1 u8 side   2 u8 ord_type   3 u8 time_in_force   4 u16 policy
    6 u8 display   7 u8 capacity   8 u32 session_id   12 u32 conn_epoch
    16 u64 client_seq   24 i64 not_after_ns   32 body (96 bytes)

Batch (one log entry): 32 bytes header, then `count` command records.

    0 u8 marker 0x51   1 u8 version 1   2 u16 count   4 u32 flags 0
    8 i64 timestamp_ns (leader's clock)   16 u64 reserved   24 u64 reserved
"""

import struct
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import numpy as np

from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES, EVENT_BYTES
from oms.messages import commands as c
from oms.messages.enums import CommandKind

BATCH_MARKER: Final = 0x51
BATCH_VERSION: Final = 1
BATCH_HEADER: Final = struct.Struct("<BBHIqQQ")
assert BATCH_HEADER.size == BATCH_HEADER_BYTES

_HEAD = "<BBBBHBBIIQq"  # 32 bytes

# order body: 32 u32 account_id  36 u32 instrument_id  40 i64 price  48 u32 order_qty
# 52 u32 user_ref_num  56 u32 orig_user_ref_num  60 u8 iso  61 u8 cross_type
# 62 u8 refuse_reason  63 u8 reserved  64 24s cl_ord_id  88 4s firm  92..127 reserved
ORDER: Final = struct.Struct(_HEAD + "IIqIIIBBBx24s4s36x")
# orders that enter (NEW_ORDER, REPLACE_ORDER): 92 u32 min_qty  96 u32 display_qty
# 100 u32 trail  104 i64 expire_ns  112 i64 stop_price  120 i32 peg_offset
# 124 u8 trigger  125 reserved  126 u8 self_trade  127 u8 post_only
ENTRY: Final = struct.Struct(_HEAD + "IIqIIIBBBx24s4sIIIqqiBxBB")
# login body: 32 u64 nonce  40 u64 gateway_id   (GATEWAY_LOST uses gateway_id alone)
LOGIN: Final = struct.Struct(_HEAD + "QQ80x")
# genesis: 32 u64 cluster_id  40 u32 rule_version  44 u32 records_following  48 u32 orders_max
# 52 u32 instruments_max  56 u32 participants_max  60 u32 accounts_max  64 u32 users_max
# 68 u32 sessions_max  72 u32 positions_max  76 u32 duplicates_max
# 80 u32 trades_max
GENESIS: Final = struct.Struct(_HEAD + "QIIIIIIIIIII44x")
# instrument: 32 u32 instrument_id  36 u32 lot_size  40 i64 tick_size  48 i64 reference_price
# 56 u32 price_collar_bps  60 u32 market_collar_bps  64 u8 phase  65 u8 price_scale  72 8s symbol
INSTRUMENT: Final = struct.Struct(_HEAD + "IIqqIIBB6x8s48x")
# participant: 32 u32 participant_id  40 16s name
PARTICIPANT: Final = struct.Struct(_HEAD + "I4x16s72x")
# account / limits: 32 u32 account_id  36 u32 participant_id  40 4s firm  48 i64 max_order_qty
# 56 i64 max_order_value  64 i64 long_limit  72 i64 short_limit
ACCOUNT: Final = struct.Struct(_HEAD + "II4s4xqqqq48x")
# user: 32 u32 user_id  36 u32 participant_id  40 16s name  56 16s salt  72 32s key_hash
USER: Final = struct.Struct(_HEAD + "II16s16s32s24x")
# session: 32 u32 opened_session_id  36 u32 user_id  40 u32 default_account_id  44 u8 protocol
# 45 u8 options
SESSION: Final = struct.Struct(_HEAD + "IIIBB82x")
# grant: 32 u32 user_id  36 u32 account_id  40 u32 entitlements
GRANT: Final = struct.Struct(_HEAD + "III84x")
# deposit, transfer: 32 u32 account_id  36 u32 instrument_id  40 i64 amount  48 u64 key
# 56 u32 to_account_id (TRANSFER)  64 i64 cost (DEPOSIT_SHARES)
DEPOSIT: Final = struct.Struct(_HEAD + "IIqQI4xq56x")
# phase: 32 u32 instrument_id  36 u8 phase  40 i64 call_ns
PHASE: Final = struct.Struct(_HEAD + "IB3xq80x")
# bust: 32 u64 match_id
BUST: Final = struct.Struct(_HEAD + "Q88x")
# fees: 32 u32 schedule_id  36 u32 account_id  40 i32 maker_rate  44 i32 taker_rate
# 48 u32 fee_account_id
FEES: Final = struct.Struct(_HEAD + "IIiiI76x")
# bands: 32 u32 instrument_id  36 u32 static_bps  40 u32 dynamic_bps  48 i64 call_ns
BANDS: Final = struct.Struct(_HEAD + "III4xq72x")
# day: 32 u32 trading_date  40 i64 midnight_ns
DAY: Final = struct.Struct(_HEAD + "I4xq80x")
# self trade: 32 u32 account_id  36 u32 group  40 u8 mode
SELF_TRADE: Final = struct.Struct(_HEAD + "IIB87x")
# kill: 32 u32 scope_id  36 u8 scope  37 u8 is_killed
KILL: Final = struct.Struct(_HEAD + "IBB90x")
# risk: 32 u32 scope_id  36 u8 scope  37 u8 options  38 u16 fields  40 u16 defaults
# 42 u8 short_sale  44 u32 max_open_orders  48 u32 order_rate  52 u32 cancel_reserve
# 56 i64 rate_window_ns  64 i64 duplicate_window_ns  72 i64 max_exposure  80 i64 max_order_qty
# 88 i64 max_order_value  96 i64 long_limit  104 i64 short_limit
RISK: Final = struct.Struct(_HEAD + "IBBHHBxIIIqqqqqqq16x")
# restriction: 32 u32 instrument_id  36 u32 account_id  40 u8 restriction  41 u8 options
RESTRICTION: Final = struct.Struct(_HEAD + "IIBB86x")
# mass cancel by an administrator: 32 u32 of_session_id  36 u32 of_account_id
# 40 u32 of_instrument_id  (side in the header; MASS_CANCEL has the order body)
MASS_CANCEL: Final = struct.Struct(_HEAD + "III84x")
EMPTY: Final = struct.Struct(_HEAD + "96x")

for _layout in (
    ORDER, ENTRY, LOGIN, GENESIS, INSTRUMENT, PARTICIPANT, ACCOUNT, USER, SESSION, GRANT, DEPOSIT,
    BUST, FEES, PHASE, BANDS, DAY, SELF_TRADE, KILL, RISK, RESTRICTION, MASS_CANCEL, EMPTY,
):  # fmt: skip
    assert _layout.size == COMMAND_BYTES

_K = CommandKind


def _new_order(b: bytearray, o: int, m: c.NewOrder) -> None:
    ENTRY.pack_into(
        b, o, 1, m.side, m.ord_type, m.time_in_force, m.policy, m.display, m.capacity,
        m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns, m.account_id, m.instrument_id,
        m.price, m.order_qty, m.user_ref_num, 0, m.iso, m.cross_type, m.refuse_reason,
        m.cl_ord_id, m.firm, m.min_qty, m.display_qty, m.trail, m.expire_ns, m.stop_price,
        m.peg_offset, m.trigger, m.self_trade, m.post_only,
    )  # fmt: skip


def _replace_order(b: bytearray, o: int, m: c.ReplaceOrder) -> None:
    ENTRY.pack_into(
        b, o, 2, 0, 0, m.time_in_force, m.policy, m.display, 0, m.session_id, m.conn_epoch,
        m.client_seq, m.not_after_ns, 0, 0, m.price, m.order_qty, m.user_ref_num,
        m.orig_user_ref_num, m.iso, 0, m.refuse_reason, m.cl_ord_id, b"", m.min_qty,
        m.display_qty, m.trail, m.expire_ns, m.stop_price, m.peg_offset, m.trigger, m.self_trade,
        m.post_only,
    )  # fmt: skip


def _cancel_order(b: bytearray, o: int, m: c.CancelOrder) -> None:
    ORDER.pack_into(
        b, o, 3, 0, 0, 0, m.policy, 0, 0, m.session_id, m.conn_epoch, m.client_seq,
        m.not_after_ns, 0, 0, 0, m.order_qty, m.user_ref_num, 0, 0, 0, 0, b"", b"",
    )  # fmt: skip


def _account_query(b: bytearray, o: int, m: c.AccountQuery) -> None:
    EMPTY.pack_into(b, o, *_head(_K.ACCOUNT_QUERY, m))


def _refused(b: bytearray, o: int, m: c.RefusedRequest) -> None:
    ORDER.pack_into(
        b, o, 5, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns,
        0, 0, 0, 0, m.user_ref_num, 0, 0, 0, m.refuse_reason, b"", b"",
    )  # fmt: skip


def _mass_cancel(b: bytearray, o: int, m: c.MassCancel) -> None:
    ORDER.pack_into(
        b, o, 6, m.side, 0, 0, m.policy, 0, 0, m.session_id, m.conn_epoch, m.client_seq,
        m.not_after_ns, m.account_id, m.instrument_id, 0, 0, m.user_ref_num, 0, 0, 0,
        m.refuse_reason, b"", m.firm,
    )  # fmt: skip


def _entry(b: bytearray, o: int, m: c.DisableEntry | c.EnableEntry) -> None:
    kind = _K.DISABLE_ENTRY if isinstance(m, c.DisableEntry) else _K.ENABLE_ENTRY
    ORDER.pack_into(
        b, o, kind, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns,
        m.account_id, 0, 0, 0, m.user_ref_num, 0, 0, 0, m.refuse_reason, b"", m.firm,
    )  # fmt: skip


def _login(b: bytearray, o: int, m: c.Login) -> None:
    LOGIN.pack_into(
        b, o, 16, 0, 0, 0, 0, 0, 0, m.session_id, 0, 0, m.not_after_ns, m.nonce, m.gateway_id
    )


def _logout(b: bytearray, o: int, m: c.Logout) -> None:
    EMPTY.pack_into(b, o, 17, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, 0, 0)


def _gateway_lost(b: bytearray, o: int, m: c.GatewayLost) -> None:
    LOGIN.pack_into(b, o, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, m.gateway_id)


def _genesis(b: bytearray, o: int, m: c.Genesis) -> None:
    GENESIS.pack_into(
        b, o, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, m.cluster_id, m.rule_version,
        m.records_following, m.orders_max, m.instruments_max, m.participants_max,
        m.accounts_max, m.users_max, m.sessions_max, m.positions_max, m.duplicates_max,
        m.trades_max,
    )  # fmt: skip


def _head(
    kind: CommandKind, m: c.AdminCommand | c.AccountQuery
) -> tuple[int, int, int, int, int, int, int, int, int, int, int]:
    return (kind, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns)


def _add_instrument(b: bytearray, o: int, m: c.AddInstrument) -> None:
    INSTRUMENT.pack_into(
        b, o, *_head(_K.ADD_INSTRUMENT, m), m.instrument_id, m.lot_size, m.tick_size,
        m.reference_price, m.price_collar_bps, m.market_collar_bps, m.phase, m.price_scale,
        m.symbol.ljust(8),
    )  # fmt: skip


def _set_instrument(b: bytearray, o: int, m: c.SetInstrument) -> None:
    INSTRUMENT.pack_into(
        b, o, *_head(_K.SET_INSTRUMENT, m), m.instrument_id, m.lot_size, m.tick_size,
        m.reference_price, m.price_collar_bps, m.market_collar_bps, 0, 0, b"",
    )  # fmt: skip


def _add_participant(b: bytearray, o: int, m: c.AddParticipant) -> None:
    PARTICIPANT.pack_into(b, o, *_head(_K.ADD_PARTICIPANT, m), m.participant_id, m.name)


def _add_account(b: bytearray, o: int, m: c.AddAccount) -> None:
    ACCOUNT.pack_into(
        b, o, *_head(_K.ADD_ACCOUNT, m), m.account_id, m.participant_id, m.firm.ljust(4),
        m.max_order_qty, m.max_order_value, m.long_limit, m.short_limit,
    )  # fmt: skip


def _set_limits(b: bytearray, o: int, m: c.SetLimits) -> None:
    ACCOUNT.pack_into(
        b, o, *_head(_K.SET_LIMITS, m), m.account_id, 0, b"", m.max_order_qty,
        m.max_order_value, m.long_limit, m.short_limit,
    )  # fmt: skip


def _add_user(b: bytearray, o: int, m: c.AddUser) -> None:
    USER.pack_into(
        b, o, *_head(_K.ADD_USER, m), m.user_id, m.participant_id, m.name, m.salt, m.key_hash
    )


def _open_session(b: bytearray, o: int, m: c.OpenSession) -> None:
    SESSION.pack_into(
        b, o, *_head(_K.OPEN_SESSION, m), m.opened_session_id, m.user_id, m.default_account_id,
        m.protocol, m.options,
    )  # fmt: skip


def _grant(b: bytearray, o: int, m: c.Grant) -> None:
    GRANT.pack_into(b, o, *_head(_K.GRANT, m), m.user_id, m.account_id, m.entitlements)


def _deposit_cash(b: bytearray, o: int, m: c.DepositCash) -> None:
    DEPOSIT.pack_into(b, o, *_head(_K.DEPOSIT_CASH, m), m.account_id, 0, m.amount, m.key, 0, 0)


def _deposit_shares(b: bytearray, o: int, m: c.DepositShares) -> None:
    DEPOSIT.pack_into(
        b, o, *_head(_K.DEPOSIT_SHARES, m), m.account_id, m.instrument_id, m.amount, m.key, 0,
        m.cost,
    )  # fmt: skip


def _set_fees(b: bytearray, o: int, m: c.SetFees) -> None:
    FEES.pack_into(
        b, o, *_head(_K.SET_FEES, m), m.schedule_id, m.account_id, m.maker_rate, m.taker_rate,
        m.fee_account_id,
    )  # fmt: skip


def _bust_trade(b: bytearray, o: int, m: c.BustTrade) -> None:
    BUST.pack_into(b, o, *_head(_K.BUST_TRADE, m), m.match_id)


def _transfer(b: bytearray, o: int, m: c.Transfer) -> None:
    DEPOSIT.pack_into(
        b, o, *_head(_K.TRANSFER, m), m.from_account_id, m.instrument_id, m.amount, m.key,
        m.to_account_id, 0,
    )  # fmt: skip


def _set_phase(b: bytearray, o: int, m: c.SetPhase) -> None:
    PHASE.pack_into(b, o, *_head(_K.SET_PHASE, m), m.instrument_id, m.phase, m.call_ns)


def _set_bands(b: bytearray, o: int, m: c.SetBands) -> None:
    BANDS.pack_into(
        b, o, *_head(_K.SET_BANDS, m), m.instrument_id, m.static_bps, m.dynamic_bps, m.call_ns
    )


def _start_day(b: bytearray, o: int, m: c.StartDay) -> None:
    DAY.pack_into(b, o, *_head(_K.START_DAY, m), m.trading_date, m.midnight_ns)


def _end_day(b: bytearray, o: int, m: c.EndDay) -> None:
    EMPTY.pack_into(b, o, *_head(_K.END_DAY, m))


def _set_self_trade(b: bytearray, o: int, m: c.SetSelfTrade) -> None:
    SELF_TRADE.pack_into(b, o, *_head(_K.SET_SELF_TRADE, m), m.account_id, m.group, m.mode)


def _set_kill(b: bytearray, o: int, m: c.SetKill) -> None:
    KILL.pack_into(b, o, *_head(_K.SET_KILL, m), m.scope_id, m.scope, m.is_killed)


def _set_risk(b: bytearray, o: int, m: c.SetRisk) -> None:
    RISK.pack_into(
        b, o, *_head(_K.SET_RISK, m), m.scope_id, m.scope, m.options, m.fields, m.defaults,
        m.short_sale, m.max_open_orders, m.order_rate, m.cancel_reserve, m.rate_window_ns,
        m.duplicate_window_ns, m.max_exposure, m.max_order_qty, m.max_order_value, m.long_limit,
        m.short_limit,
    )  # fmt: skip


def _set_restriction(b: bytearray, o: int, m: c.SetRestriction) -> None:
    RESTRICTION.pack_into(
        b, o, *_head(_K.SET_RESTRICTION, m), m.instrument_id, m.account_id, m.restriction,
        m.options,
    )  # fmt: skip


def _admin_mass_cancel(b: bytearray, o: int, m: c.AdminMassCancel) -> None:
    MASS_CANCEL.pack_into(
        b, o, _K.ADMIN_MASS_CANCEL, m.side, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch,
        m.client_seq, m.not_after_ns, m.of_session_id, m.of_account_id, m.of_instrument_id,
    )  # fmt: skip


_C = TypeVar("_C")
_PACKERS: dict[type, Callable[[bytearray, int, c.Command], None]] = {}


def _register(kind: type[_C], packer: Callable[[bytearray, int, _C], None]) -> None:
    _PACKERS[kind] = packer  # type: ignore[assignment]


_register(c.NewOrder, _new_order)
_register(c.ReplaceOrder, _replace_order)
_register(c.CancelOrder, _cancel_order)
_register(c.AccountQuery, _account_query)
_register(c.RefusedRequest, _refused)
_register(c.MassCancel, _mass_cancel)
_register(c.DisableEntry, _entry)
_register(c.EnableEntry, _entry)
_register(c.Login, _login)
_register(c.Logout, _logout)
_register(c.GatewayLost, _gateway_lost)
_register(c.Genesis, _genesis)
_register(c.AddInstrument, _add_instrument)
_register(c.AddParticipant, _add_participant)
_register(c.AddAccount, _add_account)
_register(c.AddUser, _add_user)
_register(c.OpenSession, _open_session)
_register(c.Grant, _grant)
_register(c.DepositCash, _deposit_cash)
_register(c.DepositShares, _deposit_shares)
_register(c.SetLimits, _set_limits)
_register(c.SetInstrument, _set_instrument)
_register(c.SetPhase, _set_phase)
_register(c.SetBands, _set_bands)
_register(c.StartDay, _start_day)
_register(c.EndDay, _end_day)
_register(c.AdminMassCancel, _admin_mass_cancel)
_register(c.SetSelfTrade, _set_self_trade)
_register(c.SetKill, _set_kill)
_register(c.SetRisk, _set_risk)
_register(c.SetRestriction, _set_restriction)
_register(c.SetFees, _set_fees)
_register(c.Transfer, _transfer)
_register(c.BustTrade, _bust_trade)


def pack_batch(timestamp_ns: int, commands: list[c.Command]) -> bytes:
    """One log entry: the header, then every command's record in order.

    Bounds: at most BATCH_COMMANDS_MAX commands (the caller cuts).
    """
    count = len(commands)
    out = bytearray(BATCH_HEADER_BYTES + count * COMMAND_BYTES)
    BATCH_HEADER.pack_into(out, 0, BATCH_MARKER, BATCH_VERSION, count, 0, timestamp_ns, 0, 0)
    offset = BATCH_HEADER_BYTES
    for command in commands:
        _PACKERS[type(command)](out, offset, command)
        offset += COMMAND_BYTES
    return bytes(out)


# Event record, 128 bytes. Private and outcome events:
#   0 u8 kind  1 u8 side  2 u8 reason (RejectReason, CancelReason, Liquidity or system code)
#   3 u8 flags  4 u32 session_id  8 u64 event_seq  16 u64 out_seq  24 u64 topic_seq
#   32 i64 timestamp_ns  40 u32 account_id  44 u32 instrument_id  48 u64 client_seq
#   56 u32 conn_epoch  60 u32 user_ref_num  64 u64 order_id  72 i64 price  80 u32 qty
#   84 u32 leaves_qty  88 u32 orig_user_ref_num  92 u8 ord_type  93 u8 time_in_force
#   94 u8 display  95 u8 capacity
#   96 24s cl_ord_id (accepted, replaced, rejected)  |  96 u64 match_id (executed, trade)
#   104 i64 fee (executed: what its account paid; below zero: was paid; busted: likewise)
#   112 u64 public_id (canceled, executed, restated: the order's, where it is not its order_id)
#   120 4s firm  124 u8 iso  125 u8 cross_type  126 u8 reject_reason (a cancel that answers an
#   invalid replace)  127 u8 reserved
# ORDER_CANCELED for SELF_TRADE overlays: 96 i64 price, 104 u32 qty of the trade prevented,
# 108 u8 liquidity, 109 u8 mode (SelfTrade).
# ORDER_TERMS overlays: 72 i64 stop_price  80 u32 min_qty  84 u32 display_qty  88 u32 trail
# 92 u8 self_trade  93 u8 post_only  94 u8 trigger  96 i64 expire_ns  104 i32 peg_offset
# 112 u64 public_id (as sent with the order that the next record is about, 0 where it said nothing).
# BOOK_TOP overlays: 64 u64 bid_qty  72 i64 bid_price  80 u64 ask_qty  96 i64 ask_price
# (an empty side is price 0, quantity 0).
# AUCTION_STATE, AUCTION_TRADE overlay: 64 u64 volume  72 i64 price  80 u64 imbalance (STATE)
# 96 u64 match_id (TRADE); side is the surplus's, reason the phase.
EVENT: Final = struct.Struct("<BBBBIQQQqIIQIIQqIIIBBBB24s4sBBBx")
assert EVENT.size == EVENT_BYTES
_MATCH_ID = struct.Struct("<Q")
_FEE = struct.Struct("<q")
_PUBLIC_ID = struct.Struct("<16xQ")
_BOOK_TOP = struct.Struct("<QqQ8xq")
_TERMS = struct.Struct("<qIIIBBBxqi4xQ")
_AUCTION = struct.Struct("<QqQ8xQ")
# price, quantity, liquidity and mode of the trade prevented
_PREVENTED = struct.Struct("<qIBB")

_EVENT_FIELDS = [
    ("kind", "u1", 0), ("side", "u1", 1), ("reason", "u1", 2), ("flags", "u1", 3),
    ("session_id", "<u4", 4), ("event_seq", "<u8", 8), ("out_seq", "<u8", 16),
    ("topic_seq", "<u8", 24), ("timestamp_ns", "<i8", 32), ("account_id", "<u4", 40),
    ("instrument_id", "<u4", 44), ("client_seq", "<u8", 48), ("conn_epoch", "<u4", 56),
    ("user_ref_num", "<u4", 60), ("order_id", "<u8", 64), ("price", "<i8", 72),
    ("qty", "<u4", 80), ("leaves_qty", "<u4", 84), ("orig_user_ref_num", "<u4", 88),
    ("ord_type", "u1", 92), ("time_in_force", "u1", 93), ("display", "u1", 94),
    ("capacity", "u1", 95), ("cl_ord_id", "S24", 96), ("match_id", "<u8", 96),
    ("fee", "<i8", 104), ("public_id", "<u8", 112),
    ("firm", "S4", 120), ("iso", "u1", 124), ("cross_type", "u1", 125),
    ("reject_reason", "u1", 126), ("bid_qty", "<u8", 64), ("bid_price", "<i8", 72),
    ("ask_qty", "<u8", 80), ("ask_price", "<i8", 96), ("volume", "<u8", 64),
    ("imbalance", "<u8", 80),
]  # fmt: skip
EVENT_DTYPE: Final = np.dtype(
    {
        "names": [f[0] for f in _EVENT_FIELDS],
        "formats": [f[1] for f in _EVENT_FIELDS],
        "offsets": [f[2] for f in _EVENT_FIELDS],
        "itemsize": EVENT_BYTES,
    }
)


class Event(NamedTuple):
    """An event record, unpacked (see the layout above). Shape: scalars, in record order."""

    kind: int
    side: int
    reason: int
    flags: int
    session_id: int
    event_seq: int
    out_seq: int
    topic_seq: int
    timestamp_ns: int
    account_id: int
    instrument_id: int
    client_seq: int
    conn_epoch: int
    user_ref_num: int
    order_id: int
    price: int
    qty: int
    leaves_qty: int
    orig_user_ref_num: int
    ord_type: int
    time_in_force: int
    display: int
    capacity: int
    cl_ord_id: bytes
    firm: bytes
    iso: int
    cross_type: int
    reject_reason: int

    @property
    def match_id(self) -> int:
        """The match of an ORDER_EXECUTED or TRADE (the first 8 bytes of the cl_ord_id field)."""
        (match_id,) = _MATCH_ID.unpack_from(self.cl_ord_id)
        return int(match_id)

    @property
    def fee(self) -> int:
        """What an ORDER_EXECUTED cost its account; below zero: what it was paid."""
        (fee,) = _FEE.unpack_from(self.cl_ord_id, 8)
        return int(fee)

    @property
    def public_id(self) -> int:
        """The public's number for the order of a cancel, an execution or a restatement, where it
        is not its order_id.
        """
        (public_id,) = _PUBLIC_ID.unpack_from(self.cl_ord_id)
        return int(public_id)


def unpack_event(data: bytes | memoryview, offset: int = 0) -> Event:
    """Read one event record at `offset`."""
    return Event._make(EVENT.unpack_from(data, offset))


def unpack_events(data: bytes | memoryview) -> list[Event]:
    """Read a whole buffer of event records. Raises: struct.error when it is not a multiple."""
    return [Event._make(fields) for fields in EVENT.iter_unpack(data)]


def unpack_stream(data: bytes) -> list[Event]:
    """A replayed stream's numbered records, without the ORDER_TERMS that stand before some."""
    return [event for event in unpack_events(data) if event.out_seq]


class OrderTerms(NamedTuple):
    """What an order asks for besides side, quantity, price and time. Shape: 0: nothing said."""

    stop_price: int
    min_qty: int
    display_qty: int
    trail: int
    self_trade: int
    post_only: int
    trigger: int
    expire_ns: int
    peg_offset: int
    public_id: int


def unpack_terms(data: bytes | memoryview, offset: int = 0) -> OrderTerms:
    """Read the overlay of an ORDER_TERMS event at `offset`."""
    return OrderTerms._make(_TERMS.unpack_from(data, offset + 72))


class Prevented(NamedTuple):
    """The trade that self-trade prevention kept from happening. Shape: scalars."""

    price: int
    qty: int
    liquidity: int
    mode: int


def unpack_prevented(data: bytes | memoryview, offset: int = 0) -> Prevented:
    """Read the overlay of an ORDER_CANCELED event for SELF_TRADE at `offset`."""
    return Prevented._make(_PREVENTED.unpack_from(data, offset + 96))


class BookTop(NamedTuple):
    """Best bid and offer of a BOOK_TOP event; an empty side is (0, 0)."""

    bid_qty: int
    bid_price: int
    ask_qty: int
    ask_price: int


def unpack_book_top(data: bytes | memoryview, offset: int = 0) -> BookTop:
    """Read the overlay of a BOOK_TOP event record at `offset`."""
    return BookTop._make(_BOOK_TOP.unpack_from(data, offset + 64))


class Auction(NamedTuple):
    """What AUCTION_STATE and AUCTION_TRADE say beside side and phase. Shape: scalars."""

    volume: int
    price: int
    imbalance: int
    match_id: int


def unpack_auction(data: bytes | memoryview, offset: int = 0) -> Auction:
    """Read the overlay of an AUCTION_STATE or AUCTION_TRADE event at `offset`."""
    return Auction._make(_AUCTION.unpack_from(data, offset + 64))
