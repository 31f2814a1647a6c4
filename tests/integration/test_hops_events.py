"""Apply -> PUB -> gateway -> client: frames lost, late, twice and out of order, healed by number.

The table of docs/exactly_once.md names these tests. Nodes have the shortest queues for a
subscriber here, so that a slow one loses soon. Every test ends with the proof of
tests/support/hops.py.
"""

import asyncio
from collections.abc import Iterator

import pytest

from oms.chaos.relay_flow import Way
from oms.messages.enums import EventKind
from tests.support.hop_trader import GATEWAYS, Trader
from tests.support.hops import NODES, HopVenue, hop_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def hops() -> Iterator[HopVenue]:
    """One venue for all of them."""
    with hop_venue(narrow=True) as made:
        yield made


def missing(hops: HopVenue) -> int:
    """How often the first gateway has found that events are missing."""
    return len(hops.said("g1", "events_missing"))


def test_cut_publication_is_healed_by_number(hops: HopVenue) -> None:
    """Nothing that is published while the gateway is away comes again by itself."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        hops.pub["g1", leader].cut()
        await trader.stream_in(100)
        hops.pub["g1", leader].mend()
        await trader.settled()

    before = missing(hops)
    hops.play(story)
    assert missing(hops) > before


def test_slow_subscriber_loses_in_silence_and_is_healed_by_number(hops: HopVenue) -> None:
    """PUB drops what its queue has no room for, and tells neither side."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        pub = hops.pub["g1", leader]
        connections = pub.connections
        pub.fill(Way.DOWN)
        for _ in range(150):
            await trader.stream_in(20, pause_s=0.0)
            await asyncio.sleep(0.004)
        pub.release(Way.DOWN)
        await trader.settled()
        assert pub.connections == connections, "the connection broke: that is another test"

    before = missing(hops)
    hops.play(story)
    print(f"holes={missing(hops) - before}")
    assert missing(hops) > before


def test_frames_of_a_dead_leader_arrive_behind_those_of_the_next(hops: HopVenue) -> None:
    """Late and twice, out of order: each event is handed on once, by its number."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        pub = hops.pub["g1", leader]
        pub.hold(Way.DOWN)
        trader.enter(100)
        await hops.until(lambda: pub.waiting(Way.DOWN) > 100 * 128, "frames held")
        await hops.kill(leader)
        await trader.settled(trader.enter(20))
        assert pub.waiting(Way.DOWN) > 100 * 128
        pub.release(Way.DOWN)
        await trader.settled(trader.enter(20))
        await hops.started(leader)

    hops.play(story)


def test_no_publication_for_a_while_makes_repeats_that_have_no_effect(hops: HopVenue) -> None:
    """The gateway hears nothing and sends its window again: ALREADY_APPLIED."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        for node in NODES:
            hops.pub["g1", node].hold(Way.DOWN)
        trader.enter(100)
        await asyncio.sleep(0.9)
        assert trader.undecided == 100
        for node in NODES:
            hops.pub["g1", node].release(Way.DOWN)
        await trader.settled()

    trader = hops.play(story)
    repeats = hops.count(trader, EventKind.ALREADY_APPLIED)
    print(f"repeats={repeats}")
    assert repeats >= 100


def test_replay_is_served_by_whoever_can(hops: HopVenue) -> None:
    """Holes are filled by any node: the first asked may not answer."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        hops.router["g1", leader].hold(Way.DOWN)
        hops.pub["g1", leader].cut()
        await trader.stream_in(50)
        hops.pub["g1", leader].mend()
        await trader.settled()

    hops.play(story)


def test_lost_last_frame_is_seen_from_the_others(hops: HopVenue) -> None:
    """Nothing follows it: the followers' statuses say how far the log is."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        hops.pub["g1", leader].cut()
        await trader.settled(trader.enter(50))
        hops.pub["g1", leader].mend()

    hops.play(story)


def test_leader_killed_with_its_last_frames_on_their_way(hops: HopVenue) -> None:
    """Published and lost on the wire: the next leader publishes its end again."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        pub = hops.pub["g1", leader]
        pub.hold(Way.DOWN)
        trader.enter(100)
        await hops.until(lambda: pub.waiting(Way.DOWN) > 100 * 128, "frames held")
        lost = pub.lost(Way.DOWN)
        pub.cut()
        assert pub.lost(Way.DOWN) > lost
        await hops.kill(leader)
        await trader.settled()
        await hops.started(leader)

    hops.play(story)


def test_client_far_behind_reads_the_past_and_the_present_without_a_seam(hops: HopVenue) -> None:
    """A second connection joins the replay to live events while orders go on."""

    async def story(trader: Trader, other: Trader) -> None:
        await trader.settled(trader.enter(1_500))
        for gateway in GATEWAYS:
            hops.router[gateway, await hops.leader()].delay(Way.DOWN, 0.02)
        trader.client._reconnect = False
        seller = asyncio.create_task(sell(other))
        await trader.connect(gateways=("g2", "g1"))
        await seller

    async def sell(other: Trader) -> None:
        for _ in range(40):
            other.enter(10, side="SELL")  # trades with the first one's orders: live events
            await asyncio.sleep(0.005)

    hops.play_two(story)
