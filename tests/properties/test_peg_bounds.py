"""Peg storms: more pegs follow one price than one entry may examine."""

import msgspec
import pytest

from oms.bounds import PEGS_MAX, WORK_STEPS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import (
    OUCH_POLICY,
    EventKind,
    OrdType,
    Phase,
    RejectReason,
    Side,
    TimeInForce,
)
from oms.messages.event_records import unpack_events
from tests.properties.test_bounds import ADMIN, ALICE, MODULES, NEVER, Venue
from tests.properties.test_mass_cancel_bounds import BOB, _order

MANY = WORK_STEPS_MAX + 500
BEST = 90_000


def _peg(ref: int) -> c.NewOrder:
    """Alice buys a share where others do, up to 10.00."""
    return msgspec.structs.replace(
        _order(ALICE, ref),
        ord_type=OrdType.PEG_PRIMARY,
        time_in_force=TimeInForce.GTC,
        display=ord("N"),
        price=100_000,
    )


def _bid(ref: int, price: int) -> c.NewOrder:
    return _order(BOB, ref, Side.BUY, price)


def _filled(module: str, count: int) -> Venue:
    """A venue where `count` of alice's pegs stand at bob's price."""
    venue = Venue(module, orders_max=count + 10)
    venue.apply([_bid(1, BEST)])
    for first in range(1, count + 1, 1000):
        venue.apply([_peg(ref) for ref in range(first, min(first + 1000, count + 1))])
    assert venue.engine.open_orders == count + 1
    assert not venue.engine.is_work_pending
    return venue


def _standing(venue: Venue) -> dict[int, int]:
    """How many of alice's pegs stand at which price."""
    prices: dict[int, int] = {}
    for order in venue.engine.session_orders(ALICE):
        prices[order.pegged_price] = prices.get(order.pegged_price, 0) + 1
    return prices


def _is_done(venue: Venue) -> bool:
    return not venue.engine.is_work_pending


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_storm_takes_bounded_steps(module: str) -> None:
    """However many pegs one price moves, no entry examines more (RULES A11)."""
    venue = _filled(module, MANY)
    venue.apply([_bid(2, BEST + 100)])
    assert not _is_done(venue)
    assert _standing(venue) == {BEST + 100: WORK_STEPS_MAX, BEST: MANY - WORK_STEPS_MAX}
    venue.apply([])
    assert _standing(venue) == {BEST + 100: MANY}
    assert _is_done(venue)


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_halt_suspends_all_at_once(module: str) -> None:
    """A call must not find some of them in the book; they come back in bounded steps."""
    venue = _filled(module, MANY)
    venue.apply([_bid(2, BEST + 100), ac.SetPhase(ADMIN, 1, 1, NEVER, 1, Phase.HALTED)])
    assert not venue.engine.is_work_pending
    assert _standing(venue) == {0: MANY}
    venue.apply([ac.SetPhase(ADMIN, 1, 2, NEVER, 1, Phase.CONTINUOUS)])
    assert _standing(venue) == {BEST + 100: WORK_STEPS_MAX, 0: MANY - WORK_STEPS_MAX}


@pytest.mark.property
def test_only_so_many_live_in_a_venue() -> None:
    """All of them may have to leave the book in one entry, so there is a bound, and who meets it
    is told. The core alone: the oracle would take a minute.
    """
    venue = _filled("oms._core.engine", PEGS_MAX)
    assert venue.apply([_peg(PEGS_MAX + 1)]) == [EventKind.ORDER_REJECTED]
    assert unpack_events(venue.engine.events())[0].reason == RejectReason.CAPACITY
    venue.apply([_cancel(PEGS_MAX + 2, 7)])
    kinds = venue.apply([msgspec.structs.replace(_peg(PEGS_MAX + 2), client_seq=PEGS_MAX + 3)])
    assert EventKind.ORDER_ACCEPTED in kinds


def _cancel(seq: int, ref: int) -> c.CancelOrder:
    return c.CancelOrder(ALICE, 1, seq, NEVER, OUCH_POLICY, ref, 0)


def _bob_cancels(seq: int, ref: int) -> c.CancelOrder:
    return c.CancelOrder(BOB, 1, seq, NEVER, OUCH_POLICY, ref, 0)


# In the middle of a pass: the next peg goes, another one enters, the price comes back to what it
# was when the pass began, so that those examined in between stand wrong until another pass.
THERE_AND_BACK: list[list[c.Command]] = [
    [_bid(2, BEST + 100), _cancel(MANY + 1, WORK_STEPS_MAX + 1)],
    [_bid(3, BEST + 200), msgspec.structs.replace(_peg(MANY + 2), client_seq=MANY + 2)],
    [_bob_cancels(4, 3)],
    [],
    [],
    [],
]
# The first pass is not over when the price changes; nobody is examined between there and back.
UNSEEN: list[list[c.Command]] = [
    [_bid(2, BEST + 100), _bid(3, BEST + 200), _bob_cancels(4, 3)],
    [],
    [],
]
HALTED: list[list[c.Command]] = [
    [_bid(2, BEST + 100), ac.SetPhase(ADMIN, 1, 1, NEVER, 1, Phase.VOLATILITY_AUCTION)],
    [ac.SetPhase(ADMIN, 1, 2, NEVER, 1, Phase.CONTINUOUS)],
    [],
    [],
]


@pytest.mark.property
@pytest.mark.parametrize(
    "batches", [THERE_AND_BACK, UNSEEN, HALTED], ids=["back", "unseen", "halt"]
)
def test_engines_agree_on_a_storm(batches: list[list[c.Command]]) -> None:
    """Through both, restored from a snapshot between two entries; all stand right in the end."""
    oracle, core = (_filled(module, MANY) for module in MODULES)
    for batch in batches:
        assert oracle.apply(batch) == core.apply(batch)
        assert oracle.engine.events() == core.engine.events()
        for venue in (oracle, core):
            venue.engine.restore(venue.engine.snapshot())
        assert oracle.engine.is_work_pending == core.engine.is_work_pending
        assert oracle.engine.digest() == core.engine.digest()
        assert oracle.engine.state_digest() == core.engine.state_digest()
        assert oracle.engine.scrub_digest(0) == core.engine.scrub_digest(0)
    assert not core.engine.is_work_pending
    assert list(_standing(core)) == [BEST + 100]
