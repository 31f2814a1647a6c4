"""The C side of the vocabulary: the layouts of what the engine reads and of what it writes.

Called by every part of the engine. The same offsets stand in `oms/messages/records.py` (commands)
and `oms/messages/event_records.py`; a test compares them.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.machine cimport INVARIANT
from oms._core.types cimport BATCH_HEADER_BYTES, COMMAND_BYTES, EVENT_BYTES

cdef struct BatchHeader:
    uint8_t marker
    uint8_t version
    uint16_t count
    uint32_t flags
    int64_t timestamp_ns
    uint64_t reserved[2]

# The header common to all command records, and the whole of those without a body.
cdef struct CommandRecord:
    uint8_t kind
    uint8_t side
    uint8_t ord_type
    uint8_t time_in_force
    uint16_t policy
    uint8_t display
    uint8_t capacity
    uint32_t session_id
    uint32_t conn_epoch
    uint64_t client_seq
    int64_t not_after_ns
    uint64_t body[12]

cdef struct OrderRecord:
    uint8_t kind
    uint8_t side
    uint8_t ord_type
    uint8_t time_in_force
    uint16_t policy
    uint8_t display
    uint8_t capacity
    uint32_t session_id
    uint32_t conn_epoch
    uint64_t client_seq
    int64_t not_after_ns
    uint32_t account_id
    uint32_t instrument_id
    int64_t price
    uint32_t order_qty
    uint32_t user_ref_num
    uint32_t orig_user_ref_num
    uint8_t iso
    uint8_t cross_type
    uint8_t refuse_reason
    uint8_t reserved
    uint64_t cl_ord_id[3]
    uint32_t firm
    uint32_t min_qty  # this and what follows: NEW_ORDER and REPLACE_ORDER
    uint32_t display_qty
    uint32_t trail
    int64_t expire_ns
    int64_t stop_price
    int32_t peg_offset
    uint8_t trigger
    uint8_t unused
    uint8_t self_trade
    uint8_t post_only

cdef struct LoginRecord:
    uint64_t head[4]
    uint64_t nonce
    uint64_t gateway_id
    uint64_t unused[10]

cdef struct GenesisRecord:
    uint64_t head[4]
    uint64_t cluster_id
    uint32_t rule_version
    uint32_t records_following
    uint32_t orders_max
    uint32_t instruments_max
    uint32_t participants_max
    uint32_t accounts_max
    uint32_t users_max
    uint32_t sessions_max
    uint32_t positions_max
    uint32_t duplicates_max
    uint32_t trades_max
    uint32_t currencies_max
    uint32_t unused[10]

cdef struct InstrumentRecord:
    uint64_t head[4]
    uint32_t instrument_id
    uint32_t lot_size
    int64_t tick_size
    int64_t reference_price
    uint32_t price_collar_bps
    uint32_t market_collar_bps
    uint8_t phase
    uint8_t price_scale
    uint8_t currency_id
    uint8_t reserved[5]
    uint64_t symbol
    uint64_t unused[6]

cdef struct ParticipantRecord:
    uint64_t head[4]
    uint32_t participant_id
    uint32_t reserved
    uint64_t name[2]
    uint64_t unused[9]

cdef struct AccountRecord:
    uint64_t head[4]
    uint32_t account_id
    uint32_t participant_id
    uint32_t firm
    uint32_t reserved
    int64_t max_order_qty
    int64_t max_order_value
    int64_t long_limit
    int64_t short_limit
    uint64_t unused[6]

cdef struct UserRecord:
    uint64_t head[4]
    uint32_t user_id
    uint32_t participant_id
    uint64_t name[2]
    uint64_t salt[2]
    uint64_t key_hash[4]
    uint64_t unused[3]

cdef struct SessionRecord:
    uint64_t head[4]
    uint32_t opened_session_id
    uint32_t user_id
    uint32_t default_account_id
    uint8_t protocol
    uint8_t options
    uint8_t reserved[2]
    uint64_t unused[10]

cdef struct GrantRecord:
    uint64_t head[4]
    uint32_t user_id
    uint32_t account_id
    uint32_t entitlements
    uint32_t reserved
    uint64_t unused[10]

# Deposits, and TRANSFER.
cdef struct DepositRecord:
    uint64_t head[4]
    uint32_t account_id
    uint32_t instrument_id
    int64_t amount
    uint64_t key
    uint32_t to_account_id
    uint32_t currency_id
    int64_t cost
    uint64_t unused[7]

cdef struct CurrencyRecord:
    uint64_t head[4]
    uint32_t currency_id
    uint32_t code
    int64_t rate
    uint64_t unused[10]

cdef struct BustRecord:
    uint64_t head[4]
    uint64_t match_id
    uint64_t unused[11]

cdef struct FeesRecord:
    uint64_t head[4]
    uint32_t schedule_id
    uint32_t account_id
    int32_t maker_rate
    int32_t taker_rate
    uint32_t fee_account_id
    uint32_t reserved
    uint64_t unused[9]

cdef struct PhaseRecord:
    uint64_t head[4]
    uint32_t instrument_id
    uint8_t phase
    uint8_t reserved[3]
    int64_t call_ns  # a call ends by itself after so long; 0: it does not
    uint64_t unused[10]

cdef struct TickRow:
    uint32_t price  # from here on, up to the next row's
    uint32_t tick

cdef struct BandsRecord:
    uint64_t head[4]
    uint32_t instrument_id
    uint32_t static_bps
    uint32_t dynamic_bps
    uint32_t reserved
    int64_t call_ns
    uint64_t unused[9]

cdef struct TicksRecord:
    uint64_t head[4]
    uint32_t table_id
    uint32_t instrument_id
    uint32_t tick_size
    uint8_t first_row
    uint8_t row_count
    uint16_t reserved
    uint64_t name
    uint32_t rows[18]  # TickRow of TICK_ROWS_SENT_MAX

cdef struct DayRecord:
    uint64_t head[4]
    uint32_t trading_date
    uint32_t reserved
    int64_t midnight_ns
    uint64_t unused[10]

cdef struct SelfTradeRecord:
    uint64_t head[4]
    uint32_t account_id
    uint32_t group
    uint8_t mode
    uint8_t reserved[7]
    uint64_t unused[10]

cdef struct KillRecord:
    uint64_t head[4]
    uint32_t scope_id
    uint8_t scope
    uint8_t is_killed
    uint8_t reserved[2]
    uint64_t unused[11]

cdef struct MassCancelRecord:
    uint8_t kind
    uint8_t side
    uint8_t reserved[30]
    uint32_t of_session_id
    uint32_t of_account_id
    uint32_t of_instrument_id
    uint32_t padding
    uint64_t unused[10]

cdef struct EventRecord:
    uint8_t kind
    uint8_t side
    uint8_t reason
    uint8_t flags
    uint32_t session_id
    uint64_t event_seq
    uint64_t out_seq
    uint64_t topic_seq
    int64_t timestamp_ns
    uint32_t account_id
    uint32_t instrument_id
    uint64_t client_seq
    uint32_t conn_epoch
    uint32_t user_ref_num
    uint64_t order_id
    int64_t price
    uint32_t qty
    uint32_t leaves_qty
    uint32_t orig_user_ref_num
    uint8_t ord_type
    uint8_t time_in_force
    uint8_t display
    uint8_t capacity
    uint64_t cl_ord_id[3]  # match_id, fee (executed); of an order: last its public_id
    uint32_t firm
    uint8_t iso
    uint8_t cross_type
    uint8_t reject_reason
    uint8_t reserved

# What an ORDER_CANCELED event with the reason SELF_TRADE says besides, from byte 96 on.
cdef struct PreventedRecord:
    uint64_t head[12]
    int64_t price  # of the trade that did not happen
    uint32_t qty
    uint8_t liquidity
    uint8_t mode
    uint8_t reserved[2]
    uint64_t public_id
    uint8_t rest[8]

# What an ORDER_TERMS event says instead, from byte 72 on: the terms of an order as sent.
cdef struct TermsRecord:
    uint64_t head[9]
    int64_t stop_price
    uint32_t min_qty
    uint32_t display_qty
    uint32_t trail
    uint8_t self_trade
    uint8_t post_only
    uint8_t trigger
    uint8_t reserved
    int64_t expire_ns
    int32_t peg_offset
    uint32_t padding
    uint64_t public_id  # of an order that was replaced in place
    uint64_t unused

# What a BOOK_TOP event says instead, from byte 64 on. An empty side is price 0, quantity 0.
cdef struct BookTopRecord:
    uint64_t head[8]
    uint64_t bid_qty
    int64_t bid_price
    uint64_t ask_qty
    uint64_t reserved
    int64_t ask_price
    uint64_t unused[3]

# What AUCTION_STATE and AUCTION_TRADE say instead, from byte 64 on.
cdef struct AuctionRecord:
    uint64_t head[8]
    uint64_t volume
    int64_t price
    uint64_t imbalance
    uint64_t reserved
    uint64_t match_id
    uint64_t unused[3]


cdef inline void check_layouts() noexcept nogil:
    """No structure has grown or shrunk; costs nothing, the compiler knows the answers."""
    INVARIANT(sizeof(BatchHeader) == BATCH_HEADER_BYTES)
    INVARIANT(sizeof(CommandRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(OrderRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(LoginRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(GenesisRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(InstrumentRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(ParticipantRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(AccountRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(UserRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(SessionRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(GrantRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(DepositRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(CurrencyRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(BustRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(FeesRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(PhaseRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(BandsRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(TicksRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(DayRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(SelfTradeRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(KillRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(MassCancelRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(PreventedRecord) == EVENT_BYTES)
    INVARIANT(sizeof(EventRecord) == EVENT_BYTES)
    INVARIANT(sizeof(BookTopRecord) == EVENT_BYTES)
    INVARIANT(sizeof(TermsRecord) == EVENT_BYTES)
    INVARIANT(sizeof(AuctionRecord) == EVENT_BYTES)
