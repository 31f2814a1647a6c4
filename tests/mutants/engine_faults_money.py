"""The faults of the group `engine`: postings, cost and profit."""

from typing import Final

from tests.mutants.planting import Change

# fmt: off
MONEY: Final = [
    Change(
        "key not remembered", "a deposit with a key happens again", "postings.pxd",
        "state.keys_taken += 1", "pass",
    ),
    Change(
        "key without content", "another amount under a used key is applied", "postings.pxd",
        "known.amount == record.amount", "1",
        "and known.instrument_id == record.instrument_id and known.amount == record.amount",
    ),
    Change(
        "transfer from nobody", "what is transferred stays where it was, too", "postings.pxd",
        "source.cash -= record.amount", "pass",
    ),
    Change(
        "held shares transferred", "shares on offer can be transferred", "postings.pxd",
        "record.amount > source.qty - source.held", "record.amount > source.qty",
        "if record.amount > source.qty - source.held:",
    ),
    Change(
        "cost left behind", "transferred shares leave their cost", "postings.pxd",
        "position.cost -= removed", "pass",
    ),
    Change(
        "cost rounded up", "a sale takes a unit too much of the cost along", "ledger.pxd",
        "share_of(position.cost, closed, whole + (whole == 0))",
        "share_of(position.cost, closed, whole + (whole == 0)) + (0 < closed < whole)",
        "removed = share_of(position.cost, closed, whole + (whole == 0))",
    ),
    Change(
        "profit of proceeds", "a sale realises all it brings", "ledger.pxd",
        "position.realised - closing - removed", "position.realised - closing",
        "within_money(position.realised - closing - removed)",
    ),
    Change(
        "turned around", "a sale of more than there is closes all of it", "ledger.pxd",
        "moved if moved < whole else whole", "moved", "(moved if moved < whole else whole)",
    ),
    Change(
        "fee rounded down", "a fee is rounded in the account's favour", "fees.pxd",
        "terms.carry = <uint32_t>carry",
        "terms.carry = <uint32_t>(carry if carry < 5000000 else 0)",
    ),
    Change(
        "carry lost", "each fill is rounded by itself", "fees.pxd",
        "carry = terms.carry", "carry = 0",
    ),
    Change(
        "fee from nowhere", "who gets a fee gets it, and nobody pays", "fees.pxd",
        "state.accounts[order.account_id].cash -= terms.last", "pass",
    ),
    Change(
        "fee not held", "a resting buy holds nothing for its fee", "fees.pxd",
        "state.accounts[order.account_id].hold += needed - terms.held", "pass",
    ),
    Change(
        "fee not asked for", "a buy needs no money for its fee", "risk.pxd",
        "-fee", "0", "check_funds(account, position, record.side, qty, terms.worst, 0, -fee)",
    ),
    Change(
        "maker's rate for takers", "the incoming order pays as the resting one", "fees.pxd",
        "terms.maker_rate if is_maker else terms.taker_rate", "terms.maker_rate",
        "terms.maker_rate if is_maker else terms.taker_rate, amount, &carry",
    ),
    Change(
        "busted twice", "a trade can be taken back again and again", "bust.pxd",
        "trade.is_busted = 1", "pass",
    ),
    Change(
        "fee kept", "a trade that is taken back leaves the fee", "bust.pxd",
        "state.accounts[side.account_id].cash += side.fee", "pass",
    ),
    Change(
        "yesterday's trade", "trades of the day before can be taken back", "day.pxd",
        "state.day_match_id = state.numbers.match_id", "pass",
    ),
]
