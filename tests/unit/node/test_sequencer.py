"""The sequencer: order, time, bounds, and what it hands back."""

import msgspec
import pytest

from oms import bounds
from oms.bounds import BATCH_COMMANDS_MAX, PIPELINE_ENTRIES_MAX, PUSH_COMMANDS_MAX
from oms.messages.commands import CancelOrder, Command, ReplaceOrder
from oms.messages.enums import RejectReason
from oms.messages.packing import pack_batch
from oms.messages.records import BATCH_HEADER
from oms.node.sequencer import Sequencer
from oms.reference.engine import Engine
from tests.support.node_parts import (
    NOW_NS,
    SESSION,
    MemoryLog,
    genesis,
    login,
    order,
    started_engine,
)


def ignore(log_index: int, term: int, entry: bytes) -> None:
    """Nobody applies."""


def held_log() -> MemoryLog:
    """A log that commits nothing."""
    log = MemoryLog(ignore, lambda _index: None)
    log.holds = True
    return log


def count_of(entry: bytes) -> int:
    """Commands in an entry."""
    return int(BATCH_HEADER.unpack_from(entry)[2])


def time_of(entry: bytes) -> int:
    """Timestamp of an entry."""
    return int(BATCH_HEADER.unpack_from(entry)[4])


def run_out(sequencer: Sequencer, log: MemoryLog, now_ns: int) -> None:
    """Turns of a log that commits each entry before the next turn, until nothing is proposed."""
    log.committed = len(log.entries)
    while sequencer.run(log, now_ns):
        log.committed = len(log.entries)


def test_one_command_goes_at_once() -> None:
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    sequencer.offer([order(1)])
    assert sequencer.run(log, NOW_NS + 5) == 1
    assert log.entries == [pack_batch(NOW_NS + 5, [order(1)])]
    assert sequencer.queued == 0


def test_a_batch_closes_at_its_bound() -> None:
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    sequencer.offer([order(number) for number in range(1, BATCH_COMMANDS_MAX + 2)])
    run_out(sequencer, log, NOW_NS)
    assert [count_of(entry) for entry in log.entries] == [BATCH_COMMANDS_MAX, 1]


def test_nothing_is_proposed_while_the_pipeline_is_full() -> None:
    """What waits is joined into the next entry: that is how a busy venue makes large ones."""
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    for number in range(1, PIPELINE_ENTRIES_MAX + 3):
        sequencer.offer([order(number)])
        sequencer.run(log, NOW_NS)
    assert len(log.entries) == PIPELINE_ENTRIES_MAX
    log.committed += 1
    sequencer.run(log, NOW_NS)
    assert [count_of(entry) for entry in log.entries[-2:]] == [1, 2]


def test_time_only_grows() -> None:
    """Also when the clock goes back, and above what another leader stamped (RULES A9)."""
    engine = started_engine()
    log, sequencer = held_log(), Sequencer(engine, [])
    stamped = []
    for now_ns in (engine.last_timestamp_ns - 1_000, engine.last_timestamp_ns + 500, 0):
        sequencer.offer([order(1)])
        run_out(sequencer, log, now_ns)
        stamped.append(time_of(log.entries[-1]) - engine.last_timestamp_ns)
    assert stamped == [1, 500, 501]


def test_there_is_room_up_to_the_bound_and_not_beyond() -> None:
    """At the bound the PULL socket is not read; a frame that was read always fits."""
    sequencer = Sequencer(started_engine(), [])
    for _ in range(bounds.SEQUENCER_QUEUE_MAX // PUSH_COMMANDS_MAX):
        assert sequencer.has_room
        sequencer.offer([order(1)] * PUSH_COMMANDS_MAX)
    assert not sequencer.has_room
    assert sequencer.queued == bounds.SEQUENCER_QUEUE_MAX


def test_a_refused_proposal_leaves_the_queue_as_it_was() -> None:
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    sequencer.offer([order(1), order(2)])
    log.refuses = True
    assert sequencer.run(log, NOW_NS) == 0
    log.refuses = False
    sequencer.run(log, NOW_NS + 9)
    assert log.entries == [pack_batch(NOW_NS + 9, [order(1), order(2)])]


def test_the_genesis_goes_before_any_command() -> None:
    entries = [*genesis(), *genesis()]
    log, sequencer = held_log(), Sequencer(Engine(), entries)
    sequencer.offer([order(1)])
    run_out(sequencer, log, NOW_NS)
    assert log.entries[:2] == entries
    assert count_of(log.entries[2]) == 1


def test_a_new_leader_goes_on_where_the_genesis_stopped() -> None:
    """The leader may die between two genesis entries: none may be left out or repeated."""
    entries = [b"one", b"two", b"three"]
    log, sequencer = held_log(), Sequencer(Engine(), entries)
    sequencer.start_leading(entries_applied=1)
    run_out(sequencer, log, NOW_NS)
    assert log.entries == [b"two", b"three"]
    assert sequencer.is_genesis_done


def test_an_unfinished_sweep_gets_empty_entries_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Timers are due whether orders come or not; a heap of empty entries would be useless."""
    engine = started_engine()
    log, sequencer = held_log(), Sequencer(engine, [])
    monkeypatch.setattr(Engine, "is_work_pending", property(lambda _self: True))
    assert sequencer.is_ready, "the loop must not sleep over it"
    assert sequencer.run(log, NOW_NS) == 1
    assert sequencer.run(log, NOW_NS) == 0
    assert count_of(log.entries[0]) == 0
    log.committed = 1
    assert sequencer.run(log, NOW_NS) == 1


def test_an_order_that_expires_gets_an_empty_entry_when_its_time_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only an entry can expire it, and nobody else may send one (RULES A10)."""
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    monkeypatch.setattr(Engine, "next_due_ns", property(lambda _self: NOW_NS + 5))
    assert sequencer.next_due_ns == NOW_NS + 5
    assert sequencer.run(log, NOW_NS + 4) == 0
    assert not sequencer.is_ready
    assert sequencer.run(log, NOW_NS + 5) == 1
    assert sequencer.run(log, NOW_NS + 6) == 0, "one on its way is enough"
    assert time_of(log.entries[0]) == NOW_NS + 5
    assert count_of(log.entries[0]) == 0


def test_an_applied_entry_names_its_submits() -> None:
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    sequencer.offer([order(1)])
    sequencer.offer_submit(login(), token=5)
    run_out(sequencer, log, NOW_NS)
    sequencer.offer([order(2)])
    run_out(sequencer, log, NOW_NS)
    sequencer.offer_submit(login(), token=6)
    run_out(sequencer, log, NOW_NS)
    assert [sequencer.on_applied(entry) for entry in log.entries] == [[5], [], [6]]
    assert not sequencer.has_submits_in_flight


def test_clear_forgets_everything_and_numbers_go_on() -> None:
    """After a lost term tokens of the old one must not be taken for those of the new."""
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    sequencer.offer_submit(login(), token=5)
    sequencer.clear()
    sequencer.offer([order(1)])
    sequencer.offer_submit(login(), token=6)
    sequencer.run(log, NOW_NS)
    assert sequencer.on_applied(log.entries[0]) == [6]


def test_on_the_reserve_new_orders_are_refused_and_the_rest_passes() -> None:
    """Cancels make room in the books, and whoever wants to leave must be able to."""
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    replace = ReplaceOrder(SESSION, 1, 2, NOW_NS, 0, 1, 2, 1, 100, 1_000_000, b"C2", 89, 78)
    cancel = CancelOrder(SESSION, 1, 3, NOW_NS, 0, 1, 0)
    bad = msgspec.structs.replace(order(4), refuse_reason=int(RejectReason.BAD_SIDE))
    commands: list[Command] = [order(1), replace, cancel, bad, login()]
    sequencer.is_squeezed = True
    sequencer.offer(commands)
    sequencer.run(log, NOW_NS + 5)
    full = int(RejectReason.STORAGE_FULL)
    refused = [msgspec.structs.replace(item, refuse_reason=full) for item in (order(1), replace)]
    assert log.entries == [pack_batch(NOW_NS + 5, [*refused, cancel, bad, login()])]


def test_what_was_not_even_taken_is_judged_again() -> None:
    """The reserve had ended; when room is back the orders are welcome."""
    log, sequencer = held_log(), Sequencer(started_engine(), [])
    log.refuses = sequencer.is_squeezed = True
    sequencer.offer([order(1)])
    sequencer.run(log, NOW_NS + 5)
    log.refuses = sequencer.is_squeezed = False
    sequencer.run(log, NOW_NS + 10)
    assert log.entries == [pack_batch(NOW_NS + 10, [order(1)])]
