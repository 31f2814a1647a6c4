"""What a stop order must say, and how far it goes (docs/rules.md, Stop orders).

Called by risk, off the path of plain orders. Promises: changes nothing but `terms`. `stop` is what
the original waits for in a replace, and NULL otherwise.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.directory cimport Instrument, price_key
from oms._core.hidden cimport is_hiding
from oms._core.ledger cimport Account
from oms._core.machine cimport rare
from oms._core.order_book cimport side_of
from oms._core.order_pool cimport is_lasting
from oms._core.records cimport OrderRecord
from oms._core.state cimport State
from oms._core.terms cimport Terms, collar_price
from oms._core.ticks cimport is_on_tick
from oms._core.triggers cimport Stop, Watch
from oms._core.types cimport (
    BPS, PHASE_CONTINUOUS, PRICE_MAX, REJECT_BAD_PRICE, REJECT_NONE, REJECT_PRICE_COLLAR,
    REJECT_QUANTITY_ABOVE_MAX, REJECT_VALUE_ABOVE_MAX, RULES_HAVE_STOPS, STOPS_MAX, TIF_AT_THE_OPEN,
    TRIGGER_BEST_PRICE, TYPE_PEG_MIDPOINT, TYPE_PEG_PRIMARY, TYPE_STOP, TYPE_STOP_LIMIT,
)


cdef inline bint is_stop(uint8_t ord_type) noexcept nogil:
    return ord_type == TYPE_STOP or ord_type == TYPE_STOP_LIMIT


cdef inline bint is_peg(uint8_t ord_type) noexcept nogil:
    return <uint8_t>(ord_type - TYPE_PEG_PRIMARY) <= TYPE_PEG_MIDPOINT - TYPE_PEG_PRIMARY


cdef inline bint is_peg_bad(const State* state, const OrderRecord* record) noexcept nogil:
    """Whether a peg cannot be asked for like this."""
    cdef int64_t offset = record.peg_offset
    rare()
    return (
        not is_lasting(record.time_in_force) or record.time_in_force >= TIF_AT_THE_OPEN
        or record.min_qty != 0 or not is_hiding(state, record)
        or offset > PRICE_MAX or offset < -<int64_t>PRICE_MAX
    )


cdef inline bint has_bad_fields(
    const State* state, const OrderRecord* record, uint8_t ord_type, const Stop* stop
) noexcept nogil:
    """Fields that this type of order does not use, or not so."""
    if state.numbers.rule_version < RULES_HAVE_STOPS:
        return is_stop(ord_type) or is_peg(ord_type)
    if record.trail or (record.peg_offset and not is_peg(ord_type)):
        return True
    if not is_stop(ord_type):
        return record.stop_price != 0 or record.trigger != 0
    if stop != NULL and record.trigger and record.trigger != stop.trigger:
        return True
    return (
        not is_lasting(record.time_in_force) or record.time_in_force >= TIF_AT_THE_OPEN
        or record.min_qty != 0
        or record.trigger > TRIGGER_BEST_PRICE
    )


cdef inline bint is_reached(
    const State* state, const Instrument* instrument, uint32_t instrument_id, bint is_buy,
    uint8_t trigger, int64_t price,
) noexcept nogil:
    """Whether the market is at a stop price already, or beyond."""
    cdef const Watch* watch = &state.triggers.watches[instrument_id]
    cdef int64_t best
    if trigger == TRIGGER_BEST_PRICE:
        if instrument.phase != PHASE_CONTINUOUS:
            return False  # there is no best price while orders are collected
        best = state.levels.levels[instrument.book.ladders[is_buy].best].price
        return best != 0 and (best >= price if is_buy else best <= price)
    if is_buy:
        return instrument.last_price >= price or watch.high >= price
    return (instrument.last_price != 0 and instrument.last_price <= price) or (
        watch.low != 0 and watch.low <= price
    )


cdef inline bint is_stop_bad(
    const State* state, const Instrument* instrument, uint32_t instrument_id,
    const OrderRecord* record, uint8_t ord_type, bint is_buy, const Stop* stop, Terms* terms,
) noexcept nogil:
    """Whether the stop price cannot be; it stands in `terms` then."""
    cdef int64_t price = record.stop_price
    rare()
    if stop != NULL and price == 0:
        price = stop.price
    terms.stop_price = price
    if price <= 0 or price > PRICE_MAX or not is_on_tick(state, instrument, price):
        return True
    if ord_type == TYPE_STOP_LIMIT and (
        record.price < price if is_buy else record.price > price
    ):
        return True
    if stop == NULL:
        return is_reached(state, instrument, instrument_id, is_buy, record.trigger, price)
    if price == stop.price:
        return False
    return stop.is_elected or is_reached(
        state, instrument, instrument_id, is_buy, stop.trigger, price
    )


cdef inline uint8_t check_stop_terms(
    const State* state, const Account* account, const Instrument* instrument, uint8_t ord_type,
    bint is_buy, const OrderRecord* record, Terms* terms,
) noexcept nogil:
    """Quantity, limit, collar and value; the collar is measured from the stop price."""
    cdef int64_t distance = terms.stop_price * instrument.price_collar_bps // BPS
    cdef int64_t price = record.price
    rare()
    if <int64_t>record.order_qty > account.max_order_qty:
        return REJECT_QUANTITY_ABOVE_MAX
    if ord_type == TYPE_STOP:
        price = collar_price(state, instrument, is_buy, terms.stop_price)
    elif price <= 0 or price > PRICE_MAX or not is_on_tick(state, instrument, price):
        return REJECT_BAD_PRICE
    elif instrument.price_collar_bps and (
        price > terms.stop_price + distance if is_buy else price < terms.stop_price - distance
    ):
        return REJECT_PRICE_COLLAR
    terms.worst = price
    terms.price_key = price_key(instrument, terms.stop_price)
    return REJECT_VALUE_ABOVE_MAX if price * record.order_qty > account.max_order_value else (
        REJECT_NONE
    )


cdef inline bint is_watch_full(const State* state, uint32_t instrument_id) noexcept nogil:
    """Whether no more stop orders can wait in an instrument."""
    return state.triggers.watches[instrument_id].count >= STOPS_MAX
