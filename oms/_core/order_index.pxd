"""(session_id, user_ref_num) -> slot of the live order.

Called by the matcher and by the commands that name an order. Promises: every live order is in it
exactly once.
"""

from libc.stdint cimport uint32_t

from oms._core.order_pool cimport Order
from oms._core.slot_table cimport SlotTable, table_erase, table_insert, table_tag


cdef inline uint32_t index_find(
    SlotTable* index, const Order* orders, uint32_t session_id, uint32_t user_ref_num
) noexcept nogil:
    """The live order of that name; 0: none."""
    cdef uint32_t tag = table_tag(session_id, user_ref_num)
    cdef uint32_t i = tag & index.mask
    cdef uint32_t slot
    while True:
        slot = index.entries[i].slot
        if slot == 0:
            return 0
        if (
            index.entries[i].tag == tag
            and orders[slot].user_ref_num == user_ref_num
            and orders[slot].session_id == session_id
        ):
            return slot
        i = (i + 1) & index.mask


cdef inline void index_add(
    SlotTable* index, uint32_t session_id, uint32_t user_ref_num, uint32_t slot
) noexcept nogil:
    table_insert(index, table_tag(session_id, user_ref_num), slot)


cdef inline void index_remove(
    SlotTable* index, uint32_t session_id, uint32_t user_ref_num, uint32_t slot
) noexcept nogil:
    table_erase(index, table_tag(session_id, user_ref_num), slot)
