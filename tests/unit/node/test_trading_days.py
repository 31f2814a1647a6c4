"""The change of day: files cut at the same place on every node, and made again from either side."""

import errno
import os
from pathlib import Path

import pytest

from oms.bounds import EVENT_BYTES
from oms.config import SettingsError
from oms.messages import link
from oms.messages.admin_commands import EndDay, StartDay
from oms.messages.enums import EventKind
from oms.node.event_log import EventLog
from oms.node.queries import FETCHING, CannotAnswer
from oms.node.restoring import Restored, restore_newest
from oms.reference.engine import Engine
from oms.replication import snapshot_file
from oms.transport.keys import Role
from tests.support.node_parts import ADMIN_SESSION, CLUSTER_ID, NOW_NS, SESSION, login, order
from tests.support.node_parts import silent_log as silent
from tests.support.node_replica import OneReplica

LATER_NS = NOW_NS + 3_600_000_000_000


class Office:
    """Takes note of what is to be archived of the log."""

    def __init__(self) -> None:
        self.asked: list[tuple[Path, int]] = []

    def archive(self, folder: Path, up_to_index: int) -> list[Path]:
        """As the log's."""
        self.asked.append((folder, up_to_index))
        return []


class Venue:
    """One replica over several days."""

    def __init__(self, one: OneReplica) -> None:
        self.one = one
        self.folder = one.event_log.folder
        self.admin_seq = 0
        self.order_seq = 0
        one.apply(login(), login(ADMIN_SESSION, gateway_id=0))

    def trade(self, count: int = 3) -> None:
        """Orders, an entry each."""
        for _ in range(count):
            self.order_seq += 1
            self.one.apply(order(self.order_seq))

    def roll(self, date: int) -> tuple[int, int]:
        """End the day and start another; log index and last event before the start."""
        self.admin_seq += 2
        self.one.apply(EndDay(ADMIN_SESSION, 1, self.admin_seq - 1, LATER_NS))
        while self.one.engine.is_work_pending:
            self.one.apply()
        eve = self.one.engine.applied_index, self.one.engine.event_seq
        self.one.apply(StartDay(ADMIN_SESSION, 1, self.admin_seq, LATER_NS, date, NOW_NS))
        return eve

    def write(self) -> None:
        """Write the snapshots that are due, and the last state."""
        self.one.snapshots.stop()

    def start_anew(self, log_base: int = 0) -> tuple[Restored, EventLog, Engine]:
        """What a start makes of the folder; then the log from there."""
        self.one.event_log.flush()
        log, engine = EventLog(self.folder / "events.log"), Engine()
        restored = restore_newest(
            self.folder,
            engine=engine,
            event_log=log,
            cluster_id=CLUSTER_ID,
            log_base=lambda: log_base,
            say=silent(),
        )
        return restored, log, engine

    def outputs(self) -> bytes:
        """The current day's file."""
        self.one.event_log.flush()
        return (self.folder / "events.log").read_bytes()

    def archived(self, date: int) -> bytes:
        """The file of a day that is over."""
        return (self.folder / "archive" / str(date) / "events.log").read_bytes()


@pytest.fixture
def venue(one: OneReplica) -> Venue:
    return Venue(one)


def test_a_new_day_has_files_of_its_own(venue: Venue) -> None:
    """The first record of the file is the first of the entry that started the day."""
    first_day = venue.one.days.trading_date
    venue.trade()
    _, base = venue.roll(20261124)
    venue.trade()
    log = venue.one.event_log
    assert (log.base, venue.one.days.trading_date) == (base, 20261124)
    assert len(venue.archived(first_day)) == base * EVENT_BYTES
    kinds = log.records()["kind"].tolist()
    assert EventKind.DAY_STARTED in kinds[:10]
    assert len(venue.outputs()) == (log.event_seq - base) * EVENT_BYTES


def test_the_first_day_ever_has_nothing_before_it(one: OneReplica) -> None:
    assert (one.event_log.base, one.days.trading_date > 0) == (0, True)
    assert not (one.event_log.folder / "archive").exists()


def test_streams_and_topics_go_on_over_the_change(venue: Venue) -> None:
    venue.trade()
    before = venue.one.event_log.event_seq
    venue.roll(20261124)
    stream = venue.one.queries.answer(link.ReplaySession(SESSION, 1), Role.GATEWAY)
    assert isinstance(stream, link.Records)
    assert len(stream.data) // EVENT_BYTES == 1, "the day's first message, SYSTEM_EVENT"
    old = venue.one.queries.answer(link.ReplayEvents(before), Role.GATEWAY)
    assert isinstance(old, link.Records)
    assert not old.is_end
    assert int.from_bytes(old.data[8:16], "little") == before


def no_space(*_args: object) -> int:
    """As os.pwrite on a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_stream_of_another_day_is_refused(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is behind, or whose full disk did not take the new day's first records, has a
    message 1 too: the day before's."""
    first_day = venue.one.days.trading_date
    venue.trade()
    queries = venue.one.queries
    assert isinstance(
        queries.answer(link.ReplaySession(SESSION, 1, first_day), Role.GATEWAY), link.Records
    )
    with pytest.raises(CannotAnswer, match="20261124 is not the day"):
        queries.answer(link.ReplaySession(SESSION, 1, 20261124), Role.GATEWAY)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_space)
        venue.roll(20261124)
        with pytest.raises(CannotAnswer, match="20261124 is not the day"):
            queries.answer(link.ReplaySession(SESSION, 1, 20261124), Role.GATEWAY)
    assert isinstance(
        queries.answer(link.ReplaySession(SESSION, 1, 20261124), Role.GATEWAY), link.Records
    )


def test_names_of_the_day_before_are_on_disk_before_a_snapshot_relies_on_them(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files were renamed: a power cut that takes the names back takes the outputs away."""
    first_day = venue.one.days.trading_date
    venue.trade()
    venue.roll(20261124)
    venue.trade()
    synced: list[str] = []
    sync = os.fsync

    def note(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        sync(fd)

    monkeypatch.setattr(os, "fsync", note)
    file = venue.one.event_log.file()
    file.sync()
    file.close()
    archive = venue.folder / "archive"
    of_the_day = archive / str(first_day)
    wanted = [of_the_day / "events.log", of_the_day, archive, venue.folder]
    assert synced == [str(path) for path in wanted]


def test_the_log_goes_to_the_archive_once_the_eves_snapshot_is_durable(venue: Venue) -> None:
    """Before that the node could not start from what is left."""
    office, first_day = Office(), venue.one.days.trading_date
    venue.trade()
    eve_index, _ = venue.roll(20261124)
    venue.one.days.archive_log(office)
    assert office.asked == []
    venue.write()
    for _ in range(3):
        venue.one.days.archive_log(office)
    assert office.asked == [(venue.folder / "archive" / str(first_day), eve_index)]


def test_a_log_that_cannot_be_archived_is_tried_again_and_told_once(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk or another file system: the journal stays as it is, the node goes on."""
    office = Office()
    venue.trade()
    venue.roll(20261124)
    venue.write()

    def fail(_folder: Path, _up_to_index: int) -> list[Path]:
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(office, "archive", fail)
        for _ in range(3):
            venue.one.days.archive_log(office)
    assert venue.one.said.getvalue().count("log_not_archived") == 1
    venue.one.days.archive_log(office)
    assert len(office.asked) == 1


def test_the_snapshot_of_the_eve_outlives_newer_ones(venue: Venue) -> None:
    eve_index, _ = venue.roll(20261124)
    for _ in range(6):
        venue.trade(1)
        venue.write()
    kept = [path.name for path in snapshot_file.newest_first(venue.folder / "snapshots")]
    assert len(kept) == 4
    assert kept[-1] == f"{eve_index:016x}.snapshot"


def replay(venue: Venue, restored: Restored, log: EventLog, engine: Engine) -> None:
    """Apply what is in the log from where a start begins."""
    for index in range(restored.log_index + 1, len(venue.one.log.entries) + 1):
        if engine.apply(index, venue.one.log.entries[index - 1]):
            log.append(engine.events())
    log.close()


@pytest.mark.parametrize("is_lost", [False, True])
def test_lost_outputs_of_the_day_are_made_again_byte_for_byte(
    venue: Venue, *, is_lost: bool
) -> None:
    """The log of the days before is archived: the eve's snapshot is where a replay begins."""
    venue.trade()
    eve_index, base = venue.roll(20261124)
    venue.trade()
    venue.write()
    venue.trade()
    before = venue.outputs()
    if is_lost:
        (venue.folder / "events.log").unlink()
    restored, log, engine = venue.start_anew(log_base=eve_index)
    assert restored.missing_crc is None
    assert (restored.log_index == eve_index) == is_lost
    assert (restored.events_base, restored.eve_index) == (base, eve_index)
    replay(venue, restored, log, engine)
    assert (venue.folder / "events.log").read_bytes() == before
    assert engine.digest() == venue.one.engine.digest()


def test_a_crash_right_after_the_change_ends_the_day_once_more(venue: Venue) -> None:
    """No snapshot of the new day is durable: the file is taken back from the archive."""
    venue.trade()
    venue.write()
    [restored_from] = snapshot_file.newest_first(venue.folder / "snapshots")
    venue.trade()
    _, base = venue.roll(20261124)
    restored, log, engine = venue.start_anew()
    assert restored.log_index == snapshot_file.read(restored_from).log_index
    assert (log.base, log.event_seq) == (0, engine.event_seq)
    log.close()
    assert base > engine.event_seq


def test_outputs_that_no_log_here_can_make_are_missing(venue: Venue) -> None:
    """The state is right and votes; what it lacks the other nodes have."""
    venue.trade()
    venue.roll(20261124)
    venue.trade()
    venue.write()
    newest, *others = snapshot_file.newest_first(venue.folder / "snapshots")
    for path in others:
        path.unlink()
    (venue.folder / "events.log").unlink()
    snapshot = snapshot_file.read(newest)
    restored, log, engine = venue.start_anew(log_base=snapshot.log_index)
    assert restored.missing_crc == snapshot.events_crc
    assert (log.base, log.missing) == (snapshot.events_base, snapshot.event_seq - log.base)
    assert engine.digest() == snapshot.digest
    log.close()


def test_a_log_that_begins_behind_every_snapshot_is_no_start(venue: Venue) -> None:
    venue.trade()
    venue.write()
    (venue.folder / "events.log").write_bytes(b"")
    with pytest.raises(SettingsError, match="no snapshot to start from"):
        venue.start_anew(log_base=1_000)


def test_what_is_missing_is_refused_and_not_made_up(venue: Venue) -> None:
    venue.one.event_log.begin_at(100, missing_to=104)
    venue.one.index.restart()
    for request in (link.ReplayEvents(102), link.ReplaySession(SESSION, 1)):
        with pytest.raises(CannotAnswer, match="outputs are being fetched"):
            venue.one.queries.answer(request, Role.GATEWAY)
    with pytest.raises(CannotAnswer) as refused:
        venue.one.queries.answer(link.ReplayTopic("md.OAK|", 1), Role.GATEWAY)
    assert str(refused.value) == FETCHING
    assert not venue.one.snapshots.is_due(is_leading=False)
