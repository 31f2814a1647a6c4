"""Which prices are valid in an instrument, and the next ones (docs/rules.md, Ticks).

Called by risk, the bands, the calls and whatever makes a price. Promises: reads only; `price_floor`
of `price_ceil` of a price is that price. What rests may be off the tick: its price was valid when
it came. The test of a plain instrument's orders stands in risk.pxd and does without this file.
Units: prices 10^-4.
"""

from libc.stdint cimport int64_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.machine cimport LIKELY
from oms._core.state cimport State, TickTable


cdef inline int64_t tick_at(
    const State* state, const Instrument* instrument, int64_t price
) noexcept nogil:
    """The tick of the prices around `price`; at the border of two rows the upper one's."""
    cdef const TickTable* table
    cdef uint64_t row
    if LIKELY(instrument.tick_table == 0):
        return instrument.tick_size
    table = &state.tick_tables[instrument.tick_table]
    row = table.row_count - 1
    while row and table.rows[row].price > price:
        row -= 1
    return table.rows[row].tick


cdef inline bint is_on_tick(
    const State* state, const Instrument* instrument, int64_t price
) noexcept nogil:
    """Whether a price above 0 is valid."""
    return price % tick_at(state, instrument, price) == 0


cdef inline int64_t price_floor(
    const State* state, const Instrument* instrument, int64_t price
) noexcept nogil:
    """The highest valid price not above `price`; 0: there is none."""
    cdef int64_t tick
    if price <= 0:
        return 0
    tick = tick_at(state, instrument, price)
    return price // tick * tick


cdef inline int64_t price_ceil(
    const State* state, const Instrument* instrument, int64_t price
) noexcept nogil:
    """The lowest valid price not below `price`; it may be above PRICE_MAX."""
    cdef int64_t tick
    if price <= 0:
        price = 1
    tick = tick_at(state, instrument, price)
    return (price + tick - 1) // tick * tick


cdef inline int64_t price_down(
    const State* state, const Instrument* instrument, int64_t price
) noexcept nogil:
    """The next valid price below; 0: there is none."""
    return price_floor(state, instrument, price - 1)


cdef inline int64_t price_up(
    const State* state, const Instrument* instrument, int64_t price
) noexcept nogil:
    """The next valid price above; it may be above PRICE_MAX."""
    return price_ceil(state, instrument, price + 1)
