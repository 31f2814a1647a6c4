"""A snapshot that an administrator asks for, and digests at an index: who may ask, what comes."""

from pathlib import Path

import msgspec

from oms.messages import link
from oms.node.queries import CannotAnswer
from oms.node.replies import ANSWER, REFUSAL
from oms.node.snapshots import Snapshots
from oms.replication import snapshot_file
from oms.transport.keys import Role
from tests.support.node_parts import CLUSTER_ID, login, silent_log
from tests.support.node_replica import OneReplica

MADE = link.SnapshotMade(log_index=7, event_seq=9, digest="0" * 16, state_bytes=5, file="f")


def ask(one: OneReplica, request_id: bytes, role: str) -> None:
    one.router.user_id = role
    body = msgspec.msgpack.encode(link.CreateSnapshot())
    one.router.incoming.append([b"somebody", request_id, body])
    one.requests.on_readable(0)


def test_only_an_administrator_may_have_a_snapshot_made(one: OneReplica) -> None:
    """Writing one takes disk and a pause of the loop."""
    for role in ("gateway", "feed", "node"):
        ask(one, b"1", role)
        assert one.router.take()[0][2] == REFUSAL
    assert not one.requests.is_snapshot_wanted


def test_the_answer_is_of_a_snapshot_begun_after_the_question(one: OneReplica) -> None:
    """One that was being written already may be older than what the asker has seen."""
    ask(one, b"1", "admin")
    one.requests.snapshot_started()
    ask(one, b"2", "admin")
    assert one.requests.is_snapshot_wanted
    one.requests.answer_snapshot(MADE)
    assert [(sent[1], sent[2]) for sent in one.router.take()] == [(b"1", ANSWER)]
    one.requests.snapshot_started()
    one.requests.answer_snapshot(link.Refusal("the disk is full"))
    assert [(sent[1], sent[2]) for sent in one.router.take()] == [(b"2", REFUSAL)]


def test_none_can_be_made_is_said_to_all_who_wait(one: OneReplica) -> None:
    """A fenced or stopping node leaves nobody waiting."""
    ask(one, b"1", "admin")
    one.requests.refuse_snapshots("fenced")
    assert one.router.take()[0][1:3] == [b"1", REFUSAL]
    assert not one.requests.is_snapshot_wanted


def test_what_is_said_of_a_snapshot_is_what_its_file_says(one: OneReplica, tmp_path: Path) -> None:
    """`finish` tells it once."""
    made = Snapshots(
        tmp_path,
        engine=one.engine,
        event_log=one.event_log,
        cluster_id=CLUSTER_ID,
        turn=0,
        node_count=3,
        say=silent_log(),
    )
    assert made.finish() is None
    made.start()
    told = None
    while told is None:
        told = made.finish()
    assert isinstance(told, link.SnapshotMade)
    kept = snapshot_file.read(tmp_path / told.file)
    assert (kept.log_index, kept.event_seq, f"{kept.digest:016x}", len(kept.state)) == (
        told.log_index, told.event_seq, told.digest, told.state_bytes,
    )  # fmt: skip
    assert made.finish() is None


def test_digests_are_answered_for_indexes_that_are_remembered(one: OneReplica) -> None:
    """Nodes under load stand at different indexes; they are compared at one that all have had."""
    before = one.engine.applied_index
    answer = one.queries.answer(link.GetDigest(before), Role.FEED)
    assert answer == link.DigestAt(before, f"{one.engine.digest():016x}")
    one.apply(login())
    assert one.queries.answer(link.GetDigest(before), Role.FEED) == answer
    for unknown in (0, before + 2):
        try:
            one.queries.answer(link.GetDigest(unknown), Role.ADMIN)
        except CannotAnswer:
            continue
        raise AssertionError(unknown)
