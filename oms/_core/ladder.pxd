"""The prices at which one side of a book has orders, sorted, the best one last.

Called by the order book. A ladder is a list of short sorted arrays (chunks): finding a price is a
binary search in the list and in one chunk, the best is the last element of the last chunk, and a
far-away price is nothing but one more element. Keys are prices, mirrored for asks, so that a larger
key is better on both sides.

Promises: keys strictly ascending; no chunk is empty unless it is the only one; chunk `i` holds the
keys from its `low` up to the next chunk's `low`, and the first chunk's `low` is 0.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memmove

from oms._core.machine cimport INVARIANT, UNLIKELY, grow_array, release_pages, stretch_pages

cdef enum:
    CHUNK_MAX = 64

cdef extern from *:
    """
    #define QUORATE_SUM_UNKNOWN UINT64_MAX
    /* The debug build has short chunks, so that every test with a few prices has many. */
    #define QUORATE_CHUNK_FULL (QUORATE_DEBUG ? 4u : 64u)
    #define QUORATE_CHUNK_LOW (QUORATE_DEBUG ? 2u : 16u)
    """
    const uint64_t SUM_UNKNOWN "QUORATE_SUM_UNKNOWN"
    const uint32_t CHUNK_FULL "QUORATE_CHUNK_FULL"
    const uint32_t CHUNK_LOW "QUORATE_CHUNK_LOW"  # two neighbors become one if they fit well

cdef struct Chunk:
    uint32_t count
    uint32_t next_free
    uint64_t entries[CHUNK_MAX]  # key << 32 | slot of the level, ascending

cdef struct ChunkPool:
    Chunk* chunks  # id 0 is not used
    uint64_t* open  # by chunk: shares open in its part (open_sums.pxd), or SUM_UNKNOWN
    uint32_t used
    uint32_t capacity
    uint32_t free_head

cdef struct LadderPart:
    uint32_t low
    uint32_t chunk

cdef struct Ladder:
    LadderPart* parts  # cold growth, as long as the engine lives
    uint32_t part_count
    uint32_t part_capacity
    uint32_t level_count
    uint32_t best  # slot of the best level; 0: the side is empty


cdef inline void chunks_double(ChunkPool* pool) noexcept nogil:
    cdef size_t before = pool.capacity
    cdef size_t after = before * 2 if before else 16
    pool.capacity = <uint32_t>after
    pool.chunks = <Chunk*>stretch_pages(
        pool.chunks, before * sizeof(Chunk), after * sizeof(Chunk)
    )
    pool.open = <uint64_t*>stretch_pages(
        pool.open, before * sizeof(uint64_t), after * sizeof(uint64_t)
    )


cdef inline void chunks_close(ChunkPool* pool) noexcept nogil:
    release_pages(pool.chunks, <size_t>pool.capacity * sizeof(Chunk))
    release_pages(pool.open, <size_t>pool.capacity * sizeof(uint64_t))


cdef inline uint32_t chunk_take(ChunkPool* pool) noexcept nogil:
    cdef uint32_t chunk = pool.free_head
    if chunk:
        pool.free_head = pool.chunks[chunk].next_free
    else:
        pool.used += 1
        if pool.used >= pool.capacity:
            chunks_double(pool)
        chunk = pool.used
    pool.chunks[chunk].count = 0
    pool.open[chunk] = SUM_UNKNOWN
    return chunk


cdef inline void chunk_free(ChunkPool* pool, uint32_t chunk) noexcept nogil:
    pool.chunks[chunk].next_free = pool.free_head
    pool.free_head = chunk


cdef inline void ladder_close(Ladder* ladder) noexcept nogil:
    free(ladder.parts)


cdef inline uint32_t ladder_part(const Ladder* ladder, uint32_t key) noexcept nogil:
    """The part that holds `key` or would: the last one whose low is not above it."""
    cdef uint32_t first = 0
    cdef uint32_t count = ladder.part_count
    cdef uint32_t half
    while count > 1:
        half = count >> 1
        first = first + half if ladder.parts[first + half].low <= key else first
        count -= half
    return first


cdef inline uint32_t chunk_position(const Chunk* chunk, uint32_t key) noexcept nogil:
    """How many keys of the chunk are below `key`."""
    cdef uint64_t wanted = <uint64_t>key << 32
    cdef uint32_t first = 0
    cdef uint32_t count = chunk.count
    cdef uint32_t half
    if count == 0:
        return 0
    while count > 1:
        half = count >> 1
        first = first + half if chunk.entries[first + half - 1] < wanted else first
        count -= half
    return first + (chunk.entries[first] < wanted)


cdef inline uint32_t entry_key(uint64_t entry) noexcept nogil:
    return <uint32_t>(entry >> 32)


cdef inline uint32_t entry_level(uint64_t entry) noexcept nogil:
    return <uint32_t>entry


cdef inline void ladder_add_part(
    Ladder* ladder, uint32_t at, uint32_t low, uint32_t chunk
) noexcept nogil:
    if ladder.part_count == ladder.part_capacity:
        ladder.part_capacity = ladder.part_capacity * 2 if ladder.part_capacity else 4
        ladder.parts = <LadderPart*>grow_array(
            ladder.parts, <size_t>ladder.part_capacity * sizeof(LadderPart)
        )
    memmove(
        &ladder.parts[at + 1],
        &ladder.parts[at],
        <size_t>(ladder.part_count - at) * sizeof(LadderPart),
    )
    ladder.parts[at].low = low
    ladder.parts[at].chunk = chunk
    ladder.part_count += 1


cdef inline void ladder_drop_part(Ladder* ladder, ChunkPool* pool, uint32_t at) noexcept nogil:
    chunk_free(pool, ladder.parts[at].chunk)
    ladder.part_count -= 1
    memmove(
        &ladder.parts[at],
        &ladder.parts[at + 1],
        <size_t>(ladder.part_count - at) * sizeof(LadderPart),
    )
    ladder.parts[0].low = 0
    pool.open[ladder.parts[at - (at > 0)].chunk] = SUM_UNKNOWN  # it has those prices, too


cdef inline void ladder_split(Ladder* ladder, ChunkPool* pool, uint32_t at) noexcept nogil:
    """Move the upper half of a full chunk into a new one behind it."""
    cdef uint32_t upper = chunk_take(pool)  # may move the pool: pointers only from here on
    cdef Chunk* source = &pool.chunks[ladder.parts[at].chunk]
    cdef Chunk* target = &pool.chunks[upper]
    cdef uint32_t keep = CHUNK_FULL // 2
    target.count = CHUNK_FULL - keep
    source.count = keep
    pool.open[ladder.parts[at].chunk] = SUM_UNKNOWN
    memcpy(target.entries, &source.entries[keep], target.count * sizeof(uint64_t))
    ladder_add_part(ladder, at + 1, entry_key(target.entries[0]), upper)


cdef inline void ladder_merge(Ladder* ladder, ChunkPool* pool, uint32_t at) noexcept nogil:
    """Append a short chunk to the one before it, if both together are not nearly full."""
    cdef Chunk* source = &pool.chunks[ladder.parts[at].chunk]
    cdef Chunk* target = &pool.chunks[ladder.parts[at - 1].chunk]
    if source.count + target.count > CHUNK_FULL - CHUNK_LOW:
        return
    memcpy(&target.entries[target.count], source.entries, source.count * sizeof(uint64_t))
    target.count += source.count
    ladder_drop_part(ladder, pool, at)


cdef inline void ladder_add(
    Ladder* ladder, ChunkPool* pool, uint32_t key, uint32_t level
) noexcept nogil:
    """Add a key that is not in the ladder."""
    cdef uint32_t part
    cdef uint32_t at
    cdef uint32_t behind
    cdef Chunk* chunk
    if UNLIKELY(ladder.part_count == 0):
        ladder_add_part(ladder, 0, 0, chunk_take(pool))
    part = ladder_part(ladder, key)
    if UNLIKELY(pool.chunks[ladder.parts[part].chunk].count == CHUNK_FULL):
        ladder_split(ladder, pool, part)
        part += ladder.parts[part + 1].low <= key
    chunk = &pool.chunks[ladder.parts[part].chunk]
    at = chunk_position(chunk, key)
    behind = chunk.count - at
    if behind:
        memmove(&chunk.entries[at + 1], &chunk.entries[at], behind * sizeof(uint64_t))
    chunk.entries[at] = <uint64_t>key << 32 | level
    chunk.count += 1
    ladder.level_count += 1
    if behind == 0 and part + 1 == ladder.part_count:
        ladder.best = level


cdef inline void ladder_remove(
    Ladder* ladder, ChunkPool* pool, uint32_t key, uint32_t level
) noexcept nogil:
    """Take out a key that is in the ladder."""
    cdef uint32_t part
    cdef uint32_t at
    cdef Chunk* chunk
    if level == ladder.best:
        part = ladder.part_count - 1
        chunk = &pool.chunks[ladder.parts[part].chunk]
        chunk.count -= 1
    else:
        part = ladder_part(ladder, key)
        chunk = &pool.chunks[ladder.parts[part].chunk]
        at = chunk_position(chunk, key)
        INVARIANT(at < chunk.count and entry_level(chunk.entries[at]) == level)
        chunk.count -= 1
        memmove(
            &chunk.entries[at], &chunk.entries[at + 1],
            (chunk.count - at) * sizeof(uint64_t),
        )
    ladder.level_count -= 1
    if UNLIKELY(chunk.count < CHUNK_LOW and ladder.part_count > 1):
        if chunk.count == 0:
            ladder_drop_part(ladder, pool, part)
        elif part:
            ladder_merge(ladder, pool, part)
    ladder_refresh_best(ladder, pool)


cdef inline void ladder_refresh_best(Ladder* ladder, ChunkPool* pool) noexcept nogil:
    cdef Chunk* last = &pool.chunks[ladder.parts[ladder.part_count - 1].chunk]
    ladder.best = entry_level(last.entries[last.count - 1]) if last.count else 0
