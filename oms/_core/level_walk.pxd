"""The levels of one side of a book, best first.

Called by views, digest, snapshot and the debug walk, never while trading. Promises: the book must
not change during a walk.
"""

from libc.stdint cimport uint32_t

from oms._core.ladder cimport Ladder, chunk_position, entry_level, ladder_part
from oms._core.order_book cimport LevelPool

cdef struct LevelWalk:
    const LevelPool* pool
    const Ladder* ladder
    uint32_t part  # parts not yet begun
    uint32_t left  # levels of the current chunk not yet given


cdef inline void level_start(
    LevelWalk* walk, const LevelPool* pool, const Ladder* ladder
) noexcept nogil:
    walk.pool = pool
    walk.ladder = ladder
    walk.part = ladder.part_count
    walk.left = 0


cdef inline void level_start_at(
    LevelWalk* walk, const LevelPool* pool, const Ladder* ladder, uint32_t key
) noexcept nogil:
    """As `level_start`, without the levels that are better than `key`."""
    level_start(walk, pool, ladder)
    if ladder.part_count == 0:
        return
    walk.part = ladder_part(ladder, key)
    walk.left = chunk_position(&pool.chunks.chunks[ladder.parts[walk.part].chunk], key + 1)


cdef inline uint32_t level_next(LevelWalk* walk) noexcept nogil:
    """The next level's slot; 0: that was all."""
    while walk.left == 0:
        if walk.part == 0:
            return 0
        walk.part -= 1
        walk.left = walk.pool.chunks.chunks[walk.ladder.parts[walk.part].chunk].count
    walk.left -= 1
    return entry_level(
        walk.pool.chunks.chunks[walk.ladder.parts[walk.part].chunk].entries[walk.left]
    )
