"""Nodes that died, and files that were lost or damaged: docs/operating.md, typed as it stands."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node_on_disk import flip
from tests.support.operated_venue import OperatedVenue, operated_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110)]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedVenue]:
    """One for the file: each procedure leaves it healthy."""
    with operated_venue(tmp_path_factory.mktemp("recovery")) as made:
        yield made


def newest_snapshot(venue: OperatedVenue, node_id: str) -> Path:
    """The one that a start would take."""
    return max((venue.data / node_id / "snapshots").glob("*.snapshot"))


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("is_leader", [True, False])
def test_a_node_that_died_or_hangs_comes_back(
    venue: OperatedVenue, sent: signal.Signals, *, is_leader: bool
) -> None:
    """Whoever it was, and however it went."""
    leader = venue.leader()
    node_id = leader if is_leader else next(n for n in ("n1", "n2", "n3") if n != leader)
    with venue.unchanged():
        venue.strike(node_id, sent)
        venue.wait_accepting(without=node_id)
        venue.terminal.follow("A node does not run, or hangs", {"n2": node_id})
    venue.check_files()


def test_all_nodes_are_killed(venue: OperatedVenue) -> None:
    """Everything that was acknowledged is there."""
    with venue.unchanged():
        for node_id in ("n1", "n2", "n3"):
            venue.strike(node_id, signal.SIGKILL)
        venue.terminal.follow("No node runs")
    venue.check_files()


def test_a_damaged_snapshot_is_passed_over(venue: OperatedVenue) -> None:
    """The node starts from an older one, or from the log."""
    assert venue.terminal.run("oms snapshot create --node n2").returncode == 0
    with venue.unchanged():
        damaged = newest_snapshot(venue, "n2")
        flip(damaged, damaged.stat().st_size // 2)
        words = venue.terminal.follow("A snapshot is damaged")
    assert words["FILE"] == damaged.name
    venue.check_files()


def test_a_snapshot_of_another_node_is_restored(venue: OperatedVenue) -> None:
    """The node starts from it."""
    with venue.unchanged():
        words = venue.terminal.follow("Start a node from another node's snapshot")
    log = venue.open().log_file("n2").read_text().splitlines()
    restored = [line for line in log if '"snapshot_restored"' in line]
    assert json.loads(restored[-1])["log_index"] == int(words["FILE"].partition(".")[0], 16)
    venue.check_files()


def test_a_damaged_event_log_is_made_again(venue: OperatedVenue) -> None:
    """Byte for byte."""
    with venue.unchanged():
        flip(venue.data / "n2" / "events.log", 128 * 9 + 32)
        venue.terminal.follow("The events.log of a node is lost or damaged")
    events = [(venue.data / node / "events.log").read_bytes() for node in ("n1", "n2", "n3")]
    longest = min(len(data.rstrip(b"\0")) for data in events)
    assert len({data[:longest] for data in events}) == 1


def test_a_start_makes_a_damaged_event_log_again_by_itself(venue: OperatedVenue) -> None:
    """Also when nobody noticed, and the node was stopped as usual: what a snapshot has vouched for
    is held against the file.
    """
    assert venue.terminal.run("oms snapshot create --node n1").returncode == 0
    with venue.unchanged():
        flip(venue.data / "n1" / "events.log", 128 * 9 + 32)
        for command in ("oms down n1", "oms up", "oms cluster health --exit-when-healthy"):
            assert venue.terminal.run(command).returncode == 0
    venue.check_files()


def test_a_venue_comes_back_from_a_backup(venue: OperatedVenue, tmp_path: Path) -> None:
    """As it was at the hour of the backup, and it goes on from there."""
    backup = tmp_path / "backup"
    before = venue.facts()
    venue.terminal.follow("Back up the venue", {"BACKUP": str(backup)})
    venue.trade()
    assert venue.facts() != before
    for node_id in ("n1", "n2"):
        venue.strike(node_id, signal.SIGKILL)
        shutil.rmtree(venue.data / node_id)
    venue.terminal.follow("Restore the venue from a backup", {"BACKUP": str(backup)})
    assert venue.facts() == before
    venue.trade()
    venue.check_files()
