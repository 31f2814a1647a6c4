"""An order that kills every node that applies it, on real processes, up to the way out."""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from oms.cli import log_skip
from oms.config import SettingsError
from oms.local import venue as local_venue
from oms.local.requests import NotTheLeader
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.enums import EventKind
from oms.node import poison, skip_orders
from tests.support.node_rig import TIMEOUT_S, Rig, node_venue, orders
from tests.support.poisoned_engine import POISON

pytestmark = pytest.mark.integration
_NAMED = re.compile(r"--index (\d+) --hash ([0-9a-f]{64})")


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalVenue]:
    """A running venue whose engine has a fault."""
    monkeypatch.setattr(local_venue, "_NODE_MODULE", "tests.support.poisoned_node")
    with node_venue(tmp_path) as made:
        made.start(TIMEOUT_S)
        yield made


def said(venue: LocalVenue, node_id: str, event: str) -> list[dict[str, object]]:
    """What a node logged of one kind."""
    lines = venue.log_file(node_id).read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def wait_until_two_refuse(venue: LocalVenue) -> tuple[int, str]:
    """Start what died until no majority can be had; returns the entry that is named.

    A third node alone never learns that the entry is committed, so it may stay up.
    """
    names = [node.node_id for node in venue.nodes]
    deadline = time.monotonic() + 3 * TIMEOUT_S
    while time.monotonic() < deadline:
        refused = [name for name in names if said(venue, name, "cannot_start")]
        if len(refused) >= 2:
            reports = {str(said(venue, name, "cannot_start")[-1]["reason"]) for name in refused}
            named = {match.groups() for match in map(_NAMED.search, reports) if match}
            assert len(named) == 1, reports
            [(log_index, entry_hash)] = named
            return int(log_index), entry_hash
        for name, pid in venue.pids().items():
            if pid is None and name not in refused:
                venue.start_node(name)
        time.sleep(0.05)
    raise AssertionError("the nodes did not die of it")


def test_an_entry_that_kills_all_nodes_is_reported_and_left_out_by_order(
    venue: LocalVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two deaths each, a refusal with the way out, an order, and a venue that goes on alike."""
    with Rig(venue) as rig:
        leader = rig.wait_ready()
        epoch = rig.log_in(leader)
        rig.push(leader, *orders(epoch, 1, 20))
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) == 20, "acceptances")
        bad = msgspec.structs.replace(orders(epoch, 21, 1)[0], cl_ord_id=POISON)
        rig.push(leader, bad)
        assert venue.wait_gone(leader, TIMEOUT_S)
        log_index, entry_hash = wait_until_two_refuse(venue)
        venue.stop()
        with pytest.raises(SettingsError, match="no majority has that entry"):
            log_skip.skip(venue.folder.path, log_index - 1, entry_hash, "")
        assert log_skip.skip(venue.folder.path, log_index, entry_hash, "it kills the engine") == 0
        third = venue.nodes[2].node_id
        order_file = venue.folder.node_settings(third).parent / skip_orders.FILE_NAME
        kept = order_file.read_bytes()
        order_file.unlink()
        order_file.with_name(poison.FILE_NAME).unlink()  # its deaths are forgotten, too

        for node in venue.nodes[:2]:
            venue.start_node(node.node_id)
        leader = rig.wait_ready()
        epoch = rig.log_in(leader)
        later = [
            msgspec.structs.replace(item, user_ref_num=100 + item.user_ref_num)
            for item in orders(epoch, 1, 10)
        ]
        rig.push(leader, *later)
        rig.wait(lambda: len(rig.seen(EventKind.ORDER_ACCEPTED)) >= 30, "the venue goes on")
        for node in venue.nodes[:2]:
            [line] = said(venue, node.node_id, "entry_skipped")
            assert (line["log_index"], line["hash"]) == (log_index, entry_hash)
            assert line["reason"] == "it kills the engine"

        # A node without the order and without the fault applies the entry: another replica.
        monkeypatch.setattr(local_venue, "_NODE_MODULE", "oms.node.main")
        venue.start_node(third)
        rig.wait(
            lambda: third in rig.roles and rig.roles[third].role == "fenced", "it fences itself"
        )
        assert [rig.roles[node.node_id].skip_orders for node in venue.nodes] == [1, 1, 0]

        # Killed, not stopped: a state that is not the cluster's must not become a snapshot.
        venue.kill(third, signal.SIGKILL)
        assert venue.wait_gone(third, TIMEOUT_S)
        order_file.write_bytes(kept)
        venue.start_node(third)
        digests = {status.digest for status in venue.wait_equal(TIMEOUT_S)}
        assert len(digests) == 1


def test_linearizable_reads_over_a_change_of_leader(tmp_path: Path) -> None:
    """The leader proves its term by an entry; a follower names the leader; then the next one."""
    with node_venue(tmp_path) as venue:
        venue.start(TIMEOUT_S)
        leader, ask = venue.leader(), venue.requests().ask
        assert leader is not None
        before = venue.wait_equal(TIMEOUT_S)[0].applied_index
        request = link.GetTotals(linearizable=True)
        totals = ask(leader, request, link.Totals, TIMEOUT_S)
        assert totals.applied_index > before
        for node in venue.nodes:
            if node.node_id != leader:
                with pytest.raises(NotTheLeader) as refused:
                    ask(node.node_id, request, link.Totals, TIMEOUT_S)
                assert refused.value.leader_id == leader
                waited = link.GetTotals(min_index=totals.applied_index)
                answer = ask(node.node_id, waited, link.Totals, TIMEOUT_S)
                assert answer.applied_index >= totals.applied_index
        venue.kill(leader)
        with Rig(venue) as rig:
            assert venue.wait_gone(leader, TIMEOUT_S)
            second = rig.wait_ready()
        after = ask(second, request, link.Totals, TIMEOUT_S)
        assert after.applied_index > totals.applied_index
