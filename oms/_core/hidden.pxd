"""Hidden orders: they rest in books of their own, which nobody sees and everybody trades with.

Called by everything that makes an order rest, trade or leave, once an order, a record or an
instrument's gate says that there are such orders. At one price displayed orders come first.
Promises: an order has the flag exactly while it is in a hidden book; an instrument counts them, and
its gate says whether there are any.
"""

from libc.stdint cimport int64_t, uint32_t

from oms._core.directory cimport Instrument
from oms._core.gate cimport instrument_gate
from oms._core.ladder cimport Ladder
from oms._core.machine cimport rare
from oms._core.order_book cimport (
    BOOK_ASKS, BOOK_BIDS, Book, HIDDEN_LEVEL, book_link, is_worse,
)
from oms._core.order_pool cimport ORDER_HIDDEN, Order
from oms._core.records cimport OrderRecord
from oms._core.state cimport State
from oms._core.types cimport HIDES, PRICE_MAX, RULES_HIDE


cdef enum:
    LADDERS = 4  # of an instrument, see ladder_at


cdef inline bint is_hiding(const State* state, const OrderRecord* record) noexcept nogil:
    """Whether what enters with this record rests hidden."""
    return record.display == HIDES and state.numbers.rule_version >= RULES_HIDE


cdef inline Book* book_of(State* state, const Order* order) noexcept nogil:
    """Where a live order rests."""
    if order.flags & ORDER_HIDDEN:
        return &state.hidden_books[order.instrument_id]
    return &state.instruments[order.instrument_id].book


cdef inline Ladder* ladder_at(
    State* state, uint32_t instrument_id, uint32_t which
) noexcept nogil:
    """Every ladder of an instrument, in the order of the canonical state: displayed bids (0) and
    asks, hidden bids and asks.
    """
    if which < 2:
        return &state.instruments[instrument_id].book.ladders[which]
    return &state.hidden_books[instrument_id].ladders[which - 2]


cdef inline void hidden_link(State* state, uint32_t slot, uint32_t price_key) noexcept nogil:
    """An order comes to rest, hidden."""
    cdef Order* order = &state.pool.orders[slot]
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    rare()
    order.flags |= ORDER_HIDDEN
    book_link(
        &state.levels, &state.hidden_books[order.instrument_id], state.pool.orders, slot, price_key,
        order.instrument_id | <uint32_t>HIDDEN_LEVEL,
    )
    instrument.hidden_orders += 1
    instrument.gate = instrument_gate(instrument)


cdef inline void hidden_left(State* state, const Order* order) noexcept nogil:
    """An order is out of its hidden book."""
    cdef Instrument* instrument = &state.instruments[order.instrument_id]
    rare()
    instrument.hidden_orders -= 1
    instrument.gate = instrument_gate(instrument)


cdef inline uint32_t better_level(
    const State* state, uint32_t book_side, uint32_t shown, uint32_t hidden
) noexcept nogil:
    """Of a displayed and a hidden level of one side (0: none), the one whose turn it is."""
    if hidden == 0:
        return shown
    if shown == 0 or is_worse(
        book_side, state.levels.levels[shown].price, state.levels.levels[hidden].price
    ):
        return hidden
    return shown


cdef inline uint32_t first_level(
    const State* state, uint32_t instrument_id, uint32_t book_side, int64_t worst_price
) noexcept nogil:
    """The level, displayed or hidden, that an incoming order trades with first; 0: none."""
    cdef uint32_t level
    rare()
    level = better_level(
        state, book_side, state.instruments[instrument_id].book.ladders[book_side].best,
        state.hidden_books[instrument_id].ladders[book_side].best,
    )
    if level and is_worse(book_side, state.levels.levels[level].price, worst_price):
        return 0
    return level


cdef inline bint is_crossed(const State* state, uint32_t instrument_id) noexcept nogil:
    """Whether somebody would buy, openly or not, for what somebody would sell for."""
    cdef uint32_t bid = first_level(state, instrument_id, BOOK_BIDS, 0)
    cdef uint32_t ask = first_level(state, instrument_id, BOOK_ASKS, 2 * <int64_t>PRICE_MAX)
    return bid != 0 and ask != 0 and (
        state.levels.levels[bid].price >= state.levels.levels[ask].price
    )
