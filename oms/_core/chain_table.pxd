"""Hash from a key to a slot number: short chains that run through the records themselves.

Called by the indexes of orders, levels and positions; each brings its comparison and the field of
its record that leads on in the chain. A table is nothing but the first slot of each chain, at most
one quarter of them in use, so that looking up, adding and taking out rarely meet a second record
and the processor guesses right. Sixteen neighboring keys (user_ref_nums, price_keys) share a cache
line. The arrangement decides nothing: it is no part of the state, and a restore builds it anew.
"""

from libc.stdint cimport uint32_t, uint64_t

from oms._core.machine cimport MIX, release_pages, take_pages

cdef struct ChainTable:
    uint32_t* heads  # 0: no record
    uint32_t mask  # size - 1; the size is a power of two, at least 16
    uint32_t count  # records in all chains


cdef inline uint32_t chain_home(
    const ChainTable* table, uint32_t high, uint32_t low
) noexcept nogil:
    """Which chain a key of two parts belongs to."""
    cdef uint64_t block = ((<uint64_t>high << 32 | low >> 4) * MIX) >> 32
    return <uint32_t>(block << 4 | (low & 15)) & table.mask


cdef inline void chain_open(ChainTable* table, uint32_t size) noexcept nogil:
    table.heads = <uint32_t*>take_pages(<size_t>size * sizeof(uint32_t))
    table.mask = size - 1


cdef inline void chain_close(ChainTable* table) noexcept nogil:
    chain_release(table.heads, table.mask)


cdef inline void chain_release(uint32_t* heads, uint32_t mask) noexcept nogil:
    """Give back heads that a table has or had."""
    release_pages(heads, (<size_t>mask + 1) * sizeof(uint32_t))


cdef inline bint chain_is_full(const ChainTable* table) noexcept nogil:
    """Whether one record more asks for a table of twice the size (cold)."""
    return table.count > table.mask >> 2
