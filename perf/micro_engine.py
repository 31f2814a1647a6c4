"""What a call of the engine costs: one command an entry, and 1,024 commands an entry (pyperf).

    python perf/micro_engine.py [--fast] [-o FILE.json]

Accounts, holds, limits, collar and digest are on, every event is written. Figures are per command.
perf/bench_engine.py measures whole workloads; this shows what a single kind of call costs.
"""

import time
from collections.abc import Callable

import pyperf

from oms._core.engine import Engine
from oms.local.genesis import build_genesis, demo_config
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, OrdType, Side, TimeInForce
from oms.messages.packing import pack_batch

SESSION = 2
FIRST_NS = 1_800_000_000_000_000_000
BLOCK = 64  # entries packed ahead of the clock


class Flow:
    """A venue with one session logged in, and the numbers of its next command."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.log_index = 0
        self.client_seq = 0
        self.user_ref_num = 0
        for entry in build_genesis(demo_config(seed=1), cluster_id=1, now_ns=FIRST_NS):
            self.apply(entry)
        self.apply(pack_batch(FIRST_NS, [c.Login(SESSION, nonce=1, gateway_id=1)]))
        instrument = self.engine.directory().instruments[0]
        tick = instrument.tick_size
        self.price = instrument.reference_price // tick * tick

    def apply(self, entry: bytes) -> None:
        """The call that is measured."""
        self.log_index += 1
        self.engine.apply(self.log_index, entry)

    def new(self, side: Side, time_in_force: TimeInForce = TimeInForce.DAY) -> c.NewOrder:
        """The session's next order, at the reference price."""
        self.client_seq += 1
        self.user_ref_num += 1
        return c.NewOrder(
            session_id=SESSION,
            conn_epoch=1,
            client_seq=self.client_seq,
            not_after_ns=1 << 62,
            policy=OUCH_POLICY,
            user_ref_num=self.user_ref_num,
            account_id=1,
            instrument_id=1,
            side=side,
            ord_type=OrdType.LIMIT,
            time_in_force=time_in_force,
            order_qty=100,
            price=self.price,
            cl_ord_id=b"",
            firm=b"",
            display=ord("Y"),
            capacity=ord("O"),
            iso=ord("N"),
            cross_type=ord("N"),
        )

    def cancel(self) -> c.CancelOrder:
        """Cancel the last order."""
        self.client_seq += 1
        return c.CancelOrder(
            SESSION, 1, self.client_seq, 1 << 62, OUCH_POLICY, self.user_ref_num, 0
        )


def rest_and_cancel(flow: Flow) -> list[c.Command]:
    """An order that rests and goes again: two commands."""
    return [flow.new(Side.BUY), flow.cancel()]


def rest_and_take(flow: Flow) -> list[c.Command]:
    """An order that rests and one that takes it: two commands, one trade."""
    return [flow.new(Side.BUY), flow.new(Side.SELL, TimeInForce.IOC)]


def measured(
    make: Callable[[Flow], list[c.Command]], pairs: int, *, is_single: bool
) -> Callable[[int], float]:
    """A pyperf time function over entries of `pairs` pairs; single: one command an entry."""

    def run(loops: int) -> float:
        flow, elapsed, left = Flow(), 0.0, loops
        while left:
            count = min(left, BLOCK)
            left -= count
            entries: list[bytes] = []
            for _ in range(count):
                commands = [command for _ in range(pairs) for command in make(flow)]
                cut = [[command] for command in commands] if is_single else [commands]
                entries += [pack_batch(0, one) for one in cut]
            started = time.perf_counter()
            for entry in entries:
                flow.apply(entry)
            elapsed += time.perf_counter() - started
        return elapsed

    return run


def main() -> None:
    """Run the benchmarks; pyperf starts this file again for each of its processes."""
    # Commands are numbered, so every timed entry must be packed anew: that takes 20 times as long
    # as applying it. A short minimum keeps the whole bearable.
    runner = pyperf.Runner(processes=3, min_time=0.01)
    for name, make in (("rest + cancel", rest_and_cancel), ("rest + take", rest_and_take)):
        runner.bench_time_func(
            f"{name}, one command an entry", measured(make, 1, is_single=True), inner_loops=2
        )
        runner.bench_time_func(
            f"{name}, 1,024 commands an entry",
            measured(make, 512, is_single=False),
            inner_loops=1024,
        )


if __name__ == "__main__":
    main()
