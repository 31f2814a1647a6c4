"""Which prices are valid in an instrument, and the next ones (docs/rules.md, Ticks).

Called by whatever judges or makes a price, and by the administration. Promises: a change of ticks
touches no order: what rests may be off the tick from then on. Units: prices 10^-4.
"""

from itertools import pairwise

from oms.bounds import PRICE_MAX, TICK_ROWS_MAX, TICK_ROWS_SENT_MAX, TICK_TABLES_MAX
from oms.messages import records
from oms.messages.enums import RejectReason
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Instrument, TickRow, TickTable, Venue


def tick_at(instrument: Instrument, price: int) -> int:
    """The tick of the prices around `price`; at the border of two rows the upper one's."""
    tick = instrument.tick_size
    for row in instrument.tick_rows:
        if row.price <= price:
            tick = row.tick
    return tick


def is_on_tick(instrument: Instrument, price: int) -> bool:
    """Whether a price above 0 is valid."""
    return price % tick_at(instrument, price) == 0


def price_floor(instrument: Instrument, price: int) -> int:
    """The highest valid price not above `price`; 0: there is none."""
    tick = tick_at(instrument, price)
    return max(price // tick * tick, 0)


def price_ceil(instrument: Instrument, price: int) -> int:
    """The lowest valid price not below `price`; it may be above PRICE_MAX."""
    price = max(price, 1)
    tick = tick_at(instrument, price)
    return -(-price // tick) * tick


def price_down(instrument: Instrument, price: int) -> int:
    """The next valid price below; 0: there is none."""
    return price_floor(instrument, price - 1)


def price_up(instrument: Instrument, price: int) -> int:
    """The next valid price above; it may be above PRICE_MAX."""
    return price_ceil(instrument, price + 1)


def set_ticks(venue: Venue, record: bytes) -> tuple[int, int]:
    """SET_TICKS: why it is refused, or NONE; and the table."""
    (table_id, instrument_id, tick_size, first_row, row_count, name,
     *flat) = records.TICKS.unpack(record)[HEAD_FIELDS:]  # fmt: skip
    if instrument_id:
        reason = _follow(venue, instrument_id, table_id, tick_size, first_row + row_count)
        return reason, table_id
    if table_id == 0:
        return RejectReason.UNKNOWN_ID, table_id
    if table_id > TICK_TABLES_MAX:
        return RejectReason.CAPACITY, table_id
    if table_id > len(venue.tick_tables) + 1:
        return RejectReason.UNKNOWN_ID, table_id
    before = venue.tick_tables[table_id - 1 : table_id]
    known = before[0].rows if before else []
    rows = [TickRow(*row) for row in zip(flat[0::2], flat[1::2], strict=True)]
    rows = known[:first_row] + rows[:row_count]
    others = [table for table in venue.tick_tables if table not in before]
    if (
        tick_size
        or first_row > len(known)
        or not 1 <= row_count <= TICK_ROWS_SENT_MAX
        or not _are_rows_good(rows)
        or not name.strip(b" \0")
        or any(table.name == name for table in others)
    ):
        return RejectReason.BAD_VALUE, table_id
    venue.tick_tables[table_id - 1 : table_id] = [TickTable(name, rows)]
    for instrument in venue.instruments:
        if instrument.tick_table == table_id:
            instrument.tick_rows = rows
            _examine_pegs(venue, instrument)
    return RejectReason.NONE, table_id


def _are_rows_good(rows: list[TickRow]) -> bool:
    """From 0 on, ascending, and where a row begins is a valid price by it and by the one before."""
    return (
        len(rows) <= TICK_ROWS_MAX
        and rows[0].price == 0
        and all(row.price <= PRICE_MAX and 1 <= row.tick <= PRICE_MAX for row in rows)
        and all(row.price % row.tick == 0 for row in rows)
        and all(
            upper.price > lower.price and upper.price % lower.tick == 0
            for lower, upper in pairwise(rows)
        )
    )


def _follow(
    venue: Venue, instrument_id: int, table_id: int, tick_size: int, rows_named: int
) -> int:
    """An instrument has another table, or (0) a tick of its own."""
    instrument = venue.instrument(instrument_id)
    if instrument is None or table_id > len(venue.tick_tables):
        return RejectReason.UNKNOWN_ID
    if rows_named or tick_size > PRICE_MAX or (table_id and tick_size):
        return RejectReason.BAD_VALUE
    instrument.tick_table = table_id
    instrument.tick_rows = venue.tick_tables[table_id - 1].rows if table_id else []
    instrument.tick_size = tick_size or instrument.tick_size
    _examine_pegs(venue, instrument)
    return RejectReason.NONE


def _examine_pegs(venue: Venue, instrument: Instrument) -> None:
    """Where they should stand is rounded by other ticks now."""
    pegs = venue.pegs_of(instrument.instrument_id)
    pegs.is_due_again = pegs.is_due_again or bool(pegs.orders)
