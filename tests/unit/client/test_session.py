"""The client's session against a venue that loses connections: states, numbering, resending."""

import random

import pytest

from oms.bounds import CLIENT_HEARTBEAT_NS, CLIENT_SETTLE_NS, SERVER_SILENT_NS
from oms.client import orders as o
from oms.client import session as session_module
from oms.client.errors import (
    ConnectionLost,
    LoginRejected,
    OrderRejected,
    OrderStatusUnknown,
    SessionClosed,
    TooManyUnacknowledged,
)
from oms.client.orders import Order, OrderState
from oms.client.session import Session, SessionState
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from oms.wire.errors import ProtocolError
from tests.support.fake_venue import SESSION, UNLUCKY_QTY, FakeDoor, FakeVenue


class Rig:
    """A session, a venue, and the connection between them."""

    def __init__(self, venue: FakeVenue | None = None, *, from_seq: int = 1) -> None:
        self.venue = venue or FakeVenue()
        self.session = Session("user", "secret", make_order=Order, from_seq=from_seq)
        self.door = FakeDoor(self.venue)
        self.events: list[o.AnyEvent] = []
        self.now_ns = 0

    def connect(self) -> None:
        """A new TCP connection, as often as the session wants one, until nothing moves."""
        while True:
            self.door = FakeDoor(self.venue, b"secret")
            self.session.connected(self.now_ns)
            self.exchange()
            if self.session.state is not SessionState.REDIAL:
                return
            self.events += self.session.disconnected("redial")

    def exchange(self, *, processes: bool = True) -> None:
        """Carry bytes both ways until nothing moves."""
        while True:
            out = self.session.take(self.now_ns)
            self.door.receive(out, processes=processes)
            back = self.door.pull()
            if back:
                self.events += self.session.receive(back, self.now_ns)
            if not out and not back:
                return

    def lose(self) -> None:
        """The connection is gone, with everything that was on its way."""
        self.session.take(self.now_ns)
        self.events += self.session.disconnected("lost")

    def enter(
        self, qty: int = 100, *, tif: str = "DAY", firm: str = "", cl_ord_id: str = ""
    ) -> Order:
        """Any order."""
        return self.session.enter(
            "ALDER", "BUY", qty, "25.10", tif=tif, firm=firm, cl_ord_id=cl_ord_id
        )

    def kinds(self) -> list[str]:
        """Names of the events so far."""
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def rig() -> Rig:
    """A session that is live."""
    rig = Rig()
    rig.connect()
    assert rig.session.state is SessionState.LIVE
    rig.events.clear()
    return rig


def test_login_asks_for_the_end_of_the_past_and_then_for_the_past() -> None:
    """Without the first login an answer from the past could pass for the end of it."""
    venue = FakeVenue()
    venue.process(m.EnterOrder(7, m.SIDE_BUY, 100, b"ALDER", 1))
    venue.process(m.AccountQueryRequest())
    rig = Rig(venue)
    rig.session.connected(0)
    rig.door = FakeDoor(venue, b"secret")
    rig.exchange()
    assert [login.sequence for login in rig.door.logins] == [0]
    assert rig.session.state is SessionState.REDIAL
    rig.session.disconnected("redial")
    rig.connect()
    assert [(login.sequence, login.session) for login in rig.door.logins] == [(1, SESSION)]
    assert rig.enter().urn == 8


def test_the_answer_to_an_older_query_is_not_the_end_of_the_past() -> None:
    """Taken for it, new orders would get numbers that are used, and be passed over in silence."""
    venue = FakeVenue()
    venue.process(m.AccountQueryRequest())
    for urn in range(1, 6):
        venue.process(m.EnterOrder(urn, m.SIDE_BUY, 100, b"ALDER", 1))
    rig = Rig(venue)
    rig.connect()
    order = rig.enter()
    assert order.urn == 6
    rig.exchange()
    assert order.state is OrderState.LIVE


def test_from_zero_reads_nothing_of_the_past_and_logs_in_once() -> None:
    """Load generators want no past."""
    venue = FakeVenue()
    venue.process(m.EnterOrder(4, m.SIDE_BUY, 100, b"ALDER", 1))
    rig = Rig(venue, from_seq=0)
    rig.connect()
    assert [login.sequence for login in rig.door.logins] == [0]
    assert rig.kinds() == ["LoggedIn", "QueryAnswered"]
    assert rig.enter().urn == 5


def test_orders_of_an_earlier_process_are_rebuilt_from_the_stream() -> None:
    """A client that died must find its open orders again."""
    venue = FakeVenue()
    venue.process(
        m.EnterOrder(1, m.SIDE_SELL, 100, b"ELM", 5, cl_ord_id=b"mine", appendage=b"\x05\x02R01 ")
    )
    venue.fill(1, 30)
    rig = Rig(venue)
    rig.connect()
    (order,) = rig.session.orders.open_orders()
    assert (order.symbol, order.side.name, order.price, order.firm) == ("ELM", "SELL", 5, "R01")
    assert (order.order_qty, order.cum_qty, order.leaves_qty) == (100, 30, 70)
    assert order.cl_ord_id == "mine"


def test_an_order_is_accepted_filled_in_parts_and_done(rig: Rig) -> None:
    """The numbers are sums of committed messages."""
    order = rig.enter()
    assert order.state is OrderState.PENDING
    rig.exchange()
    assert (order.state, order.order_id) == (OrderState.LIVE, 1)
    rig.venue.fill(order.urn, 40, 250_900)
    rig.exchange()
    assert (order.state, order.cum_qty, order.leaves_qty) == (OrderState.LIVE, 40, 60)
    rig.venue.fill(order.urn, 60)
    rig.exchange()
    assert (order.state, order.cum_qty, order.leaves_qty) == (OrderState.FILLED, 100, 0)
    assert rig.kinds() == ["Accepted", "Executed", "Executed"]
    assert rig.session.orders.open_orders() == []
    assert isinstance(order.result(), o.Accepted)


def test_a_rejected_order_says_why(rig: Rig) -> None:
    """The code comes from the log, and has a name."""
    order = rig.enter(UNLUCKY_QTY)
    rig.exchange()
    assert order.state is OrderState.REJECTED
    with pytest.raises(OrderRejected, match="BAD_QUANTITY") as caught:
        order.result()
    assert caught.value.reason == 0x13


def test_an_ioc_that_finds_nothing_is_accepted_then_canceled(rig: Rig) -> None:
    """Its acceptance is an acceptance all the same."""
    order = rig.enter(tif="IOC")
    rig.exchange()
    assert (order.state, order.leaves_qty) == (OrderState.CANCELED, 0)
    assert isinstance(order.result(), o.Accepted)


def test_a_cancel_reduces_and_then_ends_the_order(rig: Rig) -> None:
    """The quantity in a cancel is what is intended in total."""
    order = rig.enter()
    rig.exchange()
    rig.session.cancel(order, 30)
    rig.exchange()
    assert (order.state, order.order_qty, order.leaves_qty) == (OrderState.LIVE, 30, 30)
    rig.session.cancel(order)
    rig.exchange()
    assert (order.state, order.leaves_qty) == (OrderState.CANCELED, 0)
    assert len(rig.session.unacknowledged) == 0


def test_a_replacement_goes_on_with_the_chain(rig: Rig) -> None:
    """Shares executed before count in the total, as the protocol says."""
    order = rig.enter()
    rig.exchange()
    rig.venue.fill(order.urn, 40)
    replacement = rig.session.replace(order, 200, "25.20")
    rig.exchange()
    assert (order.state, order.replaced_by) == (OrderState.REPLACED, replacement)
    assert (replacement.state, replacement.cum_qty) == (OrderState.LIVE, 40)
    assert (replacement.order_qty, replacement.leaves_qty) == (200, 160)
    assert isinstance(replacement.result(), o.Replaced)


def test_a_replacement_of_a_done_order_is_certainly_ignored(rig: Rig) -> None:
    """The venue says nothing to it; the fill before it says everything."""
    order = rig.enter()
    rig.exchange()
    rig.venue.fill(order.urn, 100)
    replacement = rig.session.replace(order, 200, "25.20")
    rig.exchange()
    assert (order.state, replacement.state) == (OrderState.FILLED, OrderState.IGNORED)
    with pytest.raises(OrderRejected):
        replacement.result()
    late = rig.session.replace(order, 200, "25.20")
    assert late.state is OrderState.IGNORED
    assert len(rig.session.unacknowledged) == 0


def test_an_invalid_replacement_cancels_its_original_and_takes_its_heirs_along(rig: Rig) -> None:
    """A replacement of a replacement that never was can never be, either."""
    order = rig.enter()
    rig.exchange()
    child = rig.session.replace(order, UNLUCKY_QTY, "25.20")
    grandchild = rig.session.replace(child, 50, "25.30")
    rig.exchange()
    assert order.state is OrderState.CANCELED
    assert (child.state, grandchild.state) == (OrderState.IGNORED, OrderState.IGNORED)
    assert len(rig.session.unacknowledged) == 0


def test_what_was_not_processed_is_resent_in_order_before_anything_new(rig: Rig) -> None:
    """Lower numbers behind higher ones would be ignored, and orders lost."""
    first, second = rig.enter(), rig.enter()
    rig.session.cancel(first)
    rig.exchange(processes=False)
    rig.lose()
    third = rig.enter()
    rig.connect()
    sent = [
        message for message in rig.door.received if not isinstance(message, m.AccountQueryRequest)
    ]
    assert [type(message).__name__ for message in sent] == [
        "EnterOrder", "EnterOrder", "CancelRequest", "EnterOrder",
    ]  # fmt: skip
    assert rig.venue.entered == [1, 2, 3]
    states = (first.state, second.state, third.state)
    assert states == (OrderState.CANCELED, OrderState.LIVE, OrderState.LIVE)


def test_what_was_processed_before_the_loss_is_not_sent_again(rig: Rig) -> None:
    """Its answer is in the past that the new connection replays."""
    order = rig.enter()
    rig.door.receive(rig.session.take(0))
    rig.lose()
    rig.connect()
    assert rig.venue.entered == [1]
    assert order.state is OrderState.LIVE
    assert all(not isinstance(message, m.EnterOrder) for message in rig.door.received)


def test_the_stream_goes_on_at_the_next_number(rig: Rig) -> None:
    """No event twice, none left out."""
    order = rig.enter()
    rig.exchange()
    rig.lose()
    rig.venue.fill(order.urn, 10)
    rig.venue.fill(order.urn, 20)
    rig.connect()
    assert rig.door.logins[-1].sequence == 3
    assert order.cum_qty == 30
    numbers = [event.seq for event in rig.events if isinstance(event, o.Accepted | o.Executed)]
    assert numbers == [2, 3, 4]


def test_a_cancel_without_effect_is_settled_by_a_query(rig: Rig) -> None:
    """The venue is silent about it; somebody has to ask."""
    order = rig.enter()
    rig.exchange()
    rig.session.cancel(order, 500)
    rig.exchange()
    assert len(rig.session.unacknowledged) == 1
    rig.session.tick(CLIENT_SETTLE_NS)
    rig.session.tick(2 * CLIENT_SETTLE_NS)
    rig.exchange()
    assert len(rig.session.unacknowledged) == 0
    assert order.state is OrderState.LIVE


def test_an_unanswered_order_is_not_asked_about(rig: Rig) -> None:
    """A new order always has an answer: a query would only add load while a leader is elected."""
    rig.enter()
    rig.exchange(processes=False)
    rig.session.tick(CLIENT_SETTLE_NS)
    rig.session.tick(3 * CLIENT_SETTLE_NS)
    out = rig.session.take(0)
    assert soupbin.unsequenced(b"Q") not in out


def test_numbers_used_by_somebody_else_are_never_taken_for_ours(rig: Rig) -> None:
    """Another client of the same session entered our number while we were away."""
    order = rig.enter()
    rig.session.take(0)
    rig.lose()
    rig.venue.last_urn = 5
    rig.connect()
    assert order.state is OrderState.IGNORED
    assert rig.enter().urn == 6


def test_closing_leaves_unanswered_orders_unknown(rig: Rig) -> None:
    """A guess would be worse than no answer."""
    answered, order = rig.enter(), rig.enter()
    rig.door.receive(rig.session.take(0))
    rig.events += rig.session.receive(rig.door.pull()[:80], 0)
    rig.session.close()
    assert rig.session.take(0) == soupbin.LOGOUT_PACKET
    assert (answered.state, order.state) == (OrderState.LIVE, OrderState.UNKNOWN)
    assert rig.session.abandoned == [order]
    with pytest.raises(OrderStatusUnknown):
        order.result()
    with pytest.raises(SessionClosed):
        rig.enter()


def test_the_end_of_the_session_ends_the_client(rig: Rig) -> None:
    """No message follows in this session, ever."""
    order = rig.enter()
    rig.session.take(0)
    rig.session.receive(soupbin.END_OF_SESSION_PACKET, 0)
    assert rig.session.state is SessionState.CLOSED
    assert order.state is OrderState.UNKNOWN


def test_a_refused_login_is_an_error_of_its_own() -> None:
    """A wrong password is not a lost connection."""
    rig = Rig()
    rig.door = FakeDoor(rig.venue, b"other")
    rig.session.connected(0)
    rig.door.receive(rig.session.take(0))
    with pytest.raises(LoginRejected, match="not authorized"):
        rig.session.receive(rig.door.pull(), 0)


def test_nothing_is_entered_before_the_next_number_is_known() -> None:
    """A number below the venue's would be ignored in silence."""
    rig = Rig()
    with pytest.raises(ConnectionLost):
        rig.enter()


def test_heartbeats_keep_an_idle_session_and_a_silent_venue_is_noticed(rig: Rig) -> None:
    """One second and fifteen seconds: the protocol's own."""
    rig.session.tick(CLIENT_HEARTBEAT_NS - 1)
    assert rig.session.take(0) == b""
    rig.session.tick(CLIENT_HEARTBEAT_NS)
    assert rig.session.take(CLIENT_HEARTBEAT_NS) == soupbin.CLIENT_HEARTBEAT_PACKET
    assert not rig.session.is_silent(SERVER_SILENT_NS - 1)
    assert rig.session.is_silent(SERVER_SILENT_NS)
    rig.session.receive(soupbin.SERVER_HEARTBEAT_PACKET, SERVER_SILENT_NS)
    assert not rig.session.is_silent(SERVER_SILENT_NS + 1)


def test_a_shorter_limit_holds_for_every_login() -> None:
    """A gateway that takes the connection and never answers the login is silent as well."""
    session = Session("user", "SECRET", make_order=Order, silent_ns=500)
    session.connected(0)
    assert not session.is_silent(499)
    assert session.is_silent(500)
    session.disconnected("silent")
    session.connected(1_000)
    assert session.is_silent(1_500)


def test_at_the_bound_of_unacknowledged_requests_the_next_is_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything has a bound, and reaching it is seen."""
    monkeypatch.setattr(session_module, "CLIENT_UNACKNOWLEDGED_MAX", 2)
    rig.enter()
    rig.enter()
    with pytest.raises(TooManyUnacknowledged):
        rig.enter()
    rig.exchange()
    rig.enter()


def test_a_message_that_cannot_be_read_is_asked_for_again(rig: Rig) -> None:
    """Counting it as read would lose it for good."""
    good = soupbin.sequenced(ouch.encode(m.SystemEvent(1, ord("S"))))
    next_seq = rig.session.connection.next_seq
    with pytest.raises(ProtocolError):
        rig.session.receive(good + soupbin.sequenced(b"?") + good, 0)
    assert rig.session.connection.next_seq == next_seq + 1


def test_every_split_of_the_stream_gives_the_same_events() -> None:
    """TCP may cut anywhere."""
    venue = FakeVenue()
    for urn, qty in ((1, 100), (2, UNLUCKY_QTY), (3, 50)):
        venue.process(m.EnterOrder(urn, m.SIDE_BUY, qty, b"ALDER", 1))
    venue.fill(1, 40)
    venue.process(m.ReplaceRequest(1, 4, 150, 2))
    venue.process(m.CancelRequest(3))
    stream = soupbin.login_accepted(SESSION, 1)
    stream += b"".join(soupbin.sequenced(message) for message in venue.stream)

    def events_of(pieces: list[bytes]) -> list[str]:
        session = Session("u", "p", make_order=Order, from_seq=0)
        session.connected(0)
        events: list[o.AnyEvent] = []
        for piece in pieces:
            events += session.receive(piece, 0)
        return [repr(event) for event in events]

    whole = events_of([stream])
    assert len(whole) == len(venue.stream)
    for cut in range(1, len(stream)):
        assert events_of([stream[:cut], stream[cut:]]) == whole, f"cut at byte {cut}"


@pytest.mark.parametrize("seed", range(40))
def test_connections_lost_anywhere_lose_and_double_nothing(seed: int) -> None:
    """The client's view equals the venue's, however often and wherever the connection breaks."""
    draw = random.Random(seed)
    rig = Rig()
    rig.connect()
    orders: list[Order] = []
    for _ in range(60):
        choice = draw.random()
        live = [order for order in orders if order.is_open]
        if choice < 0.5 or not live:
            qty = UNLUCKY_QTY if draw.random() < 0.1 else 100
            orders.append(rig.enter(qty, tif="IOC" if draw.random() < 0.2 else "DAY"))
        elif choice < 0.65:
            rig.session.cancel(draw.choice(live), draw.choice((0, 20, 90)))
        elif choice < 0.8:
            orders.append(rig.session.replace(draw.choice(live), 100, "25.00"))
        elif rig.venue.open:
            urn, (_, _, left) = draw.choice(list(rig.venue.open.items()))
            rig.venue.fill(urn, draw.randint(1, left))
        step = draw.random()
        if step < 0.3:
            rig.exchange()
        elif step < 0.5:
            _lose_in_the_middle(rig, draw)
    rig.exchange()
    rig.session.query()
    rig.exchange()
    assert len(rig.session.unacknowledged) == 0, f"seed {seed}"
    assert all(order.state is not OrderState.PENDING for order in orders)
    took_effect = [order.urn for order in orders if order.state is not OrderState.IGNORED]
    assert rig.venue.entered == took_effect
    seen = {order.urn: order.leaves_qty for order in orders if order.state is OrderState.LIVE}
    assert seen == {urn: left for urn, (_, _, left) in rig.venue.open.items()}


def _lose_in_the_middle(rig: Rig, draw: random.Random) -> None:
    """Some bytes get there, some answers get back, then the connection is gone."""
    out = rig.session.take(0)
    rig.door.receive(out[: draw.randint(0, len(out))])
    back = rig.door.pull()
    rig.events += rig.session.receive(back[: draw.randint(0, len(back))], 0)
    rig.lose()
    rig.connect()
