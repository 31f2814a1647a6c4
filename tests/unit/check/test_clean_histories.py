"""The checker holds nothing against a venue that did everything right."""

from pathlib import Path

from oms.check.judge import check
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, build_appendage
from tests.support.recorded_venue import START_NS, SYMBOL
from tests.unit.check.recorded_days import PRICE, bust, opened, traded, verdict_of


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


def test_a_trade_that_was_taken_back_is_no_violation(tmp_path: Path) -> None:
    """Both sides were told; their orders are what they were, and money and shares add up."""
    venue = traded(tmp_path)
    bust(venue, 1)
    venue.listen()
    told = [client.stream[-1][:1] for client in venue.clients]
    verdict = verdict_of(venue)
    assert told == [b"B", b"B"]
    assert verdict.is_clean, verdict


def test_orders_with_terms_are_what_they_were_sent_as(tmp_path: Path) -> None:
    """Every term that comes back is compared: an honest echo must pass, in all its spellings."""
    venue = opened(tmp_path)
    first, second = venue.clients
    stop = Option(Tag.STOP_PRICE, PRICE)
    asked: list[tuple[int, list[Option]]] = [
        (PRICE + 500, [stop]),  # until its stop price is traded
        (m.PRICE_MARKET, [stop, Option(Tag.STOP_TRIGGER, ord("B"))]),
        (PRICE - 500, [Option(Tag.MAX_FLOOR, 20), Option(Tag.POST_ONLY, ord("P"))]),
        (PRICE - 500, [Option(Tag.MIN_QTY, 20), Option(Tag.AIQ_STRATEGY, ord("O"))]),
        (PRICE - 500, [Option(Tag.POST_ONLY, ord("N"))]),
        (
            m.PRICE_MARKET,
            [Option(Tag.STOP_PRICE, 2 * PRICE), Option(Tag.STOP_TRAIL, 5_000)],
        ),  # begins where the market is
    ]
    for price, options in asked:
        urn, terms = next(first.next_urn), build_appendage(options)
        first.send(m.EnterOrder(urn, m.SIDE_BUY, 100, SYMBOL, price, appendage=terms))
    venue.step()
    second.enter(m.SIDE_SELL, 250, PRICE)  # the best price: one enters, and its trade the other
    venue.step()
    told = b"".join(message[:1] for message in first.stream)
    assert told == b"SAAAAAATETE"
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict


def test_pegs_are_what_they_were_sent_as(tmp_path: Path) -> None:
    """What a peg follows, and how far away, comes back; what trades with it is no violation."""
    venue = opened(tmp_path)
    first, second = venue.clients
    second.enter(m.SIDE_SELL, 50, PRICE + 100)
    second.enter(m.SIDE_BUY, 50, PRICE - 100)
    venue.step()
    asked = [
        [Option(Tag.PRICE_TYPE, ord("M"))],
        [Option(Tag.PRICE_TYPE, ord("R")), Option(Tag.PEG_OFFSET, -100)],
        [Option(Tag.PRICE_TYPE, ord("P")), Option(Tag.PEG_OFFSET, -500)],
    ]
    for options in asked:
        urn, terms = next(first.next_urn), build_appendage(options)
        hidden = ord("N")
        order = m.EnterOrder(
            urn, m.SIDE_BUY, 10, SYMBOL, PRICE + 900, display=hidden, appendage=terms
        )
        first.send(order)
    venue.step()
    second.enter(m.SIDE_SELL, 5, PRICE)
    venue.step()
    assert b"".join(message[:1] for message in first.stream) == b"SAAAE"
    verdict = verdict_of(venue)
    assert verdict.is_clean, verdict


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
