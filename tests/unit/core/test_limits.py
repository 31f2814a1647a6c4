"""Bounds and bytes from outside: reaching one is a refusal, never a crash."""

import random

import pytest

from oms._core import Engine
from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES, EVENT_BYTES, HARD_ORDERS_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import CommandKind, EventKind, RejectReason
from oms.messages.event_records import unpack_events
from oms.messages.packing import pack_batch
from oms.messages.records import BATCH_HEADER
from tests.unit.core.venue import BUYER, FREE, SELLER, START_NS, TICK, Venue


def _reasons(venue: Venue, *commands: c.Command) -> list[int]:
    return [
        event.reason for event in venue.apply(*commands) if event.kind == EventKind.ORDER_REJECTED
    ]


def test_the_last_order_fits_and_the_next_is_refused() -> None:
    """orders_max is a bound of the genesis entry: all replicas refuse the same order."""
    venue = Venue(orders_max=3)
    assert _reasons(venue, *[venue.new(BUYER, 1, TICK) for _ in range(3)]) == []
    assert _reasons(venue, venue.new(BUYER, 1, TICK)) == [RejectReason.CAPACITY]
    venue.apply(venue.cancel(BUYER, 2))
    assert _reasons(venue, venue.new(BUYER, 1, TICK)) == []
    venue.engine.verify()


def test_positions_are_bounded() -> None:
    """A pair that was never touched needs a place; one that was has it."""
    venue = Venue(instruments=2, positions_max=3)  # three of the four deposits fit
    assert _reasons(venue, venue.new(BUYER, 1, TICK, instrument=2)) == []
    venue = Venue(instruments=3, positions_max=6)
    assert _reasons(venue, venue.new(SELLER, 1, TICK, instrument=3)) == []


def test_identities_are_bounded() -> None:
    """Each list refuses the first id beyond its maximum, in genesis mode too."""
    engine = Engine()
    commands: list[c.Command] = [
        c.Genesis(1, 1, 4, 10, 1, 1, 1, 1, 1, 10),
        ac.AddParticipant(*FREE, 1, b"P"),
        ac.AddParticipant(*FREE, 2, b"Q"),
        ac.AddAccount(*FREE, 1, 1, b"A", 1, 1, 1, 1),
        ac.AddAccount(*FREE, 2, 1, b"B", 1, 1, 1, 1),
    ]
    engine.apply(1, pack_batch(1, commands))
    events = unpack_events(engine.events())
    rejected = [event.reason for event in events if event.kind == EventKind.ADMIN_REJECTED]
    assert rejected == [RejectReason.CAPACITY, RejectReason.CAPACITY]


@pytest.mark.parametrize(
    "capacities",
    [
        (0, 1, 1, 1, 1, 1, 1),
        (HARD_ORDERS_MAX + 1, 1, 1, 1, 1, 1, 1),
        (1, 8192 * 16 + 1, 1, 1, 1, 1, 1),
        (1, 1, 1, 1, 1, 1, (1 << 20) + 1),
    ],
)
def test_an_impossible_genesis_is_ignored(capacities: tuple[int, ...]) -> None:
    """What would take all memory is not taken."""
    engine = Engine()
    engine.apply(1, pack_batch(1, [c.Genesis(1, 1, 0, *capacities)]))
    assert not engine.has_genesis


def test_the_largest_genesis_takes_no_memory_yet() -> None:
    """Memory is reserved, and taken where it is touched."""
    engine = Engine()
    largest = (HARD_ORDERS_MAX, 1 << 17, 1 << 14, 1 << 16, 1 << 14, 1 << 14, 1 << 20)
    engine.apply(1, pack_batch(1, [c.Genesis(1, 1, 0, *largest)]))
    assert engine.has_genesis
    engine.verify()


def test_one_command_may_write_any_number_of_events() -> None:
    """The buffer grows while it is written: nothing is lost, moved or numbered twice."""
    venue = Venue()
    for _ in range(5):
        venue.apply(*[venue.new(SELLER, 1, TICK) for _ in range(1000)])
    before = venue.engine.event_seq
    events = venue.apply(venue.new(BUYER, 5000, TICK))
    assert len(events) == 1 + 3 * 5000 + 1
    assert len(venue.engine.events()) == len(events) * EVENT_BYTES
    assert [event.event_seq for event in events] == list(
        range(before + 1, before + len(events) + 1)
    )
    kinds = [event.kind for event in events[1:-1]]
    match = [EventKind.ORDER_EXECUTED, EventKind.ORDER_EXECUTED, EventKind.TRADE]
    assert kinds == match * 5000
    venue.engine.verify()


def test_what_is_no_entry_has_no_effect_but_its_trace() -> None:
    """A raising apply would stop the log: it never raises."""
    venue = Venue()
    good = pack_batch(START_NS, [venue.new(BUYER, 1, TICK)])
    before = venue.engine.last_timestamp_ns
    version = good[:1] + b"\2" + good[2:]
    for wrong in (b"", b"\0", good[:-1], good + b"\0", b"X" + good[1:], version):
        venue.index += 1
        digest = venue.engine.digest()
        assert venue.engine.apply(venue.index, wrong) == 0
        assert venue.engine.digest() != digest
        assert venue.engine.applied_index == venue.index
    assert venue.engine.last_timestamp_ns == before
    assert venue.engine.open_orders == 0


def test_a_time_beyond_all_times_is_refused() -> None:
    """The next entry needs a later one."""
    venue = Venue()
    before = venue.engine.last_timestamp_ns
    venue.engine.apply(venue.index + 1, pack_batch((1 << 62), []))
    assert venue.engine.last_timestamp_ns == before
    venue.engine.apply(venue.index + 2, pack_batch((1 << 62) - 1, []))
    venue.engine.apply(venue.index + 3, pack_batch(-(1 << 63), []))
    assert venue.engine.last_timestamp_ns == 1 << 62


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_never_break_anything(seed: int) -> None:
    """Records of any content: no crash, and every structure is what it promises to be."""
    rng = random.Random(seed)
    venue = Venue(instruments=2, orders_max=200)
    kinds = [*CommandKind, 0, 255]
    for _ in range(40):
        count = rng.randint(0, 20)
        body = bytearray(rng.randbytes(count * COMMAND_BYTES))
        for at in range(0, len(body), COMMAND_BYTES):
            body[at] = rng.choice(kinds)
            if rng.random() < 0.9:  # mostly admitted: session, epoch and sequence are right
                session = rng.choice((BUYER, SELLER))
                venue.seq[session] += 1
                body[at + 8 : at + 32] = (
                    session.to_bytes(4, "little") + (1).to_bytes(4, "little")
                    + venue.seq[session].to_bytes(8, "little") + b"\xff" * 7 + b"\x7f"
                )  # fmt: skip
            if rng.random() < 0.7:  # small numbers where ids, prices and quantities stand
                body[at + 32 : at + 64] = bytes(
                    rng.choice((0, 0, 1, 2, 100)) if place % 4 == 0 else 0 for place in range(32)
                )
        venue.index += 1
        venue.now_ns += 1
        header = BATCH_HEADER.pack(0x51, 1, count, 0, venue.now_ns, 0, 0)
        assert len(header) == BATCH_HEADER_BYTES
        venue.engine.apply(venue.index, header + bytes(body))
        venue.engine.verify()
        for session in venue.seq:
            directory = venue.engine.directory()
            venue.seq[session] = directory.sessions[session - 1].client_seq
