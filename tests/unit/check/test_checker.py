"""The checker finds every kind of violation that is planted in histories or logs, and no other."""

from collections.abc import Callable
from pathlib import Path

import pytest

from oms.check.history import HistoryError
from oms.check.judge import check
from oms.check.verdict import Kind, Verdict
from oms.config import SettingsError
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.wire import ouch
from oms.wire import ouch_messages as m
from tests.support.recorded_venue import START_NS, SYMBOL, RecordedClient, RecordedVenue

PRICE = 1_000_000
Lie = Callable[[RecordedClient], None]


def opened(folder: Path, names: int = 2) -> RecordedVenue:
    venue = RecordedVenue(folder, names)
    for client in venue.clients:
        client.login()
    return venue


def traded(folder: Path) -> RecordedVenue:
    """Two clients, an order of each kind, some of them executed."""
    venue = opened(folder)
    first, second = venue.clients
    sell = first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    second.enter(m.SIDE_BUY, 60, PRICE, tif=m.TIF_IOC)
    second.enter(m.SIDE_BUY, 10, PRICE - 500)
    venue.step()
    replacement = first.replace(sell, 120, PRICE + 100)
    venue.step()
    first.cancel(replacement)
    venue.step()
    return venue


def verdict_of(venue: RecordedVenue) -> Verdict:
    return check([venue.folder], venue.close())


def found(verdict: Verdict) -> set[Kind]:
    return {kind for kind in Kind if verdict.count(kind)}


# ---- what is right


def test_an_ordinary_day_is_clean(tmp_path: Path) -> None:
    """Executions, replaces and cancels: nothing is held against the venue."""
    verdict = verdict_of(traded(tmp_path))
    assert verdict.is_clean, verdict
    assert (verdict.operations, verdict.acknowledged, verdict.sessions) == (5, 4, 2)
    assert verdict.unread == verdict.unanswered == verdict.incomplete == 0


def test_lost_connections_and_repeats_are_no_violation(tmp_path: Path) -> None:
    """What was sent twice has one effect, and the stream goes on where it was left."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    client.enter(m.SIDE_SELL, 100, PRICE)
    venue.commit()  # committed, and the answer does not reach the client
    client.drop()
    client.login(0)  # where does the past end?
    client.heard = 1
    client.login()
    client.listen()
    lost = m.EnterOrder(next(client.next_urn), m.SIDE_SELL, 10, SYMBOL, PRICE)
    client.write(lost)  # never reaches the venue
    client.drop()
    client.login()
    client.send(lost)
    client.send(lost)
    venue.step()
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict
    assert verdict.acknowledged == 2


def test_a_number_that_never_reached_the_venue_is_free_for_another_order(tmp_path: Path) -> None:
    """A client dies with an order on its way; its next life enters another one under its number."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    number = next(client.next_urn)
    client.write(m.EnterOrder(number, m.SIDE_SELL, 10, SYMBOL, PRICE))  # never arrives
    client.drop()
    client.login()
    client.send(m.EnterOrder(number, m.SIDE_BUY, 20, SYMBOL, PRICE - 100))
    venue.step()
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict


def test_a_client_that_joins_late_is_not_expected_to_know_the_past(tmp_path: Path) -> None:
    """Executions of orders from before its first login are not judged, nor called invented."""
    venue = opened(tmp_path)
    first, second = venue.clients
    first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    first.forget()
    first.login(0)
    second.enter(m.SIDE_BUY, 100, PRICE)
    venue.step()
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict
    assert verdict.messages == 1 + 3


def test_a_client_that_reads_a_past_that_is_not_in_its_history(tmp_path: Path) -> None:
    """It asks where the past ends before it reads it: the product's client does."""
    venue = opened(tmp_path)
    first, second = venue.clients
    first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    first.forget()
    first.login(0)
    first.drop()
    first.heard = 0
    first.login()
    second.enter(m.SIDE_BUY, 100, PRICE)
    venue.step()
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict


def test_what_the_client_never_heard_is_resolved_by_the_log(tmp_path: Path) -> None:
    """An order without an answer is not a violation: the log knows what became of it."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    client.enter(m.SIDE_SELL, 100, PRICE)
    venue.commit()
    client.write(m.EnterOrder(next(client.next_urn), m.SIDE_SELL, 10, SYMBOL, PRICE))
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict
    assert (verdict.unanswered, verdict.unknown_resolved, verdict.unread) == (2, 1, 3)


def test_a_new_day_begins_at_one_again(tmp_path: Path) -> None:
    """Numbers restart with the day, and UserRefNums of orders that are over with them."""
    venue = opened(tmp_path)
    first = venue.clients[0]
    first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    admin = (1, 1, 1, (1 << 62) - 1)
    venue.commit([c.Login(1, 1, 7), ac.EndDay(*admin)])
    venue.commit([])  # the sweep of the day's orders
    venue.listen()
    second_day = START_NS // 86_400_000_000_000 * 86_400_000_000_000 + 86_400_000_000_000
    venue.start_day(ac.StartDay(1, 1, 2, (1 << 62) - 1, 20260106, second_day))
    first.login()
    first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict
    assert (verdict.acknowledged, verdict.unanswered) == (2, 0), "the second waits for the open"


def test_entries_left_out_by_operators_are_left_out_here(tmp_path: Path) -> None:
    """`oms log skip` makes the nodes pass an entry over; the oracle has to as well."""
    venue = traded(tmp_path)
    log = venue.close()
    skipped = len(venue.log) - 2
    verdict = check([tmp_path], log, is_skipped=lambda log_index, _: log_index == skipped)
    assert not verdict.is_clean
    at = len(venue.log) + 1
    venue.log.append(venue.log[3])
    verdict = check(
        [tmp_path], venue.write_log(venue.log), is_skipped=lambda log_index, _: log_index == at
    )
    assert verdict.is_clean, verdict


# ---- violations that only the log can tell


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


def change_price(client: RecordedClient) -> None:
    last = bytearray(client.stream[-1])
    last[-9] ^= 1
    client.stream[-1] = bytes(last)


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


# ---- violations that the histories alone tell


def test_two_different_messages_under_one_number_are_found(tmp_path: Path) -> None:
    """Two gateways, two stories."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    client.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    client.drop()
    change_price(client)
    client.login(1)
    client.listen()
    assert Kind.CONTRADICTED in found(verdict_of(venue))


def test_a_login_answered_with_another_number_is_found(tmp_path: Path) -> None:
    """A message between the number that was asked for and this one would never come."""
    venue = traded(tmp_path)
    client = venue.clients[0]
    client.drop()
    client.login(lies_about_number=1)
    verdict = verdict_of(venue)
    assert Kind.CONTRADICTED in found(verdict)
    assert "went on with" in verdict.examples[0]


def acceptance(urn: int, *, qty: int = 100, price: int = PRICE, order_id: int = 999) -> bytes:
    return ouch.encode(
        m.Accepted(
            (1 << 46) + 1_000_000_000, urn, m.SIDE_BUY, qty, SYMBOL, price, m.TIF_DAY,
            m.DISPLAY_VISIBLE, order_id, m.CAPACITY_PRINCIPAL, m.ISO_NO, m.CROSS_CONTINUOUS,
            m.STATE_LIVE, b"",
        )
    )  # fmt: skip


def executed(urn: int, qty: int, price: int = PRICE, match_id: int = 77) -> bytes:
    return ouch.encode(m.Executed((1 << 46) + 2_000_000_000, urn, qty, price, 65, match_id))


def canceled(urn: int, qty: int) -> bytes:
    return ouch.encode(m.Canceled((1 << 46) + 2_000_000_000, urn, qty, ord("U")))


@pytest.mark.parametrize(
    ("story", "kind", "words"),
    [
        ([acceptance(1), acceptance(1, order_id=7)], Kind.DUPLICATED, "answered before"),
        ([acceptance(1), executed(1, 60), executed(1, 60)], Kind.IMPOSSIBLE, "more were"),
        ([acceptance(1), executed(1, 60), canceled(1, 50)], Kind.IMPOSSIBLE, "more were"),
        ([acceptance(1), canceled(1, 100), executed(1, 1)], Kind.IMPOSSIBLE, "after its end"),
        ([acceptance(1), executed(1, 10, PRICE + 1)], Kind.IMPOSSIBLE, "beyond its limit"),
        ([acceptance(1), executed(1, 1), executed(1, 1)], Kind.DUPLICATED, "twice in match 77"),
        ([executed(1, 10)], Kind.IMPOSSIBLE, "never accepted"),
        ([acceptance(1, qty=99)], Kind.CONTRADICTED, "otherwise than entered"),
        ([acceptance(1, price=PRICE + 100)], Kind.CONTRADICTED, "otherwise than entered"),
        ([acceptance(2)], Kind.INVENTED, "never entered"),
        ([executed(1, 1), acceptance(1)], Kind.REORDERED, "older than the one before"),
        (
            [acceptance(1), ouch.encode(m.Rejected((1 << 46) + 2_000_000_000, 1, 3, b""))],
            Kind.DUPLICATED,
            "answered before",
        ),
        (
            [
                acceptance(1),
                ouch.encode(
                    m.Replaced(
                        (1 << 46) + 2_000_000_000, 9, 1, m.SIDE_BUY, 100, SYMBOL, PRICE,
                        m.TIF_DAY, m.DISPLAY_VISIBLE, 8, m.CAPACITY_PRINCIPAL, m.ISO_NO,
                        m.CROSS_CONTINUOUS, m.STATE_LIVE, b"",
                    )
                ),
            ],
            Kind.IMPOSSIBLE,
            "which never was",
        ),
    ],
)  # fmt: skip
def test_a_life_that_no_order_can_have_is_found(
    tmp_path: Path, story: list[bytes], kind: Kind, words: str
) -> None:
    """Without any log: sums, ends, limits, and that an answer answers something."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    venue.listen()
    client.write(m.EnterOrder(1, m.SIDE_BUY, 100, SYMBOL, PRICE))
    for message in story:
        client.hear(message)
    verdict = verdict_of(venue)
    assert kind in found(verdict), verdict
    assert any(words in text for text in verdict.examples), verdict.examples


def test_two_sides_of_a_match_that_do_not_agree_are_found(tmp_path: Path) -> None:
    """Shares that one side sold and the other did not buy."""
    venue = opened(tmp_path, names=3)
    first, second, third = venue.clients
    venue.listen()
    for client, qty in ((first, 50), (second, 40), (third, 40)):
        client.write(m.EnterOrder(1, m.SIDE_BUY, 100, SYMBOL, PRICE))
        client.hear(acceptance(1, order_id=100 + client.session_id))
        client.hear(executed(1, qty))
    verdict = verdict_of(venue)
    assert verdict.unbalanced == 1, "another quantity"
    assert any("more than two sides" in text for text in verdict.examples)


def test_two_buyers_of_one_match_are_found(tmp_path: Path) -> None:
    """Somebody must have sold."""
    venue = opened(tmp_path)
    venue.listen()
    for client in venue.clients:
        client.write(m.EnterOrder(1, m.SIDE_BUY, 100, SYMBOL, PRICE))
        client.hear(acceptance(1, order_id=100 + client.session_id))
        client.hear(executed(1, 40))
    verdict = verdict_of(venue)
    assert verdict.unbalanced == 1
    assert any("on one side" in text for text in verdict.examples)


# ---- evidence that is none


def test_damaged_evidence_is_refused(tmp_path: Path) -> None:
    """Nothing is concluded from a history or a log that is not whole."""
    venue = traded(tmp_path)
    log = venue.close()
    data = log.read_bytes()
    (tmp_path / "cut.raw").write_bytes(data[:-20] + b"\1" * 40)
    with pytest.raises(SettingsError, match="is no batch"):
        check([tmp_path], tmp_path / "cut.raw")
    with pytest.raises(SettingsError, match="cannot read the log"):
        check([tmp_path], tmp_path / "absent.raw")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(HistoryError, match="there is no"):
        check([tmp_path / "nothing"], log)
    path = venue.clients[0].path
    history = bytearray(path.read_bytes())
    history[200] ^= 1
    path.write_bytes(history)
    with pytest.raises(HistoryError, match="changed at offset"):
        check([tmp_path], log)


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
