"""The part of a snapshot that is about pegs -> state (`write_peg`, `write_pegs` of snapshot.pxd).

Called by restore. Promises: as there.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from oms._core.directory cimport FOLLOWED_BY_PEGS
from oms._core.order_pool cimport ORDER_HAS_FEES, ORDER_HIDDEN, ORDER_PEG, Order
from oms._core.peg_book cimport peg_stand
from oms._core.peg_list cimport Peg, PegList, peg_list_add, set_due
from oms._core.reader cimport Reader, expect, get, get_up_to
from oms._core.state cimport State
from oms._core.stop_terms cimport is_peg
from oms._core.types cimport PRICE_MAX, SELF_TRADE_DECREMENT


cdef inline void read_peg(State* state, Reader* reader, uint32_t slot) noexcept nogil:
    """What makes an order a peg; it stands where it stood."""
    cdef Order* order = &state.pool.orders[slot]
    cdef Peg* peg = &state.pegs.pegs[slot]
    cdef uint64_t word = get(reader)
    cdef uint32_t price = <uint32_t>(word >> 32)
    cdef uint64_t kind = get_up_to(reader, 0xFFFF)
    order.next = 0
    peg.offset = <int32_t><uint32_t>word
    peg.ord_type = <uint8_t>kind
    peg.self_trade = <uint8_t>(kind >> 8)
    expect(reader, is_peg(peg.ord_type) and peg.self_trade <= SELF_TRADE_DECREMENT)
    expect(reader, price <= PRICE_MAX)
    expect(reader, (price != 0) == ((order.flags & ORDER_HIDDEN) != 0))
    expect(
        reader, order.flags & ~<uint32_t>(ORDER_HIDDEN | ORDER_HAS_FEES) == ORDER_PEG
    )
    if reader.is_sound and price:
        peg_stand(state, slot, price)


cdef inline void read_pegs(State* state, Reader* reader) noexcept nogil:
    """The lists, with how far their pegs were moved."""
    cdef PegList* its
    cdef uint64_t order_id
    cdef uint32_t id = <uint32_t>get_up_to(reader, state.numbers.instrument_count)
    cdef uint32_t next_slot
    cdef uint32_t slot
    cdef uint64_t word
    while id:
        its = &state.pegs.lists[id]
        expect(reader, its.count == 0)
        word = get(reader)
        its.bid = <uint32_t>word
        its.ask = <uint32_t>(word >> 32)
        expect(reader, its.bid <= PRICE_MAX and its.ask <= PRICE_MAX)
        word = get_up_to(reader, 0x1FFFFFFFF)
        its.is_due_again = <uint32_t>(word >> 32)
        next_slot = <uint32_t>word
        slot = <uint32_t>get_up_to(reader, state.pool.highest)
        expect(reader, slot != 0)
        order_id = 0
        while slot and reader.is_sound:
            expect(reader, state.pool.orders[slot].order_id > order_id)
            expect(reader, state.pool.orders[slot].instrument_id == id)
            expect(reader, (state.pool.orders[slot].flags & ORDER_PEG) != 0)
            order_id = state.pool.orders[slot].order_id
            peg_list_add(&state.pegs, id, slot)
            if slot == next_slot:
                its.next = slot
            slot = <uint32_t>get_up_to(reader, state.pool.highest)
        expect(reader, its.next == next_slot)
        if not reader.is_sound:
            return
        state.instruments[id].followers |= FOLLOWED_BY_PEGS
        set_due(&state.pegs, id)
        id = <uint32_t>get_up_to(reader, state.numbers.instrument_count)
