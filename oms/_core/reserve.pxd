"""Iceberg orders: what a resting order does not show, and how it shows more.

Called by everything that makes an order rest, trade, shrink or leave. `leaves` of an order is all
of it; a level's quantity is what is shown. Promises: an order has the flag exactly while it has a
reserve, and then shows at least one share; orders without a reserve never touch this memory.
"""

from libc.stdint cimport uint32_t

from oms._core.machine cimport rare
from oms._core.order_book cimport Level
from oms._core.order_events cimport order_restated
from oms._core.order_pool cimport ORDER_HAS_RESERVE, Order
from oms._core.state cimport State
from oms._core.types cimport RESTATED_DISPLAY, RULES_NAME_ANEW


cdef inline uint32_t shown_of(const State* state, uint32_t slot) noexcept nogil:
    """What others see of a live order."""
    cdef const Order* order = &state.pool.orders[slot]
    if order.flags & ORDER_HAS_RESERVE:
        return order.leaves - state.pool.reserves[slot].qty
    return order.leaves


cdef inline uint32_t peak_of(const State* state, uint32_t slot) noexcept nogil:
    """How much a live order shows at a time; 0: all of it."""
    if state.pool.orders[slot].flags & ORDER_HAS_RESERVE:
        return state.pool.reserves[slot].peak
    return 0


cdef inline void take_from_reserve(State* state, uint32_t slot, uint32_t qty) noexcept nogil:
    """The reserve loses `qty`, at most all of it, and with the last of it the flag."""
    state.pool.reserves[slot].qty -= qty
    state.levels.reserves[state.pool.orders[slot].level] -= qty
    if state.pool.reserves[slot].qty == 0:
        state.pool.reserves[slot].peak = 0
        state.pool.orders[slot].flags &= ~ORDER_HAS_RESERVE
        state.pool.reserved -= 1


cdef inline void start_reserve(State* state, uint32_t slot, uint32_t peak) noexcept nogil:
    """An order that has just come to rest shows `peak` of its shares."""
    cdef Order* order = &state.pool.orders[slot]
    rare()
    if order.leaves <= peak:
        return
    order.flags |= ORDER_HAS_RESERVE
    state.pool.reserved += 1
    state.pool.reserves[slot].qty = order.leaves - peak
    state.pool.reserves[slot].peak = peak
    state.levels.levels[order.level].qty -= order.leaves - peak
    state.levels.reserves[order.level] += order.leaves - peak


cdef inline void stop_reserve(State* state, uint32_t slot) noexcept nogil:
    """An order that is about to leave its level stands there with all of its shares."""
    rare()
    if not state.pool.orders[slot].flags & ORDER_HAS_RESERVE:
        return
    state.levels.levels[state.pool.orders[slot].level].qty += state.pool.reserves[slot].qty
    take_from_reserve(state, slot, state.pool.reserves[slot].qty)


cdef inline void cut_reserve(State* state, uint32_t slot, uint32_t cut) noexcept nogil:
    """An order was cut, and its level with it: the reserve bears that first."""
    cdef uint32_t reserve = state.pool.reserves[slot].qty
    cdef uint32_t borne = cut if cut < reserve else reserve
    rare()
    if not state.pool.orders[slot].flags & ORDER_HAS_RESERVE:
        return
    state.levels.levels[state.pool.orders[slot].level].qty += borne
    take_from_reserve(state, slot, borne)


cdef inline void refresh(State* state, Level* level, uint32_t slot) noexcept nogil:
    """The first order of a level shows nothing any more: it shows more, at the level's end,
    under a new public number.
    """
    cdef Order* order = &state.pool.orders[slot]
    cdef uint32_t reserve = state.pool.reserves[slot].qty
    cdef uint32_t peak = state.pool.reserves[slot].peak
    cdef uint32_t shown = peak if peak < reserve else reserve
    rare()
    level.qty += shown
    take_from_reserve(state, slot, shown)
    if level.tail != slot:
        level.head = order.next
        state.pool.orders[order.next].prev = 0
        state.pool.orders[level.tail].next = slot
        order.prev = level.tail
        order.next = 0
        level.tail = slot
    if state.numbers.rule_version >= RULES_NAME_ANEW:
        state.numbers.order_id += 1
        order_restated(state, slot, shown, state.numbers.order_id, RESTATED_DISPLAY)
