"""The Python client against a real venue: trading, killed gateways and leaders, the feeds."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from oms.client import orders as o
from oms.client.blocking import Client
from oms.client.errors import OrderRejected
from oms.client.feed import FeedMessage, FeedReader
from oms.client.orders import OrderState
from oms.client.requests import price_units
from oms.config import VenueConfig
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue
from oms.messages.executions import OrderEvent
from oms.messages.market_data import BookTop, Trade
from oms.transport import topics
from tests.support.feed_child import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
SYMBOL = "ELM"
MAKER, TAKER = "MAKE1", "TAKE1"
LAST_QTY = 77


@pytest.fixture(scope="module")
def config() -> VenueConfig:
    """Eight instruments, robots' and a guest's accounts."""
    return demo_config(1)


@pytest.fixture(scope="module")
def venue(config: VenueConfig) -> Iterator[LocalVenue]:
    """Three nodes and two gateways."""
    with LocalVenue.temporary(config, gateway_count=2) as running:
        yield running


@pytest.fixture
def price(config: VenueConfig) -> str:
    """The instrument's reference price."""
    return next(one.reference_price for one in config.instruments if one.symbol == SYMBOL)


def client_of(venue: LocalVenue, config: VenueConfig, user: str, *, from_seq: int = 0) -> Client:
    """A client that knows both gateways."""
    password = next(one.password for one in config.users if one.name == user)
    return Client.connect(venue.gateway_addresses, user, password, from_seq=from_seq)


@contextlib.contextmanager
def restarted(venue: LocalVenue, name: str) -> Iterator[None]:
    """Whatever the test does to the process, the next one finds it running."""
    try:
        yield
    finally:
        venue.kill(name)
        venue.wait_gone(name, 5)
        venue.start_node(name)


def test_two_clients_trade_and_both_see_the_same_match(
    venue: LocalVenue, config: VenueConfig, price: str
) -> None:
    """Enter, fill in parts, reduce, replace, cancel: the whole life of an order."""
    with client_of(venue, config, MAKER) as maker, client_of(venue, config, TAKER) as taker:
        resting = maker.enter(SYMBOL, "SELL", 100, price, cl_ord_id="mine")
        resting.outcome(5)
        hit = taker.enter(SYMBOL, "BUY", 30, price, tif="IOC")
        hit.outcome(5)
        (taken,) = [one for one in taker.events(0.5) if isinstance(one, o.Executed)]
        (given,) = [one for one in maker.events(0.5) if isinstance(one, o.Executed)]
        assert (taken.match_id, taken.last_qty) == (given.match_id, given.last_qty)
        assert (given.liquidity, taken.liquidity) == ("A", "R")
        assert (hit.state, resting.leaves_qty) == (OrderState.FILLED, 70)
        maker.cancel(resting, 50)
        maker.query_account()
        assert (resting.leaves_qty, resting.cum_qty) == (20, 30)
        replacement = maker.replace(resting, 60, price)
        replacement.outcome(5)
        assert (replacement.cum_qty, replacement.leaves_qty) == (30, 30)
        maker.cancel(replacement)
        maker.query_account()
        assert replacement.state is OrderState.CANCELED
        with pytest.raises(OrderRejected, match="UNKNOWN_INSTRUMENT"):
            maker.enter("NOSUCH", "BUY", 1, price).outcome(5)
        fok = taker.enter(SYMBOL, "BUY", 10, price, tif="FOK")
        fok.outcome(5)
        taker.query_account()
        assert fok.state is OrderState.CANCELED


def test_a_peg_follows_the_market_and_trades_between_two_ticks(
    venue: LocalVenue, config: VenueConfig
) -> None:
    """By the wire alone: it is nowhere to be seen, moves with a better bid, and fills there."""
    other = next(one for one in config.instruments if one.symbol != SYMBOL)
    middle, tick = price_units(other.reference_price), price_units(other.tick_size)
    with client_of(venue, config, MAKER) as maker, client_of(venue, config, TAKER) as taker:
        sell = maker.enter(other.symbol, "SELL", 10, middle + 10 * tick)
        bids = [maker.enter(other.symbol, "BUY", 10, middle - away * tick) for away in (10, 5)]
        terms = o.Terms(peg="midpoint", peg_offset=0)
        peg = maker.enter(other.symbol, "BUY", 20, middle + 50 * tick, terms=terms)
        peg.outcome(5)
        bids.append(maker.enter(other.symbol, "BUY", 10, middle - 3 * tick))
        bids[-1].outcome(5)
        taker.enter(other.symbol, "SELL", 5, middle, tif="IOC").outcome(5)
        (taken,) = [one for one in taker.events(0.5) if isinstance(one, o.Executed)]
        (given,) = [one for one in maker.events(0.5) if isinstance(one, o.Executed)]
        assert (taken.last_price, taken.last_qty) == (middle + 7 * tick // 2, 5)
        assert (given.order, given.liquidity, given.match_id) == (peg, "J", taken.match_id)
        further = maker.replace(
            peg, 20, middle + 50 * tick, terms=o.Terms(peg="midpoint", peg_offset=-tick)
        )
        further.outcome(5)
        assert further.leaves_qty == 15
        shown = maker.enter(other.symbol, "BUY", 1, middle, terms=o.Terms(peg="market", min_qty=1))
        with pytest.raises(OrderRejected, match="BAD_PEG"):
            shown.outcome(5)
        for left in (sell, *bids, further):
            maker.cancel(left)
        maker.query_account()


def test_a_new_process_finds_its_open_orders(
    venue: LocalVenue, config: VenueConfig, price: str
) -> None:
    """The stream from 1 is all it needs."""
    with client_of(venue, config, "MAKE2") as first:
        first.enter(SYMBOL, "BUY", 10, price).outcome(5)
        gone = first.enter(SYMBOL, "BUY", 20, price)
        gone.outcome(5)
        first.cancel(gone)
        first.query_account()
    with client_of(venue, config, "MAKE2", from_seq=1) as second:
        (found,) = second.session.orders.open_orders()
        assert (found.symbol, found.order_qty, found.urn) == (SYMBOL, 10, 1)
        second.cancel(found)
        second.query_account()
        assert found.state is OrderState.CANCELED


def test_a_killed_gateway_loses_nothing(venue: LocalVenue, config: VenueConfig, price: str) -> None:
    """The other gateway goes on where the stream stood, and gets what was not answered."""
    with restarted(venue, "g1"), client_of(venue, config, "MAKE3") as client:
        orders = [client.enter(SYMBOL, "BUY", 1 + number, price) for number in range(200)]
        venue.kill("g1")
        venue.wait_gone("g1", 5)
        orders += [client.enter(SYMBOL, "BUY", 300 + number, price) for number in range(50)]
        for order in orders:
            order.outcome(20)
        numbers = [event.seq for event in client.events(0.2) if event.seq]
        assert numbers == sorted(set(numbers))
        for order in orders:
            client.cancel(order)
        client.query_account()
        assert all(order.state is OrderState.CANCELED for order in orders)


def test_a_killed_leader_is_only_a_pause(
    venue: LocalVenue, config: VenueConfig, price: str
) -> None:
    """Nobody's order is lost or entered twice, and the connection stands."""
    leader = venue.leader()
    assert leader is not None
    with restarted(venue, leader), client_of(venue, config, "MAKE4") as client:
        next_urn = client.query_account()
        orders = [client.enter(SYMBOL, "BUY", 1, price) for _ in range(100)]
        venue.kill(leader)
        orders += [client.enter(SYMBOL, "BUY", 2, price) for _ in range(100)]
        for order in orders:
            order.outcome(20)
        accepted = [one.order.urn for one in client.events(0.2) if isinstance(one, o.Accepted)]
        assert accepted == list(range(next_urn, next_urn + 200))
        for order in orders:
            client.cancel(order)
        client.query_account()
    venue.wait_equal(30)


def test_a_stopped_subscriber_ends_with_the_same_stream(
    venue: LocalVenue, config: VenueConfig, price: str, tmp_path: Path
) -> None:
    """Stopped for longer than its connections live, while a leader dies: nothing is missing."""
    account = next(i for i, one in enumerate(config.accounts, start=1) if one.firm == "M1")
    names = [topics.executions(account).decode(), topics.market_data(SYMBOL).decode()]
    settings = tmp_path / "settings.json"
    wanted = Settings(venue.nodes, str(venue.keys), names, LAST_QTY)
    settings.write_bytes(msgspec.json.encode(wanted))
    outputs = [tmp_path / "steady", tmp_path / "stopped"]
    leader = venue.leader()
    assert leader is not None
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.feed_child", str(settings), str(output)],
            env=dict(os.environ, PYTHONPATH=str(ROOT)),
            cwd=ROOT,
        )
        for output in outputs
    ]
    try:
        with (
            restarted(venue, leader),
            client_of(venue, config, MAKER) as maker,
            client_of(venue, config, TAKER) as taker,
        ):
            trade(maker, taker, price, 100)
            os.kill(children[1].pid, signal.SIGSTOP)
            venue.kill(leader)
            stopped_until = time.monotonic() + 7.0
            trade(maker, taker, price, 400)
            while time.monotonic() < stopped_until:
                trade(maker, taker, price, 20)
            os.kill(children[1].pid, signal.SIGCONT)
            trade(maker, taker, price, 100)
            maker.enter(SYMBOL, "SELL", LAST_QTY, price).outcome(10)
            taker.enter(SYMBOL, "BUY", LAST_QTY, price, tif="IOC").outcome(10)
            for child in children:
                assert child.wait(40) == 0
    finally:
        for child in children:
            if child.poll() is None:
                os.kill(child.pid, signal.SIGCONT)
                child.kill()
                child.wait()
    steady, stopped = (sorted(output.read_text().splitlines()) for output in outputs)
    assert steady == stopped
    assert len(set(steady)) == len(steady) > 1_800


def trade(maker: Client, taker: Client, price: str, count: int) -> None:
    """`count` trades of one share, all outcomes awaited."""
    resting = maker.enter(SYMBOL, "SELL", count, price)
    resting.outcome(20)
    for order in [taker.enter(SYMBOL, "BUY", 1, price, tif="IOC") for _ in range(count)]:
        order.outcome(20)
    maker.query_account()
    assert resting.state is OrderState.FILLED


def test_the_feeds_say_what_happened_in_words(
    venue: LocalVenue, config: VenueConfig, price: str
) -> None:
    """Maps with names, numbered without a gap."""
    account = next(i for i, one in enumerate(config.accounts, start=1) if one.firm == "T2")
    symbol = "OAK"
    near = next(one.reference_price for one in config.instruments if one.symbol == symbol)
    names = [topics.executions(account), topics.market_data(symbol)]
    with (
        FeedReader(venue.nodes, venue.keys, names, from_seq=1) as feed,
        client_of(venue, config, "TAKE2") as client,
    ):
        client.enter(symbol, "BUY", 5, near, cl_ord_id="hello").outcome(5)
        client.enter(symbol, "SELL", 5, near).outcome(5)
        found: list[FeedMessage] = []
        while not any(isinstance(one, BookTop) and one.bid_qty == 0 for one in found):
            message = feed.next(timeout=10)
            assert message is not None
            found.append(message)
    mine = [one for one in found if isinstance(one, OrderEvent)]
    assert [one.topic_seq for one in mine] == list(range(1, len(mine) + 1))
    assert (mine[0].event, mine[0].side, mine[0].cl_ord_id) == ("ORDER_ACCEPTED", "BUY", "hello")
    (printed,) = [one for one in found if isinstance(one, Trade)]
    assert (printed.qty, printed.side) == (5, "SELL")
    assert price


def test_the_pytest_plugin_gives_a_venue(tmp_path: Path) -> None:
    """What a strategy's own test suite looks like; an ordinary run pays nothing for it."""
    (tmp_path / "test_mine.py").write_text(
        "def test_mine(venue_client):\n"
        "    client = venue_client()\n"
        "    order = client.enter('ALDER', 'BUY', 10, '90.00')\n"
        "    assert order.outcome(timeout=5).order is order\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "oms.local.pytest_plugin"]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    run = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "1 passed" in run.stdout, run.stdout + run.stderr
    imports = "import sys, oms.local.pytest_plugin; print([m for m in sys.modules if 'zmq' in m])"
    bare = subprocess.run(
        [sys.executable, "-c", imports],
        env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert bare.stdout.strip() == "[]"
