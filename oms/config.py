"""Typed settings, decoded and validated once; a wrong file stops the start with four lines.

Called at the top of every process. Two kinds of file: the *venue's* configuration becomes the
genesis entry (what decides outcomes is in the log, RULES A12); the *node's* and *gateway's* files
hold addresses, paths, keys and cores, and nothing that decides an outcome.
"""

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from oms import bounds

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]


class SettingsError(Exception):
    """A file or folder that cannot be used: what, why, what to do, where to read."""

    def __init__(self, *, what: str, why: str, do: str, read: str) -> None:
        super().__init__(f"what: {what}\nwhy:  {why}\ndo:   {do}\nread: {read}")


class CurrencyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money of one kind; the first of the file is the venue's first, whose rate is 1."""

    code: Annotated[str, Meta(min_length=3, max_length=3)]  # ISO 4217, capital letters
    rate: str = "1"  # what one unit is worth in the first currency; for exposure limits alone


class InstrumentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One instrument. Prices as decimal strings in units of the quote currency ("585.33")."""

    symbol: Annotated[str, Meta(min_length=1, max_length=8)]
    reference_price: str = "0"
    tick_size: str = "0.01"
    lot_size: Positive = 1
    price_collar_bps: Natural = 0
    market_collar_bps: Positive = 500
    phase: str = "CONTINUOUS"
    currency: str = ""  # the code of the one it is traded and settled in; empty: the first


class AccountConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account: its name on OUCH, what it starts with and its limits (whole units)."""

    firm: Annotated[str, Meta(min_length=1, max_length=4)]
    participant: str
    cash: str = "0"  # of the first currency
    balances: dict[str, str] = {}  # of others, by code
    shares: dict[str, int] = {}
    all_shares: Natural = 0  # of every instrument
    max_order_qty: Positive = 1_000_000
    max_order_value: str = "1000000000"
    long_limit: Natural = 1 << 40
    short_limit: Natural = 0
    fee_schedule: Natural = 0  # the n-th of [[fees]]; 0: its orders pay nothing


class UserConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One login with one session. `password` only in demos; else `oms admin` sets it."""

    name: Annotated[str, Meta(min_length=1, max_length=6)]
    participant: str
    password: Annotated[str, Meta(min_length=1, max_length=10)]
    accounts: list[str]  # firms it may enter for; the first is the session's default
    protocol: str = "OUCH"
    cancel_on_disconnect: bool = False  # its orders go when the log ends its login


class CapacityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much memory the engine takes, logged in the genesis entry."""

    orders_max: Positive = bounds.ORDERS_MAX
    instruments_max: Positive = bounds.INSTRUMENTS_MAX
    participants_max: Positive = bounds.PARTICIPANTS_MAX
    accounts_max: Positive = bounds.ACCOUNTS_MAX
    users_max: Positive = bounds.USERS_MAX
    sessions_max: Positive = bounds.SESSIONS_MAX
    positions_max: Positive = bounds.POSITIONS_MAX
    duplicates_max: Positive = bounds.DUPLICATES_MAX
    currencies_max: Positive = bounds.CURRENCIES_MAX
    trades_max: Positive = bounds.TRADES_MAX_DEFAULT  # of a day's last matches: may be taken back


class SessionLimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every session follows until it has limits of its own; 0: no limit."""

    order_rate: Natural = 0  # commands within the window
    cancel_reserve: Natural = 0  # of these, for cancels alone
    rate_window_ms: Positive = 1_000
    max_open_orders: Natural = 0


class AccountLimitsConfig(SessionLimitsConfig, frozen=True, forbid_unknown_fields=True):
    """What every account follows until it has limits of its own; 0: no limit."""

    duplicate_window_ms: Natural = 0
    max_exposure: str = "0"
    short_sale: bool = True


class RiskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The defaults of limits; `oms admin set-risk` changes them, and makes exceptions."""

    accounts: AccountLimitsConfig = AccountLimitsConfig()
    sessions: SessionLimitsConfig = SessionLimitsConfig()


class FeesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fee schedule. Rates in basis points of a fill's value ("0.3"); below zero a rebate."""

    to: Annotated[str, Meta(min_length=1, max_length=4)]  # the firm of who gets what is paid
    maker: str = "0"
    taker: str = "0"


class VenueConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the genesis entry is built from (config/*.toml)."""

    instruments: list[InstrumentConfig]
    participants: list[str]
    accounts: list[AccountConfig]
    users: list[UserConfig]
    currencies: list[CurrencyConfig] = []  # none: one without a code
    capacity: CapacityConfig = CapacityConfig()
    risk: RiskConfig = RiskConfig()
    fees: list[FeesConfig] = []


class NodeAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one node is reached; every value "host:port"."""

    node_id: str
    raft: str
    pull: str  # commands from gateways
    pub: str  # engine stream and status, for gateways
    feed: str  # executions and market data, for subscribers
    router: str  # requests


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node's file, `<data>/<node_id>/node.toml`."""

    node_id: str
    cluster_id: str  # 16 hex digits
    nodes: list[NodeAddress]
    data: str  # this node's folder: journal, snapshots, event log
    keys: str  # folder of keys
    genesis: str  # file of packed log entries (oms/local writes it)
    core: int | None = None
    durability: str = "disk"
    engine: str = "core"  # "core", or "reference": the slow oracle with the same rules
    has_journal: bool = False  # made with this file: a node that misses it does not begin anew


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One gateway's file, `<data>/<gateway>/gateway.toml`."""

    name: str
    cluster_id: str
    listen: str  # host:port of the binary door
    nodes: list[NodeAddress]
    keys: str
    core: int | None = None


_T = TypeVar("_T")


def load(path: Path, kind: type[_T]) -> _T:
    """Read a TOML file into `kind`. Raises: SettingsError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), kind, strict=True)
    except OSError as error:
        why = error.strerror or str(error)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        why = str(error)
    raise SettingsError(
        what=f"cannot read the settings in {path}",
        why=why,
        do="correct the file, or make a new one with `oms up --data DIR`",
        read="docs/operating.md, When something does not start",
    )
