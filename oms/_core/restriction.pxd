"""What may not be entered in an instrument, by everybody or by one account.

Called by the gate, by the search for breaches and by what enters an order later than its command.
Promises: changes nothing (docs/rules.md, Restrictions).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.ledger cimport Position, position_find
from oms._core.state cimport State
from oms._core.types cimport SIDE_BUY, SIDE_SELL_SHORT, SIDE_SELL_SHORT_EXEMPT
from oms._core.risk_types cimport (
    RESTRICTION_CLOSE_ONLY, RESTRICTION_NO_BUY, RESTRICTION_NO_SELL, RESTRICTION_NO_SHORT,
)

# What somebody wants to enter.
cdef struct Asked:
    uint32_t account_id
    uint32_t instrument_id
    int64_t added  # shares open on its side more than now; below zero: less
    uint8_t side


cdef inline bint only_reduces(
    const Position* position, bint is_buy, int64_t added
) noexcept nogil:
    """Whether `added` more on one side brings the position nearer to zero, at most to it."""
    if is_buy:
        return position.qty < 0 and position.open_buys + added <= -position.qty
    return position.qty > 0 and position.open_sells + added <= position.qty


cdef inline bint is_restricted(const State* state, const Asked* asked) noexcept nogil:
    cdef const Position* position = &state.positions.positions[
        position_find(&state.positions, asked.account_id, asked.instrument_id)
    ]
    cdef uint32_t bits = (
        state.instruments[asked.instrument_id].restriction | position.restriction
    )
    cdef bint is_buy = asked.side == SIDE_BUY
    if bits == 0:
        return False
    if bits & (RESTRICTION_NO_BUY if is_buy else RESTRICTION_NO_SELL):
        return True
    if bits & RESTRICTION_NO_SHORT and (
        asked.side == SIDE_SELL_SHORT or asked.side == SIDE_SELL_SHORT_EXEMPT
    ):
        return True
    return bits & RESTRICTION_CLOSE_ONLY and not only_reduces(position, is_buy, asked.added)
