"""What an administrator does while leaders die happens once: deposits, and a whole day's end.

Real processes, robots trading meanwhile; the evidence is that of test_crashes.py.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator

import pytest

from oms.client.blocking import Client
from oms.config import VenueConfig
from oms.local.admin import AdminSession
from oms.local.requests import NodeRequests
from oms.local.samples import GUEST, GUEST_FIRM, demo_config
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.admin_commands import AdminCommand, DepositCash, EndDay, StartDay
from oms.wire import ouch
from oms.wire import ouch_messages as m
from tests.support.crash_evidence import (
    ASK_S,
    assert_log_explains_everything,
    directory_of,
    read_stream,
    run,
)
from tests.support.crash_load import PATIENCE_S, Load, TapedClient, new_seed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DEPOSITS = 60
KILLS_MAX = 3  # each costs the administrator a time-out
RESTING = 2_500  # orders of one session at the day's end: a sweep of several entries


@pytest.fixture
def seed() -> int:
    """A new one for every run; pytest shows it when the test fails."""
    return new_seed()


@pytest.fixture
def config(seed: int) -> VenueConfig:
    """The demo's instruments and robots."""
    return demo_config(seed)


@pytest.fixture
def venue(config: VenueConfig) -> Iterator[LocalVenue]:
    """Three nodes and two gateways."""
    with LocalVenue.temporary(config, gateway_count=2) as running:
        yield running


def administrate(venue: LocalVenue, commands: list[AdminCommand]) -> None:
    """Give the commands one after another, each until its outcome is known."""
    with NodeRequests(venue.nodes, venue.keys) as asks:
        session = AdminSession(asks)
        for command in commands:
            session.execute(command)


async def kill_leaders(load: Load, until: "asyncio.Task[None]") -> int:
    """Kill whoever leads and start it again, at least once; how many died."""
    count = 0
    while count == 0 or (count < KILLS_MAX and not until.done()):
        leader = await load.leader()
        await asyncio.sleep(load.draw.random() * 0.03)
        load.venue.kill(leader)
        await load.blocking(lambda: load.venue.wait_gone(leader, PATIENCE_S))  # noqa: B023
        count += 1
        await load.leader()
        await load.restart(leader)
    return count


def cash_of(venue: LocalVenue, node_id: str) -> int:
    """The guest's cash at this node."""
    account_id = directory_of(venue, node_id).accounts[GUEST_FIRM.encode()]
    return venue.requests().ask(node_id, link.GetAccount(account_id), link.AccountView, ASK_S).cash


def test_deposits_across_kills_are_made_once(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """A command keeps its number through every retry, whoever leads."""

    async def script(load: Load) -> None:
        account_id = directory_of(venue, "n1").accounts[GUEST_FIRM.encode()]
        before = await load.blocking(lambda: cash_of(venue, "n1"))
        amounts = [1 << (number % 40) for number in range(DEPOSITS)]
        deposits: list[AdminCommand] = [
            DepositCash(0, 0, 0, 0, account_id, amount) for amount in amounts
        ]
        giving = asyncio.create_task(asyncio.to_thread(administrate, venue, deposits))
        assert await kill_leaders(load, giving) > 0
        await giving
        await load.blocking(lambda: venue.wait_equal(PATIENCE_S))
        for node in venue.nodes:
            cash = await load.blocking(lambda: cash_of(venue, node.node_id))  # noqa: B023
            assert cash == before + sum(amounts)

    run(venue, config, seed, script)


def test_a_day_ends_and_begins_while_leaders_die(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Every DAY order expires once, in sweeps that another leader goes on with."""
    cheapest = min(config.instruments, key=lambda one: float(one.reference_price))
    price = round(float(cheapest.reference_price) * 0.85 * 100) * 100

    async def script(load: Load) -> None:
        guest = await TapedClient.connect(venue.gateway_addresses, GUEST, load.passwords[GUEST])
        load.clients[GUEST] = guest
        for _ in range(RESTING):
            guest.enter(cheapest.symbol, "BUY", 1, price)
        await guest.query_account()
        ending = asyncio.create_task(asyncio.to_thread(administrate, venue, [EndDay(0, 0, 0, 0)]))
        assert await kill_leaders(load, ending) > 0
        await ending
        await load.wait(lambda: is_system_event(guest.taped.tape[-1], "E"), "the day's end")
        expired = [message for message in guest.taped.tape if is_canceled(message)]
        assert len(expired) == RESTING
        await load.settle()
        for client in load.clients.values():
            assert not client.session.orders.open_orders()

    load = run(venue, config, seed, script)
    venue.start(PATIENCE_S)
    begin_next_day(venue)
    for name in load.clients:
        read = read_stream(
            venue.gateway_addresses[0], name, load.passwords[name], from_seq=1, count=1
        )
        assert is_system_event(read[0], "S")
    with Client.connect(venue.gateway_addresses, GUEST, load.passwords[GUEST]) as guest:
        assert guest.query_account() == 1
    venue.stop()
    assert_log_explains_everything(venue)


def begin_next_day(venue: LocalVenue) -> None:
    """The administrator's morning, on the day after the last."""
    directory = directory_of(venue, "n1")
    day = dt.date.fromisoformat(str(directory.trading_date)) + dt.timedelta(days=1)
    date = int(day.strftime("%Y%m%d"))
    midnight_ns = directory.midnight_ns + 86_400_000_000_000
    phases: list[AdminCommand] = [StartDay(0, 0, 0, 0, date, midnight_ns)]
    administrate(venue, phases)


def is_system_event(message: bytes, code: str) -> bool:
    """Whether an OUCH message is this system event."""
    decoded = ouch.decode_outbound(message)
    return isinstance(decoded, m.SystemEvent) and chr(decoded.event) == code


def is_canceled(message: bytes) -> bool:
    """Whether an OUCH message is a cancel."""
    return isinstance(ouch.decode_outbound(message), m.Canceled)
