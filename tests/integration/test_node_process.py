"""Three node processes on loopback: what they promise gateways, readers and operators.

Real processes, real sockets, real log. Gateways have their own tests; here a rig speaks their part.
"""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from oms.bounds import EVENT_BYTES
from oms.local.requests import NotTheLeader
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.admin_commands import DepositCash
from oms.messages.commands import Login, NewOrder
from oms.messages.enums import EventKind
from oms.messages.event_records import unpack_event
from oms.node import genesis
from oms.node.engine import make_engine
from oms.replication import snapshot_file
from oms.replication.snapshot_file import Snapshot
from oms.transport import topics
from oms.wire import frames
from tests.support.node_parts import ADMIN_SESSION, CASH, SESSION
from tests.support.node_rig import TIMEOUT_S, Rig, engine_kind, node_venue, orders, replay_events

pytestmark = pytest.mark.integration
FAR_NS = 1 << 62


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[LocalVenue]:
    """A running venue without gateways."""
    with node_venue(tmp_path) as made:
        made.start(TIMEOUT_S)
        yield made


def replays_are_equal(venue: LocalVenue) -> bytes:
    """All nodes replay the same records up to where they stood together; returns those."""
    size = venue.wait_equal(TIMEOUT_S)[0].event_seq * EVENT_BYTES
    # What comes later (a lease that ends meanwhile) may be in some of the answers only.
    [first, *others] = [replay_events(venue, node.node_id)[:size] for node in venue.nodes]
    assert len(first) == size
    assert all(other == first for other in others)
    return first


def test_an_order_goes_from_push_to_every_reader(venue: LocalVenue) -> None:
    """Pushed to the leader, published once committed, alike in every replay."""
    oak, first = topics.market_data("OAK"), topics.executions(1)
    with Rig(venue, (oak, first)) as rig:
        leader = rig.wait_ready()
        epoch = rig.log_in(leader)
        for start in range(1, 1_000, 100):
            rig.push(leader, *orders(epoch, start, 100))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 1_000, "every acceptance")
        rig.wait(
            lambda: bool(rig.heartbeats) and rig.heartbeats[-1][1].number > 1_000, "a heartbeat"
        )
        replayed = replays_are_equal(venue)
        assert b"".join(rig.engine[number] for number in sorted(rig.engine)) in replayed
        for node in venue.nodes:
            for topic in (oak, first):
                published = [frame for _number, frame in sorted(rig.feed[topic].items())]
                assert replay_topic(venue, node.node_id, topic) == published


def replay_topic(venue: LocalVenue, node_id: str, topic: bytes) -> list[bytes]:
    """Every frame of a topic that a node has."""
    found: list[bytes] = []
    while True:
        request = link.ReplayTopic(topic.decode(), len(found) + 1)
        answer = venue.requests().ask(node_id, request, link.Frames, TIMEOUT_S)
        found += answer.frames
        if answer.is_end:
            return found


def test_the_administrator_submits_to_the_leader_only(venue: LocalVenue) -> None:
    leader, ask = venue.leader(), venue.requests().ask
    assert leader is not None
    done = ask(leader, link.Submit(Login(ADMIN_SESSION, 5, 1)), link.Outcome, TIMEOUT_S)
    epoch = unpack_event(done.record).conn_epoch
    deposit = link.Submit(DepositCash(ADMIN_SESSION, epoch, 1, FAR_NS, 1, 70_000))
    for node in venue.nodes:
        if node.node_id != leader:
            with pytest.raises(NotTheLeader) as refused:
                ask(node.node_id, deposit, link.Outcome, TIMEOUT_S)
            assert refused.value.leader_id == leader
    for kind in (EventKind.ADMIN_APPLIED, EventKind.ALREADY_APPLIED):
        assert unpack_event(ask(leader, deposit, link.Outcome, TIMEOUT_S).record).kind == kind
    venue.wait_equal(TIMEOUT_S)
    cash = {
        ask(node.node_id, link.GetAccount(1), link.AccountView, TIMEOUT_S).cash
        for node in venue.nodes
    }
    assert cash == {CASH * 10_000 + 70_000}


def test_a_push_to_a_follower_is_answered_by_its_status(venue: LocalVenue) -> None:
    """A gateway that missed the change of leader must hear of it without a time-out."""
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        follower = next(node.node_id for node in venue.nodes if node.node_id != leader)
        rig.push(follower, *orders(1, 1, 1))
        rig.wait(lambda: rig.roles[follower].leader_id == leader, "the hint")
        venue.wait_equal(TIMEOUT_S)
        assert rig.seen(EventKind.ORDER_ACCEPTED) == []


def test_killing_the_leader_loses_nothing_that_was_published(venue: LocalVenue) -> None:
    """Accepted means committed: what any reader saw is in every replica afterwards."""
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        epoch = rig.log_in(leader)
        rig.push(leader, *orders(epoch, 1, 200))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) >= 100, "acceptances")
        for start in range(201, 1_000, 100):
            rig.push(leader, *orders(epoch, start, 100))
        venue.kill(leader)
        assert venue.wait_gone(leader, TIMEOUT_S)
        second = rig.wait_ready()
        assert second != leader
        epoch = rig.log_in(second)
        rig.push(second, *orders(epoch, 1, 1), *orders(epoch, 2_001, 1))
        rig.wait(lambda: bool(rig.seen(EventKind.GAP)), "the new leader's answer")
        venue.start_node(leader)
        replayed = replays_are_equal(venue)
        for event_seq, record in rig.engine.items():
            assert replayed[(event_seq - 1) * EVENT_BYTES : event_seq * EVENT_BYTES] == record
        totals = venue.requests().ask(leader, link.GetTotals(), link.Totals, TIMEOUT_S)
        assert totals.cash_issued == totals.cash_total
        assert totals.shares_issued == totals.shares_total


def test_killing_all_three_loses_nothing_that_was_published(venue: LocalVenue) -> None:
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        epoch = rig.log_in(leader)
        rig.push(leader, *orders(epoch, 1, 500))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) >= 100, "acceptances")
        for node in venue.nodes:
            venue.kill(node.node_id)
        for node in venue.nodes:
            assert venue.wait_gone(node.node_id, TIMEOUT_S)
        rig.read()
        venue.start(TIMEOUT_S)
        replayed = replays_are_equal(venue)
        for event_seq, record in rig.engine.items():
            assert replayed[(event_seq - 1) * EVENT_BYTES : event_seq * EVENT_BYTES] == record


def test_a_leader_that_was_frozen_wakes_up_as_a_follower(venue: LocalVenue) -> None:
    """It thinks it leads until it looks: what it holds must not reach anybody as committed."""
    with Rig(venue) as rig:
        frozen = rig.wait_ready()
        epoch = rig.log_in(frozen)
        rig.push(frozen, *orders(epoch, 1, 100))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 100, "acceptances")
        venue.kill(frozen, signal.SIGSTOP)
        rig.push(frozen, *orders(epoch, 101, 100))
        rig.roles.clear()
        rig.wait(lambda: any(status.accepting for status in rig.roles.values()), "a new leader")
        second = next(name for name, status in rig.roles.items() if status.accepting)
        epoch = rig.log_in(second)
        rig.push(second, *resumed(orders(epoch, 101, 100)))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 200, "the resent orders")
        venue.kill(frozen, signal.SIGCONT)
        rig.wait(lambda: rig.roles.get(frozen, rig.roles[second]).role == "follower", "its fall")
        replays_are_equal(venue)
        assert len(rig.seen(EventKind.ORDER_ACCEPTED)) == 200


def resumed(commands: list[NewOrder]) -> list[NewOrder]:
    """The same orders as the first ones of a new epoch."""
    return [
        msgspec.structs.replace(command, client_seq=client_seq)
        for client_seq, command in enumerate(commands, start=1)
    ]


def test_a_clean_stop_and_start_keeps_every_state(venue: LocalVenue) -> None:
    """Also when outputs or snapshots of a node are gone: they are derived, the log is not."""
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        rig.push(leader, *orders(rig.log_in(leader), 1, 300))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 300, "acceptances")
    before, digest = replays_are_equal(venue), venue.wait_equal(TIMEOUT_S)[0].digest
    venue.stop()
    [first, second, _third] = [venue.folder.path / node.node_id for node in venue.nodes]
    (first / "events.log").unlink()
    for path in snapshot_file.newest_first(second / "snapshots"):
        path.write_bytes(path.read_bytes()[:-1])
    venue.start(TIMEOUT_S)
    assert replays_are_equal(venue) == before
    assert {status.digest for status in venue.wait_equal(TIMEOUT_S)} == {digest}


def test_a_silent_gateway_loses_its_sessions(venue: LocalVenue) -> None:
    """The lease is what cancels for a gateway that died (RULES A4); another keeps its own."""
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        rig.log_in(leader)

        def is_out() -> bool:
            rig.push(leader, gateway_id=1)  # another gateway lives
            return bool(rig.seen(EventKind.SESSION_LOGGED_OUT))

        rig.wait(is_out, "the logout")
        assert rig.seen(EventKind.SESSION_LOGGED_OUT)[0].session_id == SESSION


def test_a_second_process_on_one_data_folder_is_refused(venue: LocalVenue) -> None:
    """Two writers of one journal would be two histories."""
    assert "holds its lock" in refused_start(venue, "n1")


def refused_start(venue: LocalVenue, node_id: str) -> str:
    """Start a node that must refuse; its reason."""
    settings = venue.folder.node_settings(node_id)
    done = subprocess.run(
        [sys.executable, "-m", "oms.node.main", "--settings", str(settings)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    line = json.loads(done.stderr.splitlines()[-1])
    assert line["event"] == "cannot_start"
    assert len(line["reason"].splitlines()) == 4
    return str(line["reason"])


def test_a_taken_port_stops_the_start_with_four_lines(venue: LocalVenue) -> None:
    venue.stop()
    host, _, port = venue.nodes[0].pub.rpartition(":")
    with socket.create_server((host, int(port))):
        assert "cannot listen on" in refused_start(venue, "n1")


def test_a_replica_that_differs_from_the_majority_fences_itself(venue: LocalVenue) -> None:
    """It neither votes nor leads nor publishes; the other two go on."""
    venue.stop()
    forge_state(venue, "n3")
    for node in venue.nodes:
        venue.start_node(node.node_id)
    with Rig(venue) as rig:
        rig.wait(lambda: "n3" in rig.roles and rig.roles["n3"].role == "fenced", "the fence")
        rig.roles.clear()
        rig.wait(lambda: any(status.accepting for status in rig.roles.values()), "a leader")
        assert rig.wait_ready() != "n3"


def forge_state(venue: LocalVenue, node_id: str) -> None:
    """Give a stopped node a sound snapshot of another history, as a fault in an engine would."""
    folder = venue.folder.path / node_id / "snapshots"
    honest = snapshot_file.read(snapshot_file.newest_first(folder)[0])
    entries = genesis.load_entries(venue.folder.genesis)
    engine = make_engine(engine_kind())
    for log_index, entry in enumerate(entries, start=honest.log_index - len(entries) + 1):
        forged = bytearray(entry)
        forged[8:16] = time.time_ns().to_bytes(8, "little")
        engine.apply(log_index, bytes(forged))
    assert engine.digest() != honest.digest
    snapshot_file.write(
        folder,
        Snapshot(
            cluster_id=honest.cluster_id,
            log_index=honest.log_index,
            event_seq=engine.event_seq,
            digest=engine.digest(),
            state=engine.snapshot(),
            events_crc=honest.events_crc,
        ),
    )


def test_numbers_of_a_quiet_topic_are_heard_at_once(venue: LocalVenue) -> None:
    """A subscriber that comes late learns what it missed without waiting for the next event."""
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        rig.push(leader, *orders(rig.log_in(leader), 1, 10))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 10, "acceptances")
    with Rig(venue, (topics.executions(1),)) as late:
        late.wait(lambda: bool(late.heartbeats), "a heartbeat")
        topic, header = late.heartbeats[0]
        assert (topic, header.kind) == (topics.executions(1), frames.FrameKind.HEARTBEAT)
        assert header.number == 10
