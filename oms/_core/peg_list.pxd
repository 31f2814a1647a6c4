"""Pegs: what each of them follows, and each instrument's in the order in which they entered.

Called by the files that make pegs enter, move and leave (`peg_book.pxd`, `pegs.pxd`). A peg has its
record in the slab like any other order, and what makes it a peg in an array by slot that plain
orders never touch. Promises: an order with the flag ORDER_PEG is in its instrument's list;
order_ids rise along it; an instrument without pegs remembers nothing of them.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from oms._core.machine cimport INVARIANT, rare, release_pages, take_pages

# 24 bytes.
cdef struct Peg:
    int32_t offset  # 10^-4; above 0: more aggressive than what it follows
    uint32_t price  # where it stands, 10^-4; 0: it is suspended
    uint32_t prev  # slot of the peg that entered before it; 0: none
    uint32_t next
    uint8_t ord_type
    uint8_t self_trade  # what it says when it trades with who is there
    uint8_t reserved[6]

# One instrument's.
cdef struct PegList:
    uint32_t first  # slots; 0: none
    uint32_t last
    uint32_t count
    uint32_t next  # the one that is examined next; 0: no pass is under way
    uint32_t bid  # the best prices noted
    uint32_t ask
    uint32_t is_due_again  # another pass follows
    uint32_t reserved

cdef struct Pegs:
    Peg* pegs  # by order slot
    PegList* lists  # by instrument
    uint64_t* due  # a bit for each instrument that may have a pass to do
    uint32_t due_count  # bits set
    uint32_t count  # pegs of the venue
    uint32_t steps_left  # pegs that this entry may still examine
    uint32_t orders_max
    uint32_t instruments_max


cdef inline size_t due_words(uint32_t instruments_max) noexcept nogil:
    return <size_t>instruments_max // 64 + 1


cdef inline void pegs_open(
    Pegs* pegs, uint32_t orders_max, uint32_t instruments_max
) noexcept nogil:
    INVARIANT(sizeof(Peg) == 24 and sizeof(PegList) == 32)
    pegs.orders_max = orders_max
    pegs.instruments_max = instruments_max
    pegs.pegs = <Peg*>take_pages((<size_t>orders_max + 1) * sizeof(Peg))
    pegs.lists = <PegList*>take_pages((<size_t>instruments_max + 1) * sizeof(PegList))
    pegs.due = <uint64_t*>take_pages(due_words(instruments_max) * sizeof(uint64_t))


cdef inline void pegs_close(Pegs* pegs) noexcept nogil:
    release_pages(pegs.pegs, (<size_t>pegs.orders_max + 1) * sizeof(Peg))
    release_pages(pegs.lists, (<size_t>pegs.instruments_max + 1) * sizeof(PegList))
    release_pages(pegs.due, due_words(pegs.instruments_max) * sizeof(uint64_t))


cdef inline void set_due(Pegs* pegs, uint32_t instrument_id) noexcept nogil:
    """The best prices of an instrument may be other ones than noted."""
    cdef uint64_t bit = <uint64_t>1 << (instrument_id & 63)
    cdef uint64_t* word = &pegs.due[instrument_id >> 6]
    pegs.due_count += (word[0] & bit) == 0
    word[0] |= bit


cdef inline void clear_due(Pegs* pegs, uint32_t instrument_id) noexcept nogil:
    pegs.due[instrument_id >> 6] &= ~(<uint64_t>1 << (instrument_id & 63))
    pegs.due_count -= 1


cdef inline void peg_list_add(Pegs* pegs, uint32_t instrument_id, uint32_t slot) noexcept nogil:
    """The youngest peg of an instrument."""
    cdef PegList* its = &pegs.lists[instrument_id]
    rare()
    pegs.pegs[slot].next = 0
    pegs.pegs[slot].prev = its.last
    if its.last:
        pegs.pegs[its.last].next = slot
    else:
        its.first = slot
    its.last = slot
    its.count += 1
    pegs.count += 1


cdef inline void peg_list_remove(
    Pegs* pegs, uint32_t instrument_id, uint32_t slot
) noexcept nogil:
    """It lives no longer, or enters anew."""
    cdef PegList* its = &pegs.lists[instrument_id]
    cdef const Peg* peg = &pegs.pegs[slot]
    rare()
    if its.next == slot:
        its.next = peg.next
    if peg.prev:
        pegs.pegs[peg.prev].next = peg.next
    else:
        its.first = peg.next
    if peg.next:
        pegs.pegs[peg.next].prev = peg.prev
    else:
        its.last = peg.prev
    its.count -= 1
    pegs.count -= 1
    if its.count == 0:
        forget_prices(its)


cdef inline void forget_prices(PegList* its) noexcept nogil:
    its.next = 0
    its.bid = 0
    its.ask = 0
    its.is_due_again = 0


# ---- those that stand nowhere, in the order in which they entered


cdef inline uint32_t first_suspended(const Pegs* pegs, uint32_t instrument_id) noexcept nogil:
    """The first one's slot; 0: there is none."""
    cdef uint32_t slot = pegs.lists[instrument_id].first
    return next_suspended(pegs, slot) if slot and pegs.pegs[slot].price else slot


cdef inline uint32_t next_suspended(const Pegs* pegs, uint32_t slot) noexcept nogil:
    """The slot behind; 0: that was all."""
    slot = pegs.pegs[slot].next
    while slot and pegs.pegs[slot].price:
        slot = pegs.pegs[slot].next
    return slot
