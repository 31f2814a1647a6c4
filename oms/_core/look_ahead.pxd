"""Asking for memory before it is needed: what a command a little further on will touch.

Called by the dispatcher while it goes through an entry, and only when there are so many live orders
that their records are not in the processor's caches. Five stages, each a few commands nearer than
the last, each following one more link of what the stage before has asked for. Promises: reads only,
decides nothing; a command may be anything at all.
"""

from libc.stdint cimport uint32_t, uint64_t

from oms._core.chain_table cimport chain_home
from oms._core.directory cimport Instrument, grid_of
from oms._core.machine cimport prefetch
from oms._core.ladder cimport Chunk, Ladder
from oms._core.order_book cimport Level, mirrored, side_of
from oms._core.order_pool cimport Order
from oms._core.records cimport OrderRecord
from oms._core.state cimport State, has_instrument
from oms._core.types cimport COMMAND_NEW_ORDER, COMMAND_REPLACE_ORDER

cdef enum:
    LOOK_AHEAD_FROM = 16384  # live orders
    STAGE_STEP = 3  # commands from one stage to the next
    STAGES = 5


cdef inline void look_ahead(
    const State* state, const OrderRecord* records, uint32_t at, uint32_t count
) noexcept nogil:
    """Before command `at` of `count` is applied."""
    cdef const OrderRecord* record = &records[at]
    if at + STAGES * STAGE_STEP >= count:
        return  # the last few of an entry do without
    look_first(state, &record[5 * STAGE_STEP])
    look_second(state, &record[4 * STAGE_STEP])
    look_third(state, &record[3 * STAGE_STEP])
    look_fourth(state, &record[2 * STAGE_STEP])
    look_fifth(state, &record[STAGE_STEP])


cdef inline bint is_new(const State* state, const OrderRecord* record) noexcept nogil:
    return record.kind == COMMAND_NEW_ORDER and has_instrument(state, record.instrument_id)


cdef inline const Order* named_order(
    const State* state, const OrderRecord* record
) noexcept nogil:
    """The first order in the chain of the one that a cancel or replace names."""
    return &state.pool.orders[state.index.heads[named_home(state, record)]]


cdef inline uint32_t named_home(const State* state, const OrderRecord* record) noexcept nogil:
    return chain_home(
        &state.index, record.session_id,
        record.orig_user_ref_num if record.kind == COMMAND_REPLACE_ORDER
        else record.user_ref_num,
    )


cdef inline uint32_t level_home(const State* state, const OrderRecord* record) noexcept nogil:
    """The chain of the level where a new order would rest."""
    return chain_home(
        &state.levels.index, record.instrument_id,
        mirrored(
            side_of(record.side),
            grid_of(&state.instruments[record.instrument_id], record.price & 0x7FFFFFFF),
        ),
    )


cdef inline uint32_t position_home(const State* state, const OrderRecord* record) noexcept nogil:
    return chain_home(&state.positions.index, record.instrument_id, record.account_id)


cdef inline void look_first(const State* state, const OrderRecord* record) noexcept nogil:
    prefetch(&state.index.heads[named_home(state, record)])
    if is_new(state, record):
        prefetch(&state.instruments[record.instrument_id])
        prefetch(&state.instruments[record.instrument_id].grid_inverse)
        prefetch(&state.positions.index.heads[position_home(state, record)])


cdef inline void look_second(const State* state, const OrderRecord* record) noexcept nogil:
    if is_new(state, record):
        prefetch(&state.levels.index.heads[level_home(state, record)])
        prefetch(
            &state.positions.positions[
                state.positions.index.heads[position_home(state, record)]
            ]
        )
    else:
        prefetch(named_order(state, record))


cdef inline void look_third(const State* state, const OrderRecord* record) noexcept nogil:
    cdef const Order* order
    cdef const Instrument* instrument
    if is_new(state, record):
        instrument = &state.instruments[record.instrument_id]
        prefetch(&state.levels.levels[state.levels.index.heads[level_home(state, record)]])
        prefetch(&state.levels.levels[instrument.book.ladders[0].best])
        prefetch(&state.levels.levels[instrument.book.ladders[1].best])
        prefetch(instrument.book.ladders[side_of(record.side)].parts)
    else:
        order = named_order(state, record)
        prefetch(&state.pool.orders[order.prev])
        prefetch(&state.pool.orders[order.next])
        prefetch(&state.levels.levels[order.level])
        prefetch(&state.positions.positions[order.position])
        prefetch(&state.instruments[order.instrument_id])


cdef inline void look_fourth(const State* state, const OrderRecord* record) noexcept nogil:
    cdef const Level* level
    cdef const Order* order
    cdef const Instrument* instrument
    cdef uint32_t slot
    if is_new(state, record):
        instrument = &state.instruments[record.instrument_id]
        slot = state.levels.index.heads[level_home(state, record)]
        prefetch(&state.pool.orders[state.levels.levels[slot].tail])
        level = &state.levels.levels[
            instrument.book.ladders[side_of(record.side) ^ 1].best
        ]
        prefetch(&state.pool.orders[level.head])
        if slot == 0:
            look_at_chunk(state, &instrument.book.ladders[side_of(record.side)])
    else:
        order = named_order(state, record)
        level = &state.levels.levels[order.level]
        if level.head == level.tail:  # the level goes with its last order
            prefetch(
                &state.levels.index.heads[
                    chain_home(&state.levels.index, level.instrument_id, level.key)
                ]
            )
            instrument = &state.instruments[order.instrument_id]
            prefetch(instrument.book.ladders[side_of(order.side)].parts)


cdef inline void look_fifth(const State* state, const OrderRecord* record) noexcept nogil:
    cdef const Level* level
    cdef const Order* order
    if not is_new(state, record):
        order = named_order(state, record)
        level = &state.levels.levels[order.level]
        if level.head == level.tail:
            look_at_chunk(
                state,
                &state.instruments[order.instrument_id].book.ladders[side_of(order.side)],
            )


cdef inline void look_at_chunk(const State* state, const Ladder* ladder) noexcept nogil:
    """The chunk of a ladder that has only one, as most have: every line of it."""
    cdef const Chunk* chunk
    cdef uint32_t line
    if ladder.part_count != 1:
        return
    chunk = &state.levels.chunks.chunks[ladder.parts[0].chunk]
    for line in range(0, sizeof(Chunk) // sizeof(uint64_t), 8):
        prefetch(&(<const uint64_t*>chunk)[line])
