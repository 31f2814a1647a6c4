"""The one price at which collected orders trade (docs/rules.md, Calls; RULES B5).

Called by the auction. The two sides are walked from their best prices towards each other, as if
they traded: where they stop, what is left says which prices will do. Whole parts of the ladders are
walked over at once, by their sums (docs/adr/0049); near the end it goes level by level. Promises:
every open share counts, shown or not, and hidden orders as those that are displayed at their price.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument, reference_of
from oms._core.hidden cimport better_level, ladder_at
from oms._core.ladder cimport Ladder
from oms._core.level_walk cimport LevelWalk, level_next, level_start, level_start_at
from oms._core.open_sums cimport open_of_level, part_sum, part_worst
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS, Book
from oms._core.state cimport State
from oms._core.ticks cimport price_ceil, price_floor
from oms._core.types cimport PRICE_MAX

cdef struct CallPrice:
    int64_t price  # 0: nothing would trade
    uint64_t volume
    int64_t imbalance  # below zero: more is sold than bought

# One side on its way to the other.
cdef struct CallSide:
    LevelWalk walks[2]  # displayed, hidden
    uint32_t levels[2]  # the next of each; 0: there is none
    uint32_t book_side
    uint32_t part  # of the displayed ladder, counted from 1: where it stands; 0: behind the last
    uint64_t part_open  # what was open in it
    uint64_t part_left  # and has not traded
    uint64_t left  # of what stands at the price
    uint64_t market  # of it: asked for by market orders
    int64_t price  # where nobody is left, one that no order has


cdef inline void side_start(
    State* state, CallSide* side, uint32_t instrument_id, uint32_t book_side
) noexcept nogil:
    cdef uint32_t i
    side.book_side = book_side
    for i in range(2):
        level_start(
            &side.walks[i], &state.levels, ladder_at(state, instrument_id, book_side + 2 * i)
        )
        side.levels[i] = level_next(&side.walks[i])
    side_take(state, side)


cdef inline void side_take(State* state, CallSide* side) noexcept nogil:
    """The next price, with all that is open there."""
    cdef uint32_t best = better_level(
        state, side.book_side, side.levels[0], side.levels[1]
    )
    cdef uint32_t i
    side.left = 0
    side.market = 0
    side.price = state.levels.levels[best].price
    if best == 0:
        side.price = 2 * <int64_t>PRICE_MAX if side.book_side == BOOK_ASKS else 0
        return
    for i in range(2):
        if side.levels[i] and state.levels.levels[side.levels[i]].price == side.price:
            side.left += open_of_level(state, side.levels[i])
            side.market += state.levels.market[side.levels[i]]
            side.levels[i] = level_next(&side.walks[i])


cdef inline void part_start(
    State* state, CallSide* side, uint32_t instrument_id, uint32_t part
) noexcept nogil:
    """Stand before everything in a part."""
    side.part = part
    side.part_open = 0
    if part:
        side.part_open = part_sum(state, instrument_id, side.book_side, part - 1)
    side.part_left = side.part_open


cdef inline void part_trade(
    State* state, CallSide* side, uint32_t instrument_id, bint is_by_level, uint64_t qty
) noexcept nogil:
    """So much has traded, at most what is left of the level or part."""
    side.part_left -= qty
    if is_by_level:
        side.left -= qty
        if side.left == 0:
            side_take(state, side)
    if side.part_left == 0:
        part_start(state, side, instrument_id, side.part - 1)


cdef inline void side_enter(
    State* state, CallSide* side, uint32_t instrument_id
) noexcept nogil:
    """Find the level at which the side stands in its part."""
    cdef const Ladder* ladder = ladder_at(state, instrument_id, side.book_side)
    cdef const Ladder* hidden = ladder_at(state, instrument_id, side.book_side + 2)
    cdef uint64_t traded = side.part_open - side.part_left
    cdef uint64_t qty
    if side.part == 0:
        return  # everything has traded
    level_start(&side.walks[0], &state.levels, ladder)
    side.walks[0].part = side.part
    if side.part < ladder.part_count:
        level_start_at(
            &side.walks[1], &state.levels, hidden, ladder.parts[side.part].low - 1
        )
    else:
        level_start(&side.walks[1], &state.levels, hidden)
    side.levels[0] = level_next(&side.walks[0])
    side.levels[1] = level_next(&side.walks[1])
    side_take(state, side)
    while traded:
        qty = side.left if side.left < traded else traded
        traded -= qty
        side.left -= qty
        if side.left == 0:
            side_take(state, side)


cdef inline int64_t bound_of(
    State* state, const CallSide* side, uint32_t instrument_id, bint is_by_level
) noexcept nogil:
    """A price that nothing in the level or part is worse than."""
    if is_by_level:
        return side.price
    return part_worst(state, instrument_id, side.book_side, side.part - 1)


cdef inline uint64_t trade_parts(
    State* state, uint32_t instrument_id, CallSide* bids, bint are_bids_by_level, CallSide* asks,
    bint are_asks_by_level,
) noexcept nogil:
    """Trade whole levels or parts with each other as long as all of one crosses all of the other;
    how much.
    """
    cdef uint64_t volume = 0
    cdef uint64_t bid
    cdef uint64_t ask
    while bids.part_left and asks.part_left and (
        bound_of(state, bids, instrument_id, are_bids_by_level)
        >= bound_of(state, asks, instrument_id, are_asks_by_level)
    ):
        bid = bids.left if are_bids_by_level else bids.part_left
        ask = asks.left if are_asks_by_level else asks.part_left
        if ask < bid:
            bid = ask
        part_trade(state, bids, instrument_id, are_bids_by_level, bid)
        part_trade(state, asks, instrument_id, are_asks_by_level, bid)
        volume += bid
    return volume


cdef inline void part_undo(State* state, CallSide* side, uint32_t instrument_id) noexcept nogil:
    """The last share has not traded after all."""
    if side.part_left == side.part_open:
        part_start(state, side, instrument_id, side.part + 1)
        side.part_left = 0
    side.part_left += 1


cdef inline uint64_t skip_parts(
    State* state, uint32_t instrument_id, CallSide* bids, CallSide* asks
) noexcept nogil:
    """Both sides where they stand after so much volume, which is returned: near the end.

    Parts with parts, then levels of one side with parts of the other: where that stops, at most
    what is displayed in a part on either side is left to be walked level by level. The last share
    is left to that walk, because it says which prices traded last.
    """
    cdef const Book* book = &state.instruments[instrument_id].book
    cdef uint64_t volume = 0
    bids.book_side = BOOK_BIDS
    asks.book_side = BOOK_ASKS
    if book.ladders[BOOK_BIDS].part_count == 0 or book.ladders[BOOK_ASKS].part_count == 0:
        side_start(state, bids, instrument_id, BOOK_BIDS)
        side_start(state, asks, instrument_id, BOOK_ASKS)
        return 0
    part_start(state, bids, instrument_id, book.ladders[BOOK_BIDS].part_count)
    part_start(state, asks, instrument_id, book.ladders[BOOK_ASKS].part_count)
    volume += trade_parts(state, instrument_id, bids, False, asks, False)
    side_enter(state, bids, instrument_id)
    volume += trade_parts(state, instrument_id, bids, True, asks, False)
    side_enter(state, asks, instrument_id)
    volume += trade_parts(state, instrument_id, bids, False, asks, True)
    if volume:
        volume -= 1
        part_undo(state, bids, instrument_id)
        part_undo(state, asks, instrument_id)
    side_enter(state, bids, instrument_id)
    side_enter(state, asks, instrument_id)
    return volume


cdef inline int64_t nearest(
    const State* state, const Instrument* instrument, int64_t first, int64_t last,
    const int64_t* named, uint32_t named_count,
) noexcept nogil:
    """Of the prices from `first` to `last` that are valid or `named` by an order, the one nearest
    to the reference, of two the higher; without a reference the highest. 0: there is none.
    """
    cdef int64_t reference = reference_of(instrument)
    cdef int64_t found = 0
    cdef uint32_t i
    if reference == 0 or reference > last:
        reference = last
    found = nearer(found, price_floor(state, instrument, reference), first, last, reference)
    found = nearer(found, price_ceil(state, instrument, reference), first, last, reference)
    found = nearer(found, price_ceil(state, instrument, first), first, last, reference)
    for i in range(named_count):
        found = nearer(found, named[i], first, last, reference)
    return found


cdef inline int64_t nearer(
    int64_t found, int64_t price, int64_t first, int64_t last, int64_t reference
) noexcept nogil:
    cdef int64_t here = price - reference if price > reference else reference - price
    cdef int64_t there = found - reference if found > reference else reference - found
    if price < first or price > last:
        return found
    return price if found == 0 or here < there or (here == there and price > found) else found


cdef inline CallPrice find_call_price(State* state, uint32_t instrument_id) noexcept nogil:
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef CallPrice found
    cdef CallSide bids
    cdef CallSide asks
    cdef int64_t named[2]
    cdef int64_t low = 0
    cdef int64_t high = 0
    cdef uint64_t qty
    found.price = 0
    found.imbalance = 0
    found.volume = skip_parts(state, instrument_id, &bids, &asks)
    while bids.price >= asks.price:
        high = bids.price
        low = asks.price
        qty = bids.left if bids.left < asks.left else asks.left
        found.volume += qty
        bids.left -= qty
        asks.left -= qty
        if bids.left == 0:
            side_take(state, &bids)
        if asks.left == 0:
            side_take(state, &asks)
    if found.volume == 0:
        return found
    if settle_market_orders(state, instrument_id, &found):
        return found
    # From `low` to `high` the volume is the same. Strictly between what is left on both sides
    # nothing is left over.
    named[0] = low
    named[1] = high
    found.price = nearest(
        state, instrument, max(low, bids.price + 1), min(high, asks.price - 1), named, 2
    )
    if found.price:
        return found
    if asks.price > high or (bids.price >= low and bids.left < asks.left):
        found.price = bids.price
        found.imbalance = <int64_t>bids.left
    elif bids.price < low or asks.left < bids.left:
        found.price = asks.price
        found.imbalance = -<int64_t>asks.left
    else:
        settle_tie(state, instrument, &bids, &asks, low, high, &found)
    return found


cdef inline bint settle_market_orders(
    State* state, uint32_t instrument_id, CallPrice* found
) noexcept nogil:
    """Where nobody who would trade has named a price, all trade at the reference, whichever side is
    the larger. False: somebody has.
    """
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef CallSide bids
    cdef CallSide asks
    cdef int64_t named[2]
    cdef int64_t bid
    cdef int64_t ask
    side_start(state, &bids, instrument_id, BOOK_BIDS)
    side_start(state, &asks, instrument_id, BOOK_ASKS)
    if bids.market != bids.left or asks.market != asks.left:
        return False
    bid = bids.price
    ask = asks.price
    found.imbalance = <int64_t>bids.left - <int64_t>asks.left
    side_take(state, &bids)
    side_take(state, &asks)
    if bids.price >= ask or asks.price <= bid:
        found.imbalance = 0
        return False
    named[0] = ask
    named[1] = bid
    found.price = nearest(state, instrument, ask, bid, named, 2)
    return True


cdef inline void settle_tie(
    State* state, const Instrument* instrument, CallSide* bids, CallSide* asks,
    int64_t low, int64_t high, CallPrice* found,
) noexcept nogil:
    """The same is left over on either side: the prices of both will do."""
    cdef int64_t named[4]
    cdef int64_t top_bid = bids.price
    cdef int64_t left = <int64_t>bids.left
    named[0] = low
    named[1] = high
    named[2] = bids.price
    named[3] = asks.price
    side_take(state, bids)
    side_take(state, asks)
    found.price = nearest(
        state, instrument, max(low, bids.price + 1), min(high, asks.price - 1), named, 4
    )
    found.imbalance = left if found.price <= top_bid else -left
