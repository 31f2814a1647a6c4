"""Who and what there is: instruments, participants, users and what users may do.

Called by admission, risk, administration, views, digest and snapshot. Promises: ids are dense from
1 and index the arrays directly (element 0 is not used).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.ledger cimport Account
from oms._core.machine cimport LIKELY, MIX, U64_MAX, high_half
from oms._core.order_book cimport Book

cdef struct Instrument:
    Book book
    int64_t last_price  # 10^-4; 0: not traded yet
    int64_t reference_price  # 10^-4; 0: none
    int64_t tick_size  # 10^-4
    int64_t plain_tick  # the tick where it is all that says which prices are valid, else 0
    uint64_t grid_inverse  # 2^64 / grid_size rounded up; see grid_of
    int64_t grid_size  # the tick as it was when nothing rested; speed alone, no state
    Account* balances  # by account id: those of its currency
    uint64_t topic_seq
    uint32_t lot_size
    uint32_t price_collar_bps  # 0: none
    uint8_t phase
    uint8_t is_killed  # no new orders in it
    uint8_t is_crossable  # orders were collected: best bid and ask may overlap
    uint8_t has_bands
    uint8_t is_held  # the band shortens the reach of the order that is entering; no state
    uint8_t gate  # gate.pxd
    uint8_t restriction  # RESTRICTION bits, for every account
    uint8_t tick_table  # 0: none, tick_size is the only tick
    uint8_t followers  # FOLLOWED_BY_... bits: what else is to be looked at when its market moves
    uint32_t market_collar_bps  # from here on nothing that every order asks for
    uint32_t hidden_orders  # how many rest (hidden.pxd)
    uint8_t price_scale
    uint8_t currency_id  # traded and settled in it
    uint64_t symbol  # 8 bytes as sent
    int64_t shares_issued  # deposits less withdrawals

cdef enum:
    FOLLOWED_BY_STOPS = 1
    FOLLOWED_BY_PEGS = 2

cdef struct Participant:
    uint64_t name[2]

cdef struct User:
    uint64_t name[2]
    uint64_t salt[2]
    uint64_t key_hash[4]
    uint32_t participant_id
    uint32_t reserved


cdef inline bint is_blank(const uint64_t* words, uint32_t count) noexcept nogil:
    """Whether a name is nothing but spaces and zero bytes."""
    cdef const uint8_t* bytes_ = <const uint8_t*>words
    cdef uint32_t i
    for i in range(count * 8):
        if bytes_[i] != 0 and bytes_[i] != 0x20:
            return False
    return True


cdef inline int64_t reference_of(const Instrument* instrument) noexcept nogil:
    """What collars are measured from: the last price, or the given one while there is none."""
    return instrument.last_price if instrument.last_price else instrument.reference_price


cdef inline void set_grid(Instrument* instrument, int64_t grid_size) noexcept nogil:
    """Only while nothing rests or waits in the instrument: price_key depends on it."""
    instrument.grid_size = grid_size
    instrument.grid_inverse = U64_MAX // <uint64_t>grid_size + 1


cdef inline uint32_t grid_of(const Instrument* instrument, int64_t price) noexcept nogil:
    """price / grid_size, rounded down, for 0 <= price < 2^32, without dividing.

    Exact because price and grid are below 2^32 (Lemire, Kaser, Kurz 2019); a grid of 1 has no
    inverse in 64 bits.
    """
    if instrument.grid_size == 1:
        return <uint32_t>price
    return <uint32_t>high_half(instrument.grid_inverse, <uint64_t>price)


cdef inline uint32_t price_key(const Instrument* instrument, int64_t price) noexcept nogil:
    """Where the level of a price is looked for (order_book.pxd): neighbors on the grid side by
    side; a price off it, which only a change of ticks leaves behind, anywhere. Below 2^31.
    """
    cdef uint32_t key = grid_of(instrument, price)
    if LIKELY(key * instrument.grid_size == price):
        return key
    return <uint32_t>((<uint64_t>price * MIX) >> 33)
