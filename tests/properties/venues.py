"""Random genesis entries: small venues in which capacities, limits and collars are reached.

Called by the generator. Promises: deterministic in the given random source.
"""

from random import Random

import msgspec

from oms.bounds import MONEY_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import Entitlement, Phase, Protocol, SessionOption
from tests.properties.steps import Planned, Step

START_NS = 1_767_605_400_000_000_000
MIDNIGHT_NS = 1_767_571_200_000_000_000
FIRST_DATE = 20260105
FREE = (0, 0, 0, 0)
I64_MAX = (1 << 63) - 1
FEES_SHARE = 0.4
CURRENCIES_SHARE = 0.6  # venues with three
CODES = (b"USD", b"EUR", b"JPY", b"CHF", b"XAU")
RATE_ONE = 100_000_000
EXCHANGE_RATES = (RATE_ONE, 108_250_001, 655_321, 1, 100_000 * RATE_ONE)
RATES = (-2_000, 1, 3_333, 30_000, 999_999)
PROTOCOLS = (Protocol.OUCH, Protocol.OUCH, Protocol.OUCH, Protocol.FIX, Protocol.HTTP)


def opening(rng: Random, *, is_deep: bool = False) -> list[Step]:
    """Entries before the first order: noise, genesis (perhaps in several entries), logins."""
    instruments = 1 if is_deep else rng.randint(1, 4)
    accounts = rng.randint(2, 5)
    users = rng.randint(2, 5)
    admin = _identities(rng, instruments, accounts, users)
    if is_deep:
        admin = [_widened(command) for command in admin]
    genesis = c.Genesis(
        cluster_id=rng.getrandbits(64),
        rule_version=rng.choice((3, 3, 3, 2, 1)),
        records_following=len(admin),
        orders_max=5_000 if is_deep else rng.choice((3, 20, 60, 200)),
        instruments_max=instruments + rng.randint(0, 2),
        participants_max=users + 1 + rng.randint(0, 2),
        accounts_max=accounts + rng.randint(0, 2),
        users_max=users + rng.randint(0, 2),
        sessions_max=users + rng.randint(0, 2),
        positions_max=rng.choice((instruments * accounts, instruments * accounts // 2 + 1, 64)),
        duplicates_max=rng.choice((0, 1, 2, 5)),
        trades_max=rng.choice((0, 1, 3, 50, 1_000)),
        currencies_max=0 if is_deep else rng.choice((0, 0, 0, 1, 2, 3, 3, 3, 64)),
    )
    noise: list[c.Command] = [
        c.Login(1, 1, 1),
        ac.StartDay(*FREE, FIRST_DATE, MIDNIGHT_NS),
        c.Genesis(1, 1, 0, 0, 1, 1, 1, 1, 1, 1),
        c.Genesis(1, 1, 0, 1, 1, 1, 1, 1 << 30, 1, 1),
        c.Genesis(1, 1, 0, 1, 1, 1, 1, 1, 1, 1, currencies_max=65),
    ]
    in_between: list[c.Command] = [c.Login(1, 1, 1), c.AccountQuery(1, 0, 1, I64_MAX)]
    commands = [*rng.sample(noise, rng.randint(0, 2)), genesis]
    for command in admin:
        commands.append(command)
        if rng.random() < 0.02:
            commands.append(rng.choice(in_between))
    cut = rng.choice((len(commands), rng.randint(1, len(commands))))
    logins = [c.Login(n, n, 7 + n % 2) for n in range(1, users + 1)]
    batches: list[list[c.Command]] = [commands[:cut], commands[cut:], [*logins]]
    return [
        Step(START_NS + n, tuple(Planned(command) for command in batch))
        for n, batch in enumerate(batches)
        if batch
    ]


def instrument(
    rng: Random, instrument_id: int, symbol: bytes, *, has_currencies: bool = False
) -> ac.AddInstrument:
    """A tradable thing with a coarse tick, so that prices meet."""
    tick = rng.choice((1, 100, 100, 2500))
    return ac.AddInstrument(
        *FREE,
        instrument_id,
        symbol,
        lot_size=rng.choice((1, 1, 10, 100)),
        tick_size=tick,
        reference_price=rng.choice((0, 200 * tick, 200 * tick, 12_345, 2_000_000_000)),
        price_collar_bps=rng.choice((0, 0, 200, 10_000)),
        market_collar_bps=rng.choice((1, 150, 500, 10_000)),
        phase=rng.choice(
            (
                Phase.CONTINUOUS,
                Phase.CONTINUOUS,
                Phase.PRE_OPEN,
                Phase.CLOSED,
                Phase.CLOSING_AUCTION,
            )
        ),
        currency_id=rng.choice((0, 1, 2, 2, 3, 3)) if has_currencies else rng.choice((0, 0, 0, 1)),
    )


def limits(rng: Random) -> tuple[int, int, int, int]:
    """Order quantity, order value, long and short limit: sometimes narrow."""
    return (
        rng.choice((500, 100_000, 100_000, I64_MAX)),
        rng.choice((10**8, 10**12, 10**12, I64_MAX)),
        rng.choice((3_000, 10**7, 10**7, I64_MAX)),
        rng.choice((0, 0, 2_000, 10**7, I64_MAX)),
    )


def _identities(rng: Random, instruments: int, accounts: int, users: int) -> list[c.Command]:
    has_currencies = rng.random() < CURRENCIES_SHARE
    made = _currencies(rng) if has_currencies else []
    made += [
        instrument(rng, n, b"SYM%d" % n, has_currencies=has_currencies)
        for n in range(1, instruments + 1)
    ]
    made += [ac.AddParticipant(*FREE, n, b"FIRM%d" % n) for n in range(1, users + 1)]
    made += [
        ac.AddAccount(*FREE, n, rng.randint(1, users), b"A%d" % n, *limits(rng))
        for n in range(1, accounts + 1)
    ]
    made += [
        ac.AddUser(*FREE, n, n, b"USER%d" % n, rng.randbytes(16), rng.randbytes(32))
        for n in range(1, users + 1)
    ]
    for n in range(1, users + 1):
        protocol = Protocol.ADMIN if n == 1 else rng.choice(PROTOCOLS)
        options = rng.choice((0, 0, SessionOption.CANCEL_ON_DISCONNECT)) if n > 1 else 0
        made.append(ac.OpenSession(*FREE, n, n, rng.randint(0, accounts), protocol, options))
    made.append(ac.Grant(*FREE, 1, 0, Entitlement.ADMIN))
    made += [
        ac.Grant(*FREE, user, account, rng.choice((1, 3, 7, 2)))
        for user in range(1, users + 1)
        for account in range(1, accounts + 1)
        if rng.random() < 0.7
    ]
    for account in range(1, accounts + 1):
        made += [
            ac.DepositCash(
                *FREE, account, rng.choice((10**9, 10**13, MONEY_MAX // 8)), currency_id=currency
            )
            for currency in ((0, 2, 3) if has_currencies else (0,))
        ]
        made += [
            ac.DepositShares(*FREE, account, n, rng.choice((1_000, 10**6, 1 << 40)))
            for n in range(1, instruments + 1)
            if rng.random() < 0.6
        ]
    if rng.random() < FEES_SHARE:
        maker, taker = rng.sample(RATES, 2)
        made.append(ac.SetFees(*FREE, 1, 0, maker, taker, rng.randint(1, accounts)))
        made += [ac.SetFees(*FREE, 1, n) for n in range(1, accounts + 1) if rng.random() < 0.7]
    for _ in range(rng.randint(0, 4)):  # failures in genesis mode
        made.insert(rng.randint(0, len(made)), ac.DepositCash(*FREE, 99, 1))
    made.append(ac.StartDay(*FREE, FIRST_DATE, MIDNIGHT_NS))
    return made


def _currencies(rng: Random) -> list[c.Command]:
    """The second and the third; the first is named, or stays without a code."""
    named = [1, 2, 3] if rng.random() < 0.7 else [2, 3]
    return [
        ac.AddCurrency(*FREE, n, CODES[n - 1], rng.choice(EXCHANGE_RATES) if n > 1 else RATE_ONE)
        for n in named
    ]


def _widened(command: c.Command) -> c.Command:
    """The same without what keeps orders from resting: for deep books."""
    match command:
        case ac.AddInstrument():
            return msgspec.structs.replace(
                command,
                lot_size=1,
                reference_price=1_000 * command.tick_size,
                price_collar_bps=0,
                phase=Phase.CONTINUOUS,
            )
        case ac.AddAccount():
            return msgspec.structs.replace(
                command,
                max_order_qty=I64_MAX,
                max_order_value=I64_MAX,
                long_limit=I64_MAX,
                short_limit=I64_MAX,
            )
        case ac.DepositCash():
            return msgspec.structs.replace(command, amount=MONEY_MAX // 8)
        case _:
            return command
