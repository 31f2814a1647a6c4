"""The genesis entries: what the configuration says is what both engines hold afterwards."""

import hashlib
from collections.abc import Callable
from typing import Protocol as TypingProtocol

import msgspec
import pytest

from oms.bounds import BATCH_COMMANDS_MAX, BATCH_HEADER_BYTES, COMMAND_BYTES
from oms.config import (
    AccountConfig,
    AccountLimitsConfig,
    CurrencyConfig,
    InstrumentConfig,
    RiskConfig,
    SessionLimitsConfig,
    SettingsError,
    UserConfig,
    VenueConfig,
)
from oms.local.genesis import build_genesis, hash_password, trading_day
from oms.local.samples import SYMBOLS, demo_config, replay_config
from oms.messages.enums import (
    CommandKind,
    Entitlement,
    EventKind,
    Phase,
    Protocol,
    SessionOption,
    ShortSale,
)
from oms.messages.event_records import unpack_events
from oms.messages.link import AccountView, Directory, Totals
from oms.messages.record_fields import batch_commands
from oms.messages.records import BATCH_HEADER

NOW_NS = 1_790_000_000_123_456_789  # 2026-09-21 UTC
CLUSTER_ID = 0x1234_5678_9ABC_DEF0 >> 1


class EngineLike(TypingProtocol):
    """What these tests need of either engine."""

    def apply(self, log_index: int, entry: bytes) -> int:
        """Apply an entry."""

    def events(self) -> bytes:
        """Events of the last entry."""

    def directory(self) -> Directory:
        """Who and what there is."""

    def account(self, account_id: int) -> AccountView | None:
        """One account."""

    def totals(self) -> Totals:
        """Conservation."""

    def state_digest(self) -> int:
        """Digest of the state."""


def make_reference() -> EngineLike:
    """The obvious engine."""
    from oms.reference.engine import Engine  # noqa: PLC0415 - either engine alone can be tested

    return Engine()


def make_core() -> EngineLike:
    """The fast engine."""
    from oms._core.engine import Engine  # noqa: PLC0415 - either engine alone can be tested

    return Engine()


@pytest.fixture(params=[make_reference, make_core], ids=["reference", "core"])
def make_engine(request: pytest.FixtureRequest) -> Callable[[], EngineLike]:
    """Each engine in turn."""
    maker: Callable[[], EngineLike] = request.param
    return maker


def small_config(**changes: object) -> VenueConfig:
    """Two instruments, two accounts, one user."""
    config = VenueConfig(
        instruments=[
            InstrumentConfig(symbol="OAK", reference_price="12.34", phase="PRE_OPEN"),
            InstrumentConfig(symbol="ELM", tick_size="0.05", lot_size=10),
        ],
        participants=["NORTH"],
        accounts=[
            AccountConfig(firm="A", participant="NORTH", cash="1000.5", shares={"ELM": 70}),
            AccountConfig(firm="BB", participant="NORTH", all_shares=5, shares={"ELM": 0}),
        ],
        users=[UserConfig(name="anna", participant="NORTH", password="pw", accounts=["BB", "A"])],
    )
    return msgspec.structs.replace(config, **changes)


def applied(engine: EngineLike, config: VenueConfig) -> EngineLike:
    """The engine after genesis, in which nothing was refused."""
    for index, entry in enumerate(build_genesis(config, CLUSTER_ID, NOW_NS), 1):
        engine.apply(index, entry)
        kinds = {event.kind for event in unpack_events(engine.events())}
        assert EventKind.ADMIN_REJECTED not in kinds
    return engine


def test_engine_holds_what_the_configuration_says(make_engine: Callable[[], EngineLike]) -> None:
    """Whatever is lost between file and state would be found only by a trader."""
    engine = applied(make_engine(), small_config())
    directory = engine.directory()
    assert directory.cluster_id == CLUSTER_ID
    assert directory.is_day_open
    assert directory.trading_date == 20260921
    assert [item.symbol.strip() for item in directory.instruments] == ["OAK", "ELM"]
    oak, elm = directory.instruments
    assert (oak.reference_price, oak.tick_size, oak.phase) == (123_400, 100, Phase.PRE_OPEN)
    assert (elm.lot_size, elm.tick_size, elm.phase) == (10, 500, Phase.CONTINUOUS)
    assert [account.firm.strip() for account in directory.accounts] == ["A", "BB"]
    account = engine.account(1)
    assert account is not None
    assert account.cash == 10_005_000
    assert [(item.instrument_id, item.qty) for item in account.positions] == [(2, 70)]
    other = engine.account(2)
    assert other is not None
    assert [(item.instrument_id, item.qty) for item in other.positions] == [(1, 5)]


def test_administrator_always_exists(make_engine: Callable[[], EngineLike]) -> None:
    """Without session 1 and its right nobody could ever change the venue."""
    directory = applied(make_engine(), small_config()).directory()
    admin, anna = directory.users
    assert admin.name.strip("\0 ") == "ADMIN"
    assert admin.entitlements[0] & Entitlement.ADMIN
    assert directory.sessions[0].session_id == 1
    assert directory.sessions[0].user_id == admin.user_id
    assert directory.sessions[0].protocol == Protocol.ADMIN
    assert 0 not in anna.entitlements
    assert sorted(anna.entitlements) == [1, 2]


def test_user_gets_a_session_with_the_first_account_as_default(
    make_engine: Callable[[], EngineLike],
) -> None:
    """An order without Firm appendage goes there."""
    session = applied(make_engine(), small_config()).directory().sessions[1]
    assert (session.user_id, session.protocol) == (2, Protocol.OUCH)
    assert session.default_account_id == 2


def test_session_wants_its_orders_canceled_only_if_the_configuration_says_so() -> None:
    """An option that decides outcomes stands in the log, and the default is no."""
    config = small_config()
    users = [
        msgspec.structs.replace(config.users[0], cancel_on_disconnect=wanted)
        for wanted in (False, True)
    ]
    for user, expected in zip(users, (0, SessionOption.CANCEL_ON_DISCONNECT), strict=True):
        made = build_genesis(msgspec.structs.replace(config, users=[user]), CLUSTER_ID, NOW_NS)
        options = [
            command.fields.get("options", 0)
            for entry in made
            for command in batch_commands(entry)
            if command.kind == "OPEN_SESSION"
        ]
        assert options == [0, expected]


def test_password_is_kept_as_salted_scrypt_of_its_upper_case(
    make_engine: Callable[[], EngineLike],
) -> None:
    """The gateway computes the same; the protocol does not know lower case."""
    user = applied(make_engine(), small_config()).directory().users[1]
    assert user.name.strip("\0 ") == "ANNA"
    assert len(user.salt) == 16
    assert user.key_hash == hash_password("Pw", user.salt)
    assert user.key_hash == hashlib.scrypt(b"PW", salt=user.salt, n=4096, r=8, p=1, dklen=32)


def test_salt_is_fresh_for_every_user() -> None:
    """Equal passwords must not show as equal hashes."""
    first = build_genesis(small_config(), CLUSTER_ID, NOW_NS)
    assert first != build_genesis(small_config(), CLUSTER_ID, NOW_NS)


def test_password_is_not_in_the_log() -> None:
    """The journal is copied to three machines and kept."""
    user = UserConfig(name="anna", participant="NORTH", password="TOPSECRET", accounts=["A"])
    data = b"".join(build_genesis(small_config(users=[user]), CLUSTER_ID, NOW_NS))
    assert b"TOPSECRET" not in data.upper()


@pytest.mark.parametrize("config", [demo_config(7), replay_config()], ids=["demo", "replay"])
def test_sample_venues_apply_and_conserve(
    make_engine: Callable[[], EngineLike], config: VenueConfig
) -> None:
    """What `oms demo` and `oms replay` start from is accepted whole, and adds up."""
    engine = applied(make_engine(), config)
    totals = engine.totals()
    assert totals.cash_issued == totals.cash_total > 0
    assert totals.shares_issued == totals.shares_total
    assert len(engine.directory().instruments) == len(config.instruments)


def test_both_engines_agree_on_the_demo_venue() -> None:
    """The first entry is where every replica starts from."""
    entries = build_genesis(demo_config(3), CLUSTER_ID, NOW_NS)
    digests = set()
    for engine in (make_reference(), make_core()):
        for index, entry in enumerate(entries, 1):
            engine.apply(index, entry)
        digests.add(engine.state_digest())
    assert len(digests) == 1


def test_large_genesis_is_cut_into_entries(make_engine: Callable[[], EngineLike]) -> None:
    """An entry has a bound; the genesis of a large venue is longer."""
    instruments = [InstrumentConfig(symbol=f"S{number}") for number in range(1_500)]
    account = AccountConfig(firm="A", participant="NORTH", all_shares=1)
    config = small_config(instruments=instruments, accounts=[account], users=[])
    entries = build_genesis(config, CLUSTER_ID, NOW_NS)
    counts = [BATCH_HEADER.unpack_from(entry)[2] for entry in entries]
    assert counts[0] == BATCH_COMMANDS_MAX
    assert len(entries) == 3
    assert entries[0][BATCH_HEADER_BYTES] == CommandKind.GENESIS
    assert all(
        len(entry) == BATCH_HEADER_BYTES + count * COMMAND_BYTES
        for entry, count in zip(entries, counts, strict=True)
    )
    assert len(applied(make_engine(), config).directory().instruments) == 1_500


def test_demo_has_eight_instruments_that_the_seed_decides() -> None:
    """A demo can be repeated; its passwords cannot be guessed."""
    one, same, other = demo_config(1), demo_config(1), demo_config(2)
    assert [item.symbol for item in one.instruments] == list(SYMBOLS)
    assert len(SYMBOLS) == 8
    assert one.instruments == same.instruments != other.instruments
    assert one.users[0].password != same.users[0].password


def test_trading_day_is_the_utc_date() -> None:
    """Times on the wire count from its midnight."""
    date, midnight_ns = trading_day(NOW_NS)
    assert date == 20260921
    assert 0 <= NOW_NS - midnight_ns < 86_400 * 10**9
    assert midnight_ns % (86_400 * 10**9) == 0


NORTH = AccountConfig(firm="A", participant="NORTH")
WRONG = {
    "twice": small_config(accounts=[NORTH, NORTH]),
    "NORTH": small_config(participants=["NORTH", "NORTH"]),
    "SOUTH": small_config(accounts=[AccountConfig(firm="A", participant="SOUTH")], users=[]),
    "ASH": small_config(
        accounts=[AccountConfig(firm="A", participant="NORTH", shares={"ASH": 1})], users=[]
    ),
    "phase": small_config(instruments=[InstrumentConfig(symbol="ELM", phase="LUNCH")]),
    "not a decimal": small_config(instruments=[InstrumentConfig(symbol="ELM", tick_size="x")]),
    "0.00001": small_config(instruments=[InstrumentConfig(symbol="ELM", tick_size="0.00001")]),
    "negative": small_config(
        accounts=[AccountConfig(firm="A", participant="NORTH", cash="-1")], users=[]
    ),
    "printable ASCII": small_config(instruments=[InstrumentConfig(symbol="ÉLM")]),
    "longer than 16": small_config(participants=["NORTH", "N" * 17]),
    "'ADMIN'": small_config(
        users=[UserConfig(name="admin", participant="NORTH", password="x", accounts=[])]
    ),
    "protocol": small_config(
        users=[UserConfig(name="a", participant="NORTH", password="x", accounts=[], protocol="UDP")]
    ),
}


@pytest.mark.parametrize("words", WRONG)
def test_contradiction_in_the_configuration_is_refused_before_anything_is_made(words: str) -> None:
    """A wrong genesis cannot be taken back: it is the first entry of the log."""
    config = WRONG[words]
    if words == "ASH":
        config = msgspec.structs.replace(config, instruments=[InstrumentConfig(symbol="ELM")])
    with pytest.raises(SettingsError, match=words):
        build_genesis(config, CLUSTER_ID, NOW_NS)


def test_defaults_of_limits_are_in_force(make_engine: Callable[[], EngineLike]) -> None:
    """What `[risk]` says holds for every account and session, also for those that come later."""
    risk = RiskConfig(
        accounts=AccountLimitsConfig(
            order_rate=10, cancel_reserve=2, max_exposure="5.00", short_sale=False
        ),
        sessions=SessionLimitsConfig(max_open_orders=7),
    )
    directory = applied(make_engine(), small_config(risk=risk)).directory()
    of_accounts, of_sessions = directory.account_defaults, directory.session_defaults
    assert of_accounts is not None
    assert of_sessions is not None
    assert (of_accounts.order_rate, of_accounts.cancel_reserve) == (10, 2)
    assert (of_accounts.rate_window_ns, of_accounts.max_exposure) == (10**9, 50_000)
    assert of_accounts.short_sale == ShortSale.FORBIDDEN
    assert of_sessions.max_open_orders == 7
    assert all(session.limits == of_sessions for session in directory.sessions)


def test_limits_that_contradict_themselves_stop_the_start() -> None:
    """A rate that only cancels may use would refuse every order."""
    risk = RiskConfig(sessions=SessionLimitsConfig(order_rate=2, cancel_reserve=2))
    with pytest.raises(SettingsError, match="cancel_reserve is below order_rate"):
        build_genesis(small_config(risk=risk), CLUSTER_ID, NOW_NS)


EUROS = [CurrencyConfig("USD"), CurrencyConfig("EUR", "1.08250001")]


def test_currencies_of_the_configuration(make_engine: Callable[[], EngineLike]) -> None:
    """The first is the venue's own; what names none is in it."""
    config = small_config(
        currencies=EUROS,
        instruments=[
            InstrumentConfig(symbol="OAK"),
            InstrumentConfig(symbol="ELM", currency="EUR"),
            InstrumentConfig(symbol="ASH", currency="USD"),
        ],
        accounts=[AccountConfig(firm="A", participant="NORTH", cash="5", balances={"EUR": "7.5"})],
        users=[],
    )
    engine = applied(make_engine(), config)
    directory = engine.directory()
    assert [(x.code, x.rate) for x in directory.currencies] == [
        ("USD", 100_000_000),
        ("EUR", 108_250_001),
    ]
    assert [item.currency_id for item in directory.instruments] == [1, 2, 1]
    account = engine.account(1)
    assert account is not None
    assert [(b.currency_id, b.cash) for b in account.balances] == [(1, 50_000), (2, 75_000)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"currencies": [CurrencyConfig("EUR", "1.1")]}, "so its rate is 1"),
        ({"currencies": [CurrencyConfig("eur")]}, "three capital letters"),
        ({"currencies": [*EUROS, CurrencyConfig("JPY", "0")]}, "not above 0"),
        ({"currencies": [*EUROS, CurrencyConfig("JPY", "0.000000001")]}, "0.00000001"),
        ({"currencies": [*EUROS, CurrencyConfig("EUR", "2")]}, "named twice"),
        ({"instruments": [InstrumentConfig(symbol="OAK", currency="EUR")]}, "does not define"),
        (
            {"accounts": [AccountConfig(firm="A", participant="NORTH", balances={"EUR": "1"})]},
            "does not define",
        ),
        (
            {
                "currencies": EUROS,
                "accounts": [
                    AccountConfig(firm="A", participant="NORTH", balances={"USD": "1"}),
                ],
            },
            "is its cash",
        ),
        (
            {
                "currencies": EUROS,
                "accounts": [
                    AccountConfig(firm="A", participant="NORTH", balances={"EUR": "-1"}),
                ],
            },
            "negative",
        ),
    ],
)
def test_currencies_that_cannot_be(changes: dict[str, object], why: str) -> None:
    """Said before anything is written, by name."""
    with pytest.raises(SettingsError, match=why):
        build_genesis(small_config(**({"users": []} | changes)), CLUSTER_ID, NOW_NS)
