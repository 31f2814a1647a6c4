"""The C side of the vocabulary of risk: gate bits, restrictions, limits and their records.

Called by the gate, the checks and the administration. As with types.pxd, the same numbers and
offsets stand in `oms/messages` and `oms/bounds.py`; a test compares them.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

# Bits of the gate words (gate.pxd). GATE_DISABLED is GRANT_DISABLED: a grant is its own word.
cdef enum:
    GATE_KILLED = 0x01  # venue, session, account, instrument
    GATE_DAY = 0x02  # venue: no day is open
    GATE_BANDS = 0x02  # instrument: it has bands
    GATE_PHASE = 0x04  # instrument: not CONTINUOUS
    GATE_RESTRICTED = 0x08  # instrument; account: it has a restriction of its own somewhere
    GATE_LIMITS = 0x10  # session, account: any limit of SET_RISK but an order rate
    GATE_RATE = 0x20  # session, account: an order rate
    GATE_HIDDEN = 0x40  # instrument: hidden orders rest, which refuses nothing
    GATE_DISABLED = 0x80  # of a grant: its user has stopped its own new orders

cdef enum:
    RESTRICTION_NO_BUY = 1
    RESTRICTION_NO_SELL = 2
    RESTRICTION_NO_SHORT = 4
    RESTRICTION_CLOSE_ONLY = 8
    RESTRICTION_ALL = 15

cdef enum:
    RISK_SCOPE_ACCOUNT = 1
    RISK_SCOPE_SESSION = 2

cdef enum:
    RISK_MAX_ORDER_QTY = 1
    RISK_MAX_ORDER_VALUE = 2
    RISK_LONG_LIMIT = 4
    RISK_SHORT_LIMIT = 8
    RISK_ORDER_RATE = 16
    RISK_DUPLICATES = 32
    RISK_OPEN_ORDERS = 64
    RISK_EXPOSURE = 128
    RISK_SHORT_SALE = 256

cdef enum:
    LIMITS_OF_ACCOUNTS = 511  # RISK bits
    LIMITS_OF_SESSIONS = 80
    LIMITS_OF_SET_LIMITS = 15

cdef enum:
    SHORT_SALE_ALLOWED = 0
    SHORT_SALE_FORBIDDEN = 1

cdef enum:
    LIMIT_OPTION_CANCEL_BREACHES = 1
    LIMIT_OPTION_ALL = 1

cdef enum:
    DUPLICATES_MAX = 256
    ORDER_RATE_MAX = 1000000
cdef extern from *:
    """
    #define QUORATE_LIMIT_WINDOW_MAX_NS (INT64_C(3600000000000))
    """
    const int64_t LIMIT_WINDOW_MAX_NS "QUORATE_LIMIT_WINDOW_MAX_NS"

cdef struct RiskRecord:
    uint64_t head[4]
    uint32_t scope_id
    uint8_t scope
    uint8_t options
    uint16_t fields
    uint16_t defaults
    uint8_t short_sale
    uint8_t reserved
    uint32_t max_open_orders
    uint32_t order_rate
    uint32_t cancel_reserve
    int64_t rate_window_ns
    int64_t duplicate_window_ns
    int64_t max_exposure
    int64_t max_order_qty
    int64_t max_order_value
    int64_t long_limit
    int64_t short_limit
    uint64_t unused[2]

cdef struct RestrictionRecord:
    uint64_t head[4]
    uint32_t instrument_id
    uint32_t account_id
    uint8_t restriction
    uint8_t options
    uint8_t reserved[6]
    uint64_t unused[10]
