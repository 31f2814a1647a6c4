"""The stop orders of an instrument, one after the other, in the order of docs/rules.md, Digest.

Called by digest, snapshot and the debug walk, never while trading. Promises: by trigger, buys
before sells, the price that comes first first, each price first come first; then likewise the
trailing ones, by order_id; then those elected.
Nothing must change during a walk.
"""

from libc.stdint cimport uint32_t

from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.order_pool cimport Order
from oms._core.triggers cimport Triggers, Watch

cdef enum:
    LADDERS_OF_STOPS = 4
    THE_QUEUE = 8

cdef struct StopWalk:
    const Triggers* triggers
    LevelWalk levels
    uint32_t instrument_id
    uint32_t ladder  # ladders begun, from 4 on lists of trailing stops; 8: the queue
    uint32_t at  # in the list


cdef inline uint32_t first_waiting(
    StopWalk* walk, const Triggers* triggers, uint32_t instrument_id
) noexcept nogil:
    """The first one's slot; 0: there is none."""
    walk.triggers = triggers
    walk.instrument_id = instrument_id
    walk.ladder = 0
    walk.at = 0
    if triggers.watches[instrument_id].count == 0:
        return 0
    begin_ladder(walk)
    return next_level(walk)


cdef inline uint32_t next_in_place(
    StopWalk* walk, const Order* orders, uint32_t slot
) noexcept nogil:
    """The slot behind; 0: that was all."""
    if walk.ladder >= LADDERS_OF_STOPS and walk.ladder < THE_QUEUE:
        walk.at += 1
        return next_trailing(walk)
    if orders[slot].next or walk.ladder == THE_QUEUE:
        return orders[slot].next
    return next_level(walk)


cdef inline void begin_ladder(StopWalk* walk) noexcept nogil:
    level_start(
        &walk.levels, &walk.triggers.levels,
        &walk.triggers.watches[walk.instrument_id].books[walk.ladder >> 1].ladders[
            walk.ladder & 1 ^ 1
        ],
    )


cdef inline uint32_t next_level(StopWalk* walk) noexcept nogil:
    cdef uint32_t level = level_next(&walk.levels)
    while level == 0:
        walk.ladder += 1
        if walk.ladder == LADDERS_OF_STOPS:
            return next_trailing(walk)
        begin_ladder(walk)
        level = level_next(&walk.levels)
    return walk.triggers.levels.levels[level].head


cdef inline uint32_t next_trailing(StopWalk* walk) noexcept nogil:
    cdef const Watch* watch = &walk.triggers.watches[walk.instrument_id]
    while walk.at == watch.trailing[walk.ladder - LADDERS_OF_STOPS].count:
        walk.ladder += 1
        walk.at = 0
        if walk.ladder == THE_QUEUE:
            return watch.queue_head
    return watch.trailing[walk.ladder - LADDERS_OF_STOPS].slots[walk.at]
