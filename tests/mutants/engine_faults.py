"""The faults of the group `engine`: matching, queues and money.

Read by tests/mutants/engine.py. A fault names a mistake that somebody could really make. When the
source changes, its text here changes with it: a test in CI plants all of them.
"""

from typing import Final

from tests.mutants.engine_faults_money import MONEY
from tests.mutants.engine_faults_pegs import PEGS
from tests.mutants.engine_faults_rest import CHANGES_REST
from tests.mutants.engine_faults_risk import RISK
from tests.mutants.engine_faults_stops import STOPS
from tests.mutants.planting import Change

# fmt: off
MATCHING: Final = [
    Change(
        "youngest first", "within a level the last order trades first", "matcher.pxd",
        "level.head", "level.tail", "cdef uint32_t slot = level.head",
    ),
    Change(
        "incoming price", "a trade is at the incoming order's price", "matcher.pxd",
        "level.price", "incoming.price", "cdef int64_t price = level.price",
    ),
    Change(
        "hold not released", "an executed buy keeps its hold", "matcher.pxd",
        """
        ledger_hold(
            &instrument.balances[resting.account_id], &state.positions.positions[resting.position],
            resting, -<int64_t>qty,
        )
        """, "pass",
    ),
    Change(
        "wrong side's money", "the resting side of a trade pays where it receives", "matcher.pxd",
        "not is_buy", "is_buy", "not is_buy, price, qty,",
    ),
    Change(
        "no last price", "a trade does not become the last price", "matcher.pxd",
        "instrument.last_price = price", "pass",
    ),
    Change(
        "executed not counted", "a resting order forgets what was executed", "matcher.pxd",
        "resting.cum += qty", "pass",
    ),
    Change(
        "minimum of one", "a minimum quantity is met by one share", "matcher.pxd",
        "needed = record.min_qty", "needed = 1",
    ),
    Change(
        "hidden depth", "fill or kill counts a share too many", "order_book.pxd",
        "found >= qty", "found + 1 >= qty", "if found >= qty:",
    ),
    Change(
        "collar reason", "a market order's end at its collar is told as an empty book",
        "matcher.pxd", "reason = CANCELED_COLLAR", "pass",
    ),
    Change(
        "display forgotten", "an iceberg that comes to rest shows everything", "matcher.pxd",
        "start_reserve(state, slot, record.display_qty)", "pass",
    ),
    Change(
        "refresh keeps its place", "an iceberg that shows more stays in front", "reserve.pxd",
        "level.tail != slot", "0", "if level.tail != slot:",
    ),
    Change(
        "peak of one more", "an iceberg shows a share too many", "reserve.pxd",
        "order.leaves - peak", "order.leaves - peak - 1",
        "state.pool.reserves[slot].qty = order.leaves - peak",
    ),
    Change(
        "cut from what is shown", "a reduction takes from what an iceberg shows", "reserve.pxd",
        "cut if cut < reserve else reserve", "0",
        "cdef uint32_t borne = cut if cut < reserve else reserve",
    ),
    Change(
        "group forgotten", "accounts of one group trade with each other", "self_trade.pxd",
        "group != 0", "0", "group != 0 and group == state.groups",
    ),
    Change(
        "decrement not counted", "what is decremented is not done in the chain", "self_trade.pxd",
        "resting.cum += from_resting * is_decrement", "pass",
    ),
    Change(
        "own orders counted", "fill or kill counts what self-trade prevention takes",
        "self_trade.pxd",
        "mode == 0", "1",
        "if mode == 0 or not is_same_owner(state, &state.pool.orders[slot], incoming):",
    ),
    Change(
        "account's mode forgotten", "the account's self-trade mode is not looked at",
        "self_trade.pxd",
        "record.self_trade or state.accounts[order.account_id].self_trade", "record.self_trade",
        "return record.self_trade or state.accounts[order.account_id].self_trade",
    ),
    Change(
        "step down at a border", "the price below a border is by the upper row's tick",
        "ticks.pxd", "price_floor(state, instrument, price - 1)",
        "price - tick_at(state, instrument, price)",
        "return price_floor(state, instrument, price - 1)",
    ),
    Change(
        "equal keeps priority", "a replace to the same quantity keeps its place", "orders.pxd",
        "record.order_qty < order.cum + order.leaves",
        "record.order_qty <= order.cum + order.leaves",
        "and record.order_qty < order.cum + order.leaves",
    ),
    Change(
        "doomed escapes", "a replace gets away from a mass cancel", "orders.pxd",
        "is_doomed(state, order)", "0",
        "if UNLIKELY(state.work.count != 0) and is_doomed(state, order):",
    ),
    Change(
        "superfluous by one", "a cancel to all that is there reduces by nothing", "orders.pxd",
        "record.order_qty >= order.cum + order.leaves",
        "record.order_qty > order.cum + order.leaves",
        "if slot == 0 or record.order_qty >= order.cum + order.leaves:",
    ),
    Change(
        "refused replace cancels nothing", "an invalid replace leaves the original, always",
        "orders.pxd",
        "record.policy & POLICY_INVALID_REPLACE_CANCELS", "0",
        "if record.policy & POLICY_INVALID_REPLACE_CANCELS:",
    ),
]

QUEUES: Final = [
    Change(
        "best not noted", "a new best price is not the best", "ladder.pxd",
        "ladder.best = level", "pass",
    ),
    Change(
        "merge loses a level", "two pieces of a ladder become one without its last price",
        "ladder.pxd", "target.count += source.count", "target.count += source.count - 1",
    ),
    Change(
        "split by one", "a full piece of a ladder is split where the next begins", "ladder.pxd",
        "keep", "keep - 1", "memcpy(target.entries, &source.entries[keep],",
    ),
    Change(
        "level's quantity", "an order that leaves leaves its quantity in the level",
        "order_book.pxd", "level.qty -= order.leaves", "pass",
    ),
    Change(
        "slot not used again", "a freed slot is never taken again", "order_pool.pxd",
        "slot", "0", "if slot:",
    ),
    Change(
        "timer left behind", "an order that goes leaves its timer", "removal.pxd",
        "timer_drop(&state.timers, slot)", "pass",
    ),
    Change(
        "timers of one moment", "of two orders due at once the younger one goes first",
        "timers.pxd", "one.order_id < other.order_id", "one.order_id > other.order_id",
        "return one.order_id < other.order_id",
    ),
    Change(
        "timer late", "an order due now goes later", "day.pxd",
        "next_due(&state.timers) <= state.numbers.last_timestamp",
        "next_due(&state.timers) < state.numbers.last_timestamp",
        "and next_due(&state.timers) <= state.numbers.last_timestamp",
    ),
    Change(
        "expiry at its time", "GTD until this very moment is let in", "risk.pxd",
        "record.expire_ns <= timestamp_ns", "record.expire_ns < timestamp_ns",
        "return record.expire_ns <= timestamp_ns or",
    ),
]

CHANGES: Final = [*MATCHING, *QUEUES, *CHANGES_REST, *MONEY, *RISK, *PEGS, *STOPS]
