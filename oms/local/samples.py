"""Venue configurations that the product brings along: for `oms demo`, `oms replay`, first steps.

Called by the command line and the pytest fixture. The seed decides instruments and prices, never
a password: those are drawn from the system's randomness each time.
"""

import random
import secrets
from typing import Final

from oms.bounds import SOUP_PASSWORD_BYTES
from oms.config import AccountConfig, CapacityConfig, InstrumentConfig, UserConfig, VenueConfig

SYMBOLS: Final = ("ALDER", "BIRCH", "CEDAR", "ELM", "LARCH", "MAPLE", "OAK", "ROWAN")
MAKERS: Final = ("MAKE1", "MAKE2", "MAKE3", "MAKE4")
TAKERS: Final = ("TAKE1", "TAKE2", "TAKE3", "TAKE4")
GUEST: Final = "GUEST"
GUEST_FIRM: Final = "GST"
LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
DEMO_ORDERS_MAX: Final = 1 << 17
HUGE: Final = 1 << 40


def random_password() -> str:
    """Ten characters, 50 bits; upper case, because the protocol ignores case."""
    return "".join(secrets.choice(LETTERS) for _ in range(SOUP_PASSWORD_BYTES))


def demo_config(seed: int) -> VenueConfig:
    """Eight instruments, five participants, an account and a login for every robot and a guest."""
    prices = random.Random(seed)  # noqa: S311 - repeatable prices, not a secret
    instruments = [
        InstrumentConfig(
            symbol=symbol,
            reference_price=f"{prices.randrange(20_00, 400_00) / 100:.2f}",
            price_collar_bps=2_000,
            market_collar_bps=500,
        )
        for symbol in SYMBOLS
    ]
    houses = ("NORTH", "SOUTH", "EAST", "WEST")
    accounts = [
        AccountConfig(
            firm=f"{name[0]}{name[-1]}",
            participant=houses[number % len(houses)],
            cash="1000000000",
            all_shares=10_000_000,
            max_order_value="100000000",
        )
        for number, name in enumerate(MAKERS + TAKERS)
    ]
    accounts.append(
        AccountConfig(firm=GUEST_FIRM, participant="GUESTS", cash="1000000", all_shares=1_000)
    )
    users = [
        UserConfig(
            name=name,
            participant=account.participant,
            password=random_password(),
            accounts=[account.firm],
        )
        for name, account in zip((*MAKERS, *TAKERS, GUEST), accounts, strict=True)
    ]
    return VenueConfig(
        instruments=instruments,
        participants=[*houses, "GUESTS"],
        accounts=accounts,
        users=users,
        capacity=CapacityConfig(
            orders_max=DEMO_ORDERS_MAX,
            instruments_max=64,
            participants_max=64,
            accounts_max=64,
            users_max=64,
            sessions_max=64,
            positions_max=4_096,
        ),
    )


def replay_config(
    *, symbol: str = "AAPL", account_count: int = 4, session_count: int = 1
) -> VenueConfig:
    """One instrument without collar, and accounts too rich to be refused: only the book decides.

    Accounts are `R01`, `R02`, ...; every login (`REP01`, `REP02`, ...) may enter for all of them.
    """
    firms = [f"R{number:02d}" for number in range(1, account_count + 1)]
    return VenueConfig(
        instruments=[InstrumentConfig(symbol=symbol, market_collar_bps=10_000)],
        participants=["REPLAY"],
        accounts=[
            AccountConfig(
                firm=firm,
                participant="REPLAY",
                cash="10000000000000",
                all_shares=HUGE,
                max_order_qty=0x7FFF_FFFF,
                max_order_value="100000000000000",
                long_limit=HUGE << 2,
            )
            for firm in firms
        ],
        users=[
            UserConfig(
                name=f"REP{number:02d}",
                participant="REPLAY",
                password=random_password(),
                accounts=firms,
            )
            for number in range(1, session_count + 1)
        ],
        capacity=CapacityConfig(
            instruments_max=64,
            participants_max=64,
            accounts_max=64,
            users_max=256,
            sessions_max=256,
            positions_max=4_096,
        ),
    )
