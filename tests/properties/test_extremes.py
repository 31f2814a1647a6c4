"""Values at their bounds and one past them, where 64 bits could run over in one engine only."""

import itertools
import json
from pathlib import Path

import pytest

from oms.bounds import MONEY_MAX, ORDER_QTY_MAX, PRICE_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY
from oms.messages.packing import pack_batch
from tests.properties.compare import engine_factory
from tests.properties.comparison import Comparison
from tests.properties.steps import Planned, Step
from tests.scenarios import world

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "digests.json"
MODULES = ["oms.reference.engine", "oms._core.engine"]
I64_MAX = (1 << 63) - 1
I64_MIN = -(1 << 63)
NEVER = I64_MAX
ADMIN = (1, 0, 0, NEVER)
ALICE = (2, 0, 0, NEVER)


def _opened(setup: world.Setup) -> Comparison:
    comparison = Comparison(engine_factory(), restore_every=1, state_every=1)
    for entry in world.opening_entries(setup):
        comparison.apply(Step(0, raw=entry))
    return comparison


def _apply(comparison: Comparison, stamp: int, *commands: c.Command) -> None:
    comparison.apply(Step(stamp, tuple(Planned(command) for command in commands)))


def _order(ref: int, side: int, ord_type: int, qty: int, price: int) -> c.NewOrder:
    return c.NewOrder(
        *ALICE, OUCH_POLICY, ref, 1, 1, side, ord_type, 1, qty, price, b"", b"", 89, 65, 78, 78
    )


@pytest.mark.property
def test_money_and_quantities_at_their_bounds() -> None:
    """No price times quantity, hold or deposit may overflow: the other engine would not."""
    setup = world.Setup()
    setup.instruments["AAPL"] = world.InstrumentSetup(reference="200000.00", market_collar=10_000)
    comparison = _opened(setup)
    deposits = (MONEY_MAX, MONEY_MAX - 30_000_000_000, I64_MIN, I64_MAX)
    shares = (MONEY_MAX, MONEY_MAX - 40_000, MONEY_MAX - 30_000, MONEY_MAX - 29_999, I64_MIN)
    _apply(
        comparison,
        world.START_NS + 1,
        ac.SetLimits(*ADMIN, 1, I64_MAX, I64_MAX, I64_MAX, I64_MAX),
        *(ac.DepositCash(*ADMIN, 1, amount) for amount in deposits),
        *(ac.DepositShares(*ADMIN, 1, 1, amount) for amount in shares),
    )
    prices = (PRICE_MAX, PRICE_MAX + 100, PRICE_MAX - 100, 100, I64_MIN, I64_MAX)
    qtys = (ORDER_QTY_MAX, ORDER_QTY_MAX + 1, 0xFFFF_FFFF)
    choices = itertools.product((1, 2, 5, 1, 2), (1, 2), qtys, prices)
    for ref, (side, ord_type, qty, price) in enumerate(choices, 1):
        stamp = world.START_NS + 1 + ref
        _apply(comparison, stamp, _order(ref, side, ord_type, qty, price))
    assert comparison.mix["TRADE"] > 0
    assert comparison.mix["ORDER_REJECTED INSUFFICIENT_CASH"] > 0


@pytest.mark.property
def test_time_at_its_bound_goes_on() -> None:
    """The last time an entry may carry is not the last entry."""
    comparison = _opened(world.Setup())
    latest = (1 << 62) - 1
    _apply(comparison, latest, c.AccountQuery(*ALICE))
    _apply(comparison, latest + 1, c.AccountQuery(*ALICE))
    for ref in range(1, 5):
        for stamp in (world.START_NS, I64_MIN, latest):
            _apply(comparison, stamp, _order(3 * ref, 1, 2, 1, 100_000), c.AccountQuery(*ALICE))
    assert comparison.oracle.last_timestamp_ns > latest
    assert comparison.mix["ACCOUNT_QUERY_RESPONSE"] > 10


@pytest.mark.property
def test_names_are_bytes() -> None:
    """A name with any bytes in it is a name; only nothing but blanks is none."""
    comparison = _opened(world.Setup())
    odd = (b"\xff\xfe A", b" \0 ", b"", b"A\0B", b"\x80")
    for number, name in enumerate(odd):
        stamp = world.START_NS + 1 + number
        _apply(comparison, stamp, ac.AddUser(*ADMIN, 5 + number, 1, name, name, name))
        _apply(comparison, stamp, ac.AddInstrument(*ADMIN, 3, name, 1, 1, 0, 0, 1, 3))
        _apply(comparison, stamp, ac.AddAccount(*ADMIN, 4, 1, name[:4], 1, 1, 1, 1))
    assert comparison.mix["ADMIN_REJECTED BAD_VALUE"] > 0


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(("rule_version", "pinned"), [(1, "digests"), (3, "chain_3")])
def test_digests_of_a_fixed_log_are_pinned(module: str, rule_version: int, pinned: str) -> None:
    """Replicas of two versions compare digests, so both engines may not change together."""
    engine = engine_factory(module)()
    setup = world.Setup(venue=world.VenueSetup(rule_version=rule_version))
    entries = world.opening_entries(setup)
    orders = [
        c.NewOrder(
            2 + ref % 3, 1, 1 + ref // 3, NEVER, OUCH_POLICY, 1 + ref // 3, 1 + ref % 3, 1,
            1 + ref % 2, 2, 1, 10 + ref, 100_000 + 100 * (ref % 5), b"ID%d" % ref, b"F", 89, 65,
            78, 78,
        )
        for ref in range(30)
    ]  # fmt: skip
    entries += [pack_batch(world.START_NS + ref, [order]) for ref, order in enumerate(orders)]
    entries += [b"noise", pack_batch(world.START_NS, [ac.EndDay(1, 1, 1, NEVER)])]
    entries.append(pack_batch(world.START_NS + 100, []))
    digests = []
    for index, entry in enumerate(entries, 1):
        engine.apply(index, entry)
        digests.append(f"{engine.digest():016x}{engine.state_digest():016x}")
    expected = json.loads(GOLDEN.read_text())[pinned]
    assert [digest[: len(expected[0])] for digest in digests] == expected
