"""ROUTER: every request gets one answer, and the answer is never a guess."""

import msgspec
import pytest
import zmq

from oms.bounds import EVENT_BYTES, REQUEST_WAIT_NS, REQUESTS_PER_TURN
from oms.messages import link
from oms.messages.admin_commands import DepositCash
from oms.messages.commands import Login
from oms.messages.enums import EventFlag, EventKind, Side
from oms.messages.event_records import Event, unpack_event, unpack_terms
from oms.node import queries, replies, requests
from oms.transport.keys import Role
from tests.support.node_parts import ADMIN_SESSION, CASH, NOW_NS, SESSION, login, order
from tests.support.node_replica import OneReplica

encode = msgspec.msgpack.Encoder().encode
DEPOSIT = DepositCash(ADMIN_SESSION, 1, 1, NOW_NS * 2, 1, 10_000)


def ask(one: OneReplica, request: link.Request, role: str = "gateway", now_ns: int = 0) -> None:
    """One request arrives."""
    one.router.user_id = role
    one.router.incoming.append([b"who", b"12345678", encode(request)])
    one.requests.on_readable(now_ns)


def answer(one: OneReplica) -> tuple[bytes, bytes]:
    """The one answer that went out: code and body."""
    [(identity, request_id, code, body)] = one.router.take()
    assert (identity, request_id) == (b"who", b"12345678")
    return code, body


def refusal(one: OneReplica) -> str:
    """Words of the refusal that went out."""
    code, body = answer(one)
    assert code == replies.REFUSAL
    return msgspec.msgpack.decode(body, type=link.Refusal).reason


def outcome(one: OneReplica) -> Event:
    """The record that answered a submit."""
    code, body = answer(one)
    assert code == replies.ANSWER
    return unpack_event(msgspec.msgpack.decode(body, type=link.Outcome).record)


def submitted(one: OneReplica, command: Login | DepositCash) -> None:
    """An administrator submits."""
    ask(one, link.Submit(command), role="admin")


# ---- submit


def test_a_submit_is_answered_after_its_commit_and_not_before(leader: OneReplica) -> None:
    submitted(leader, Login(ADMIN_SESSION, 5, 1))
    assert leader.router.take() == []
    leader.run()
    event = outcome(leader)
    assert (event.kind, event.client_seq) == (EventKind.SESSION_LOGGED_IN, 5)
    submitted(leader, DEPOSIT)
    leader.run()
    assert outcome(leader).kind == EventKind.ADMIN_APPLIED


def test_a_repeated_submit_has_one_effect_and_an_answer(leader: OneReplica) -> None:
    leader.apply(Login(ADMIN_SESSION, 5, 1))
    for kind in (EventKind.ADMIN_APPLIED, EventKind.ALREADY_APPLIED):
        submitted(leader, DEPOSIT)
        leader.run()
        assert outcome(leader).kind == kind
    account = leader.engine.account(1)
    assert account is not None
    assert account.cash == CASH * 10_000 + 10_000


def test_each_submit_of_an_entry_gets_its_own_outcome(leader: OneReplica) -> None:
    leader.apply(Login(ADMIN_SESSION, 5, 1))
    submitted(leader, DEPOSIT)
    submitted(leader, msgspec.structs.replace(DEPOSIT, client_seq=2, amount=-(1 << 61)))
    leader.run()
    kinds = [
        unpack_event(msgspec.msgpack.decode(body, type=link.Outcome).record).kind
        for *_, body in leader.router.take()
    ]
    assert kinds == [EventKind.ADMIN_APPLIED, EventKind.ADMIN_REJECTED]


def test_a_command_without_effect_says_so(leader: OneReplica) -> None:
    """A stale epoch emits nothing; silence would be a guess."""
    submitted(leader, DEPOSIT)
    leader.run()
    assert "no effect" in refusal(leader)


@pytest.mark.parametrize("role", ["gateway", "feed", "node-n2"])
def test_only_the_administrator_submits(leader: OneReplica, role: str) -> None:
    ask(leader, link.Submit(DEPOSIT), role=role)
    assert "may not submit" in refusal(leader)
    assert leader.sequencer.queued == 0


def test_a_follower_names_the_leader(one: OneReplica) -> None:
    one.log.role = "follower"
    one.status.standing.log = one.log.status()
    submitted(one, DEPOSIT)
    code, body = answer(one)
    assert code == replies.NOT_LEADER
    assert msgspec.msgpack.decode(body, type=link.NotLeader).leader_id == "n2"


def test_a_leader_that_falls_answers_what_it_cannot_see_through(leader: OneReplica) -> None:
    submitted(leader, DEPOSIT)
    leader.log.role = "follower"
    leader.status.standing.log = leader.log.status()
    leader.requests.stop_accepting()
    assert answer(leader)[0] == replies.NOT_LEADER
    leader.requests.answer_waiting(10 * REQUEST_WAIT_NS)
    assert leader.router.take() == []


def test_a_submit_that_is_not_committed_in_time_is_unknown_and_never_failed(
    leader: OneReplica,
) -> None:
    leader.apply(Login(ADMIN_SESSION, 5, 1))
    submitted(leader, DEPOSIT)
    leader.requests.answer_waiting(REQUEST_WAIT_NS)
    assert leader.router.take() == []
    leader.requests.answer_waiting(REQUEST_WAIT_NS + 1)
    assert "unknown" in refusal(leader)
    leader.run()
    assert leader.router.take() == [], "one request, one answer"


# ---- reads


def test_a_read_waits_for_its_index(leader: OneReplica) -> None:
    """Read your writes at any node (RULES A13)."""
    ask(leader, link.GetDirectory(min_index=leader.engine.applied_index + 1))
    leader.requests.answer_waiting(1)
    assert leader.router.take() == []
    leader.apply(login())
    leader.requests.answer_waiting(2)
    code, body = answer(leader)
    assert code == replies.ANSWER
    directory = msgspec.msgpack.decode(body, type=link.Directory)
    assert directory.applied_index == leader.engine.applied_index
    assert directory.sessions[SESSION - 1].is_logged_in


def test_a_read_whose_index_does_not_come_is_refused_in_time(one: OneReplica) -> None:
    ask(one, link.GetDirectory(min_index=1_000))
    one.requests.answer_waiting(REQUEST_WAIT_NS + 1)
    assert "1000" in refusal(one)


def test_waiting_requests_are_bounded(one: OneReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "REQUESTS_WAITING_MAX", 2)
    for _ in range(2):
        ask(one, link.GetDirectory(min_index=1_000))
    assert one.router.take() == []
    ask(one, link.GetDirectory(min_index=1_000))
    assert "waiting" in refusal(one)


@pytest.mark.parametrize(
    ("role", "sees"), [("gateway", True), ("admin", True), ("feed", False), ("node-n1", False)]
)
def test_salts_and_hashes_are_for_those_who_check_passwords(
    one: OneReplica, role: str, *, sees: bool
) -> None:
    ask(one, link.GetDirectory(), role=role)
    users = msgspec.msgpack.decode(answer(one)[1], type=link.Directory).users
    assert {bool(user.salt) or bool(user.key_hash) for user in users} == {sees}
    assert users[1].name == "U1"


def test_a_feed_key_reads_no_sessions_and_no_accounts(one: OneReplica) -> None:
    for request in (
        link.ReplaySession(SESSION, 1),
        link.ReplayEvents(1),
        link.GetAccount(1),
        link.GetOpenOrders(SESSION),
    ):
        ask(one, request, role="feed")
        assert "may not ask" in refusal(one)


def test_events_replay_in_portions(one: OneReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "RECORDS_MAX", 3)
    one.apply(login(), order(1))
    data = b""
    while True:
        ask(one, link.ReplayEvents(len(data) // EVENT_BYTES + 1))
        records = msgspec.msgpack.decode(answer(one)[1], type=link.Records)
        assert len(records.data) <= 3 * EVENT_BYTES
        data += records.data
        if records.is_end:
            break
    assert data == one.event_log.read(1, 1 << 20)
    assert records.event_seq == one.event_log.event_seq


def test_a_session_replays_from_any_number(one: OneReplica) -> None:
    one.apply(login(), order(1), order(2), order(3, side=Side.SELL, account_id=2))
    replayed = []
    for first in (1, 2, 4, 99):
        ask(one, link.ReplaySession(SESSION, first))
        records = msgspec.msgpack.decode(answer(one)[1], type=link.Records)
        assert records.is_end
        replayed.append(records.data)
    whole = replayed[0]
    numbers = [unpack_event(whole, at).out_seq for at in range(0, len(whole), EVENT_BYTES)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 4
    assert replayed[1] == whole[EVENT_BYTES:]
    assert replayed[2] == whole[3 * EVENT_BYTES :]
    assert replayed[3] == b""


def test_a_replayed_order_has_its_terms_before_it(
    one: OneReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the stream is cut into pieces, no acceptance is sent without what it asks for."""
    shown = [msgspec.structs.replace(order(n), display_qty=10 * n) for n in (1, 2, 3, 4)]
    one.apply(login(), *shown, order(5))
    monkeypatch.setattr(queries, "RECORDS_MAX", 5)
    said: list[tuple[int, int]] = []
    first, is_end = 1, False
    while not is_end:
        ask(one, link.ReplaySession(SESSION, first))
        records = msgspec.msgpack.decode(answer(one)[1], type=link.Records)
        assert len(records.data) <= 5 * EVENT_BYTES
        for at in range(0, len(records.data), EVENT_BYTES):
            event = unpack_event(records.data, at)
            if event.kind == EventKind.ORDER_ACCEPTED:
                has_terms = event.flags & EventFlag.HAS_TERMS
                terms = unpack_terms(records.data, at - EVENT_BYTES) if has_terms else None
                said.append((event.user_ref_num, terms.display_qty if terms else 0))
        first = unpack_event(records.data, len(records.data) - EVENT_BYTES).out_seq + 1
        is_end = records.is_end
    assert said == [(1, 10), (2, 20), (3, 30), (4, 40), (5, 0)]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (link.ReplayEvents(0), "starts at 1"),
        (link.ReplaySession(SESSION, 0), "starts at 1"),
        (link.ReplayTopic("md.OAK|", 0), "starts at 1"),
        (link.ReplayTopic("md.YEW|", 1), "no instrument"),
        (link.ReplayTopic("engine|", 1), "not a numbered topic"),
        (link.ReplayTopic("md.Ä|", 1), "not a numbered topic"),
        (link.GetAccount(99), "no account 99"),
        (link.GetBook(99, 1), "no instrument 99"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(
    one: OneReplica, request_: link.Request, words: str
) -> None:
    ask(one, request_)
    assert words in refusal(one)


def test_state_is_read_at_any_node(one: OneReplica) -> None:
    one.apply(login(), order(1))
    ask(one, link.GetOpenOrders(SESSION))
    orders = msgspec.msgpack.decode(answer(one)[1], type=link.Orders)
    assert [view.user_ref_num for view in orders.orders] == [1]
    ask(one, link.GetBook(1, 5))
    book = msgspec.msgpack.decode(answer(one)[1], type=link.BookView)
    assert [(level.price, level.qty) for level in book.bids] == [(1_000_000, 100)]
    ask(one, link.GetTotals())
    totals = msgspec.msgpack.decode(answer(one)[1], type=link.Totals)
    assert totals.cash_issued == totals.cash_total
    ask(one, link.GetStatus())
    status = msgspec.msgpack.decode(answer(one)[1], type=link.Status)
    assert status.digest == f"{one.engine.digest():016x}"
    assert status.trading_date > 20_000_000
    assert status.event_seq == one.event_log.event_seq


# ---- faults of the other side


@pytest.mark.parametrize("body", [b"", b"\xc1", encode([99]), encode([4]), encode({"a": 1})])
def test_a_body_that_is_no_request_is_refused(one: OneReplica, body: bytes) -> None:
    one.router.incoming.append([b"who", b"12345678", body])
    one.requests.on_readable(0)
    assert "not a request" in refusal(one)


def test_a_message_without_a_request_id_is_dropped_and_logged(one: OneReplica) -> None:
    one.router.incoming.append([b"who", encode(link.GetStatus())])
    one.requests.on_readable(0)
    assert one.router.take() == []


@pytest.mark.parametrize("errno", [zmq.EAGAIN, zmq.EHOSTUNREACH])
def test_a_requester_that_is_gone_stops_nobody(one: OneReplica, errno: int) -> None:
    one.router.error = zmq.ZMQError(errno)
    ask(one, link.GetStatus())
    assert one.requests.lost_reply_count == 1


def test_one_turn_answers_a_bounded_number(one: OneReplica) -> None:
    """The tick of the log must not starve behind readers."""
    for _ in range(REQUESTS_PER_TURN + 1):
        one.router.incoming.append([b"who", b"12345678", encode(link.GetStatus())])
    one.requests.on_readable(0)
    assert len(one.router.take()) == REQUESTS_PER_TURN


def test_a_query_is_no_way_to_submit(one: OneReplica) -> None:
    with pytest.raises(queries.CannotAnswer):
        one.queries.answer(link.Submit(DEPOSIT), Role.ADMIN)
