"""What the client says of an order."""

from oms.client.book import OrderTable
from oms.client.orders import Order, OrderState, TradeBroken, reject_text
from oms.messages.enums import OUCH_REJECT_CODE, RejectReason
from oms.wire import ouch_messages as m


def test_a_reject_names_every_reason_of_its_code() -> None:
    """OUCH has one code for several reasons: naming one of them alone would often be wrong."""
    for reason, code in OUCH_REJECT_CODE.items():
        assert reason.name in reject_text(code)
    assert reject_text(OUCH_REJECT_CODE[RejectReason.STORAGE_FULL]) == (
        "CAPACITY or STORAGE_FULL or OPEN_ORDERS_LIMIT (code 0x0A)"
    )


def test_a_code_of_another_venue_is_shown_as_it_came() -> None:
    """A client may be newer or older than its venue."""
    assert reject_text(0xEE) == "unknown reason (code 0xEE)"


def test_a_broken_trade_changes_no_order() -> None:
    """No order comes back, so one that said it has more to do would be waited for in vain."""
    table = OrderTable(Order)
    order = Order(7)
    order.order_id, order.order_qty, order.leaves_qty = 1, 100, 100
    table.add(order)
    table.apply(m.Executed(5, 7, 100, 10_0000, ord("A"), 3), 1)
    event = table.apply(m.BrokenTrade(6, 7, 3, ord("S"), b""), 2)
    assert event == TradeBroken(seq=2, timestamp_ns=6, urn=7, order=order, match_id=3, reason="S")
    assert (order.state, order.cum_qty, order.leaves_qty) == (OrderState.FILLED, 100, 0)
    table.remove(7)
    other = table.apply(m.BrokenTrade(6, 7, 3, ord("S"), b""), 3)
    assert isinstance(other, TradeBroken)
    assert other.order is None
    assert table.open_orders() == [], "and none is made up"
