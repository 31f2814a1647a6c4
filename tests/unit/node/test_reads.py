"""Reads that wait: for an index, or for proof that this node leads."""

import msgspec
import pytest

from oms.bounds import REQUEST_WAIT_NS
from oms.messages import link
from oms.messages.admin_commands import DepositCash
from oms.messages.commands import Login
from oms.messages.records import BATCH_HEADER
from oms.node import requests
from oms.node.replies import ANSWER, NOT_LEADER, REFUSAL
from tests.support.node_parts import ADMIN_SESSION, CASH, NOW_NS, SESSION, login
from tests.support.node_replica import OneReplica

encode = msgspec.msgpack.Encoder().encode
READS: list[tuple[link.Read, type[msgspec.Struct]]] = [
    (link.GetDirectory(), link.Directory),
    (link.GetAccount(1), link.AccountView),
    (link.GetOpenOrders(SESSION), link.Orders),
    (link.GetBook(1, 5), link.BookView),
    (link.GetTotals(), link.Totals),
]


def ask(one: OneReplica, request: link.Request, role: str = "admin", now_ns: int = 0) -> None:
    """One request arrives."""
    one.router.user_id = role
    one.router.incoming.append([b"who", b"12345678", encode(request)])
    one.requests.on_readable(now_ns)


def answers(one: OneReplica) -> list[tuple[bytes, bytes]]:
    """Code and body of what went out."""
    return [(code, body) for _identity, _request_id, code, body in one.router.take()]


def applied_index(body: bytes, kind: type[msgspec.Struct]) -> int:
    """Where an answer says it was read."""
    found = getattr(msgspec.msgpack.decode(body, type=kind), "applied_index")  # noqa: B009
    assert isinstance(found, int)
    return found


def is_ready(one: OneReplica) -> bool:
    """Whether the loop would propose something at once."""
    return one.sequencer.is_ready


@pytest.mark.parametrize(("read", "kind"), READS)
def test_every_read_waits_for_its_index_and_says_where_it_was_read(
    one: OneReplica, read: link.Read, kind: type[msgspec.Struct]
) -> None:
    """Read your writes at any node: an Outcome's index is asked for at the next one."""
    before = one.engine.applied_index
    ask(one, read)
    [(code, body)] = answers(one)
    assert (code, applied_index(body, kind)) == (ANSWER, before)
    ask(one, msgspec.structs.replace(read, min_index=before + 1))
    one.requests.answer_waiting(1)
    assert answers(one) == []
    one.apply(login())
    one.requests.answer_waiting(2)
    [(code, body)] = answers(one)
    assert (code, applied_index(body, kind)) == (ANSWER, before + 1)


@pytest.mark.parametrize(("read", "kind"), READS)
def test_an_index_that_does_not_come_is_refused_in_words(
    one: OneReplica, read: link.Read, kind: type[msgspec.Struct]
) -> None:
    ask(one, msgspec.structs.replace(read, min_index=1_000))
    one.requests.answer_waiting(REQUEST_WAIT_NS)
    assert answers(one) == []
    one.requests.answer_waiting(REQUEST_WAIT_NS + 1)
    [(code, body)] = answers(one)
    assert (code, kind) == (REFUSAL, kind)
    assert "1000 is not applied" in msgspec.msgpack.decode(body, type=link.Refusal).reason


@pytest.mark.parametrize(("read", "kind"), READS)
def test_a_linearizable_read_is_answered_after_an_entry_of_this_leaders(
    leader: OneReplica, read: link.Read, kind: type[msgspec.Struct]
) -> None:
    before = leader.engine.applied_index
    leader.log.holds = True
    ask(leader, msgspec.structs.replace(read, linearizable=True))
    assert is_ready(leader), "the loop must not sleep on it"
    leader.run()
    assert answers(leader) == [], "proposed is not committed"
    assert not is_ready(leader)
    leader.log.holds = False
    leader.log.tick()
    [(code, body)] = answers(leader)
    assert (code, applied_index(body, kind)) == (ANSWER, before + 1)
    assert BATCH_HEADER.unpack_from(leader.log.entries[-1])[2] == 0, "an empty entry"


def test_one_entry_proves_for_all_that_wait(leader: OneReplica) -> None:
    """A thousand readers must not make a thousand syncs."""
    before = len(leader.log.entries)
    for _ in range(20):
        ask(leader, link.GetTotals(linearizable=True))
    leader.run()
    assert len(leader.log.entries) == before + 1
    assert [code for code, _ in answers(leader)] == [ANSWER] * 20


def test_a_read_that_comes_after_the_proposal_waits_for_the_next(leader: OneReplica) -> None:
    """That entry was proposed before the question: it proves nothing about the time since."""
    leader.log.holds = True
    ask(leader, link.GetTotals(linearizable=True))
    leader.run()
    ask(leader, link.GetBook(1, 1, linearizable=True))
    leader.log.holds = False
    leader.log.tick()
    assert len(answers(leader)) == 1
    leader.run()
    assert len(answers(leader)) == 1


def test_commands_on_their_way_carry_the_proof(leader: OneReplica) -> None:
    """No empty entry is needed, and the read sees them."""
    leader.apply(Login(ADMIN_SESSION, 5, 1))
    deposit = DepositCash(ADMIN_SESSION, 1, 1, NOW_NS * 2, 1, 70_000)
    before = len(leader.log.entries)
    ask(leader, link.Submit(deposit))
    ask(leader, link.GetAccount(1, linearizable=True))
    leader.run()
    assert len(leader.log.entries) == before + 1
    [(_, _outcome), (code, body)] = answers(leader)
    assert code == ANSWER
    account = msgspec.msgpack.decode(body, type=link.AccountView)
    assert account.cash == CASH * 10_000 + 70_000


def test_a_follower_does_not_answer_a_linearizable_read(one: OneReplica) -> None:
    one.log.role = "follower"
    one.status.standing.log = one.log.status()
    ask(one, link.GetBook(1, 1, linearizable=True))
    [(code, body)] = answers(one)
    assert code == NOT_LEADER
    assert msgspec.msgpack.decode(body, type=link.NotLeader).leader_id == "n2"
    assert not is_ready(one)


def test_a_leader_that_falls_answers_nothing_from_its_old_state(leader: OneReplica) -> None:
    """Another may lead for long, and have told clients of orders that are not here."""
    leader.log.holds = True
    ask(leader, link.GetTotals(linearizable=True))
    leader.run()
    ask(leader, link.GetTotals(linearizable=True))
    leader.sequencer.clear()
    leader.requests.stop_accepting()
    assert [code for code, _ in answers(leader)] == [NOT_LEADER] * 2
    leader.log.holds = False
    leader.log.tick()
    leader.requests.answer_waiting(10 * REQUEST_WAIT_NS)
    assert answers(leader) == []


def test_a_proof_that_does_not_come_is_refused_once(leader: OneReplica) -> None:
    """A leader cut off from its majority knows nothing it could say."""
    leader.log.holds = True
    ask(leader, link.GetTotals(linearizable=True))
    leader.run()
    leader.requests.answer_waiting(REQUEST_WAIT_NS + 1)
    [(code, body)] = answers(leader)
    assert code == REFUSAL
    assert "majority" in msgspec.msgpack.decode(body, type=link.Refusal).reason
    leader.log.holds = False
    leader.log.tick()
    assert answers(leader) == []


def test_a_linearizable_read_may_also_wait_for_an_index(leader: OneReplica) -> None:
    ask(leader, link.GetTotals(min_index=leader.engine.applied_index + 2, linearizable=True))
    leader.run()
    assert answers(leader) == []
    leader.apply(login())
    leader.requests.answer_waiting(1)
    assert [code for code, _ in answers(leader)] == [ANSWER]


def test_a_feed_key_cannot_make_the_leader_write(leader: OneReplica) -> None:
    ask(leader, link.GetBook(1, 1, linearizable=True), role="feed")
    assert [code for code, _ in answers(leader)] == [REFUSAL]
    assert not is_ready(leader)


def test_reads_that_wait_are_bounded(leader: OneReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "REQUESTS_WAITING_MAX", 2)
    leader.log.holds = True
    ask(leader, link.GetTotals(linearizable=True))
    ask(leader, link.GetTotals(min_index=1_000))
    ask(leader, link.GetTotals(linearizable=True))
    assert [code for code, _ in answers(leader)] == [REFUSAL]


def test_a_proposal_that_the_log_refuses_is_tried_again(leader: OneReplica) -> None:
    leader.log.refuses = True
    ask(leader, link.GetTotals(linearizable=True))
    leader.run()
    assert not is_ready(leader), "no spinning on a full disk"
    leader.log.refuses = False
    leader.run()
    assert [code for code, _ in answers(leader)] == [ANSWER]
