"""The part of a snapshot that is about calls -> state (`write_calls` of snapshot.pxd).

Called by restore when orders are in their books. Promises: as there.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.bands cimport CLAMP_LOW, CLAMP_NONE
from oms._core.calls cimport (
    Call, STAGE_CLEARING, STAGE_CUTTING, STAGE_NONE, call_list_add, call_queue_add,
)
from oms._core.order_pool cimport ORDER_FOR_CALL, ORDER_MARKET
from oms._core.phases cimport is_call
from oms._core.reader cimport Reader, expect, get, get_up_to
from oms._core.state cimport State
from oms._core.timers cimport timer_add
from oms._core.types cimport BPS, PHASE_CLOSED, PRICE_MAX, TIMESTAMP_MAX


cdef inline void read_calls(State* state, Reader* reader) noexcept nogil:
    """Every instrument's call; then the queue, in which exactly those with a stage stand, once."""
    cdef uint32_t under_way = 0
    cdef uint32_t count
    cdef uint32_t id
    cdef uint32_t i
    for i in range(1, state.numbers.instrument_count + 1):
        read_call(state, reader, i)
        if not reader.is_sound:
            return
        under_way += state.calls.calls[i].stage != STAGE_NONE
    count = <uint32_t>get_up_to(reader, under_way)
    expect(reader, count == under_way)
    for i in range(count):
        id = <uint32_t>get_up_to(reader, state.numbers.instrument_count)
        expect(reader, state.calls.calls[id].stage != STAGE_NONE)
        expect(reader, state.calls.touched[id] == 0)
        if not reader.is_sound:
            return
        state.calls.touched[id] = 1  # seen; the array is of no other use before an entry
        call_queue_add(&state.calls, id)


cdef inline void read_call(State* state, Reader* reader, uint32_t i) noexcept nogil:
    cdef Call* call = &state.calls.calls[i]
    cdef uint64_t word = get_up_to(reader, 0xFFFFFFFFFF)
    cdef uint64_t order_id = 0
    cdef int64_t ends_ns
    cdef uint32_t slot
    state.instruments[i].is_crossable = <uint8_t>(word & 0xFF)
    call.stage = <uint8_t>(word >> 8)
    call.next_phase = <uint8_t>(word >> 16)
    call.is_extended = <uint8_t>(word >> 24)
    call.clamp = <uint8_t>(word >> 32)
    expect(reader, call.is_extended <= 1 and call.clamp <= CLAMP_LOW)
    expect(reader, call.clamp == CLAMP_NONE or call.stage != STAGE_NONE)
    expect(reader, call.clamp != CLAMP_NONE or call.stage != STAGE_CUTTING)
    expect(reader, state.instruments[i].is_crossable <= 1 and call.stage <= STAGE_CLEARING)
    expect(reader, call.next_phase <= PHASE_CLOSED)
    expect(reader, (call.next_phase == 0) == (call.stage == STAGE_NONE))
    ends_ns = <int64_t>get_up_to(reader, <uint64_t>TIMESTAMP_MAX)
    if ends_ns:
        expect(reader, is_call(state.instruments[i].phase) and call.stage == STAGE_NONE)
        timer_add(&state.calls.timers, i, i, ends_ns)
    call.price = <int64_t>get_up_to(reader, PRICE_MAX)
    call.volume = get(reader)
    call.said_price = <int64_t>get_up_to(reader, PRICE_MAX)
    call.said_volume = get(reader)
    call.said_imbalance = <int64_t>get(reader)
    word = get(reader)
    call.static_bps = <uint32_t>word
    call.dynamic_bps = <uint32_t>(word >> 32)
    expect(reader, call.static_bps <= BPS and call.dynamic_bps <= BPS)
    state.instruments[i].has_bands = word != 0
    call.pause_ns = <int64_t>get_up_to(reader, <uint64_t>TIMESTAMP_MAX // 2)
    call.band_reference = <int64_t>get_up_to(reader, PRICE_MAX)
    slot = <uint32_t>get_up_to(reader, state.pool.highest)
    while slot:
        expect(reader, state.pool.orders[slot].order_id > order_id)
        expect(reader, state.pool.orders[slot].instrument_id == i)
        expect(reader, (state.pool.orders[slot].flags & ORDER_FOR_CALL) != 0)
        if not reader.is_sound:
            return
        order_id = state.pool.orders[slot].order_id
        call_list_add(&state.calls, &state.pool.orders[slot], slot, 0)
        if state.pool.orders[slot].flags & ORDER_MARKET:
            state.levels.market[state.pool.orders[slot].level] += state.pool.orders[slot].leaves
        slot = <uint32_t>get_up_to(reader, state.pool.highest)
