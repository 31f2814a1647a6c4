"""Full disks under a running venue: real file systems of a few megabytes, one for each node.

Mounting them needs root; without it these tests are skipped, and say so.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.commands import CancelOrder
from oms.messages.enums import OUCH_POLICY, EventKind, RejectReason
from tests.support.node_parts import CONFIG, SESSION
from tests.support.node_rig import TIMEOUT_S, Rig, node_venue, orders

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
DISK_MIB = 112
OUTCOMES = frozenset({EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED})
PUSHES_MAX = 400
SILENT_S = 2.0  # without an outcome: the venue takes nothing; shorter than a gateway's lease


class Disks:
    """A file system for each node's folder."""

    def __init__(self, venue: LocalVenue) -> None:
        self._venue = venue
        self._mounted: list[Path] = []
        for node in venue.nodes:
            self._mount(self.folder(node.node_id))

    def folder(self, node_id: str) -> Path:
        """A node's folder."""
        return self._venue.folder.path / node_id

    def _mount(self, folder: Path) -> None:
        kept = folder.with_name(folder.name + ".kept")
        folder.rename(kept)
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            folder.rmdir()
            kept.rename(folder)
            pytest.skip(f"cannot mount a small file system here: {done.stderr.decode().strip()}")
        self._mounted.append(folder)
        shutil.copytree(kept, folder, dirs_exist_ok=True)

    def fill(self, node_id: str) -> None:
        """Leave no room at all."""
        stat = os.statvfs(self.folder(node_id))
        with (self.folder(node_id) / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, stat.f_bavail * stat.f_frsize)

    def empty(self, node_id: str) -> None:
        """Give the room back."""
        (self.folder(node_id) / "ballast").unlink()

    def unmount(self) -> None:
        """When nothing runs any more."""
        for folder in self._mounted:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[LocalVenue]:
    """Three formatted nodes, not started."""
    rich = msgspec.structs.replace(CONFIG, accounts=[
        msgspec.structs.replace(account, cash="100000000000", all_shares=1_000_000_000)
        for account in CONFIG.accounts
    ])  # fmt: skip
    with node_venue(tmp_path, rich) as made:
        yield made


@pytest.fixture
def disks(venue: LocalVenue) -> Iterator[Disks]:
    """Small disks, gone afterwards together with the processes on them."""
    made = Disks(venue)
    yield made
    venue.stop()
    made.unmount()


class Trading:
    """Orders through the rig, until something is so."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.leader = rig.wait_ready()
        self.epoch = rig.log_in(self.leader)
        self.next = 1
        self.accepted: set[int] = set()
        self.rejected: dict[int, int] = {}
        self._read = 0

    def push(self, count: int = 400) -> None:
        """New orders, pushed to whoever leads until each has its outcome."""
        first, self.next = self.next, self.next + count
        self._push_all(first, count)

    def _push_all(self, first: int, count: int) -> None:
        wanted = set(range(first, first + count))
        deadline = time.monotonic() + 2 * TIMEOUT_S
        pushed_at = 0.0
        while not wanted <= self.accepted | self.rejected.keys():
            assert time.monotonic() < deadline, f"no outcome; {self.rig.roles}"
            leaders = [s.node_id for s in self.rig.roles.values() if s.accepting]
            if leaders and time.monotonic() - pushed_at > 1.0:
                pushed_at = time.monotonic()
                self.leader = leaders[0]
                self.rig.push(self.leader, *orders(self.epoch, first, count))
            self.rig.read()
            self.take()

    def push_until_silent(self) -> list[int]:
        """Push batches until one has no outcome for a while: first numbers of those."""
        for _ in range(PUSHES_MAX):
            first, self.next = self.next, self.next + 400
            self.rig.push(self.leader, *orders(self.epoch, first, 400))
            deadline = time.monotonic() + SILENT_S
            while not self._has_outcome(first + 399):
                if time.monotonic() > deadline:
                    return [first]
                self.rig.read()
                self.take()
        return []

    def _has_outcome(self, number: int) -> bool:
        return number in self.accepted or number in self.rejected

    def settle(self, firsts: list[int]) -> None:
        """Push again what has no outcome, as a gateway does."""
        for first in firsts:
            self._push_all(first, 400)

    def take(self) -> None:
        """Sort what was published."""
        for event in self.rig.events[self._read :]:
            if event.kind == EventKind.ORDER_ACCEPTED:
                self.accepted.add(event.user_ref_num)
            elif event.kind == EventKind.ORDER_REJECTED:
                self.rejected[event.user_ref_num] = event.reason
        self._read = len(self.rig.events)

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Push until something is so."""
        for _ in range(PUSHES_MAX):
            if is_so():
                return
            self.push()
        raise AssertionError(f"{what} did not happen: {self.rig.roles}")

    def wait_for_room(self) -> None:
        """Everywhere; with a gateway's heartbeat meanwhile, or the session is logged out."""
        deadline = time.monotonic() + 2 * TIMEOUT_S
        while any(status.room != "ample" for status in self.rig.roles.values()):
            assert time.monotonic() < deadline, f"no room; {self.rig.roles}"
            self.rig.push(self.leader)
            self.rig.read(200)

    def room(self, node_id: str) -> str:
        """What a node says of its disk."""
        return self.rig.roles[node_id].room


def assert_nothing_lost(venue: LocalVenue, trading: Trading) -> None:
    """All nodes have one state and every event that was published."""
    statuses = venue.wait_equal(2 * TIMEOUT_S)
    assert len({item.digest for item in statuses}) == 1
    published = trading.rig.engine
    for node in venue.nodes:
        first = min(published)
        while first <= max(published):
            request = link.ReplayEvents(first)
            data = venue.requests().ask(node.node_id, request, link.Records, TIMEOUT_S).data
            for offset in range(0, len(data), 128):
                record = data[offset : offset + 128]
                assert published.get(first, record) == record, f"event {first} at {node.node_id}"
                first += 1


def test_with_one_full_disk_the_others_go_on(venue: LocalVenue, disks: Disks) -> None:
    """The node leaves the quorum; clients notice nothing but perhaps another leader."""
    venue.start(TIMEOUT_S)
    with Rig(venue) as rig:
        trading = Trading(rig)
        full = trading.leader
        disks.fill(full)
        trading.until(lambda: trading.room(full) == "low", "the node is low")
        trading.push()
        assert trading.leader != full, "who has no room does not lead"
        assert not trading.rejected
        disks.empty(full)
        rig.wait(lambda: trading.room(full) == "ample", "the room is back")
        trading.push()
        assert_nothing_lost(venue, trading)


def test_with_two_full_disks_cancels_pass_and_new_orders_do_not(
    venue: LocalVenue, disks: Disks
) -> None:
    """Less than a majority has room: refused with the reason, until it is back by itself."""
    venue.start(TIMEOUT_S)
    with Rig(venue) as rig:
        trading = Trading(rig)
        low = msgspec.structs.replace(orders(trading.epoch, 1, 1)[0], price=10_000)
        rig.push(trading.leader, low)  # it rests: nobody sells so cheaply
        trading.next = 2
        trading.push()
        full = [node.node_id for node in venue.nodes][:2]
        for node_id in full:
            disks.fill(node_id)
        trading.until(lambda: bool(trading.rejected), "a refusal")
        assert set(trading.rejected.values()) == {int(RejectReason.STORAGE_FULL)}
        assert trading.room(trading.leader) == "reserve"
        cancel = CancelOrder(
            session_id=SESSION,
            conn_epoch=trading.epoch,
            client_seq=trading.next,
            not_after_ns=1 << 62,
            policy=int(OUCH_POLICY),
            user_ref_num=1,
            order_qty=0,
        )
        trading.next += 1
        rig.push(trading.leader, cancel)
        rig.wait(lambda: bool(rig.seen(EventKind.ORDER_CANCELED)), "the cancel")
        for node_id in full:
            disks.empty(node_id)
        trading.wait_for_room()
        trading.rejected.clear()
        trading.push()
        assert not trading.rejected
        assert_nothing_lost(venue, trading)


def test_when_the_reserves_end_nothing_is_accepted_and_nothing_is_lost(
    venue: LocalVenue, disks: Disks
) -> None:
    """What was pushed and has no outcome yet gets one when there is room again, and only one."""
    venue.start(TIMEOUT_S)
    with Rig(venue) as rig:
        trading = Trading(rig)
        full = [node.node_id for node in venue.nodes][:2]
        for node_id in full:
            disks.fill(node_id)
        trading.until(lambda: bool(trading.rejected), "a refusal")
        waiting = trading.push_until_silent()
        assert waiting, "the reserves did not end"
        for node_id in full:
            disks.empty(node_id)
        trading.wait_for_room()
        trading.settle(waiting)
        trading.push()
        assert_nothing_lost(venue, trading)
        told = [event.user_ref_num for event in rig.events if event.kind in OUTCOMES]
        assert len(told) == len(set(told)), "one outcome each"


def test_a_node_restarts_on_a_full_disk(venue: LocalVenue, disks: Disks) -> None:
    """Whatever it has to write at its start, it finds the room for, or does without."""
    venue.start(TIMEOUT_S)
    with Rig(venue) as rig:
        trading = Trading(rig)
        trading.push()
        full = next(n.node_id for n in venue.nodes if n.node_id != trading.leader)
        disks.fill(full)
        venue.kill(full)
        assert venue.wait_gone(full, TIMEOUT_S)
        venue.start_node(full)
        trading.push()
        rig.wait(lambda: rig.roles[full].applied_index > 0, "it is there")
        disks.empty(full)
        trading.push()
        assert_nothing_lost(venue, trading)
