"""What an order asks for besides: on its way out, and as the venue says it back."""

import pytest

from oms.client import requests
from oms.client.book import OrderTable
from oms.client.orders import Order, Terms
from oms.messages.enums import Side
from oms.wire import ouch
from oms.wire import ouch_messages as m
from oms.wire.appendage import Tag, parse_appendage

TERMS = Terms(
    min_qty=20, display_qty=10, is_post_only=True, lives_s=60, self_trade="O", is_hidden=True
)


def _order(terms: Terms) -> Order:
    order = Order(7)
    order.symbol, order.side, order.order_qty, order.price = "OAK", Side.BUY, 100, 991_000
    order.terms = terms
    return order


def test_terms_are_sent_as_optional_fields() -> None:
    """A hidden order that went out without its N would be shown to everybody."""
    message = ouch.decode_inbound(requests.enter_packet(_order(TERMS)), 3)
    assert isinstance(message, m.EnterOrder)
    assert (message.display, message.time_in_force) == (m.DISPLAY_HIDDEN, m.TIF_GTT)
    assert parse_appendage(message.appendage) == [
        (Tag.MIN_QTY, 20),
        (Tag.MAX_FLOOR, 10),
        (Tag.POST_ONLY, ord("P")),
        (Tag.EXPIRE_TIME, 60),
        (Tag.AIQ_STRATEGY, ord("O")),
    ]
    replace = ouch.decode_inbound(requests.replace_packet(_order(TERMS), Order(6)), 3)
    assert isinstance(replace, m.ReplaceRequest)
    assert replace.display == m.DISPLAY_HIDDEN
    assert Tag.MAX_FLOOR in dict(parse_appendage(replace.appendage))


def test_a_peg_is_sent_hidden_and_read_back() -> None:
    """What it follows and how far away; a peg that was not hidden would be refused."""
    peg = Terms(peg="midpoint", peg_offset="-0.01")
    sent = ouch.decode_inbound(requests.enter_packet(_order(peg)), 3)
    assert isinstance(sent, m.EnterOrder)
    assert sent.display == m.DISPLAY_HIDDEN
    assert parse_appendage(sent.appendage) == [(Tag.PRICE_TYPE, ord("M")), (Tag.PEG_OFFSET, -100)]
    accepted = m.Accepted(
        5, 7, ord("B"), 100, b"OAK", 991_000, sent.time_in_force, sent.display, 1, ord("P"),
        ord("N"), ord("N"), ord("L"), b"", sent.appendage,
    )  # fmt: skip
    table = OrderTable(Order)
    table.apply(accepted, 1)
    (order,) = table.open_orders()
    assert order.terms == Terms(peg="midpoint", peg_offset=-100, is_hidden=True)
    with pytest.raises(ValueError, match="primary"):
        requests.enter_packet(_order(Terms(peg="mid")))


def test_terms_are_read_back_from_an_acceptance() -> None:
    """After a crash the stream alone says what the orders are."""
    sent = ouch.decode_inbound(requests.enter_packet(_order(TERMS)), 3)
    assert isinstance(sent, m.EnterOrder)
    accepted = m.Accepted(
        5, 7, ord("B"), 100, b"OAK", 991_000, sent.time_in_force, sent.display, 1, ord("P"),
        ord("N"), ord("N"), ord("L"), b"", sent.appendage,
    )  # fmt: skip
    table = OrderTable(Order)
    table.apply(accepted, 1)
    (order,) = table.open_orders()
    assert order.terms == TERMS
    assert order.public_id == 1
