"""The faults of the group `engine`: pegs."""

from typing import Final

from tests.mutants.planting import Change

# fmt: off
PEGS: Final = [
    Change(
        "peg beyond its cap", "a buy follows the market past its cap", "peg_book.pxd",
        "min(price, <int64_t>order.price)", "price",
        "price = min(price, <int64_t>order.price)",
    ),
    Change(
        "peg takes", "a buy may stand at the other side's best price", "peg_book.pxd",
        "price_down(state, instrument, opposite)", "opposite",
        "price = min(price, price_down(state, instrument, opposite))",
    ),
    Change(
        "sell rounded down", "a sell between two ticks is rounded to the worse one", "peg_book.pxd",
        "price_ceil(state, instrument, twice)", "price_floor(state, instrument, twice)",
        "price = twice if is_middle else price_ceil(state, instrument, twice)",
    ),
    Change(
        "offset the other way", "a sell's offset makes it less aggressive", "peg_book.pxd",
        "2 * <int64_t>offset", "-2 * <int64_t>offset",
        "twice -= 2 * <int64_t>offset",
    ),
    Change(
        "pegs in calls", "pegs stay in the book when a call begins", "phase_change.pxd",
        "phase != PHASE_CONTINUOUS", "0",
        "if UNLIKELY(instrument.followers & FOLLOWED_BY_PEGS) and phase != PHASE_CONTINUOUS:",
    ),
    Change(
        "second pass forgotten", "prices that change within a pass are not looked at again",
        "pegs.pxd",
        "not is_noted(state, instrument, its)", "0",
        "elif not is_noted(state, instrument, its):",
    ),
    Change(
        "peg's mode forgotten", "a peg that moves does not say its self-trade mode", "pegs.pxd",
        "record.self_trade = peg.self_trade", "pass",
    ),
    Change(
        "filled peg listed", "a resting peg that is filled stays in the list", "matcher.pxd",
        "leave_peg_list(state, slot)", "pass",
    ),
    Change(
        "offset not saved", "a snapshot forgets what a peg keeps away", "snapshot.pxd",
        "<uint32_t>peg.offset", "0",
        "put(writer, <uint64_t>peg.price << 32 | <uint32_t>peg.offset)",
    ),
]
