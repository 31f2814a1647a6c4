"""What a stop order must say, and how far it goes (docs/rules.md, Stop orders).

Called by risk, off the path of plain orders. Promises: changes nothing but `terms`. `stop` is what
the original waits for in a replace, and NULL otherwise.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument, price_key, reference_of
from oms._core.hidden cimport is_hiding
from oms._core.ledger cimport Account
from oms._core.machine cimport rare
from oms._core.order_book cimport side_of
from oms._core.order_pool cimport is_lasting
from oms._core.records cimport OrderRecord
from oms._core.state cimport State
from oms._core.terms cimport Terms, collar_price
from oms._core.ticks cimport is_on_tick, price_ceil, price_floor
from oms._core.triggers cimport Stop, Watch
from oms._core.types cimport (
    BPS, PHASE_CONTINUOUS, PRICE_MAX, REJECT_BAD_PRICE, REJECT_NONE,
    REJECT_NO_REFERENCE_PRICE, REJECT_PRICE_COLLAR, REJECT_QUANTITY_ABOVE_MAX,
    REJECT_VALUE_ABOVE_MAX, RULES_HAVE_STOPS, RULES_TRAIL, STOPS_MAX, TIF_AT_THE_OPEN,
    TRAILING_STOPS_MAX, TRIGGER_BEST_PRICE, TYPE_PEG_MIDPOINT, TYPE_PEG_PRIMARY, TYPE_STOP,
    TYPE_STOP_LIMIT, TYPE_TRAILING_STOP, TYPE_TRAILING_STOP_LIMIT,
)


cdef inline bint is_trailing(uint8_t ord_type) noexcept nogil:
    return ord_type == TYPE_TRAILING_STOP or ord_type == TYPE_TRAILING_STOP_LIMIT


cdef inline bint is_stop(uint8_t ord_type) noexcept nogil:
    return ord_type == TYPE_STOP or ord_type == TYPE_STOP_LIMIT or is_trailing(ord_type)


cdef inline bint has_limit(uint8_t ord_type) noexcept nogil:
    """Of stop orders."""
    return ord_type == TYPE_STOP_LIMIT or ord_type == TYPE_TRAILING_STOP_LIMIT


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
    if is_trailing(ord_type) and state.numbers.rule_version < RULES_TRAIL:
        return True
    if (record.trail and not is_trailing(ord_type)) or (
        record.peg_offset and not is_peg(ord_type)
    ):
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


cdef inline uint32_t best_to_trade_with(
    const State* state, const Instrument* instrument, bint is_buy
) noexcept nogil:
    """0: there is none, or orders are collected."""
    if instrument.phase != PHASE_CONTINUOUS:
        return 0
    return state.levels.levels[instrument.book.ladders[is_buy].best].price


cdef inline bint is_reached(
    const State* state, const Instrument* instrument, uint32_t instrument_id, bint is_buy,
    uint8_t trigger, int64_t price,
) noexcept nogil:
    """Whether the market is at a stop price already, or beyond."""
    cdef const Watch* watch = &state.triggers.watches[instrument_id]
    cdef int64_t best
    if trigger == TRIGGER_BEST_PRICE:
        best = best_to_trade_with(state, instrument, is_buy)
        return best != 0 and (best >= price if is_buy else best <= price)
    if is_buy:
        return instrument.last_price >= price or watch.high >= price
    return (instrument.last_price != 0 and instrument.last_price <= price) or (
        watch.low != 0 and watch.low <= price
    )


cdef inline int64_t distant(
    const State* state, const Instrument* instrument, bint is_buy, int64_t price, uint32_t trail
) noexcept nogil:
    """The stop price at a distance from a market price; it may be out of bounds, or 0: none."""
    if is_buy:
        return price_ceil(state, instrument, price + trail)
    return price_floor(state, instrument, price - trail)


cdef inline uint32_t trailed(
    const State* state, const Instrument* instrument, bint is_buy, uint32_t stop_price,
    uint32_t to, uint32_t trail,
) noexcept nogil:
    """A stop price, or the one at its distance from `to`, if that is nearer."""
    cdef int64_t at
    if (<uint64_t>to + trail >= stop_price) if is_buy else (to <= <uint64_t>stop_price + trail):
        return stop_price
    at = distant(state, instrument, is_buy, to, trail)
    return <uint32_t>at if (at < stop_price if is_buy else at > stop_price) else stop_price


cdef inline int64_t start_of(
    const State* state, const Instrument* instrument, uint32_t instrument_id, bint is_buy,
    uint8_t trigger,
) noexcept nogil:
    """The market price that a stop price begins from; 0: there is none."""
    cdef const Watch* watch = &state.triggers.watches[instrument_id]
    cdef int64_t start = reference_of(instrument)
    cdef int64_t printed = watch.low if is_buy else watch.high
    if trigger == TRIGGER_BEST_PRICE:
        printed = best_to_trade_with(state, instrument, is_buy)
        return printed if printed else start
    if printed and (start == 0 or (printed < start if is_buy else printed > start)):
        return printed
    return start


cdef inline bint can_be(
    const State* state, const Instrument* instrument, int64_t price
) noexcept nogil:
    return 0 < price <= PRICE_MAX and is_on_tick(state, instrument, price)


cdef inline int64_t nearer_stop(
    const State* state, const Instrument* instrument, uint32_t instrument_id, bint is_buy,
    uint8_t trigger, int64_t price, uint32_t trail,
) noexcept nogil:
    """A trailing stop's price (0: none yet), or the one it has where it trails at once."""
    cdef int64_t start = start_of(state, instrument, instrument_id, is_buy, trigger)
    cdef int64_t at
    if start == 0:
        return price
    at = distant(state, instrument, is_buy, start, trail)
    if price and (price <= at if is_buy else price >= at):
        return price
    return at if at else -1  # 0 would be none; this one cannot be


cdef inline bint is_stop_bad(
    const State* state, const Instrument* instrument, uint32_t instrument_id,
    const OrderRecord* record, uint8_t ord_type, bint is_buy, const Stop* stop, Terms* terms,
) noexcept nogil:
    """Whether the stop price cannot be, or the trail; they stand in `terms` then."""
    cdef int64_t said = record.stop_price
    cdef uint8_t trigger = record.trigger
    rare()
    terms.trail = record.trail
    terms.first_stop = 0
    terms.worst = record.price
    if stop != NULL:
        trigger = stop.trigger
        if record.trail == 0:
            terms.trail = stop.trail
        if said == 0:
            said = stop.first if stop.first else stop.price
    if is_trailing(ord_type) and (terms.trail == 0 or terms.trail > PRICE_MAX):
        return True
    if not can_be(state, instrument, said) and (said or ord_type != TYPE_TRAILING_STOP):
        return True
    if has_limit(ord_type) and (record.price < said if is_buy else record.price > said):
        return True
    terms.stop_price = said
    if is_trailing(ord_type):
        terms.first_stop = said
        if stop != NULL and record.stop_price == 0:
            terms.stop_price = stop.price
        if stop == NULL or record.stop_price or terms.trail != stop.trail:
            terms.stop_price = nearer_stop(
                state, instrument, instrument_id, is_buy, trigger, terms.stop_price, terms.trail
            )
        if stop == NULL or record.stop_price:
            terms.worst += terms.stop_price - said
            terms.first_stop = terms.stop_price
        if terms.stop_price == 0:
            return False  # NO_REFERENCE_PRICE, later
    if not can_be(state, instrument, terms.stop_price):
        return True
    if stop != NULL:
        if stop.is_elected and terms.trail != stop.trail:
            return True
        if terms.stop_price == stop.price:
            return False
        if stop.is_elected:
            return True
    return is_reached(state, instrument, instrument_id, is_buy, trigger, terms.stop_price)


cdef inline uint8_t check_stop_terms(
    const State* state, const Account* account, const Instrument* instrument, uint8_t ord_type,
    bint is_buy, const OrderRecord* record, int64_t kept, Terms* terms,
) noexcept nogil:
    """Quantity, limit, collar and value; the collar is measured from the stop price.

    `kept`: the price that a trailing order keeps if this is its replace; else 0.
    """
    cdef int64_t reference = terms.first_stop if terms.first_stop else terms.stop_price
    cdef int64_t distance = reference * instrument.price_collar_bps // BPS
    rare()
    if <int64_t>record.order_qty > account.max_order_qty:
        return REJECT_QUANTITY_ABOVE_MAX
    if reference == 0:
        return REJECT_NO_REFERENCE_PRICE
    if not has_limit(ord_type):
        terms.worst = kept if kept else collar_price(
            state, instrument, is_buy, reference
        )
    elif not can_be(state, instrument, terms.worst):
        return REJECT_BAD_PRICE
    elif instrument.price_collar_bps and (
        terms.worst > reference + distance if is_buy else terms.worst < reference - distance
    ):
        return REJECT_PRICE_COLLAR
    terms.price_key = price_key(instrument, terms.stop_price)
    return REJECT_VALUE_ABOVE_MAX if terms.worst * record.order_qty > account.max_order_value else (
        REJECT_NONE
    )


cdef inline bint is_watch_full(
    const State* state, uint32_t instrument_id, uint8_t ord_type
) noexcept nogil:
    """Whether no more stop orders of this type can wait in an instrument."""
    cdef const Watch* watch = &state.triggers.watches[instrument_id]
    return watch.count >= STOPS_MAX or (
        is_trailing(ord_type) and watch.trailing_count >= TRAILING_STOPS_MAX
    )
