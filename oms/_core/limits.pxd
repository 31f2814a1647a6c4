"""Limits of one account or session beside those in the account: what is set, what is used up.

Called by the checks, the administration, digest and snapshot. Promises: no other state is needed;
a limit that is 0 is none. `used_...` is what commands have taken and time has not given back, in
commands x rate_window_ns: it fits, ORDER_RATE_MAX x LIMIT_WINDOW_MAX_NS is below 2^62.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef struct Limits:  # 72 bytes
    int64_t max_exposure  # 10^-4 currency units
    int64_t duplicate_window_ns
    int64_t rate_window_ns
    int64_t used_ns  # when the two behind it were worked out
    int64_t used_orders
    int64_t used_cancels
    uint32_t max_open_orders
    uint32_t order_rate  # commands in the window
    uint32_t cancel_reserve  # of these, for cancels alone
    uint32_t first  # place of the oldest in the account's ring of recent orders
    uint32_t count  # recent orders
    uint16_t own  # RISK bits that do not follow the default
    uint8_t short_sale
    uint8_t reserved

# An order that was let through a while ago. 24 bytes.
cdef struct Recent:
    int64_t at_ns
    uint32_t instrument_id
    uint32_t price  # 10^-4; 0 without a limit
    uint32_t qty
    uint8_t side
    uint8_t reserved[3]


cdef inline void give_back(Limits* limits, int64_t now_ns) noexcept nogil:
    """What time has given back since the last look: the whole of it in one window."""
    cdef int64_t elapsed = now_ns - limits.used_ns
    if elapsed > limits.rate_window_ns:
        elapsed = limits.rate_window_ns
    limits.used_orders -= elapsed * (limits.order_rate - limits.cancel_reserve)
    limits.used_cancels -= elapsed * limits.cancel_reserve
    if limits.used_orders < 0:
        limits.used_orders = 0
    if limits.used_cancels < 0:
        limits.used_cancels = 0
    limits.used_ns = now_ns


cdef inline int64_t* bucket_of(Limits* limits, bint is_cancel) noexcept nogil:
    """Where a command is counted: a cancel in the reserve while there is room; NULL: nowhere."""
    cdef int64_t window = limits.rate_window_ns
    if is_cancel and limits.used_cancels + window <= limits.cancel_reserve * window:
        return &limits.used_cancels
    if limits.used_orders + window <= (limits.order_rate - limits.cancel_reserve) * window:
        return &limits.used_orders
    return NULL


cdef inline void drop_old(
    Limits* limits, int64_t now_ns, Recent* ring, uint32_t size
) noexcept nogil:
    """Orders that the duplicate window has left behind are forgotten."""
    while limits.count and now_ns - ring[limits.first].at_ns >= limits.duplicate_window_ns:
        limits.first = limits.first + 1 if limits.first + 1 < size else 0
        limits.count -= 1


cdef inline Recent* recent_at(
    const Limits* limits, Recent* ring, uint32_t size, uint32_t place
) noexcept nogil:
    """The recent order that comes `place` behind the oldest."""
    cdef uint32_t at = limits.first + place
    return &ring[at - size if at >= size else at]


cdef inline bint is_recent(
    const Limits* limits, Recent* ring, uint32_t size, const Recent* order
) noexcept nogil:
    """Whether one like it is remembered."""
    cdef const Recent* one
    cdef uint32_t place
    for place in range(limits.count):
        one = recent_at(limits, ring, size, place)
        if (
            one.instrument_id == order.instrument_id and one.side == order.side
            and one.price == order.price and one.qty == order.qty
        ):
            return True
    return False
