"""The faults of the group `engine`: restrictions, limits, order rates, duplicates."""

from typing import Final

from tests.mutants.planting import Change

# fmt: off
RISK: Final = [
    Change(
        "gate without rates", "an order rate is not noticed", "gate.pxd",
        "GATE_RATE if limits.order_rate else 0", "0",
        "(GATE_RATE if limits.order_rate else 0)",
    ),
    Change(
        "close only counts nothing", "many orders that each reduce turn a position around",
        "restriction.pxd",
        "position.open_sells + added", "added",
        "return position.qty > 0 and position.open_sells + added <= position.qty",
    ),
    Change(
        "restriction of the pair alone", "an instrument's own restriction is forgotten",
        "restriction.pxd",
        "state.instruments[asked.instrument_id].restriction | position.restriction",
        "position.restriction",
        "state.instruments[asked.instrument_id].restriction | position.restriction",
    ),
    Change(
        "reserve for nobody", "cancels draw on what orders have", "limits.pxd",
        "limits.used_cancels + window <= limits.cancel_reserve * window", "0",
        "if is_cancel and limits.used_cancels + window <= limits.cancel_reserve * window:",
    ),
    Change(
        "reserve for all", "orders use up what is kept for cancels", "limits.pxd",
        "(limits.order_rate - limits.cancel_reserve) * window", "limits.order_rate * window",
        "if limits.used_orders + window <= (limits.order_rate - limits.cancel_reserve) * window:",
    ),
    Change(
        "rate of a whole window", "nothing is given back until a window is over", "limits.pxd",
        "if elapsed > limits.rate_window_ns:\n    elapsed = limits.rate_window_ns\n",
        "if elapsed > limits.rate_window_ns:\n    elapsed = limits.rate_window_ns\n"
        "else:\n    return\n",
    ),
    Change(
        "window one longer", "an order is a duplicate at the end of the window", "limits.pxd",
        "now_ns - ring[limits.first].at_ns >= limits.duplicate_window_ns",
        "now_ns - ring[limits.first].at_ns > limits.duplicate_window_ns",
        "limits.count and now_ns - ring[limits.first].at_ns >= limits.duplicate_window_ns:",
    ),
    Change(
        "duplicates by price alone", "another quantity is a duplicate, too", "limits.pxd",
        "one.qty == order.qty", "1",
        "and one.price == order.price and one.qty == order.qty",
    ),
    Change(
        "open orders one more", "an account has one live order more than it may",
        "limit_checks.pxd",
        "state.accounts[record.account_id].live_orders >= limits.max_open_orders",
        "state.accounts[record.account_id].live_orders > limits.max_open_orders",
        "and state.accounts[record.account_id].live_orders >= limits.max_open_orders",
    ),
    Change(
        "exposure twice", "a replace does not give back its original's value", "limit_checks.pxd",
        "value - freed", "value",
        "exposure_of(state, account_id, currency_id, value - freed) > limits.max_exposure",
    ),
    Change(
        "exempt shorts", "an account that may not sell short does so exempt", "limit_checks.pxd",
        "side == SIDE_SELL_SHORT or side == SIDE_SELL_SHORT_EXEMPT", "side == SIDE_SELL_SHORT",
        "return side == SIDE_SELL_SHORT or side == SIDE_SELL_SHORT_EXEMPT",
    ),
    Change(
        "default for all", "a default takes what accounts have as their own", "risk_admin.pxd",
        "record.fields & ~<uint32_t>tables[i].own", "record.fields",
        "follow_default(state, record.scope, i, record.fields & ~<uint32_t>tables[i].own)",
    ),
    Change(
        "breach at the bound", "exactly the exposure that is allowed is canceled", "breach.pxd",
        "exposure_of(state, order.account_id, 1, 0) > own.max_exposure",
        "exposure_of(state, order.account_id, 1, 0) >= own.max_exposure",
        "and exposure_of(state, order.account_id, 1, 0) > own.max_exposure",
    ),
]
