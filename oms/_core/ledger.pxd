"""Accounts and positions: cash by currency, holds, shares.

Called by the matcher (holds, releases, executions), by risk (reads) and by deposits. Promises:
cash is never below the account's hold, `held` never above what long sales rest; an execution moves
the same cash and the same shares from one side to the other, so the totals never change.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.chain_table cimport (
    CHAIN_AHEAD, CHAIN_LINE, CHAIN_LINES, ChainTable, chain_close, chain_home, chain_is_full,
    chain_open, chain_widen,
)
from oms._core.machine cimport (
    INVARIANT, UNLIKELY, prefetch, release_pages, share_of, take_pages, wide,
)
from oms._core.order_pool cimport Order
from oms._core.types cimport MONEY_MAX, SIDE_BUY, SIDE_SELL

# Two cache lines, 128 bytes: what every order asks for, then the rest. An account's record holds
# its balance in the first currency; for each other currency there is an array of the same records,
# in which nothing but the balance is used: cash, hold and exposure (docs/adr/0047).
cdef struct Account:
    int64_t cash  # 10^-4 currency units
    int64_t hold  # sum of price x leaves of the resting buys, and their highest fees
    uint64_t topic_seq
    int64_t max_order_qty
    int64_t max_order_value
    int64_t long_limit
    int64_t short_limit
    uint8_t gate  # gate.pxd
    uint8_t self_trade  # SelfTrade of orders that say nothing; 0: they trade
    uint8_t fee_schedule  # of its orders from now on; 0: they pay nothing
    uint8_t reserved
    uint32_t live_orders
    wide exposure  # sum of price x leaves of the live orders in that currency
    uint32_t firm
    uint16_t participant_id  # at most PARTICIPANTS_MAX x IDENTITY_FACTOR
    uint8_t is_killed  # no new orders for it
    uint8_t may_owe  # fees and busts may take its cash below its hold
    uint32_t restrictions  # of its positions, how many have one
    uint8_t unused[36]

cdef struct Position:
    int64_t qty  # shares; below zero: short
    int64_t open_buys  # leaves of resting buys
    int64_t open_sells  # leaves of resting sells, short ones too
    int64_t held  # leaves of resting long sells
    uint32_t account_id
    uint32_t instrument_id
    uint32_t chain  # next slot in its chain of the index
    uint8_t restriction  # RESTRICTION bits, for this account in this instrument
    uint8_t padding[3]
    int64_t cost  # what is held was bought for; what is short was sold for, below zero
    int64_t realised  # profit of what was closed, fees not in it

cdef struct PositionPool:
    Position* positions  # positions_max + 1 of them; slot 0 stands for a pair never touched
    ChainTable index  # (account_id, instrument_id) -> slot
    uint32_t count
    uint32_t positions_max


cdef inline void positions_open(PositionPool* pool, uint32_t positions_max) noexcept nogil:
    pool.positions_max = positions_max
    pool.positions = <Position*>take_pages((<size_t>positions_max + 1) * sizeof(Position))
    chain_open(&pool.index, positions_max)


cdef inline void positions_close(PositionPool* pool) noexcept nogil:
    release_pages(pool.positions, (<size_t>pool.positions_max + 1) * sizeof(Position))
    chain_close(&pool.index)


cdef inline uint32_t position_find(
    const PositionPool* pool, uint32_t account_id, uint32_t instrument_id
) noexcept nogil:
    """The slot of the pair; 0: never touched."""
    cdef uint32_t slot = pool.index.heads[chain_home(&pool.index, instrument_id, account_id)]
    while slot and (
        pool.positions[slot].instrument_id != instrument_id
        or pool.positions[slot].account_id != account_id
    ):
        slot = pool.positions[slot].chain
    return slot


cdef inline void position_put(PositionPool* pool, uint32_t slot) noexcept nogil:
    cdef Position* position = &pool.positions[slot]
    cdef uint32_t home = chain_home(
        &pool.index, position.instrument_id, position.account_id
    )
    position.chain = pool.index.heads[home]
    pool.index.heads[home] = slot


cdef inline void positions_widen(PositionPool* pool) noexcept nogil:
    cdef int line
    cdef uint32_t first
    cdef uint32_t home
    cdef uint32_t slot
    cdef uint32_t behind
    for line in range(CHAIN_LINES):
        first = chain_widen(&pool.index)
        for home in range(first, first + CHAIN_LINE):
            prefetch(&pool.positions[pool.index.heads[home + CHAIN_AHEAD]])
            slot = pool.index.heads[home]
            pool.index.heads[home] = 0
            while slot:
                behind = pool.positions[slot].chain
                position_put(pool, slot)
                slot = behind
        if pool.index.limit:
            return


cdef inline uint32_t position_make(
    PositionPool* pool, uint32_t account_id, uint32_t instrument_id
) noexcept nogil:
    """A position for a pair that has none; the caller has seen that there is room."""
    cdef uint32_t slot
    INVARIANT(pool.count < pool.positions_max)
    pool.count += 1
    slot = pool.count
    pool.positions[slot].account_id = account_id
    pool.positions[slot].instrument_id = instrument_id
    if UNLIKELY(chain_is_full(&pool.index)):
        positions_widen(pool)
    pool.index.count += 1
    position_put(pool, slot)
    return slot


cdef inline void ledger_hold(
    Account* balance, Position* position, const Order* order, int64_t qty
) noexcept nogil:
    """Set aside what `qty` of a resting order may cost; a negative `qty` gives it back."""
    cdef int64_t bought = qty * (order.side == SIDE_BUY)  # sides come at random: no branches
    balance.hold += order.price * bought
    balance.exposure += order.price * qty
    position.open_buys += bought
    position.open_sells += qty - bought
    position.held += qty * (order.side == SIDE_SELL)


cdef inline int64_t within_money(int64_t amount) noexcept nogil:
    """Cost and profit stop at the bound of money: amounts no venue comes to."""
    if UNLIKELY(<uint64_t>(amount + MONEY_MAX) > 2 * <uint64_t>MONEY_MAX):
        return MONEY_MAX if amount > 0 else -MONEY_MAX
    return amount


cdef inline void position_move(Position* position, int64_t shares, int64_t price) noexcept nogil:
    """Shares bought (below zero: sold) at a price: quantity, cost and realised profit.

    Sides come at random, so nothing branches on whether the position grows or shrinks. What closes
    takes its part of the cost, rounded toward zero, and the remainder stays with what is left.
    """
    cdef int64_t held = position.qty
    cdef int64_t whole = held if held >= 0 else -held
    cdef int64_t moved = shares if shares >= 0 else -shares
    cdef int64_t closed = (moved if moved < whole else whole) & -<int64_t>((held ^ shares) < 0)
    cdef int64_t removed = share_of(position.cost, closed, whole + (whole == 0))
    cdef int64_t closing = price * (closed if shares >= 0 else -closed)
    position.qty = held + shares
    position.cost = within_money(position.cost - removed + price * shares - closing)
    position.realised = within_money(position.realised - closing - removed)


cdef inline void ledger_settle(
    Account* balance, Position* position, bint is_buy, int64_t price, int64_t qty
) noexcept nogil:
    """One side of an execution: pay and receive."""
    cdef int64_t shares = qty if is_buy else -qty
    balance.cash -= price * shares
    position_move(position, shares, price)
