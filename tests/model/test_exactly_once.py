"""Every state of the model of exactly-once within small bounds, and that the checks can fail.

The tables of docs/exactly_once.md: `python -m tests.model.exactly_once`.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.model.exactly_once import MISTAKES, ORDERS, SMALL, Case, line, mistake_line, run
from tests.model.search import Graph, explore
from tests.model.state import Budget, Fault, Rules

pytestmark = pytest.mark.model

STATES_MAX = 1_000_000
PAGE = (Path(__file__).parents[2] / "docs" / "exactly_once.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_every_promise_holds_in_every_state(case: Case) -> None:
    """Whatever dies, sleeps or is lost: no command is lost, doubled or misreported."""
    report, seconds = run(case, STATES_MAX)
    print(line(case, report, seconds))
    assert report.found is None, report.found
    assert report.decided > 0
    assert f"| {report.states:,} | {report.transitions:,} | {report.depth} |" in PAGE


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.name)
def test_built_in_mistake_is_found(case: Case) -> None:
    """A checker that finds nothing proves something only if it finds what is there."""
    report, _ = run(case, STATES_MAX)
    print(mistake_line(case, report))
    assert report.found is not None
    assert report.found.promise == case.promise


def test_every_mistake_and_every_promise_is_tried() -> None:
    """A promise that no mistake can break would be no check."""
    assert {case.rules.fault for case in MISTAKES} == set(Fault)
    assert {case.promise for case in MISTAKES} == {
        "submit", "once", "acknowledged", "stream", "stale", "late", "repeat", "order", "decided",
        "undisturbed",
    }  # fmt: skip


def test_page_has_the_mistakes_in_their_order() -> None:
    """The table that people read is the table that the program prints."""
    rows = re.findall(r"^\| .+ \| (\w+) \| (\d+) \|$", PAGE, re.MULTILINE)
    reports = [run(case, STATES_MAX)[0].found for case in MISTAKES]
    assert rows == [(found.promise, str(len(found.path))) for found in reports if found]


def test_mistakes_need_their_faults() -> None:
    """Without a fault in the budget the right rules are explored to the end, and are short."""
    report = explore(Rules(items=ORDERS))
    assert report.found is None
    assert report.states < 100


@pytest.mark.parametrize(
    "budget",
    [
        Budget(expiry=1, early_resend=1),
        Budget(pipe_loss=1, lease=1),
        Budget(gateway_crash=(1, 0)),
        Budget(disconnect=1),
    ],
    ids=lambda budget: str(tuple(budget)),
)
@pytest.mark.parametrize("is_eager", [False, True])
def test_smaller_graph_leaves_nothing_out(budget: Budget, *, is_eager: bool) -> None:
    """Steps taken at once must not hide what the log, or the client, can come to."""
    rules = Rules(items=ORDERS, budget=budget, is_eager=is_eager)
    reached = []
    for is_reduced in (True, False):
        graph = Graph(replace(rules, is_reduced=is_reduced))
        assert graph.explore(STATES_MAX).found is None
        reached.append({(state.engine.stream, state.client.seen) for state in graph.states})
    assert reached[0] == reached[1]
