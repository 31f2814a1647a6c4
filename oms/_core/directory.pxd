"""Who and what there is: instruments, participants, users and what users may do.

Called by admission, risk, administration, views, digest and snapshot. Promises: ids are dense from
1 and index the arrays directly (element 0 is not used).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from oms._core.machine cimport U64_MAX, high_half
from oms._core.order_book cimport Book

cdef struct Instrument:
    Book book
    int64_t last_price  # 10^-4; 0: not traded yet
    int64_t reference_price  # 10^-4; 0: none
    int64_t tick_size  # 10^-4
    uint64_t tick_inverse  # 2^64 / tick_size rounded up; see tick_of
    uint64_t topic_seq
    uint32_t lot_size
    uint32_t price_collar_bps  # 0: none
    uint32_t market_collar_bps
    uint8_t phase
    uint8_t price_scale
    uint8_t is_killed  # no new orders in it
    uint8_t is_crossable  # orders were collected: best bid and ask may overlap
    uint8_t has_bands
    uint8_t is_held  # the band shortens the reach of the order that is entering; no state
    uint8_t gate  # gate.pxd
    uint8_t restriction  # RESTRICTION bits, for every account
    uint8_t followers  # FOLLOWED_BY_... bits: what else is to be looked at when its market moves
    uint32_t hidden_orders  # how many rest (hidden.pxd)
    uint64_t symbol  # 8 bytes as sent
    int64_t shares_issued  # deposits less withdrawals

cdef enum:
    FOLLOWED_BY_STOPS = 1

cdef struct Participant:
    uint64_t name[2]

cdef struct User:
    uint64_t name[2]
    uint64_t salt[2]
    uint64_t key_hash[4]
    uint32_t participant_id
    uint32_t reserved


cdef inline int64_t reference_of(const Instrument* instrument) noexcept nogil:
    """What collars are measured from: the last price, or the given one while there is none."""
    return instrument.last_price if instrument.last_price else instrument.reference_price


cdef inline void set_tick(Instrument* instrument, int64_t tick_size) noexcept nogil:
    instrument.tick_size = tick_size
    instrument.tick_inverse = U64_MAX // <uint64_t>tick_size + 1


cdef inline uint32_t tick_of(const Instrument* instrument, int64_t price) noexcept nogil:
    """price / tick_size, rounded down, for 0 <= price < 2^32, without dividing.

    Exact because price and tick are below 2^32 (Lemire, Kaser, Kurz 2019); a tick of 1 has no
    inverse in 64 bits.
    """
    if instrument.tick_size == 1:
        return <uint32_t>price
    return <uint32_t>high_half(instrument.tick_inverse, <uint64_t>price)
