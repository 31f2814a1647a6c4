"""Orders whose time is over, when there are more than one entry may expire."""

import msgspec
import pytest

from oms.bounds import WORK_STEPS_MAX
from oms.messages import commands as c
from oms.messages.enums import EventKind, Side, TimeInForce
from oms.messages.event_records import unpack_events
from tests.properties.test_bounds import ALICE, MODULES, Venue
from tests.properties.test_mass_cancel_bounds import BOB, _order

COUNT = WORK_STEPS_MAX + 300


def _filled(module: str) -> tuple[Venue, int]:
    """A venue where all of alice's orders expire at one time, and that time."""
    venue = Venue(module, orders_max=COUNT + 10)
    due_ns = venue.now_ns + 100
    for first in range(1, COUNT + 1, 1000):
        made = [_order(ALICE, ref) for ref in range(first, min(first + 1000, COUNT + 1))]
        venue.apply([
            msgspec.structs.replace(one, time_in_force=TimeInForce.GTD, expire_ns=due_ns)
            for one in made
        ])  # fmt: skip
    assert venue.engine.next_due_ns == due_ns
    return venue, due_ns


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_expiries_are_bounded_and_in_order(module: str) -> None:
    """A million orders that end with the day's last second must not stop the venue (RULES A11)."""
    venue, due_ns = _filled(module)
    venue.now_ns = due_ns - 2
    assert venue.apply([]) == []
    is_pending = [venue.engine.is_work_pending]
    kinds = venue.apply([])
    events = unpack_events(venue.engine.events())
    gone = [event.user_ref_num for event in events if event.kind == EventKind.ORDER_CANCELED]
    assert gone == list(range(1, WORK_STEPS_MAX + 1))
    assert kinds.count(EventKind.ORDER_CANCELED) == WORK_STEPS_MAX
    is_pending.append(venue.engine.is_work_pending)  # the leader goes on at once
    kinds = venue.apply([])
    assert kinds.count(EventKind.ORDER_CANCELED) == COUNT - WORK_STEPS_MAX
    assert [*is_pending, venue.engine.is_work_pending] == [False, True, False]
    assert (venue.engine.open_orders, venue.engine.next_due_ns) == (0, 0)


@pytest.mark.property
def test_engines_agree_on_expiries_that_wait() -> None:
    """Through both, restored from a snapshot between any two entries; what waits still trades."""
    oracle, core = (_filled(module)[0] for module in MODULES)
    sale: list[c.Command] = [_order(BOB, 1, Side.SELL, 99_000)]
    for step, batch in enumerate([[], sale, [], []]):
        for venue in (oracle, core):
            venue.now_ns = venue.engine.next_due_ns if step == 0 else venue.now_ns
        assert oracle.apply(batch) == core.apply(batch)
        for venue in (oracle, core):
            venue.engine.restore(venue.engine.snapshot())
        assert oracle.engine.digest() == core.engine.digest()
        assert oracle.engine.state_digest() == core.engine.state_digest()
        assert oracle.engine.next_due_ns == core.engine.next_due_ns
    assert oracle.engine.open_orders == 1
