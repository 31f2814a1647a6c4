"""The replica: each entry once, in order, its outputs in the event log."""

from oms.messages.packing import pack_batch
from tests.support.node_parts import ADMIN_SESSION, GATEWAY, NOW_NS, login, order
from tests.support.node_replica import OneReplica


def test_an_index_that_is_not_above_the_last_is_refused(one: OneReplica) -> None:
    """An entry applied twice would be an order executed twice."""
    one.apply(login(), order(1))
    digest, event_seq = one.engine.digest(), one.event_log.event_seq
    for log_index in (1, one.engine.applied_index):
        one.replica.on_commit(log_index, 1, pack_batch(NOW_NS * 2, [order(2)]))
    assert (one.engine.digest(), one.event_log.event_seq) == (digest, event_seq)


def test_the_logs_own_entries_move_the_index_only(one: OneReplica) -> None:
    applied, digest = one.engine.applied_index, one.engine.digest()
    one.replica.on_skip(applied + 1)
    one.replica.on_skip(applied)
    assert (one.engine.applied_index, one.engine.digest()) == (applied + 1, digest)


def test_the_event_log_holds_what_the_engine_said(one: OneReplica) -> None:
    before = one.event_log.event_seq
    one.apply(login(), order(1), order(2))
    assert one.event_log.read(before + 1, 99) == one.engine.events()
    assert one.event_log.event_seq == one.engine.event_seq


def test_an_entry_that_is_no_batch_does_nothing_and_stops_nothing(one: OneReplica) -> None:
    before = one.event_log.event_seq
    one.replica.on_commit(one.engine.applied_index + 1, 1, b"")
    one.replica.on_commit(one.engine.applied_index + 1, 1, b"garbage")
    assert one.event_log.event_seq == before


def test_gateways_are_those_with_a_session(one: OneReplica) -> None:
    """A new leader must know whom it may lose, whichever day they came; an administrator at a
    node's ROUTER sends no heartbeats and must not be logged out for it.
    """
    assert one.replica.gateways() == []
    one.apply(login())
    one.apply(login(ADMIN_SESSION, gateway_id=0))
    assert one.replica.gateways() == [GATEWAY]
    one.apply(login(nonce=10, gateway_id=GATEWAY + 1))
    assert one.replica.gateways() == [GATEWAY + 1]
