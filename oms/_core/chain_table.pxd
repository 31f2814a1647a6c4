"""Hash from a key to a slot number: short chains that run through the records themselves.

Called by the indexes of orders, levels and positions; each brings its comparison and the field of
its record that leads on in the chain. A table is nothing but the first slot of each chain, at most
one quarter of them in use, so that looking up, adding and taking out rarely meet a second record
and the processor guesses right. Sixteen neighboring keys (user_ref_nums, price_keys) share a cache
line.

A table doubles a few such lines at a time, and nothing is ever copied: the chains that a new line
takes over from one older line are dealt out again (as in linear hashing, Litwin 1980). Its
addresses are reserved for as many records as there may be; memory is taken as far as it has grown
(docs/adr/0050). The arrangement decides nothing: it is no part of the state, and a restore builds
it anew.
"""

from libc.stdint cimport uint32_t, uint64_t

from oms._core.machine cimport INVARIANT, MIX, UNLIKELY, prefetch, rare, release_pages, take_pages

cdef struct ChainTable:
    uint32_t* heads  # 0: no record
    uint32_t size  # chains in use
    uint32_t mask  # of a hash: the next power of two from `size` on, less one
    uint32_t count  # records in all chains
    uint32_t limit  # of them, until it begins to double; 0: it is doubling
    uint32_t reserved  # chains that there are addresses for

cdef enum:
    CHAIN_LINE = 16  # chains: of keys that are neighbors
    CHAIN_LINES = 4  # with each record that is added while the table doubles
    CHAIN_AHEAD = CHAIN_LINES * CHAIN_LINE  # what the next record's lines will be made of
    CHAINS_MIN = CHAIN_LINE


cdef inline uint32_t chain_home(
    const ChainTable* table, uint32_t high, uint32_t low
) noexcept nogil:
    """Which chain a key of two parts belongs to: behind the end, the one of half the mask."""
    cdef uint64_t block = ((<uint64_t>high << 32 | low >> 4) * MIX) >> 32
    cdef uint32_t home = <uint32_t>(block << 4 | (low & 15)) & table.mask
    if UNLIKELY(home >= table.size):
        home &= table.mask >> 1
    return home


cdef inline void chain_open(ChainTable* table, uint32_t records_max) noexcept nogil:
    table.size = CHAINS_MIN
    table.mask = CHAINS_MIN - 1
    table.limit = CHAINS_MIN // 4
    table.reserved = 2 * CHAIN_AHEAD
    while table.reserved // 4 < records_max:
        table.reserved *= 2
    table.heads = <uint32_t*>take_pages(<size_t>table.reserved * sizeof(uint32_t))


cdef inline void chain_close(ChainTable* table) noexcept nogil:
    release_pages(table.heads, <size_t>table.reserved * sizeof(uint32_t))


cdef inline bint chain_is_full(const ChainTable* table) noexcept nogil:
    """Whether one record more asks for more chains."""
    return table.count >= table.limit


cdef inline uint32_t chain_widen(ChainTable* table) noexcept nogil:
    """One line more: the first of the CHAIN_LINE chains whose records have to be put again."""
    cdef uint32_t first
    rare()
    if table.size > table.mask:
        INVARIANT(table.size < table.reserved)
        table.mask = 2 * table.mask + 1
    first = table.size - (table.mask + 1) // 2
    table.size += CHAIN_LINE
    table.limit = table.size // 4 if table.size > table.mask else 0
    prefetch(&table.heads[first + CHAIN_AHEAD + CHAIN_LINE])
    prefetch(&table.heads[table.size + CHAIN_AHEAD])
    return first
