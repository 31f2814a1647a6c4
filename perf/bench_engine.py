#!/usr/bin/env python3
"""Nanoseconds per operation of the engine on a workload file, everything switched on.

    python perf/bench_engine.py --workload FILE [--rounds N] [--far] [--json]

Every operation of the file becomes a command record of a session: admission and `client_seq`,
entitlements, lot, tick, price collar, order and value limits, position limit, share and cash
holds are checked, accounts and positions move with every trade, and every event record is written
and taken into the digest, as in the node. Entries hold `--batch` commands.

A first, untimed pass applies one command per entry, learns what was executed (a replace names the
chain's total) and compares trades, volume, notional and the order-sensitive trade hash with the
file's header: exit code 1 when one differs. Then the timed rounds: a new engine each, the file's
warm part untimed, the rest by this thread's CPU time; the median of the rounds is the figure. With
`--far` every second round has an order at the lowest price and one at the highest in each book from
the beginning; they never trade, and what they cost is the ratio of the two medians.

File layout (little endian): a header of 128 bytes (magic MEWL0001), then records of 32 bytes; new,
cancel, reduce and replace operations (feed files are not for a matching engine).
"""

import argparse
import gc
import json
import statistics
import struct
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from oms._core import Engine
from oms.bounds import COMMAND_BYTES, EVENT_BYTES, MONEY_MAX, PRICE_MAX
from oms.local.genesis import RULE_VERSION
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import (
    CommandKind,
    Entitlement,
    EventKind,
    Liquidity,
    OrdType,
    Phase,
    Policy,
    Side,
    TimeInForce,
)
from oms.messages.event_records import unpack_events
from oms.messages.packing import pack_batch
from oms.messages.records import BATCH_HEADER, BATCH_MARKER, BATCH_VERSION, ORDER

HEADER: Final = struct.Struct("<8sIIQQIIQqqQQQQQQ16s")
RECORD: Final = np.dtype(
    [("op", "u1"), ("side", "u1"), ("ioc", "u1"), ("r", "u1"), ("symbol", "<u4"),
     ("id", "<u8"), ("price", "<i8"), ("qty", "<u4"), ("aux", "<u4")]
)  # fmt: skip
NEW, CANCEL, REDUCE, REPLACE = range(4)
COLUMNS: Final = ("op", "side", "ioc", "symbol", "id", "price", "qty")
ANSWERS: Final = {  # the first event of each operation, unless it was refused
    NEW: EventKind.ORDER_ACCEPTED, CANCEL: EventKind.ORDER_CANCELED,
    REDUCE: EventKind.ORDER_CANCELED, REPLACE: EventKind.ORDER_REPLACED,
}  # fmt: skip
FEED_FLAG: Final = 1
SCRAMBLED_FLAG: Final = 2  # ids were changed after the trade hash was made: it says nothing
ACCOUNTS: Final = 8
TICK: Final = 100  # 0.01, where the file's prices leave room for it
COLLAR_BPS: Final = 10_000  # checked for every order, and wide enough never to refuse one
START_NS: Final = 1_700_000_000_000_000_000
NEVER: Final = (1 << 63) - 1
M64: Final = (1 << 64) - 1
FREE: Final = (0, 0, 0, 0)
POLICY: Final = Policy.INVALID_REPLACE_CANCELS | Policy.UNKNOWN_IS_IGNORED
CHECKS: Final = (
    "session and client_seq, entitlement, phase, lot and tick, order quantity and value, price "
    "collar, position limit, share holds, cash holds, position and cash accounting, every event "
    "written, digest over the events"
)


class Workload(NamedTuple):
    """A file's header and its records. Shape: scalars, then the array of RECORD."""

    name: str
    warm: int
    ops: int
    symbols: int
    flags: int
    max_live: int
    trades: int
    volume: int
    notional: int
    trade_hash: int
    records: npt.NDArray[np.void]


class Measured(NamedTuple):
    """What the untimed pass saw. Shape: scalars, then the commands as one block of records."""

    trades: int
    volume: int
    notional: int
    trade_hash: int
    event_seq: int
    refused: int
    commands: bytes


def read_workload(path: Path) -> Workload:
    """Read a file. Raises: SystemExit when it is not a workload for a matching engine."""
    data = path.read_bytes()
    fields = HEADER.unpack_from(data)
    if fields[0] != b"MEWL0001" or fields[2] != RECORD.itemsize or fields[6] & FEED_FLAG:
        sys.exit(f"{path}: not a workload file with operations to match")
    return Workload(
        name=fields[16].rstrip(b"\0").decode(), warm=fields[3], ops=fields[4], symbols=fields[5],
        flags=fields[6], max_live=fields[10], trades=fields[11], volume=fields[12],
        notional=fields[13], trade_hash=fields[14],
        records=np.frombuffer(data, RECORD, offset=fields[1]),
    )  # fmt: skip


def tick_of(workload: Workload) -> int:
    """The tick size that keeps every price of the file within PRICE_MAX."""
    return TICK if int(workload.records["price"].max()) * TICK <= PRICE_MAX else 1


def opening(workload: Workload) -> list[bytes]:
    """Genesis and logins: one session for each account, rich accounts, wide limits."""
    tick = tick_of(workload)
    price, symbol = workload.records["price"], workload.records["symbol"]
    highest = np.ones(workload.symbols, np.int64)
    np.maximum.at(highest, symbol, price)
    parties = range(1, ACCOUNTS + 2)  # one more, for orders far away
    made: list[c.Command] = [
        ac.AddInstrument(
            *FREE, n + 1, b"S%d" % n, 1, tick, (int(highest[n]) // 2 + 1) * tick, COLLAR_BPS, 500,
            Phase.CONTINUOUS,
        )
        for n in range(workload.symbols)
    ]  # fmt: skip
    made += [ac.AddParticipant(*FREE, n, b"P%d" % n) for n in parties]
    made += [ac.AddAccount(*FREE, n, n, b"A%d" % n, 1 << 40, 1 << 62, 1 << 60, 0) for n in parties]
    made += [ac.AddUser(*FREE, n, n, b"U%d" % n, b"", b"") for n in parties]
    made += [ac.OpenSession(*FREE, n, n, n, 1) for n in parties]
    made += [ac.Grant(*FREE, n, n, Entitlement.ENTER) for n in parties]
    made += [ac.DepositCash(*FREE, n, MONEY_MAX // (ACCOUNTS + 1)) for n in parties]
    made += [
        ac.DepositShares(*FREE, n, symbol_id + 1, 1 << 50)
        for n in parties
        for symbol_id in range(workload.symbols)
    ]
    made.append(ac.StartDay(*FREE, 20240102, START_NS))
    genesis = c.Genesis(
        1, RULE_VERSION, len(made), max(1024, workload.max_live * 2 + 2 * workload.symbols),
        workload.symbols, len(parties), len(parties), len(parties), len(parties),
        len(parties) * workload.symbols,
    )  # fmt: skip
    every = [genesis, *made, *[c.Login(n, n, 1) for n in parties]]
    return [pack_batch(START_NS, every[n : n + 1000]) for n in range(0, len(every), 1000)]


def start_engine(entries: list[bytes]) -> Engine:
    """An engine that has applied the opening entries."""
    engine = Engine()
    for index, entry in enumerate(entries):
        engine.apply(index + 1, entry)
    return engine


def entry_header(count: int) -> bytes:
    """The header of an entry with that many commands."""
    return BATCH_HEADER.pack(BATCH_MARKER, BATCH_VERSION, count, 0, START_NS, 0, 0)


class Translator:
    """Operations of the file -> command records, one at a time."""

    def __init__(self, tick: int) -> None:
        self.tick = tick
        self.client_seq = [0] * (ACCOUNTS + 1)
        self.last_urn = [0] * (ACCOUNTS + 1)
        self.urn_of: dict[int, int] = {}  # file id -> its user_ref_num as it stands
        self.total: dict[int, int] = {}  # file id -> executed and open quantity of the chain
        self.executed: dict[int, int] = {}
        self.answer = EventKind.ORDER_ACCEPTED  # the first event the last record must lead to
        self.id_of: list[dict[int, int]] = [{} for _ in range(ACCOUNTS + 1)]

    def record(self, op: int, side: int, ioc: int, symbol: int, file_id: int, price: int,
               qty: int) -> bytes:  # fmt: skip
        """The command for one operation; the counters move."""
        party = file_id % ACCOUNTS + 1
        self.client_seq[party] += 1
        urn = orig = self.urn_of.get(file_id, 0)
        kind = CommandKind.CANCEL_ORDER
        order_qty = 0
        self.answer = ANSWERS[op]
        if op != NEW and self.total.get(file_id, 0) <= self.executed.get(file_id, 0):
            # Of an order that is not there any more: every engine has to find that out.
            kind = CommandKind.REPLACE_ORDER if op == REPLACE else CommandKind.CANCEL_ORDER
            urn = orig = 0
            self.answer = EventKind.COMMAND_IGNORED
        elif op in (NEW, REPLACE):
            kind = CommandKind.NEW_ORDER if op == NEW else CommandKind.REPLACE_ORDER
            self.last_urn[party] += 1
            urn = self.last_urn[party]
            self.urn_of[file_id] = urn
            self.id_of[party][urn] = file_id
            order_qty = qty + (self.executed.get(file_id, 0) if op == REPLACE else 0)
            self.total[file_id] = order_qty
        elif op == REDUCE:
            order_qty = self.total[file_id] - qty
            self.total[file_id] = order_qty
        else:
            self.total[file_id] = 0
        return ORDER.pack(
            kind, Side.SELL if side else Side.BUY, 2, TimeInForce.IOC if ioc else TimeInForce.GTC,
            POLICY, ord("Y"), ord("A"), party, 1, self.client_seq[party], NEVER, party,
            symbol + 1, price * self.tick, order_qty, urn, orig if op == REPLACE else 0, ord("N"),
            ord("N"), 0, b"CL%d" % urn, b"A%d" % party,
        )  # fmt: skip

    def settle(self, *, op: int, ioc: int, file_id: int) -> None:
        """After the trades of a new order: what is left of an IOC is gone."""
        if op == NEW and ioc:
            self.total[file_id] = 0


def first_pass(workload: Workload, entries: list[bytes]) -> Measured:
    """Apply one command per entry; learn executions, add up the trades."""
    engine = start_engine(entries)
    translator = Translator(tick_of(workload))
    header = entry_header(1)
    trades = volume = notional = trade_hash = refused = 0
    commands = bytearray()
    columns = [workload.records[name].tolist() for name in COLUMNS]
    for index, row in enumerate(zip(*columns, strict=True), start=len(entries) + 1):
        record = translator.record(*row)
        commands += record
        engine.apply(index, header + record)
        data = engine.events()
        refused += data[0] != translator.answer
        taker = row[4]
        if EventKind.ORDER_EXECUTED not in data[::EVENT_BYTES]:
            translator.settle(op=row[0], ioc=row[2], file_id=taker)
            continue
        for maker, fill, price in executions(data, translator):
            for file_id in (maker, taker):
                translator.executed[file_id] = translator.executed.get(file_id, 0) + fill
            trades += 1
            volume += fill
            notional = (notional + fill * price) & M64
            trade_hash = ((trade_hash * 1000003) & M64) ^ (
                (maker * 31 + taker + price * 7 + fill) & M64
            )
        translator.settle(op=row[0], ioc=row[2], file_id=taker)
    return Measured(
        trades, volume, notional, trade_hash, engine.event_seq, refused, bytes(commands)
    )


def executions(data: bytes, translator: Translator) -> list[tuple[int, int, int]]:
    """The resting orders' file ids, quantities and prices in ticks, in order."""
    return [
        (
            translator.id_of[event.session_id][event.user_ref_num],
            event.qty,
            event.price // translator.tick,
        )
        for event in unpack_events(data)
        if event.kind == EventKind.ORDER_EXECUTED and event.reason == Liquidity.ADDED
    ]


def differences(workload: Workload, measured: Measured) -> list[str]:
    """What the engine did otherwise than the file's header says."""
    names = ["trades", "volume", "notional"]
    if not workload.flags & SCRAMBLED_FLAG:
        names.append("trade_hash")
    wrong = [
        f"{name}: {getattr(measured, name)}, the file says {getattr(workload, name)}"
        for name in names
        if getattr(measured, name) != getattr(workload, name)
    ]
    if measured.refused:
        wrong.append(f"{measured.refused} operations had another answer than they must have")
    return wrong


def pack_entries(commands: bytes, batch: int) -> list[bytes]:
    """Records -> entries of at most `batch` commands."""
    step = batch * COMMAND_BYTES
    blocks = [commands[at : at + step] for at in range(0, len(commands), step)]
    return [entry_header(len(block) // COMMAND_BYTES) + block for block in blocks]


def far_orders(workload: Workload) -> list[bytes]:
    """Two orders in each book that no other one ever reaches, of a session of their own."""
    session_id = ACCOUNTS + 1
    tick = tick_of(workload)
    ends = ((Side.BUY, tick), (Side.SELL, PRICE_MAX // tick * tick))
    orders: list[c.Command] = [
        c.NewOrder(
            session_id, 1, 2 * symbol + n, NEVER, 0, 2 * symbol + n, session_id, symbol + 1, side,
            OrdType.LIMIT, TimeInForce.GTC, 1, price, b"", b"", ord("Y"), ord("A"), ord("N"),
            ord("N"),
        )
        for symbol in range(workload.symbols)
        for n, (side, price) in enumerate(ends, 1)
    ]  # fmt: skip
    return [pack_batch(START_NS, orders[at : at + 1000]) for at in range(0, len(orders), 1000)]


def timed_round(
    opening_entries: list[bytes], warm: list[bytes], timed: list[bytes]
) -> tuple[int, Engine]:
    """Thread CPU nanoseconds of the timed part on a new engine."""
    engine = start_engine(opening_entries)
    index = len(opening_entries)
    for entry in warm:
        index += 1
        engine.apply(index, entry)
    gc.collect()
    gc.disable()
    apply = engine.apply
    started = time.thread_time_ns()
    for entry in timed:
        index += 1
        apply(index, entry)
    elapsed = time.thread_time_ns() - started
    gc.enable()
    return elapsed, engine


def main() -> int:
    """Verify, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=256, help="commands in one log entry")
    parser.add_argument("--far", action="store_true", help="also with orders far away")
    parser.add_argument("--json", action="store_true", help="one line of JSON, nothing else")
    asked = parser.parse_args()
    workload = read_workload(asked.workload)
    entries = opening(workload)
    measured = first_pass(workload, entries)
    wrong = differences(workload, measured)
    if wrong:
        print(f"{asked.workload}: " + "; ".join(wrong), file=sys.stderr)
        return 1
    cut = workload.warm * COMMAND_BYTES
    warm = pack_entries(measured.commands[:cut], asked.batch)
    timed = pack_entries(measured.commands[cut:], asked.batch)
    far = far_orders(workload) if asked.far else []
    rounds: list[float] = []
    far_rounds: list[float] = []
    for _ in range(asked.rounds):
        for kept, more in ((rounds, []), (far_rounds, far)) if far else ((rounds, []),):
            elapsed, engine = timed_round([*entries, *more], warm, timed)
            others = engine.event_seq - measured.event_seq
            if others != 0 if not more else others < 2 * workload.symbols:  # each is accepted
                print("a timed round wrote other events than the first pass", file=sys.stderr)
                return 1
            kept.append(elapsed / workload.ops)
    result = {
        "workload": workload.name,
        "ns_per_op": round(statistics.median(rounds), 1),
        "ns_per_op_rounds": [round(figure, 1) for figure in rounds],
        "rounds": asked.rounds,
        "ops": workload.ops,
        "trades": measured.trades,
        "events": measured.event_seq,
        "trade_hash": f"{measured.trade_hash:016x}",
        "batch": asked.batch,
        "checks": CHECKS,
        "clock": "thread CPU time",
    }
    if far:
        result["ns_per_op_far"] = round(statistics.median(far_rounds), 1)
        ratios = (one / other for one, other in zip(far_rounds, rounds, strict=True))
        result["far_ratio"] = round(statistics.median(ratios), 3)
    if asked.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:>18}  {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
