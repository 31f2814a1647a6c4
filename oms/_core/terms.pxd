"""What the checks of an order find out for the matcher, and the collar.

Called by risk and by the checks of stop orders. Promises: reads only. Units: prices 10^-4.
"""

from libc.stdint cimport int64_t, uint32_t

from oms._core.directory cimport Instrument
from oms._core.state cimport State
from oms._core.ticks cimport price_ceil, price_floor
from oms._core.types cimport BPS, PRICE_MAX

cdef struct Terms:
    int64_t worst  # how far the order goes: its limit, or its collar price
    uint32_t price_key  # of the limit (directory.pxd); market orders: not set
    uint32_t rests_at  # the price where it rests in a call; else not set
    uint32_t position  # slot; 0: the pair was never touched
    int64_t stop_price  # this and what follows: of a stop order; set for no other
    int64_t first_stop  # of a trailing one: the stop price that `worst` belongs to; else 0
    uint32_t trail


cdef inline int64_t collar_price(
    const State* state, const Instrument* instrument, bint is_buy, int64_t reference
) noexcept nogil:
    """How far an order goes that has no limit, measured from a price above 0."""
    cdef int64_t distance = reference * instrument.market_collar_bps // BPS
    cdef int64_t price
    if is_buy:
        price = reference + distance
        return price_floor(state, instrument, price if price < PRICE_MAX else PRICE_MAX)
    return price_ceil(state, instrument, reference - distance)
