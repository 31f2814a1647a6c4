"""Live orders of the day before come into the new day under new public numbers (RULES B13).

Called by START_DAY and at the start of each entry. Book by book, best price first, first come
first: so numbers rise along each queue, as they did. They were set aside when the day began: who
comes to a queue in the meantime has a higher one. Promises: at most WORK_STEPS_MAX orders an entry;
where it goes on is found again from the numbers alone.
"""

from libc.stdint cimport uint32_t, uint64_t

from oms._core.level_walk cimport LevelWalk, level_next, level_start_at
from oms._core.machine cimport rare
from oms._core.order_book cimport mirrored
from oms._core.order_events cimport order_restated
from oms._core.order_pool cimport Order, public_id_of
from oms._core.reserve cimport shown_of
from oms._core.state cimport State
from oms._core.types cimport RESTATED_DISPLAY, RULES_NAME_ANEW, WORK_STEPS_MAX

cdef enum:
    KEY_BEST = 0xFFFFFFFE  # no level's key is above it


cdef inline void start_restating(State* state) noexcept nogil:
    """All that live now are to be restated, in the entries that follow."""
    if state.numbers.rule_version < RULES_NAME_ANEW or state.pool.live == 0:
        return
    state.restating.up_to = state.numbers.order_id
    state.restating.last_number = state.numbers.order_id
    state.numbers.order_id += state.pool.live
    look_from_start(state)


cdef inline void look_from_start(State* state) noexcept nogil:
    state.restating.instrument_id = 1
    state.restating.which = 0
    state.restating.key = <uint32_t>KEY_BEST


cdef inline uint64_t public_number(const State* state, const Order* order) noexcept nogil:
    """What the public knows a displayed order by."""
    cdef uint64_t public_id = public_id_of(&state.pool, order)
    return public_id if public_id else order.order_id


cdef inline void restate_step(State* state) noexcept nogil:
    """One entry's share."""
    cdef uint32_t left = WORK_STEPS_MAX
    rare()
    while state.restating.instrument_id <= state.numbers.instrument_count:
        while state.restating.which < 2:
            if not restate_side(state, &left):
                return
            state.restating.which += 1
            state.restating.key = <uint32_t>KEY_BEST
        state.restating.instrument_id += 1
        state.restating.which = 0
    state.restating.up_to = 0
    state.restating.last_number = 0


cdef inline bint restate_side(State* state, uint32_t* left) noexcept nogil:
    """One side of a displayed book, from a price on; False: there is more than may be done."""
    cdef LevelWalk walk
    cdef const Order* order
    cdef uint32_t level
    cdef uint32_t slot
    level_start_at(
        &walk, &state.levels,
        &state.instruments[state.restating.instrument_id].book.ladders[state.restating.which],
        state.restating.key,
    )
    level = level_next(&walk)
    while level:
        slot = state.levels.levels[level].head
        while slot:
            order = &state.pool.orders[slot]
            if public_number(state, order) <= state.restating.up_to:
                if left[0] == 0:
                    state.restating.key = mirrored(
                        state.restating.which, state.levels.levels[level].price
                    )
                    return False
                left[0] -= 1
                state.restating.last_number += 1
                order_restated(
                    state, slot, shown_of(state, slot), state.restating.last_number,
                    RESTATED_DISPLAY,
                )
            slot = order.next
        level = level_next(&walk)
    return True
