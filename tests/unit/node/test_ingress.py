"""Ingress: what a gateway may push, and that nothing it sends stops the node."""

import io
import json

import msgspec
import pytest

from oms.bounds import GATEWAYS_MAX, PULL_FRAMES_PER_TURN, PUSH_COMMANDS_MAX
from oms.messages.admin_commands import EndDay
from oms.messages.commands import Command, GatewayLost, Genesis
from oms.messages.link import Push
from oms.node.ingress import Ingress
from oms.node.leases import Leases
from oms.node.sequencer import Sequencer
from oms.process_log import Log
from tests.support.node_parts import GATEWAY, FakeSocket, login, order, started_engine

encode = msgspec.msgpack.Encoder().encode


class Bench:
    """An ingress and what is around it."""

    def __init__(self) -> None:
        self.socket = FakeSocket()
        self.sequencer = Sequencer(started_engine(), [])
        self.leases = Leases()
        self.stream = io.StringIO()
        self.ingress = Ingress(
            self.socket.as_socket, self.sequencer, self.leases, Log("n1", self.stream)
        )

    def push(self, *commands: Command, gateway_id: int = GATEWAY) -> None:
        """Put one frame into the socket."""
        self.socket.incoming.append([encode(Push(gateway_id, list(commands)))])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_commands_reach_the_sequencer_in_order(bench: Bench) -> None:
    bench.push(login(), order(1))
    bench.push(order(2))
    bench.ingress.drain(0)
    assert bench.sequencer.queued == 3
    assert bench.ingress.refused_count == 0


def test_an_empty_push_renews_the_lease_only(bench: Bench) -> None:
    bench.push()
    bench.ingress.drain(1)
    assert bench.sequencer.queued == 0
    bench.leases.restart([], 0)
    assert bench.leases.heard(GATEWAY, 1)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xc1", b"garbage", encode([1]), encode([1, [[1, 2]]]), encode([-1, []]), b"\xff" * 64],
)
def test_a_frame_that_is_no_push_is_counted_and_stops_nobody(bench: Bench, frame: bytes) -> None:
    """One faulty gateway must not stop the others."""
    bench.socket.incoming.append([frame])
    bench.push(order(1))
    bench.ingress.drain(0)
    assert bench.ingress.refused_count == 1
    assert bench.sequencer.queued == 1


@pytest.mark.parametrize(
    "command",
    [
        Genesis(1, 1, 0, 1, 1, 1, 1, 1, 1, 1),
        GatewayLost(GATEWAY),
        EndDay(1, 1, 1, 0),
    ],
)
def test_what_no_gateway_may_say_is_refused(bench: Bench, command: Command) -> None:
    """Genesis, the leader's own commands and administration do not come by push."""
    bench.push(order(1), command)
    bench.ingress.drain(0)
    assert bench.ingress.refused_count == 1
    assert bench.sequencer.queued == 0


def test_a_push_is_taken_at_the_bound_and_refused_beyond(bench: Bench) -> None:
    bench.push(*[order(1)] * PUSH_COMMANDS_MAX)
    bench.push(*[order(1)] * (PUSH_COMMANDS_MAX + 1))
    bench.ingress.drain(0)
    assert bench.sequencer.queued == PUSH_COMMANDS_MAX
    assert bench.ingress.refused_count == 1


def test_refusals_are_logged_once_a_second(bench: Bench) -> None:
    """A gateway that floods must not fill the disk with its faults."""
    for second in (0, 0, 0, 1):
        bench.socket.incoming.append([b"x"])
        bench.ingress.drain(second * 1_000_000_000)
    lines = [json.loads(line) for line in bench.stream.getvalue().splitlines()]
    assert [line["refused"] for line in lines] == [1, 4]


def test_a_full_sequencer_stops_the_reading(bench: Bench) -> None:
    """Backpressure, not a drop: the frame stays in the socket."""
    while bench.sequencer.has_room:
        bench.sequencer.offer([order(1)] * PUSH_COMMANDS_MAX)
    bench.push(order(1))
    bench.ingress.drain(0)
    assert len(bench.socket.incoming) == 1


def test_one_turn_reads_a_bounded_number_of_frames(bench: Bench) -> None:
    for _ in range(PULL_FRAMES_PER_TURN + 1):
        bench.push(order(1))
    bench.ingress.drain(0)
    assert len(bench.socket.incoming) == 1


def test_a_follower_reads_pushes_away(bench: Bench) -> None:
    assert not bench.ingress.read_away()
    bench.push(order(1))
    assert bench.ingress.read_away()
    assert bench.sequencer.queued == 0
    assert not bench.socket.incoming


def test_too_many_gateways_are_refused(bench: Bench) -> None:
    for number in range(GATEWAYS_MAX):
        bench.leases.heard(1_000 + number, 0)
    bench.push(order(1))
    bench.ingress.drain(0)
    assert bench.sequencer.queued == 0
    assert bench.ingress.refused_count == 1
