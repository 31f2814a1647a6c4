"""How many shares are open in each part of a ladder, so that calls need not go level by level.

Called by the call price, which asks, and by whatever makes an order rest, shrink or leave while its
book collects orders. A part's sum counts every order of its side at the prices from its `low` up to
the next part's, displayed or hidden. Promises: a sum is right or unknown; it becomes unknown when
trading begins to be collected and when a part is split or joined, and known when it is asked for.
Outside calls nothing is kept up. No part of the state: nothing but time depends on it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument
from oms._core.hidden cimport ladder_at
from oms._core.ladder cimport Chunk, Ladder, SUM_UNKNOWN, entry_key, entry_level, ladder_part
from oms._core.level_walk cimport LevelWalk, level_next, level_start, level_start_at
from oms._core.machine cimport prefetch, rare
from oms._core.order_book cimport mirrored, side_of
from oms._core.order_pool cimport Order
from oms._core.state cimport State


cdef inline void sums_forget(State* state, uint32_t instrument_id) noexcept nogil:
    """The book begins to collect orders."""
    cdef const Ladder* ladder
    cdef uint32_t which
    cdef uint32_t part
    for which in range(2):
        ladder = &state.instruments[instrument_id].book.ladders[which]
        for part in range(ladder.part_count):
            state.levels.chunks.open[ladder.parts[part].chunk] = SUM_UNKNOWN


cdef inline void sum_changes(State* state, const Order* order, int64_t shares) noexcept nogil:
    """An order that rests in a book has so many shares more, or will have."""
    cdef uint32_t book_side = side_of(order.side)
    cdef const Ladder* ladder = &state.instruments[order.instrument_id].book.ladders[book_side]
    cdef uint64_t* sum
    rare()
    if ladder.part_count == 0:
        return  # hidden orders only
    sum = &state.levels.chunks.open[
        ladder.parts[ladder_part(ladder, mirrored(book_side, order.price))].chunk
    ]
    if sum[0] != SUM_UNKNOWN:
        sum[0] += <uint64_t>shares


cdef inline uint64_t open_of_level(const State* state, uint32_t level) noexcept nogil:
    """Shown or not."""
    return state.levels.levels[level].qty + state.levels.reserves[level]


cdef inline uint64_t count_part(
    State* state, uint32_t instrument_id, uint32_t book_side, uint32_t part
) noexcept nogil:
    """The sum of a part, level by level."""
    cdef const Ladder* ladder = ladder_at(state, instrument_id, book_side)
    cdef const Ladder* hidden = ladder_at(state, instrument_id, book_side + 2)
    cdef const Chunk* chunk = &state.levels.chunks.chunks[ladder.parts[part].chunk]
    cdef LevelWalk walk
    cdef uint64_t found = 0
    cdef uint32_t level
    cdef uint32_t i
    for i in range(chunk.count):
        prefetch(&state.levels.levels[entry_level(chunk.entries[i])])
        prefetch(&state.levels.reserves[entry_level(chunk.entries[i])])
    for i in range(chunk.count):
        found += open_of_level(state, entry_level(chunk.entries[i]))
    if state.instruments[instrument_id].hidden_orders == 0:
        return found
    if part + 1 < ladder.part_count:
        level_start_at(&walk, &state.levels, hidden, ladder.parts[part + 1].low - 1)
    else:
        level_start(&walk, &state.levels, hidden)
    level = level_next(&walk)
    while level and mirrored(book_side, state.levels.levels[level].price) >= (
        ladder.parts[part].low
    ):
        found += open_of_level(state, level)
        level = level_next(&walk)
    return found


cdef inline uint64_t part_sum(
    State* state, uint32_t instrument_id, uint32_t book_side, uint32_t part
) noexcept nogil:
    """Shares open in a part."""
    cdef const Ladder* ladder = ladder_at(state, instrument_id, book_side)
    cdef uint64_t* sum = &state.levels.chunks.open[ladder.parts[part].chunk]
    if sum[0] == SUM_UNKNOWN:
        sum[0] = count_part(state, instrument_id, book_side, part)
    return sum[0]


cdef inline uint32_t worst_key(const State* state, const Ladder* ladder) noexcept nogil:
    """The key of a ladder's worst level; there is one."""
    return entry_key(state.levels.chunks.chunks[ladder.parts[0].chunk].entries[0])


cdef inline uint32_t part_worst(
    State* state, uint32_t instrument_id, uint32_t book_side, uint32_t part
) noexcept nogil:
    """A price that no order of the part, which has one, is worse than."""
    cdef const Ladder* ladder = ladder_at(state, instrument_id, book_side)
    cdef const Ladder* hidden = ladder_at(state, instrument_id, book_side + 2)
    cdef uint32_t key = ladder.parts[part].low
    if part == 0:
        key = 0xFFFFFFFF
        if ladder.level_count:
            key = worst_key(state, ladder)
        if hidden.level_count:
            key = min(key, worst_key(state, hidden))
    return mirrored(book_side, key)


cdef inline bint are_sums_wrong(State* state, uint32_t instrument_id) noexcept nogil:
    """Whether what is open in a part is neither as counted nor unknown (debug build only)."""
    cdef const Ladder* ladder
    cdef uint64_t known
    cdef uint32_t which
    cdef uint32_t part
    for which in range(2):
        ladder = ladder_at(state, instrument_id, which)
        for part in range(ladder.part_count):
            known = state.levels.chunks.open[ladder.parts[part].chunk]
            if known != SUM_UNKNOWN and known != count_part(state, instrument_id, which, part):
                return True
    return False
