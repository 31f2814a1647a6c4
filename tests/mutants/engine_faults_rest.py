"""The faults of the group `engine`: checks, money, the day, mass cancels, digest, snapshot."""

from typing import Final

from tests.mutants.planting import Change

# fmt: off
CHECKS: Final = [
    Change(
        "row off by one", "a row's tick holds right before its price, too", "ticks.pxd",
        "table.rows[row].price > price", "table.rows[row].price > price + 1",
        "while row and table.rows[row].price > price:",
    ),
    Change(
        "step up at a border", "the price above a border is by the lower row's tick", "ticks.pxd",
        "price_ceil(state, instrument, price + 1)",
        "price + tick_at(state, instrument, price - 1)",
        "return price_ceil(state, instrument, price + 1)",
    ),
    Change(
        "table not looked at", "an instrument that follows a table goes on with its own tick",
        "tick_admin.pxd", "instrument.tick_table == 0", "1",
        "if instrument.tick_table == 0 and instrument.grid_size == tick:",
    ),
    Change(
        "rows that stay", "rows behind those that are sent stay in the table", "tick_admin.pxd",
        "<uint64_t>record.first_row + record.row_count",
        "max(table.row_count, <uint64_t>record.first_row + record.row_count)",
        "table.row_count = <uint64_t>record.first_row + record.row_count",
    ),
    Change(
        "grid moves", "levels are looked for elsewhere when a tick changes under them",
        "tick_admin.pxd", "not has_orders(state, instrument_id)", "1",
        "if instrument.grid_size == 0 or not has_orders(state, instrument_id):",
    ),
    Change(
        "call on the tick alone", "a call has no price where no valid one lies between",
        "call_price.pxd", "named_count", "0", "for i in range(named_count):",
    ),
    Change(
        "collar off by one", "a buy at the collar is refused", "risk.pxd",
        "price > reference + distance", "price >= reference + distance",
        "(is_buy & (price > reference + distance))",
    ),
    Change(
        "collar of sells", "sells have no collar", "risk.pxd",
        "price < reference - distance", "0",
        "(not is_buy) & (price < reference - distance)",
    ),
    Change(
        "collar rounded outward", "a market sell goes a tick beyond its collar", "terms.pxd",
        "price_ceil(state, instrument, reference - distance)",
        "price_floor(state, instrument, reference - distance)",
        "return price_ceil(state, instrument, reference - distance)",
    ),
    Change(
        "value at its bound", "an order of exactly the largest value is refused", "risk.pxd",
        "terms.worst * order_qty > account.max_order_value",
        "terms.worst * order_qty >= account.max_order_value",
        "if terms.worst * order_qty > account.max_order_value:",
    ),
    Change(
        "quantity at its bound", "an order of exactly the largest quantity is refused",
        "risk.pxd",
        "<int64_t>order_qty > account.max_order_qty", "<int64_t>order_qty >= account.max_order_qty",
        "if <int64_t>order_qty > account.max_order_qty:",
    ),
    Change(
        "open buys forgotten", "the position limit does not see what is open",
        "limit_checks.pxd",
        "position.qty + position.open_buys + added", "position.qty + added",
        "(is_buy & (position.qty + position.open_buys + added > account.long_limit))",
    ),
    Change(
        "short limit off by one", "the short limit may be passed by a share",
        "limit_checks.pxd",
        "-account.short_limit", "-account.short_limit - 1", "added < -account.short_limit",
    ),
    Change(
        "hold forgotten", "cash that is held is spent again", "risk.pxd",
        "balance.cash - balance.hold + freed_hold", "balance.cash + freed_hold",
        "balance.cash - balance.hold + freed_hold",
    ),
    Change(
        "shares sold twice", "shares that are held are sold again", "risk.pxd",
        "position.qty - position.held", "position.qty", "(added > position.qty - position.held)",
    ),
    Change(
        "own hold in the way", "a replace does not give its own hold back first", "risk.pxd",
        "<int64_t>original.price * original.leaves", "0",
        "freed = <int64_t>original.price * original.leaves",
    ),
    Change(
        "lot not checked", "any quantity is a multiple of the lot", "risk.pxd",
        "order_qty % instrument.lot_size", "0",
        "return UNLIKELY(instrument.lot_size != 1) and order_qty % instrument.lot_size",
    ),
    Change(
        "kill not checked", "a killed account enters orders", "gate.pxd",
        "GATE_KILLED if account.is_killed else 0", "0",
        "(GATE_KILLED if account.is_killed else 0)",
    ),
    Change(
        "wish not checked", "a user that has stopped itself enters orders", "gate.pxd",
        "GATE_KILLED | GATE_DISABLED", "GATE_KILLED", "if gate & (GATE_KILLED | GATE_DISABLED):",
    ),
    Change(
        "one order too many", "one order more than there is room for is accepted", "risk.pxd",
        "state.pool.live >= state.pool.orders_max", "state.pool.live > state.pool.orders_max",
        "if UNLIKELY(state.pool.live >= state.pool.orders_max)",
    ),
]

SESSIONS: Final = [
    Change(
        "gap accepted", "a command behind a gap is processed", "dispatch.pxd",
        "record.client_seq == session.client_seq + 1", "record.client_seq > session.client_seq",
        "if record.client_seq == session.client_seq + 1 and (",
    ),
    Change(
        "expired by one", "a command whose last moment is now has expired", "dispatch.pxd",
        "record.not_after_ns >= state.numbers.last_timestamp",
        "record.not_after_ns > state.numbers.last_timestamp",
        "record.not_after_ns >= state.numbers.last_timestamp",
    ),
    Change(
        "same login twice", "a repeated login begins a new epoch", "dispatch.pxd",
        "record.nonce != session.login_nonce", "1",
        "if record.nonce != session.login_nonce or session.conn_epoch == 0:",
    ),
    Change(
        "time stands still", "an entry in the past has the time of the one before",
        "dispatch.pxd", "state.numbers.last_timestamp += 1", "pass",
    ),
    Change(
        "outcome forgotten", "the oldest outcome of the window is not known any more",
        "sessions.pxd", "OUTCOME_WINDOW - 1", "OUTCOME_WINDOW - 2",
        "return session.client_seq - (OUTCOME_WINDOW - 1)",
    ),
    Change(
        "rejects on the account's topic", "who may not enter writes to the account's topic",
        "order_events.pxd",
        "may_enter(state, session, record.account_id)",
        "record.account_id <= state.numbers.account_count",
        "if may_enter(state, session, record.account_id):",
    ),
    Change(
        "top by price alone", "another quantity at the best bid is not told", "order_events.pxd",
        "(top.bid_qty ^ before.bid_qty)", "0",
        "    if (\n        (top.bid_qty ^ before.bid_qty) | (top.bid_price ^ before.bid_price)",
    ),
    Change(
        "withdrawn twice", "cash that is held can be taken out", "postings.pxd",
        "balance.cash - balance.hold", "balance.cash",
        "record.amount, balance.cash, currency.issued, balance.cash - balance.hold",
    ),
    Change(
        "issue not counted", "a deposit of cash is not issued", "postings.pxd",
        "currency.issued += record.amount", "pass",
    ),
]

MANY: Final = [
    Change(
        "last slot missed", "a mass cancel does not come to the last slot", "mass_cancel.pxd",
        "state.pool.highest", "state.pool.highest - (state.pool.highest > 0)",
        "task.next_slot = 1\n    task.last_slot = state.pool.highest",
    ),
    Change(
        "younger ones, too", "a mass cancel takes what was entered behind it",
        "mass_cancel.pxd",
        "order.order_id <= task.last_order_id", "1",
        "order.order_id <= task.last_order_id",
    ),
    Change(
        "short sales spared", "a mass cancel of sells spares short ones", "mass_cancel.pxd",
        "task.side == SIDE_SELL and order.side != SIDE_BUY", "0",
        "or (task.side == SIDE_SELL and order.side != SIDE_BUY)",
    ),
    Change(
        "logged in, and canceled", "cancel on disconnect takes a new login's orders",
        "mass_cancel.pxd",
        "session.options & OPTION_CANCEL_ON_DISCONNECT and not session.is_logged_in",
        "session.options & OPTION_CANCEL_ON_DISCONNECT",
        "return session.options & OPTION_CANCEL_ON_DISCONNECT and not session.is_logged_in",
    ),
    Change(
        "good till canceled, at night", "the day's end takes every order", "day.pxd",
        "order.time_in_force == TIF_DAY", "1",
        "order.time_in_force == TIF_DAY or order.flags",
    ),
    Change(
        "a step too many", "the day's end takes a slot more than its bound", "day.pxd",
        "steps < WORK_STEPS_MAX", "steps <= WORK_STEPS_MAX",
        "while slot <= state.pool.highest and steps < WORK_STEPS_MAX:",
    ),
    Change(
        "names used again", "a new day forgets the user_ref_nums of live orders", "day.pxd",
        "session.live_orders == 0", "1", "if session.live_orders == 0:",
    ),
]

RECORDS: Final = [
    Change(
        "digest misses a word", "one word in eight is not taken into the chain", "hash.pxd",
        "words[i + 7] ^ PAIR", "PAIR", "d = crossed(d ^ words[i + 6], words[i + 7] ^ PAIR)",
    ),
    Change(
        "digest misses the rest", "the chain stops before an entry's last event", "hash.pxd",
        "size", "size - (size != 0) * EVENT_BYTES", "mix_pairs(lanes, events, size)",
    ),
    Change(
        "digest misses commands", "a command of an administrator is not in the chain", "hash.pxd",
        "commands[i].kind >= COMMAND_GENESIS", "commands[i].kind > COMMAND_GENESIS",
        "if commands[i].kind >= COMMAND_GENESIS:",
    ),
    Change(
        "options not saved", "a snapshot forgets what a session asked for", "snapshot.pxd",
        "put(writer, session.options)", "put(writer, 0)",
    ),
    Change(
        "times not saved", "a snapshot has another time for an order", "snapshot.pxd",
        "put(writer, <uint64_t>timer_due(&state.timers, slot))",
        "put(writer, <uint64_t>timer_due(&state.timers, slot) + 1)",
    ),
    Change(
        "outcomes not saved", "a snapshot forgets the outcomes of a session", "snapshot.pxd",
        "put(writer, session_outcome(session, seq))", "put(writer, 0)",
    ),
    Change(
        "kill not restored", "a session that was killed is not, after a restart", "restore.pxd",
        "<uint8_t>get_up_to(reader, 1)", "<uint8_t>(get_up_to(reader, 1) & 0)",
        "session.is_killed = <uint8_t>get_up_to(reader, 1)",
    ),
    Change(
        "free slots forgotten", "after a restart freed slots are not used again", "restore.pxd",
        "state.pool.free_head = slot", "state.pool.free_head = 0",
    ),
]

CHANGES_REST: Final = [*CHECKS, *SESSIONS, *MANY, *RECORDS]
