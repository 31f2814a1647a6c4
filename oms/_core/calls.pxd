"""What instruments remember of their calls, and which orders are for a call alone.

Called by the phases, the auction, and by everything that makes an order rest or leave. Cold: beside
instruments and orders, by id and by slot; a plain order never comes here. Promises: an instrument's
list has exactly its live orders with a flag of ORDER_FOR_CALL, the oldest first.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.machine cimport INVARIANT, release_pages, take_pages
from oms._core.order_pool cimport ORDER_FOR_CALL, Order
from oms._core.timers cimport TimerHeap, timers_close, timers_open

cdef enum:
    STAGE_NONE = 0
    STAGE_QUEUED = 1  # nothing was done yet
    STAGE_TRADING = 2
    STAGE_CUTTING = 3  # what overlaps outside the band goes
    STAGE_CLEARING = 4  # what was for this call alone goes

cdef struct Call:
    int64_t price  # of the uncross; 0: nothing trades
    uint64_t volume  # traded in it so far
    int64_t said_price  # what the last AUCTION_STATE said
    uint64_t said_volume
    int64_t said_imbalance  # below zero: more is sold than bought
    int64_t pause_ns  # how long a volatility call lasts; 0: until told
    int64_t band_reference  # price of the last call; 0: none since the reference was set
    uint32_t static_bps  # the bands; 0: none
    uint32_t dynamic_bps
    uint64_t touched_in  # applied_index + 1 of the entry that did it last; no part of the state
    uint32_t first  # slot of the oldest order that is for a call; 0: none
    uint32_t last
    uint8_t stage  # of the uncross
    uint8_t next_phase  # behind the uncross
    uint8_t clamp  # CLAMP_... of the uncross
    uint8_t is_extended  # the volatility call goes on for the second time
    uint8_t reserved[4]

cdef struct CallLink:
    uint32_t next
    uint32_t prev

cdef struct Calls:
    Call* calls  # by instrument_id
    CallLink* links  # by order slot
    TimerHeap timers  # which call ends when: the "slot" is the instrument
    uint32_t* queue  # a ring: instruments whose call is being settled, the oldest at `head`
    uint32_t head
    uint32_t count
    uint32_t* touched  # books in a call that changed in this entry; no part of the state
    uint32_t touched_count
    uint32_t steps_left  # of this entry's work; no part of the state
    uint32_t instruments_max
    uint32_t orders_max


cdef inline void calls_open(
    Calls* calls, uint32_t instruments_max, uint32_t orders_max
) noexcept nogil:
    calls.instruments_max = instruments_max
    calls.orders_max = orders_max
    calls.calls = <Call*>take_pages((<size_t>instruments_max + 1) * sizeof(Call))
    calls.links = <CallLink*>take_pages((<size_t>orders_max + 1) * sizeof(CallLink))
    calls.queue = <uint32_t*>take_pages((<size_t>instruments_max + 1) * sizeof(uint32_t))
    calls.touched = <uint32_t*>take_pages((<size_t>instruments_max + 1) * sizeof(uint32_t))
    timers_open(&calls.timers, instruments_max)


cdef inline void calls_close(Calls* calls) noexcept nogil:
    release_pages(calls.calls, (<size_t>calls.instruments_max + 1) * sizeof(Call))
    release_pages(calls.links, (<size_t>calls.orders_max + 1) * sizeof(CallLink))
    release_pages(calls.queue, (<size_t>calls.instruments_max + 1) * sizeof(uint32_t))
    release_pages(calls.touched, (<size_t>calls.instruments_max + 1) * sizeof(uint32_t))
    timers_close(&calls.timers)


cdef inline void call_queue_add(Calls* calls, uint32_t instrument_id) noexcept nogil:
    INVARIANT(calls.count < calls.instruments_max)
    calls.queue[(calls.head + calls.count) % calls.instruments_max] = instrument_id
    calls.count += 1


cdef inline uint32_t call_queue_at(const Calls* calls, uint32_t place) noexcept nogil:
    """The instrument at that place, from 0, of the queue."""
    return calls.queue[(calls.head + place) % calls.instruments_max]


cdef inline void call_queue_pop(Calls* calls) noexcept nogil:
    calls.head = (calls.head + 1) % calls.instruments_max
    calls.count -= 1


cdef inline void call_list_add(
    Calls* calls, Order* order, uint32_t slot, uint32_t flag
) noexcept nogil:
    """An order that has just come to rest is for the call alone, and younger than the others."""
    cdef Call* call = &calls.calls[order.instrument_id]
    order.flags |= flag
    calls.links[slot].next = 0
    calls.links[slot].prev = call.last
    if call.last:
        calls.links[call.last].next = slot
    else:
        call.first = slot
    call.last = slot


cdef inline void call_list_remove(Calls* calls, Order* order, uint32_t slot) noexcept nogil:
    """It leaves, or is another order from now on."""
    cdef Call* call = &calls.calls[order.instrument_id]
    cdef CallLink* link = &calls.links[slot]
    order.flags &= ~<uint32_t>ORDER_FOR_CALL
    if link.prev:
        calls.links[link.prev].next = link.next
    else:
        call.first = link.next
    if link.next:
        calls.links[link.next].prev = link.prev
    else:
        call.last = link.prev
