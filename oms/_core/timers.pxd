"""Which live orders go at a time of their own, the earliest first.

Called by everything that makes an order rest or leave, and at the start of each entry. A binary
heap of (time, order_id), and for each order slot its place in the heap, so that an order that
leaves earlier is taken out without a search. Promises: exactly the live orders of GTD and GTT are
in it; the arrangement decides nothing.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.machine cimport INVARIANT, release_pages, take_pages

cdef struct Timer:
    int64_t due_ns
    uint64_t order_id
    uint32_t slot
    uint32_t reserved

cdef struct TimerHeap:
    Timer* timers  # 1 .. count
    uint32_t* places  # by slot; 0: the order has no time of its own
    uint32_t count
    uint32_t orders_max


cdef inline void timers_open(TimerHeap* heap, uint32_t orders_max) noexcept nogil:
    heap.orders_max = orders_max
    heap.timers = <Timer*>take_pages((<size_t>orders_max + 1) * sizeof(Timer))
    heap.places = <uint32_t*>take_pages((<size_t>orders_max + 1) * sizeof(uint32_t))


cdef inline void timers_close(TimerHeap* heap) noexcept nogil:
    release_pages(heap.timers, (<size_t>heap.orders_max + 1) * sizeof(Timer))
    release_pages(heap.places, (<size_t>heap.orders_max + 1) * sizeof(uint32_t))


cdef inline bint is_earlier(const Timer* one, const Timer* other) noexcept nogil:
    if one.due_ns != other.due_ns:
        return one.due_ns < other.due_ns
    return one.order_id < other.order_id


cdef inline void timer_put(TimerHeap* heap, uint32_t place, const Timer* timer) noexcept nogil:
    heap.timers[place] = timer[0]
    heap.places[timer.slot] = place


cdef inline void timer_settle(TimerHeap* heap, uint32_t place, Timer timer) noexcept nogil:
    """Put a timer where it belongs, up or down from a place that is free."""
    cdef uint32_t child
    while place > 1 and is_earlier(&timer, &heap.timers[place >> 1]):
        timer_put(heap, place, &heap.timers[place >> 1])
        place >>= 1
    child = place * 2
    while child <= heap.count:
        if child < heap.count and is_earlier(&heap.timers[child + 1], &heap.timers[child]):
            child += 1
        if not is_earlier(&heap.timers[child], &timer):
            break
        timer_put(heap, place, &heap.timers[child])
        place = child
        child = place * 2
    timer_put(heap, place, &timer)


cdef inline void timer_add(
    TimerHeap* heap, uint32_t slot, uint64_t order_id, int64_t due_ns
) noexcept nogil:
    """The order in `slot`, which has no timer, goes at `due_ns`."""
    cdef Timer timer
    INVARIANT(heap.count < heap.orders_max and heap.places[slot] == 0)
    timer.due_ns = due_ns
    timer.order_id = order_id
    timer.slot = slot
    timer.reserved = 0
    heap.count += 1
    timer_settle(heap, heap.count, timer)


cdef inline void timer_drop(TimerHeap* heap, uint32_t slot) noexcept nogil:
    """The order in `slot` has no time of its own any more, if it had one."""
    cdef uint32_t place = heap.places[slot]
    if place == 0:
        return
    heap.places[slot] = 0
    heap.count -= 1
    if place <= heap.count:
        timer_settle(heap, place, heap.timers[heap.count + 1])


cdef inline int64_t timer_due(const TimerHeap* heap, uint32_t slot) noexcept nogil:
    """When the order in `slot` goes; 0: it has no such time."""
    return heap.timers[heap.places[slot]].due_ns if heap.places[slot] else 0


cdef inline int64_t next_due(const TimerHeap* heap) noexcept nogil:
    """When the first of all goes; 0: none."""
    return heap.timers[1].due_ns if heap.count else 0
