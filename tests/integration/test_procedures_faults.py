"""Full disks, wrong clocks and an entry that kills: docs/operating.md, typed as it stands."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.client.errors import OrderRejected, OrderStatusUnknown
from tests.support.operated_venue import ANSWER_S, SYMBOL, OperatedVenue, operated_venue, wait_for
from tests.support.poisoned_engine import POISON
from tests.support.skewed_node import clock_file, set_skew
from tests.support.troubled_node import FULL

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110)]

NODES = ("n1", "n2", "n3")
DATE = "20301231"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedVenue]:
    """One for the file: each procedure leaves it healthy."""
    with operated_venue(
        tmp_path_factory.mktemp("faults"), node_module="tests.support.troubled_node"
    ) as made:
        yield made


def lead(venue: OperatedVenue, node_id: str) -> None:
    """Let this node lead."""
    if venue.leader() != node_id:
        venue.terminal.follow("Fail over on purpose", {"n2": node_id})


def says(venue: OperatedVenue, words: str, times: int = 1) -> None:
    """Wait until the cluster's health says this, of so many nodes."""
    wait_for(lambda: venue.terminal.run("oms cluster health").stdout.count(words) == times)


@pytest.mark.parametrize("is_leader", [True, False])
def test_a_wrong_clock_does_not_lead(venue: OperatedVenue, *, is_leader: bool) -> None:
    """It hands over if it led, and may lead again once its clock is right."""
    lead(venue, "n2" if is_leader else "n1")
    path = clock_file(venue.data / "n2" / "node.toml")
    with venue.unchanged():
        set_skew(path, 400_000_000 if is_leader else -400_000_000)
        says(venue, "its clock is 400 ms")
        venue.wait_accepting(without="n2")
        venue.terminal.follow(
            "A clock is wrong", meanwhile={"oms cluster status": lambda: set_skew(path, 0)}
        )
    lead(venue, "n2")


def test_a_full_disk_leaves_the_quorum_until_there_is_room(
    venue: OperatedVenue, tmp_path: Path
) -> None:
    """The others go on; room is made by moving an old day away."""
    venue.terminal.follow("End a day, begin the next", {"DATE": DATE})
    assert venue.terminal.run("oms admin day end").returncode == 0
    full = venue.data / "n2" / FULL
    assert venue.terminal.run("oms admin day start --date 20310101").returncode == 0
    assert venue.terminal.run("oms admin phase all CONTINUOUS").returncode == 0
    wait_for((venue.data / "n2" / "archive" / DATE).is_dir)
    lead(venue, "n2")
    with venue.unchanged():
        full.touch()
        says(venue, "n2: its disk is full: it has left the quorum")
        venue.wait_accepting(without="n2")
        venue.trade_and_cancel()
        venue.terminal.follow(
            "A disk is full",
            {"DATE": DATE, "ELSEWHERE": str(tmp_path)},
            meanwhile={"mv": full.unlink},
        )
    assert (tmp_path / DATE).is_dir()


def test_full_disks_let_cancels_pass(venue: OperatedVenue) -> None:
    """Who wants out gets out; who wants in is told why not."""
    with venue.client() as client:
        resting = client.enter(SYMBOL, "BUY", 1, venue.low_price)
        resting.outcome(timeout=ANSWER_S)
        for node_id in NODES:
            (venue.data / node_id / FULL).touch()
        says(venue, "new orders are refused, cancels pass", times=len(NODES))
        with pytest.raises(OrderRejected, match="STORAGE_FULL"):
            client.enter(SYMBOL, "BUY", 1, venue.low_price).outcome(timeout=ANSWER_S)
        client.session.cancel(resting)
        client.query_account()
        assert resting.leaves_qty == 0
    with venue.unchanged():
        for node_id in NODES:
            (venue.data / node_id / FULL).unlink()


def test_an_entry_that_kills_nodes_is_left_out(venue: OperatedVenue, tmp_path: Path) -> None:
    """The venue goes on without it, alike on all nodes."""
    before = venue.facts()
    with venue.client() as client, pytest.raises(OrderStatusUnknown):
        client.enter(SYMBOL, "BUY", 1, venue.low_price, cl_ord_id=POISON.decode()).outcome(
            timeout=0.5
        )
    said = ""
    for _ in range(8):
        said = venue.terminal.run("oms up").stdout
        if len(set(re.findall(r"logs/(n\d)\.log(?:(?!---).)*oms log skip", said, re.DOTALL))) > 1:
            break
    words = venue.terminal.follow("An entry that kills nodes", {"EVIDENCE": str(tmp_path / "kept")})
    assert venue.facts() == before
    status = json.loads(venue.terminal.run("oms status --json").stdout)
    assert {node["skip_orders"] for node in status["nodes"]} == {1}
    venue.trade()
    assert venue.terminal.run("oms log verify").returncode == 0
    assert int(words["N"]) > 1
