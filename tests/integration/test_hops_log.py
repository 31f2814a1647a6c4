"""Leader -> log -> apply, and the files derived from it: each hop broken where it is.

The table of docs/exactly_once.md names these tests. The leader is killed at places that
tests/support/hop_node.py has in its way; links between nodes are cut by relays. Every test ends
with the proof of tests/support/hops.py.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest

from oms.bounds import EVENT_BYTES
from oms.chaos.relay_flow import Way
from oms.messages.enums import EventKind
from tests.support.hop_trader import Trader
from tests.support.hops import HopVenue, hop_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def hops() -> Iterator[HopVenue]:
    """One venue for all of them."""
    with hop_venue() as made:
        yield made


def die_at(hops: HopVenue, place: str) -> None:
    """The leader is killed at this place with a hundred orders in its hands."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        hops.arm(place)
        trader.enter(50)
        trader.enter(1, mark=True)
        trader.enter(50)
        await hops.gone(leader)
        assert not hops.is_armed(place)
        await trader.settled()
        assert await hops.leader() != leader
        await hops.started(leader)

    trader = hops.play(story)
    print(f"repeats={hops.count(trader, EventKind.ALREADY_APPLIED)} of 101")


def test_leader_killed_after_propose_and_before_anybody_has_the_entry(hops: HopVenue) -> None:
    """The entry was nowhere but in its memory: the next leader gets the window once more."""
    die_at(hops, "propose")


def test_leader_killed_with_the_entry_on_its_way(hops: HopVenue) -> None:
    """Written, perhaps sent: the next leader may commit it, and then the resend is a repeat."""
    die_at(hops, "sent")


def test_leader_killed_after_commit_and_before_apply(hops: HopVenue) -> None:
    """A majority has it and nobody was told: the next leader applies it and tells."""
    die_at(hops, "commit")


def test_leader_killed_after_apply_and_before_publishing(hops: HopVenue) -> None:
    """Its state and its events are gone with it: the others make the same ones."""
    die_at(hops, "apply")


def test_leader_killed_while_publishing(hops: HopVenue) -> None:
    """Some have heard it, others not: the next leader's numbers say what is missing."""
    die_at(hops, "publish")


def test_two_of_three_paused_decide_nothing_until_they_go_on(hops: HopVenue) -> None:
    """A minority acknowledges nothing; what it took in is decided once when the others are back."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        hops.stop(*hops.followers(leader))
        trader.enter(200)
        await asyncio.sleep(0.4)
        assert trader.undecided == 200
        hops.go_on(*hops.followers(leader))
        await trader.settled()

    hops.play(story)


def test_leader_cut_off_from_the_others_acknowledges_nothing(hops: HopVenue) -> None:
    """It still hears the gateways; the others elect, and its proposals are nobody's truth."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        for pair, relay in hops.raft.items():
            if leader in pair:
                relay.cut()
        trader.enter(200)
        await hops.until(lambda: trader.undecided == 0, "decisions by the others")
        for relay in hops.raft.values():
            relay.mend()
        assert await hops.leader() != leader
        trader.enter(20)

    hops.play(story)


def test_cut_links_between_nodes_are_made_again_with_entries_on_their_way(hops: HopVenue) -> None:
    """Frames of the log are lost with the connection; the leader goes on from what is missing."""

    async def story(trader: Trader) -> None:
        for _ in range(4):
            for relay in hops.raft.values():
                trader.enter(10)
                relay.drop()
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.05)
        await trader.settled()

    hops.play(story)


def test_slow_follower_holds_nobody_up(hops: HopVenue) -> None:
    """The log goes on with the two fast ones."""

    async def story(trader: Trader) -> None:
        leader = await hops.leader()
        slow = hops.followers(leader)[0]
        relay = next(one for pair, one in hops.raft.items() if {leader, slow} == set(pair))
        for way in Way:
            relay.delay(way, 0.3)
        started = time.monotonic()
        for _ in range(10):
            await trader.settled(trader.enter(10))
        print(f"ten rounds in {time.monotonic() - started:.2f} s")

    hops.play(story)


def test_all_nodes_killed_with_orders_at_every_hop(hops: HopVenue) -> None:
    """What was told is in the journals; what was not is sent again."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        trader.enter(300)
        await asyncio.sleep(0.01)
        await hops.kill("n1", "n2", "n3")
        trader.enter(50)
        await hops.started("n1", "n2", "n3")
        await trader.settled()

    trader = hops.play(story)
    print(f"repeats={hops.count(trader, EventKind.ALREADY_APPLIED)}")


def test_derived_files_are_rebuilt_byte_for_byte(hops: HopVenue) -> None:
    """Snapshots and outputs come out of the journal again as they were."""

    async def story(trader: Trader) -> None:
        trader.enter(200)
        trader.enter(50, side="SELL")
        await trader.settled()
        leader = await hops.leader()
        node = hops.followers(leader)[0]
        await hops.blocking(hops.venue.wait_equal)
        await hops.end(node)
        folder = hops.folder_of(node)
        before = (folder / "events.log").read_bytes()
        (folder / "events.log").unlink()
        for path in (folder / "snapshots").iterdir():
            path.unlink()
        await hops.started(node)
        await hops.blocking(hops.venue.wait_equal)
        await hops.end(node)
        assert len(before) > 250 * EVENT_BYTES
        assert (folder / "events.log").read_bytes()[: len(before)] == before
        await hops.started(node)

    hops.play(story)
