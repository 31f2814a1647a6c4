"""Open-addressing hash from a key to a slot number; the records behind the slots hold the keys.

Called by the indexes of orders, levels and positions, each with its own comparison. Promises: load
at most one half, no tombstones (a deletion shifts back what was pushed away), no pointers. The
arrangement decides nothing: it is no part of the state, and a restore builds it anew.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from oms._core.machine cimport INVARIANT, MIX, UNLIKELY

cdef struct SlotEntry:
    uint32_t tag  # the key's hash: its low bits are the entry's home
    uint32_t slot  # 0: empty

cdef struct SlotTable:
    SlotEntry* entries
    uint32_t mask  # size - 1; the size is a power of two
    uint32_t count


cdef inline uint32_t table_tag(uint32_t high, uint32_t low) noexcept nogil:
    """The hash of a key of two parts."""
    return <uint32_t>((((<uint64_t>high << 32) | low) * MIX) >> 32)


cdef inline void table_open(SlotTable* table, uint32_t size) noexcept nogil:
    table.entries = <SlotEntry*>calloc(size, sizeof(SlotEntry))
    INVARIANT(table.entries != NULL)
    table.mask = size - 1
    table.count = 0


cdef inline void table_close(SlotTable* table) noexcept nogil:
    free(table.entries)
    table.entries = NULL


cdef inline void table_put(SlotTable* table, uint32_t tag, uint32_t slot) noexcept nogil:
    cdef uint32_t i = tag & table.mask
    while table.entries[i].slot:
        i = (i + 1) & table.mask
    table.entries[i].tag = tag
    table.entries[i].slot = slot


cdef inline void table_double(SlotTable* table) noexcept nogil:
    cdef SlotEntry* old = table.entries
    cdef uint64_t size = <uint64_t>table.mask + 1
    cdef uint64_t i
    table.entries = <SlotEntry*>calloc(size * 2, sizeof(SlotEntry))
    INVARIANT(table.entries != NULL)
    table.mask = <uint32_t>(size * 2 - 1)
    for i in range(size):
        if old[i].slot:
            table_put(table, old[i].tag, old[i].slot)
    free(old)


cdef inline void table_insert(SlotTable* table, uint32_t tag, uint32_t slot) noexcept nogil:
    """Add a key that is not in the table."""
    table.count += 1
    if UNLIKELY(table.count > table.mask >> 1):
        table_double(table)
    table_put(table, tag, slot)


cdef inline void table_erase(SlotTable* table, uint32_t tag, uint32_t slot) noexcept nogil:
    """Take out a key that is in the table."""
    cdef SlotEntry* entries = table.entries
    cdef uint32_t mask = table.mask
    cdef uint32_t hole = tag & mask
    cdef uint32_t i
    while entries[hole].slot != slot:
        INVARIANT(entries[hole].slot != 0)
        hole = (hole + 1) & mask
    i = hole
    while True:
        i = (i + 1) & mask
        if entries[i].slot == 0:
            break
        # An entry may move back into the hole unless its home lies after the hole.
        if ((i - entries[i].tag) & mask) >= ((i - hole) & mask):
            entries[hole] = entries[i]
            hole = i
    entries[hole].slot = 0
    table.count -= 1
