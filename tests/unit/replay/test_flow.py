"""Recorded messages as packets, and what the stream says about them."""

import io
import itertools

import pytest

from oms.replay import flow as flow_module
from oms.replay.flow import Flow, build
from oms.replay.lobster import parse
from oms.replay.tally import Execution, Tally, count_exact, count_trades
from oms.wire import ouch
from oms.wire import ouch_messages as m
from tests.support.plain_book import PlainBook

RECORDING = """34200.1,1,11,100,5850000,1
34200.2,1,12,50,5850000,1
34200.3,2,11,30,5850000,1
34200.4,4,11,70,5850000,1
34200.5,4,99,10,5850000,1
34200.6,5,0,10,5850000,1
34200.7,7,0,0,-1,-1
34200.8,3,99,10,5850000,1
34200.9,4,12,20,5850000,1
34201.0,3,12,30,5850000,1
34201.1,1,13,10,5860000,-1
"""


def flows(recording: str = RECORDING, session_count: int = 1) -> list[Flow]:
    messages = parse(io.StringIO(recording), "test")
    return build(messages, symbol="AAPL", firms=["R01", "R02"], session_count=session_count)


def packets(flow: Flow) -> list[m.Inbound]:
    offsets = flow.offsets.tolist()
    return [
        ouch.decode_inbound(bytes(flow.buffer[start + 3 : end]))
        for start, end in itertools.pairwise(offsets)
    ]


def test_lines_become_orders_reductions_and_ioc_executions() -> None:
    """The rules of translation, line by line; what was not entered here is skipped."""
    (flow,) = flows()
    flow.number_from(1)
    got = packets(flow)
    first, second, reduced, hit, hit_again, deleted, third, query = got
    assert isinstance(first, m.EnterOrder)
    assert (first.user_ref_num, first.side, first.qty) == (1, m.SIDE_BUY, 100)
    assert (first.price, first.time_in_force, first.symbol) == (5850000, m.TIF_DAY, b"AAPL")
    assert first.appendage == b"\x05\x02R01 "
    assert isinstance(second, m.EnterOrder)
    assert second.appendage == b"\x05\x02R02 "
    assert reduced == m.CancelRequest(1, 70)
    assert isinstance(hit, m.EnterOrder)
    assert (hit.side, hit.qty, hit.time_in_force) == (m.SIDE_SELL, 70, m.TIF_IOC)
    assert isinstance(hit_again, m.EnterOrder)
    assert (hit_again.user_ref_num, hit_again.qty) == (4, 20)
    assert deleted == m.CancelRequest(2, 0)
    assert isinstance(third, m.EnterOrder)
    assert (third.side, third.user_ref_num) == (m.SIDE_SELL, 5)
    assert isinstance(query, m.AccountQueryRequest)
    assert (flow.message_count, flow.order_count, flow.cancel_count) == (7, 5, 2)
    assert flow.known == [(2, 0, 70, 5850000), (3, 1, 20, 5850000)]


def test_a_flow_is_numbered_again_for_every_repeat() -> None:
    """UserRefNums are used once; everything else stays as it was encoded."""
    (flow,) = flows()
    flow.number_from(1)
    before = packets(flow)
    flow.number_from(1_000_000)
    after = packets(flow)
    for old, new in zip(before, after, strict=True):
        if isinstance(old, m.EnterOrder | m.CancelRequest):
            assert isinstance(new, m.EnterOrder | m.CancelRequest)
            assert new.user_ref_num == old.user_ref_num + 999_999
            assert new.qty == old.qty


def test_sessions_split_the_flow_by_order_so_that_none_is_torn_apart() -> None:
    """A cancel through another session would name another session's order."""
    first, second = flows(session_count=2)
    assert (first.message_count, second.message_count) == (3, 4)
    assert sum(len(flow.known) for flow in (first, second)) == 2


def test_cancels_in_a_row_are_interspersed_with_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancels may stay unanswered: without a query the bound on open messages could block."""
    monkeypatch.setattr(flow_module, "QUERY_EVERY", 2)
    recording = "1,1,11,100,5850000,1\n" + "1,2,11,1,5850000,1\n" * 5
    (flow,) = flows(recording)
    kinds = [type(packet).__name__[0] for packet in packets(flow)]
    assert "".join(kinds) == "ECCACCACA"
    assert flow.message_count == 6
    assert flow.queries == [3, 6, 8]


def answered(flow: Flow, first_urn: int = 1) -> Tally:
    flow.number_from(first_urn)
    tally = Tally(flow, first_urn)
    tally.take(PlainBook().answer(flow), 77)
    return tally


def test_a_tally_knows_what_was_accepted_traded_and_is_left() -> None:
    """From the frames of one session alone."""
    (flow,) = flows()
    tally = answered(flow, 500)
    assert tally.is_complete
    assert tally.done_count == len(flow.ordinals)
    assert tally.accepted_count == 5
    assert list(tally.answered_ns) == [77] * 5
    assert count_trades(tally.executions()) == (2, 90)
    assert count_exact(flow.known, tally.executions()) == 2
    assert tally.resting_urns() == [504]


def test_an_execution_against_another_order_price_or_size_is_not_exact() -> None:
    """The figure is only worth something if it can fail."""
    (flow,) = flows()
    right = answered(flow).executions()
    assert count_exact(flow.known, right) == 2

    def changed(index: int, **fields: int) -> list[Execution]:
        return [one._replace(**fields) if i == index else one for i, one in enumerate(right)]

    assert count_exact(flow.known, changed(0, ordinal=1)) == 1  # another resting order
    assert count_exact(flow.known, changed(1, price=5849900)) == 1
    assert count_exact(flow.known, changed(1, qty=69)) == 1
    assert count_exact(flow.known, changed(2, match_id=1)) == 0  # two sides too many in one match
    split = [*right, right[1]._replace(match_id=9)]
    assert count_exact(flow.known, split) == 1  # two executions instead of one
    assert count_exact(flow.known, []) == 0


def test_messages_of_other_orders_and_runs_do_not_count() -> None:
    """A session may have a past, and others trade in the same book."""
    (flow,) = flows()
    flow.number_from(1)
    frames = PlainBook().answer(flow)
    tally = Tally(flow, 10_000)
    tally.take(frames[:-1], 77)
    assert tally.accepted_count == 0
    assert tally.executions() == []
    assert not tally.is_complete


def test_rejects_are_answers_with_their_reasons() -> None:
    """A rejected order is not outstanding."""
    (flow,) = flows("1,1,11,100,5850000,1\n1,1,12,100,5850000,1\n")
    flow.number_from(1)
    tally = Tally(flow, 1)
    tally.take([b"S" + ouch.encode(m.Rejected(0, 2, 0x13, b""))], 77)
    assert tally.reject_reasons == {0x13: 1}
    assert tally.done_count == 2
