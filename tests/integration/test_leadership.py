"""Who leads: never a node with a wrong clock; and a leader that goes hands over first.

Real processes, real clocks but for an offset that the test sets; the evidence is that of
test_crashes.py.
"""

import functools
import json
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from oms.config import VenueConfig
from oms.local import venue as local_venue
from oms.local.requests import NotTheLeader, RequestRefused
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.enums import EventKind
from tests.support.crash_evidence import run
from tests.support.crash_load import PATIENCE_S, Load, new_seed
from tests.support.node_rig import TIMEOUT_S, Rig, node_venue, orders
from tests.support.skewed_node import clock_file, set_skew

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
SKEW_NS = 200_000_000


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalVenue]:
    """Three formatted nodes whose clocks can be set, not started."""
    monkeypatch.setattr(local_venue, "_NODE_MODULE", "tests.support.skewed_node")
    with node_venue(tmp_path) as made:
        yield made


def skew(venue: LocalVenue, node_id: str, skew_ns: int) -> None:
    """Set one node's clock wrong, or right again."""
    set_skew(clock_file(venue.folder.node_settings(node_id)), skew_ns)


def said(venue: LocalVenue, node_id: str, event: str) -> list[dict[str, str | int | bool | None]]:
    """What a node logged of one kind."""
    lines = venue.log_file(node_id).read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def ever_led(venue: LocalVenue, node_id: str) -> bool:
    """Whether a node accepted commands at any time."""
    return any(line["accepting"] for line in said(venue, node_id, "role"))


def has_caught_up(rig: Rig, node_id: str) -> bool:
    """Whether a node knows as much of the log as any."""
    return rig.roles[node_id].commit_index == max(s.commit_index for s in rig.roles.values())


def test_a_node_whose_clock_is_ahead_never_leads_while_the_others_live(venue: LocalVenue) -> None:
    """Not at the start, and not when the leader goes: the third does."""
    wrong = venue.nodes[0].node_id
    skew(venue, wrong, SKEW_NS)
    venue.start(TIMEOUT_S)
    with Rig(venue) as rig:
        for _ in range(3):
            leader = rig.wait_ready()
            assert leader != wrong
            rig.wait(lambda: not rig.roles[wrong].may_lead, "its status says so")
            assert abs(rig.roles[wrong].clock_skew_ns - SKEW_NS) < SKEW_NS // 2
            venue.kill(leader)
            assert venue.wait_gone(leader, TIMEOUT_S)
            # The frames of the dead one are believed for a while; and the third may lead.
            other = rig.wait_ready()
            assert other not in {wrong, leader}
            venue.start_node(leader)
            rig.wait_ready()
            # While it lacks what the wrong one has, only the wrong one could be elected next.
            rig.wait(partial(has_caught_up, rig, leader), "the one that was killed has caught up")
    assert not ever_led(venue, wrong)


def test_a_leader_whose_clock_goes_wrong_hands_over(venue: LocalVenue) -> None:
    """And what it stamped before is not hurried: an order lives as long as it was told to."""
    venue.start(TIMEOUT_S)
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        epoch = rig.log_in(leader)
        rig.wait(lambda: all(status.may_lead for status in rig.roles.values()), "clocks are known")
        rig.push(leader, *orders(epoch, 1, 10))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 10, "acceptances")
        skew(venue, leader, 20 * SKEW_NS)
        # Good for two seconds of log time: by the wrong clock they came too late already.
        hurried = [
            msgspec.structs.replace(item, not_after_ns=time.time_ns() + 2_000_000_000)
            for item in orders(epoch, 11, 10)
        ]
        rig.push(leader, *hurried)
        rig.wait(
            lambda: any(s.accepting and s.node_id != leader for s in rig.roles.values()),
            "another leads",
        )
        second = next(s.node_id for s in rig.roles.values() if s.accepting and s.node_id != leader)
        assert not rig.roles[leader].accepting
        again = [
            msgspec.structs.replace(item, not_after_ns=time.time_ns() + 2_000_000_000)
            for item in hurried
        ]
        rig.push(second, *again)
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 20, "acceptances")
        assert not rig.seen(EventKind.COMMAND_EXPIRED)
        assert all(event.timestamp_ns < time.time_ns() + SKEW_NS // 2 for event in rig.events)
        [*_, last] = said(venue, leader, "clock")
        assert last["may_lead"] is False
        skew(venue, leader, 0)
        rig.wait(lambda: rig.roles[leader].may_lead, "it is trusted again")


def test_leadership_goes_where_the_administrator_says(venue: LocalVenue) -> None:
    venue.start(TIMEOUT_S)
    ask = venue.requests().ask
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        rig.wait(lambda: all(status.may_lead for status in rig.roles.values()), "clocks are known")
        others = [node.node_id for node in venue.nodes if node.node_id != leader]
        for to in (*others, leader):
            current = venue.leader()
            assert current is not None
            moved = ask(current, link.TransferLeadership(to), link.LeadershipTransferred, TIMEOUT_S)
            assert moved.leader_id == to
            rig.wait(lambda: rig.roles[to].accepting, "it accepts")  # noqa: B023
        with pytest.raises(RequestRefused, match="leads already"):
            ask(leader, link.TransferLeadership(leader), link.LeadershipTransferred, TIMEOUT_S)
        with pytest.raises(NotTheLeader):
            ask(others[0], link.TransferLeadership(None), link.LeadershipTransferred, TIMEOUT_S)
        moved = ask(leader, link.TransferLeadership(None), link.LeadershipTransferred, TIMEOUT_S)
        assert moved.leader_id in others


def test_a_leader_that_is_stopped_under_load_leaves_no_gap() -> None:
    """Every node is restarted once, as for maintenance: no election, nothing lost or repeated."""
    seed = new_seed()
    config: VenueConfig = demo_config(seed)

    async def script(load: Load) -> None:
        for _ in range(3):
            leader = await load.leader()
            statuses = await load.blocking(load.venue.statuses)
            term = max(status.term for status in statuses.values() if status)
            await load.aim()
            load.venue.kill(leader, signal.SIGTERM)
            wait_gone = functools.partial(load.venue.wait_gone, leader, PATIENCE_S)
            assert await load.blocking(wait_gone)
            await load.acknowledged(50)
            statuses = await load.blocking(load.venue.statuses)
            assert {item.term for item in statuses.values() if item} == {term + 1}, "one election"
            await load.restart(leader)

    with LocalVenue.temporary(config, gateway_count=2) as venue:
        run(venue, config, seed, script)
        handed_over = [
            line for node in venue.nodes for line in said(venue, node.node_id, "not_handed_over")
        ]
    assert len(handed_over) <= 1, "only the last leader of the venue's own end finds nobody"
