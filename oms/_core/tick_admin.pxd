"""Changing ticks: tables, and which one an instrument follows (docs/rules.md, Ticks).

Called by the administration and by a restore. Promises: a change touches no order; while an
instrument has orders, its levels stay where the index has them.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from oms._core.directory cimport Instrument, is_blank, set_grid
from oms._core.peg_list cimport set_due
from oms._core.records cimport TickRow, TicksRecord
from oms._core.state cimport State, TickTable, has_instrument
from oms._core.triggers cimport market_moved
from oms._core.types cimport (
    PRICE_MAX, REJECT_BAD_VALUE, REJECT_CAPACITY, REJECT_NONE, REJECT_UNKNOWN_ID, TICK_ROWS_MAX,
    TICK_ROWS_SENT_MAX, TICK_TABLES_MAX,
)


cdef inline bint has_orders(const State* state, uint32_t instrument_id) noexcept nogil:
    """Whether anything rests or waits in an instrument."""
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    return (
        instrument.book.ladders[0].level_count != 0
        or instrument.book.ladders[1].level_count != 0
        or instrument.hidden_orders != 0
        or state.triggers.watches[instrument_id].count != 0
        or state.pegs.lists[instrument_id].count != 0
    )


cdef inline void settle_grid(State* state, uint32_t instrument_id) noexcept nogil:
    """After a change of ticks: how prices are tested, and where their levels lie."""
    cdef Instrument* instrument = &state.instruments[instrument_id]
    cdef int64_t tick = instrument.tick_size
    if instrument.tick_table:
        tick = state.tick_tables[instrument.tick_table].rows[0].tick
    if instrument.grid_size == 0 or not has_orders(state, instrument_id):
        set_grid(instrument, tick)
    instrument.plain_tick = 0
    if instrument.tick_table == 0 and instrument.grid_size == tick:
        instrument.plain_tick = tick


cdef inline bint are_rows_good(const TickTable* table) noexcept nogil:
    """From 0 on, ascending, and where a row begins is a valid price by it and by the one before."""
    cdef const TickRow* row
    cdef const TickRow* before = NULL
    cdef uint64_t i
    for i in range(table.row_count):
        row = &table.rows[i]
        if row.price > PRICE_MAX or row.tick == 0 or row.tick > PRICE_MAX:
            return False
        if row.price % row.tick:
            return False
        if i == 0 and row.price:
            return False
        if i and (row.price <= before.price or row.price % before.tick):
            return False
        before = row
    return True


cdef inline uint8_t apply_set_ticks(State* state, const TicksRecord* record) noexcept nogil:
    """A table's rows, or which table an instrument follows."""
    cdef TickTable table
    cdef uint32_t i
    if record.instrument_id:
        return follow_table(state, record)
    if record.table_id == 0:
        return REJECT_UNKNOWN_ID
    if record.table_id > TICK_TABLES_MAX:
        return REJECT_CAPACITY
    if record.table_id > state.tick_table_count + 1:
        return REJECT_UNKNOWN_ID
    table = state.tick_tables[record.table_id]
    if (
        record.tick_size or record.first_row > table.row_count or record.row_count == 0
        or record.row_count > TICK_ROWS_SENT_MAX
        or <uint32_t>record.first_row + record.row_count > TICK_ROWS_MAX
        or is_blank(&record.name, 1)
    ):
        return REJECT_BAD_VALUE
    memset(&table.rows[record.first_row], 0, (TICK_ROWS_MAX - record.first_row) * sizeof(TickRow))
    memcpy(&table.rows[record.first_row], record.rows, record.row_count * sizeof(TickRow))
    table.row_count = <uint64_t>record.first_row + record.row_count
    table.name = record.name
    if not are_rows_good(&table):
        return REJECT_BAD_VALUE
    for i in range(1, state.tick_table_count + 1):
        if i != record.table_id and state.tick_tables[i].name == record.name:
            return REJECT_BAD_VALUE
    state.tick_tables[record.table_id] = table
    for i in range(1, state.numbers.instrument_count + 1):
        if state.instruments[i].tick_table == record.table_id:
            examine_followers(state, i)
    if record.table_id > state.tick_table_count:
        state.tick_table_count = record.table_id
    return REJECT_NONE


cdef inline uint8_t follow_table(State* state, const TicksRecord* record) noexcept nogil:
    """An instrument has another table, or (0) a tick of its own."""
    cdef Instrument* instrument
    if not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_ID
    if record.table_id > state.tick_table_count:
        return REJECT_UNKNOWN_ID
    if (
        record.first_row or record.row_count or record.tick_size > PRICE_MAX
        or (record.table_id and record.tick_size)
    ):
        return REJECT_BAD_VALUE
    instrument = &state.instruments[record.instrument_id]
    instrument.tick_table = <uint8_t>record.table_id
    if record.tick_size:
        instrument.tick_size = record.tick_size
    settle_grid(state, record.instrument_id)
    examine_followers(state, record.instrument_id)
    return REJECT_NONE


cdef inline void examine_followers(State* state, uint32_t instrument_id) noexcept nogil:
    """Where its pegs and trailing stops should stand is rounded by other ticks now."""
    if state.triggers.watches[instrument_id].trailing_count:
        market_moved(&state.triggers, instrument_id)
    if state.pegs.lists[instrument_id].count:
        state.pegs.lists[instrument_id].is_due_again = 1
        set_due(&state.pegs, instrument_id)
