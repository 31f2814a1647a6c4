"""The fixed layouts of what a log entry holds, byte for byte.

Called by the leader's sequencer (packing.py), by the oracle and by everything that reads the log.
All little endian. `oms/_core/records.pxd` has the same layouts as C structs, and a test compares
every offset. This is the log's format: a change needs a version, golden files and a `Wire` line in
CHANGELOG. What the engine writes: event_records.py.

Command record, 128 bytes: a common header of 32 bytes, then a body by kind.

    0 u8 kind   1 u8 side   2 u8 ord_type   3 u8 time_in_force   4 u16 policy
    6 u8 display   7 u8 capacity   8 u32 session_id   12 u32 conn_epoch
    16 u64 client_seq   24 i64 not_after_ns   32 body (96 bytes)

Batch (one log entry): 32 bytes header, then `count` command records.

    0 u8 marker 0x51   1 u8 version 1   2 u16 count   4 u32 flags 0
    8 i64 timestamp_ns (leader's clock)   16 u64 reserved   24 u64 reserved
"""

import struct
from typing import Final

from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES

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
# 80 u32 trades_max  84 u32 currencies_max
GENESIS: Final = struct.Struct(_HEAD + "QIIIIIIIIIIII40x")
# instrument: 32 u32 instrument_id  36 u32 lot_size  40 i64 tick_size  48 i64 reference_price
# 56 u32 price_collar_bps  60 u32 market_collar_bps  64 u8 phase  65 u8 price_scale
# 66 u8 currency_id  72 8s symbol
INSTRUMENT: Final = struct.Struct(_HEAD + "IIqqIIBBB5x8s48x")
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
# 56 u32 to_account_id (TRANSFER)  60 u32 currency_id (of money)  64 i64 cost (DEPOSIT_SHARES)
DEPOSIT: Final = struct.Struct(_HEAD + "IIqQIIq56x")
# currency: 32 u32 currency_id  36 4s code  40 i64 rate
CURRENCY: Final = struct.Struct(_HEAD + "I4sq80x")
# phase: 32 u32 instrument_id  36 u8 phase  40 i64 call_ns
PHASE: Final = struct.Struct(_HEAD + "IB3xq80x")
# bust: 32 u64 match_id
BUST: Final = struct.Struct(_HEAD + "Q88x")
# fees: 32 u32 schedule_id  36 u32 account_id  40 i32 maker_rate  44 i32 taker_rate
# 48 u32 fee_account_id
FEES: Final = struct.Struct(_HEAD + "IIiiI76x")
# bands: 32 u32 instrument_id  36 u32 static_bps  40 u32 dynamic_bps  48 i64 call_ns
BANDS: Final = struct.Struct(_HEAD + "III4xq72x")
# ticks: 32 u32 table_id  36 u32 instrument_id  40 u32 tick_size  44 u8 first_row  45 u8 row_count
# 48 8s name  56 up to 9 rows of u32 price, u32 tick
TICKS: Final = struct.Struct(_HEAD + "IIIBB2x8s18I")
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
    CURRENCY, BUST, FEES, PHASE, BANDS, TICKS, DAY, SELF_TRADE, KILL, RISK, RESTRICTION,
    MASS_CANCEL, EMPTY,
):  # fmt: skip
    assert _layout.size == COMMAND_BYTES
