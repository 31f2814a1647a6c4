"""Client -> gateway -> PUSH -> PULL -> leader, each hop broken where it is: orders heal it.

The table of docs/exactly_once.md names these tests. Every test ends with the proof of
tests/support/hops.py: each order accepted once, every client told what every node replays; the
file ends with the committed log, played to both engines.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest

from oms.chaos.relay_flow import Way
from oms.messages.enums import EventKind
from tests.support.hop_trader import Trader
from tests.support.hops import HopVenue, hop_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
HUNDREDS = 600


@pytest.fixture(scope="module")
def hops() -> Iterator[HopVenue]:
    """One venue for all of them."""
    with hop_venue() as made:
        yield made


# ---- client -> gateway


def test_client_to_gateway_is_cut_in_the_middle_of_a_message(hops: HopVenue) -> None:
    """The gateway has half an order: it is none, and the client sends it again."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        door = hops.door["g1"]
        lost = door.lost(Way.UP)
        door.drop_after(Way.UP, 10 * 50 + 17)
        trader.enter(40)
        await hops.until(lambda: trader.logins == 2, "the second login")
        assert door.lost(Way.UP) > lost

    hops.play(story)


def test_gateway_to_client_is_cut_in_the_middle_of_a_message(hops: HopVenue) -> None:
    """The client has half an answer: it asks for the stream from that number on."""

    async def story(trader: Trader) -> None:
        hops.door["g1"].drop_after(Way.DOWN, 10 * 66 + 17)
        trader.enter(40)
        await hops.until(lambda: trader.logins == 2, "the second login")

    hops.play(story)


def test_client_that_reads_nothing_for_a_while_is_told_everything(hops: HopVenue) -> None:
    """The gateway keeps what it cannot write, and nobody else waits for it."""

    async def story(slow: Trader, other: Trader) -> None:
        hops.door["g1"].fill(Way.DOWN)
        slow.enter(HUNDREDS)
        hops.door["g1"].hold(Way.UP)  # also of the other, who is at the same gateway
        hops.door["g1"].release(Way.UP)
        await asyncio.sleep(0.3)
        hops.door["g1"].release(Way.DOWN)
        other.enter(50)

    hops.play_two(story)


def test_second_login_takes_the_session_over_with_orders_in_flight(hops: HopVenue) -> None:
    """What the first connection sent has its effect before the takeover, or never."""

    async def story(trader: Trader) -> None:
        first = trader.client
        first._reconnect = False  # the two must not throw each other out for ever
        hops.door["g1"].delay(Way.DOWN, 0.05)
        sent = trader.enter(HUNDREDS)
        await trader.connect()
        second = trader.client
        accepted = hops.accepted(trader)
        print(f"effective={len(accepted)} of {len(sent)}")
        assert accepted == [order.urn for order in sent[: len(accepted)]]
        assert not first.taped.faults
        assert first.taped.tape == second.taped.tape[: len(first.taped.tape)]
        trader.entered = sent[: len(accepted)]
        trader.enter(10)

    hops.play(story)


def test_orders_still_in_the_pipe_at_a_takeover_have_no_effect(hops: HopVenue) -> None:
    """The session is at another gateway when they arrive: their epoch is over."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(5))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        push = hops.push["g1", leader]
        push.hold(Way.UP)
        void = trader.enter(100)
        await hops.until(lambda: push.waiting(Way.UP) > 0, "orders in the pipe")
        trader.client._reconnect = False
        await trader.connect(gateways=("g2", "g1"))
        await trader.settled(trader.enter(10))
        passed = push.passed(Way.UP)
        push.release(Way.UP)
        await hops.until(lambda: push.passed(Way.UP) > passed, "they arrive")
        await trader.settled(trader.enter(10))
        trader.entered = [order for order in trader.entered if order not in void]

    hops.play(story)


def test_repeated_connection_does_nothing_twice(hops: HopVenue) -> None:
    """Every byte of the conversation comes once more: login, then orders whose numbers are used."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(50))
        with hops.door["g1"].repeat():
            await hops.until(lambda: trader.logins == 2, "the login after the takeover")
        trader.enter(20)

    hops.play(story)


# ---- gateway -> PUSH


def test_gateway_killed_after_reading_and_before_pushing(hops: HopVenue) -> None:
    """Nobody has the orders but the client; it goes to the other gateway."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        hops.arm("read")
        trader.enter(30)
        trader.enter(1, mark=True)
        trader.enter(30)
        await hops.gone("g1")
        await hops.until(lambda: trader.logins == 2, "the login at the other gateway")

    hops.play(story)


def test_gateway_killed_after_pushing(hops: HopVenue) -> None:
    """The venue has the orders, the client does not know: it reads its past before it repeats."""

    async def story(trader: Trader) -> None:
        hops.arm("pushed")
        trader.enter(30)
        trader.enter(1, mark=True)
        await hops.gone("g1")
        await hops.until(lambda: trader.logins == 2, "the login at the other gateway")

    hops.play(story)


def test_push_cut_with_frames_in_flight_is_healed_by_a_gap(hops: HopVenue) -> None:
    """Frames are gone and nobody is told; the next ones show the hole."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        push = hops.push["g1", leader]
        lost = push.lost(Way.UP)
        push.hold(Way.UP)
        await trader.stream_in(50)
        await asyncio.sleep(0.1)
        push.drop()
        assert push.lost(Way.UP) > lost
        push.mend()
        await hops.until(lambda: push.open_count > 0, "PUSH is there again")
        await asyncio.sleep(0.1)
        await trader.stream_in(50)
        await trader.settled()

    trader = hops.play(story)
    gaps = hops.count(trader, EventKind.GAP)
    print(f"gaps={gaps}")
    assert gaps > 0
    assert any(line["cause"] == "GAP" for line in hops.said("g1", "commands_resent"))


def test_push_cut_with_the_last_frames_in_flight_is_healed_by_the_timer(hops: HopVenue) -> None:
    """Nothing follows that could show the hole."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(20))
        leader = await hops.leader()
        push = hops.push["g1", leader]
        push.hold(Way.UP)
        await trader.stream_in(50)
        await asyncio.sleep(0.1)
        push.drop()
        push.mend()
        await trader.settled()

    before = len(hops.said("g1", "windows_resent"))
    hops.play(story)
    assert len(hops.said("g1", "windows_resent")) > before


def test_full_pipe_stops_the_clients_and_loses_nothing(hops: HopVenue) -> None:
    """The leader's PULL takes nothing: backpressure reaches the client's socket."""

    async def story(trader: Trader) -> None:
        leader = await hops.leader()
        push = hops.push["g1", leader]
        push.fill(Way.UP)
        trader.enter(3_000)
        await asyncio.sleep(0.7)
        assert trader.undecided == 3_000
        push.release(Way.UP)
        await trader.settled()

    hops.play(story)


# ---- PULL -> leader


def test_late_frames_are_refused_by_their_limit(hops: HopVenue) -> None:
    """They lie in the pipe longer than two seconds: not_after, then a resend with a new one."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(5))
        leader = await hops.leader()
        push = hops.push["g1", leader]
        push.hold(Way.UP)
        trader.enter(100)
        await asyncio.sleep(2.1)  # longer than a command lives, shorter than a lease
        push.release(Way.UP)
        await trader.settled()

    trader = hops.play(story)
    expired = hops.count(trader, EventKind.COMMAND_EXPIRED)
    print(f"expired={expired}")
    assert expired > 0


def test_killed_pull_loses_hundreds_and_the_resend_heals_it(hops: HopVenue) -> None:
    """The kernel and PULL have taken them, the leader dies before it reads them."""
    lost = 0
    killed_ns = 0

    async def story(trader: Trader) -> None:
        nonlocal lost, killed_ns
        await trader.settled(trader.enter(5))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        push = hops.push["g1", leader]
        before = push.passed(Way.UP)
        hops.stop(leader)
        trader.enter(HUNDREDS)
        await hops.until(lambda: push.passed(Way.UP) - before > HUNDREDS * 20, "the socket's yes")
        await asyncio.sleep(0.05)
        taken = push.passed(Way.UP) - before
        await hops.kill(leader)
        killed_ns = time.time_ns()
        lost = trader.undecided
        print(f"bytes={taken} orders={lost}")
        await trader.settled()
        await hops.started(leader)

    trader = hops.play(story)
    assert lost == HUNDREDS
    session_id = hops.session_id(trader)
    late = [
        event
        for event in hops.events()
        if event.kind == EventKind.ORDER_ACCEPTED
        and event.session_id == session_id
        and event.timestamp_ns > killed_ns
    ]
    assert len(late) == HUNDREDS, "the dead leader had some of them"


def test_stale_leader_that_wakes_up_has_no_effect(hops: HopVenue) -> None:
    """Frames wait in the PULL of a leader that sleeps; another one leads when it reads them."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(5))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        hops.stop(leader)
        trader.enter(HUNDREDS)
        await trader.settled()
        await asyncio.sleep(0.2)
        hops.go_on(leader)
        assert await hops.leader() != leader
        trader.enter(100)
        await trader.settled()

    hops.play(story)


def test_frames_on_their_way_to_two_leaders_are_done_once(hops: HopVenue) -> None:
    """The old leader's come late to a follower, which reads them away; the new one has copies."""

    async def story(trader: Trader) -> None:
        await trader.settled(trader.enter(5))
        leader = await hops.leader()
        await hops.heard("g1", leader)
        push = hops.push["g1", leader]
        push.hold(Way.UP)
        trader.enter(HUNDREDS)
        await asyncio.sleep(0.2)
        assert push.waiting(Way.UP) > 0
        hops.stop(leader)
        await trader.settled()
        hops.go_on(leader)
        await hops.until(lambda: hops.said(leader, "role")[-1]["role"] == "follower", "it follows")
        push.release(Way.UP)
        trader.enter(50)
        await trader.settled()

    hops.play(story)
