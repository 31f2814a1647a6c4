"""Leases, epochs and takeovers: what a gateway that sleeps or dies leaves behind has no effect.

The table of docs/exactly_once.md names these tests. Every test ends with the proof of
tests/support/hops.py.
"""

import asyncio
from collections.abc import Iterator

import pytest

from oms.bounds import COMMAND_TTL_NS, GATEWAY_LEASE_NS
from oms.chaos.relay_flow import Way
from oms.messages.enums import EventKind
from tests.support.hop_trader import Trader
from tests.support.hops import NODES, HopVenue, hop_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
LEASE_S = GATEWAY_LEASE_NS / 1e9


@pytest.fixture(scope="module")
def hops() -> Iterator[HopVenue]:
    """One venue for all of them."""
    with hop_venue() as made:
        yield made


def lost_gateways(hops: HopVenue) -> int:
    """How often a leader has given a gateway up."""
    return sum(len(hops.said(node, "gateway_lost")) for node in NODES)


def canceled(hops: HopVenue, trader: Trader) -> int:
    """How many of a trader's orders are canceled."""
    return hops.count(trader, EventKind.ORDER_CANCELED)


def test_gateway_paused_past_its_lease_has_lost_its_sessions(hops: HopVenue) -> None:
    """It wakes up with orders in its sockets and logins that are over: none has an effect."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        hops.stop("g1")
        trader.enter(100)
        await hops.until(lambda: trader.logins == 2, "the login at the other gateway")
        await trader.settled(trader.enter(20))
        hops.go_on("g1")
        await asyncio.sleep(0.5)
        await trader.settled(trader.enter(20))
        assert trader.logins == 2, "the one that woke up threw the client out"

    before = lost_gateways(hops)
    trader = hops.play(story)
    assert lost_gateways(hops) > before
    assert hops.count(trader, EventKind.SESSION_LOGGED_OUT) > 0


def test_session_of_a_killed_gateway_is_not_disturbed_by_its_late_loss(hops: HopVenue) -> None:
    """The client is elsewhere long before the leader misses the dead one: it keeps its orders,
    though it wants them canceled when it is disconnected.
    """

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        await hops.kill("g1")
        await hops.until(lambda: trader.logins == 2, "the login at the other gateway")
        trader.enter(20)
        await hops.until(lambda: lost_gateways(hops) > before, "the lease's end")
        await trader.settled(trader.enter(20))
        assert trader.logins == 2
        assert canceled(hops, trader) == 0

    before = lost_gateways(hops)
    hops.play(story, is_canceler=True)


def test_orders_of_a_lost_gateways_client_are_canceled_with_its_lease(hops: HopVenue) -> None:
    """Nobody says goodbye for a process that was killed but the leader."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        trader.client._reconnect = False
        await hops.kill("g1")
        await hops.until(lambda: lost_gateways(hops) > before, "the lease's end")
        await hops.until(lambda: canceled(hops, trader) == 20, "the cancels")
        await hops.started("g1")
        await trader.connect()

    before = lost_gateways(hops)
    hops.play(story, is_canceler=True)


def test_orders_of_a_broken_connection_are_canceled(hops: HopVenue) -> None:
    """The gateway logs the session out when what it sent is decided; the rest is state."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        trader.client._reconnect = False
        hops.door["g1"].drop()
        await hops.until(lambda: canceled(hops, trader) == 20, "the cancels")
        await trader.connect()
        await trader.settled(trader.enter(10))
        assert canceled(hops, trader) == 20

    hops.play(story, is_canceler=True)


def test_late_logout_cancels_nothing_of_the_next_connection(hops: HopVenue) -> None:
    """It waits in the pipe while the client is elsewhere: a takeover is no disconnect."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        push = hops.push["g1", leader]
        push.hold(Way.UP)
        trader.client._reconnect = False
        closed = len(hops.said("g1", "connection_closed"))
        hops.door["g1"].drop()
        await hops.until(
            lambda: len(hops.said("g1", "connection_closed")) > closed, "the gateway's notice"
        )
        await trader.connect(gateways=("g2", "g1"))
        await trader.settled(trader.enter(10))
        passed = push.passed(Way.UP)
        push.release(Way.UP)
        await hops.until(lambda: push.passed(Way.UP) > passed, "the late logout")
        await trader.settled(trader.enter(10))
        assert trader.logins == 1
        assert canceled(hops, trader) == 0

    hops.play(story, is_canceler=True)


def test_late_copy_of_a_login_ends_nobodys_connection(hops: HopVenue) -> None:
    """It waits in a pipe for longer than its limit while the client is elsewhere."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        push = hops.push["g1", leader]
        trader.client._reconnect = False
        hops.door["g1"].drop()
        await hops.until(lambda: not trader.client.is_live, "the connection's end")
        push.hold(Way.UP)
        late = asyncio.create_task(trader.connect())
        await hops.until(lambda: push.waiting(Way.UP) > 0, "a login in the pipe")
        await asyncio.sleep(0.2)
        hops.door["g1"].cut()
        await late
        assert trader.logins == 1
        await asyncio.sleep(COMMAND_TTL_NS / 1e9)
        push.release(Way.UP)
        await trader.settled(trader.enter(20))
        await asyncio.sleep(0.2)
        assert trader.client.is_live
        assert trader.logins == 1, "the late copy threw the client out"

    trader = hops.play(story)
    assert hops.count(trader, EventKind.COMMAND_EXPIRED) > 0


def test_frozen_gateway_costs_a_client_its_own_patience(hops: HopVenue) -> None:
    """The kernel answers for a process that sleeps: only silence tells, and who waits decides."""

    async def story(trader: Trader) -> None:
        trader.client._reconnect = False
        await trader.connect(silent_s=1.5)
        hops.stop("g1")
        trader.enter(20)
        await hops.until(lambda: trader.logins == 2, "the login at the other gateway")
        await trader.settled()
        hops.go_on("g1")

    hops.play(story)


def test_lease_is_not_lost_while_the_leader_changes(hops: HopVenue) -> None:
    """A new leader gives every gateway a whole lease: nobody is logged out."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.kill(leader)
        await trader.settled(trader.enter(20))
        await hops.started(leader)
        await asyncio.sleep(LEASE_S + 0.3)
        await trader.settled(trader.enter(20))
        assert trader.logins == 1

    before = lost_gateways(hops)
    hops.play(story)
    assert lost_gateways(hops) == before
