"""Deposits and transfers at their bounds: the ring of keys, and costs beyond 64 bits' products."""

import pytest

from oms.bounds import MONEY_MAX, POSTING_KEYS_MAX, PRICE_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, Side
from tests.properties.compare import engine_factory
from tests.properties.comparison import Comparison
from tests.properties.steps import Planned, Step
from tests.scenarios import world

NEVER = (1 << 63) - 1
ADMIN = (1, 0, 0, NEVER)
ALICE, BOB = 1, 2  # accounts


def _opened(**accounts: world.AccountSetup) -> Comparison:
    setup = world.Setup()
    setup.accounts.update(accounts)
    comparison = Comparison(engine_factory(), restore_every=1, state_every=1)
    for entry in world.opening_entries(setup):
        comparison.apply(Step(0, raw=entry))
    return comparison


def _apply(comparison: Comparison, *commands: c.Command) -> None:
    stamp = comparison.oracle.last_timestamp_ns + 1
    comparison.apply(Step(stamp, tuple(Planned(command) for command in commands)))


def _order(session: int, ref: int, side: Side, qty: int, price: int) -> c.NewOrder:
    return c.NewOrder(
        session, 0, 0, NEVER, OUCH_POLICY, ref, session - 1, 1, side, 2, 1, qty, price, b"", b"",
        89, 65, 78, 78,
    )  # fmt: skip


def _cash(comparison: Comparison) -> int:
    view = comparison.oracle.account(ALICE)
    assert view is not None
    return view.cash


@pytest.mark.property
def test_the_ring_forgets_the_oldest_key_and_no_other() -> None:
    """Memory is bounded; within the bound no repeat may count twice."""
    comparison = _opened(alice=world.AccountSetup(cash="0"))
    step = 512
    for first in range(1, POSTING_KEYS_MAX + 1, step):
        _apply(comparison, *(ac.DepositCash(*ADMIN, ALICE, 1, first + n) for n in range(step)))
    assert _cash(comparison) == POSTING_KEYS_MAX
    _apply(comparison, ac.DepositCash(*ADMIN, ALICE, 1, 1))
    assert _cash(comparison) == POSTING_KEYS_MAX
    _apply(comparison, ac.DepositCash(*ADMIN, ALICE, 1, POSTING_KEYS_MAX + 1))
    _apply(comparison, ac.DepositCash(*ADMIN, ALICE, 1, 2), ac.DepositCash(*ADMIN, ALICE, 2, 2))
    assert comparison.mix["ADMIN_REJECTED WRONG_KEY"] == 1
    assert _cash(comparison) == POSTING_KEYS_MAX + 1
    _apply(comparison, ac.DepositCash(*ADMIN, ALICE, 1, 1))
    assert _cash(comparison) == POSTING_KEYS_MAX + 2


@pytest.mark.property
@pytest.mark.parametrize("cost", [1, 10**17 + 1, MONEY_MAX])
@pytest.mark.parametrize("qty", [3, 2_000_000_011, MONEY_MAX])
def test_a_cost_of_any_size_is_shared_exactly(cost: int, qty: int) -> None:
    """Cost x quantity does not fit 64 bits long before either of them is out of bounds."""
    nothing = world.AccountSetup(AAPL=0)
    comparison = _opened(alice=nothing, bob=nothing, carol=nothing)
    _apply(
        comparison,
        ac.DepositShares(*ADMIN, ALICE, 1, qty, 0, cost),
        ac.Transfer(*ADMIN, ALICE, BOB, 1, qty // 3),
        ac.Transfer(*ADMIN, ALICE, BOB, 1, qty // 7 or 1),
        ac.DepositShares(*ADMIN, BOB, 1, -1),
    )
    views = [comparison.oracle.account(n) for n in (ALICE, BOB)]
    costs = [view.positions[0].cost for view in views if view]
    assert sum(costs) <= cost < sum(costs) + cost // 3 + 2


@pytest.mark.property
def test_profit_stops_at_the_bound_of_money() -> None:
    """Amounts no venue comes to stay numbers, on both engines the same."""
    wide = world.AccountSetup(
        cash="0",
        AAPL=0,
        max_qty=1 << 40,
        max_value="900000000000000.00",
        long=1 << 61,
        short=1 << 61,
    )
    comparison = _opened(alice=wide, bob=wide)
    qty, price = 0x7FFF_FFFF, PRICE_MAX
    _apply(comparison, ac.DepositCash(*ADMIN, BOB, MONEY_MAX - 30_000_000_000))
    for ref in range(1, 4):
        _apply(
            comparison,
            _order(2, ref, Side.SELL_SHORT, qty, price),
            _order(3, ref, Side.BUY, qty, price),
            ac.Transfer(*ADMIN, ALICE, BOB, 0, qty * price),
        )
    (short,) = [p for view in [comparison.oracle.account(ALICE)] if view for p in view.positions]
    assert (short.qty, short.cost) == (-3 * qty, -MONEY_MAX)
    assert comparison.mix["TRADE"] == 3
