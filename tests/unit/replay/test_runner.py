"""The runner over a real socket, against a venue that only accepts and cancels."""

import io
import threading

import pytest

from oms.client.errors import ConnectionLost
from oms.replay import report, runner, stream
from oms.replay.flow import Flow, build
from oms.replay.lobster import parse
from oms.replay.report import NodeState
from oms.replay.runner import Login
from tests.support.fake_server import FakeServer

LOGIN = [Login("user", "SECRET")]
KEYS = [
    "messages", "orders", "cancels", "trades", "volume", "orders_per_s", "ack_us",
    "executions_known", "executions_exact", "nodes",
]  # fmt: skip


def flows(count: int) -> list[Flow]:
    """`count` orders a microsecond apart; every third is deleted again."""
    lines = []
    for number in range(1, count + 1):
        lines.append(f"1.{number * 1000:09d},1,{number},100,5850000,1")
        if number % 3 == 0:
            lines.append(f"1.{number * 1000:09d},3,{number},100,5850000,1")
    return build(parse(io.StringIO("\n".join(lines)), "test"), symbol="AAPL", firms=["R01"])


def test_every_message_gets_its_outcome_and_repeats_start_from_an_empty_book() -> None:
    """The cancels between repeats are not in the counts."""
    done: list[int] = []
    with FakeServer() as server:
        result = runner.run(flows(300), LOGIN, server.address, repeat=3, progress=done.append)
        assert len(server.venue.open) == 200
        assert server.venue.entered == list(range(1, 901))
    assert result.report.messages == 1_200
    assert (result.report.orders, result.report.cancels) == (900, 300)
    assert result.report.ack_us.max >= result.report.ack_us.p50 > 0
    assert result.exact_of_repeat == [0, 0, 0]
    assert done == sorted(done)


def test_more_messages_than_may_be_open_are_sent_as_answers_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bound holds the sender back, never for ever."""
    monkeypatch.setattr(stream, "REPLAY_IN_FLIGHT_MAX", 5)
    with FakeServer() as server:
        result = runner.run(flows(100), LOGIN, server.address)
    assert result.report.orders == 100


def test_a_paced_replay_sends_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """At ten times the recorded pace the same outcomes arrive."""
    monkeypatch.setattr(runner, "WAIT_S", 0.01)
    with FakeServer() as server:
        result = runner.run(flows(50), LOGIN, server.address, speed=10.0)
    assert result.report.orders == 50


def test_rejected_orders_are_counted_with_their_reason() -> None:
    """An unlucky quantity is an outcome, too."""
    messages = parse(io.StringIO("1,1,1,13,5850000,1\n1,1,2,100,5850000,1\n"), "test")
    unlucky = build(messages, symbol="AAPL", firms=["R01"])
    with FakeServer() as server:
        result = runner.run(unlucky, LOGIN, server.address)
    assert result.report.orders == 1
    assert result.reject_reasons == {0x13: 1}
    text = "\n".join(report.to_text(result, {0x13: "BAD_QUANTITY"}))
    assert "1 orders: BAD_QUANTITY" in text


def test_a_session_with_a_past_is_continued_behind_it() -> None:
    """A running venue may have seen this login today."""
    with FakeServer() as server:
        for _ in range(2):
            result = runner.run(flows(10), LOGIN, server.address)
            assert result.report.orders == 10
        assert server.venue.entered == list(range(1, 21))


def test_a_lost_connection_ends_the_replay_with_an_error() -> None:
    """Figures of half a replay would be figures of nothing."""
    with FakeServer() as server:
        drop = threading.Timer(0.05, server.drop)
        drop.start()
        with pytest.raises(ConnectionLost):
            runner.run(flows(10), LOGIN, server.address, speed=0.000_000_1)
        drop.join()


def test_the_report_has_exactly_the_promised_keys() -> None:
    """Whoever compares runs relies on them."""
    with FakeServer() as server:
        result = runner.run(
            flows(5),
            LOGIN,
            server.address,
            final_nodes=lambda: [NodeState("n1", 7, "ab"), NodeState("n2", 7, "ab")],
        )
    text = report.to_json(result.report)
    assert [part for part in KEYS if f'"{part}":' in text] == KEYS
    assert '"nodes":[{"id":"n1","log_index":7,"digest":"ab"}' in text
    assert '"ack_us":{"p50":' in text
    assert result.is_converged


def test_nodes_that_differ_are_said_to_differ() -> None:
    """The last line of the report, and the exit code."""
    with FakeServer() as server:
        result = runner.run(
            flows(5),
            LOGIN,
            server.address,
            final_nodes=lambda: [NodeState("n1", 7, "ab"), NodeState("n2", 7, "cd")],
        )
    assert not result.is_converged
    assert "DIFFER" in report.to_text(result, {})[-1]


def test_nobody_listening_is_a_lost_connection() -> None:
    """With the address that did not answer."""
    with FakeServer() as server:
        address = server.address
    with pytest.raises(ConnectionLost, match=str(address[1])):
        runner.run(flows(1), LOGIN, address)
