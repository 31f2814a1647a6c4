"""An independent dissector reads what we say on the wire, also while the leader dies.

The capture is written by a relay between client and gateway; the checker belongs to the shared
folder and asks tshark. Without one of the two the test is skipped, and says so.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.client import BlockingOrder, Client
from oms.client.errors import OrderRejected
from oms.config import UserConfig, VenueConfig
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue
from tests.support.recording_proxy import RecordingProxy

SHARED = Path(os.environ.get("OMS_SHARED", Path(__file__).parents[3] / "shared"))
CHECKER = SHARED / "tools" / "tshark_check.py"
ANSWER_S = 15.0
ROUNDS = 60

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
    pytest.mark.skipif(
        not CHECKER.exists(), reason=f"no {CHECKER.name} in the shared folder (OMS_SHARED)"
    ),
]


@pytest.fixture
def venue() -> Iterator[tuple[LocalVenue, VenueConfig]]:
    """Three nodes and a gateway, gone afterwards."""
    config = demo_config(seed=7)
    with LocalVenue.temporary(config) as running:
        yield running, config


def connect(address: tuple[str, int], user: UserConfig, from_seq: int = 1) -> Client:
    """Log in through the relay."""
    return Client.connect([address], user.name, user.password, from_seq=from_seq)


def price_at(config: VenueConfig, offset: int) -> int:
    """A price some ticks of 0.01 from the first instrument's reference."""
    units = round(float(config.instruments[0].reference_price) * 100)
    return (units + offset) * 100


def settle(orders: list[BlockingOrder]) -> int:
    """Wait for every outcome; how many were accepted."""
    accepted = 0
    for order in orders:
        try:
            order.outcome(ANSWER_S)
        except OrderRejected:
            continue
        accepted += 1
    return accepted


def busy_rounds(maker: Client, taker: Client, config: VenueConfig) -> None:
    """Every request we offer and every answer it can have, interleaved on two sessions."""
    symbol = config.instruments[0].symbol
    for number in range(ROUNDS):
        bid, ask = price_at(config, -5 - number % 3), price_at(config, 5 + number % 3)
        buy = maker.enter(symbol, "BUY", 300, bid, cl_ord_id=f"BID{number}")
        sell = maker.enter(symbol, "SELL", 300, ask, firm=config.accounts[0].firm)
        settle([buy, sell])
        takes = [
            taker.enter(symbol, "BUY", 100, ask, tif="IOC"),
            taker.enter(symbol, "SELL", 100, None),
            taker.enter(symbol, "BUY", 5_000, ask, tif="FOK"),
            taker.enter("NOWHERE", "BUY", 100, ask),
            taker.enter(symbol, "BUY", 100, ask + 1),
            taker.enter(symbol, "BUY", 2_000_000, ask),
            taker.enter(symbol, "BUY", 100, ask, firm="NONE"),
        ]
        maker.cancel(buy, 250)
        moved = maker.replace(sell, 400, ask + 100)
        settle([*takes, moved])
        maker.replace(moved, 500, ask + 1)  # off the tick: cancels the original
        maker.cancel(buy)
        maker.cancel(buy)  # superfluous: no answer at all
    assert maker.query_account() > ROUNDS
    assert taker.query_account() > ROUNDS


def orders_across_a_kill(venue: LocalVenue, client: Client, config: VenueConfig) -> None:
    """Orders in flight when the leader dies, and after it."""
    symbol = config.instruments[1].symbol
    price = config.instruments[1].reference_price
    leader = venue.leader()
    assert leader is not None
    before = [client.enter(symbol, "BUY", 10, price) for _ in range(50)]
    venue.kill(leader)
    after = [client.enter(symbol, "BUY", 10, price) for _ in range(50)]
    assert settle(before + after) == len(before) + len(after)
    venue.start_node(leader)


def test_a_dissector_finds_nothing_wrong_in_a_busy_session_and_a_fail_over(
    venue: tuple[LocalVenue, VenueConfig], tmp_path: Path
) -> None:
    """Our own decoder would share our own mistakes; tshark and its tables do not."""
    running, config = venue
    capture = tmp_path / "session.pcap"
    with RecordingProxy(running.gateway_addresses[0], capture) as proxy:
        with (
            connect(proxy.address, config.users[0]) as maker,
            connect(proxy.address, config.users[4]) as taker,
        ):
            busy_rounds(maker, taker, config)
            orders_across_a_kill(running, maker, config)
        with connect(proxy.address, config.users[0]) as again:  # the whole stream once more
            again.query_account()
    port = str(proxy.address[1])
    command = [sys.executable, str(CHECKER), str(capture), "--ouch5", port, "--min", "1000"]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert judged.returncode == 0, f"{judged.stdout[-4000:]}\n{judged.stderr[-4000:]}"
