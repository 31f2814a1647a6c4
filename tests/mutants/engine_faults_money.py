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
]
