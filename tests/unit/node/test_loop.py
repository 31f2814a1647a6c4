"""The loop: what it reads and when, what it says on a change of role, and that it never spins.

One turn at a time, over fake sockets and a memory log.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
import zmq

from oms.bounds import PUSH_COMMANDS_MAX
from oms.messages import link
from oms.messages.commands import Command
from oms.messages.enums import EventKind
from oms.messages.event_records import unpack_events
from oms.node.clock import Clock
from oms.node.clock_watch import ClockWatch
from oms.node.ingress import Ingress
from oms.node.leases import Leases
from oms.node.loop import Loop, Parts
from oms.node.wakeup import Wakeup
from oms.transport import topics
from oms.transport.keys import ZapHandler
from oms.wire import frames
from oms.wire.frames import FrameKind
from tests.support.node_parts import (
    GATEWAY,
    NOW_NS,
    FakeSocket,
    login,
    order,
    silent_log,
)
from tests.support.node_replica import OneReplica

encode = msgspec.msgpack.Encoder().encode


class FakeClock(Clock):
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.elapsed_ns = 0
        self.wrong_ns = 0

    def now_ns(self) -> int:
        """Wall time."""
        return NOW_NS + self.elapsed_ns + self.wrong_ns

    def monotonic_ns(self) -> int:
        """Time since some start."""
        return self.elapsed_ns


class FakePoller:
    """zmq.Poller over fake sockets; it never sleeps."""

    def __init__(self) -> None:
        self.sources: dict[FakeSocket | int, int] = {}

    def __contains__(self, source: FakeSocket | int) -> bool:
        return source in self.sources

    def register(self, source: FakeSocket | int, flags: int) -> None:
        """Poll it."""
        self.sources[source] = flags

    def unregister(self, source: FakeSocket | int) -> None:
        """Poll it no more."""
        del self.sources[source]

    def poll(self, timeout_ms: int) -> list[tuple[FakeSocket | int, int]]:
        """What has something to read."""
        assert timeout_ms >= 0
        return [
            (source, flags)
            for source, flags in self.sources.items()
            if isinstance(source, FakeSocket) and source.incoming
        ]


class FakeZap:
    """Nobody knocks."""

    def __init__(self) -> None:
        self.socket = FakeSocket()

    def on_readable(self) -> None:
        """Never called."""
        raise AssertionError


class Bench:
    """A loop with everything around it."""

    def __init__(self, folder: Path, genesis_entries: int = 1, node_count: int = 1) -> None:
        self.one = one = OneReplica(folder)
        self.log, self.clock, self.wakeup = one.log, FakeClock(), Wakeup()
        self.pull, self.peer, self.zap = FakeSocket(), FakeSocket(), FakeZap()
        self.leases = Leases()
        self.clock_watch = ClockWatch(node_count)
        self.loop = Loop(
            Parts(
                log=one.log,
                replica=one.replica,
                event_log=one.event_log,
                index=one.index,
                sequencer=one.sequencer,
                leases=self.leases,
                digests=one.digests,
                clock_watch=self.clock_watch,
                ingress=Ingress(self.pull.as_socket, one.sequencer, self.leases, silent_log()),
                egress=one.egress,
                feed=one.feed,
                requests=one.requests,
                status=one.status,
                days=one.days,
                snapshots=one.snapshots,
                fetch=None,
                zap=cast("ZapHandler", self.zap),
                peers=[self.peer.as_socket],
                wakeup=self.wakeup,
                clock=self.clock,
                say=silent_log(),
                genesis_entries=genesis_entries,
            )
        )

    def turn(self, count: int = 1) -> None:
        """Let the loop turn."""
        for _ in range(count):
            self.loop._turn()

    def push(self, *commands: Command) -> None:
        """A gateway pushes."""
        self.pull.incoming.append([encode(link.Push(GATEWAY, list(commands)))])

    def statuses(self) -> list[link.Status]:
        """Status frames published on `pub` since the last look; other frames are dropped."""
        return [
            msgspec.msgpack.decode(frames.unpack(frame)[1], type=link.Status)
            for topic, frame in self.one.pub.take()
            if topic == topics.STATUS
        ]

    def published(self) -> list[EventKind]:
        """Kinds of the events published since the last look."""
        return [
            EventKind(event.kind)
            for _header, body in self.one.take_engine()
            for event in unpack_events(body)
        ]

    def peer_says(self, node_id: str, applied_index: int, digest: int) -> None:
        """A peer's status arrives."""
        status = msgspec.structs.replace(
            self.one.status.status(),
            node_id=node_id,
            applied_index=applied_index,
            digest=f"{digest:016x}",
            timestamp_ns=NOW_NS + self.clock.elapsed_ns,
        )
        frame = frames.pack(FrameKind.STATUS, 1, 0, 0, encode(status))
        self.peer.incoming.append([topics.STATUS, frame])

    def close(self) -> None:
        """Close files and pipes."""
        self.one.close()
        self.wakeup.close()


@pytest.fixture(autouse=True)
def fake_poller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll lists instead of descriptors."""
    monkeypatch.setattr(zmq, "Poller", FakePoller)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def follower(bench: Bench) -> Bench:
    bench.log.role = "follower"
    bench.turn()
    return bench


@pytest.fixture
def leading(bench: Bench) -> Bench:
    bench.turn(2)
    bench.push(login())
    bench.turn()
    bench.one.pub.take()
    return bench


def test_a_push_is_committed_and_published_in_one_turn(leading: Bench) -> None:
    """Nothing waits for a timer on the way of an order."""
    leading.push(order(1))
    leading.turn()
    assert leading.published() == [EventKind.ORDER_ACCEPTED, EventKind.BOOK_TOP]


def test_becoming_leader_is_said_at_once(follower: Bench) -> None:
    """Gateways wait for nothing else while nobody leads."""
    follower.statuses()
    follower.log.role = "leader"
    follower.log.term = 2
    follower.turn()
    [status] = follower.statuses()
    assert (status.role, status.term, status.accepting) == ("leader", 2, True)


def test_status_comes_every_period_and_not_every_turn(bench: Bench) -> None:
    bench.turn(5)
    assert len(bench.statuses()) == 1
    bench.clock.elapsed_ns += 100_000_000
    bench.turn(5)
    assert len(bench.statuses()) == 1


def test_nothing_to_do_is_slept_through(leading: Bench) -> None:
    """A loop that spins takes the core from those who have work."""
    leading.turn()
    assert leading.loop._sleep_ms() == 100
    leading.clock.elapsed_ns += 30_000_001
    assert leading.loop._sleep_ms() == 70, "rounded up: waking too early means waking twice"


def test_a_full_pipeline_is_slept_through_and_a_free_one_is_not(leading: Bench) -> None:
    leading.log.holds = True
    for number in range(1, 12):
        leading.push(order(number))
        leading.turn()
    assert leading.one.sequencer.queued > 0
    assert leading.loop._sleep_ms() > 0
    leading.log.holds = False
    leading.log.tick()
    assert leading.loop._sleep_ms() == 0


def test_a_log_that_takes_nothing_is_no_reason_to_spin(leading: Bench) -> None:
    """A full disk: the queue fills, the reading stops, the loop sleeps."""
    leading.log.refuses = True
    leading.push(order(1))
    leading.turn()
    assert leading.one.sequencer.queued == 1
    assert leading.loop._sleep_ms() > 0
    leading.log.refuses = False
    leading.turn()
    assert leading.one.sequencer.queued == 0


def test_pull_is_not_polled_while_the_sequencer_is_full(leading: Bench) -> None:
    """Backpressure reaches the gateway's sockets, and the poll does not return for nothing."""
    leading.log.holds = True
    for _ in range(2):  # the pipeline, then the queue
        while leading.one.sequencer.has_room:
            leading.one.sequencer.offer([order(1)] * PUSH_COMMANDS_MAX)
        leading.turn()
    leading.push(order(1))
    leading.turn(2)
    assert len(leading.pull.incoming) == 1
    assert leading.pull.as_socket not in leading.loop._polling
    leading.log.holds = False
    leading.turn(60)
    assert len(leading.pull.incoming) == 0
    assert leading.pull.as_socket in leading.loop._polling


def test_commands_wait_until_the_genesis_is_applied(tmp_path: Path) -> None:
    bench = Bench(tmp_path, genesis_entries=2)
    bench.turn()
    bench.push(login())
    bench.turn(2)
    assert len(bench.pull.incoming) == 1
    assert not bench.statuses()[-1].accepting
    bench.one.apply()
    bench.turn(2)
    assert len(bench.pull.incoming) == 0
    assert bench.statuses()[-1].accepting
    bench.close()


def test_a_follower_answers_pushes_by_its_status_at_most_every_10_ms(follower: Bench) -> None:
    follower.clock.elapsed_ns = 20_000_000
    follower.statuses()
    for _ in range(3):
        follower.push(order(1))
        follower.turn(2)
    [hint] = follower.statuses()
    assert (hint.role, hint.leader_id, hint.accepting) == ("follower", "n2", False)
    assert len(follower.log.entries) == follower.log.committed


def test_a_leader_that_falls_forgets_its_queue(leading: Bench) -> None:
    """Its gateways push again to the next leader; proposing them later would be a second way in."""
    leading.log.holds = True
    leading.one.sequencer.offer([order(1)] * 5)
    leading.log.refuses = True
    leading.turn()
    leading.log.role = "follower"
    leading.turn()
    assert leading.one.sequencer.queued == 0
    assert not leading.one.egress.is_leading
    assert not leading.one.requests.is_accepting


def test_a_leader_that_falls_says_so(leading: Bench) -> None:
    """Who believed that it accepts would send it orders, and take the next leader for a rival."""
    leading.statuses()
    leading.log.role = "follower"
    leading.turn(2)
    assert [item.accepting for item in leading.statuses()][-1:] == [False]


def test_a_silent_gateway_is_lost(leading: Bench) -> None:
    for _ in range(40):
        leading.clock.elapsed_ns += 100_000_000
        leading.turn(2)
    assert EventKind.SESSION_LOGGED_OUT in leading.published()


def test_a_new_leader_knows_gateways_it_never_heard(bench: Bench) -> None:
    """They may have died together with the old leader."""
    bench.log.role = "follower"
    bench.turn()
    bench.one.apply(login())
    bench.log.role = "leader"
    for _ in range(40):
        bench.clock.elapsed_ns += 100_000_000
        bench.turn(2)
    assert EventKind.SESSION_LOGGED_OUT in bench.published()


def test_a_majority_with_another_digest_fences_this_node(leading: Bench) -> None:
    index = leading.one.engine.applied_index
    leading.peer_says("n2", index, 1)
    leading.turn()
    assert leading.one.egress.is_leading
    leading.peer_says("n3", index, 1)
    leading.turn()
    status = leading.statuses()[-1]
    assert (status.role, status.accepting, status.leader_id) == ("fenced", False, None)
    leading.push(order(1))
    leading.turn(3)
    assert leading.published() == []
    assert leading.one.sequencer.queued == 0


def test_equal_digests_change_nothing(leading: Bench) -> None:
    engine = leading.one.engine
    for peer in ("n2", "n3"):
        leading.peer_says(peer, engine.applied_index, engine.digest())
        leading.turn()
    assert leading.one.egress.is_leading


def test_a_leader_whose_clock_steps_stamps_nothing_more(tmp_path: Path) -> None:
    """One entry from the future would expire orders for good; the next leader has the time."""
    bench = Bench(tmp_path, node_count=3)
    for _ in range(3):
        bench.clock.elapsed_ns += 100_000_000
        bench.peer_says("n2", 0, 0)
        bench.peer_says("n3", 0, 0)
        bench.turn(2)
    assert bench.log.status().may_lead is True
    bench.push(login())
    bench.turn(2)
    before, last_ns = len(bench.log.entries), bench.one.engine.last_timestamp_ns
    bench.clock.wrong_ns = 200_000_000
    bench.push(order(1))
    bench.turn(3)
    assert bench.log.status().may_lead is False
    assert (len(bench.log.entries), bench.one.sequencer.queued) == (before, 1)
    assert bench.loop._sleep_ms() > 0
    bench.clock.wrong_ns = 0
    bench.clock.elapsed_ns += 100_000_000
    bench.turn(2)
    assert bench.log.status().may_lead is True
    assert len(bench.log.entries) == before + 1
    assert bench.one.engine.last_timestamp_ns <= max(last_ns + 1, bench.clock.now_ns())
    bench.close()


def test_a_stopping_leader_hands_over_before_it_goes(
    leading: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise every stop costs the clients an election."""
    asked: list[str | None] = []

    def transfer(to: str | None) -> str:
        asked.append(to)
        leading.log.is_transferring = True
        return ""

    turns = 0

    def tick() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            leading.log.is_transferring, leading.log.role = False, "follower"

    monkeypatch.setattr(leading.log, "transfer", transfer)
    monkeypatch.setattr(leading.log, "tick", tick)
    leading.wakeup.stop()
    leading.loop.run()
    assert (asked, turns) == ([None], 3)
