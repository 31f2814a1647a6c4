"""The one price at which collected orders trade (docs/rules.md, Calls; RULES B5).

Called by the auction. The two sides are walked from their best prices towards each other, level by
level, as if they traded: where they stop, what is left says which prices will do. Promises: reads
only the levels that overlap, and the next two; every open share counts, shown or not.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.directory cimport Instrument, reference_of
from oms._core.ladder cimport Ladder
from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS, Level
from oms._core.state cimport State
from oms._core.types cimport PRICE_MAX

cdef struct CallPrice:
    int64_t price  # 0: nothing would trade
    uint64_t volume
    int64_t imbalance  # below zero: more is sold than bought

# One side on its way to the other.
cdef struct CallSide:
    LevelWalk walk
    uint32_t level  # 0: the side is used up
    uint64_t left  # of what stands there
    int64_t price  # of the level; where there is none, one that no order has


cdef inline void side_take(const State* state, CallSide* side, int64_t beyond) noexcept nogil:
    """The next level, with all that is open there."""
    cdef const Level* level
    side.level = level_next(&side.walk)
    level = &state.levels.levels[side.level]
    side.left = level.qty + state.levels.reserves[side.level]
    side.price = level.price if side.level else beyond


cdef inline int64_t nearest(
    int64_t reference, int64_t first, int64_t last, int64_t tick
) noexcept nogil:
    """The price on a tick from `first` to `last` nearest to the reference; of two, the higher."""
    cdef int64_t below
    if reference == 0 or reference >= last:
        return last
    if reference <= first:
        return first
    below = reference // tick * tick
    return below if 2 * reference < 2 * below + tick else below + tick


cdef inline CallPrice find_call_price(
    const State* state, const Instrument* instrument
) noexcept nogil:
    cdef CallPrice found
    cdef CallSide bids
    cdef CallSide asks
    cdef int64_t tick = instrument.tick_size
    cdef int64_t low = 0
    cdef int64_t high = 0
    cdef int64_t first
    cdef int64_t last
    cdef uint64_t qty
    found.price = 0
    found.volume = 0
    found.imbalance = 0
    level_start(&bids.walk, &state.levels, &instrument.book.ladders[BOOK_BIDS])
    level_start(&asks.walk, &state.levels, &instrument.book.ladders[BOOK_ASKS])
    side_take(state, &bids, 0)
    side_take(state, &asks, 2 * <int64_t>PRICE_MAX)
    while bids.price >= asks.price:
        high = bids.price
        low = asks.price
        qty = bids.left if bids.left < asks.left else asks.left
        found.volume += qty
        bids.left -= qty
        asks.left -= qty
        if bids.left == 0:
            side_take(state, &bids, 0)
        if asks.left == 0:
            side_take(state, &asks, 2 * <int64_t>PRICE_MAX)
    if found.volume == 0:
        return found
    if are_market_orders_alone(state, instrument):
        settle_market_orders(state, instrument, &found)
        return found
    # From `low` to `high` the volume is the same. Strictly between what is left on both sides
    # nothing is left over.
    first = bids.price + tick if bids.price >= low else low
    last = asks.price - tick if asks.price <= high else high
    if first <= last:
        found.price = nearest(reference_of(instrument), first, last, tick)
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


cdef inline bint is_market_alone(
    const State* state, LevelWalk* walk, int64_t other_best, bint is_bid
) noexcept nogil:
    """Whether of the levels that reach the other side's best there is one, of market orders."""
    cdef uint32_t level = level_next(walk)
    cdef uint32_t behind = level_next(walk)
    cdef int64_t price = state.levels.levels[behind].price
    if state.levels.market[level] != state.levels.levels[level].qty:
        return False
    return behind == 0 or (price < other_best if is_bid else price > other_best)


cdef inline bint are_market_orders_alone(
    const State* state, const Instrument* instrument
) noexcept nogil:
    """Whether nobody who would trade has named a price."""
    cdef const Ladder* bids = &instrument.book.ladders[BOOK_BIDS]
    cdef const Ladder* asks = &instrument.book.ladders[BOOK_ASKS]
    cdef LevelWalk walk
    level_start(&walk, &state.levels, bids)
    if not is_market_alone(state, &walk, state.levels.levels[asks.best].price, True):
        return False
    level_start(&walk, &state.levels, asks)
    return is_market_alone(state, &walk, state.levels.levels[bids.best].price, False)


cdef inline void settle_market_orders(
    const State* state, const Instrument* instrument, CallPrice* found
) noexcept nogil:
    """All of them trade at the reference, whichever side is the larger."""
    cdef const Level* bid = &state.levels.levels[instrument.book.ladders[BOOK_BIDS].best]
    cdef const Level* ask = &state.levels.levels[instrument.book.ladders[BOOK_ASKS].best]
    found.price = nearest(reference_of(instrument), ask.price, bid.price, instrument.tick_size)
    found.imbalance = <int64_t>bid.qty - <int64_t>ask.qty


cdef inline void settle_tie(
    const State* state, const Instrument* instrument, CallSide* bids, CallSide* asks,
    int64_t low, int64_t high, CallPrice* found,
) noexcept nogil:
    """The same is left over on either side: the prices of both will do."""
    cdef int64_t tick = instrument.tick_size
    cdef int64_t top_bid = bids.price
    cdef int64_t left = <int64_t>bids.left
    side_take(state, bids, 0)
    side_take(state, asks, 2 * <int64_t>PRICE_MAX)
    if bids.price + tick > low:
        low = bids.price + tick
    if asks.price - tick < high:
        high = asks.price - tick
    found.price = nearest(reference_of(instrument), low, high, tick)
    found.imbalance = left if found.price <= top_bid else -left
