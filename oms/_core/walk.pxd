"""The walk over every structure: are they what they promise to be.

Called after each command in a debug build, by tests, and at the end of a restore; what takes no
walk is asked after every entry in every build. Promises: reads only; the answer is 0, or the number
of the first promise found broken (the numbers stand beside the checks).
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from oms._core.directory cimport FOLLOWED_BY_PEGS, FOLLOWED_BY_STOPS, Instrument, price_key
from oms._core.fees cimport fee_at_most
from oms._core.gate cimport are_gates_right
from oms._core.calls cimport Call
from oms._core.ladder cimport Chunk, Ladder, entry_key
from oms._core.hidden cimport LADDERS, is_crossed, ladder_at
from oms._core.ledger cimport Account, Position
from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.machine cimport INVARIANT, wide
from oms._core.open_sums cimport are_sums_wrong
from oms._core.order_book cimport HIDDEN_LEVEL, Level, level_find, mirrored, side_of
from oms._core.order_index cimport index_find
from oms._core.order_pool cimport (
    FeeTerms, ORDER_FOR_CALL, ORDER_HAS_FEES, ORDER_HAS_PUBLIC_ID, ORDER_HAS_RESERVE,
    ORDER_HIDDEN, ORDER_MARKET, ORDER_PEG, ORDER_STOP, Order, fees_of, has_time, public_id_of,
)
from oms._core.peg_book cimport is_noted, is_trading, peg_price
from oms._core.peg_list cimport Peg, PegList
from oms._core.phases cimport collects
from oms._core.reserve cimport shown_of
from oms._core.state cimport State
from oms._core.stop_walk cimport (
    LADDERS_OF_STOPS, StopWalk, THE_QUEUE, first_waiting, next_in_place,
)
from oms._core.trailing cimport narrow
from oms._core.timers cimport Timer, is_earlier
from oms._core.triggers cimport Stop, Trailing, Watch, stop_ladder, trailing_of, watch_id
from oms._core.types cimport PHASE_CONTINUOUS, PRICE_MAX, RULES_NAME_ANEW, SIDE_BUY, SIDE_SELL

# What the orders of all books add up to, per account, session and position.
cdef struct Sums:
    int64_t* holds  # by balance: see place_of
    wide* exposures  # likewise
    uint32_t* live_of_accounts
    uint32_t* live_orders
    Position* positions
    uint64_t orders
    uint64_t levels
    uint64_t timers
    uint64_t reserved
    uint64_t for_call  # orders with such a flag
    uint64_t listed  # orders in the lists of calls
    uint64_t pegs


cdef inline void walk_state(State* state) noexcept nogil:
    cdef int broken = broken_promise(state)
    INVARIANT(broken == 0)


cdef inline int broken_promise(State* state) noexcept nogil:
    cdef Sums sums
    cdef int broken
    if not state.numbers.has_genesis:
        return 0
    sums.holds = <int64_t*>calloc(
        place_of(state, state.currency_count + 1, 0), sizeof(int64_t)
    )
    sums.exposures = <wide*>calloc(place_of(state, state.currency_count + 1, 0), sizeof(wide))
    sums.live_of_accounts = <uint32_t*>calloc(
        <size_t>state.numbers.account_count + 1, sizeof(uint32_t)
    )
    sums.live_orders = <uint32_t*>calloc(
        <size_t>state.numbers.session_count + 1, sizeof(uint32_t)
    )
    sums.positions = <Position*>calloc(<size_t>state.positions.count + 1, sizeof(Position))
    sums.orders = 0
    sums.levels = 0
    sums.timers = 0
    sums.reserved = 0
    sums.for_call = 0
    sums.listed = 0
    sums.pegs = 0
    INVARIANT(sums.exposures != NULL and sums.live_of_accounts != NULL)
    INVARIANT(sums.holds != NULL and sums.live_orders != NULL and sums.positions != NULL)
    broken = 0 if are_gates_right(state) else 28
    if broken == 0:
        broken = broken_book(state, &sums)
    if broken == 0:
        broken = broken_count(state, &sums)
    if broken == 0:
        broken = broken_ledger(state, &sums)
    free(sums.holds)
    free(sums.live_orders)
    free(sums.exposures)
    free(sums.live_of_accounts)
    free(sums.positions)
    return broken


cdef inline size_t place_of(
    const State* state, uint32_t currency_id, uint32_t account_id
) noexcept nogil:
    """Where the sums of one account in one currency stand."""
    return (
        <size_t>(currency_id - 1) * (<size_t>state.numbers.account_count + 1) + account_id
    )


cdef inline int broken_book(State* state, Sums* sums) noexcept nogil:
    cdef LevelWalk walk
    cdef uint32_t i
    cdef uint32_t which
    cdef uint64_t hidden
    cdef uint32_t level
    cdef uint32_t last_key
    cdef uint32_t key
    cdef uint32_t found
    cdef Ladder* ladder
    cdef int broken
    for i in range(1, state.numbers.instrument_count + 1):
        hidden = sums.orders
        for which in range(<uint32_t>LADDERS):
            if which == 2:
                hidden = sums.orders
            ladder = ladder_at(state, i, which)
            broken = broken_ladder(state, ladder)
            if broken:
                return broken
            found = 0
            last_key = 0
            level_start(&walk, &state.levels, ladder)
            level = level_next(&walk)
            if level != ladder.best:
                return 1
            while level:
                key = mirrored(which & 1, state.levels.levels[level].price)
                if found and key >= last_key:
                    return 2
                last_key = key
                found += 1
                broken = broken_level(state, sums, i, which, level)
                if broken:
                    return broken
                level = level_next(&walk)
            if found != ladder.level_count:
                return 3
            sums.levels += found
        if sums.orders - hidden != state.instruments[i].hidden_orders:
            return 29
        if not state.instruments[i].is_crossable and (
            is_crossed(state, i) or state.calls.calls[i].first
        ):
            return 4
        if broken_call_list(state, sums, i):
            return 41
        if state.instruments[i].is_crossable and (
            state.instruments[i].phase == PHASE_CONTINUOUS
        ):
            return 44
        if collects(state, state.instruments[i].phase) and (
            not state.instruments[i].is_crossable
        ):
            return 45
        if state.instruments[i].is_crossable and are_sums_wrong(<State*>state, i):
            return 51
        broken = broken_watch(state, sums, i)
        if broken == 0:
            broken = broken_pegs(state, sums, i)
        if broken:
            return broken
    return 0


cdef inline int broken_ladder(const State* state, const Ladder* ladder) noexcept nogil:
    cdef const Chunk* chunk
    cdef uint32_t part
    cdef uint32_t key
    cdef uint32_t i
    for part in range(ladder.part_count):
        chunk = &state.levels.chunks.chunks[ladder.parts[part].chunk]
        if part == 0 and ladder.parts[part].low != 0:
            return 5
        if part and ladder.parts[part].low <= ladder.parts[part - 1].low:
            return 6
        if chunk.count == 0 and ladder.part_count > 1:
            return 7
        for i in range(chunk.count):
            key = entry_key(chunk.entries[i])
            if key < ladder.parts[part].low:
                return 8
            if part + 1 < ladder.part_count and key >= ladder.parts[part + 1].low:
                return 9
    return 0


cdef inline int broken_level(
    State* state, Sums* sums, uint32_t instrument_id, uint32_t which, uint32_t level_slot
) noexcept nogil:
    cdef uint32_t owner = instrument_id | (<uint32_t>HIDDEN_LEVEL if which >= 2 else 0)
    cdef const Level* level = &state.levels.levels[level_slot]
    cdef const Order* order
    cdef uint32_t slot = level.head
    cdef uint32_t before = 0
    cdef uint64_t qty = 0
    cdef uint64_t arrived = 0
    cdef uint64_t reserve = 0
    cdef uint64_t market = 0
    if level.instrument_id != owner or slot == 0:
        return 10
    if level_find(&state.levels, owner, level.key, level.price) != level_slot:
        return 11
    if mirrored(which & 1, level.key) != price_key(
        &state.instruments[instrument_id], level.price
    ):
        return 12
    while slot:
        order = &state.pool.orders[slot]
        if (
            order.prev != before or order.level != level_slot or order.leaves == 0
            or stands_at(state, order, slot) != level.price or order.instrument_id != instrument_id
            or side_of(order.side) != which & 1
            or (order.flags & ORDER_HIDDEN != 0) != (which >= 2)
        ):
            return 13
        if index_find(
            &state.index, state.pool.orders, order.session_id, order.user_ref_num
        )[0] != slot:
            return 14
        sums.orders += 1
        if sums.orders > state.pool.live:
            return 15
        if broken_timer(state, order, slot):
            return 18
        sums.timers += has_time(order.time_in_force)
        sums.for_call += (order.flags & ORDER_FOR_CALL) != 0
        reserve += order.leaves - shown_of(state, slot)
        market += order.leaves if order.flags & ORDER_MARKET else 0
        add_up(state, sums, order)
        qty += shown_of(state, slot)
        sums.reserved += order.flags & ORDER_HAS_RESERVE
        if order.flags & ORDER_HAS_RESERVE and shown_of(state, slot) == 0:
            return 19
        if order.flags & ORDER_HAS_PUBLIC_ID and (
            public_id_of(&state.pool, order) <= order.order_id
            or public_id_of(&state.pool, order) > state.numbers.order_id
        ):
            return 29
        if state.numbers.rule_version >= RULES_NAME_ANEW and not order.flags & ORDER_PEG:
            # First come, first served: who comes to a level's end has the youngest number there.
            if arrival_of(state, order) <= arrived and (
                arrived <= state.restating.up_to
                or arrival_of(state, order) > state.restating.up_to
            ):
                return 50
            arrived = arrival_of(state, order)
        before = slot
        slot = order.next
    if before != level.tail:
        return 16
    if reserve != state.levels.reserves[level_slot]:
        return 42
    if market != state.levels.market[level_slot]:
        return 46
    return 0 if qty == level.qty else 17


cdef inline uint64_t arrival_of(const State* state, const Order* order) noexcept nogil:
    """Larger for who came later to where it stands."""
    cdef uint64_t public_id = public_id_of(&state.pool, order)
    return public_id if public_id else order.order_id


cdef inline bint are_counts_right(const State* state) noexcept nogil:
    """What can be asked after every entry, in every build: what is in use is what rests."""
    return (
        state.pool.live == state.index.count
        and state.pool.live + state.pool.free_count == state.pool.highest
        and state.timers.count <= state.pool.live
        and state.pool.reserved <= state.pool.live
        and state.levels.index.count <= state.pool.live
        and state.positions.count == state.positions.index.count
    )


cdef inline bint broken_call_list(
    const State* state, Sums* sums, uint32_t instrument_id
) noexcept nogil:
    """Orders for a call are live, the instrument's own, flagged, and the oldest comes first."""
    cdef const Call* call = &state.calls.calls[instrument_id]
    cdef const Order* order
    cdef uint64_t order_id = 0
    cdef uint32_t before = 0
    cdef uint32_t slot = call.first
    while slot:
        order = &state.pool.orders[slot]
        if (
            order.leaves == 0 or order.instrument_id != instrument_id
            or (order.flags & ORDER_FOR_CALL) == 0 or order.order_id <= order_id
            or state.calls.links[slot].prev != before
        ):
            return True
        sums.listed += 1
        order_id = order.order_id
        before = slot
        slot = state.calls.links[slot].next
    return before != call.last


cdef inline bint is_parked(const State* state, uint32_t slot) noexcept nogil:
    """A stop order stands in the level of its stop price."""
    cdef const Order* order = &state.pool.orders[slot]
    cdef const Stop* stop = &state.triggers.stops[slot]
    cdef const Instrument* instrument = &state.instruments[order.instrument_id]
    return (
        state.triggers.levels.levels[order.level].price == stop.price
        and level_find(
            &state.triggers.levels, watch_id(order.instrument_id, stop.trigger),
            mirrored(stop_ladder(order.side), price_key(instrument, stop.price)),
            stop.price,
        ) == order.level
    )


cdef inline bint broken_trailing(const State* state, uint32_t slot) noexcept nogil:
    """A trailing stop of which its list's quiet prices know nothing, or that stands elsewhere."""
    cdef const Order* order = &state.pool.orders[slot]
    cdef const Stop* stop = &state.triggers.stops[slot]
    cdef const Trailing* trailing = trailing_of(&state.triggers, state.pool.orders, slot)
    cdef Trailing its
    cdef uint32_t at = 0
    while at < trailing.count and trailing.slots[at] != slot:
        at += 1
    if at == trailing.count or (
        at and state.pool.orders[trailing.slots[at - 1]].order_id >= order.order_id
    ):
        return True
    if trailing.quiet_low > trailing.quiet_high:
        return False
    its.quiet_low = 0
    its.quiet_high = 2 * <uint32_t>PRICE_MAX
    narrow(&its, order.side == SIDE_BUY, stop)
    return its.quiet_low > trailing.quiet_low or its.quiet_high < trailing.quiet_high


cdef inline int broken_watch(State* state, Sums* sums, uint32_t instrument_id) noexcept nogil:
    """Stop orders stand at their stop prices or in the queue; none was passed over."""
    cdef const Watch* watch = &state.triggers.watches[instrument_id]
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef const Order* order
    cdef const Stop* stop
    cdef StopWalk walk
    cdef uint32_t count = 0
    cdef uint32_t trailing = 0
    cdef uint32_t slot = first_waiting(&walk, &state.triggers, instrument_id)
    while slot:
        order = &state.pool.orders[slot]
        stop = &state.triggers.stops[slot]
        count += 1
        if (
            count > watch.count or order.leaves == 0
            or order.flags & ~<uint32_t>ORDER_HAS_FEES != ORDER_STOP
            or order.instrument_id != instrument_id or order.cum != 0
        ):
            return 60
        if stop.is_elected != (walk.ladder == THE_QUEUE):
            return 61
        if not stop.is_elected and (
            stop.trigger != (walk.ladder >> 1 & 1)
            or (order.side == SIDE_BUY) != (walk.ladder & 1 == 0)
            or (stop.trail != 0) != (walk.ladder >= LADDERS_OF_STOPS)
            or (broken_trailing(state, slot) if stop.trail else not is_parked(state, slot))
        ):
            return 66
        trailing += stop.trail != 0 and not stop.is_elected
        if index_find(
            &state.index, state.pool.orders, order.session_id, order.user_ref_num
        )[0] != slot:
            return 62
        if broken_timer(state, order, slot):
            return 63
        sums.orders += 1
        sums.timers += has_time(order.time_in_force)
        add_up(state, sums, order)
        slot = next_in_place(&walk, state.pool.orders, slot)
    if count != watch.count or trailing != watch.trailing_count:
        return 64
    return 0 if (instrument.followers & FOLLOWED_BY_STOPS != 0) == (count != 0) else 65


cdef inline uint32_t stands_at(
    const State* state, const Order* order, uint32_t slot
) noexcept nogil:
    """The price of the level in which an order belongs."""
    return state.pegs.pegs[slot].price if order.flags & ORDER_PEG else order.price


cdef inline int broken_pegs(State* state, Sums* sums, uint32_t instrument_id) noexcept nogil:
    """Pegs are listed in the order in which they entered; behind a pass each stands right."""
    cdef const PegList* its = &state.pegs.lists[instrument_id]
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    cdef bint is_settled = (
        not its.next and not its.is_due_again and is_noted(state, instrument, its)
    )
    cdef const Order* order
    cdef const Peg* peg
    cdef uint64_t order_id = 0
    cdef uint32_t before = 0
    cdef uint32_t count = 0
    cdef uint32_t slot = its.first
    while slot:
        order = &state.pool.orders[slot]
        peg = &state.pegs.pegs[slot]
        count += 1
        if (
            count > its.count or order.leaves == 0 or order.instrument_id != instrument_id
            or order.flags & ~<uint32_t>(ORDER_HAS_FEES | ORDER_HIDDEN) != ORDER_PEG
            or order.order_id <= order_id or peg.prev != before
        ):
            return 66
        if (peg.price != 0) != ((order.flags & ORDER_HIDDEN) != 0):
            return 67
        if peg.price and not is_trading(state, instrument):
            return 68
        if is_settled and peg.price != peg_price(state, order, peg.ord_type, peg.offset):
            return 69
        if peg.price == 0 and broken_suspended(state, sums, slot):
            return 70
        order_id = order.order_id
        before = slot
        slot = peg.next
    sums.pegs += count
    if count != its.count or before != its.last:
        return 71
    return 0 if (instrument.followers & FOLLOWED_BY_PEGS != 0) == (count != 0) else 72


cdef inline bint broken_suspended(State* state, Sums* sums, uint32_t slot) noexcept nogil:
    """A peg in no level is known by name and time, and holds what it may cost, like any order."""
    cdef const Order* order = &state.pool.orders[slot]
    sums.orders += 1
    sums.timers += has_time(order.time_in_force)
    add_up(state, sums, order)
    return order.next != 0 or broken_timer(state, order, slot) or index_find(
        &state.index, state.pool.orders, order.session_id, order.user_ref_num
    )[0] != slot


cdef inline bint broken_timer(
    const State* state, const Order* order, uint32_t slot
) noexcept nogil:
    """An order has a timer exactly if its time in force says so; no timer is before its parent."""
    cdef uint32_t place = state.timers.places[slot]
    cdef const Timer* timer = &state.timers.timers[place]
    if place == 0 or not has_time(order.time_in_force):
        return place != 0 or has_time(order.time_in_force)
    return (
        place > state.timers.count or timer.slot != slot or timer.order_id != order.order_id
        or (place > 1 and is_earlier(timer, &state.timers.timers[place >> 1]))
    )


cdef inline int64_t fees_held(const State* state, const Order* order) noexcept nogil:
    """What must be held for a resting buy's fees, worked out anew."""
    cdef const FeeTerms* terms = fees_of(&state.pool, order)
    return fee_at_most(
        terms.maker_rate, terms.taker_rate, <int64_t>order.price * order.leaves, terms.carry
    )


cdef inline void add_up(const State* state, Sums* sums, const Order* order) noexcept nogil:
    cdef size_t place = place_of(
        state, state.instruments[order.instrument_id].currency_id, order.account_id
    )
    sums.live_orders[order.session_id] += 1
    sums.live_of_accounts[order.account_id] += 1
    sums.exposures[place] += <int64_t>order.price * order.leaves
    if order.side == SIDE_BUY:
        sums.holds[place] += <int64_t>order.price * order.leaves
        if order.flags & ORDER_HAS_FEES:
            sums.holds[place] += fees_held(state, order)
        sums.positions[order.position].open_buys += order.leaves
    else:
        sums.positions[order.position].open_sells += order.leaves
        if order.side == SIDE_SELL:
            sums.positions[order.position].held += order.leaves


cdef inline int broken_count(const State* state, const Sums* sums) noexcept nogil:
    """What is in use is what rests."""
    cdef uint32_t slot = state.pool.free_head
    cdef uint64_t free_slots = 0
    cdef uint32_t i
    while slot:
        free_slots += 1
        if free_slots > state.pool.free_count or state.pool.orders[slot].leaves != 0:
            return 20
        slot = state.pool.orders[slot].next
    if free_slots != state.pool.free_count:
        return 21
    if sums.orders != state.pool.live or sums.orders != state.index.count:
        return 22
    if sums.orders + free_slots != state.pool.highest:
        return 23
    if sums.levels != state.levels.index.count:
        return 24
    if sums.timers != state.timers.count:
        return 26
    if sums.reserved != state.pool.reserved:
        return 27
    if sums.listed != sums.for_call:
        return 43
    if sums.pegs != state.pegs.count:
        return 73
    for i in range(1, state.numbers.session_count + 1):
        if sums.live_orders[i] != state.sessions[i].live_orders:
            return 25
    for i in range(1, state.numbers.account_count + 1):
        if sums.live_of_accounts[i] != state.accounts[i].live_orders:
            return 29
    return 0


cdef inline int broken_currency(
    const State* state, const Sums* sums, uint32_t currency_id
) noexcept nogil:
    """What the accounts have of it is what was issued; their holds are those of its orders."""
    cdef const Account* balance
    cdef int64_t cash = 0
    cdef size_t place
    cdef uint32_t i
    for i in range(1, state.numbers.account_count + 1):
        balance = &state.balances[currency_id][i]
        place = place_of(state, currency_id, i)
        cash += balance.cash
        if balance.exposure != sums.exposures[place]:
            return 38
        if balance.hold != sums.holds[place]:
            return 30
        if balance.cash < balance.hold and not state.accounts[i].may_owe:
            return 31
    return 0 if cash == state.currencies[currency_id].issued else 32


cdef inline int broken_ledger(const State* state, const Sums* sums) noexcept nogil:
    """Holds are those of the orders; cash and shares are those that were deposited."""
    cdef const Position* position
    cdef const Position* summed
    cdef int64_t* shares
    cdef uint32_t i
    cdef int broken = 0
    for i in range(1, state.currency_count + 1):
        broken = broken_currency(state, sums, i)
        if broken:
            return broken
    for i in range(1, state.numbers.instrument_count + 1):
        if state.instruments[i].balances != state.balances[state.instruments[i].currency_id]:
            return 37
    shares = <int64_t*>calloc(<size_t>state.numbers.instrument_count + 1, sizeof(int64_t))
    INVARIANT(shares != NULL)
    for i in range(1, state.positions.count + 1):
        position = &state.positions.positions[i]
        summed = &sums.positions[i]
        shares[position.instrument_id] += position.qty
        if (
            position.open_buys != summed.open_buys or position.open_sells != summed.open_sells
            or position.held != summed.held
        ):
            broken = 33
        if position.qty == 0 and position.cost != 0:
            broken = 35
        if (position.qty > 0 and position.cost < 0) or (position.qty < 0 and position.cost > 0):
            broken = 36
    for i in range(1, state.numbers.instrument_count + 1):
        if shares[i] != state.instruments[i].shares_issued:
            broken = 34
    free(shares)
    return broken
