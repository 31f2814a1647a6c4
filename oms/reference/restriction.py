"""What may not be entered in an instrument, by everybody or by one account.

Called by risk and by the search for breaches. Promises: changes nothing (docs/rules.md,
Restrictions).
"""

from oms.messages.enums import Restriction, Side
from oms.reference.state import Position, Venue


def is_restricted(
    venue: Venue, account_id: int, instrument_id: int, *, side: int, qty: int, freed: int = 0
) -> bool:
    """Whether an order of `qty` may not be entered; `freed` of that side is given back first."""
    position = venue.position(account_id, instrument_id)
    bits = venue.instruments[instrument_id - 1].restriction | position.restriction
    is_buy, is_short = side == Side.BUY, side in (Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT)
    return bool(
        (bits & Restriction.NO_BUY and is_buy)
        or (bits & Restriction.NO_SELL and not is_buy)
        or (bits & Restriction.NO_SHORT and is_short)
        or (
            bits & Restriction.CLOSE_ONLY
            and not _only_reduces(position, qty - freed, is_buy=is_buy)
        )
    )


def _only_reduces(position: Position, added: int, *, is_buy: bool) -> bool:
    """Whether `added` more on one side brings the position nearer to zero, at most to it."""
    if is_buy:
        return position.qty < 0 and position.open_buy_qty + added <= -position.qty
    return position.qty > 0 and position.open_sell_qty + added <= position.qty
