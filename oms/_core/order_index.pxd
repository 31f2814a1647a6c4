"""(session_id, user_ref_num) -> slot of the live order.

Called by the matcher and by the commands that name an order. Promises: every live order is in it
exactly once. A link is where a slot number stands, so that what was found can be taken out without
looking it up again; it is good until the next change of the index.
"""

from libc.stdint cimport uint32_t

from oms._core.chain_table cimport (
    CHAIN_AHEAD, CHAIN_LINE, CHAIN_LINES, ChainTable, chain_home, chain_is_full, chain_widen,
)
from oms._core.machine cimport INVARIANT, UNLIKELY, prefetch
from oms._core.order_pool cimport Order


cdef inline uint32_t* index_find(
    ChainTable* index, Order* orders, uint32_t session_id, uint32_t user_ref_num
) noexcept nogil:
    """The link to the live order of that name; it holds 0 when there is none."""
    cdef uint32_t* link = &index.heads[chain_home(index, session_id, user_ref_num)]
    while link[0] and (
        orders[link[0]].user_ref_num != user_ref_num
        or orders[link[0]].session_id != session_id
    ):
        link = &orders[link[0]].chain
    return link


cdef inline void index_put(ChainTable* index, Order* orders, uint32_t slot) noexcept nogil:
    cdef uint32_t home = chain_home(index, orders[slot].session_id, orders[slot].user_ref_num)
    orders[slot].chain = index.heads[home]
    index.heads[home] = slot


cdef inline void index_widen(ChainTable* index, Order* orders) noexcept nogil:
    cdef int line
    cdef uint32_t first
    cdef uint32_t home
    cdef uint32_t slot
    cdef uint32_t behind
    for line in range(CHAIN_LINES):
        first = chain_widen(index)
        for home in range(first, first + CHAIN_LINE):
            prefetch(&orders[index.heads[home + CHAIN_AHEAD]])
            slot = index.heads[home]
            index.heads[home] = 0
            while slot:
                behind = orders[slot].chain
                index_put(index, orders, slot)
                slot = behind
        if index.limit:
            return


cdef inline void index_add(ChainTable* index, Order* orders, uint32_t slot) noexcept nogil:
    """Add an order that is not in the index."""
    if UNLIKELY(chain_is_full(index)):
        index_widen(index, orders)
    index.count += 1
    index_put(index, orders, slot)


cdef inline void index_take_out(
    ChainTable* index, Order* orders, uint32_t* link
) noexcept nogil:
    """Take out the order that a link leads to."""
    link[0] = orders[link[0]].chain
    index.count -= 1


cdef inline void index_remove(ChainTable* index, Order* orders, uint32_t slot) noexcept nogil:
    """Take out an order that is in the index."""
    cdef uint32_t* link = &index.heads[
        chain_home(index, orders[slot].session_id, orders[slot].user_ref_num)
    ]
    while link[0] != slot:
        INVARIANT(link[0] != 0)
        link = &orders[link[0]].chain
    index_take_out(index, orders, link)
