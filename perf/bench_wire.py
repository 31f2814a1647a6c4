"""Order to acceptance through gateway and three nodes, open loop.

    python perf/bench_wire.py --rate 5000 --seconds 30 [--json]

Orders are due at fixed times whether or not earlier ones were answered, and an order's latency
counts from when it was due: what waited because the venue (or this client) was slow is in the
figures. Buyer and seller alternate at one price, so every second order trades. Two seconds at
the same rate come first and are not counted. `fdatasync` of 4 KiB into a written file on the
nodes' disk is measured beside it: alone, before the load, and 20 times a second under it.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms.client.latency import LatencyHistogram
from oms.local.samples import replay_config
from oms.local.venue import LocalVenue
from oms.replay import runner
from oms.replay.flow import Flow, build
from oms.replay.lobster import MESSAGE, Kind
from oms.replay.stream import SessionStream
from perf.disk import SyncProbe
from perf.figures import progress, show

SYMBOL = "AAPL"
PRICE = 5_850_000
QTY = 100
WARM_UP_S = 2
NS = 1_000_000_000


def orders_flow(rate: int, seconds: int, firms: list[str]) -> Flow:
    """`rate` orders a second, evenly spaced; each pair trades."""
    count = rate * seconds
    messages = np.zeros(count, MESSAGE)
    numbers = np.arange(count)
    messages["time_ns"] = numbers * NS // rate
    messages["kind"] = Kind.NEW
    messages["direction"] = np.where(numbers % 2 == 0, 1, -1)
    messages["size"] = QTY
    messages["order_id"] = numbers + 1
    messages["price"] = PRICE
    return build(messages, symbol=SYMBOL, firms=firms)[0]


def due_latencies(stream: SessionStream, started_ns: int) -> LatencyHistogram:
    """From when each order was due to its answer."""
    flow = stream.flow
    first_ns = int(flow.times_ns[0])
    histogram = LatencyHistogram()
    for message, answered_ns in zip(flow.message_of_order, stream.tally.answered_ns, strict=True):
        due_ns = started_ns + int(flow.times_ns[message]) - first_ns
        histogram.record(answered_ns - due_ns)
    return histogram


def measure(rate: int, seconds: int) -> dict[str, object]:
    """One run on a private venue."""
    config = replay_config(symbol=SYMBOL)
    firms = [account.firm for account in config.accounts]
    user = config.users[0]
    warm_up = orders_flow(rate, WARM_UP_S, firms)
    flow = orders_flow(rate, seconds, firms)
    progress("starting a venue")
    with LocalVenue.temporary(config) as venue:
        probe = SyncProbe(venue.folder.path)
        probe.measure_alone()
        address = venue.gateway_addresses[0]
        with probe:
            stream = SessionStream(address, user.name, user.password, warm_up)
            stream.log_in()
            runner.run_once([stream], speed=1.0)
            stream.close()
            probe.loaded = LatencyHistogram()
            stream = SessionStream(address, user.name, user.password, flow)
            stream.log_in()
            progress(f"{flow.order_count} orders at {rate} a second")
            started_ns = runner.run_once([stream], speed=1.0)
            ended_ns = time.monotonic_ns()
            stream.close()
        venue.wait_equal()
    return {
        "rate": rate,
        "seconds": seconds,
        "orders": flow.order_count,
        "accepted": stream.tally.accepted_count,
        "orders_per_s": round(stream.tally.accepted_count * NS / (ended_ns - started_ns), 1),
        "ack_us": due_latencies(stream, started_ns).summary_us(),
        "fdatasync_us": probe.alone.summary_us(),
        "fdatasync_loaded_us": probe.loaded.summary_us(),
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="order to acceptance, open loop")
    parser.add_argument("--rate", type=int, default=5_000, help="orders a second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.rate, options.seconds)
    show(figures, as_json=options.json)
    return 0 if figures["accepted"] == figures["orders"] else 1


if __name__ == "__main__":
    sys.exit(main())
