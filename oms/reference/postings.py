"""Deposits, withdrawals and transfers (docs/rules.md, Money and shares).

Called by the administration. Promises: a posting that fails changes nothing; one whose key was used
for the same content is answered as applied, and changes nothing either.
"""

from oms.bounds import MONEY_MAX, POSTING_KEYS_MAX
from oms.messages import records
from oms.messages.enums import CommandKind, RejectReason
from oms.reference import ledger
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Balance, KeyedPosting, Position, Venue


def post(venue: Venue, kind: int, record: bytes) -> tuple[int, int]:
    """Do it, or say why not; and the account concerned."""
    (account_id, instrument_id, amount, key, to_account_id, currency_id,
     cost) = records.DEPOSIT.unpack(record)[HEAD_FIELDS:]  # fmt: skip
    is_money = kind == CommandKind.DEPOSIT_CASH or (
        kind == CommandKind.TRANSFER and instrument_id == 0
    )
    if is_money and currency_id == 0:
        currency_id = 1
    posting = KeyedPosting(
        key, kind, account_id, instrument_id, amount, to_account_id, cost, currency_id
    )
    used = next((known for known in venue.keyed if known.key == key), None) if key else None
    if used is not None:
        return RejectReason.NONE if used == posting else RejectReason.WRONG_KEY, account_id
    if kind == CommandKind.TRANSFER:
        reason = _transfer(venue, posting)
    elif kind == CommandKind.DEPOSIT_CASH:
        reason = _deposit_cash(venue, posting)
    else:
        reason = _deposit_shares(venue, posting)
    if key and not reason:
        _remember(venue, posting)
    return reason, account_id


def _remember(venue: Venue, posting: KeyedPosting) -> None:
    place = venue.numbers.keys_taken % POSTING_KEYS_MAX
    venue.numbers.keys_taken += 1
    venue.keyed[place : place + 1] = [posting]  # a new place, or the oldest one's


def _deposit_cash(venue: Venue, posting: KeyedPosting) -> int:
    account, currency = venue.account(posting.account_id), venue.currency(posting.currency_id)
    if account is None or currency is None:
        return RejectReason.UNKNOWN_ID
    balance = account.balances[posting.currency_id - 1]
    amount = posting.amount
    is_too_much = max(balance.cash, currency.issued) + amount > MONEY_MAX
    if amount == 0 or (amount > 0 and is_too_much) or posting.cost or posting.to_account_id:
        return RejectReason.BAD_VALUE
    if amount < 0 and -amount > balance.cash - balance.hold:
        return RejectReason.AMOUNT_UNAVAILABLE
    balance.cash += amount
    currency.issued += amount
    return RejectReason.NONE


def _deposit_shares(venue: Venue, posting: KeyedPosting) -> int:
    instrument = venue.instrument(posting.instrument_id)
    if venue.account(posting.account_id) is None or instrument is None:
        return RejectReason.UNKNOWN_ID
    position = venue.position(posting.account_id, posting.instrument_id)
    amount, cost = posting.amount, posting.cost
    is_too_much = max(position.qty, instrument.shares_issued) + amount > MONEY_MAX
    is_cost_bad = cost != 0 and (amount < 0 or not 0 < cost <= MONEY_MAX)
    is_odd = bool(posting.to_account_id or posting.currency_id)
    if amount == 0 or (amount > 0 and is_too_much) or is_cost_bad or is_odd:
        return RejectReason.BAD_VALUE
    if amount < 0 and -amount > position.qty - position.held_qty:
        return RejectReason.AMOUNT_UNAVAILABLE
    if not _is_room_for(venue, posting.account_id, posting.instrument_id):
        return RejectReason.CAPACITY
    position = venue.positions.setdefault((posting.account_id, posting.instrument_id), Position())
    if amount > 0:
        ledger.move(position, amount, cost)
    else:
        ledger.carry_out(position, -amount)
    instrument.shares_issued += amount
    return RejectReason.NONE


def _transfer(venue: Venue, posting: KeyedPosting) -> int:
    source, target = venue.account(posting.account_id), venue.account(posting.to_account_id)
    if source is None or target is None:
        return RejectReason.UNKNOWN_ID
    if posting.instrument_id and venue.instrument(posting.instrument_id) is None:
        return RejectReason.UNKNOWN_ID
    if posting.instrument_id == 0 and venue.currency(posting.currency_id) is None:
        return RejectReason.UNKNOWN_ID
    if posting.amount <= 0 or posting.cost or source is target:
        return RejectReason.BAD_VALUE
    if posting.instrument_id:
        return _transfer_shares(venue, posting)
    place = posting.currency_id - 1
    return _transfer_cash(source.balances[place], target.balances[place], posting.amount)


def _transfer_cash(source: Balance, target: Balance, amount: int) -> int:
    if target.cash + amount > MONEY_MAX:
        return RejectReason.BAD_VALUE
    if amount > source.cash - source.hold:
        return RejectReason.AMOUNT_UNAVAILABLE
    source.cash -= amount
    target.cash += amount
    return RejectReason.NONE


def _transfer_shares(venue: Venue, posting: KeyedPosting) -> int:
    instrument_id, amount = posting.instrument_id, posting.amount
    source = venue.position(posting.account_id, instrument_id)
    if posting.currency_id:
        return RejectReason.BAD_VALUE
    if venue.position(posting.to_account_id, instrument_id).qty + amount > MONEY_MAX:
        return RejectReason.BAD_VALUE
    if amount > source.qty - source.held_qty:
        return RejectReason.AMOUNT_UNAVAILABLE
    if not _is_room_for(venue, posting.to_account_id, instrument_id):
        return RejectReason.CAPACITY
    target = venue.positions.setdefault((posting.to_account_id, instrument_id), Position())
    ledger.move(target, amount, ledger.carry_out(source, amount))
    return RejectReason.NONE


def _is_room_for(venue: Venue, account_id: int, instrument_id: int) -> bool:
    assert venue.capacities is not None, "admin records are ignored before genesis"
    is_known = (account_id, instrument_id) in venue.positions
    return is_known or len(venue.positions) < venue.capacities.positions_max
