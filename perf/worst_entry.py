"""The longest single entry: one order that thousands of others follow.

    python perf/worst_entry.py [--stops 10000] [--pegs 16384] [--trailing 512] [--rounds 9]
    python perf/worst_entry.py --fill 1000000 [--instruments 5000] [--depth 20] [--rounds 9]
    python perf/worst_entry.py --call 200000 [--depth 50000] [--rounds 9]

A print elects stop orders, each of which trades. A new best price moves pegs at a hundred prices;
then a halt suspends them all in one entry, and its end brings them back. An entry of a thousand
trades at ever higher prices moves trailing stops with each. Every step, that is every
call of `apply` until nothing is pending any more, is timed; printed are the longest of them and
their sum, best of the rounds in thread CPU time (another process that takes the processor away is
no fault of the engine's). Accounts, holds, limits and digest are on, every event is written.
`--fill`: of the entries that bring so many orders into an empty venue, where everything grows; at
up to `--depth` prices on either side of each book. `--call`: so many orders are collected in one
instrument and all overlap, what would trade is said after each entry; then orders and cancels one
by one; then the uncross.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms._core.engine import Engine
from oms.bounds import BATCH_COMMANDS_MAX
from oms.local.genesis import build_genesis, demo_config
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, OrdType, Phase, Side, TimeInForce
from oms.messages.packing import pack_batch
from perf.bench_size import replay_steps
from perf.live_venue import DEPTH, LiveVenue, entries_of

ADMIN, SESSION = 1, 2
FIRST_NS = 1_800_000_000_000_000_000
NEVER = 1 << 62
BATCH = 512


class Followers:
    """A venue of the demo, and the orders of one session in its first instrument."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.log_index = 0
        self.number = 0
        self.admin_number = 0
        for entry in build_genesis(demo_config(seed=1), cluster_id=1, now_ns=FIRST_NS):
            self.apply(entry)
        logins: list[c.Command] = [
            c.Login(session, nonce=1, gateway_id=1) for session in (ADMIN, SESSION)
        ]
        self.apply(pack_batch(FIRST_NS, logins))
        self.instrument = self.engine.directory().instruments[0]

    def enter(self, made: list[c.Command]) -> None:
        """All of it, in batches; all of it rests or waits."""
        for start in range(0, len(made), BATCH):
            self.apply(pack_batch(0, made[start : start + BATCH]))
        if self.engine.open_orders != len(made):
            raise SystemExit("the venue refused an order")

    def order(
        self,
        side: Side,
        ticks: int,
        qty: int,
        kind: OrdType = OrdType.LIMIT,
        *,
        trail_ticks: int = 0,
    ) -> c.NewOrder:
        """The session's next order, so many ticks from the reference price."""
        self.number += 1
        tick = self.instrument.tick_size
        price = (self.instrument.reference_price // tick + ticks) * tick
        is_stop = kind == OrdType.STOP
        return c.NewOrder(
            session_id=SESSION, conn_epoch=1, client_seq=self.number, not_after_ns=NEVER,
            policy=OUCH_POLICY, user_ref_num=self.number, account_id=1, instrument_id=1, side=side,
            ord_type=kind, time_in_force=TimeInForce.DAY, order_qty=qty,
            price=0 if is_stop else price, cl_ord_id=b"", firm=b"",
            display=ord("N" if kind == OrdType.PEG_PRIMARY else "Y"), capacity=ord("O"),
            iso=ord("N"), cross_type=ord("N"), stop_price=price if is_stop else 0,
            peg_offset=-tick * (self.number % 100) if kind == OrdType.PEG_PRIMARY else 0,
            trail=trail_ticks * tick,
        )  # fmt: skip

    def phase(self, phase: Phase) -> ac.SetPhase:
        """The administrator moves the instrument."""
        self.admin_number += 1
        return ac.SetPhase(ADMIN, 1, self.admin_number, NEVER, 1, phase)

    def apply(self, entry: bytes) -> float:
        """Thread CPU seconds of one step."""
        self.log_index += 1
        started = time.thread_time()
        self.engine.apply(self.log_index, entry)
        return time.thread_time() - started

    def steps(self, command: c.Command) -> list[float]:
        """The command, then empty entries until nothing is left to do."""
        steps = [self.apply(pack_batch(0, [command]))]
        while self.engine.is_work_pending:
            steps.append(self.apply(pack_batch(0, [])))
        return steps


def cascade(stops: int) -> list[float]:
    """Sell down to the last stop price, so that all are elected."""
    venue = Followers()
    # One share bid at each of their prices, and below as many as they want to sell.
    bids = [venue.order(Side.BUY, -step, 1) for step in range(1, 101)]
    bids.append(venue.order(Side.BUY, -101, stops))
    waiting = [venue.order(Side.SELL, -1 - n % 100, 1, OrdType.STOP) for n in range(stops)]
    venue.enter([*bids, *waiting])
    return venue.steps(venue.order(Side.SELL, -100, 100))


def storm(pegs: int) -> list[float]:
    """A better bid moves all pegs; then a halt takes them away, and its end brings them back."""
    venue = Followers()
    bid = venue.order(Side.BUY, -10, 1)
    venue.enter([bid, *(venue.order(Side.BUY, -1, 1, OrdType.PEG_PRIMARY) for _ in range(pegs))])
    return [
        *venue.steps(venue.order(Side.BUY, -9, 1)),
        *venue.steps(venue.phase(Phase.HALTED)),
        *venue.steps(venue.phase(Phase.CONTINUOUS)),
    ]


def climb(stops: int) -> list[float]:
    """An entry of purchases that print ever higher, each of which moves all trailing sales."""
    venue = Followers()
    steps = range(1, BATCH_COMMANDS_MAX + 1)
    venue.enter(
        [
            *(
                venue.order(Side.SELL, 0, 1, OrdType.TRAILING_STOP, trail_ticks=1_000 + n % 100)
                for n in range(stops)
            ),
            *(venue.order(Side.SELL, step, 1) for step in steps),
        ]
    )
    return [venue.apply(pack_batch(0, [venue.order(Side.BUY, step, 1) for step in steps]))]


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


def call(orders: int, depth: int, rounds: int) -> None:
    """Time a call: entries of 1,024 that fill it, single commands, the uncross."""
    filling, single, uncross = [], [], []
    for _ in range(rounds):
        log: list[bytes] = []
        venue = LiveVenue(instruments=1, orders=orders, depth=depth, is_call=True, log=log)
        filling.append(max(replay_steps(log)))
        steps = [timed(venue, entry) for entry in entries_of(venue.mixed(4_000), 1)]
        single.append(sorted(steps)[len(steps) // 2])
        phase = venue.signed(ac.SetPhase(1, 1, 0, NEVER, 1, Phase.CONTINUOUS))
        steps = [timed(venue, pack_batch(0, [phase]))]
        while venue.engine.is_work_pending:
            steps.append(timed(venue, pack_batch(0, [])))
        uncross.append(max(steps))
    print(f"a call of {orders:,} orders: longest entry {min(filling) * 1e3:.2f} ms, ", end="")
    print(f"a single one {min(single) * 1e6:.1f} us, ", end="")
    print(f"longest step of the uncross {min(uncross) * 1e3:.2f} ms")


def timed(venue: LiveVenue, entry: bytes) -> float:
    """Thread CPU seconds of one entry."""
    started = time.thread_time()
    venue.apply(entry)
    return time.thread_time() - started


def main() -> None:
    """Time the followers, the filling or the call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=10_000)
    parser.add_argument("--pegs", type=int, default=16_384)
    parser.add_argument("--trailing", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--fill", type=int, metavar="ORDERS")
    parser.add_argument("--call", type=int, metavar="ORDERS")
    parser.add_argument("--instruments", type=int, default=5_000)
    parser.add_argument("--depth", type=int, default=DEPTH)
    asked = parser.parse_args()
    if asked.fill:
        fill(asked.fill, asked.instruments, asked.depth, asked.rounds)
        return
    if asked.call:
        call(asked.call, asked.depth, asked.rounds)
        return
    for what, many, run in (
        ("stop orders", asked.stops, cascade),
        ("pegs", asked.pegs, storm),
        ("trailing stops", asked.trailing, climb),
    ):
        rounds = [run(many) for _ in range(asked.rounds if many else 0)]
        if rounds:
            longest = min(max(steps) for steps in rounds)
            total = min(sum(steps) for steps in rounds)
            print(f"{many:,} {what} in {len(rounds[0])} steps: ", end="")
            print(f"longest {longest * 1e3:.2f} ms, all {total * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
