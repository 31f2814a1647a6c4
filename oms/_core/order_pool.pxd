"""The slab of live orders: fixed records, addressed by slot, never by pointer.

Called by the matcher, the book, the index and the day's sweep. Promises: slots as docs/rules.md
says (the last one freed first, else the next fresh one); slot 0 is scratch, so that linking and
unlinking write to a neighbor without asking whether there is one.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.machine cimport INVARIANT, release_pages, take_pages
from oms._core.types cimport TIF_GTD, TIF_IOC

# 64 bytes: one cache line. A cancel touches every field, so there is nothing cold to split off.
cdef struct Order:
    uint32_t next  # slot behind it in its level, or in the free list; 0: none
    uint32_t prev  # slot before it in its level; 0: none
    uint32_t level  # slot of its level
    uint32_t leaves  # shares open; 0: the slot is free
    uint32_t cum  # shares executed in the whole chain of replaces
    uint32_t price  # 10^-4, at most PRICE_MAX
    uint64_t order_id
    uint16_t session_id  # at most SESSIONS_MAX x IDENTITY_FACTOR
    uint16_t flags  # ORDER_... bits; 0: a plain order, which pays for none of them
    uint32_t user_ref_num
    uint32_t account_id
    uint32_t instrument_id
    uint32_t position  # slot of the position of (account_id, instrument_id)
    uint8_t side
    uint8_t time_in_force
    uint8_t capacity
    uint8_t cross_type
    uint32_t firm
    uint32_t chain  # next slot in its chain of the index (chain_table)

# An order on its way in is one of these too, not yet in the slab. Only limit orders rest; a stop
# order waits (the price of one without a limit is how far it may go).
# The hot path asks once whether there is any bit; code out of line asks which.
cdef enum:
    ORDER_HAS_RESERVE = 1
    ORDER_HIDDEN = 2
    ORDER_STOP = 4  # waits outside the book (triggers.pxd); never with one of the others
    ORDER_PEG = 8  # its price is its cap; where it stands tells peg_list.pxd
    ORDER_ON_AUCTION = 16  # at the open or at the close
    ORDER_MARKET = 32  # a market order that rests in a call, at its collar price
    ORDER_FOR_CALL = ORDER_ON_AUCTION | ORDER_MARKET  # goes when the call is over
    ORDER_HAS_FEES = 64
    ORDER_HAS_PUBLIC_ID = 128
    ORDER_COLD = ORDER_HAS_FEES | ORDER_HAS_PUBLIC_ID  # told by arrays by slot
    ORDER_FLAGS = (  # all that there are
        ORDER_HAS_RESERVE | ORDER_HIDDEN | ORDER_STOP | ORDER_PEG | ORDER_FOR_CALL | ORDER_COLD
    )

# What an iceberg does not show; touched only for orders with the flag.
cdef struct Reserve:
    uint32_t qty  # of the order's leaves
    uint32_t peak  # shown at a time

# What an order pays, settled when it was accepted; touched only for orders with the flag. In 10^-7.
cdef struct FeeTerms:
    int32_t maker_rate
    int32_t taker_rate
    uint32_t fee_account_id  # who gets it
    uint32_t carry  # of 10^-7 units: charged too much so far, below one unit
    int64_t held  # of its hold: for fees
    int64_t last  # of its last fill; no part of the state

cdef struct OrderPool:
    Order* orders  # orders_max + 1 of them
    Reserve* reserves  # by slot
    uint64_t* public_ids  # by slot; touched only for orders with the flag
    FeeTerms* fees  # by slot; 0: of the order that is coming in and has no slot yet
    uint32_t reserved  # live orders with a reserve
    uint32_t free_head  # the slot freed last; 0: none
    uint32_t free_count
    uint32_t highest  # slots 1 .. highest were used at some time
    uint32_t orders_max
    uint32_t live  # orders in books; the incoming part of a replace is still counted


cdef inline void pool_open(OrderPool* pool, uint32_t orders_max) noexcept nogil:
    INVARIANT(sizeof(Order) == 64)
    pool.orders = <Order*>take_pages((<size_t>orders_max + 1) * sizeof(Order))
    pool.reserves = <Reserve*>take_pages((<size_t>orders_max + 1) * sizeof(Reserve))
    pool.public_ids = <uint64_t*>take_pages((<size_t>orders_max + 1) * sizeof(uint64_t))
    pool.fees = <FeeTerms*>take_pages((<size_t>orders_max + 1) * sizeof(FeeTerms))
    pool.orders_max = orders_max


cdef inline void pool_close(OrderPool* pool) noexcept nogil:
    release_pages(pool.orders, (<size_t>pool.orders_max + 1) * sizeof(Order))
    release_pages(pool.reserves, (<size_t>pool.orders_max + 1) * sizeof(Reserve))
    release_pages(pool.public_ids, (<size_t>pool.orders_max + 1) * sizeof(uint64_t))
    release_pages(pool.fees, (<size_t>pool.orders_max + 1) * sizeof(FeeTerms))


cdef inline bint is_lasting(uint8_t time_in_force) noexcept nogil:
    """Of all that there are, two in the middle (IOC and FOK) are for at once."""
    return <uint8_t>(time_in_force - TIF_IOC) > 1


cdef inline bint has_time(uint8_t time_in_force) noexcept nogil:
    """GTD and GTT go at a time of their own."""
    return <uint8_t>(time_in_force - TIF_GTD) <= 1


cdef inline uint32_t pool_take(OrderPool* pool) noexcept nogil:
    """A slot for an order that rests."""
    cdef uint32_t slot = pool.free_head
    if slot:
        pool.free_head = pool.orders[slot].next
        pool.free_count -= 1
        return slot
    pool.highest += 1
    INVARIANT(pool.highest <= pool.orders_max)
    return pool.highest


cdef inline void pool_free(OrderPool* pool, uint32_t slot) noexcept nogil:
    """The order is gone."""
    pool.orders[slot].leaves = 0
    pool.orders[slot].next = pool.free_head
    pool.free_head = slot
    pool.free_count += 1


cdef inline uint64_t public_id_of(const OrderPool* pool, const Order* order) noexcept nogil:
    """The public's number for an order of the slab, where it is not its order_id; else 0."""
    if not order.flags & ORDER_HAS_PUBLIC_ID:
        return 0
    return pool.public_ids[<size_t>(order - <const Order*>pool.orders)]


cdef inline FeeTerms* fees_of(const OrderPool* pool, const Order* order) noexcept nogil:
    """What an order with the flag pays, in the slab or on its way there."""
    cdef size_t place = (<size_t>order - <size_t>pool.orders) // sizeof(Order)
    return &pool.fees[place if place <= pool.orders_max else 0]
