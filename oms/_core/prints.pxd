"""Prints that stop orders have not been held against yet.

Called by the uncross for each of its trades, and for continuous trading when followers are looked
at. Promises: nothing is noted for an instrument where no stop order waits.
"""

from libc.stdint cimport int64_t, uint32_t

from oms._core.records cimport EventRecord
from oms._core.state cimport State
from oms._core.triggers cimport Watch
from oms._core.types cimport EVENT_TRADE


cdef inline void note_print(State* state, uint32_t instrument_id, int64_t price) noexcept nogil:
    """Something traded: the range grows, from the price that was the last one before."""
    cdef Watch* watch = &state.triggers.watches[instrument_id]
    if watch.count == 0:
        return
    if watch.high == 0:
        watch.base = watch.seen
        if watch.seen == 0:
            watch.base = <uint32_t>state.instruments[instrument_id].reference_price
        watch.low = <uint32_t>price
    watch.low = <uint32_t>price if price < watch.low else watch.low
    watch.high = <uint32_t>price if price > watch.high else watch.high


cdef inline void note_prints(State* state) noexcept nogil:
    """Those of the entry's events that were not looked at yet."""
    cdef const EventRecord* event
    while state.triggers.events_seen < state.buffer.count:
        event = &state.buffer.events[state.triggers.events_seen]
        if event.kind == EVENT_TRADE:
            note_print(state, event.instrument_id, event.price)
        state.triggers.events_seen += 1
