"""What an account's topic says of an order: everything that it asks for, by name."""

import msgspec

from oms.bounds import EVENT_BYTES
from oms.client.feed import decode
from oms.messages.enums import EventKind
from oms.messages.event_records import unpack_event
from oms.messages.executions import OrderEvent
from oms.messages.link import Frames, ReplayTopic
from oms.node.feed_frames import to_frame
from oms.reference.engine import Engine
from oms.transport import topics
from oms.transport.keys import Role
from tests.scenarios.play import Player
from tests.support.node_parts import login, order
from tests.support.node_replica import OneReplica


def _private(text: str) -> list[OrderEvent]:
    """The messages on accounts' topics of the last entry."""
    engine = Engine()
    Player(engine).play(text)
    data = engine.events()
    found = []
    for offset in range(0, len(data), EVENT_BYTES):
        event = unpack_event(data, offset)
        if event.topic_seq and event.kind < EventKind.TRADE:
            message = decode(to_frame(data, offset, "AAPL"))
            assert isinstance(message, OrderEvent)
            found.append(message)
    return found


def test_an_order_without_terms_says_none() -> None:
    """Absent fields are left out of the map: most orders ask for nothing."""
    (said,) = _private("alice buy 100 AAPL @ 10.00 #1\n")
    assert (said.event, said.order_qty, said.is_live) == ("ORDER_ACCEPTED", 100, True)
    assert said.is_hidden is False
    assert (said.stop_price, said.trigger, said.display_qty, said.min_qty) == (0, "", 0, 0)


def test_a_stop_order_says_its_price_and_what_it_waits_for() -> None:
    """Whoever keeps books from the topic would take it for an order that rests."""
    (said,) = _private("alice buy 30 AAPL @ 10.10 #1 stop=10.00 trigger=best\n")
    assert (said.ord_type, said.price) == ("STOP_LIMIT", 101_000)
    assert (said.stop_price, said.trigger) == (100_000, "BEST_PRICE")
    (said,) = _private("alice sell 30 AAPL @ market #1 stop=9.00\n")
    assert (said.ord_type, said.stop_price, said.trigger) == ("STOP", 90_000, "LAST_TRADE")


def test_a_replaced_order_says_its_new_terms() -> None:
    """They are those of the replace, not of the order before."""
    entered = "alice sell 100 AAPL @ 10.00 #1 show=30\n"
    (said,) = _private(entered)
    assert said.display_qty == 30
    (said,) = _private(entered + "alice replace #1 by #2 100 @ 10.10 show=20\n")
    assert (said.event, said.display_qty) == ("ORDER_REPLACED", 20)


def test_a_hidden_order_says_so() -> None:
    """It shows nowhere else."""
    (said,) = _private("alice sell 100 AAPL @ 10.00 #1 hidden=1\n")
    assert said.is_hidden


def test_a_replayed_frame_with_terms_is_the_published_one(leader: OneReplica) -> None:
    """The terms stand in a record of their own, which no topic numbers: it must come along."""
    topic = topics.executions(1)
    leader.apply(login())
    leader.subscribe(topic)
    leader.heartbeats()
    leader.apply(order(1), msgspec.structs.replace(order(2), display_qty=10), order(3))
    published = leader.take_frames(topic)
    answer = leader.queries.answer(ReplayTopic("exec.1|", 1), Role.FEED)
    assert isinstance(answer, Frames)
    assert answer.frames == published
    said = [decode(frame) for frame in published]
    assert [one.display_qty for one in said if isinstance(one, OrderEvent)] == [0, 10, 0]
    assert (answer.topic_seq, answer.is_end) == (3, True)
