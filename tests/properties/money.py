"""Random deposits and transfers, with keys that come again; random fees.

Called by the generator. Promises: deterministic in the given random source; amounts and ids are
often wrong, keys are often those of postings that the venue remembers.
"""

from random import Random

from oms.bounds import CURRENCY_RATE_MAX, FEE_RATE_MAX, FEE_SCHEDULES_MAX, MONEY_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import CommandKind
from oms.reference.state import KeyedPosting, Venue
from tests.properties import venues

Sign = tuple[int, int, int, int]
_I64_MAX = (1 << 63) - 1
_AMOUNTS = (0, 1, -1, 500, -500, 10**9, -(10**9), MONEY_MAX, _I64_MAX, -_I64_MAX - 1)
_RATES = (0, 1, -1, 3_333, -2_000, 250_001, FEE_RATE_MAX, -FEE_RATE_MAX, FEE_RATE_MAX + 1)
U32_MAX = 0xFFFF_FFFF
_ODD_CODES = (b"", b"EU", b"eur", b"EURO", b"E R", b"A[B", b"@AB")
_ODD_RATES = (0, -1, CURRENCY_RATE_MAX + 1, _I64_MAX)
_COSTS = (0, 0, 0, 1, 777, 10**9, MONEY_MAX, MONEY_MAX + 1, -1)


def posting(rng: Random, venue: Venue, sign: Sign) -> c.Command:
    """Some deposit or transfer; now and then one that was posted before, or nearly."""
    if venue.keyed and rng.random() < 0.3:
        return _repeated(rng, sign, rng.choice(venue.keyed))
    account, other = (rng.randint(0, len(venue.accounts) + 1) for _ in range(2))
    instrument = rng.randint(0, len(venue.instruments) + 1)
    key = rng.choice((0, 0, 1, rng.randint(1, 1 << 40), (1 << 64) - 1))
    some = rng.randint(1, len(venue.currencies) + 1)  # at times the one behind the last
    currency = rng.choice((0, 0, 0, 1, 1, some, some, min(some, 2), U32_MAX))
    amount = rng.choice(_AMOUNTS)
    match rng.randint(0, 3):
        case 0:
            return ac.DepositCash(*sign, account, amount, key, currency)
        case 1:
            return ac.DepositShares(*sign, account, instrument, amount, key, rng.choice(_COSTS))
        case _:
            instrument = rng.choice((0, instrument))
            amount = rng.choice((amount, rng.randint(1, 3_000)))
            if instrument and rng.random() < 0.9:
                currency = 0
            return ac.Transfer(*sign, account, other, instrument, amount, key, currency)


def bust(rng: Random, venue: Venue, sign: Sign) -> c.Command:
    """A trade of lately, mostly one that may be taken back."""
    last = venue.numbers.next_match_id - 1
    ids = (last, last, max(last - rng.randint(0, 20), 0), last + 1, 0, (1 << 64) - 1)
    return ac.BustTrade(*sign, rng.choice((*ids, *list(venue.trades)[-3:])))


def currency(rng: Random, venue: Venue, sign: Sign) -> c.Command:
    """One more currency, a rate, a code; or what is refused."""
    number = rng.choice((1, 2, 3, 3, rng.randint(0, len(venue.currencies) + 2), U32_MAX))
    known = venue.currency(number)
    code = known.code if known and rng.random() < 0.7 else rng.choice((*venues.CODES, *_ODD_CODES))
    rate = rng.choice((*venues.EXCHANGE_RATES, venues.RATE_ONE, rng.randint(1, 10**9), *_ODD_RATES))
    if number == 1 and rng.random() < 0.7:
        rate = venues.RATE_ONE
    return ac.AddCurrency(*sign, number, code, rate)


def fees(rng: Random, venue: Venue, sign: Sign) -> c.Command:
    """A schedule, or an account's schedule; rates are often such that they round."""
    schedule = rng.choice((1, 1, 2, 3, rng.randint(0, len(venue.fees) + 2), FEE_SCHEDULES_MAX + 1))
    account = rng.randint(0, len(venue.accounts) + 1)
    if rng.random() < 0.6:
        return ac.SetFees(*sign, rng.choice((0, schedule)), account or 1)
    maker, taker = (rng.choice(_RATES) for _ in range(2))
    return ac.SetFees(*sign, schedule, 0, maker, taker, account)


def _repeated(rng: Random, sign: Sign, known: KeyedPosting) -> c.Command:
    amount = known.amount + (rng.random() < 0.2)
    currency = rng.choice((known.currency_id, known.currency_id, 0, 1, 2))
    match known.kind:
        case CommandKind.DEPOSIT_CASH:
            return ac.DepositCash(*sign, known.account_id, amount, known.key, currency)
        case CommandKind.DEPOSIT_SHARES:
            return ac.DepositShares(
                *sign, known.account_id, known.instrument_id, amount, known.key, known.cost
            )
        case _:
            return ac.Transfer(
                *sign, known.account_id, known.to_account_id, known.instrument_id, amount,
                known.key, currency,
            )  # fmt: skip
