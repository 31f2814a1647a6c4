"""Of two rules that an order breaks at once the first of docs/rules.md, Precedence, is the answer.

Each rule has a way to break it that leaves the others' ways open; every rule is broken together
with each of the three that come next in the table, by one order, on both engines.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import (
    EventKind,
    KillScope,
    OrdType,
    Phase,
    RejectReason,
    RiskField,
    RiskScope,
    Side,
    TimeInForce,
)
from oms.messages.event_records import unpack_events
from oms.messages.packing import pack_batch
from oms.reference.engine import Engine
from tests.properties.compare import engine_factory
from tests.scenarios import world

RULES = Path(__file__).parents[2] / "docs" / "rules.md"
ADMIN, ALICE, BOB = 1, 2, 3
AAPL = 1
NEVER = world.NOT_AFTER_NS
GOOD = c.NewOrder(
    ALICE, 1, 0, NEVER, 0, 0, 1, AAPL, Side.BUY, OrdType.LIMIT, TimeInForce.DAY, 100, 100_000,
    b"", b"", ord("Y"), ord("A"), ord("N"), ord("N"),
)  # fmt: skip
FREE = (0, 0, 0, 0)


class Breaks(NamedTuple):
    """How a rule is broken. Shape: fields of the order; what an administrator does before."""

    order: dict[str, int]
    before: tuple[ac.AdminCommand, ...] = ()


def risk(field: RiskField, **limits: int) -> ac.SetRisk:
    """A limit of alice's account."""
    return ac.SetRisk(*FREE, RiskScope.ACCOUNT, 1, field, **limits)


def limits(**changed: int) -> ac.SetLimits:
    """Alice's limits, one of them narrow."""
    wide = {"max_order_qty": 10**9, "max_order_value": 10**15, "long_limit": 10**9}
    return ac.SetLimits(*FREE, 1, **(wide | {"short_limit": 10**9} | changed))


def instrument(*, reference: int = 100_000, collar: int = 0) -> ac.SetInstrument:
    """AAPL with another reference or collar."""
    return ac.SetInstrument(*FREE, AAPL, 10, 100, reference, collar, 500)


# In the order of the table. Sides: a rule that is for sales alone takes a short sale; rules for
# purchases are left out of its pairs.
SHORT: dict[str, int] = {"side": Side.SELL_SHORT}
RULES_BROKEN: dict[str, Breaks] = {
    "NOT_OFFERED": Breaks({"refuse_reason": RejectReason.NOT_OFFERED}),
    "NOT_ENTITLED": Breaks({"account_id": 2}),
    "UNKNOWN_INSTRUMENT": Breaks({"instrument_id": 9}),
    "ENTRY_OFF": Breaks({}, (ac.SetKill(*FREE, KillScope.SESSION, ALICE, 1),)),
    "MARKET_CLOSED": Breaks({}, (ac.SetPhase(*FREE, AAPL, Phase.CLOSED),)),
    "HALTED": Breaks({}, (ac.SetPhase(*FREE, AAPL, Phase.HALTED),)),
    "RESTRICTED": Breaks({}, (ac.SetRestriction(*FREE, AAPL, 0, 15),)),
    "BAD_SIDE": Breaks({"side": 9}),
    "BAD_ORDER_TYPE": Breaks({"ord_type": 99}),
    "BAD_EXPIRE_TIME": Breaks({"expire_ns": 1}),
    "BAD_QUANTITY": Breaks({"order_qty": 101}),
    "BAD_MIN_QTY": Breaks({"min_qty": 1}),
    "BAD_DISPLAY": Breaks({"display_qty": 1}),
    "BAD_STOP": Breaks({"ord_type": OrdType.STOP}),  # it says no stop price
    "BAD_PEG": Breaks({"ord_type": OrdType.PEG_PRIMARY}),  # it does not hide
    "QUANTITY_ABOVE_MAX": Breaks({}, (limits(max_order_qty=1),)),
    "NO_REFERENCE_PRICE": Breaks({"ord_type": OrdType.MARKET}, (instrument(reference=0),)),
    "BAD_PRICE": Breaks({"price": 100_001}),
    "PRICE_COLLAR": Breaks({"price": 120_000}, (instrument(collar=100),)),
    "VALUE_ABOVE_MAX": Breaks({}, (limits(max_order_value=1),)),
    "DUPLICATE_ORDER": Breaks({}, (risk(RiskField.DUPLICATES, duplicate_window_ns=10**9),)),
    "RATE_LIMIT": Breaks({}, (risk(RiskField.ORDER_RATE, order_rate=1, rate_window_ns=10**12),)),
    "OPEN_ORDERS_LIMIT": Breaks({}, (risk(RiskField.OPEN_ORDERS, max_open_orders=1),)),
    "POSITION_LIMIT": Breaks({}, (limits(long_limit=0, short_limit=0),)),
    "EXPOSURE_LIMIT": Breaks({}, (risk(RiskField.EXPOSURE, max_exposure=1),)),
    "SHORT_NOT_ALLOWED": Breaks(SHORT, (risk(RiskField.SHORT_SALE, short_sale=1),)),
    "INSUFFICIENT_SHARES": Breaks({"side": Side.SELL}),
    "INSUFFICIENT_CASH": Breaks({}, (ac.DepositCash(*FREE, 1, -9_990_000_000),)),
    "CAPACITY": Breaks({}),
}
ORDER = list(RULES_BROKEN)
# Rules that no order breaks together: of different order types, sides, phases; and one in which the
# second field is not looked at.
APART = {
    ("NO_REFERENCE_PRICE", "BAD_PRICE"), ("MARKET_CLOSED", "HALTED"),
    ("SHORT_NOT_ALLOWED", "INSUFFICIENT_SHARES"), ("INSUFFICIENT_SHARES", "INSUFFICIENT_CASH"),
    ("SHORT_NOT_ALLOWED", "INSUFFICIENT_CASH"), ("BAD_PRICE", "PRICE_COLLAR"),
    ("NO_REFERENCE_PRICE", "PRICE_COLLAR"), ("BAD_PEG", "NO_REFERENCE_PRICE"),
    ("BAD_MIN_QTY", "BAD_STOP"), ("BAD_STOP", "BAD_PEG"), ("BAD_STOP", "NO_REFERENCE_PRICE"),
}  # fmt: skip
STANDS_FOR = "refuse_reason"  # in the table: whatever the record brings
PAIRS = [
    (first, second)
    for number, first in enumerate(ORDER)
    for second in ORDER[number + 1 : number + 4]
    if (first, second) not in APART
]


def answer(make_engine: Callable[[], Engine], *rules: str) -> str:
    """The reason an order is refused for that breaks these rules; "" if it is not."""
    setup = world.Setup(
        venue=world.VenueSetup(orders_max=1 if "CAPACITY" in rules else 4096),
        accounts={name: world.AccountSetup(AAPL=0, short=10**9) for name in world.FIRMS},
    )
    setup.instruments["AAPL"].lot = 10
    engine = make_engine()
    entries = world.opening_entries(setup)
    order = msgspec.structs.replace(GOOD, client_seq=1, user_ref_num=1)
    resting = [msgspec.structs.replace(order, **_fields(rules))]  # what it is compared with, and
    if "CAPACITY" in rules or "INSUFFICIENT_CASH" in rules:  # what takes the only place there is
        resting = [msgspec.structs.replace(order, price=1_000)]
    before = [command for rule in rules for command in RULES_BROKEN[rule].before]
    kept = [b for b in before if isinstance(b, ac.SetRisk) and b.fields & _REMEMBERS]
    signed = [
        msgspec.structs.replace(b, session_id=ADMIN, conn_epoch=1, client_seq=n, not_after_ns=NEVER)
        for n, b in enumerate([*kept, *(b for b in before if b not in kept)], 1)
    ]
    tried = msgspec.structs.replace(order, client_seq=2, user_ref_num=2, **_fields(rules))
    batches: list[list[c.Command]] = [
        [*signed[: len(kept)]], [*resting], [*signed[len(kept) :]], [tried],
    ]  # fmt: skip
    entries += [pack_batch(world.START_NS, batch) for batch in batches]
    for index, entry in enumerate(entries, 1):
        engine.apply(index, entry)
        refused = [e for e in unpack_events(engine.events()) if e.kind == EventKind.ADMIN_REJECTED]
        assert not refused, refused
    last = unpack_events(engine.events())[0]
    return RejectReason(last.reason).name if last.kind == EventKind.ORDER_REJECTED else ""


_REMEMBERS = RiskField.DUPLICATES | RiskField.ORDER_RATE


def _fields(rules: tuple[str, ...]) -> dict[str, int]:
    fields: dict[str, int] = {}
    for rule in rules:
        fields |= RULES_BROKEN[rule].order
    return fields


@pytest.fixture(params=["oms.reference.engine", "oms._core.engine"])
def make_engine(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    """Each engine in turn."""
    return engine_factory(request.param)


@pytest.mark.scenario
@pytest.mark.parametrize("rule", ORDER)
def test_each_rule_is_broken_alone(make_engine: Callable[[], Engine], rule: str) -> None:
    """Otherwise the pairs would show nothing."""
    assert answer(make_engine, rule) == rule


@pytest.mark.scenario
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_first_of_two_is_the_answer(
    make_engine: Callable[[], Engine], first: str, second: str
) -> None:
    """A client corrects one thing after the other; on every replica it is the same one."""
    assert answer(make_engine, first, second) == first


def test_the_table_of_the_rules_is_this_one() -> None:
    """Who adds a rule to the table adds a way to break it here."""
    text = RULES.read_text()
    section = text[text.index("## Precedence") :].split("\n## ")[0]
    table = re.findall(r"^\| \d+ \| (\w+) \|", section, re.MULTILINE)
    known = [name for name in table if name != STANDS_FOR]
    assert known == ORDER[1:]
