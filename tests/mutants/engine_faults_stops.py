"""The faults of the group `engine`: stop orders and trailing stops."""

from typing import Final

from tests.mutants.planting import Change

# fmt: off
STOPS: Final = [
    Change(
        "stop off by one", "a stop price that a print just reaches elects nothing", "stops.pxd",
        "level.price < reached", "level.price <= reached",
        "if (level.price > reached) if is_buy else (level.price < reached):",
    ),
    Change(
        "stop reached already", "a buy is let in to wait for the last price", "stop_terms.pxd",
        "instrument.last_price >= price", "instrument.last_price > price",
        "return instrument.last_price >= price or watch.high >= price",
    ),
    Change(
        "election by age alone", "elected orders enter by age, not by distance", "stops.pxd",
        "a.distance != b.distance", "0", "if a.distance != b.distance:",
    ),
    Change(
        "election backwards", "the stop price that is furthest away enters first", "stops.pxd",
        "a.distance < b.distance", "a.distance > b.distance",
        "return -1 if a.distance < b.distance else 1",
    ),
    Change(
        "election in a call", "prints before a call elect while it goes on", "stops.pxd",
        "instrument.phase == PHASE_CONTINUOUS", "1",
        "return instrument.phase == PHASE_CONTINUOUS and state.numbers.is_day_open",
    ),
    Change(
        "stop hold kept", "a stop order that enters does not give back what it held", "stops.pxd",
        "-<int64_t>qty", "0",
        "positions[order.position], order,\n        -<int64_t>qty,",
    ),
    Change(
        "cascade without end", "an entry lets in as many stop orders as are elected", "stops.pxd",
        "id and triggers.steps_left", "id", "if id and triggers.steps_left:",
    ),
    Change(
        "stop enters though killed", "an elected order enters where new orders are stopped",
        "stops.pxd",
        "check_gate(state, instrument, gate, &asked) if gate else 0", "0",
        "return check_gate(state, instrument, gate, &asked) if gate else 0",
    ),
    Change(
        "trail away from the market", "a trailing sale's stop price falls with the market",
        "trailing.pxd",
        "stop.price", "0", "trailed(state, instrument, False, stop.price, high, stop.trail)",
    ),
    Change(
        "trail from the wrong end", "a trailing buy follows the highest print", "trailing.pxd",
        "low", "high", "trailed(state, instrument, True, stop.price, low, stop.trail)",
    ),
    Change(
        "elected on its way up", "a print on the way to the new stop price elects", "trailing.pxd",
        "last <= stop.price", "low <= stop.price", "is_reached |= last <= stop.price",
    ),
    Change(
        "quiet too long", "a trailing sale is not looked at until the print is beyond its stop",
        "trailing.pxd",
        "stop.price + 1", "stop.price", "low = stop.price + 1",
    ),
    Change(
        "limit stays behind", "a trailing stop enters with the limit it had at first", "stops.pxd",
        "stop.price - stop.first", "0",
        "cdef int64_t price = <int64_t>order.price + stop.price - stop.first",
    ),
    Change(
        "one trailing stop more", "more trailing stops wait than may", "stop_terms.pxd",
        "watch.trailing_count >= TRAILING_STOPS_MAX", "watch.trailing_count > TRAILING_STOPS_MAX",
        "is_trailing(ord_type) and watch.trailing_count >= TRAILING_STOPS_MAX",
    ),
]
