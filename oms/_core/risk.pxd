"""The checks before the book, in the order of RejectReason; the first that fails is the answer.

Called by the order commands. Promises: changes nothing but what order rate and duplicate window
remember. Units as on the record: prices 10^-4,
money 10^-4 currency units. Products fit: PRICE_MAX x ORDER_QTY_MAX is below 2^62.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.bands cimport Band, band_of
from oms._core.directory cimport Instrument, grid_of, price_key, reference_of
from oms._core.fees cimport fee_asked
from oms._core.gate cimport check_gate, gate_of
from oms._core.ledger cimport Account, Position, position_find
from oms._core.limit_checks cimport (
    check_recent, check_value, is_position_beyond, take_rate,
)
from oms._core.hidden cimport is_hiding
from oms._core.machine cimport UNLIKELY, rare
from oms._core.order_pool cimport ORDER_HAS_FEES, ORDER_PEG, ORDER_STOP, Order, fees_of, is_lasting
from oms._core.phases cimport is_for_phase
from oms._core.records cimport OrderRecord
from oms._core.restriction cimport Asked
from oms._core.sessions cimport Session
from oms._core.stop_terms cimport (
    check_stop_terms, has_bad_fields, is_peg, is_peg_bad, is_stop, is_stop_bad, is_watch_full,
)
from oms._core.state cimport State, balance_of, has_instrument, may_enter
from oms._core.terms cimport Terms, collar_price
from oms._core.ticks cimport is_on_tick
from oms._core.triggers cimport Stop
from oms._core.types cimport (
    BPS, DISPLAY_PART, HIDES, ORDER_QTY_MAX, PEGS_MAX, POST_ONLY_SLIDE, PRICE_MAX,
    REJECT_BAD_DISPLAY, REJECT_BAD_EXPIRE_TIME, REJECT_BAD_MIN_QTY, REJECT_BAD_ORDER_TYPE,
    REJECT_BAD_PEG, REJECT_BAD_PRICE, REJECT_BAD_QUANTITY, REJECT_BAD_SIDE, REJECT_BAD_STOP,
    REJECT_CAPACITY,
    REJECT_INSUFFICIENT_CASH, REJECT_INSUFFICIENT_SHARES, REJECT_NONE, REJECT_NOT_ENTITLED,
    REJECT_NO_REFERENCE_PRICE, REJECT_POSITION_LIMIT, REJECT_PRICE_COLLAR,
    REJECT_QUANTITY_ABOVE_MAX, REJECT_RATE_LIMIT, REJECT_UNKNOWN_INSTRUMENT, REJECT_VALUE_ABOVE_MAX,
    SELF_TRADE_DECREMENT, SIDE_BUY, SIDE_SELL, SIDE_SELL_SHORT, SIDE_SELL_SHORT_EXEMPT,
    TIF_AT_THE_CLOSE, TIF_AT_THE_OPEN, TIF_DAY, TIF_FOK, TIF_GTD, TIF_GTT, TIMESTAMP_MAX,
    TYPE_LIMIT, TYPE_MARKET, TYPE_MARKET_TO_LIMIT,
)
from oms._core.risk_types cimport GATE_LIMITS, GATE_RATE


cdef inline bint asks_for_more(const OrderRecord* record) noexcept nogil:
    """A minimum, a mode, a stop price, a time of its own: hardly any order has one."""
    return (
        record.min_qty
        | (<const uint64_t*>&record.display_qty)[0]  # and trail
        | <uint64_t>record.expire_ns | <uint64_t>record.stop_price
        | (<const uint64_t*>&record.peg_offset)[0]  # and trigger, self_trade, post_only
        | (record.time_in_force > TIF_FOK) | (record.ord_type > TYPE_LIMIT)
        | (record.display == HIDES)
    ) != 0


cdef inline bint is_quantity_bad(
    const Instrument* instrument, uint32_t order_qty
) noexcept nogil:
    if order_qty == 0 or order_qty > ORDER_QTY_MAX:
        return True
    return UNLIKELY(instrument.lot_size != 1) and order_qty % instrument.lot_size


cdef inline bint is_expire_time_bad(
    const OrderRecord* record, int64_t timestamp_ns
) noexcept nogil:
    if record.time_in_force == TIF_GTD:
        return record.expire_ns <= timestamp_ns or record.expire_ns > TIMESTAMP_MAX
    if record.time_in_force == TIF_GTT:
        return record.expire_ns <= 0 or record.expire_ns > TIMESTAMP_MAX - timestamp_ns
    return record.expire_ns != 0


cdef inline uint8_t check_entry(
    const State* state, uint32_t instrument_id, const OrderRecord* record, uint8_t ord_type,
    bint is_buy, const Stop* stop, Terms* terms,
) noexcept nogil:
    """What few orders ask for, from their type to their stop price; the quantity is among it.

    `stop`: what the original of a replace waits for, or NULL.
    """
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef bint is_market = ord_type != TYPE_LIMIT
    rare()
    if record.self_trade > SELF_TRADE_DECREMENT or record.post_only > POST_ONLY_SLIDE:
        return REJECT_BAD_ORDER_TYPE
    if record.post_only and (
        is_market or record.min_qty or not is_lasting(record.time_in_force)
    ):
        return REJECT_BAD_ORDER_TYPE
    if not is_for_phase(state, instrument, record, ord_type):
        return REJECT_BAD_ORDER_TYPE
    if has_bad_fields(state, record, ord_type, stop):
        return REJECT_BAD_ORDER_TYPE
    if is_expire_time_bad(record, state.numbers.last_timestamp):
        return REJECT_BAD_EXPIRE_TIME
    if is_quantity_bad(instrument, record.order_qty):
        return REJECT_BAD_QUANTITY
    if record.min_qty > record.order_qty or record.min_qty % instrument.lot_size:
        return REJECT_BAD_MIN_QTY
    if record.display_qty and (
        is_hiding(state, record) or is_market or not is_lasting(record.time_in_force)
        or record.display_qty > record.order_qty
        or <uint64_t>record.display_qty * DISPLAY_PART < record.order_qty
        or record.display_qty % instrument.lot_size
    ):
        return REJECT_BAD_DISPLAY
    if is_stop(ord_type) and is_hiding(state, record):
        return REJECT_BAD_DISPLAY
    if is_stop(ord_type) and is_stop_bad(
        state, instrument, instrument_id, record, ord_type, is_buy, stop, terms
    ):
        return REJECT_BAD_STOP
    if is_peg(ord_type) and is_peg_bad(state, record):
        return REJECT_BAD_PEG
    return REJECT_NONE


cdef inline uint8_t check_terms(
    const State* state, const Account* account, const Instrument* instrument, bint is_buy,
    bint is_market, int64_t price, uint32_t order_qty, Terms* terms,
) noexcept nogil:
    """Quantity, price, collar and value: what can be judged from the order's own terms."""
    cdef int64_t reference
    cdef int64_t distance
    if is_quantity_bad(instrument, order_qty):
        return REJECT_BAD_QUANTITY
    if <int64_t>order_qty > account.max_order_qty:
        return REJECT_QUANTITY_ABOVE_MAX
    if UNLIKELY(is_market):
        if reference_of(instrument) == 0:
            return REJECT_NO_REFERENCE_PRICE
        terms.worst = collar_price(state, instrument, is_buy, reference_of(instrument))
    else:
        if price <= 0 or price > PRICE_MAX:
            return REJECT_BAD_PRICE
        terms.price_key = grid_of(instrument, price)
        if UNLIKELY(terms.price_key * instrument.plain_tick != price):
            if not is_on_tick(state, instrument, price):
                return REJECT_BAD_PRICE
            terms.price_key = price_key(instrument, price)
        reference = reference_of(instrument)
        if instrument.price_collar_bps and reference:
            distance = reference * instrument.price_collar_bps // BPS
            # Sides come at random: both are worked out, and nothing branches on the side.
            if (is_buy & (price > reference + distance)) | (
                (not is_buy) & (price < reference - distance)
            ):
                return REJECT_PRICE_COLLAR
        terms.worst = price
    if terms.worst * order_qty > account.max_order_value:
        return REJECT_VALUE_ABOVE_MAX
    return REJECT_NONE


cdef inline void limit_reach(
    State* state, uint32_t instrument_id, const OrderRecord* record, bint is_buy, Terms* terms
) noexcept nogil:
    """How far an accepted order goes where something special holds: nowhere in a call, else to
    the end of the band. What only rests keeps its own limit.
    """
    cdef Instrument* instrument = &state.instruments[instrument_id]
    cdef Band band
    rare()
    if instrument.is_crossable:
        terms.rests_at = <uint32_t>terms.worst  # a market order at its collar price
        terms.price_key = price_key(instrument, terms.worst)
        terms.worst = 0 if is_buy else 2 * <int64_t>PRICE_MAX
        return
    if not instrument.has_bands or record.post_only:
        return
    band = band_of(state, instrument, instrument_id)
    if (is_buy and terms.worst > band.high) or (not is_buy and terms.worst < band.low):
        instrument.is_held = 1
        state.held_limit = terms.worst
        terms.worst = band.high if is_buy else band.low


cdef inline uint8_t check_new(
    State* state, const Session* session, const OrderRecord* record, Terms* terms
) noexcept nogil:
    """Why a new order is refused, or NONE."""
    cdef const Account* account
    cdef const Instrument* instrument
    cdef const Position* position
    cdef int64_t qty = record.order_qty
    cdef bint is_buy = record.side == SIDE_BUY
    cdef bint is_market = record.ord_type != TYPE_LIMIT
    cdef Asked asked
    cdef uint32_t gate
    cdef int64_t fee = 0
    cdef uint8_t reason
    terms.worst = 0
    terms.price_key = 0
    terms.position = 0
    if UNLIKELY(record.refuse_reason != 0):
        return record.refuse_reason
    if not may_enter(state, session, record.account_id):
        return REJECT_NOT_ENTITLED
    if not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_INSTRUMENT
    account = &state.accounts[record.account_id]
    instrument = &state.instruments[record.instrument_id]
    gate = gate_of(state, session, account, instrument, record.account_id)
    if UNLIKELY(gate != 0):
        asked.account_id = record.account_id
        asked.instrument_id = record.instrument_id
        asked.side = record.side
        asked.added = qty
        reason = check_gate(state, instrument, gate, &asked)
        if reason:
            return reason
    if (
        not is_buy and record.side != SIDE_SELL and record.side != SIDE_SELL_SHORT
        and record.side != SIDE_SELL_SHORT_EXEMPT
    ):
        return REJECT_BAD_SIDE
    if (
        (
            is_market and record.ord_type != TYPE_MARKET
            and record.ord_type != TYPE_MARKET_TO_LIMIT and not is_stop(record.ord_type)
            and not is_peg(record.ord_type)
        )
        or record.time_in_force < TIF_DAY or record.time_in_force > TIF_AT_THE_CLOSE
        or (
            record.ord_type == TYPE_MARKET and record.time_in_force != TIF_DAY
            and is_lasting(record.time_in_force) and record.time_in_force < TIF_AT_THE_OPEN
        )
    ):
        return REJECT_BAD_ORDER_TYPE
    if UNLIKELY(asks_for_more(record) or gate != 0):
        reason = check_entry(
            state, record.instrument_id, record, record.ord_type, is_buy, NULL, terms
        )
        if reason:
            return reason
        is_market &= not is_peg(record.ord_type)  # its cap is a limit
    if UNLIKELY(is_market) and is_stop(record.ord_type):
        reason = check_stop_terms(
            state, account, instrument, record.ord_type, is_buy, record, 0, terms
        )
    else:
        reason = check_terms(
            state, account, instrument, is_buy, is_market, record.price, record.order_qty,
            terms,
        )
    if reason:
        return reason
    terms.position = position_find(&state.positions, record.account_id, record.instrument_id)
    position = &state.positions.positions[terms.position]
    if UNLIKELY(gate & (GATE_LIMITS | GATE_RATE)):
        reason = check_recent(state, session, record, is_market)
        if reason == REJECT_NONE:
            reason = check_value(
                state, record.account_id, position, record.side, instrument.currency_id, qty,
                terms.worst * qty, 0,
            )
        if reason:
            return reason
    if UNLIKELY(account.fee_schedule != 0):
        fee = fee_asked(state, account, record.side, terms.worst * qty, 0)
    reason = check_funds(
        account, &instrument.balances[record.account_id], position, record.side, qty,
        terms.worst, 0, -fee,
    )
    if reason:
        return reason
    if UNLIKELY(state.pool.live >= state.pool.orders_max) or UNLIKELY(
        terms.position == 0 and state.positions.count >= state.positions.positions_max
    ):
        return REJECT_CAPACITY
    if UNLIKELY(is_market) and is_stop(record.ord_type):
        if is_watch_full(state, record.instrument_id, record.ord_type):
            return REJECT_CAPACITY
        return REJECT_NONE
    if UNLIKELY(record.ord_type > TYPE_LIMIT) and is_peg(record.ord_type):
        return REJECT_CAPACITY if state.pegs.count >= PEGS_MAX else REJECT_NONE
    if UNLIKELY(gate != 0):
        limit_reach(state, record.instrument_id, record, is_buy, terms)
    return REJECT_NONE


cdef inline uint8_t check_replace(
    State* state, const Session* session, const Order* original, const OrderRecord* record,
    Terms* terms,
) noexcept nogil:
    """Why a replace is refused, or NONE. The original's own holds do not stand in its way."""
    cdef const Account* account = &state.accounts[original.account_id]
    cdef const Instrument* instrument = &state.instruments[original.instrument_id]
    cdef bint is_buy = original.side == SIDE_BUY
    cdef uint8_t ord_type = TYPE_LIMIT
    cdef Asked asked
    cdef uint32_t gate
    cdef uint8_t reason
    terms.worst = 0
    terms.price_key = 0
    terms.position = 0
    if UNLIKELY(record.refuse_reason != 0):
        return record.refuse_reason
    if not may_enter(state, session, original.account_id):
        return REJECT_NOT_ENTITLED
    gate = gate_of(state, session, account, instrument, original.account_id)
    if UNLIKELY(gate != 0):
        asked.account_id = original.account_id
        asked.instrument_id = original.instrument_id
        asked.side = original.side
        asked.added = max(<int64_t>record.order_qty - original.cum, 0) - original.leaves
        reason = check_gate(state, instrument, gate, &asked)
        if reason:
            return reason
    if (
        record.time_in_force < TIF_DAY or record.time_in_force > TIF_AT_THE_CLOSE
        or record.time_in_force == TIF_FOK
    ):
        return REJECT_BAD_ORDER_TYPE
    if UNLIKELY(original.flags & ORDER_STOP):
        reason = check_stop_replace(state, original, record, terms)
    else:
        if UNLIKELY(original.flags & ORDER_PEG):
            ord_type = state.pegs.pegs[
                <size_t>(original - <const Order*>state.pool.orders)
            ].ord_type
        if UNLIKELY(asks_for_more(record) or gate != 0 or ord_type != TYPE_LIMIT):
            reason = check_entry(
                state, original.instrument_id, record, ord_type, is_buy, NULL, terms
            )
            if reason:
                return reason
        reason = check_terms(
            state, account, instrument, is_buy, False, record.price, record.order_qty, terms
        )
    terms.position = original.position
    if reason == REJECT_NONE:
        reason = check_change(state, original, record, gate, terms)
    if UNLIKELY(gate != 0) and reason == REJECT_NONE and (
        not original.flags & (ORDER_STOP | ORDER_PEG)
    ):
        limit_reach(state, original.instrument_id, record, is_buy, terms)
    return reason


cdef inline uint8_t check_change(
    State* state, const Order* original, const OrderRecord* record, uint32_t gate,
    const Terms* terms,
) noexcept nogil:
    """Rate, limits and funds for the new leaves of a replace, the original's given back first."""
    cdef const Account* account = &state.accounts[original.account_id]
    cdef const Position* position = &state.positions.positions[original.position]
    cdef int64_t qty = <int64_t>record.order_qty - original.cum
    cdef int64_t freed = <int64_t>original.price * original.leaves
    cdef uint32_t carry = 0
    cdef uint8_t reason
    if UNLIKELY(gate & GATE_RATE) and not take_rate(
        state, record.session_id, original.account_id, False
    ):
        return REJECT_RATE_LIMIT
    if qty <= 0:
        return REJECT_NONE
    if UNLIKELY(gate & GATE_LIMITS):
        reason = check_value(
            state, original.account_id, position, original.side,
            state.instruments[original.instrument_id].currency_id, qty - original.leaves,
            terms.worst * qty, freed,
        )
        if reason:
            return reason
    if UNLIKELY(original.flags & ORDER_HAS_FEES):
        freed += fees_of(&state.pool, original).held
        carry = fees_of(&state.pool, original).carry
    if UNLIKELY(account.fee_schedule != 0):
        freed -= fee_asked(state, account, original.side, terms.worst * qty, carry)
    return check_funds(
        account, balance_of(state, original), position, original.side, qty, terms.worst,
        original.leaves, freed,
    )


cdef inline uint8_t check_stop_replace(
    const State* state, const Order* original, const OrderRecord* record, Terms* terms
) noexcept nogil:
    """The own terms of a waiting order's replace; the original is an order of the slab."""
    cdef const Stop* stop = &state.triggers.stops[
        <size_t>(original - <const Order*>state.pool.orders)
    ]
    cdef bint is_buy = original.side == SIDE_BUY
    cdef uint8_t reason = check_entry(
        state, original.instrument_id, record, stop.ord_type, is_buy, stop, terms
    )
    if reason:
        return reason
    return check_stop_terms(
        state, &state.accounts[original.account_id], &state.instruments[original.instrument_id],
        stop.ord_type, is_buy, record,
        original.price if stop.trail and record.stop_price == 0 else 0, terms,
    )


cdef inline uint8_t check_funds(
    const Account* account, const Account* balance, const Position* position, uint8_t side,
    int64_t qty, int64_t worst, int64_t freed_qty, int64_t freed_hold,
) noexcept nogil:
    """Position limit, shares and cash for `qty` more; `freed_...` is given back first."""
    cdef bint is_buy = side == SIDE_BUY
    cdef int64_t added = qty - freed_qty
    if is_position_beyond(account, position, is_buy, added):
        return REJECT_POSITION_LIMIT
    if (side == SIDE_SELL) & (added > position.qty - position.held):
        return REJECT_INSUFFICIENT_SHARES
    if is_buy & (worst * qty > balance.cash - balance.hold + freed_hold):
        return REJECT_INSUFFICIENT_CASH
    return REJECT_NONE
