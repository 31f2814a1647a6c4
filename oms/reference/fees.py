"""Fees: schedules, what an order pays for a fill, what is held for it (docs/rules.md, Fees).

Called by risk, the ledger, the matcher and the administration. Promises: an order has paid in all
its exact fee rounded up once; what one account pays another one gets.
"""

from oms.bounds import FEE_RATE_MAX, FEE_SCHEDULES_MAX
from oms.messages import records
from oms.messages.enums import RejectReason, Side
from oms.reference.order import FeeSchedule, Order
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Venue

_SCALE = 10_000_000  # rates are in 10^-7


def settle_terms(venue: Venue, order: Order) -> None:
    """An order was accepted or replaced: from here on it pays by its account's schedule of now."""
    schedule_id = venue.accounts[order.account_id - 1].fee_schedule
    if schedule_id == 0:
        order.fees, order.fee_carry = None, 0
        return
    order.fee_carry = order.fee_carry if order.fees else 0
    order.fees = venue.fees[schedule_id - 1]


def most(schedule: FeeSchedule | None, side: int, amount: int, carry: int = 0) -> int:
    """The highest fee there can be for buying at `amount`; sales pay out of what they bring."""
    if schedule is None or side != Side.BUY:
        return 0
    rate = max(schedule.maker_rate, schedule.taker_rate)
    return max(0, _rounded_up(rate * amount - carry)) if rate > 0 else 0


def schedule_of(venue: Venue, account_id: int) -> FeeSchedule | None:
    """What the account's orders pay from now on; None: nothing."""
    schedule_id = venue.accounts[account_id - 1].fee_schedule
    return venue.fees[schedule_id - 1] if schedule_id else None


def charge(venue: Venue, order: Order, *, is_maker: bool, amount: int) -> int:
    """One side of a fill pays for it (below zero: is paid). The fee."""
    if order.fees is None:
        return 0
    rate = order.fees.maker_rate if is_maker else order.fees.taker_rate
    due = rate * amount - order.fee_carry  # what was charged too much before counts
    fee = _rounded_up(due)
    order.fee_carry = fee * _SCALE - due
    venue.balance(order.account_id, order.instrument_id).cash -= fee
    venue.balance(order.fees.fee_account_id, order.instrument_id).cash += fee
    return fee


def _rounded_up(due: int) -> int:
    return -(-due // _SCALE)


def set_fees(venue: Venue, record: bytes) -> tuple[int, int]:
    """SET_FEES: why it is refused, or NONE; and the schedule."""
    schedule_id, account_id, maker, taker, fee_account_id = records.FEES.unpack(record)[
        HEAD_FIELDS:
    ]
    if account_id:
        return _assign(venue, schedule_id, account_id, maker, taker, fee_account_id), schedule_id
    if schedule_id == 0:
        return RejectReason.UNKNOWN_ID, schedule_id
    if schedule_id > FEE_SCHEDULES_MAX:
        return RejectReason.CAPACITY, schedule_id
    fee_account = venue.account(fee_account_id)
    if schedule_id > len(venue.fees) + 1 or fee_account is None:
        return RejectReason.UNKNOWN_ID, schedule_id
    if max(abs(maker), abs(taker)) > FEE_RATE_MAX:
        return RejectReason.BAD_VALUE, schedule_id
    venue.fees[schedule_id - 1 : schedule_id] = [FeeSchedule(maker, taker, fee_account_id)]
    fee_account.may_owe = True
    return RejectReason.NONE, schedule_id


def _assign(
    venue: Venue, schedule_id: int, account_id: int, maker: int, taker: int, fee_account_id: int
) -> int:
    account = venue.account(account_id)
    if account is None or schedule_id > len(venue.fees):
        return RejectReason.UNKNOWN_ID
    if maker or taker or fee_account_id:
        return RejectReason.BAD_VALUE
    account.fee_schedule = schedule_id
    return RejectReason.NONE
