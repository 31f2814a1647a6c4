"""The C side of the vocabulary: enums, bounds and record layouts.

Called by every part of the engine. The same numbers stand in `oms/messages/enums.py`, the same
offsets in `oms/messages/records.py` and the same bounds in `oms/bounds.py`; a test compares them.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.machine cimport INVARIANT

cdef enum:
    COMMAND_NEW_ORDER = 1
    COMMAND_REPLACE_ORDER = 2
    COMMAND_CANCEL_ORDER = 3
    COMMAND_ACCOUNT_QUERY = 4
    COMMAND_REFUSED_REQUEST = 5
    COMMAND_MASS_CANCEL = 6
    COMMAND_DISABLE_ENTRY = 7
    COMMAND_ENABLE_ENTRY = 8
    COMMAND_LOGIN = 16
    COMMAND_LOGOUT = 17
    COMMAND_GATEWAY_LOST = 18
    COMMAND_GENESIS = 32
    COMMAND_ADD_INSTRUMENT = 33
    COMMAND_ADD_PARTICIPANT = 34
    COMMAND_ADD_ACCOUNT = 35
    COMMAND_ADD_USER = 36
    COMMAND_OPEN_SESSION = 37
    COMMAND_GRANT = 38
    COMMAND_DEPOSIT_CASH = 39
    COMMAND_DEPOSIT_SHARES = 40
    COMMAND_SET_LIMITS = 41
    COMMAND_SET_INSTRUMENT = 42
    COMMAND_SET_PHASE = 43
    COMMAND_START_DAY = 44
    COMMAND_END_DAY = 45
    COMMAND_ADMIN_MASS_CANCEL = 46
    COMMAND_SET_SELF_TRADE = 47
    COMMAND_SET_KILL = 48
    COMMAND_SET_RISK = 49
    COMMAND_SET_RESTRICTION = 50
    COMMAND_SET_FEES = 52
    COMMAND_TRANSFER = 53
    COMMAND_BUST_TRADE = 54
    COMMAND_SET_BANDS = 55

cdef enum:
    EVENT_ORDER_ACCEPTED = 1
    EVENT_ORDER_REPLACED = 2
    EVENT_ORDER_CANCELED = 3
    EVENT_ORDER_EXECUTED = 4
    EVENT_ORDER_REJECTED = 5
    EVENT_CANCEL_REJECTED = 6
    EVENT_ACCOUNT_QUERY_RESPONSE = 7
    EVENT_SYSTEM_EVENT = 8
    EVENT_ADMIN_APPLIED = 9
    EVENT_ADMIN_REJECTED = 10
    EVENT_MASS_CANCEL_ACCEPTED = 11
    EVENT_ENTRY_DISABLED = 12
    EVENT_ENTRY_ENABLED = 13
    EVENT_ORDER_RESTATED = 14
    EVENT_TRADE_BUSTED = 15
    EVENT_COMMAND_IGNORED = 16
    EVENT_ALREADY_APPLIED = 17
    EVENT_GAP = 18
    EVENT_COMMAND_EXPIRED = 19
    EVENT_SESSION_LOGGED_IN = 20
    EVENT_SESSION_LOGGED_OUT = 21
    EVENT_ORDER_TERMS = 22
    EVENT_TRADE = 32
    EVENT_BOOK_TOP = 33
    EVENT_PHASE_CHANGED = 34
    EVENT_AUCTION_STATE = 35
    EVENT_AUCTION_TRADE = 36
    EVENT_TRADE_BUST = 37
    EVENT_DIRECTORY_CHANGED = 48
    EVENT_DAY_STARTED = 49
    EVENT_DAY_ENDED = 50
    EVENT_MASS_CANCEL_DONE = 51

cdef enum:
    SIDE_BUY = 1
    SIDE_SELL = 2
    SIDE_SELL_SHORT = 5
    SIDE_SELL_SHORT_EXEMPT = 6

cdef enum:
    TYPE_MARKET = 1
    TYPE_LIMIT = 2
    TYPE_STOP = 3
    TYPE_STOP_LIMIT = 4
    TYPE_MARKET_TO_LIMIT = 5
    TRIGGER_LAST_TRADE = 0
    TRIGGER_BEST_PRICE = 1
    TIF_DAY = 1
    TIF_GTC = 2
    TIF_IOC = 3
    TIF_FOK = 4
    TIF_GTD = 5
    TIF_GTT = 6
    TIF_AT_THE_OPEN = 7
    TIF_AT_THE_CLOSE = 8
    PHASE_PRE_OPEN = 1
    PHASE_OPENING_AUCTION = 2
    PHASE_CONTINUOUS = 3
    PHASE_VOLATILITY_AUCTION = 4
    PHASE_CLOSING_AUCTION = 5
    PHASE_HALTED = 6
    PHASE_CANCEL_ONLY = 7
    PHASE_CLOSED = 8
    PROTOCOL_OUCH = 1
    PROTOCOL_FIX = 2
    PROTOCOL_HTTP = 3
    PROTOCOL_GRPC = 4
    PROTOCOL_ADMIN = 5

cdef enum:
    ENTITLED_ENTER = 1
    ENTITLED_CANCEL = 2
    ENTITLED_DROP_COPY = 4
    ENTITLED_READ = 8
    ENTITLED_ADMIN = 16
    ENTITLED_ALL = 31

cdef enum:
    GRANT_DISABLED = 0x80  # beside the bits: the user has stopped its own new orders

cdef enum:
    POLICY_KEEPS_PRIORITY_ON_REDUCE = 1
    POLICY_INVALID_REPLACE_CANCELS = 2
    POLICY_UNKNOWN_IS_IGNORED = 4
    POLICY_WHOLE_ACCOUNT = 8

cdef enum:
    KILL_VENUE = 1
    KILL_SESSION = 2
    KILL_ACCOUNT = 3
    KILL_INSTRUMENT = 4

cdef enum:
    SELF_TRADE_CANCEL_NEWEST = 1
    SELF_TRADE_CANCEL_OLDEST = 2
    SELF_TRADE_CANCEL_BOTH = 3
    SELF_TRADE_DECREMENT = 4

cdef enum:
    POST_ONLY_CANCEL = 1
    POST_ONLY_SLIDE = 2

cdef enum:
    OPTION_CANCEL_ON_DISCONNECT = 1
    OPTION_ALL = 1

cdef enum:
    FLAG_LIVE = 1
    FLAG_MASS_CANCELED = 2
    FLAG_DISCONNECTED = 4
    FLAG_HAS_TERMS = 8
    FLAG_SELF_TRADED = 16
    FLAG_HIDDEN = 32
    FLAG_EXTENDED = 64

cdef enum:
    CANCELED_CLOSED = 0x45
    CANCELED_CROSS = 0x43
    CANCELED_HALTED = 0x48
    CANCELED_IOC_REMAINDER = 0x49
    CANCELED_COLLAR = 0x4B
    CANCELED_POST_ONLY = 0x47
    CANCELED_SELF_TRADE = 0x51
    CANCELED_SUPERVISORY = 0x53
    CANCELED_USER = 0x55
    CANCELED_SYSTEM = 0x5A
    CANCELED_TIMEOUT = 0x54

cdef enum:
    LIQUIDITY_ADDED = 0x41
    LIQUIDITY_HIDDEN = 0x4A
    LIQUIDITY_REMOVED = 0x52
    LIQUIDITY_OPENING = 0x4F
    LIQUIDITY_CLOSING = 0x43
    LIQUIDITY_HALT = 0x48

cdef enum:
    RESTATED_DISPLAY = 0x52
    RESTATED_ELECTED = 0x45

cdef enum:
    SYSTEM_DAY_STARTED = 0x53  # 'S'
    SYSTEM_DAY_ENDED = 0x45  # 'E'

cdef enum:
    REJECT_NONE = 0
    REJECT_NOT_OFFERED = 1
    REJECT_NOT_ENTITLED = 2
    REJECT_UNKNOWN_INSTRUMENT = 3
    REJECT_MARKET_CLOSED = 4
    REJECT_HALTED = 5
    REJECT_BAD_SIDE = 6
    REJECT_BAD_ORDER_TYPE = 7
    REJECT_BAD_QUANTITY = 8
    REJECT_QUANTITY_ABOVE_MAX = 9
    REJECT_BAD_PRICE = 10
    REJECT_NO_REFERENCE_PRICE = 11
    REJECT_PRICE_COLLAR = 12
    REJECT_VALUE_ABOVE_MAX = 13
    REJECT_POSITION_LIMIT = 14
    REJECT_INSUFFICIENT_SHARES = 15
    REJECT_INSUFFICIENT_CASH = 16
    REJECT_CAPACITY = 17
    REJECT_ORDER_NOT_CANCELABLE = 18
    REJECT_STORAGE_FULL = 19
    REJECT_BAD_MIN_QTY = 20
    REJECT_BAD_EXPIRE_TIME = 21
    REJECT_ENTRY_OFF = 22
    REJECT_BAD_DISPLAY = 23
    REJECT_RESTRICTED = 26
    REJECT_DUPLICATE_ORDER = 27
    REJECT_RATE_LIMIT = 28
    REJECT_OPEN_ORDERS_LIMIT = 29
    REJECT_EXPOSURE_LIMIT = 30
    REJECT_SHORT_NOT_ALLOWED = 31
    REJECT_BAD_STOP = 24
    REJECT_NOT_ADMIN = 32
    REJECT_UNKNOWN_ID = 33
    REJECT_DUPLICATE_ID = 34
    REJECT_BAD_VALUE = 35
    REJECT_WRONG_DAY = 36
    REJECT_AMOUNT_UNAVAILABLE = 37
    REJECT_WRONG_KEY = 38
    REJECT_ALREADY_BUSTED = 39

cdef enum:
    RULES_ECHO = 2  # from this rule version on an order's terms are said again
    RULES_HIDE = 2  # and an order may be hidden
    RULES_NAME_ANEW = 2  # and its public number changes
    RULES_HAVE_STOPS = 2  # and there are stop orders, whose fields are read
    HIDES = 0x4E  # 'N' in `display`: the order does not show
    COMMAND_BYTES = 128
    EVENT_BYTES = 128
    BATCH_HEADER_BYTES = 32
    BATCH_MARKER = 0x51
    BATCH_VERSION = 1
    WORK_STEPS_MAX = 1024
    SCAN_SLOTS_MAX = 16384
    MASS_CANCELS_MAX = 16
    POSTING_KEYS_MAX = 4096  # a power of two
    FEE_SCHEDULES_MAX = 64
    TRADES_MAX = 1 << 20
    FEE_RATE_MAX = 1000000  # 10^-7 of a fill's value
    STOPS_MAX = 16384
    OUTCOME_WINDOW = 4096  # a power of two
    PRICE_MAX = 2000000000
    ORDER_QTY_MAX = 0x7FFFFFFF
    BPS = 10000
    DISPLAY_PART = 1000  # at least this part of an iceberg is shown
    PRICE_SCALE_MAX = 9
    HARD_ORDERS_MAX = 1 << 26
    IDENTITY_FACTOR = 16  # a genesis may ask for so many times the default maximum
    INSTRUMENTS_MAX = 8192
    PARTICIPANTS_MAX = 1024
    ACCOUNTS_MAX = 4096
    USERS_MAX = 1024
    SESSIONS_MAX = 1024
    POSITIONS_MAX = 1 << 16


cdef extern from *:
    """
    #define QUORATE_MONEY_MAX ((INT64_C(1) << 62) - 1)
    #define QUORATE_TIMESTAMP_MAX ((INT64_C(1) << 62) - 1)
    """
    const int64_t MONEY_MAX "QUORATE_MONEY_MAX"
    const int64_t TIMESTAMP_MAX "QUORATE_TIMESTAMP_MAX"

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
    uint32_t unused[11]

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
    uint8_t reserved[6]
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
    uint32_t padding
    int64_t cost
    uint64_t unused[7]

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

cdef struct BandsRecord:
    uint64_t head[4]
    uint32_t instrument_id
    uint32_t static_bps
    uint32_t dynamic_bps
    uint32_t reserved
    int64_t call_ns
    uint64_t unused[9]

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
    INVARIANT(sizeof(BustRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(FeesRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(PhaseRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(BandsRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(DayRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(SelfTradeRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(KillRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(MassCancelRecord) == COMMAND_BYTES)
    INVARIANT(sizeof(PreventedRecord) == EVENT_BYTES)
    INVARIANT(sizeof(EventRecord) == EVENT_BYTES)
    INVARIANT(sizeof(BookTopRecord) == EVENT_BYTES)
    INVARIANT(sizeof(TermsRecord) == EVENT_BYTES)
    INVARIANT(sizeof(AuctionRecord) == EVENT_BYTES)
