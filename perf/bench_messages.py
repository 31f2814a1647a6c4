"""What a message costs before and behind the engine: push, pack, unpack (pyperf).

    python perf/bench_messages.py [--fast] [-o FILE.json]

Figures are per command or per event, whatever the size of the frame they stand in.
"""

import msgspec
import numpy as np
import pyperf

from oms.bounds import EVENT_BYTES
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, OrdType, Side, TimeInForce
from oms.messages.event_records import EVENT_DTYPE, unpack_events
from oms.messages.link import Push
from oms.messages.packing import pack_batch

FRAME = 64


def new_order(number: int) -> c.NewOrder:
    """An order as a gateway pushes it."""
    return c.NewOrder(
        session_id=2,
        conn_epoch=1,
        client_seq=number,
        not_after_ns=1 << 62,
        policy=OUCH_POLICY,
        user_ref_num=number,
        account_id=1,
        instrument_id=1,
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        order_qty=100,
        price=1_000_000,
        cl_ord_id=b"ORDER000000001",
        firm=b"",
        display=ord("Y"),
        capacity=ord("O"),
        iso=ord("N"),
        cross_type=ord("N"),
    )


def sum_of_quantities(data: bytes) -> int:
    """A column of the event log, as numpy reads it."""
    return int(np.frombuffer(data, EVENT_DTYPE)["qty"].sum())


def main() -> None:
    """Run the benchmarks; pyperf starts this file again for each of its processes."""
    runner = pyperf.Runner()
    commands: list[c.Command] = [new_order(number) for number in range(1, FRAME + 1)]
    push = Push(gateway_id=1, commands=commands)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(Push).decode
    frame = encode(push)
    events = bytes(EVENT_BYTES) * FRAME
    runner.bench_func("pack_batch, one command", pack_batch, 1, commands[:1])
    runner.bench_func("pack_batch, per command of 64", pack_batch, 1, commands, inner_loops=FRAME)
    runner.bench_func("encode Push, per command of 64", encode, push, inner_loops=FRAME)
    runner.bench_func("decode Push, per command of 64", decode, frame, inner_loops=FRAME)
    runner.bench_func("unpack_events, per event of 64", unpack_events, events, inner_loops=FRAME)
    runner.bench_func("numpy column, per event of 64", sum_of_quantities, events, inner_loops=FRAME)


if __name__ == "__main__":
    main()
