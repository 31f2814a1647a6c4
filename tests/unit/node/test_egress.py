"""Egress and feed: who hears what, under which number, and what it costs nobody."""

import msgspec
import pytest

from oms.bounds import ENGINE_FRAME_BYTES_MAX, EVENT_BYTES
from oms.messages.admin_commands import AddInstrument
from oms.messages.commands import GatewayLost
from oms.messages.enums import EventKind, Phase, Side
from oms.messages.executions import OrderEvent
from oms.messages.link import Frames, ReplayTopic
from oms.messages.market_data import BookTop, Trade
from oms.node import feed
from oms.transport import topics
from oms.transport.keys import Role
from oms.wire import frames
from oms.wire.frames import FrameKind
from tests.support.node_parts import ADMIN_SESSION, GATEWAY, NOW_NS, event, login, order
from tests.support.node_replica import OneReplica

OAK = topics.market_data("OAK")
FIRST = topics.executions(1)
SECOND = topics.executions(2)


def trade(one: OneReplica, first: int = 1) -> None:
    """A buy of account 1 meets a sale of account 2."""
    one.apply(order(first), order(first + 1, side=Side.SELL, account_id=2))


def test_the_leader_publishes_every_record_of_an_entry_as_it_stands(leader: OneReplica) -> None:
    before = leader.event_log.event_seq
    leader.apply(login())
    trade(leader)
    published = leader.take_engine()
    assert [header.number for header, _body in published] == [before + 1, before + 2]
    assert b"".join(body for _header, body in published) == leader.event_log.read(before + 1, 99)
    assert {(header.kind, header.epoch) for header, _ in published} == {(FrameKind.ENGINE, 3)}


def test_a_follower_publishes_no_event(one: OneReplica) -> None:
    """Two publishers would be two truths about what comes next."""
    one.subscribe(FIRST)
    one.apply(login())
    trade(one)
    assert one.take_engine() == []
    assert one.heartbeats() == []


def test_entries_of_one_turn_share_a_frame_up_to_its_bound(leader: OneReplica) -> None:
    start = leader.event_log.event_seq + 1
    size = ENGINE_FRAME_BYTES_MAX // 2 // EVENT_BYTES
    runs = [
        b"".join(event(EventKind.COMMAND_IGNORED, start + at) for at in range(n, n + size))
        for n in (0, size, 2 * size)
    ]
    for run in runs:
        leader.egress.add(run, NOW_NS)
    leader.egress.flush(NOW_NS)
    published = leader.take_engine()
    assert [len(body) for _header, body in published] == [ENGINE_FRAME_BYTES_MAX, len(runs[2])]
    assert [header.number for header, _body in published] == [start, start + 2 * size]


def test_nothing_is_encoded_for_topics_nobody_reads(
    leader: OneReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Per-event Python is paid by those who subscribe, not by every order."""
    monkeypatch.setattr(feed, "to_frame", lambda *_: pytest.fail("a frame for nobody"))
    leader.apply(login())
    trade(leader)
    leader.subscribe(topics.executions(9), topics.market_data("ELM"))
    leader.heartbeats()
    trade(leader, 3)
    assert leader.take() == []


def test_a_subscriber_gets_its_topic_without_gaps(leader: OneReplica) -> None:
    leader.apply(login())
    leader.subscribe(FIRST, OAK)
    leader.heartbeats()
    trade(leader)
    got = leader.take()
    assert [header.number for topic, header in got if topic == FIRST] == [1, 2]
    market = [(header.number, header.kind) for topic, header in got if topic == OAK]
    assert market == [(1, FrameKind.BOOK_TOP), (2, FrameKind.TRADE), (3, FrameKind.BOOK_TOP)]
    assert {topic for topic, _header in got} == {FIRST, OAK}


def test_bodies_say_in_words_what_happened(leader: OneReplica) -> None:
    """Whoever reads the feed has no table of our codes."""
    leader.apply(login())
    leader.subscribe(FIRST, OAK)
    leader.heartbeats()
    leader.apply(order(1))
    leader.apply(order(2, side=Side.SELL, account_id=2))
    sent = [(topic, *frames.unpack(frame)) for topic, frame in leader.feed_socket.take()]
    orders = [
        msgspec.msgpack.decode(body, type=OrderEvent) for topic, _, body in sent if topic == FIRST
    ]
    assert [(o.event, o.symbol, o.side) for o in orders] == [
        ("ORDER_ACCEPTED", "OAK", "BUY"),
        ("ORDER_EXECUTED", "OAK", "BUY"),
    ]
    assert (orders[0].cl_ord_id, orders[0].order_qty, orders[0].is_live) == ("C1", 100, True)
    assert (orders[1].last_qty, orders[1].last_price, orders[1].liquidity) == (
        100,
        1_000_000,
        "ADDED",
    )
    market = {header.kind: body for topic, header, body in sent if topic == OAK}
    assert msgspec.msgpack.decode(market[FrameKind.TRADE], type=Trade).qty == 100
    top = msgspec.msgpack.decode(market[FrameKind.BOOK_TOP], type=BookTop)
    assert (top.bid_price, top.ask_price) == (0, 0)


def test_a_newcomer_hears_the_last_number_at_once(leader: OneReplica) -> None:
    """Else a subscriber to a quiet topic would not know what it missed for a second."""
    leader.apply(login())
    trade(leader)
    leader.subscribe(FIRST, SECOND, topics.executions(9))
    assert [(topic, h.kind, h.number) for topic, h in leader.heartbeats()] == [
        (FIRST, FrameKind.HEARTBEAT, 2),
        (SECOND, FrameKind.HEARTBEAT, 2),
        (topics.executions(9), FrameKind.HEARTBEAT, 0),
    ]


def test_a_new_leader_publishes_its_last_numbers_at_once(one: OneReplica) -> None:
    """What the old leader published last may have been lost with it."""
    one.apply(login())
    trade(one)
    one.subscribe(FIRST)
    one.heartbeats()
    one.egress.lead(term=4)
    assert [(topic, h.number, h.epoch) for topic, h in one.heartbeats()] == [(FIRST, 2, 4)]


def test_every_second_every_subscribed_topic_says_its_last_number(
    leader: OneReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded portions: many topics must not hold up the loop."""
    monkeypatch.setattr(feed, "HEARTBEATS_PER_TURN", 1)
    leader.apply(login())
    trade(leader)
    leader.subscribe(FIRST, OAK)
    leader.heartbeats()
    leader.feed.start_heartbeats()
    leader.egress.send_heartbeats(leader.now_ns)
    assert len(leader.take()) == 1
    assert leader.feed.has_heartbeats
    leader.heartbeats()
    assert not leader.feed.has_heartbeats


def test_the_last_unsubscription_ends_the_topic(leader: OneReplica) -> None:
    leader.apply(login())
    leader.subscribe(FIRST, FIRST)
    leader.heartbeats()
    leader.subscribe(FIRST, on=False)
    leader.apply(order(1))
    assert [topic for topic, _ in leader.take()] == [FIRST]
    leader.subscribe(FIRST, on=False)
    leader.subscribe(FIRST, on=False)
    leader.apply(order(2))
    assert leader.take() == []


def test_a_prefix_subscribes_to_all_topics_it_begins(leader: OneReplica) -> None:
    leader.apply(login())
    leader.subscribe(b"md.")
    trade(leader)
    assert {topic for topic, _ in leader.take()} == {OAK}
    leader.feed.start_heartbeats()
    assert {topic for topic, _ in leader.heartbeats()} == {OAK}
    leader.subscribe(b"md.", on=False)
    trade(leader, 3)
    assert leader.take() == []


def test_a_subscription_may_come_before_its_instrument(leader: OneReplica) -> None:
    yew = topics.market_data("YEW")
    leader.subscribe(yew)
    assert leader.heartbeats() == []
    leader.apply(login(ADMIN_SESSION), login())
    leader.apply(
        AddInstrument(
            session_id=ADMIN_SESSION,
            conn_epoch=1,
            client_seq=1,
            not_after_ns=NOW_NS * 2,
            instrument_id=3,
            symbol=b"YEW",
            lot_size=1,
            tick_size=100,
            reference_price=1_000_000,
            price_collar_bps=0,
            market_collar_bps=500,
            phase=int(Phase.CONTINUOUS),
        )
    )
    leader.apply(msgspec.structs.replace(order(1), instrument_id=3))
    assert [topic for topic, _ in leader.take()] == [yew]


def test_subscriptions_are_bounded(leader: OneReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "FEED_SUBSCRIPTIONS_MAX", 1)
    leader.apply(login())
    leader.subscribe(FIRST, OAK)
    trade(leader)
    assert {topic for topic, _ in leader.take()} == {FIRST}


def test_a_replayed_frame_is_the_published_one(leader: OneReplica) -> None:
    """A reader that repairs a gap ends with the same stream as one that had none."""
    leader.apply(login())
    leader.subscribe(OAK)
    leader.heartbeats()
    trade(leader)
    trade(leader, 3)
    published = leader.take_frames(OAK)
    answer = leader.queries.answer(ReplayTopic("md.OAK|", 1), Role.FEED)
    assert isinstance(answer, Frames)
    assert answer.frames == published
    assert (answer.topic_seq, answer.is_end) == (len(published), True)


def test_events_without_a_topic_number_are_on_no_topic(leader: OneReplica) -> None:
    leader.subscribe(b"")
    leader.apply(login())
    leader.apply(GatewayLost(GATEWAY))
    assert leader.take() == []
