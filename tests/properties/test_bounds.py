"""What only shows with many: the bounded sweep at the day's end, the window of outcomes."""

import importlib

import msgspec
import pytest

from oms.bounds import COMMAND_BYTES, EVENT_BYTES, OUTCOME_WINDOW, WORK_STEPS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, EventKind, KillScope
from oms.messages.event_records import unpack_events
from oms.messages.packing import pack_batch
from oms.reference.engine import Engine
from tests.scenarios import world

NEVER = world.NOT_AFTER_NS
ADMIN, ALICE = 1, 2
MODULES = ["oms.reference.engine", "oms._core.engine"]


class Venue:
    """A venue of the scenarios' kind that is driven by records."""

    def __init__(self, module: str, *, disconnecting: tuple[str, ...] = (), **limits: int) -> None:
        self.engine: Engine = importlib.import_module(module).Engine()
        setup = world.Setup(venue=world.VenueSetup(**limits))
        for name in disconnecting:
            setup.sessions[name].cancel_on_disconnect = 1
        self.index = 0
        self.now_ns = world.START_NS
        for entry in world.opening_entries(setup):
            self.index += 1
            self.engine.apply(self.index, entry)

    def apply(self, commands: list[c.Command]) -> list[int]:
        """One entry; the kinds of its events."""
        self.index += 1
        self.now_ns += 1
        self.engine.apply(self.index, pack_batch(self.now_ns, commands))
        return [event.kind for event in unpack_events(self.engine.events())]


def _orders(first: int, last: int, *, tif: int = 1) -> list[c.Command]:
    return [
        c.NewOrder(
            ALICE, 1, n, NEVER, OUCH_POLICY, n, 1, 1, 1, 2, tif, 1, 100 + 100 * (n % 50), b"", b"",
            ord("Y"), ord("A"), ord("N"), ord("N"),
        )
        for n in range(first, last + 1)
    ]  # fmt: skip


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_a_command_is_in_time_until_its_last_nanosecond(module: str) -> None:
    """A gateway gives a command a last moment: at it the command passes, behind it none does."""
    venue = Venue(module)
    order = _orders(1, 1)[0]
    last = venue.now_ns + 1
    late, in_time = (msgspec.structs.replace(order, not_after_ns=n) for n in (last - 1, last))
    assert venue.apply([late, in_time])[:2] == [
        EventKind.COMMAND_EXPIRED, EventKind.ORDER_ACCEPTED,
    ]  # fmt: skip


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("count", [WORK_STEPS_MAX - 1, WORK_STEPS_MAX, WORK_STEPS_MAX + 1, 2500])
def test_day_end_sweep_takes_bounded_steps(module: str, count: int) -> None:
    """However many orders expire, no entry examines more than WORK_STEPS_MAX slots (RULES A11)."""
    venue = Venue(module)
    for first in range(1, count + 1, 1000):
        venue.apply(_orders(first, min(first + 999, count)))
    assert venue.engine.open_orders == count
    venue.apply([ac.EndDay(ADMIN, 1, 1, NEVER)])
    left = count
    while left > 0:
        assert venue.engine.is_work_pending
        kinds = venue.apply([])
        canceled = kinds.count(EventKind.ORDER_CANCELED)
        assert canceled == min(left, WORK_STEPS_MAX)
        left -= canceled
        assert (EventKind.DAY_ENDED in kinds) == (left == 0)
    assert not venue.engine.is_work_pending
    assert venue.engine.open_orders == 0


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_outcomes_are_kept_for_a_window(module: str) -> None:
    """A resend finds its outcome as long as it can be in flight, and no longer."""
    venue = Venue(module)
    last = OUTCOME_WINDOW + 100
    for first in range(1, last + 1, 1000):
        numbers = range(first, min(first + 1000, last + 1))
        venue.apply([c.AccountQuery(ALICE, 1, n, NEVER) for n in numbers])
    asked = [0, 1, 100, 101, last - 1, last]
    venue.apply([c.AccountQuery(ALICE, 1, n, NEVER) for n in asked])
    events = unpack_events(venue.engine.events())
    assert [event.kind for event in events] == [EventKind.ALREADY_APPLIED] * len(asked)
    # The stream starts with the day's SYSTEM_EVENT, so command n ended at n + 1.
    assert [event.order_id for event in events] == [0, 0, 0, 102, last, last + 1]


@pytest.mark.property
def test_engines_agree_after_sweep_and_window() -> None:
    """The same through both, digest by digest."""
    oracle, core = (Venue(module) for module in MODULES)
    batches = [_orders(1, 1000), _orders(1001, 2000, tif=2), _orders(2001, 3000)]
    batches.append([ac.EndDay(ADMIN, 1, 1, NEVER)])
    batches += [[], [], []]
    batches += [
        [c.AccountQuery(ALICE, 1, n, NEVER) for n in range(first, first + 1000)]
        for first in range(3001, 8001, 1000)
    ]
    batches.append([ac.StartDay(ADMIN, 1, 2, NEVER, 20260106, world.MIDNIGHT_NS)])
    batches.append([c.AccountQuery(ALICE, 1, n, NEVER) for n in (1, 3903, 3905, 8000, 8001)])
    for batch in batches:
        assert oracle.apply(batch) == core.apply(batch)
        assert oracle.engine.events() == core.engine.events()
        assert oracle.engine.digest() == core.engine.digest()
        assert oracle.engine.state_digest() == core.engine.state_digest()


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_an_index_is_applied_once(module: str) -> None:
    """Applying an entry twice is a fault of the caller and must not pass silently."""
    venue = Venue(module)
    with pytest.raises(ValueError, match=r"\d"):
        venue.engine.apply(venue.index, pack_batch(venue.now_ns, []))
    venue.engine.skip_to(venue.index + 5)
    assert venue.engine.applied_index == venue.index + 5
    with pytest.raises(ValueError, match=r"\d"):
        venue.engine.apply(venue.index + 5, pack_batch(venue.now_ns, []))


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_damaged_snapshot_is_refused(module: str) -> None:
    """A node that starts from half a snapshot would be a wrong replica, not a dead one."""
    venue = Venue(module)
    venue.apply(_orders(1, 50))
    good = venue.engine.snapshot()
    digest, state = venue.engine.digest(), venue.engine.state_digest()
    damaged = [b"", good[:-1], good + b"\0", good[: len(good) // 2], good[1:]]
    for place in range(0, len(good), max(len(good) // 97, 1)):
        wrong = bytearray(good)
        wrong[place] ^= 0x10
        damaged.append(bytes(wrong))
    for data in damaged:
        with pytest.raises(ValueError, match=r"\w"):
            venue.engine.restore(data)
    assert (venue.engine.digest(), venue.engine.state_digest()) == (digest, state)
    venue.engine.restore(good)
    assert (venue.engine.digest(), venue.engine.state_digest()) == (digest, state)


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
def test_apply_counts_its_events(module: str) -> None:
    """The caller sizes its files by the count."""
    venue = Venue(module)
    venue.index += 1
    entry = pack_batch(venue.now_ns + 1, _orders(1, 3))
    assert len(entry) == 32 + 3 * COMMAND_BYTES
    count = venue.engine.apply(venue.index, entry)
    assert count * EVENT_BYTES == len(venue.engine.events())
    assert venue.engine.apply(venue.index + 1, b"") == 0
    assert venue.engine.events() == b""


@pytest.mark.property
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("scope", list(KillScope), ids=lambda scope: scope.name)
def test_what_is_killed_stays_so_after_a_restart(module: str, scope: KillScope) -> None:
    """A snapshot that forgets it lets in whom an administrator has stopped."""
    venue = Venue(module)
    scope_id = {KillScope.VENUE: 0, KillScope.SESSION: ALICE}.get(scope, 1)
    venue.apply([ac.SetKill(ADMIN, 1, 1, NEVER, scope, scope_id, 1)])
    copy: Engine = importlib.import_module(module).Engine()
    copy.restore(venue.engine.snapshot())
    assert copy.state_digest() == venue.engine.state_digest()
    venue.engine = copy
    assert venue.apply(_orders(1, 1)) == [EventKind.ORDER_REJECTED]
