"""A venue over a change of day: archives, a follower that was away, outputs that must be fetched.

Real processes and folders. The first segment of a journal is filled before the day ends, so that
the log really begins later afterwards.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from oms.bounds import EVENT_BYTES
from oms.cli import admin_work, log_work
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.commands import NewOrder
from oms.messages.enums import EventKind
from oms.node.event_file import EventFile
from oms.replication import snapshot_file
from tests.integration.test_leadership import said
from tests.support.crash_load import new_seed
from tests.support.node_rig import TIMEOUT_S, Rig, node_venue, orders

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
FILLING_PUSHES = 180  # of 400 orders: more than the first segment of the journal
NEXT_DATE = 20991231


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[LocalVenue]:
    """A running venue without gateways."""
    with node_venue(tmp_path) as made:
        made.start(TIMEOUT_S)
        yield made


def wait(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something at the nodes."""
    deadline = time.monotonic() + 2 * TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def wait_said(venue: LocalVenue, node_id: str, event: str, count: int = 1) -> None:
    """Wait until a node has said something so often."""
    wait(lambda: len(said(venue, node_id, event)) >= count, event)


def trade(rig: Rig, leader: str, epoch: int, first: int, pushes: int) -> int:
    """Push orders and wait for the last one's outcome; the next order's number."""
    answers = {EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED}
    for _ in range(pushes):
        rig.push(leader, *orders(epoch, first, 400))
        first += 400
        rig.wait(
            lambda: any(
                event.kind in answers and event.user_ref_num == first - 1  # noqa: B023
                for event in rig.events[-2_000:]
            ),
            "the last outcome",
        )
    return first


def roll(venue: LocalVenue, date: int) -> None:
    """What the administrator does between two days."""
    admin_work.day_end(venue.folder.path)
    admin_work.day_start(venue.folder.path, date)


def status(venue: LocalVenue, node_id: str) -> link.Status | None:
    """What one node says of itself."""
    return venue.statuses()[node_id]


def day_outputs(venue: LocalVenue) -> list[bytes]:
    """Every node's file of the current day, of a venue that is stopped."""
    return [(venue.folder.path / node.node_id / "events.log").read_bytes() for node in venue.nodes]


def replay_from(venue: LocalVenue, node_id: str, base: int) -> bytes:
    """Every event record behind `base` that a node has."""
    data = b""
    while True:
        request = link.ReplayEvents(base + len(data) // EVENT_BYTES + 1)
        records = venue.requests().ask(node_id, request, link.Records, TIMEOUT_S)
        data += records.data
        if records.is_end:
            return data


class Rolled:
    """A venue that went over a day without one of its nodes, and traded on."""

    def __init__(self, venue: LocalVenue) -> None:
        self.venue = venue
        with Rig(venue) as rig:
            leader = rig.wait_ready()
            epoch = rig.log_in(leader)
            number = trade(rig, leader, epoch, 1, 2)
            venue.wait_equal(TIMEOUT_S)
            self.away = next(n.node_id for n in venue.nodes if n.node_id != leader)
            venue.kill(self.away)
            assert venue.wait_gone(self.away, TIMEOUT_S)
            number = trade(rig, leader, epoch, number, FILLING_PUSHES)
            roll(venue, NEXT_DATE)
            number = trade(rig, leader, epoch, number, 3)
        self.others = [n.node_id for n in venue.nodes if n.node_id != self.away]
        wait(self._is_archived, "the first segment goes to the archive")
        for node_id in self.others:
            venue.requests().ask(node_id, link.CreateSnapshot(), link.SnapshotMade, TIMEOUT_S)

    def _is_archived(self) -> bool:
        return all((status(self.venue, n) or _NOBODY).base_index > 0 for n in self.others)

    def is_whole(self) -> bool:
        """The node that was away is installed and lacks nothing any more."""
        now = status(self.venue, self.away)
        return now is not None and now.base_index > 0 and not now.outputs_missing

    def check_equal(self) -> None:
        """All nodes say the same, now and in their files; a restart changes nothing."""
        venue = self.venue
        statuses = venue.wait_equal(TIMEOUT_S)
        assert {item.trading_date for item in statuses} == {NEXT_DATE}
        [base] = {item.events_base for item in statuses}
        replayed = {replay_from(venue, node.node_id, base) for node in venue.nodes}
        assert len(replayed) == 1
        venue.stop()
        assert len(set(day_outputs(venue))) == 1
        venue.start(TIMEOUT_S)
        again = venue.wait_equal(TIMEOUT_S)
        assert {item.events_base for item in again} == {base}
        venue.stop()
        assert log_work.verify(venue.folder.path, None, as_json=False) == 0


_NOBODY = link.Status(
    "", "", 0, None, False, 0, 0, 0, "", 0, 0, "", 0, 0, 0
)  # fmt: skip


def test_a_follower_that_was_away_over_the_day_comes_back_by_snapshot(venue: LocalVenue) -> None:
    """It starts itself anew under its pid, and has the day's outputs byte for byte."""
    rolled = Rolled(venue)
    pid = venue.start_node(rolled.away)
    wait(rolled.is_whole, "the installation")
    assert venue.pids()[rolled.away] == pid
    assert said(venue, rolled.away, "snapshot_installed")
    assert said(venue, rolled.away, "outputs_fetched")
    rolled.check_equal()


def test_a_node_killed_at_any_moment_of_the_installation_gets_there(venue: LocalVenue) -> None:
    """Received, renamed, journal begun anew, process replaced: no step may leave it stuck."""
    rolled = Rolled(venue)
    draw = random.Random(new_seed())
    for _ in range(8):
        venue.start_node(rolled.away)
        time.sleep(0.2 + draw.random() * 0.8)
        venue.kill(rolled.away, signal.SIGKILL)
        assert venue.wait_gone(rolled.away, TIMEOUT_S)
    assert not said(venue, rolled.away, "cannot_start")
    venue.start_node(rolled.away)
    wait(rolled.is_whole, "the installation")
    rolled.check_equal()


def wait_outcome(rig: Rig, user_ref_num: int) -> None:
    """Wait for what the venue says of one order."""
    rig.wait(lambda: any(e.user_ref_num == user_ref_num for e in rig.events), "the outcome")


def of_day(day: int, items: list[NewOrder]) -> list[NewOrder]:
    """The client's numbers go on, though every login begins to count anew."""
    return [
        msgspec.structs.replace(item, user_ref_num=10_000 * day + item.user_ref_num)
        for item in items
    ]


def test_all_nodes_killed_at_the_change_of_day(venue: LocalVenue) -> None:
    """Whatever of the new day is on disk by then: every node ends the same day the same way."""
    draw = random.Random(new_seed())
    for day in range(3):
        with Rig(venue) as rig:
            leader = rig.wait_ready()
            epoch = rig.log_in(leader)
            rig.push(leader, *of_day(day, orders(epoch, 1, 400)))
            last = 10_000 * day + 400
            wait_outcome(rig, last)
            roll(venue, NEXT_DATE - 3 + day)
            time.sleep(draw.random() * 0.2)
            for node in venue.nodes:
                venue.kill(node.node_id, signal.SIGKILL)
            for node in venue.nodes:
                assert venue.wait_gone(node.node_id, TIMEOUT_S)
        venue.start(TIMEOUT_S)
    statuses = venue.wait_equal(TIMEOUT_S)
    assert {item.trading_date for item in statuses} == {NEXT_DATE - 1}
    assert len({item.events_base for item in statuses}) == 1
    venue.stop()
    assert len(set(day_outputs(venue))) == 1
    for node in venue.nodes:
        archive = venue.folder.path / node.node_id / "archive"
        assert len(list(archive.glob("*/events.log"))) == 3
    assert log_work.verify(venue.folder.path, None, as_json=False) == 0


def test_a_node_killed_while_it_fetches_begins_anew(venue: LocalVenue) -> None:
    """Half of the outputs in the file must not be taken for all of them."""
    rolled = Rolled(venue)
    for count in range(1, 4):
        venue.start_node(rolled.away)
        wait_said(venue, rolled.away, "outputs_missing", count)
        venue.kill(rolled.away, signal.SIGKILL)
        assert venue.wait_gone(rolled.away, TIMEOUT_S)
        if said(venue, rolled.away, "outputs_fetched"):
            break  # it was faster than the kill, and has no snapshot of its own yet
    venue.start_node(rolled.away)
    wait(rolled.is_whole, "the rest")
    rolled.check_equal()


def test_lost_outputs_come_from_the_log_or_from_the_others(venue: LocalVenue) -> None:
    """With the eve's snapshot from the own log, without it from another node."""
    rolled = Rolled(venue)
    venue.start_node(rolled.away)
    wait(rolled.is_whole, "the installation")
    venue.wait_equal(TIMEOUT_S)
    venue.stop()
    [kept, *_] = day_outputs(venue)
    own, fetched = rolled.others
    for node_id in (own, fetched):
        (venue.folder.path / node_id / "events.log").unlink()
    for path in snapshot_file.newest_first(venue.folder.path / fetched / "snapshots")[1:]:
        path.unlink()
    venue.start(TIMEOUT_S)
    wait(lambda: not any(s is None or s.outputs_missing for s in venue.statuses().values()), "all")
    venue.wait_equal(TIMEOUT_S)
    assert not said(venue, own, "outputs_missing")
    assert said(venue, fetched, "outputs_missing")
    assert said(venue, fetched, "outputs_fetched")
    venue.stop()
    for data in day_outputs(venue):
        assert data[: len(kept)] == kept


def test_a_peer_that_answers_wrong_bytes_is_not_believed(venue: LocalVenue) -> None:
    """One flipped bit at one node, on disk while it runs: it stays that node's trouble."""
    rolled = Rolled(venue)
    wrong = venue.folder.path / rolled.others[0] / "events.log"  # it is asked first
    kept = flip(wrong, 70)
    venue.start_node(rolled.away)
    wait_said(venue, rolled.away, "outputs_not_fetched")
    wait(rolled.is_whole, "from the other one")
    assert flip(wrong, 70) != kept
    rolled.check_equal()


def flip(path: Path, at: int) -> int:
    """Change a bit of a file in place; what was there."""
    with path.open("r+b") as file:
        file.seek(at)
        [value] = file.read(1)
        file.seek(at)
        file.write(bytes([value ^ 4]))
    return value


def test_the_archive_has_the_whole_day_and_replays_it(venue: LocalVenue) -> None:
    """A reader that slept over the change of day is told what it missed."""
    rolled = Rolled(venue)
    node_id = rolled.others[0]
    now = status(venue, node_id)
    assert now is not None
    [path] = (venue.folder.path / node_id / "archive").glob("*/events.log")
    file = EventFile.open(path)
    assert (file.base, file.event_seq) == (0, now.events_base)
    file.close()
    assert list(path.parent.glob("segment-*"))
    assert replay_from(venue, node_id, 0)[: now.events_base * EVENT_BYTES] == path.read_bytes()
