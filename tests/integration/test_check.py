"""Recorded clients of a real venue under real kills, judged afterwards by `oms check`."""

import asyncio
import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oms.check import log_source
from oms.check.history import SUFFIX, Recorder
from oms.check.judge import check
from oms.cli.main import app
from oms.client.aio import AsyncClient
from oms.config import VenueConfig
from oms.local.decimals import to_units
from oms.local.samples import SYMBOLS, demo_config
from oms.local.venue import LocalVenue
from tests.support.crash_load import new_seed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

NAMES = ("MAKE1", "MAKE2", "TAKE1", "TAKE2")
SYMBOL = SYMBOLS[0]
ORDERS = 250  # of each client, between two faults
PATIENCE_S = 30.0


async def trade(client: AsyncClient, price: int, draw: random.Random) -> None:
    """Orders that meet each other, a few at a time; some are canceled or replaced."""
    for _ in range(ORDERS // 5):
        orders = [
            client.enter(SYMBOL, draw.choice(("BUY", "SELL")), draw.randint(1, 50), price)
            for _ in range(5)
        ]
        for order in orders:
            await order.outcome(timeout=PATIENCE_S)
        if orders[0].is_open and draw.random() < 0.5:
            client.cancel(orders[0])
        if orders[1].is_open and draw.random() < 0.5:
            client.replace(orders[1], draw.randint(1, 60), price)


async def play(venue: LocalVenue, config: VenueConfig, histories: Path, seed: int) -> None:
    """Kill the leader, then a gateway, under load."""
    draw = random.Random(seed)
    loop = asyncio.get_running_loop()
    passwords = {user.name: user.password for user in config.users}
    price = to_units(config.instruments[0].reference_price, "reference_price")
    recorders = {name: Recorder(histories / f"{name}{SUFFIX}", name) for name in NAMES}
    clients = [
        await AsyncClient.connect(
            venue.gateway_addresses, name, passwords[name], recorder=recorders[name]
        )
        for name in NAMES
    ]
    leader = await loop.run_in_executor(None, venue.leader)
    assert leader is not None
    for victim in (leader, venue.folder.venue.gateways[0].name):
        trading = [asyncio.create_task(trade(client, price, draw)) for client in clients]
        await asyncio.sleep(0.2)
        assert venue.kill(victim)
        await asyncio.gather(*trading)
        await loop.run_in_executor(None, venue.wait_gone, victim, PATIENCE_S)
        venue.start_node(victim)
    for client in clients:
        await client.query_account()
        await client.close()
    for recorder in recorders.values():
        recorder.close()


def test_clients_of_a_venue_under_kills_have_nothing_to_complain_of(tmp_path: Path) -> None:
    """What they wrote down is what the log says; and a log without one entry is not believed."""
    seed = new_seed()
    config = demo_config(seed)
    histories = tmp_path / "histories"
    histories.mkdir()
    with LocalVenue.temporary(config, gateway_count=2) as venue:
        asyncio.run(play(venue, config, histories, seed))
        venue.stop()
        done = CliRunner().invoke(app, ["check", str(histories), str(venue.folder.path), "--json"])
        assert done.exit_code == 0, (seed, done.output)
        verdict = json.loads(done.stdout)
        assert verdict["acknowledged"] + verdict["unknown_resolved"] > ORDERS
        assert (verdict["histories"], verdict["incomplete"]) == (len(NAMES), 0)
        log = [batch for _, batch in log_source.entries(log_source.choose(venue.folder.path))]
    middle = max(range(len(log) // 3, 2 * len(log) // 3), key=lambda place: len(log[place]))
    del log[middle]
    (tmp_path / "log.raw").write_bytes(b"".join(log))
    assert not check([histories], tmp_path / "log.raw").is_clean, seed
