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
        "balance_of(state, order).cash -= terms.last", "pass",
    ),
    Change(
        "fee not held", "a resting buy holds nothing for its fee", "fees.pxd",
        "balance_of(state, order).hold += needed - terms.held", "pass",
    ),
    Change(
        "fee not asked for", "a buy needs no money for its fee", "risk.pxd",
        "-fee", "0", "qty,\n        terms.worst, 0, -fee,\n    )",
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
        "balances[side.account_id].cash += side.fee", "pass",
    ),
    Change(
        "yesterday's trade", "trades of the day before can be taken back", "day.pxd",
        "state.day_match_id = state.numbers.match_id", "pass",
    ),
    Change(
        "fee in another currency", "a fee is charged in the venue's first currency", "fees.pxd",
        "balance_of(state, order).cash -= terms.last",
        "state.accounts[order.account_id].cash -= terms.last",
    ),
    Change(
        "hold in another currency", "a canceled buy gives its hold back in the first currency",
        "removal.pxd",
        "balance_of(state, order)", "&state.accounts[order.account_id]",
        "balance_of(state, order), &state.positions.positions[order.position], order,\n"
        "        -<int64_t>order.leaves,",
    ),
    Change(
        "paid in another currency", "an incoming order pays, or is paid, in the first currency",
        "matcher.pxd",
        "&instrument.balances[incoming.account_id]", "&state.accounts[incoming.account_id]",
        "&instrument.balances[incoming.account_id], &state",
    ),
    Change(
        "transfer between currencies", "what is transferred arrives in the first currency",
        "postings.pxd",
        "&state.balances[currency_id][record.to_account_id]",
        "&state.accounts[record.to_account_id]",
        "target = &state.balances[currency_id][record.to_account_id]",
    ),
    Change(
        "shares in a currency", "a transfer of shares may name a currency", "postings.pxd",
        "record.currency_id", "0", "if record.currency_id:\n        return REJECT_BAD_VALUE",
    ),
    Change(
        "bust in another currency", "a trade is taken back in the first currency", "bust.pxd",
        "state.instruments[trade.instrument_id].balances", "state.accounts",
        "balances = state.instruments[trade.instrument_id].balances",
    ),
    Change(
        "bought with another currency", "a buy is let in by what there is of the first currency",
        "risk.pxd",
        "&instrument.balances[record.account_id]", "account",
        "account, &instrument.balances[record.account_id], position, record.side, qty,",
    ),
    Change(
        "exposure without rate", "values in other currencies count as they are",
        "limit_checks.pxd",
        "converted(value, state.currencies[i].rate)", "value",
        "total += converted(value, state.currencies[i].rate)",
    ),
]
