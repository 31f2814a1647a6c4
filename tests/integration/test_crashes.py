"""What clients are told when parts of the venue die: real processes, robots trading, real kills.

Every test ends with the same evidence: what came to each client over all its connections is,
byte for byte, what every node replays; the robots' own records agree with the state; and the
committed log, read from the journals and played to both engines, explains every event.
"""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from oms.bounds import EVENT_BYTES, GATEWAY_LEASE_NS
from oms.config import VenueConfig
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue
from tests.support.crash_evidence import event_log, run
from tests.support.crash_load import BURST, PATIENCE_S, Load, new_seed
from tests.support.node_rig import Rig

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


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


def test_a_killed_follower_catches_up(venue: LocalVenue, config: VenueConfig, seed: int) -> None:
    """Two of three go on without a pause; the third comes back to the same state."""

    async def script(load: Load) -> None:
        leader = await load.leader()
        follower = load.draw.choice([n.node_id for n in venue.nodes if n.node_id != leader])
        await load.kill(follower)
        await load.acknowledged(300)
        venue.start_node(follower)
        await load.acknowledged(200)

    run(venue, config, seed, script)


def test_killed_leaders_lose_and_repeat_nothing(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Each leader in turn dies with orders on their way to it."""

    async def script(load: Load) -> None:
        for _ in range(3):
            leader = await load.leader()
            assert await load.kill(leader) > 0
            await load.acknowledged(150)
            await load.restart(leader)

    run(venue, config, seed, script)


def test_what_a_leader_without_followers_has_is_nobodys_truth(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """It acknowledges nothing; the others go on without its last entries, and it gives them up."""

    async def script(load: Load) -> None:
        leader = await load.leader()
        followers = [node.node_id for node in venue.nodes if node.node_id != leader]
        await load.kill(*followers)
        await asyncio.sleep(load.draw.random())
        await load.kill(leader)
        for name in followers:
            venue.start_node(name)
        await load.acknowledged(200)
        await load.restart(leader)
        await load.acknowledged(50)

    run(venue, config, seed, script)


def test_all_nodes_killed_at_one_instant_come_back_with_everything(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """What a client was told is in the journals of a majority, whatever memory is lost."""

    async def script(load: Load) -> None:
        names = [node.node_id for node in venue.nodes]
        assert await load.kill(*names) > 0
        await load.blocking(lambda: venue.start(PATIENCE_S))
        await load.acknowledged(200)

    run(venue, config, seed, script)


def test_a_frozen_leader_wakes_up_and_tells_nothing_twice(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """It still believes that it leads; nobody else does."""

    published: dict[int, bytes] = {}

    async def script(load: Load) -> None:
        with Rig(venue) as rig:  # which itself refuses two truths about one event
            listening = asyncio.create_task(listen(rig))
            leader = await load.leader()
            await load.aim()
            venue.kill(leader, signal.SIGSTOP)
            try:
                await load.acknowledged(300)
            finally:
                venue.kill(leader, signal.SIGCONT)
            await load.acknowledged(200)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            published.update(rig.engine)

    run(venue, config, seed, script)
    written = event_log(venue, "n1").read_bytes()
    assert len(published) > 500
    for event_seq, record in published.items():
        assert written[(event_seq - 1) * EVENT_BYTES : event_seq * EVENT_BYTES] == record


async def listen(rig: Rig) -> None:
    """Hear what every node publishes."""
    while True:
        rig.read(0)
        await asyncio.sleep(0.01)


def test_a_frozen_gateway_loses_its_sessions_to_the_other_one(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Silent beyond its lease, it is logged out; awake, it must not go on as if nothing was."""

    async def script(load: Load) -> None:
        await load.aim()
        venue.kill("g1", signal.SIGSTOP)
        try:
            await asyncio.sleep(GATEWAY_LEASE_NS / 1e9 + 0.5)
            load.crowd.burst(BURST)
        finally:
            venue.kill("g1", signal.SIGCONT)
        await load.wait(
            lambda: all(len(client.resent) > 1 for client in load.clients.values()), "new logins"
        )
        await load.acknowledged(200)

    load = run(venue, config, seed, script)
    logs = [venue.log_file(node.node_id).read_text() for node in venue.nodes]
    assert any("gateway_lost" in log for log in logs)
    assert sum(client.resent[1] for client in load.clients.values()) > 0


def test_killed_gateways_hand_their_sessions_over_exactly(
    venue: LocalVenue, config: VenueConfig, seed: int
) -> None:
    """Clients ask the other gateway for the next message and send again what has no outcome."""

    async def script(load: Load) -> None:
        clients = load.clients.values()
        for logins, name in enumerate(("g1", "g2", "g1"), start=2):
            assert await load.kill(name) > 0
            await load.wait(
                lambda: all(len(client.resent) >= logins for client in clients),  # noqa: B023
                f"logins beside {name}",
            )
            await load.acknowledged(100)
            await load.blocking(lambda: venue.start(PATIENCE_S))

    load = run(venue, config, seed, script)
    assert sum(sum(client.resent) for client in load.clients.values()) > 0
