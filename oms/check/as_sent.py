"""Whether an acceptance says what was entered, from the two messages alone.

Called by the rules of orders. What the venue echoes must be as sent; what it does not echo is no
contradiction (rules before version 2 echo no terms), the comparison with the log finds that.
"""

from typing import Final

from oms.wire import ouch_messages as m
from oms.wire.appendage import Tag, parse_appendage
from oms.wire.errors import ProtocolError

_ORDER_AS_SENT: Final = slice(1, 27)  # of EnterOrder: UserRefNum to time in force
_ORDER_AS_TOLD: Final = slice(9, 35)  # of Accepted: the same fields
_BEFORE_PRICE_SENT: Final = slice(1, 18)
_BEFORE_PRICE_TOLD: Final = slice(9, 26)
_PRICE_SENT: Final = slice(18, 26)
_ID_SENT: Final = slice(31, 45)  # of EnterOrder: the client's own name of the order
_ID_TOLD: Final = slice(48, 62)
_SENT_BYTES: Final = 47  # of EnterOrder without optional fields
_TOLD_BYTES: Final = 64  # of Accepted without optional fields
_MARKET_PRICES: Final = frozenset((m.PRICE_MARKET, m.PRICE_MARKET_ROUND, m.PRICE_MARKET_U64))
_ECHOED: Final = frozenset(
    (
        Tag.MIN_QTY,
        Tag.MAX_FLOOR,
        Tag.PRICE_TYPE,
        Tag.PEG_OFFSET,
        Tag.POST_ONLY,
        Tag.EXPIRE_TIME,
        Tag.AIQ_STRATEGY,
        Tag.STOP_PRICE,
        Tag.STOP_TRIGGER,
        Tag.STOP_TRAIL,
    )
)
_UNSAID: Final = {Tag.STOP_TRIGGER: ord("L")}  # what the venue takes it for


def is_as_sent(sent: bytes, told: bytes) -> bool:
    """Whether an acceptance repeats every field of the order."""
    is_same = sent[_ORDER_AS_SENT] == told[_ORDER_AS_TOLD] and sent[_ID_SENT] == told[_ID_TOLD]
    return is_same and _has_terms_as_sent(sent, told)


def is_near_enough(sent: bytes, told: bytes) -> bool:
    """As sent but for the price, which the venue gives to market orders and may have to move."""
    is_plain = len(sent) == _SENT_BYTES
    is_market = int.from_bytes(sent[_PRICE_SENT], "big") in _MARKET_PRICES
    is_same = sent[_BEFORE_PRICE_SENT] == told[_BEFORE_PRICE_TOLD]
    is_same = is_same and sent[_ID_SENT] == told[_ID_TOLD] and (is_market or not is_plain)
    return is_same and _has_terms_as_sent(sent, told)


def _has_terms_as_sent(sent: bytes, told: bytes) -> bool:
    """Whether every term that the venue says back is the one that was asked for.

    A trailing stop is told where its stop price begins, which depends on the market.
    """
    if len(told) == _TOLD_BYTES:
        return True
    try:
        asked = dict(parse_appendage(sent[_SENT_BYTES:]))
        said = dict(parse_appendage(told[_TOLD_BYTES:]))
    except ProtocolError:
        return False
    return all(
        asked.get(tag, _UNSAID.get(Tag(tag))) == value
        for tag, value in said.items()
        if tag in _ECHOED and not (tag == Tag.STOP_PRICE and Tag.STOP_TRAIL in asked)
    )
