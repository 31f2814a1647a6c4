"""Stop orders that wait: each at its stop price, nearest first, and those whose time has come.

Called by the order commands and by whatever makes an order leave; `stops.pxd` decides who enters.
A waiting order has its record in the slab like any other, and what it waits for in an array by slot
that plain orders never touch. Per instrument and trigger there is a ladder for buys and one for
sells, as in a book; the order links are the book's. Trailing stops stand in lists instead, because
any print may move them all (trailing.pxd). Promises: an order with the flag ORDER_STOP is in the
level of its stop price, in such a list or in its instrument's queue.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memmove

from oms._core.ladder cimport ladder_close
from oms._core.machine cimport INVARIANT, grow_array, rare, release_pages, take_pages
from oms._core.order_book cimport (
    Book, Level, LevelPool, level_drop, level_find, level_make, levels_close, levels_open,
    mirrored, side_of,
)
from oms._core.order_pool cimport Order

# What an order waits for. 16 bytes.
cdef struct Stop:
    uint32_t price  # 10^-4; above 0
    uint8_t ord_type  # as it was entered
    uint8_t trigger
    uint8_t self_trade  # what it will say when it enters
    uint8_t is_elected  # it stands in the queue
    uint32_t trail  # how far the price stays behind the market; 0: it does not follow it
    uint32_t first  # of one that follows: the price it had when its order's was said; else 0

# Trailing stops of one side, and the prices at which there is something to do with them.
cdef struct Trailing:
    uint32_t* slots  # by order_id
    uint32_t count
    uint32_t room
    uint32_t quiet_low  # at a price in quiet_low..quiet_high none of them is moved or reached;
    uint32_t quiet_high  # worked out from the rest, no part of the state; low above high: unknown

# One instrument's.
cdef struct Watch:
    Book books[2]  # by Trigger; a buy stands among the asks: the lowest price comes first
    Trailing trailing[4]  # by Trigger and side; those are in no book
    uint32_t trailing_count  # orders in these lists
    uint32_t reserved
    uint32_t count  # orders that wait, elected ones included
    uint32_t low  # of the prints not yet held against them; 0: there was none
    uint32_t high
    uint32_t base  # the price before the first of those
    uint32_t seen  # the last price when prints were looked at; no part of the state
    uint32_t queue_head  # slots of elected orders, the first to enter first; 0: none
    uint32_t queue_tail
    uint32_t is_touched

cdef struct Elected:
    uint64_t order_id
    uint32_t distance  # of its stop price from the price before
    uint32_t slot

cdef struct Triggers:
    Stop* stops  # by order slot
    Watch* watches  # by instrument
    LevelPool levels  # of all ladders
    uint64_t* waiting  # a bit for each instrument that may have a queue to work off
    uint32_t waiting_count  # bits set
    uint32_t touched_count
    uint32_t* touched  # instruments whose market moved since the last look
    Elected* elected  # room to sort in
    uint64_t elected_capacity
    uint64_t events_seen  # events of this entry up to here were looked at
    uint32_t steps_left  # elected orders that this entry may still let in
    uint32_t orders_max
    uint32_t instruments_max


cdef inline size_t waiting_words(uint32_t instruments_max) noexcept nogil:
    return <size_t>instruments_max // 64 + 1


cdef inline void triggers_open(
    Triggers* triggers, uint32_t orders_max, uint32_t instruments_max
) noexcept nogil:
    INVARIANT(sizeof(Stop) == 16)
    triggers.orders_max = orders_max
    triggers.instruments_max = instruments_max
    levels_open(&triggers.levels, orders_max)
    triggers.stops = <Stop*>take_pages((<size_t>orders_max + 1) * sizeof(Stop))
    triggers.watches = <Watch*>take_pages((<size_t>instruments_max + 1) * sizeof(Watch))
    triggers.touched = <uint32_t*>take_pages((<size_t>instruments_max + 1) * sizeof(uint32_t))
    triggers.waiting = <uint64_t*>take_pages(waiting_words(instruments_max) * sizeof(uint64_t))


cdef inline void triggers_close(Triggers* triggers, uint32_t instrument_count) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t which
    for i in range(1, instrument_count + 1):
        for which in range(4):
            ladder_close(&triggers.watches[i].books[which >> 1].ladders[which & 1])
            free(triggers.watches[i].trailing[which].slots)
    levels_close(&triggers.levels)
    free(triggers.elected)
    release_pages(triggers.stops, (<size_t>triggers.orders_max + 1) * sizeof(Stop))
    release_pages(triggers.watches, (<size_t>triggers.instruments_max + 1) * sizeof(Watch))
    release_pages(
        triggers.touched, (<size_t>triggers.instruments_max + 1) * sizeof(uint32_t)
    )
    release_pages(
        triggers.waiting, waiting_words(triggers.instruments_max) * sizeof(uint64_t)
    )


# ---- instruments to look at


cdef inline void market_moved(Triggers* triggers, uint32_t instrument_id) noexcept nogil:
    """The market of an instrument with stop orders moved, or its last one went."""
    rare()
    if not triggers.watches[instrument_id].is_touched:
        triggers.watches[instrument_id].is_touched = 1
        triggers.touched[triggers.touched_count] = instrument_id
        triggers.touched_count += 1


cdef inline void set_waiting(Triggers* triggers, uint32_t instrument_id) noexcept nogil:
    cdef uint64_t bit = <uint64_t>1 << (instrument_id & 63)
    cdef uint64_t* word = &triggers.waiting[instrument_id >> 6]
    triggers.waiting_count += (word[0] & bit) == 0
    word[0] |= bit


cdef inline void clear_waiting(Triggers* triggers, uint32_t instrument_id) noexcept nogil:
    triggers.waiting[instrument_id >> 6] &= ~(<uint64_t>1 << (instrument_id & 63))
    triggers.waiting_count -= 1


# ---- orders that wait


cdef inline void collect(
    Triggers* triggers, const Order* orders, uint32_t slot, uint32_t base, uint64_t at
) noexcept nogil:
    """An order is elected, `at` is how many were before; its place goes by the price before."""
    cdef uint32_t price = triggers.stops[slot].price
    if at == triggers.elected_capacity:
        triggers.elected_capacity = at * 2 if at else 1024
        triggers.elected = <Elected*>grow_array(
            triggers.elected, triggers.elected_capacity * sizeof(Elected)
        )
    triggers.elected[at].order_id = orders[slot].order_id
    triggers.elected[at].distance = price - base if price > base else base - price
    triggers.elected[at].slot = slot


cdef inline uint32_t stop_ladder(uint32_t side) noexcept nogil:
    """A buy waits for a higher price, so that the lowest comes first, as among asks."""
    return side_of(side) ^ 1


cdef inline uint32_t watch_id(uint32_t instrument_id, uint32_t trigger) noexcept nogil:
    """What stands for the instrument in the levels' index: a book by itself for each trigger."""
    return instrument_id * 2 + trigger


cdef inline void park(
    Triggers* triggers, Order* orders, uint32_t slot, uint32_t price_key
) noexcept nogil:
    """An order waits at its stop price, behind those that do already."""
    cdef Order* order = &orders[slot]
    cdef const Stop* stop = &triggers.stops[slot]
    cdef Watch* watch = &triggers.watches[order.instrument_id]
    cdef uint32_t book_side = stop_ladder(order.side)
    cdef uint32_t key = mirrored(book_side, price_key)
    cdef uint32_t id = watch_id(order.instrument_id, stop.trigger)
    cdef uint32_t level_slot = level_find(&triggers.levels, id, key, stop.price)
    cdef Level* level
    if level_slot == 0:
        level_slot = level_make(
            &triggers.levels, &watch.books[stop.trigger], book_side, id, key, stop.price
        )
    level = &triggers.levels.levels[level_slot]
    order.level = level_slot
    order.next = 0
    order.prev = level.tail
    orders[level.tail].next = slot  # slot 0 is scratch
    level.tail = slot
    if level.head == 0:
        level.head = slot


cdef inline Trailing* trailing_of(
    const Triggers* triggers, const Order* orders, uint32_t slot
) noexcept nogil:
    """Where a trailing stop stands: buys before sells."""
    return &triggers.watches[orders[slot].instrument_id].trailing[
        triggers.stops[slot].trigger * 2 + side_of(orders[slot].side)
    ]


cdef inline void trailing_add(Triggers* triggers, Order* orders, uint32_t slot) noexcept nogil:
    """An order with the highest order_id waits for a price that follows the market."""
    cdef Trailing* trailing = trailing_of(triggers, orders, slot)
    if trailing.count == trailing.room:
        trailing.room = trailing.room * 2 if trailing.room else 16
        trailing.slots = <uint32_t*>grow_array(
            trailing.slots, <size_t>trailing.room * sizeof(uint32_t)
        )
    trailing.slots[trailing.count] = slot
    trailing.count += 1
    trailing.quiet_low = 1
    trailing.quiet_high = 0
    triggers.watches[orders[slot].instrument_id].trailing_count += 1
    orders[slot].level = 0
    orders[slot].next = 0
    orders[slot].prev = 0


cdef inline void trailing_remove(Triggers* triggers, Order* orders, uint32_t slot) noexcept nogil:
    cdef Trailing* trailing = trailing_of(triggers, orders, slot)
    cdef uint32_t at = 0
    while trailing.slots[at] != slot:
        at += 1
    trailing.count -= 1
    memmove(
        &trailing.slots[at], &trailing.slots[at + 1],
        <size_t>(trailing.count - at) * sizeof(uint32_t),
    )
    triggers.watches[orders[slot].instrument_id].trailing_count -= 1


cdef inline void queue_add(Triggers* triggers, Order* orders, uint32_t slot) noexcept nogil:
    """An order in no level any more enters when all before it have."""
    cdef Watch* watch = &triggers.watches[orders[slot].instrument_id]
    triggers.stops[slot].is_elected = 1
    orders[slot].level = 0
    orders[slot].next = 0
    orders[slot].prev = watch.queue_tail
    if watch.queue_tail:
        orders[watch.queue_tail].next = slot
    else:
        watch.queue_head = slot
    watch.queue_tail = slot


cdef inline void queue_remove(Triggers* triggers, Order* orders, uint32_t slot) noexcept nogil:
    cdef Order* order = &orders[slot]
    cdef Watch* watch = &triggers.watches[order.instrument_id]
    if order.prev:
        orders[order.prev].next = order.next
    else:
        watch.queue_head = order.next
    if order.next:
        orders[order.next].prev = order.prev
    else:
        watch.queue_tail = order.prev


cdef inline void unpark(Triggers* triggers, Order* orders, uint32_t slot) noexcept nogil:
    """A waiting order leaves its level, or the queue."""
    cdef Order* order = &orders[slot]
    cdef const Stop* stop = &triggers.stops[slot]
    cdef Level* level
    if stop.is_elected:
        queue_remove(triggers, orders, slot)
        return
    if stop.trail:
        trailing_remove(triggers, orders, slot)
        return
    level = &triggers.levels.levels[order.level]
    orders[order.prev].next = order.next
    orders[order.next].prev = order.prev
    if level.head == slot:
        level.head = order.next
    if level.tail == slot:
        level.tail = order.prev
    if level.head == 0:
        level_drop(
            &triggers.levels, &triggers.watches[order.instrument_id].books[stop.trigger],
            stop_ladder(order.side), order.level,
        )
