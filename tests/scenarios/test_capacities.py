"""Every capacity of a genesis is reached, and the next one of its kind is refused with a reason.

On both engines; the core walks its structures at each bound. What is refused leaves room for what
else there is, and what goes makes room again.
"""

from collections.abc import Callable

import pytest

from oms.bounds import DUPLICATES_MAX, MASS_CANCELS_MAX, ORDER_QTY_MAX, WORK_STEPS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import (
    CommandKind,
    EventKind,
    LimitOption,
    OrdType,
    RejectReason,
    RiskField,
    RiskScope,
    Side,
    TimeInForce,
)
from oms.messages.event_records import Event, unpack_events
from oms.messages.packing import pack_batch
from oms.reference.engine import Engine
from tests.properties.compare import engine_factory
from tests.scenarios import world

ADMIN, ALICE = 1, 2
NEVER = world.NOT_AFTER_NS
CAPACITY = RejectReason.CAPACITY
Sign = tuple[int, int, int, int]
MANY = WORK_STEPS_MAX + 1  # more than one entry cancels: what is queued stays queued


class Venue:
    """One engine after the scenarios' genesis, with counters for two sessions."""

    def __init__(self, make_engine: Callable[[], Engine], **capacities: int) -> None:
        setup = world.Setup(venue=world.VenueSetup(**capacities))
        self.engine = make_engine()
        self.index = 0
        self.seq = {ADMIN: 0, ALICE: 0}
        self.last = 0
        for entry in world.opening_entries(setup):
            self._apply(entry)

    def _apply(self, entry: bytes) -> list[Event]:
        self.index += 1
        self.engine.apply(self.index, entry)
        verify = getattr(self.engine, "verify", None)
        if verify is not None:
            verify()
        return unpack_events(self.engine.events())

    def sign(self, session_id: int) -> Sign:
        """The next number of that session."""
        self.seq[session_id] += 1
        return (session_id, 1, self.seq[session_id], NEVER)

    def apply(self, *commands: c.Command) -> list[int]:
        """One entry; the reasons of what it refused."""
        events = self._apply(pack_batch(world.START_NS + self.index, list(commands)))
        refusals = (EventKind.ORDER_REJECTED, EventKind.ADMIN_REJECTED)
        return [event.reason for event in events if event.kind in refusals]

    def order(self, price: int = 90_000, *, qty: int = 1, tif: int = TimeInForce.DAY,
              instrument: int = 1, expire_ns: int = 0) -> c.NewOrder:  # fmt: skip
        """Alice's next purchase."""
        self.last += 1
        return c.NewOrder(
            *self.sign(ALICE), 0, self.last, 1, instrument, Side.BUY, OrdType.LIMIT, tif, qty,
            price, b"", b"", 89, 65, 78, 78, expire_ns=expire_ns,
        )  # fmt: skip

    def cancel(self, number: int) -> c.CancelOrder:
        """Of one of alice's orders."""
        return c.CancelOrder(*self.sign(ALICE), 0, number, 0)


@pytest.fixture(params=["oms.reference.engine", "oms._core.engine"])
def make_engine(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    """Each engine in turn."""
    return engine_factory(request.param)


IDENTITIES: dict[CommandKind, tuple[str, Callable[[Sign, int], c.Command]]] = {
    CommandKind.ADD_INSTRUMENT: (
        "instruments_max",
        lambda sign, n: ac.AddInstrument(*sign, n, b"I%d" % n, 1, 1, 0, 0, 1, 3),
    ),
    CommandKind.ADD_PARTICIPANT: (
        "participants_max",
        lambda sign, n: ac.AddParticipant(*sign, n, b"P%d" % n),
    ),
    CommandKind.ADD_ACCOUNT: (
        "accounts_max",
        lambda sign, n: ac.AddAccount(*sign, n, 1, b"A%d" % n, 1, 1, 1, 1),
    ),
    CommandKind.ADD_USER: (
        "users_max",
        lambda sign, n: ac.AddUser(*sign, n, 1, b"U%d" % n, b"", b""),
    ),
    CommandKind.OPEN_SESSION: (
        "sessions_max",
        lambda sign, n: ac.OpenSession(*sign, n, 1, 0, 1),
    ),
}


@pytest.mark.scenario
@pytest.mark.parametrize("kind", IDENTITIES)
def test_identities(make_engine: Callable[[], Engine], kind: CommandKind) -> None:
    """The id behind the last one is refused, again and again, and the venue goes on."""
    field, make = IDENTITIES[kind]
    venue = Venue(make_engine, **{field: 6})
    reasons = [venue.apply(make(venue.sign(ADMIN), n)) for n in range(1, 9)]
    assert reasons[5] == []
    assert reasons[6:] == [[CAPACITY], [CAPACITY]]
    assert venue.apply(venue.order()) == []


@pytest.mark.scenario
@pytest.mark.parametrize("is_timed", [False, True], ids=["lasting", "with a time"])
def test_orders_each_at_its_own_price(
    make_engine: Callable[[], Engine],
    is_timed: bool,  # noqa: FBT001 - pytest names it
) -> None:
    """As many levels, index entries and timers as orders: none of them is full before."""
    venue = Venue(make_engine, orders_max=300)
    tif = TimeInForce.GTT if is_timed else TimeInForce.DAY
    lasts = 10**15 if is_timed else 0
    for n in range(300):
        assert venue.apply(venue.order(100 * (n + 1), tif=tif, expire_ns=lasts)) == []
    assert venue.apply(venue.order()) == [CAPACITY]
    assert venue.apply(venue.order(tif=TimeInForce.IOC)) == [CAPACITY]
    venue.apply(venue.cancel(150))
    assert venue.apply(venue.order()) == []
    assert venue.apply(venue.order()) == [CAPACITY]


@pytest.mark.scenario
def test_positions(make_engine: Callable[[], Engine]) -> None:
    """A pair without a position is refused wherever it comes up: order, shares, restriction."""
    venue = Venue(make_engine, positions_max=3)  # each account has one in AAPL
    assert venue.apply(venue.order(instrument=2)) == [CAPACITY]
    shares = ac.DepositShares(*venue.sign(ADMIN), 1, 2, 5)
    assert venue.apply(shares) == [CAPACITY]
    assert venue.apply(ac.SetRestriction(*venue.sign(ADMIN), 2, 1, 1)) == [CAPACITY]
    assert venue.apply(ac.SetRestriction(*venue.sign(ADMIN), 1, 1, 0)) == []
    assert venue.apply(venue.order()) == []


@pytest.mark.scenario
@pytest.mark.parametrize("size", [1, 3, 0], ids=["one", "three", "the default"])
def test_remembered_orders(make_engine: Callable[[], Engine], size: int) -> None:
    """A full ring refuses what it could not compare, until time has emptied it."""
    venue = Venue(make_engine, duplicates_max=size)
    window = 1_000_000
    risk = ac.SetRisk(
        *venue.sign(ADMIN), RiskScope.ACCOUNT, 1, RiskField.DUPLICATES, duplicate_window_ns=window
    )
    assert venue.apply(risk) == []
    for _ in range(2):  # the ring goes round
        for n in range(size or DUPLICATES_MAX):
            assert venue.apply(venue.order(qty=n + 1)) == []
        assert venue.apply(venue.order(qty=ORDER_QTY_MAX)) == [RejectReason.QUANTITY_ABOVE_MAX]
        assert venue.apply(venue.order(qty=999)) == [RejectReason.RATE_LIMIT]
        venue.index += window


@pytest.mark.scenario
def test_queued_work(make_engine: Callable[[], Engine]) -> None:
    """Each command that queues work is refused while the queue is full; then it is let in again."""
    venue = Venue(make_engine, orders_max=MANY)
    assert venue.apply(*(venue.order() for _ in range(MANY - 1))) == []
    assert venue.apply(venue.order()) == []
    option = LimitOption.CANCEL_BREACHES

    def every() -> list[c.Command]:
        venue.last += 1
        return [
            c.MassCancel(*venue.sign(ALICE), 0, venue.last, 0, 0, 0, b""),
            ac.AdminMassCancel(*venue.sign(ADMIN)),
            ac.SetRisk(*venue.sign(ADMIN), RiskScope.ACCOUNT, 0, 0, options=option),
            ac.SetRestriction(*venue.sign(ADMIN), 1, 0, 0, option),
        ]

    full = [ac.AdminMassCancel(*venue.sign(ADMIN)) for _ in range(MASS_CANCELS_MAX)]
    assert venue.apply(*full, *every()) == [CAPACITY] * 4
    while venue.engine.is_work_pending:
        venue.apply()
    assert venue.apply(*every()) == []
    assert venue.engine.open_orders == 0
