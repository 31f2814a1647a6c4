"""The venue every scenario starts in, and the numbers behind its names (README.md here).

Called by the player. Promises: the same genesis for the same directives; admin, alice, bob and
carol are logged in and the day is open, all instruments in CONTINUOUS.
"""

from decimal import Decimal

import msgspec

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import Entitlement, Phase, Protocol, SessionOption
from oms.messages.packing import pack_batch

START_NS = 1_767_605_400_000_000_000
MIDNIGHT_NS = 1_767_571_200_000_000_000
STEP_NS = 1_000_000  # one entry follows the other by a millisecond
TRADING_DATE = 20260105
NOT_AFTER_NS = (1 << 63) - 1
GATEWAY = 7
SCALE = 10_000

PEOPLE = ("admin", "alice", "bob", "carol")  # session ids 1 to 4, user ids likewise
FIRMS = {"alice": b"ALFA", "bob": b"BRAV", "carol": b"CHAR"}  # account ids 1 to 3
SYMBOLS = ("AAPL", "MSFT")
CODES = ("USD", "EUR", "JPY")  # currency ids 1 to 3
RATE_ONE = 100_000_000


class InstrumentSetup(msgspec.Struct):
    """What a file may change about an instrument (`instrument AAPL lot=100`)."""

    tick: str = "0.01"
    lot: int = 1
    reference: str = "10.00"
    collar: int = 0
    market_collar: int = 500
    currency: str = "0"


class AccountSetup(msgspec.Struct):
    """What a file may change about an account (`account alice cash=1000.00 AAPL=50`)."""

    cash: str = "1000000.00"
    AAPL: int = 10_000
    MSFT: int = 0
    max_qty: int = 1_000_000
    max_value: str = "100000000.00"
    long: int = 1_000_000
    short: int = 0


class SessionSetup(msgspec.Struct):
    """What a file may change about a session (`session alice cancel_on_disconnect=1`)."""

    cancel_on_disconnect: int = 0


class VenueSetup(msgspec.Struct):
    """What a file may change about the genesis (`venue orders_max=2`)."""

    rule_version: int = 3
    orders_max: int = 4096
    instruments_max: int = 8
    participants_max: int = 8
    accounts_max: int = 8
    users_max: int = 8
    sessions_max: int = 8
    positions_max: int = 64
    duplicates_max: int = 0
    trades_max: int = 0
    currencies_max: int = 0


class Setup(msgspec.Struct):
    """All directives of one file."""

    currencies: dict[str, str] = msgspec.field(default_factory=dict)  # code -> rate

    venue: VenueSetup = msgspec.field(default_factory=VenueSetup)
    instruments: dict[str, InstrumentSetup] = msgspec.field(
        default_factory=lambda: {"AAPL": InstrumentSetup(), "MSFT": InstrumentSetup()}
    )
    accounts: dict[str, AccountSetup] = msgspec.field(
        default_factory=lambda: {name: AccountSetup() for name in FIRMS}
    )
    sessions: dict[str, SessionSetup] = msgspec.field(
        default_factory=lambda: {name: SessionSetup() for name in PEOPLE}
    )


def units(text: str) -> int:
    """A decimal number in 10^-4 units."""
    return int(Decimal(text) * SCALE)


def account_id(name: str) -> int:
    """The account of a person; a number is an id."""
    return int(name) if name.isdigit() else list(FIRMS).index(name) + 1


def rate(text: str) -> int:
    """What one unit is worth in the first currency, in 10^-8."""
    return int(Decimal(text) * RATE_ONE)


def currency_id(code: str) -> int:
    """The currency of a code; a number is an id."""
    return int(code) if code.isdigit() else CODES.index(code) + 1


def instrument_id(symbol: str) -> int:
    """The instrument of a symbol; a number is an id, `all` is 0."""
    if symbol == "all":
        return 0
    return int(symbol) if symbol.isdigit() else SYMBOLS.index(symbol) + 1


def opening_entries(setup: Setup) -> list[bytes]:
    """Genesis, then everybody's login."""
    admin = _admin_commands(setup)
    limits = msgspec.structs.asdict(setup.venue)
    genesis = c.Genesis(cluster_id=1, records_following=len(admin), **limits)
    logins = [c.Login(n, nonce=n, gateway_id=GATEWAY) for n in range(1, len(PEOPLE) + 1)]
    return [pack_batch(START_NS - 2, [genesis, *admin]), pack_batch(START_NS - 1, [*logins])]


def _admin_commands(setup: Setup) -> list[c.Command]:
    free = (0, 0, 0, 0)
    made: list[c.Command] = [
        ac.AddCurrency(*free, currency_id(code), code.encode(), rate(text))
        for code, text in setup.currencies.items()
    ]
    for n, symbol in enumerate(SYMBOLS, 1):
        i = setup.instruments[symbol]
        made.append(
            ac.AddInstrument(
                *free, n, symbol.encode(), i.lot, units(i.tick), units(i.reference), i.collar,
                i.market_collar, Phase.CONTINUOUS, currency_id=currency_id(i.currency),
            )
        )  # fmt: skip
    for n, name in enumerate(PEOPLE, 1):
        made.append(ac.AddParticipant(*free, n, name.upper().encode()))
    for n, (name, firm) in enumerate(FIRMS.items(), 1):
        a = setup.accounts[name]
        made.append(
            ac.AddAccount(*free, n, n + 1, firm, a.max_qty, units(a.max_value), a.long, a.short)
        )
    for n, name in enumerate(PEOPLE, 1):
        made.append(ac.AddUser(*free, n, n, name.upper().encode(), b"salt", b"hash"))
    for n, name in enumerate(PEOPLE, 1):
        default = account_id(name) if name in FIRMS else 0
        protocol = Protocol.OUCH if name in FIRMS else Protocol.ADMIN
        options = SessionOption(0)
        if setup.sessions[name].cancel_on_disconnect:
            options |= SessionOption.CANCEL_ON_DISCONNECT
        made.append(ac.OpenSession(*free, n, n, default, protocol, options))
    made.append(ac.Grant(*free, 1, 0, Entitlement.ADMIN | Entitlement.READ))
    for n, name in enumerate(FIRMS, 1):
        made.append(ac.Grant(*free, n + 1, n, Entitlement.ENTER | Entitlement.CANCEL))
        a = setup.accounts[name]
        if units(a.cash):
            made.append(ac.DepositCash(*free, n, units(a.cash)))
        for symbol, qty in (("AAPL", a.AAPL), ("MSFT", a.MSFT)):
            if qty:
                made.append(ac.DepositShares(*free, n, instrument_id(symbol), qty))
    made.append(ac.StartDay(*free, TRADING_DATE, MIDNIGHT_NS))
    return made
