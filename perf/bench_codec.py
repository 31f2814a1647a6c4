"""What the binary door costs an order: frames, OUCH decoding, translation, encoding (pyperf).

    python perf/bench_codec.py [--fast] [-o FILE.json]

Figures are per message.
"""

import pyperf

from gateways.binary.translate import Translator
from oms.messages.enums import EventFlag, EventKind, OrdType, Side, TimeInForce
from oms.messages.event_records import EVENT
from oms.wire import ouch, outbound, soupbin
from oms.wire import ouch_messages as m

FRAMES = 64
SYMBOLS = {1: b"ALDER   "}
MIDNIGHT_NS = 1_800_000_000_000_000_000


def enter_order(number: int) -> m.EnterOrder:
    """An order as clients send it most."""
    return m.EnterOrder(
        user_ref_num=number,
        side=ord("B"),
        qty=100,
        symbol=SYMBOLS[1],
        price=1_000_000,
        cl_ord_id=b"ORDER000000001",
    )


def accepted_record() -> bytes:
    """The engine's event that answers it."""
    return EVENT.pack(
        EventKind.ORDER_ACCEPTED, Side.BUY, 0, EventFlag.LIVE, 2, 7, 5, 3, MIDNIGHT_NS + 10**13, 1,
        1, 4, 1, 4, 99, 1_000_000, 100, 100, 0, OrdType.LIMIT, TimeInForce.DAY, ord("Y"),
        ord("P"), b"ORDER000000001", b"", ord("N"), ord("N"), 0,
    )  # fmt: skip


def split(stream: bytes) -> int:
    """Cut a read from a socket into frames."""
    return sum(1 for _ in soupbin.FrameSplitter().feed(stream))


def main() -> None:
    """Run the benchmarks; pyperf starts this file again for each of its processes."""
    runner = pyperf.Runner()
    order = enter_order(1)
    message = ouch.encode(order)
    stream = soupbin.unsequenced(message) * FRAMES
    record = accepted_record()
    acceptance = outbound.encode_message(record, 0, SYMBOLS, MIDNIGHT_NS)
    translator = Translator(
        session_id=2,
        conn_epoch=1,
        default_account_id=1,
        accounts={},
        instruments={symbol: number for number, symbol in SYMBOLS.items()},
        rule_version=2,
    )
    runner.bench_func("SoupBinTCP: split, per frame of 64", split, stream, inner_loops=FRAMES)
    runner.bench_func("OUCH: decode Enter Order", ouch.decode_inbound, message)
    runner.bench_func("OUCH: decode and translate", translator.translate, message, 0, 1, 1 << 62)
    runner.bench_func("OUCH: encode Enter Order (client)", ouch.encode, order)
    runner.bench_func(
        "OUCH: event record to packet", outbound.encode_packet, record, 0, SYMBOLS, MIDNIGHT_NS
    )
    runner.bench_func("OUCH: decode Accepted (client)", ouch.decode_outbound, acceptance)


if __name__ == "__main__":
    main()
