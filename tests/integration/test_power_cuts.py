"""What clients were told is there after the power of every node went at once, under load.

The nodes run on disks that forget what was not synced (oms/chaos/forgetful_fs.py). The evidence is
that of tests/integration/test_crashes.py. Mounting such disks needs root or a user namespace;
without them these tests are skipped, and say so.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.chaos.forgetful_disk import why_not
from oms.config import VenueConfig
from oms.local import venue as local_venue
from oms.local.samples import demo_config
from oms.messages.enums import Protocol
from tests.support.crash_evidence import RATE, directory_of, messages_of, run, session_stream
from tests.support.crash_load import Load, TapedClient, new_seed
from tests.support.powered_venue import PoweredVenue, powered_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
CUTS = 3
SYNC_MS = (0, 2, 10)


@pytest.fixture
def seed() -> int:
    """A new one for every run; pytest shows it when the test fails."""
    return new_seed()


@pytest.fixture
def config(seed: int) -> VenueConfig:
    """The demo's instruments and robots."""
    return demo_config(seed)


@pytest.fixture
def powered(tmp_path: Path, config: VenueConfig) -> Iterator[PoweredVenue]:
    """A running venue on forgetful disks."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with powered_venue(tmp_path, config) as made:
        yield made


def test_nothing_that_was_acknowledged_is_lost_when_all_power_goes(
    powered: PoweredVenue, config: VenueConfig, seed: int
) -> None:
    """Several times, each time with orders in flight, each disk with a draw of its own; the slower
    the syncs, the more of them are under way.
    """

    async def script(load: Load) -> None:
        for number, delay_ms in enumerate(SYNC_MS):
            for disk in powered.disks.values():
                disk.slow_syncs(delay_ms)
            assert await load.aim() > 0
            await load.blocking(lambda: powered.cut(seed + number * 10))  # noqa: B023
            powered.restore()
            await load.leader()
            await load.acknowledged(100)

    run(powered.venue, config, seed, script)


def test_a_node_whose_power_goes_again_and_again_comes_back(
    powered: PoweredVenue, config: VenueConfig, seed: int
) -> None:
    """The others go on meanwhile; what its disk kept of the unsynced tail does no harm."""

    async def script(load: Load) -> None:
        for number in range(CUTS):
            name = load.draw.choice([node.node_id for node in powered.venue.nodes])
            await load.aim()
            await load.blocking(lambda: powered.cut(seed + number, [name]))  # noqa: B023
            await load.acknowledged(100)
            powered.disks[name].restore()
            await load.restart(name)

    run(powered.venue, config, seed, script)


@pytest.mark.parametrize(
    ("node_module", "is_lost"),
    [("oms.node.main", False), ("tests.support.unsynced_node", True)],
    ids=["sound", "without fdatasync"],
)
def test_a_node_that_does_not_sync_is_seen_to_lose(
    tmp_path: Path,
    config: VenueConfig,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    node_module: str,
    is_lost: bool,
) -> None:
    """The test of these tests: the same cut, with and without the mistake."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setattr(local_venue, "_NODE_MODULE", node_module)
    with powered_venue(tmp_path, config) as powered:
        clients = asyncio.run(_trade_until_the_power_goes(powered, config, seed))
        powered.venue.stop(is_killed=True)
        for disk in powered.disks.values():
            disk.restore()
        powered.venue.start()
        powered.venue.wait_equal()
        lost = sum(_missing(powered, name, client) for name, client in clients.items())
    assert bool(lost) is is_lost, f"{lost} messages are lost"


async def _trade_until_the_power_goes(
    powered: PoweredVenue, config: VenueConfig, seed: int
) -> dict[str, TapedClient]:
    load = Load(powered.venue, config, seed=seed, rate=RATE)
    async with load.trading(powered.venue.gateway_addresses):
        await load.acknowledged(300)
        await load.aim()
        await load.blocking(powered.forget)
    return load.clients


def _missing(powered: PoweredVenue, name: str, client: TapedClient) -> int:
    """Messages that came to this client and that the venue does not replay to it."""
    node_id = powered.venue.nodes[0].node_id
    directory = directory_of(powered.venue, node_id)
    session_id = directory.credentials(name, Protocol.OUCH).session_id
    stream = session_stream(powered.venue, node_id, session_id) if session_id else b""
    replayed = messages_of(stream, directory)[client.taped.first_seq - 1 :]
    tape = client.taped.tape
    assert tape
    return len(tape) - sum(told == logged for told, logged in zip(tape, replayed, strict=False))
