"""Where pegs stand: in the hidden book, at a price that is not their limit but follows the market.

Called by whatever makes a peg enter, move or leave. The order's price stays its cap, and is what
holds are made of; its level's price is what it trades at. Promises: a peg has the flag ORDER_HIDDEN
exactly while it stands in a level; none stands where trading is not continuous.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from oms._core.directory cimport FOLLOWED_BY_PEGS, Instrument, price_key
from oms._core.hidden cimport hidden_left, hidden_link
from oms._core.machine cimport rare
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS, book_unlink, side_of
from oms._core.order_pool cimport ORDER_HIDDEN, Order
from oms._core.peg_list cimport PegList, forget_prices, peg_list_remove
from oms._core.state cimport State
from oms._core.ticks cimport price_ceil, price_down, price_floor, price_up
from oms._core.types cimport (
    PHASE_CONTINUOUS, PRICE_MAX, SIDE_BUY, TYPE_PEG_MARKET, TYPE_PEG_MIDPOINT, TYPE_PEG_PRIMARY,
)


cdef inline bint is_trading(const State* state, const Instrument* instrument) noexcept nogil:
    return instrument.phase == PHASE_CONTINUOUS and state.numbers.is_day_open


cdef inline uint32_t best_price(
    const State* state, const Instrument* instrument, uint32_t book_side
) noexcept nogil:
    """The displayed price that pegs follow; 0: there is none, or nothing trades now."""
    if not is_trading(state, instrument):
        return 0
    return state.levels.levels[instrument.book.ladders[book_side].best].price


cdef inline bint is_noted(
    const State* state, const Instrument* instrument, const PegList* its
) noexcept nogil:
    """Whether the best prices are those that the instrument has noted."""
    return (
        its.bid == best_price(state, instrument, BOOK_BIDS)
        and its.ask == best_price(state, instrument, BOOK_ASKS)
    )


cdef inline uint32_t peg_price(
    const State* state, const Order* order, uint8_t ord_type, int32_t offset
) noexcept nogil:
    """Where a peg should stand now; 0: nowhere."""
    cdef const Instrument* instrument = &state.instruments[order.instrument_id]
    cdef uint32_t book_side = side_of(order.side)
    cdef int64_t own = best_price(state, instrument, book_side)
    cdef int64_t opposite = best_price(state, instrument, book_side ^ 1)
    cdef bint is_middle = ord_type == TYPE_PEG_MIDPOINT and offset == 0  # it may be between ticks
    cdef int64_t twice = own + opposite
    cdef int64_t price = 0
    if ord_type == TYPE_PEG_PRIMARY:
        twice = 2 * own
    elif ord_type == TYPE_PEG_MARKET:
        twice = 2 * opposite
    if (own == 0 and ord_type != TYPE_PEG_MARKET) or (
        opposite == 0 and ord_type != TYPE_PEG_PRIMARY
    ):
        return 0
    if order.side == SIDE_BUY:
        twice += 2 * <int64_t>offset
        if twice > 0:
            price = twice // 2 if is_middle else price_floor(state, instrument, twice // 2)
        price = min(price, <int64_t>order.price)
        if opposite and not is_middle:
            price = min(price, price_down(state, instrument, opposite))
        return <uint32_t>price
    twice -= 2 * <int64_t>offset
    if twice > 0:
        twice = (twice + 1) // 2
        price = twice if is_middle else price_ceil(state, instrument, twice)
    price = max(price, <int64_t>order.price)
    if opposite and not is_middle:
        price = max(price, price_up(state, instrument, opposite))
    return <uint32_t>price if price <= PRICE_MAX else 0


cdef inline void peg_stand(State* state, uint32_t slot, uint32_t price) noexcept nogil:
    """A peg that stands nowhere comes to the back of the hidden level of a price."""
    cdef Order* order = &state.pool.orders[slot]
    cdef uint32_t cap = order.price
    rare()
    order.price = price  # where its level is looked for, or made
    hidden_link(state, slot, price_key(&state.instruments[order.instrument_id], price))
    order.price = cap
    state.pegs.pegs[slot].price = price


cdef inline void peg_suspend(State* state, uint32_t slot) noexcept nogil:
    """A peg that stands somewhere does not any more."""
    cdef Order* order = &state.pool.orders[slot]
    book_unlink(
        &state.levels, &state.hidden_books[order.instrument_id], state.pool.orders, slot
    )
    hidden_left(state, order)
    order.flags &= ~<uint32_t>ORDER_HIDDEN
    order.level = 0
    order.next = 0
    order.prev = 0
    state.pegs.pegs[slot].price = 0


cdef inline void suspend_pegs(State* state, uint32_t instrument_id) noexcept nogil:
    """Continuous trading ends: no peg of the instrument stands any more."""
    cdef PegList* its = &state.pegs.lists[instrument_id]
    cdef uint32_t slot = its.first
    rare()
    while slot:
        if state.pegs.pegs[slot].price:
            peg_suspend(state, slot)
        slot = state.pegs.pegs[slot].next
    forget_prices(its)


cdef inline void leave_peg_list(State* state, uint32_t slot) noexcept nogil:
    """A peg that is in no level is no peg of its instrument any more."""
    cdef uint32_t id = state.pool.orders[slot].instrument_id
    rare()
    peg_list_remove(&state.pegs, id, slot)
    if state.pegs.lists[id].count == 0:
        state.instruments[id].followers &= ~FOLLOWED_BY_PEGS


cdef inline void leave_pegs(State* state, uint32_t slot) noexcept nogil:
    """A peg leaves its level, if it stands in one, and its list; its last event still hides."""
    cdef Order* order = &state.pool.orders[slot]
    rare()
    if state.pegs.pegs[slot].price:
        book_unlink(
            &state.levels, &state.hidden_books[order.instrument_id], state.pool.orders, slot
        )
        hidden_left(state, order)
    leave_peg_list(state, slot)
