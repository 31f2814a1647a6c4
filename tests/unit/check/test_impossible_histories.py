"""The checker finds what no venue can have answered, and refuses evidence that is none."""

from pathlib import Path

import pytest

from oms.check.history import HistoryError
from oms.check.judge import check
from oms.check.verdict import Kind
from oms.config import SettingsError
from oms.wire import ouch
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, build_appendage
from tests.support.recorded_venue import SYMBOL
from tests.unit.check.recorded_days import (
    PRICE,
    acceptance,
    broken,
    canceled,
    change_price,
    executed,
    found,
    opened,
    traded,
    verdict_of,
)


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
        ([acceptance(1), broken(1)], Kind.IMPOSSIBLE, "broken and never executed"),
        ([acceptance(1), executed(1, 9), broken(2)], Kind.IMPOSSIBLE, "broken and never executed"),
        ([acceptance(1), executed(1, 9), broken(1), broken(1)], Kind.DUPLICATED, "broken twice"),
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


STOP = (Option(Tag.STOP_PRICE, PRICE), Option(Tag.STOP_TRIGGER, ord("B")))
ICEBERG = (Option(Tag.MAX_FLOOR, 20),)


@pytest.mark.parametrize(
    ("asked", "said", "is_found"),
    [
        (STOP, STOP, False),
        (STOP, (Option(Tag.STOP_PRICE, PRICE + 100), STOP[1]), True),
        (STOP, (STOP[0], Option(Tag.STOP_TRIGGER, ord("L"))), True),
        (STOP[:1], (STOP[0], Option(Tag.STOP_TRIGGER, ord("L"))), False),
        (STOP[:1], STOP, True),
        (ICEBERG, (Option(Tag.MAX_FLOOR, 30),), True),
        ((), ICEBERG, True),
        (ICEBERG, (Option(Tag.FIRM, b"A1  "), *ICEBERG), False),
        (STOP, (), False),
    ],
)
def test_terms_that_come_back_otherwise_than_sent_are_found(
    tmp_path: Path, asked: tuple[Option, ...], said: tuple[Option, ...], *, is_found: bool
) -> None:
    """The client waits for another price than its order does; only what is not said is no proof."""
    venue = opened(tmp_path)
    client = venue.clients[0]
    venue.listen()
    terms = build_appendage(list(asked))
    client.write(m.EnterOrder(1, m.SIDE_BUY, 100, SYMBOL, PRICE, appendage=terms))
    client.hear(acceptance(1, terms=build_appendage(list(said))))
    assert (Kind.CONTRADICTED in found(verdict_of(venue))) == is_found


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
