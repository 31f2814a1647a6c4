"""A seeded order flow as log entries, for programs that feed the log without clients.

Called by bench_raft.py. The flow is the one that `oms replay --synthetic` sends: new orders near
the touch, deletions, reductions, and IOC orders that each take the first order at the best price.
Four sessions share it; every check of the engine is on. Same seed and count, same commands.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from oms._core import Engine
from oms.bounds import BATCH_COMMANDS_MAX, EVENT_BYTES
from oms.local.genesis import build_genesis
from oms.local.samples import replay_config
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, EventKind, OrdType, Side, TimeInForce
from oms.messages.packing import pack_batch
from oms.replay import synthetic
from oms.replay.lobster import Kind

SESSIONS: Final = 4
ACCOUNTS: Final = 4
FIRST_SESSION: Final = 2  # 1 is the administrator's
NEVER_NS: Final = (1 << 63) - 1
CLUSTER_ID: Final = 1
_NO: Final = ord("N")
_REFUSALS: Final = (
    EventKind.ORDER_REJECTED, EventKind.COMMAND_IGNORED, EventKind.CANCEL_REJECTED, EventKind.GAP,
    EventKind.COMMAND_EXPIRED,
)  # fmt: skip


class Played(NamedTuple):
    """What an engine made of a flow. Shape: counts."""

    events: int
    executions: int  # two for each trade
    refused: int


def opening_entries(now_ns: int) -> list[bytes]:
    """Genesis and logins; they must be applied first."""
    config = replay_config(account_count=ACCOUNTS, session_count=SESSIONS)
    return [*build_genesis(config, CLUSTER_ID, now_ns), pack_batch(now_ns, logins())]


def logins() -> list[c.Command]:
    """Of the sessions that send the flow."""
    return [c.Login(FIRST_SESSION + number, nonce=1, gateway_id=1) for number in range(SESSIONS)]


def order_entries(
    seed: int, count: int, now_ns: int, entry_commands: int = BATCH_COMMANDS_MAX
) -> Iterator[bytes]:
    """`count` commands in entries of so many; the last one may be shorter."""
    batch: list[c.Command] = []
    for command in _commands(seed, count):
        batch.append(command)
        if len(batch) == entry_commands:
            yield pack_batch(now_ns, batch)
            batch.clear()
    if batch:
        yield pack_batch(now_ns, batch)


def play(entries: Sequence[bytes]) -> Played:
    """Apply all of them to an engine of this process."""
    engine = Engine()
    executions = refused = 0
    for index, entry in enumerate(entries, start=1):
        engine.apply(index, entry)
        kinds = engine.events()[::EVENT_BYTES]
        executions += kinds.count(EventKind.ORDER_EXECUTED)
        refused += sum(kinds.count(kind) for kind in _REFUSALS)
    return Played(engine.event_seq, executions, refused)


def _commands(seed: int, count: int) -> Iterator[c.Command]:
    """One command for each message of the synthetic flow."""
    client_seq = [0] * SESSIONS
    urn = [0] * SESSIONS
    order_of: dict[int, tuple[int, int, int]] = {}  # message's order -> session, urn, intended
    messages = synthetic.generate(seed, count)
    columns = [
        messages[name].tolist() for name in ("kind", "direction", "size", "order_id", "price")
    ]
    for number, (kind, direction, size, order_id, price) in enumerate(zip(*columns, strict=True)):
        if kind in (Kind.NEW, Kind.EXECUTE):
            session = number % SESSIONS
            urn[session] += 1
        else:
            session = order_of[order_id][0]
        client_seq[session] += 1
        if kind == Kind.NEW:
            order_of[order_id] = (session, urn[session], size)
            side = Side.BUY if direction > 0 else Side.SELL
            yield _order(session, client_seq[session], urn[session], side, TimeInForce.DAY, size,
                         price)  # fmt: skip
        elif kind == Kind.EXECUTE:
            side = Side.SELL if direction > 0 else Side.BUY
            yield _order(session, client_seq[session], urn[session], side, TimeInForce.IOC, size,
                         price)  # fmt: skip
        else:
            _, number_of_order, intended = order_of[order_id]
            intended = max(0, intended - size) if kind == Kind.REDUCE else 0
            order_of[order_id] = (session, number_of_order, intended)
            yield c.CancelOrder(
                FIRST_SESSION + session, 1, client_seq[session], NEVER_NS, OUCH_POLICY,
                number_of_order, intended,
            )  # fmt: skip


def _order(
    session: int, client_seq: int, urn: int, side: Side, time_in_force: TimeInForce, qty: int,
    price: int,
) -> c.NewOrder:  # fmt: skip
    return c.NewOrder(
        session_id=FIRST_SESSION + session,
        conn_epoch=1,
        client_seq=client_seq,
        not_after_ns=NEVER_NS,
        policy=OUCH_POLICY,
        user_ref_num=urn,
        account_id=urn % ACCOUNTS + 1,
        instrument_id=1,
        side=side,
        ord_type=OrdType.LIMIT,
        time_in_force=time_in_force,
        order_qty=qty,
        price=price,
        cl_ord_id=b"",
        firm=b"",
        display=ord("Y"),
        capacity=ord("O"),
        iso=_NO,
        cross_type=_NO,
    )
