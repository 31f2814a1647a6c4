"""Transfers of leadership: each wish is answered once, and truly."""

from dataclasses import replace

import msgspec
import pytest

from oms.bounds import REQUEST_WAIT_NS
from oms.messages import link
from oms.node.replies import ANSWER, NOT_LEADER, REFUSAL
from oms.node.transfers import Transfers
from oms.replication.port import LogStatus
from tests.support.node_parts import NOW_NS
from tests.support.node_replica import OneReplica

encode = msgspec.msgpack.Encoder().encode


class Office:
    """A log that can be told how a transfer goes."""

    def __init__(self) -> None:
        self.refusal = ""
        self.asked: list[str | None] = []

    def transfer(self, to: str | None) -> str:
        """Begun, or not."""
        self.asked.append(to)
        return self.refusal


class Desk:
    """Administrators at a leading node's ROUTER."""

    def __init__(self, one: OneReplica) -> None:
        self.one = one
        self.office = Office()
        self.transfers: Transfers = one.requests.transfers
        self.status: LogStatus = replace(one.log.status(), role="leader", term=3)

    def ask(self, to: str | None = None, user: str = "admin") -> None:
        """One request."""
        self.one.router.user_id = user
        body = encode(link.TransferLeadership(to))
        self.one.router.incoming.append([b"who", b"12345678", body])
        self.one.requests.on_readable(NOW_NS)

    def run(
        self, after_ns: int = 0, **now: str | int | bool | None
    ) -> list[tuple[bytes, list[int | str]]]:
        """One turn, with the log as it is now; the answers."""
        self.status = replace(self.status, **now)  # type: ignore[arg-type]  # any field
        self.transfers.run(self.office, self.status, NOW_NS + after_ns)
        return self.answers()

    def answers(self) -> list[tuple[bytes, list[int | str]]]:
        """Code and body of what was sent."""
        return [
            (code, msgspec.msgpack.decode(body, type=list[int | str]))
            for *_, code, body in self.one.router.take()
        ]


@pytest.fixture
def desk(leader: OneReplica) -> Desk:
    return Desk(leader)


def test_the_answer_is_who_leads_now(desk: Desk) -> None:
    desk.ask("n2")
    assert desk.run(is_transferring=False) == [], "the status is from before the transfer"
    assert desk.run(is_transferring=True) == []
    assert desk.office.asked == ["n2"]
    assert desk.run(role="follower", leader_id=None, is_transferring=False, term=4) == []
    assert desk.run(leader_id="n2") == [(ANSWER, ["n2", 4])]
    assert not desk.transfers


def test_a_transfer_that_is_given_up_is_said_to_be(desk: Desk) -> None:
    """The leader goes on; the operator must not believe that another leads."""
    desk.ask()
    assert desk.run(is_transferring=True) == []
    [(code, [reason])] = desk.run(is_transferring=False)
    assert code == REFUSAL
    assert "given up" in str(reason)


def test_what_cannot_begin_is_refused_with_the_reason(desk: Desk) -> None:
    desk.office.refusal = "n2 has no room"
    desk.ask("n2")
    assert desk.run() == [(REFUSAL, ["n2 has no room"])]
    desk.ask("n1")
    [(code, [reason])] = desk.run()
    assert (code, reason) == (REFUSAL, "n1 leads already")


def test_a_follower_names_the_leader(desk: Desk) -> None:
    desk.ask("n2")
    assert desk.run(role="follower", leader_id="n3", term=5) == [(NOT_LEADER, [5, "n3"])]


def test_a_transfer_into_the_unknown_is_answered_in_the_end(desk: Desk) -> None:
    desk.ask()
    desk.run(is_transferring=True)
    gone = desk.run(REQUEST_WAIT_NS, role="follower", leader_id=None, is_transferring=False)
    assert gone == []
    [(code, [reason])] = desk.run(REQUEST_WAIT_NS + 1)
    assert code == REFUSAL
    assert "unknown" in str(reason)


@pytest.mark.parametrize("user", ["gateway", "node-n2", "feed"])
def test_only_administrators_say_who_leads(desk: Desk, user: str) -> None:
    """Whoever could move leadership could stop the venue."""
    desk.ask(user=user)
    [(code, _)] = desk.answers()
    assert code == REFUSAL
    desk.run()
    assert desk.office.asked == []
