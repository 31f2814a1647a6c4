"""A new day with more live orders than one entry may restate."""

import msgspec
import pytest

from oms.bounds import WORK_STEPS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import EventKind, Phase, Side, TimeInForce
from oms.messages.event_records import unpack_events
from tests.properties.test_bounds import ADMIN, ALICE, MODULES, NEVER, Venue
from tests.properties.test_mass_cancel_bounds import BOB, _order
from tests.scenarios import world

COUNT = 2 * WORK_STEPS_MAX + 300


def _sign(seq: int) -> tuple[int, int, int, int]:
    return (ADMIN, 1, seq, NEVER)


def _reopened(module: str) -> Venue:
    """A venue at the start of its second day, with alice's orders of the first at three prices."""
    venue = Venue(module, orders_max=COUNT + 10)
    for first in range(1, COUNT + 1, 1000):
        venue.apply([
            msgspec.structs.replace(
                _order(ALICE, ref, Side.BUY, 99_000 + 100 * (ref % 3)),
                time_in_force=TimeInForce.GTC,
            )
            for ref in range(first, min(first + 1000, COUNT + 1))
        ])  # fmt: skip
    venue.apply([ac.EndDay(*_sign(1))])
    while venue.engine.is_work_pending:
        venue.apply([])
    venue.apply([ac.StartDay(*_sign(2), world.TRADING_DATE + 1, world.MIDNIGHT_NS)])
    return venue


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_day_starts_in_bounded_pieces(module: str) -> None:
    """Best price first and first come first, with numbers that rise along each queue."""
    venue = _reopened(module)
    restated = []
    while venue.engine.is_work_pending:
        kinds = venue.apply([])
        assert kinds.count(EventKind.ORDER_RESTATED) <= WORK_STEPS_MAX
        events = unpack_events(venue.engine.events())
        restated += [event for event in events if event.kind == EventKind.ORDER_RESTATED]
    assert len(restated) == COUNT
    numbers = [event.public_id for event in restated]
    assert numbers == list(range(COUNT + 1, 2 * COUNT + 1))
    expected = sorted(range(1, COUNT + 1), key=lambda ref: (-(ref % 3), ref))
    assert [event.user_ref_num for event in restated] == expected


@pytest.mark.property
def test_engines_agree_on_a_day_that_is_still_starting() -> None:
    """Through both, restored between any two entries, while orders come, go and trade."""
    oracle, core = (_reopened(module) for module in MODULES)
    batches: list[list[c.Command]] = [
        [_order(BOB, 1, Side.BUY, 99_200), _order(BOB, 2, Side.BUY, 99_300)],
        [ac.SetPhase(*_sign(3), 1, Phase.CONTINUOUS), _order(BOB, 3, Side.SELL, 99_200)],
        [_order(BOB, 4, Side.BUY, 99_100)],
        [],
        [_order(BOB, 5, Side.SELL, 99_000)],
    ]
    for batch in batches:
        assert oracle.apply(batch) == core.apply(batch)
        assert oracle.engine.events() == core.engine.events()
        for venue in (oracle, core):
            venue.engine.restore(venue.engine.snapshot())
        assert oracle.engine.state_digest() == core.engine.state_digest()
        assert oracle.engine.is_work_pending == core.engine.is_work_pending
    assert not core.engine.is_work_pending
