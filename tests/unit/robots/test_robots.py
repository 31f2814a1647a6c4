"""Robots write down what they see, keep to their window, and make leaders die at a bad moment."""

import asyncio
import random
import signal
import time

import pytest

from oms.client import orders as o
from oms.client.aio import AsyncOrder
from oms.config import InstrumentConfig
from oms.local.samples import demo_config
from oms.messages.enums import EventKind, Side
from oms.robots.crowd import Crowd
from oms.robots.facts import Fact
from oms.robots.killer import Killer
from oms.robots.makers import DEPTH, Maker
from oms.robots.market import Market
from oms.robots.robot import WINDOW, Robot, Surroundings
from oms.robots.takers import RESTING_MAX, Taker
from oms.robots.tally import Tally, percentile


class FakeClient:
    """Takes every request; answers are the test's business."""

    def __init__(self) -> None:
        self.orders: list[AsyncOrder] = []
        self.canceled: list[AsyncOrder] = []
        self.replaced: list[AsyncOrder] = []

    def enter(
        self, symbol: str, side: Side, qty: int, price: int | None, *, tif: str
    ) -> AsyncOrder:
        """A new order, pending."""
        order = AsyncOrder(len(self.orders) + 1)
        order.symbol, order.side, order.order_qty, order.price = symbol, side, qty, price or 0
        order.leaves_qty, order.time_in_force = qty, tif
        self.orders.append(order)
        return order

    def replace(self, order: AsyncOrder, qty: int, price: int) -> AsyncOrder:
        """A replacement, pending."""
        self.replaced.append(order)
        return self.enter(order.symbol, order.side, qty, price, tif="DAY")

    def cancel(self, order: AsyncOrder) -> None:
        """A cancel."""
        self.canceled.append(order)


def surroundings(on_accepted: list[int] | None = None) -> Surroundings:
    """Seeded, with eight instruments."""
    draw = random.Random(5)
    seen = [] if on_accepted is None else on_accepted
    return Surroundings(Market(demo_config(1).instruments, draw), Tally(), draw, seen.append)


def equip(robot: Robot) -> FakeClient:
    """Give it a client without a venue."""
    client = FakeClient()
    robot._client = client  # type: ignore[assignment]
    return client


def accept(robot: Robot, order: AsyncOrder, order_id: int) -> None:
    """The venue accepts."""
    order.state, order.order_id = o.OrderState.LIVE, order_id
    robot._record(o.Accepted(seq=1, timestamp_ns=77, order=order))


def test_robot_writes_down_every_kind_of_fact_in_order() -> None:
    """Its record is one half of the proof."""
    accepted: list[int] = []
    around = surroundings(accepted)
    robot = Taker("TAKE1", around)
    equip(robot)
    first = robot.enter("ELM", Side.BUY, 100, 500, "DAY")
    second = robot.replace(first, 50, 501)
    third = robot.enter("ELM", Side.SELL, 10, 502, "IOC")
    accept(robot, first, 11)
    second.order_id, second.original = 12, first
    third.state = o.OrderState.REJECTED
    for event in (
        o.Executed(
            seq=2, timestamp_ns=1, order=first, last_qty=5, last_price=499, liquidity="R",
            match_id=9,
        ),
        o.Replaced(seq=3, timestamp_ns=78, order=second, original=first),
        o.Canceled(seq=4, timestamp_ns=1, order=second, qty=45, reason="U"),
        o.Rejected(seq=5, timestamp_ns=1, order=third, reason=0x13),
        o.CancelRejected(seq=6, timestamp_ns=1, order=third),
        o.QueryAnswered(seq=7, timestamp_ns=1, next_user_ref_num=4, number=1),
    ):  # fmt: skip
        robot._record(event)
    assert list(robot.seen) == [
        Fact(EventKind.ORDER_ACCEPTED, 1, 11, 100, 500, 0),
        Fact(EventKind.ORDER_EXECUTED, 1, 0, 5, 499, 9),
        Fact(EventKind.ORDER_REPLACED, 2, 12, 0, 501, 1),
        Fact(EventKind.ORDER_CANCELED, 2, 0, 45, 0, ord("U")),
        Fact(EventKind.ORDER_REJECTED, 3, 0, 0, 0, 0x13),
        Fact(EventKind.CANCEL_REJECTED, 3, 0, 0, 0, 0),
    ]
    assert robot.entered == [1, 3]
    assert robot.in_flight == 0
    assert accepted == [77, 78]
    tally = around.tally
    assert (tally.sent, tally.acknowledged, tally.rejected, tally.trades) == (3, 2, 1, 1)


def test_orders_in_flight_at_a_kill_are_counted_when_their_outcome_comes() -> None:
    """Unknown at the kill, known later: that is the promise."""
    around = surroundings()
    robot = Taker("TAKE1", around)
    equip(robot)
    before = robot.enter("ELM", Side.BUY, 1, 5, "DAY")
    accept(robot, before, 1)
    in_doubt = [robot.enter("ELM", Side.BUY, 1, 5, "DAY") for _ in range(3)]
    assert robot.note_kill() == 3
    after = robot.enter("ELM", Side.BUY, 1, 5, "DAY")
    for order_id, order in enumerate([*in_doubt, after], 2):
        accept(robot, order, order_id)
    assert around.tally.unknown_resolved == 3


def test_robot_holds_back_at_its_window() -> None:
    """During a fail-over orders wait for their answers, within a bound."""
    robot = Taker("TAKE1", surroundings())
    client = equip(robot)
    for _ in range(WINDOW):
        robot.burst(7)
    assert robot.in_flight == WINDOW
    robot.burst(5)
    assert len(client.orders) == WINDOW


def test_maker_keeps_a_bounded_number_of_quotes() -> None:
    """A side that is full is renewed, by replace or cancel."""
    robot = Maker("MAKE1", surroundings())
    client = equip(robot)
    order_id = 0
    for _ in range(3_000):
        robot.act()
        if client.orders and client.orders[-1].state is o.OrderState.PENDING:
            order_id += 1
            accept(robot, client.orders[-1], order_id)
    replaced, canceled = set(client.replaced), set(client.canceled)
    standing = [order for order in client.orders if order not in replaced | canceled]
    assert len(standing) <= DEPTH * 2 * 8
    assert replaced
    assert canceled
    for instrument in robot.market.instruments:
        assert instrument.lowest <= instrument.fair_price <= instrument.highest


def test_maker_forgets_a_quote_that_is_filled() -> None:
    """Else it would replace orders that are gone."""
    robot = Maker("MAKE1", surroundings())
    client = equip(robot)
    for _ in range(500):
        robot.act()
    for number, order in enumerate(client.orders, 1):
        accept(robot, order, number)
        order.state = o.OrderState.FILLED
        robot.settle(order)
    count = len(client.replaced) + len(client.canceled)
    robot.act()
    assert len(client.replaced) + len(client.canceled) == count


def test_taker_withdraws_its_oldest_offer() -> None:
    """Offers that nobody takes must not pile up."""
    robot = Taker("TAKE1", surroundings())
    client = equip(robot)
    for _ in range(1_000):
        robot.act()
    resting = [order for order in client.orders if order.time_in_force == "DAY"]
    assert client.canceled == resting[: len(resting) - RESTING_MAX]


def test_prices_are_on_the_tick_and_stay_near_their_beginning() -> None:
    """An order off the tick or beyond the collar would only be refused."""
    draw = random.Random(1)
    config = InstrumentConfig(symbol="ELM", reference_price="10.02", tick_size="0.05")
    market = Market([config], draw)
    for _ in range(20_000):
        quoted = market.pick()
        assert quoted.fair_price % 500 == 0
        assert abs(quoted.fair_price - 100_000) <= 3_500
        assert quoted.at(-1_000_000) == 500


def test_crowd_is_as_large_as_the_sample_venue_says() -> None:
    """Every robot has a login, and every login but the guest's a robot."""
    config = demo_config(1)
    crowd = Crowd(config, seed=1, rate=100, on_accepted=lambda _: None)
    names = [robot.name for robot in crowd.robots]
    assert sorted(names) == sorted(user.name for user in config.users if user.name != "GUEST")


# ---- the killer


class FakeVenue:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def kill(self, name: str, sig: signal.Signals = signal.SIGKILL) -> bool:
        """A signal."""
        self.calls.append(f"{sig.name} {name}")
        return True

    def wait_gone(self, name: str, timeout_s: float) -> bool:
        """Its end."""
        self.calls.append(f"gone {name}")
        return timeout_s > 0

    def start_node(self, name: str) -> int:
        """Its return."""
        self.calls.append(f"start {name}")
        return 1


class FakeCrowd:
    """In flight only after some bursts."""

    def __init__(self, empty_bursts: int) -> None:
        self.bursts = 0
        self._empty_bursts = empty_bursts

    def burst(self, size: int) -> None:
        """Everybody sends."""
        self.bursts += size > 0

    @property
    def in_flight(self) -> int:
        """Whether anything is in flight."""
        return 5 if self.bursts > self._empty_bursts else 0

    def note_kill(self) -> int:
        """How many are in doubt."""
        return self.in_flight


def killed(monkeypatch: pytest.MonkeyPatch, crowd: FakeCrowd) -> tuple[Killer, FakeVenue]:
    """A killer after one kill, with a restart at once."""
    monkeypatch.setattr("oms.robots.killer.RESTART_AFTER_S", 0.0)
    venue = FakeVenue()
    killer = Killer(venue, random.Random(1))  # type: ignore[arg-type]
    killer.midnight_ns = 1_000
    asyncio.run(killer.kill("n2", crowd))  # type: ignore[arg-type]
    return killer, venue


def test_leader_dies_with_orders_in_flight_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill of an idle venue would prove nothing."""
    crowd = FakeCrowd(empty_bursts=3)
    killer, venue = killed(monkeypatch, crowd)
    assert venue.calls == ["SIGKILL n2", "gone n2", "start n2"]
    assert crowd.bursts == 4
    assert killer.kills.in_flight == [5]
    assert killer.kills.count == 1


def test_failover_ends_with_an_acceptance_of_the_new_leader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the old leader stamped and was still on its way does not count."""
    before_ns = time.time_ns()
    killer, _ = killed(monkeypatch, FakeCrowd(0))
    killer.on_accepted(before_ns - killer.midnight_ns)
    assert killer.kills.failover_ms == []
    killer.on_accepted(time.time_ns() - killer.midnight_ns)
    killer.on_accepted(time.time_ns() - killer.midnight_ns)
    assert len(killer.kills.failover_ms) == 1
    assert killer.kills.failover_ms[0] > 0


# ---- figures


def test_percentiles_are_of_the_values_given() -> None:
    """Nearest rank: a fail-over that is reported has happened."""
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 1.0) == 3.0
    assert percentile([], 0.5) == 0


def test_live_line_looks_at_recent_acknowledgements_only() -> None:
    """A slow start must not hide how it is now."""
    tally = Tally()
    for _ in range(5_000):
        tally.acknowledge(9_000_000)
    for _ in range(4_096):
        tally.acknowledge(2_000_000)
    assert tally.recent_us(0.99) == 2_000
    assert tally.acknowledged == 9_096
