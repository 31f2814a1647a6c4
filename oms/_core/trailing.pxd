"""Trailing stops: their stop prices follow the market, before any of them is elected.

Called where stop orders are elected. Promises: a stop price moves in its order's favor only; a look
at an instrument costs a step for each of its trailing stops, TRAILING_STOPS_MAX at most, and
nothing while the market stays where none of them is moved or reached (docs/rules.md, Trailing
stops).
"""

from libc.stdint cimport uint32_t, uint64_t

from oms._core.directory cimport Instrument, reference_of
from oms._core.machine cimport rare
from oms._core.state cimport State
from oms._core.stop_terms cimport trailed
from oms._core.triggers cimport Stop, Trailing, Watch, collect
from oms._core.types cimport PRICE_MAX


cdef inline uint32_t base_of(const State* state, uint32_t instrument_id) noexcept nogil:
    """The price before, from which the order of election is measured."""
    cdef const Watch* watch = &state.triggers.watches[instrument_id]
    if watch.high:
        return watch.base
    return <uint32_t>reference_of(&state.instruments[instrument_id])


cdef inline uint64_t collect_trailing(
    State* state, uint32_t instrument_id, uint64_t at
) noexcept nogil:
    """Move an instrument's trailing stops, and take out those reached; how many orders in all."""
    cdef const Watch* watch = &state.triggers.watches[instrument_id]
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef uint32_t last = <uint32_t>instrument.last_price
    cdef uint32_t best
    cdef uint32_t is_sell
    rare()
    for is_sell in range(2):
        if watch.high:
            at = follow_list(state, instrument_id, is_sell, watch.low, watch.high, last, at)
        best = state.levels.levels[instrument.book.ladders[is_sell ^ 1].best].price
        if best:
            at = follow_list(state, instrument_id, 2 + is_sell, best, best, best, at)
    return at


cdef inline uint64_t follow_list(
    State* state, uint32_t instrument_id, uint32_t which, uint32_t low, uint32_t high,
    uint32_t last, uint64_t at,
) noexcept nogil:
    """One list held against prices from `low` to `high`, of which `last` was the last."""
    cdef Watch* watch = &state.triggers.watches[instrument_id]
    cdef Trailing* trailing = &watch.trailing[which]
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef bint is_buy = not which & 1
    cdef uint32_t base = base_of(state, instrument_id)
    cdef uint32_t kept = 0
    cdef uint32_t slot
    cdef uint32_t i
    cdef Stop* stop
    cdef bint is_reached
    if trailing.count == 0 or (trailing.quiet_low <= low and high <= trailing.quiet_high):
        return at
    trailing.quiet_low = 0
    trailing.quiet_high = 2 * <uint32_t>PRICE_MAX
    for i in range(trailing.count):
        slot = trailing.slots[i]
        stop = &state.triggers.stops[slot]
        if is_buy:
            is_reached = high >= stop.price
            stop.price = trailed(state, instrument, True, stop.price, low, stop.trail)
            is_reached |= last >= stop.price
        else:
            is_reached = low <= stop.price
            stop.price = trailed(state, instrument, False, stop.price, high, stop.trail)
            is_reached |= last <= stop.price
        if is_reached:
            collect(&state.triggers, state.pool.orders, slot, base, at)
            at += 1
        else:
            trailing.slots[kept] = slot
            kept += 1
            narrow(trailing, is_buy, stop)
    watch.trailing_count -= trailing.count - kept
    trailing.count = kept
    return at


cdef inline void narrow(Trailing* trailing, bint is_buy, const Stop* stop) noexcept nogil:
    """Between this stop price and the distance that it keeps there is nothing to do with it."""
    cdef uint32_t low
    cdef uint32_t high
    if is_buy:
        low = stop.price - stop.trail if stop.price > stop.trail else 0
        high = stop.price - 1
    else:
        low = stop.price + 1
        high = stop.price + stop.trail
    trailing.quiet_low = low if low > trailing.quiet_low else trailing.quiet_low
    trailing.quiet_high = high if high < trailing.quiet_high else trailing.quiet_high
