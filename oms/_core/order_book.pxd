"""One instrument's resting orders: two ladders of levels, first in first out within a level.

Called by the matcher, the commands that cancel, views, digest and snapshot. Levels of all books
share one slab and one table from (instrument, key, price) to level. The key is no more than a good
place to look: neighboring prices side by side (`price_key`), and another one on either side
(`mirrored`), so that one table serves both, also where the book is crossed; levels of hidden orders
say another instrument there. Ladders are sorted by the price itself, so what rests may be off the
tick. Promises: a level in a ladder is never empty; `qty` of a level is the sum of what its orders
show (of a hidden level: of their leaves); the best bid is below the best ask unless orders are
collected.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.chain_table cimport (
    CHAIN_AHEAD, CHAIN_LINE, CHAIN_LINES, ChainTable, chain_close, chain_home, chain_is_full,
    chain_open, chain_widen,
)
from oms._core.ladder cimport (
    Chunk, ChunkPool, Ladder, chunks_close, entry_level, ladder_add, ladder_remove,
)
from oms._core.machine cimport INVARIANT, UNLIKELY, prefetch, release_pages, take_pages
from oms._core.order_pool cimport Order
from oms._core.types cimport SIDE_BUY

cdef enum:
    BOOK_BIDS = 0
    BOOK_ASKS = 1

cdef enum:
    HIDDEN_LEVEL = 1 << 31  # beside the instrument_id of a level of hidden orders

cdef struct Level:  # 32 bytes
    uint64_t qty  # shares open
    uint32_t head  # slot of the first order
    uint32_t tail  # slot of the last
    uint32_t price  # 10^-4
    uint32_t key  # mirrored(price_key): where the index looks for it
    uint32_t instrument_id  # with HIDDEN_LEVEL or not
    uint32_t chain  # next slot in its chain of the index, or in the free list

# Level 0 is the empty side: price 0, quantity 0.
cdef struct LevelPool:
    Level* levels  # orders_max + 1 of them: a level has at least one order
    ChainTable index  # (instrument_id, key, price) -> level
    uint64_t* reserves  # by level: what its icebergs do not show; cold
    uint64_t* market  # by level: open shares of its market orders; cold
    uint32_t levels_max
    uint32_t used
    uint32_t free_head
    ChunkPool chunks

cdef struct Book:
    Ladder ladders[2]  # by BookSide


cdef inline uint32_t side_of(uint32_t side) noexcept nogil:
    """The ladder where an order of this side rests."""
    return side != SIDE_BUY


cdef inline uint32_t mirrored(uint32_t book_side, uint32_t price) noexcept nogil:
    """Larger is better: the price itself for bids, its complement for asks; and back again.

    A price and its complement, and a price_key and its own, never meet: they are below 2^31.
    """
    return price ^ (0 - book_side)


cdef inline void levels_open(LevelPool* pool, uint32_t orders_max) noexcept nogil:
    INVARIANT(sizeof(Level) == 32)
    pool.levels_max = orders_max
    pool.levels = <Level*>take_pages((<size_t>orders_max + 1) * sizeof(Level))
    pool.reserves = <uint64_t*>take_pages((<size_t>orders_max + 1) * sizeof(uint64_t))
    pool.market = <uint64_t*>take_pages((<size_t>orders_max + 1) * sizeof(uint64_t))
    chain_open(&pool.index, orders_max)


cdef inline void levels_close(LevelPool* pool) noexcept nogil:
    release_pages(pool.levels, (<size_t>pool.levels_max + 1) * sizeof(Level))
    release_pages(pool.reserves, (<size_t>pool.levels_max + 1) * sizeof(uint64_t))
    release_pages(pool.market, (<size_t>pool.levels_max + 1) * sizeof(uint64_t))
    chain_close(&pool.index)
    chunks_close(&pool.chunks)


cdef inline uint32_t level_find(
    const LevelPool* pool, uint32_t instrument_id, uint32_t key, uint32_t price
) noexcept nogil:
    """The level with that key and price; 0: none."""
    cdef uint32_t slot = pool.index.heads[chain_home(&pool.index, instrument_id, key)]
    while slot and (
        pool.levels[slot].key != key or pool.levels[slot].price != price
        or pool.levels[slot].instrument_id != instrument_id
    ):
        slot = pool.levels[slot].chain
    return slot


cdef inline void level_put(LevelPool* pool, uint32_t slot) noexcept nogil:
    cdef Level* level = &pool.levels[slot]
    cdef uint32_t home = chain_home(&pool.index, level.instrument_id, level.key)
    level.chain = pool.index.heads[home]
    pool.index.heads[home] = slot


cdef inline void levels_widen(LevelPool* pool) noexcept nogil:
    cdef int line
    cdef uint32_t first
    cdef uint32_t home
    cdef uint32_t slot
    cdef uint32_t behind
    for line in range(CHAIN_LINES):
        first = chain_widen(&pool.index)
        for home in range(first, first + CHAIN_LINE):
            prefetch(&pool.levels[pool.index.heads[home + CHAIN_AHEAD]])
            slot = pool.index.heads[home]
            pool.index.heads[home] = 0
            while slot:
                behind = pool.levels[slot].chain
                level_put(pool, slot)
                slot = behind
        if pool.index.limit:
            return


cdef inline void level_take_out(LevelPool* pool, uint32_t slot) noexcept nogil:
    cdef Level* level = &pool.levels[slot]
    cdef uint32_t* link = &pool.index.heads[
        chain_home(&pool.index, level.instrument_id, level.key)
    ]
    while link[0] != slot:
        INVARIANT(link[0] != 0)
        link = &pool.levels[link[0]].chain
    link[0] = level.chain
    pool.index.count -= 1


cdef inline uint32_t level_make(
    LevelPool* pool, Book* book, uint32_t book_side, uint32_t instrument_id, uint32_t key,
    uint32_t price,
) noexcept nogil:
    cdef uint32_t slot = pool.free_head
    cdef Level* level
    if slot:
        pool.free_head = pool.levels[slot].chain
    else:
        pool.used += 1
        INVARIANT(pool.used <= pool.levels_max)
        slot = pool.used
    level = &pool.levels[slot]
    level.qty = 0
    level.head = 0
    level.tail = 0
    level.price = price
    level.key = key
    level.instrument_id = instrument_id
    if UNLIKELY(chain_is_full(&pool.index)):
        levels_widen(pool)
    pool.index.count += 1
    level_put(pool, slot)
    ladder_add(&book.ladders[book_side], &pool.chunks, mirrored(book_side, price), slot)
    return slot


cdef inline void level_drop(
    LevelPool* pool, Book* book, uint32_t book_side, uint32_t slot
) noexcept nogil:
    cdef Level* level = &pool.levels[slot]
    ladder_remove(
        &book.ladders[book_side], &pool.chunks, mirrored(book_side, level.price), slot
    )
    level_take_out(pool, slot)
    level.chain = pool.free_head
    pool.free_head = slot


cdef inline void book_link(
    LevelPool* pool, Book* book, Order* orders, uint32_t slot, uint32_t price_key, uint32_t owner
) noexcept nogil:
    """Put an order at the back of its level; its fields are set. `owner`: as in Level;
    `price_key`: of the order's price (directory.pxd).
    """
    cdef Order* order = &orders[slot]
    cdef uint32_t key = mirrored(side_of(order.side), price_key)
    cdef uint32_t level_slot = level_find(pool, owner, key, order.price)
    cdef Level* level
    if level_slot == 0:
        level_slot = level_make(
            pool, book, side_of(order.side), owner, key, order.price
        )
    level = &pool.levels[level_slot]
    order.level = level_slot
    order.next = 0
    order.prev = level.tail
    orders[level.tail].next = slot  # slot 0 is scratch
    level.tail = slot
    level.head |= slot & (0 - <uint32_t>(level.head == 0))
    level.qty += order.leaves


cdef inline void book_unlink(
    LevelPool* pool, Book* book, Order* orders, uint32_t slot
) noexcept nogil:
    """Take an order out of its level, and an empty level out of the book."""
    cdef Order* order = &orders[slot]
    cdef Level* level = &pool.levels[order.level]
    level.qty -= order.leaves
    orders[order.prev].next = order.next
    orders[order.next].prev = order.prev
    # Which end an order leaves from, if any, cannot be guessed: no branches.
    level.head ^= (level.head ^ order.next) & (0 - <uint32_t>(level.head == slot))
    level.tail ^= (level.tail ^ order.prev) & (0 - <uint32_t>(level.tail == slot))
    if level.head == 0:
        level_drop(pool, book, side_of(order.side), order.level)


cdef inline bint is_worse(
    uint32_t book_side, int64_t price, int64_t worst_price
) noexcept nogil:
    """Whether an incoming order must not trade with a level of this side at `price`."""
    return (price - worst_price) * (2 * <int64_t>book_side - 1) > 0


cdef inline uint32_t tradable_level(
    const LevelPool* pool, const Book* book, uint32_t book_side, int64_t worst_price
) noexcept nogil:
    """The best level of that side, if an incoming order may trade with it; else 0."""
    cdef uint32_t best = book.ladders[book_side].best
    return best * (not is_worse(book_side, pool.levels[best].price, worst_price))


cdef inline bint book_has(
    LevelPool* pool, Book* book, uint32_t book_side, int64_t worst_price, uint64_t qty
) noexcept nogil:
    """Whether the levels not worse than `worst_price` hold at least `qty` (fill or kill)."""
    cdef Ladder* ladder = &book.ladders[book_side]
    cdef Chunk* chunk
    cdef Level* level
    cdef uint64_t found = 0
    cdef uint32_t part = ladder.part_count
    cdef uint32_t i
    while part:
        part -= 1
        chunk = &pool.chunks.chunks[ladder.parts[part].chunk]
        i = chunk.count
        while i:
            i -= 1
            level = &pool.levels[entry_level(chunk.entries[i])]
            if is_worse(book_side, level.price, worst_price):
                return False
            found += level.qty
            if found >= qty:
                return True
    return False
