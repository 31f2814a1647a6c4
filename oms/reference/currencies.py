"""Currencies: which there are, and what is worth how much (docs/rules.md, Currencies).

Called by the administration, the limits and the views. Promises: a rate is used for the exposure
limit alone; nothing is ever exchanged.
"""

from oms.bounds import CURRENCY_RATE_MAX, CURRENCY_RATE_ONE
from oms.messages import records
from oms.messages.enums import RejectReason
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Account, Balance, Currency, Venue

_LETTERS = frozenset(range(ord("A"), ord("Z") + 1))
_CODE_LETTERS = 3


def add_currency(venue: Venue, record: bytes) -> tuple[int, int]:
    """ADD_CURRENCY: why it is refused, or NONE; and the currency."""
    currency_id, code, rate = records.CURRENCY.unpack(record)[HEAD_FIELDS:]
    known = venue.currency(currency_id)
    reason = _judge_id(venue, currency_id, code, known)
    if reason:
        return reason, currency_id
    others = [other.code for other in venue.currencies if other is not known]
    is_code_good = set(code[:_CODE_LETTERS]) <= _LETTERS and not code[_CODE_LETTERS]
    is_rate_good = 1 <= rate <= CURRENCY_RATE_MAX
    if currency_id == 1:
        is_rate_good = rate == CURRENCY_RATE_ONE
    if not is_code_good or code in others or not is_rate_good:
        return RejectReason.BAD_VALUE, currency_id
    if known is None:
        venue.currencies.append(Currency(code, rate))
        for account in venue.accounts:
            account.balances.append(Balance())
    else:
        known.code, known.rate = code, rate
    return RejectReason.NONE, currency_id


def _judge_id(venue: Venue, currency_id: int, code: bytes, known: Currency | None) -> int:
    """One that is there keeps its code; a new one is the next."""
    if known is not None:
        is_named = known.code not in (bytes(len(code)), code)
        return RejectReason.DUPLICATE_ID if is_named else RejectReason.NONE
    if currency_id == 0:
        return RejectReason.UNKNOWN_ID
    if currency_id > venue.currencies_max:
        return RejectReason.CAPACITY
    is_next = currency_id == len(venue.currencies) + 1
    return RejectReason.NONE if is_next else RejectReason.UNKNOWN_ID


def exposure(venue: Venue, account: Account, *, currency_id: int = 1, added: int = 0) -> int:
    """What the account's live orders are worth in the first currency, `added` to one of them."""
    total = 0
    for number, (currency, balance) in enumerate(
        zip(venue.currencies, account.balances, strict=True), 1
    ):
        value = balance.exposure + (added if number == currency_id else 0)
        total += -(-value * currency.rate // CURRENCY_RATE_ONE)  # rounded up
    return total
