"""The auditor reads the nodes themselves, and a venue that cheats does not get past it."""

import struct
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import pytest

from oms.bounds import EVENT_BYTES
from oms.local.requests import NoAnswer
from oms.messages import link
from oms.messages.enums import EventKind
from oms.messages.event_records import EVENT
from oms.robots.auditor import AuditError, Auditor, is_conserved
from oms.robots.facts import Fact, FactLog

_T = TypeVar("_T", bound=msgspec.Struct)
SESSION_ID = 4
PIECE = 3 * EVENT_BYTES  # what one answer holds
TOTALS = link.Totals(
    cash_issued=10, cash_total=10, shares_issued={1: 5}, shares_total={1: 5}, hold_total=2,
    hold_of_orders=2,
    currencies=[link.CurrencyTotals(1, 10, 10, 2, 2), link.CurrencyTotals(2, 7, 7, 3, 3)],
)  # fmt: skip


def record(out_seq: int, fact: Fact) -> bytes:
    """The event record of a fact."""
    match = struct.pack("<Q", fact.detail) if fact.kind == EventKind.ORDER_EXECUTED else b""
    return EVENT.pack(
        fact.kind, 1, 0, 0, SESSION_ID, 0, out_seq, 0, 0, 1, 1, 0, 0, fact.user_ref_num,
        fact.order_id, fact.price, fact.qty, 0, 0, 2, 1, 0, 0, match, b"", 0, 0, 0,
    )  # fmt: skip


HISTORY = [
    Fact(EventKind.ORDER_ACCEPTED, 1, 11, 100, 50, 0),
    Fact(EventKind.ORDER_EXECUTED, 1, 0, 40, 50, 900),
    Fact(EventKind.ORDER_ACCEPTED, 2, 12, 70, 51, 0),
    Fact(EventKind.ORDER_EXECUTED, 1, 0, 60, 50, 901),
]
SYSTEM = Fact(EventKind.SYSTEM_EVENT, 0, 0, 0, 0, 0)
STREAM = [record(out_seq, fact) for out_seq, fact in enumerate([SYSTEM, *HISTORY], 1)]


@dataclass
class FakeRobot:
    """What the auditor needs of a robot."""

    name: str = "ANNA"
    seen: FactLog = field(default_factory=lambda: FactLog(HISTORY))
    entered: list[int] = field(default_factory=lambda: [1, 2])
    live: dict[int, int] = field(default_factory=lambda: {2: 70})

    def believed_live(self) -> dict[int, int]:
        """Open quantity by user_ref_num."""
        return self.live


class FakeNodes:
    """Three nodes with a stream each."""

    def __init__(self) -> None:
        self.node_ids = ["n1", "n2", "n3"]
        self.streams = {node_id: list(STREAM) for node_id in self.node_ids}
        self.totals = dict.fromkeys(self.node_ids, TOTALS)
        self.live = [(2, 70)]
        self.silent: set[str] = set()
        self.applied_index = dict.fromkeys(self.node_ids, 10)

    def ask(self, node_id: str, request: link.Request, answer: type[_T], timeout_s: float) -> _T:
        """Answer as a node does."""
        if node_id in self.silent:
            raise NoAnswer(f"{node_id} did not answer in {timeout_s} s")
        reply: object
        match request:
            case link.ReplaySession(session_id, from_out_seq):
                assert session_id == SESSION_ID
                rest = b"".join(self.streams[node_id][from_out_seq - 1 :])
                reply = link.Records(
                    rest[:PIECE], self.applied_index[node_id], 1, is_end=len(rest) <= PIECE
                )
            case link.GetOpenOrders():
                orders = [
                    link.OrderView(12, SESSION_ID, urn, 1, 1, 1, 2, 1, 51, leaves, 0)
                    for urn, leaves in self.live
                ]
                reply = link.Orders(1, orders)
            case link.GetTotals():
                reply = self.totals[node_id]
            case _:
                user = link.UserView(3, 1, "ANNA", b"", b"", {})
                session = link.SessionView(
                    SESSION_ID, 3, 1, 1, 1, is_logged_in=True, client_seq=0, out_seq=0,
                    last_user_ref_num=0,
                )  # fmt: skip
                reply = link.Directory(1, 1, 20260101, 77, True, [], [], [user], [session])
        assert isinstance(reply, answer)
        return reply

    def ask_all(
        self, request: link.Request, answer: type[_T], timeout_s: float
    ) -> dict[str, _T | None]:
        """Status of all; n1 leads."""
        assert isinstance(request, link.GetStatus)
        assert timeout_s > 0
        answers: dict[str, _T | None] = {}
        for node_id in self.node_ids:
            status = link.Status(
                node_id, "leader", 1, "n1", node_id == "n1", 10, self.applied_index[node_id],
                1, "", 0, 20260101, "disk", 0, 1, 1,
            )  # fmt: skip
            assert isinstance(status, answer)
            answers[node_id] = status
        return answers


def auditor(nodes: FakeNodes, robot: FakeRobot) -> Auditor:
    """An auditor that knows whose session is whose."""
    made = Auditor(nodes, [robot])  # type: ignore[arg-type, list-item]
    made.learn("n1")
    assert made.midnight_ns == 77
    return made


def test_honest_venue_is_clean() -> None:
    """The stream comes in pieces; all of it is compared."""
    judgement = auditor(FakeNodes(), FakeRobot()).judge()
    assert judgement.is_clean
    assert judgement.nodes_read == 3
    assert judgement.finding.facts_compared == len(HISTORY)


def test_fact_missing_at_every_node_is_lost() -> None:
    """All nodes agreeing on a loss does not make it good."""
    nodes = FakeNodes()
    for node_id in nodes.node_ids:
        shorter = [SYSTEM, *HISTORY[:1], *HISTORY[2:]]
        nodes.streams[node_id] = [record(n, fact) for n, fact in enumerate(shorter, 1)]
    judgement = auditor(nodes, FakeRobot()).judge()
    assert judgement.finding.lost == 1
    assert not judgement.is_clean


@pytest.mark.parametrize("node_id", ["n1", "n2", "n3"])
def test_one_node_that_replays_something_else_is_found(node_id: str) -> None:
    """Whoever reconnects there would read another history."""
    nodes = FakeNodes()
    nodes.streams[node_id] = nodes.streams[node_id][:-1]
    judgement = auditor(nodes, FakeRobot()).judge()
    assert judgement.streams_differ == 1
    assert not judgement.is_clean


def test_node_that_leaves_out_a_number_is_no_witness() -> None:
    """A gap inside a replay is an error of the node, not a short stream."""
    nodes = FakeNodes()
    del nodes.streams["n2"][2]
    with pytest.raises(AuditError, match="n2 replays 4 where 3 is due"):
        auditor(nodes, FakeRobot()).judge()


def test_live_order_that_the_state_does_not_have_is_found() -> None:
    """The client would wait for ever for an order that is not in the market."""
    nodes = FakeNodes()
    nodes.live = []
    judgement = auditor(nodes, FakeRobot()).judge()
    assert judgement.finding.live_mismatched == 1
    assert not judgement.is_clean


def test_order_without_outcome_is_found() -> None:
    """Sent, and nobody ever said what became of it."""
    judgement = auditor(FakeNodes(), FakeRobot(entered=[1, 2, 3])).judge()
    assert judgement.finding.unresolved == 1
    assert not judgement.is_clean


def test_money_made_up_at_one_node_is_found() -> None:
    """Conservation is asked of every node."""
    nodes = FakeNodes()
    nodes.totals["n3"] = msgspec.structs.replace(
        TOTALS, currencies=[link.CurrencyTotals(1, 10, 11, 2, 2)]
    )
    judgement = auditor(nodes, FakeRobot()).judge()
    assert not judgement.is_conserved
    assert not judgement.is_clean


@pytest.mark.parametrize(
    "change",
    [
        {"currencies": [link.CurrencyTotals(1, 10, 9, 2, 2)]},
        {"shares_total": {1: 6}},
        {"shares_total": {}},
        {"currencies": [link.CurrencyTotals(1, 10, 10, 2, 1)]},
        {"currencies": [TOTALS.currencies[0], link.CurrencyTotals(2, 7, 6, 3, 3)]},
        {"currencies": []},
    ],
    ids=str,
)
def test_totals_that_differ_are_not_conserved(change: dict[str, object]) -> None:
    """Each of the sums counts, in every currency."""
    assert is_conserved(TOTALS)
    assert not is_conserved(msgspec.structs.replace(TOTALS, **change))


def test_silent_node_is_not_taken_for_an_honest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be asked is not proved."""
    monkeypatch.setattr("oms.robots.auditor.RETRY_S", 0.0)
    nodes = FakeNodes()
    judge = auditor(nodes, FakeRobot())
    nodes.silent = {"n3"}
    with pytest.raises(AuditError, match="n3"):
        judge.judge()


def test_glance_reads_only_what_is_new_and_counts_what_differs() -> None:
    """The live line's numbers move while it runs."""
    nodes, robot = FakeNodes(), FakeRobot(seen=FactLog(HISTORY[:2]))
    look = auditor(nodes, robot)
    nodes.streams["n1"] = STREAM[:3]
    look.glance("n1")
    assert (look.lost, look.duplicated) == (0, 0)
    for fact in (HISTORY[2], HISTORY[3]._replace(qty=61)):
        robot.seen.append(fact)
    look.glance("n2")
    assert (look.lost, look.duplicated) == (1, 0)


def test_glance_at_a_node_that_is_behind_raises_no_alarm() -> None:
    """It comes back after a kill and catches up; the others have everything."""
    nodes, robot = FakeNodes(), FakeRobot(seen=FactLog(HISTORY))
    look = auditor(nodes, robot)
    nodes.streams["n2"] = STREAM[:2]
    nodes.applied_index["n2"] = 7
    look.glance("n2")
    look.glance("n2")
    assert look.lost == 0
    look.glance("n3")
    assert look.lost == 0


def test_glance_at_a_node_that_should_have_it_raises_the_alarm() -> None:
    """It has applied all that was committed when the client saw the facts."""
    nodes, robot = FakeNodes(), FakeRobot(seen=FactLog(HISTORY))
    look = auditor(nodes, robot)
    nodes.streams["n2"] = STREAM[:2]
    look.glance("n2")
    assert look.lost == 0
    look.glance("n2")
    assert look.lost == len(HISTORY) - 1
