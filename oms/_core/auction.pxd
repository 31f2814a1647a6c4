"""Calls: orders were collected, and trade with each other at one price (docs/rules.md, Calls).

Called by the dispatcher at the start of each entry, behind each command that gives it work, and at
the end of each entry. Promises: at most WORK_STEPS_MAX steps in one entry, the rest in the next
ones; until an instrument is done it stays in its phase (RULES A11, B5).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort

from oms._core.bands cimport Band, CLAMP_HIGH, CLAMP_NONE, band_of, clamp_of
from oms._core.bust cimport note_trade
from oms._core.call_price cimport CallPrice, find_call_price
from oms._core.calls cimport (
    Call, STAGE_CLEARING, STAGE_CUTTING, STAGE_NONE, STAGE_QUEUED, STAGE_TRADING, call_queue_at,
    call_queue_pop,
)
from oms._core.directory cimport Instrument
from oms._core.fees cimport charge, hold_fees
from oms._core.hidden cimport first_level, is_crossed
from oms._core.ledger cimport ledger_hold, ledger_settle
from oms._core.machine cimport UNLIKELY
from oms._core.mass_cancel cimport take_away
from oms._core.open_sums cimport sum_changes
from oms._core.order_book cimport BOOK_ASKS, BOOK_BIDS, Level
from oms._core.order_events cimport order_executed
from oms._core.order_pool cimport ORDER_HAS_FEES, ORDER_MARKET, Order
from oms._core.phase_change cimport change_phase
from oms._core.phases cimport is_call
from oms._core.prints cimport note_print
from oms._core.records cimport AuctionRecord, EventRecord
from oms._core.removal cimport remove_order
from oms._core.reserve cimport refresh, shown_of
from oms._core.self_trade cimport is_same_owner
from oms._core.state cimport State, add_event
from oms._core.types cimport (
    CANCELED_CROSS, CANCELED_HALTED, EVENT_AUCTION_STATE, EVENT_AUCTION_TRADE, FLAG_SELF_TRADED,
    LIQUIDITY_CLOSING, LIQUIDITY_HALT, LIQUIDITY_OPENING, PHASE_CLOSING_AUCTION,
    PHASE_OPENING_AUCTION, PHASE_PRE_OPEN, PRICE_MAX, SIDE_BUY, SIDE_SELL, WORK_STEPS_MAX,
)


cdef inline void calls_start(State* state) noexcept nogil:
    """A new entry has its whole share of work before it."""
    state.calls.steps_left = WORK_STEPS_MAX
    state.calls.touched_count = 0


cdef inline void settle_calls(State* state) noexcept nogil:
    """Do what this entry still may."""
    cdef uint32_t instrument_id
    cdef Call* call
    while state.calls.count and state.calls.steps_left:
        instrument_id = call_queue_at(&state.calls, 0)
        call = &state.calls.calls[instrument_id]
        if call.stage == STAGE_QUEUED:
            state.calls.steps_left -= 1
            price_call(state, instrument_id)
            call.stage = STAGE_TRADING
        if call.stage == STAGE_TRADING:
            trade_call(state, instrument_id)
        if call.stage == STAGE_CUTTING:
            cut_call(state, instrument_id)
        if call.stage == STAGE_CLEARING:
            clear_call(state, instrument_id)


cdef inline void trade_call(State* state, uint32_t instrument_id) noexcept nogil:
    """Best price first, first come first served, all of it at one price."""
    cdef Instrument* instrument = &state.instruments[instrument_id]
    cdef Call* call = &state.calls.calls[instrument_id]
    cdef const Level* bid
    cdef const Level* ask
    while call.price:
        bid = &state.levels.levels[first_level(state, instrument_id, BOOK_BIDS, call.price)]
        ask = &state.levels.levels[first_level(state, instrument_id, BOOK_ASKS, call.price)]
        if bid.price == 0 or ask.price == 0:
            break
        if state.calls.steps_left == 0:
            return
        state.calls.steps_left -= 1
        fill(state, instrument, call, bid.head, ask.head)
    if call.volume:
        call.band_reference = call.price
        state.numbers.match_id += 1
        say_auction(
            state, EVENT_AUCTION_TRADE, instrument_id, call.price, call.volume, 0,
            state.numbers.match_id,
        )
    call.price = 0
    call.volume = 0
    # Orders that went in the middle of it can leave others overlapping: then again.
    call.stage = (
        STAGE_QUEUED if is_crossed(state, instrument_id) else STAGE_CLEARING
    )
    if call.clamp != CLAMP_NONE:
        call.stage = STAGE_CUTTING


cdef inline void price_call(State* state, uint32_t instrument_id) noexcept nogil:
    """Find the price of an uncross; a volatility call is held within the band."""
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef Call* call = &state.calls.calls[instrument_id]
    cdef Band band
    call.price = find_call_price(state, instrument_id).price
    call.clamp = clamp_of(state, instrument, instrument_id, call.price)
    if call.clamp != CLAMP_NONE:
        band = band_of(state, instrument, instrument_id)
        call.price = band.high if call.clamp == CLAMP_HIGH else band.low


cdef inline void cut_call(State* state, uint32_t instrument_id) noexcept nogil:
    """What still overlaps would trade outside the band: of the side that went there the best go."""
    cdef Call* call = &state.calls.calls[instrument_id]
    cdef bint is_high = call.clamp == CLAMP_HIGH
    cdef uint32_t best
    while is_crossed(state, instrument_id):
        if state.calls.steps_left == 0:
            return
        state.calls.steps_left -= 1
        best = first_level(
            state, instrument_id, BOOK_BIDS if is_high else BOOK_ASKS,
            0 if is_high else 2 * <int64_t>PRICE_MAX,
        )
        take_away(state, state.levels.levels[best].head, CANCELED_HALTED, 0)
    call.clamp = CLAMP_NONE
    call.stage = STAGE_CLEARING


cdef inline void fill(
    State* state, Instrument* instrument, Call* call, uint32_t buy, uint32_t sell
) noexcept nogil:
    """One trade of two orders that both rest: the buy's event comes first."""
    cdef uint32_t shown = shown_of(state, buy)
    cdef uint32_t qty = shown_of(state, sell)
    cdef uint8_t flags = 0
    qty = shown if shown < qty else qty
    if is_same_owner(state, &state.pool.orders[buy], &state.pool.orders[sell]):
        flags = FLAG_SELF_TRADED
    state.numbers.match_id += 1
    if instrument.followers:
        note_print(state, state.pool.orders[buy].instrument_id, call.price)
    instrument.last_price = call.price
    call.volume += qty
    fill_one(state, instrument, buy, call.price, qty, flags)
    fill_one(state, instrument, sell, call.price, qty, flags)
    if state.trades_max:
        note_trade(
            state, &state.pool.orders[buy], &state.pool.orders[sell], call.price, qty
        )
    filled(state, buy)
    filled(state, sell)


cdef inline void fill_one(
    State* state, const Instrument* instrument, uint32_t slot, int64_t price, uint32_t qty,
    uint8_t flags,
) noexcept nogil:
    """One side of a trade: what was held is paid, and it is said."""
    cdef Order* order = &state.pool.orders[slot]
    cdef uint8_t liquidity = LIQUIDITY_HALT
    if instrument.phase == PHASE_OPENING_AUCTION or instrument.phase == PHASE_PRE_OPEN:
        liquidity = LIQUIDITY_OPENING
    elif instrument.phase == PHASE_CLOSING_AUCTION:
        liquidity = LIQUIDITY_CLOSING
    ledger_hold(
        &instrument.balances[order.account_id], &state.positions.positions[order.position], order,
        -<int64_t>qty,
    )
    ledger_settle(
        &instrument.balances[order.account_id], &state.positions.positions[order.position],
        order.side == SIDE_BUY, price, qty,
    )
    state.levels.levels[order.level].qty -= qty
    sum_changes(state, order, -<int64_t>qty)
    if order.flags & ORDER_MARKET:
        state.levels.market[order.level] -= qty
    order.leaves -= qty
    order.cum += qty
    if UNLIKELY(order.flags & ORDER_HAS_FEES):
        charge(state, order, False, price * qty)
        hold_fees(state, order, order.leaves)
    order_executed(
        state, order, price, qty, state.numbers.match_id, liquidity, NULL
    ).flags |= flags


cdef inline void filled(State* state, uint32_t slot) noexcept nogil:
    """An order that has traded goes, or shows more of itself."""
    cdef Order* order = &state.pool.orders[slot]
    if order.leaves == 0:
        remove_order(state, slot)
    elif UNLIKELY(shown_of(state, slot) == 0):
        refresh(state, &state.levels.levels[order.level], slot)


cdef inline void clear_call(State* state, uint32_t instrument_id) noexcept nogil:
    """Orders that were for this call alone go, the oldest first; then comes the next phase."""
    cdef Call* call = &state.calls.calls[instrument_id]
    while call.first:
        if state.calls.steps_left == 0:
            return
        state.calls.steps_left -= 1
        take_away(state, call.first, CANCELED_CROSS, 0)
    call_queue_pop(&state.calls)
    call.stage = STAGE_NONE
    change_phase(state, instrument_id, call.next_phase)
    call.next_phase = 0


cdef inline int compare_ids(const void* left, const void* right) noexcept nogil:
    cdef uint32_t a = (<const uint32_t*>left)[0]
    cdef uint32_t b = (<const uint32_t*>right)[0]
    return <int>(a > b) - <int>(a < b)


cdef inline void publish_calls(State* state) noexcept nogil:
    """AUCTION_STATE of the books that were touched in this entry, where it is another one."""
    cdef Call* call
    cdef CallPrice now
    cdef uint32_t instrument_id
    cdef uint32_t i
    qsort(state.calls.touched, state.calls.touched_count, sizeof(uint32_t), compare_ids)
    for i in range(state.calls.touched_count):
        instrument_id = state.calls.touched[i]
        call = &state.calls.calls[instrument_id]
        if call.stage != STAGE_NONE or not is_call(state.instruments[instrument_id].phase):
            continue
        now = find_call_price(state, instrument_id)
        if (
            now.price == call.said_price and now.volume == call.said_volume
            and now.imbalance == call.said_imbalance
        ):
            continue
        call.said_price = now.price
        call.said_volume = now.volume
        call.said_imbalance = now.imbalance
        say_auction(
            state, EVENT_AUCTION_STATE, instrument_id, now.price, now.volume, now.imbalance, 0
        )


cdef inline void say_auction(
    State* state, uint8_t kind, uint32_t instrument_id, int64_t price, uint64_t volume,
    int64_t imbalance, uint64_t match_id,
) noexcept nogil:
    """AUCTION_STATE or AUCTION_TRADE; a surplus of sells is below zero."""
    cdef Instrument* instrument = &state.instruments[instrument_id]
    cdef EventRecord* event = add_event(state, kind)
    cdef AuctionRecord* overlay = <AuctionRecord*>event
    instrument.topic_seq += 1
    event.topic_seq = instrument.topic_seq
    event.instrument_id = instrument_id
    event.reason = instrument.phase
    if imbalance:
        event.side = SIDE_BUY if imbalance > 0 else SIDE_SELL
    overlay.volume = volume
    overlay.price = price
    overlay.imbalance = <uint64_t>(imbalance if imbalance > 0 else -imbalance)
    overlay.match_id = match_id
