"""The checker finds what only the log can tell, whatever was planted, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from oms.check.judge import check
from oms.check.verdict import Kind
from oms.messages import commands as c
from oms.wire import ouch
from oms.wire import ouch_messages as m
from tests.support.recorded_venue import SYMBOL, RecordedClient, RecordedVenue
from tests.unit.check.recorded_days import (
    PRICE,
    acceptance,
    broken,
    bust,
    change_price,
    found,
    opened,
    traded,
    verdict_of,
)

Lie = Callable[[RecordedClient], None]


@pytest.mark.parametrize("left_out", [1, 2, 3, 4])
def test_an_entry_that_is_not_in_the_log_is_found(tmp_path: Path, left_out: int) -> None:
    """Acknowledged and not there: the one thing that must never be."""
    venue = traded(tmp_path)
    venue.close()
    log = venue.write_log(venue.log[:-left_out] + venue.log[len(venue.log) - left_out + 1 :])
    verdict = check([tmp_path], log)
    assert verdict.lost, verdict
    assert any("not in the log" in text for text in verdict.examples)


def test_an_order_acknowledged_before_it_was_committed_is_found(tmp_path: Path) -> None:
    """The acceptance is made up: it looks right in every field, and no log has it."""
    venue = traded(tmp_path)
    client = venue.clients[0]
    urn = next(client.next_urn)
    client.write(m.EnterOrder(urn, m.SIDE_BUY, 5, SYMBOL, PRICE - 900))
    client.hear(acceptance(urn, qty=5, price=PRICE - 900))
    verdict = verdict_of(venue)
    assert found(verdict) == {Kind.LOST}
    assert verdict.lost == 2, "told and not in the log; accepted and no such command"


def test_entries_in_another_order_are_found(tmp_path: Path) -> None:
    """A log that was put together otherwise makes other answers."""
    venue = traded(tmp_path)
    venue.close()
    venue.log[-3], venue.log[-2] = venue.log[-2], venue.log[-3]
    assert check([tmp_path], venue.write_log(venue.log)).lost


def test_an_entry_that_nodes_applied_twice_is_found(tmp_path: Path) -> None:
    """The log has it once: what the second application told is in no replay."""
    venue = opened(tmp_path)
    first = venue.clients[0]
    first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    again = bytearray(first.stream[-1])
    again[36:44] = (2).to_bytes(8, "big")
    first.hear(bytes(again))
    verdict = verdict_of(venue)
    assert {Kind.LOST, Kind.DUPLICATED} <= found(verdict)


def test_a_trade_that_only_a_client_heard_broken_is_found(tmp_path: Path) -> None:
    """The message is right in every field, and nobody took the trade back."""
    venue = traded(tmp_path)
    (fill,) = [told for told in venue.clients[1].stream if told[:1] == b"E"]
    message = ouch.decode_outbound(fill, 0)
    assert isinstance(message, m.Executed)
    venue.clients[1].hear(broken(message.user_ref_num, message.match_id))
    assert found(verdict_of(venue)) == {Kind.LOST}


def test_a_trade_that_only_one_side_heard_broken_is_found(tmp_path: Path) -> None:
    """The other one goes on as if it had the shares."""
    venue = traded(tmp_path)
    bust(venue, 1)
    first = venue.clients[0]
    assert first.stream.pop()[:1] == b"B"
    venue.listen()
    first.enter(m.SIDE_SELL, 10, PRICE + 500)
    venue.step()
    assert Kind.LOST in found(verdict_of(venue))


def repeat_last(client: RecordedClient) -> None:
    client.stream.append(client.stream[-1])


def leave_one_out(client: RecordedClient) -> None:
    del client.stream[-2]


def swap_two(client: RecordedClient) -> None:
    client.stream[-1], client.stream[-2] = client.stream[-2], client.stream[-1]


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        (change_price, Kind.LOST),
        (repeat_last, Kind.DUPLICATED),
        (leave_one_out, Kind.LOST),
        (swap_two, Kind.REORDERED),
    ],
)
def test_a_stream_that_is_not_the_log_s_is_found(tmp_path: Path, lie: Lie, kind: Kind) -> None:
    """One byte, one message too many, one too few, two the other way round."""
    venue = opened(tmp_path)
    first, second = venue.clients
    first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    second.enter(m.SIDE_BUY, 60, PRICE)
    second.enter(m.SIDE_BUY, 60, PRICE)
    venue.commit()
    lie(second)
    venue.listen()
    verdict = verdict_of(venue)
    assert kind in found(verdict), verdict
    assert any(second.name in text for text in verdict.examples)


def test_a_stream_shifted_for_good_is_told_as_what_it_is(tmp_path: Path) -> None:
    """One message left out, and a hundred after it: one is lost, not a hundred."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    for _ in range(50):
        client.enter(m.SIDE_BUY, 10, PRICE - 500)
    venue.commit()
    del client.stream[5]
    venue.listen()
    for _ in range(50):
        client.enter(m.SIDE_BUY, 10, PRICE - 500)
    venue.step()
    verdict = verdict_of(venue)
    assert found(verdict) == {Kind.LOST}
    assert verdict.lost == 1


def test_real_time_is_held_against_the_log(tmp_path: Path) -> None:
    """An answer was there before another order was sent, and the log has them the other way."""
    venue = opened(tmp_path)
    first, second = venue.clients
    first.enter(m.SIDE_SELL, 100, PRICE)
    venue.clock.now_ns += 50_000_000
    second.enter(m.SIDE_SELL, 100, PRICE)
    commands = [second.waiting.pop(), first.waiting.pop()]
    venue.commit(commands)
    second.listen()
    venue.clock.now_ns -= 30_000_000  # before the second one sent
    first.listen()
    verdict = verdict_of(venue)
    assert found(verdict) == {Kind.REORDERED}
    assert verdict.reordered == 1
    assert "was sent after" in verdict.examples[0]


def test_orders_that_were_under_way_together_may_stand_in_any_order(tmp_path: Path) -> None:
    """No answer before the other was sent: nothing to hold against the log."""
    venue = opened(tmp_path)
    first, second = venue.clients
    first.enter(m.SIDE_SELL, 100, PRICE)
    second.enter(m.SIDE_SELL, 100, PRICE)
    venue.commit([second.waiting.pop(), first.waiting.pop()])
    venue.listen()
    assert verdict_of(venue).is_clean


def test_a_cancel_that_came_before_it_was_sent_is_found(tmp_path: Path) -> None:
    """Cancels have their place in real time, too."""
    venue = opened(tmp_path)
    first, second = venue.clients
    urn = first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    second.enter(m.SIDE_SELL, 100, PRICE)
    venue.clock.now_ns += 50_000_000
    first.cancel(urn)
    venue.commit([first.waiting.pop(), second.waiting.pop()])
    first.listen()
    venue.clock.now_ns -= 30_000_000
    second.listen()
    assert found(verdict_of(venue)) == {Kind.REORDERED}


def test_an_order_that_nobody_sent_is_found(tmp_path: Path) -> None:
    """The log has a command that no client wrote."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    client.enter(m.SIDE_SELL, 100, PRICE)
    venue.commit([client.waiting[0], invented(client.waiting[0])])
    verdict = verdict_of(venue)
    assert found(verdict) == {Kind.INVENTED}


def test_from_an_unfinished_history_nobody_concludes_that_nothing_was_sent(tmp_path: Path) -> None:
    """A client that was killed may have sent what it could not write down any more."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    client.enter(m.SIDE_SELL, 100, PRICE)
    venue.commit([client.waiting[0], invented(client.waiting[0])])
    client.recorder.abandon()
    venue.clients.remove(client)
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict
    assert verdict.incomplete == 1


def test_an_order_that_a_gateway_lost_is_found(tmp_path: Path) -> None:
    """What was written behind it on the same connection has an answer; it has none, anywhere."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    client.write(m.EnterOrder(next(client.next_urn), m.SIDE_SELL, 10, SYMBOL, PRICE))
    client.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    verdict = verdict_of(venue)
    assert found(verdict) == {Kind.LOST}
    assert "passed over" in verdict.examples[0]


def test_a_user_whom_the_log_does_not_know_is_found(tmp_path: Path) -> None:
    """Histories of one venue and the log of another."""
    venue = traded(tmp_path)
    log = venue.close()
    (tmp_path / "other").mkdir()
    other = RecordedVenue(tmp_path / "other", 3)
    other.clients[2].login()
    other.close()
    verdict = check([tmp_path / "other" / "REP03.history"], log)
    assert found(verdict) == {Kind.CONTRADICTED}


def invented(command: c.Command) -> c.Command:
    """The same order once more, as the next one of its session."""
    assert isinstance(command, c.NewOrder)
    return c.NewOrder(
        command.session_id, command.conn_epoch, command.client_seq + 1, command.not_after_ns,
        command.policy, command.user_ref_num + 1, command.account_id, command.instrument_id,
        command.side, command.ord_type, command.time_in_force, command.order_qty, command.price,
        command.cl_ord_id, command.firm, command.display, command.capacity, command.iso,
        command.cross_type,
    )  # fmt: skip
