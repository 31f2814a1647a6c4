"""The first entries of a venue's log, built from its configuration (RULES A21).

Called once, when a data folder is formatted; the nodes propose the entries byte for byte. GENESIS
comes first; then currencies, instruments, participants, accounts, users, sessions, grants,
deposits, limits, fees and the first StartDay. Passwords are hashed here and go no further.
Participant 1, user 1 (`ADMIN`) and session 1 are the operator's: `oms admin` speaks through them,
over a ZeroMQ key and never with a password, so the administrator's hash is random and matches
nothing.
"""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Final

from oms.bounds import (
    BATCH_COMMANDS_MAX,
    CURRENCY_RATE_MAX,
    CURRENCY_RATE_ONE,
    FIRM_BYTES,
    MONEY_MAX,
    SYMBOL_BYTES_MAX,
    USER_NAME_BYTES_MAX,
)
from oms.config import (
    AccountConfig,
    CurrencyConfig,
    InstrumentConfig,
    SettingsError,
    UserConfig,
    VenueConfig,
)
from oms.local.decimals import to_currency_rate, to_units
from oms.local.limits_and_fees import UNSIGNED, default_limits, fee_schedules
from oms.local.samples import demo_config, replay_config
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import (
    Entitlement,
    Phase,
    Protocol,
    SessionOption,
)
from oms.messages.packing import pack_batch

__all__ = [
    "add_account",
    "add_currency",
    "add_instrument",
    "add_user",
    "build_genesis",
    "demo_config",
    "hash_password",
    "replay_config",
    "trading_day",
]

RULE_VERSION: Final = 3  # docs/rules.md says what each version changed
OPERATOR: Final = "VENUE"
ADMIN_NAME: Final = "ADMIN"
ADMIN_USER_ID: Final = 1
ADMIN_SESSION_ID: Final = 1
SCRYPT_N: Final = 4096
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
OWN_ACCOUNT: Final = (
    Entitlement.ENTER | Entitlement.CANCEL | Entitlement.DROP_COPY | Entitlement.READ
)


def hash_password(password: str, salt: bytes) -> bytes:
    """What the log keeps of a password; upper-cased first, as the protocol ignores case."""
    return hashlib.scrypt(
        password.upper().encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=KEY_BYTES
    )


def build_genesis(config: VenueConfig, cluster_id: int, now_ns: int) -> list[bytes]:
    """The packed entries. Raises: SettingsError when the configuration contradicts itself."""
    try:
        commands = _admin_commands(config, now_ns)
    except ValueError as error:
        raise SettingsError(
            what="the venue's configuration cannot become a genesis entry",
            why=str(error),
            do="correct the configuration file and run the command again",
            read="docs/operating.md, The configuration file",
        ) from error
    capacity = config.capacity
    genesis = c.Genesis(
        cluster_id=cluster_id,
        rule_version=RULE_VERSION,
        records_following=len(commands),
        orders_max=capacity.orders_max,
        instruments_max=capacity.instruments_max,
        participants_max=capacity.participants_max,
        accounts_max=capacity.accounts_max,
        users_max=capacity.users_max,
        sessions_max=capacity.sessions_max,
        positions_max=capacity.positions_max,
        duplicates_max=capacity.duplicates_max,
        trades_max=capacity.trades_max,
        currencies_max=capacity.currencies_max,
    )
    everything: list[c.Command] = [genesis, *commands]
    return [
        pack_batch(now_ns, everything[start : start + BATCH_COMMANDS_MAX])
        for start in range(0, len(everything), BATCH_COMMANDS_MAX)
    ]


def trading_day(now_ns: int) -> tuple[int, int]:
    """(yyyymmdd, midnight_ns) of the UTC day that `now_ns` lies in."""
    now = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(now.strftime("%Y%m%d")), int(midnight.timestamp()) * 1_000_000_000


def add_currency(
    config: CurrencyConfig, currency_id: int, signature: tuple[int, int, int, int] = UNSIGNED
) -> ac.AddCurrency:
    """The command for one currency. Raises: ValueError."""
    what = f"currency {config.code}"
    if not (config.code.isascii() and config.code.isalpha() and config.code.isupper()):
        msg = f"{what}: a code is three capital letters"
        raise ValueError(msg)
    rate = to_currency_rate(config.rate, f"{what}, rate")
    if not 1 <= rate <= CURRENCY_RATE_MAX:
        msg = f"{what}: rate {config.rate} is not above 0, or beyond the bound"
        raise ValueError(msg)
    return ac.AddCurrency(*signature, currency_id, config.code.encode(), rate)


def add_instrument(
    config: InstrumentConfig,
    instrument_id: int,
    signature: tuple[int, int, int, int] = UNSIGNED,
    *,
    currency_id: int = 0,
) -> ac.AddInstrument:
    """The command for one instrument. Raises: ValueError."""
    what = f"instrument {config.symbol}"
    if config.phase not in Phase.__members__:
        msg = f"{what}: phase {config.phase!r} is not one of {', '.join(Phase.__members__)}"
        raise ValueError(msg)
    return ac.AddInstrument(
        *signature,
        instrument_id=instrument_id,
        symbol=_ascii(config.symbol, what, SYMBOL_BYTES_MAX),
        lot_size=config.lot_size,
        tick_size=to_units(config.tick_size, f"{what}, tick_size"),
        reference_price=to_units(config.reference_price, f"{what}, reference_price"),
        price_collar_bps=config.price_collar_bps,
        market_collar_bps=config.market_collar_bps,
        phase=Phase[config.phase],
        currency_id=currency_id,
    )


def add_account(
    config: AccountConfig,
    account_id: int,
    participant_id: int,
    signature: tuple[int, int, int, int] = UNSIGNED,
) -> ac.AddAccount:
    """The command for one account. Raises: ValueError."""
    what = f"account {config.firm}"
    return ac.AddAccount(
        *signature,
        account_id=account_id,
        participant_id=participant_id,
        firm=_ascii(config.firm, what, FIRM_BYTES),
        max_order_qty=config.max_order_qty,
        max_order_value=to_units(config.max_order_value, f"{what}, max_order_value"),
        long_limit=config.long_limit,
        short_limit=config.short_limit,
    )


def add_user(
    name: str,
    password: str,
    user_id: int,
    participant_id: int,
    signature: tuple[int, int, int, int] = UNSIGNED,
) -> ac.AddUser:
    """The command for one login, with a fresh salt. Raises: ValueError."""
    salt = secrets.token_bytes(SALT_BYTES)
    return ac.AddUser(
        *signature,
        user_id=user_id,
        participant_id=participant_id,
        name=_ascii(name.upper(), f"user {name}"),
        salt=salt,
        key_hash=hash_password(password, salt),
    )


def _admin_commands(config: VenueConfig, now_ns: int) -> list[c.Command]:
    participants = {OPERATOR: 1}
    for name in config.participants:
        if name in participants:
            msg = f"participant {name!r} is named twice (or is the operator's own name)"
            raise ValueError(msg)
        participants[name] = len(participants) + 1
    account_ids = _numbered([account.firm for account in config.accounts], "account")
    symbols = _numbered([item.symbol for item in config.instruments], "instrument")
    currencies = _numbered([item.code for item in config.currencies], "currency")
    if (
        config.currencies
        and to_currency_rate(config.currencies[0].rate, "rate") != CURRENCY_RATE_ONE
    ):
        msg = f"currency {config.currencies[0].code} is the first, so its rate is 1"
        raise ValueError(msg)
    _numbered([ADMIN_NAME, *(user.name.upper() for user in config.users)], "user")
    trading_date, midnight_ns = trading_day(now_ns)
    return [
        *(add_currency(item, currencies[item.code]) for item in config.currencies),
        *(
            add_instrument(
                item,
                symbols[item.symbol],
                currency_id=(
                    _known(currencies, item.currency, item.symbol) if item.currency else 0
                ),
            )
            for item in config.instruments
        ),
        *(
            ac.AddParticipant(*UNSIGNED, participant_id=number, name=_ascii(name, "participant"))
            for name, number in participants.items()
        ),
        *(
            add_account(
                item,
                account_ids[item.firm],
                _known(participants, item.participant, item.firm),
            )
            for item in config.accounts
        ),
        *_users(config.users, participants, account_ids),
        *_deposits(config.accounts, account_ids, symbols, currencies),
        *default_limits(config.risk),
        *fee_schedules(config.fees, config.accounts, account_ids),
        ac.StartDay(*UNSIGNED, trading_date=trading_date, midnight_ns=midnight_ns),
    ]


def _users(
    users: list[UserConfig], participants: dict[str, int], account_ids: dict[str, int]
) -> list[c.Command]:
    added: list[c.Command] = [add_user(ADMIN_NAME, secrets.token_hex(), ADMIN_USER_ID, 1)]
    sessions: list[c.Command] = [
        ac.OpenSession(*UNSIGNED, ADMIN_SESSION_ID, ADMIN_USER_ID, 0, Protocol.ADMIN)
    ]
    grants: list[c.Command] = [
        ac.Grant(*UNSIGNED, ADMIN_USER_ID, 0, Entitlement.ADMIN | Entitlement.READ)
    ]
    for number, user in enumerate(users, ADMIN_USER_ID + 1):
        if user.protocol not in Protocol.__members__:
            msg = f"user {user.name}: protocol {user.protocol!r} is not known"
            raise ValueError(msg)
        firms = [_known(account_ids, firm, user.name) for firm in user.accounts]
        participant = _known(participants, user.participant, user.name)
        added.append(add_user(user.name, user.password, number, participant))
        default = firms[0] if firms else 0
        options = SessionOption.CANCEL_ON_DISCONNECT if user.cancel_on_disconnect else 0
        sessions.append(
            ac.OpenSession(
                *UNSIGNED, number, number, default, Protocol[user.protocol], int(options)
            )
        )
        grants += [ac.Grant(*UNSIGNED, number, firm, OWN_ACCOUNT) for firm in firms]
    return [*added, *sessions, *grants]


def _deposits(
    accounts: list[AccountConfig],
    account_ids: dict[str, int],
    symbols: dict[str, int],
    currencies: dict[str, int],
) -> list[c.Command]:
    deposits: list[c.Command] = []
    issued = dict.fromkeys((0, *currencies.values()), 0)
    for account in accounts:
        account_id = account_ids[account.firm]
        amounts = {0: account.cash} | {
            _known(currencies, code, account.firm): text for code, text in account.balances.items()
        }
        if 1 in amounts:
            msg = f"account {account.firm}: what it has of the first currency is its cash"
            raise ValueError(msg)
        for currency_id, text in amounts.items():
            cash = to_units(text, f"account {account.firm}, cash")
            issued[currency_id] += cash
            if cash < 0 or issued[currency_id] > MONEY_MAX:
                msg = f"account {account.firm}: cash {text} is negative or beyond the bound"
                raise ValueError(msg)
            if cash:
                deposits.append(
                    ac.DepositCash(*UNSIGNED, account_id, cash, currency_id=currency_id)
                )
        shares = dict.fromkeys(symbols, account.all_shares)
        for symbol, quantity in account.shares.items():
            _known(symbols, symbol, account.firm)
            shares[symbol] = quantity
        deposits += [
            ac.DepositShares(*UNSIGNED, account_id, symbols[symbol], quantity)
            for symbol, quantity in shares.items()
            if quantity
        ]
    return deposits


def _numbered(names: list[str], what: str) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for name in names:
        if name in numbers:
            msg = f"{what} {name!r} is named twice"
            raise ValueError(msg)
        numbers[name] = len(numbers) + 1
    return numbers


def _known(numbers: dict[str, int], name: str, user: str) -> int:
    if name not in numbers:
        msg = f"{user} names {name!r}, which the configuration does not define"
        raise ValueError(msg)
    return numbers[name]


def _ascii(text: str, what: str, bytes_max: int = USER_NAME_BYTES_MAX) -> bytes:
    if not text or not text.isascii() or not text.isprintable() or text != text.strip():
        msg = f"{what}: {text!r} must be printable ASCII without blanks at its ends"
        raise ValueError(msg)
    if len(text) > bytes_max:
        msg = f"{what}: {text!r} is longer than {bytes_max} characters"
        raise ValueError(msg)
    return text.encode()
