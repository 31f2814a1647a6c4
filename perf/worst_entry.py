"""The longest single entry: a print that elects thousands of stop orders, each of which trades.

    python perf/worst_entry.py [--stops 10000] [--rounds 9]
    python perf/worst_entry.py --fill 1000000 [--instruments 5000] [--depth 20] [--rounds 9]

Every step, that is every call of `apply` until nothing is pending any more, is timed; printed are
the longest of them and their sum, best of the rounds in thread CPU time (another process that takes
the processor away is no fault of the engine's). Accounts, holds, limits and digest are on, every
event is written. `--fill`: of the entries that bring so many orders into an empty venue, where
everything grows; at up to `--depth` prices on either side of each book.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms._core.engine import Engine
from oms.local.genesis import build_genesis, demo_config
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, OrdType, Side, TimeInForce
from oms.messages.packing import pack_batch
from perf.bench_size import replay_steps
from perf.live_venue import DEPTH, LiveVenue

SESSION = 2
FIRST_NS = 1_800_000_000_000_000_000
BATCH = 512


class Cascade:
    """A venue where stop orders wait at a hundred prices under what one order would sell."""

    def __init__(self, stops: int) -> None:
        self.engine = Engine()
        self.log_index = 0
        self.number = 0
        for entry in build_genesis(demo_config(seed=1), cluster_id=1, now_ns=FIRST_NS):
            self.apply(entry)
        self.apply(pack_batch(FIRST_NS, [c.Login(SESSION, nonce=1, gateway_id=1)]))
        self.instrument = self.engine.directory().instruments[0]
        # One share bid at each of their prices, and below as many as they want to sell.
        bids = [self.order(Side.BUY, -step, 1) for step in range(1, 101)]
        bids.append(self.order(Side.BUY, -101, stops))
        waiting = [self.order(Side.SELL, -1 - n % 100, 1, is_stop=True) for n in range(stops)]
        made: list[c.Command] = [*bids, *waiting]
        for start in range(0, len(made), BATCH):
            self.apply(pack_batch(0, made[start : start + BATCH]))
        if self.engine.open_orders != len(made):
            raise SystemExit("the venue refused an order")

    def order(self, side: Side, ticks: int, qty: int, *, is_stop: bool = False) -> c.NewOrder:
        """The session's next order, so many ticks from the reference price."""
        self.number += 1
        tick = self.instrument.tick_size
        price = (self.instrument.reference_price // tick + ticks) * tick
        return c.NewOrder(
            session_id=SESSION, conn_epoch=1, client_seq=self.number, not_after_ns=1 << 62,
            policy=OUCH_POLICY, user_ref_num=self.number, account_id=1, instrument_id=1, side=side,
            ord_type=OrdType.STOP if is_stop else OrdType.LIMIT, time_in_force=TimeInForce.DAY,
            order_qty=qty, price=0 if is_stop else price, cl_ord_id=b"", firm=b"",
            display=ord("Y"), capacity=ord("O"), iso=ord("N"), cross_type=ord("N"),
            stop_price=price if is_stop else 0,
        )  # fmt: skip

    def apply(self, entry: bytes) -> float:
        """Thread CPU seconds of one step."""
        self.log_index += 1
        started = time.thread_time()
        self.engine.apply(self.log_index, entry)
        return time.thread_time() - started

    def run(self) -> list[float]:
        """Sell down to the last stop price, so that all are elected; then empty entries."""
        steps = [self.apply(pack_batch(0, [self.order(Side.SELL, -100, 100)]))]
        while self.engine.is_work_pending:
            steps.append(self.apply(pack_batch(0, [])))
        return steps


def fill(orders: int, instruments: int, depth: int, rounds: int) -> None:
    """Time the entries of a venue that fills."""
    log: list[bytes] = []
    LiveVenue(instruments=instruments, orders=orders, depth=depth, log=log)
    made = [replay_steps(log) for _ in range(rounds)]
    longest = min(max(steps) for steps in made)
    total = min(sum(steps) for steps in made)
    print(f"{orders:,} orders in {len(log):,} steps: longest {longest * 1e3:.2f} ms, ", end="")
    print(f"all {total * 1e3:.2f} ms; longest of every round, in ms:", end="")
    print("".join(f" {max(steps) * 1e3:.2f}" for steps in made))


def main() -> None:
    """Time the cascade, or the filling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--fill", type=int, metavar="ORDERS")
    parser.add_argument("--instruments", type=int, default=5_000)
    parser.add_argument("--depth", type=int, default=DEPTH)
    asked = parser.parse_args()
    if asked.fill:
        fill(asked.fill, asked.instruments, asked.depth, asked.rounds)
        return
    rounds = [Cascade(asked.stops).run() for _ in range(asked.rounds)]
    longest = min(max(steps) for steps in rounds)
    total = min(sum(steps) for steps in rounds)
    count = len(rounds[0])
    print(f"{asked.stops:,} stop orders in {count} steps: longest {longest * 1e3:.2f} ms, ", end="")
    print(f"all {total * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
