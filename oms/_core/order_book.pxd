"""One instrument's resting orders: two ladders of levels, first in first out within a level.

Called by the matcher, the commands that cancel, views, digest and snapshot. Levels of all books
share one slab and one table from (instrument, tick) to level; a price never has orders of both
sides, so one table serves both. Promises: a level in a ladder is never empty; `qty` of a level is
the sum of its orders' leaves; the best bid is below the best ask.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.ladder cimport Chunk, ChunkPool, Ladder, ladder_add, ladder_remove
from oms._core.machine cimport INVARIANT, release_pages, take_pages
from oms._core.order_pool cimport Order
from oms._core.slot_table cimport SlotTable, table_erase, table_insert, table_tag
from oms._core.types cimport SIDE_BUY

cdef enum:
    BOOK_BIDS = 0
    BOOK_ASKS = 1

cdef struct Level:  # 32 bytes
    uint64_t qty  # shares open
    uint32_t head  # slot of the first order
    uint32_t tail  # slot of the last
    uint32_t price  # 10^-4
    uint32_t tick  # price / tick size
    uint32_t instrument_id
    uint32_t next_free

# Level 0 is the empty side: price 0, quantity 0.
cdef struct LevelPool:
    Level* levels  # orders_max + 1 of them: a level has at least one order
    SlotTable index  # (instrument_id, tick) -> level
    uint32_t levels_max
    uint32_t used
    uint32_t free_head
    ChunkPool chunks

cdef struct Book:
    Ladder ladders[2]  # by BookSide


cdef inline uint32_t side_of(uint32_t side) noexcept nogil:
    """The ladder where an order of this side rests."""
    return side != SIDE_BUY


cdef inline uint32_t ladder_key(uint32_t book_side, uint32_t tick) noexcept nogil:
    """Larger is better: the tick itself for bids, its complement for asks."""
    return tick ^ (0 - book_side)


cdef inline void levels_open(LevelPool* pool, uint32_t orders_max) noexcept nogil:
    INVARIANT(sizeof(Level) == 32)
    pool.levels_max = orders_max
    pool.levels = <Level*>take_pages((<size_t>orders_max + 1) * sizeof(Level))


cdef inline void levels_close(LevelPool* pool) noexcept nogil:
    release_pages(pool.levels, (<size_t>pool.levels_max + 1) * sizeof(Level))


cdef inline uint32_t level_find(
    LevelPool* pool, uint32_t instrument_id, uint32_t tick
) noexcept nogil:
    """The level at that tick; 0: none."""
    cdef uint32_t tag = table_tag(instrument_id, tick)
    cdef uint32_t i = tag & pool.index.mask
    cdef uint32_t slot
    while True:
        slot = pool.index.entries[i].slot
        if slot == 0:
            return 0
        if (
            pool.index.entries[i].tag == tag
            and pool.levels[slot].tick == tick
            and pool.levels[slot].instrument_id == instrument_id
        ):
            return slot
        i = (i + 1) & pool.index.mask


cdef inline uint32_t level_make(
    LevelPool* pool, Book* book, uint32_t book_side, uint32_t instrument_id, uint32_t tick,
    uint32_t price,
) noexcept nogil:
    cdef uint32_t slot = pool.free_head
    cdef Level* level
    if slot:
        pool.free_head = pool.levels[slot].next_free
    else:
        pool.used += 1
        INVARIANT(pool.used <= pool.levels_max)
        slot = pool.used
    level = &pool.levels[slot]
    level.qty = 0
    level.head = 0
    level.tail = 0
    level.price = price
    level.tick = tick
    level.instrument_id = instrument_id
    table_insert(&pool.index, table_tag(instrument_id, tick), slot)
    ladder_add(&book.ladders[book_side], &pool.chunks, ladder_key(book_side, tick), slot)
    return slot


cdef inline void level_drop(
    LevelPool* pool, Book* book, uint32_t book_side, uint32_t slot
) noexcept nogil:
    cdef Level* level = &pool.levels[slot]
    ladder_remove(
        &book.ladders[book_side], &pool.chunks, ladder_key(book_side, level.tick), slot
    )
    table_erase(&pool.index, table_tag(level.instrument_id, level.tick), slot)
    level.next_free = pool.free_head
    pool.free_head = slot


cdef inline void book_link(
    LevelPool* pool, Book* book, Order* orders, uint32_t slot, uint32_t tick
) noexcept nogil:
    """Put an order at the back of its level; its fields are set."""
    cdef Order* order = &orders[slot]
    cdef uint32_t level_slot = level_find(pool, order.instrument_id, tick)
    cdef Level* level
    if level_slot == 0:
        level_slot = level_make(
            pool, book, side_of(order.side), order.instrument_id, tick, order.price
        )
    level = &pool.levels[level_slot]
    order.level = level_slot
    order.next = 0
    order.prev = level.tail
    orders[level.tail].next = slot  # slot 0 is scratch
    level.tail = slot
    level.head = level.head if level.head else slot
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
    level.head = order.next if level.head == slot else level.head
    level.tail = order.prev if level.tail == slot else level.tail
    if level.head == 0:
        level_drop(pool, book, side_of(order.side), order.level)


cdef inline bint is_worse(
    uint32_t book_side, int64_t price, int64_t worst_price
) noexcept nogil:
    """Whether an incoming order must not trade with a level of this side at `price`."""
    return price > worst_price if book_side == BOOK_ASKS else price < worst_price


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
            level = &pool.levels[chunk.levels[i]]
            if is_worse(book_side, level.price, worst_price):
                return False
            found += level.qty
            if found >= qty:
                return True
    return False
