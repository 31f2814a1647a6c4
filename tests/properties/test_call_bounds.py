"""An uncross with more trades than one entry may have, and how its price is found."""

import random

import msgspec
import pytest

from oms.bounds import WORK_STEPS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, EventKind, OrdType, Phase, RejectReason, Side
from oms.messages.event_records import unpack_events
from tests.properties.compare import engine_factory
from tests.properties.comparison import Comparison
from tests.properties.steps import Planned, Step
from tests.properties.test_bounds import ADMIN, ALICE, MODULES, NEVER, Venue
from tests.scenarios import world

BOB = 3
COUNT = 2 * WORK_STEPS_MAX + 300


def _order(session: int, ref: int, side: int, price: int, qty: int = 1) -> c.Command:
    return c.NewOrder(
        session, 1, ref, NEVER, OUCH_POLICY, ref, session - 1, 1, side, 2, 2, qty, price, b"", b"",
        ord("Y"), ord("A"), ord("N"), ord("N"),
    )  # fmt: skip


def _phase(seq: int, phase: Phase) -> ac.SetPhase:
    return ac.SetPhase(ADMIN, 1, seq, NEVER, 1, phase)


def _collected(module: str) -> Venue:
    """A call in which alice buys and bob sells COUNT single shares."""
    venue = Venue(module, orders_max=2 * COUNT + 10)
    venue.apply([_phase(1, Phase.OPENING_AUCTION)])
    for first in range(1, COUNT + 1, 500):
        refs = range(first, min(first + 500, COUNT + 1))
        venue.apply(
            [_order(ALICE, ref, Side.BUY, 100_000) for ref in refs]
            + [_order(BOB, ref, Side.SELL, 100_000) for ref in refs]
        )
    assert venue.engine.open_orders == 2 * COUNT
    return venue


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_an_uncross_takes_bounded_steps(module: str) -> None:
    """However many trades there are, no entry has more than WORK_STEPS_MAX steps (RULES A11)."""
    venue = _collected(module)
    kinds = venue.apply([_phase(2, Phase.CONTINUOUS)])
    left, most = COUNT, WORK_STEPS_MAX - 1  # to find the price is a step, too
    while True:
        trades = kinds.count(EventKind.ORDER_EXECUTED) // 2
        assert trades == min(left, most)
        left -= trades
        assert (EventKind.PHASE_CHANGED in kinds) == (left == 0)
        assert (EventKind.AUCTION_TRADE in kinds) == (left == 0)
        assert venue.engine.is_work_pending == (left > 0)
        if not left:
            break
        kinds, most = venue.apply([]), WORK_STEPS_MAX
    assert venue.engine.open_orders == 0


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_in_the_middle_orders_wait_outside_and_cancels_pass(module: str) -> None:
    """Who comes now would change a price that is settled; who goes is never locked in."""
    venue = _collected(module)
    seq = COUNT + 1
    venue.apply([
        _phase(2, Phase.CONTINUOUS),
        _order(ALICE, seq, Side.BUY, 100_000),
        c.CancelOrder(ALICE, 1, seq + 1, NEVER, 0, COUNT, 0),
        _phase(3, Phase.HALTED),
    ])  # fmt: skip
    events = unpack_events(venue.engine.events())
    rejected = [e.reason for e in events if e.kind == EventKind.ORDER_REJECTED]
    assert rejected == [RejectReason.HALTED]
    assert EventKind.ORDER_CANCELED in [e.kind for e in events]
    refused = [e.reason for e in events if e.kind == EventKind.ADMIN_REJECTED]
    assert refused == [RejectReason.BAD_VALUE]
    while venue.engine.is_work_pending:
        venue.apply([])
    left = venue.engine.session_orders(BOB)
    assert [order.user_ref_num for order in left] == [COUNT]


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_the_day_ends_behind_its_uncross(module: str) -> None:
    """The sweep would take what has the right to trade."""
    venue = _collected(module)
    kinds = venue.apply([_phase(2, Phase.CLOSED), ac.EndDay(ADMIN, 1, 3, NEVER)])
    while venue.engine.is_work_pending:
        kinds += venue.apply([])
    assert kinds.count(EventKind.ORDER_EXECUTED) == 2 * COUNT
    assert EventKind.ORDER_CANCELED not in kinds
    assert kinds[-1] == EventKind.DAY_ENDED


@pytest.mark.property
@pytest.mark.parametrize("seed", range(40))
def test_the_price_is_the_one_that_trying_all_finds(seed: int) -> None:
    """The core stops where both sides meet; the oracle tries every price."""
    rng = random.Random(seed)
    comparison = Comparison(engine_factory(), restore_every=9, state_every=3)
    setup = world.Setup()
    setup.instruments["AAPL"].reference = rng.choice(("0", "10.00", "10.005", "9.97", "20.00"))
    for entry in world.opening_entries(setup):
        comparison.apply(Step(0, raw=entry))

    def apply(*commands: c.Command) -> None:
        comparison.apply(Step(world.START_NS, tuple(Planned(command) for command in commands)))

    apply(_phase(1, Phase.OPENING_AUCTION))
    for ref in range(1, 60):
        side = rng.choice((Side.BUY, Side.SELL))
        price = 100_000 + 100 * rng.randint(-4, 4)
        session = rng.choice((ALICE, BOB))
        order = _order(session, ref, side, price, rng.choice((1, 1, 2, 3, 10)))
        if rng.random() < 0.1 and setup.instruments["AAPL"].reference != "0":
            order = msgspec.structs.replace(order, ord_type=OrdType.MARKET, time_in_force=1)
        apply(order)
    assert comparison.mix["AUCTION_STATE"] > 3, f"seed {seed}"
    apply(_phase(2, Phase.CONTINUOUS))
    assert comparison.mix["AUCTION_TRADE"] == 1, f"seed {seed}"
