"""The journal: what a sync promised is found again or refused, what it did not is cut."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from oms.config import SettingsError
from oms.replication.errors import JournalDamagedError, ReplicationError
from oms.replication.journal import DiskJournal
from oms.replication.journal_format import SEGMENT_HEADER_BYTES
from oms.replication.journal_recovery import recover
from oms.replication.segment_maker import segment_path
from tests.support.journals import CLUSTER, entry, fill, flip, make, reopen
from tests.support.raft_cluster import Fatal, raise_fatal


def test_entries_come_back_after_a_clean_stop(tmp_path: Path) -> None:
    journal = make(tmp_path / "j")
    fill(journal, 1, 50)
    journal.close()
    journal = reopen(tmp_path / "j")
    assert journal[:] == [entry(index) for index in range(1, 51)]
    assert (journal[0], journal[-1], len(journal)) == (entry(1), entry(50), 50)
    journal.close()


def test_synced_entries_come_back_after_a_kill(tmp_path: Path) -> None:
    journal = make(tmp_path / "j")
    fill(journal, 1, 20)
    journal.sync()
    journal.close(clean=False)
    journal = reopen(tmp_path / "j")
    assert journal.last_index == 20
    journal.close()


def test_unsynced_tail_of_a_power_cut_is_cut_off(tmp_path: Path) -> None:
    """Pages of an unsynced group reach the disk in any order: a hole there is no damage."""
    journal = make(tmp_path / "j")
    fill(journal, 1, 20)
    journal.sync()
    hole = journal.bytes_used
    fill(journal, 21, 30)
    journal.close(clean=False)
    with segment_path(tmp_path / "j", 1).open("r+b") as file:
        file.seek(hole)
        file.write(bytes(64))
    journal = reopen(tmp_path / "j")
    assert journal[:] == [entry(index) for index in range(1, 21)]
    fill(journal, 21, 25, term=2)
    journal.close()
    journal = reopen(tmp_path / "j")
    assert journal[20:] == [entry(index, 2) for index in range(21, 26)]
    journal.close()


@pytest.mark.parametrize("has_mark", [True, False])
def test_hole_in_synced_entries_is_refused(tmp_path: Path, has_mark: bool) -> None:  # noqa: FBT001
    """Later records tell what was synced, even when the mark of a power cut is old."""
    journal = make(tmp_path / "j")
    fill(journal, 1, 10)
    journal.sync()
    start = journal.bytes_used
    fill(journal, 11, 11)
    journal.sync()
    fill(journal, 12, 12)
    journal.sync()
    journal.close()
    if not has_mark:
        (tmp_path / "j" / "mark").unlink()
    with segment_path(tmp_path / "j", 1).open("r+b") as file:
        file.seek(start)
        file.write(bytes(48))
    with pytest.raises(JournalDamagedError, match="not whole") as caught:
        reopen(tmp_path / "j")
    assert caught.value.log_index == 11


def test_lost_last_synced_entry_is_refused_by_the_mark(tmp_path: Path) -> None:
    """Nothing follows the last group: only the mark knows that it was whole."""
    journal = make(tmp_path / "j")
    fill(journal, 1, 10)
    journal.sync()
    start = journal.bytes_used
    fill(journal, 11, 11)
    journal.sync()
    journal.close(clean=False)
    with segment_path(tmp_path / "j", 1).open("r+b") as file:
        file.seek(start)
        file.write(bytes(200))
    with pytest.raises(JournalDamagedError):
        reopen(tmp_path / "j")


def test_finding_11_every_flipped_bit_is_refused(tmp_path: Path) -> None:
    """Header, records, padding: one bit of any of them, and the node does not start."""
    journal = make(tmp_path / "j", segment_bytes=4096)
    fill(journal, 1, 3)
    journal.truncate_from(3)
    fill(journal, 3, 4, term=2)
    used = journal.bytes_used
    journal.close()
    path = segment_path(tmp_path / "j", 1)
    segment_path(tmp_path / "j", 2).unlink(missing_ok=True)
    for bit in range(used * 8):
        if bit // 8 in range(72, 124) and bit % 8:
            continue  # reserved bytes of the header: one bit each is enough
        flip(path, bit)
        with pytest.raises((JournalDamagedError, SettingsError)):
            recover(tmp_path / "j", cluster_id=CLUSTER, node_id="n1")
        flip(path, bit)
    assert recover(tmp_path / "j", cluster_id=CLUSTER, node_id="n1").map.last_index == 4


def test_finding_11_crash_at_any_byte_of_a_truncation_leaves_one_of_the_two_logs(
    tmp_path: Path,
) -> None:
    """A truncation and its new entries are written; the machine stops before the sync."""
    journal = make(tmp_path / "j", segment_bytes=4096)
    fill(journal, 1, 8)
    journal.sync()
    before = journal.bytes_used
    journal.close()
    shutil.copytree(tmp_path / "j", tmp_path / "old")
    journal = reopen(tmp_path / "j", 4096)
    journal.setCurrentTerm(2, None)
    journal.truncate_from(5)
    fill(journal, 5, 6, term=2)
    after = journal.bytes_used
    journal.close(clean=False)
    new = segment_path(tmp_path / "j", 1).read_bytes()
    target = segment_path(tmp_path / "old", 1)
    legal = {8, 4, 5, 6}
    seen = set()
    for cut in range(before, after + 1):
        target.write_bytes(new[:cut] + bytes(4096 - cut))
        found = recover(tmp_path / "old", cluster_id=CLUSTER, node_id="n1")
        last = found.map.last_index
        seen.add(last)
        assert [term for _, term in found.map.runs_behind(0)] == ([1] if last in {8, 4} else [1, 2])
    assert seen == legal


def test_truncated_entries_are_gone_from_memory_and_disk(tmp_path: Path) -> None:
    journal = make(tmp_path / "j")
    fill(journal, 1, 10)
    journal.truncate_from(4)
    assert (journal.last_index, journal[-1]) == (3, entry(3))
    fill(journal, 4, 5, term=3)
    assert [journal.term_at(index) for index in range(1, 6)] == [1, 1, 1, 3, 3]
    assert journal.first_of_term_at(5) == 4
    journal.close()
    journal = reopen(tmp_path / "j")
    assert journal[:] == [entry(1), entry(2), entry(3), entry(4, 3), entry(5, 3)]
    journal.close()


def test_evicted_entries_are_read_back(tmp_path: Path) -> None:
    """A day's log does not stay in memory; a lagging follower still gets all of it."""
    folder = tmp_path / "j"
    make(folder, segment_bytes=8192).close()
    journal = reopen(folder, 8192, memory_bytes_max=2000)
    journal.setCurrentTerm(1, None)
    for index in range(1, 301):
        while not journal.has_room(100):
            pass
        journal.add(*entry(index))
    assert len(journal._cache._memory) < 20
    assert journal.entries(1, 400, 1 << 30) == [entry(index) for index in range(1, 301)]
    assert journal.entries(100, 400, 100) == [entry(index) for index in range(100, 105)]
    assert journal.entries(300, 5, 1) == [entry(300)]
    assert journal.entries(301, 5, 1) == []
    journal.truncate_from(100)
    assert journal[-1] == entry(99)
    fill(journal, 100, 110, term=2)
    assert journal.entries(98, 4, 1 << 20) == [entry(98), entry(99), entry(100, 2), entry(101, 2)]
    journal.close()
    journal = reopen(folder, 8192, memory_bytes_max=2000)
    assert journal.entries(98, 4, 1 << 20) == [entry(98), entry(99), entry(100, 2), entry(101, 2)]
    journal.close()


def test_entry_that_changed_on_disk_while_running_is_fatal(tmp_path: Path) -> None:
    make(tmp_path / "j").close()
    journal = reopen(tmp_path / "j", memory_bytes_max=1)
    fill(journal, 1, 10)
    flip(segment_path(tmp_path / "j", 1), (SEGMENT_HEADER_BYTES + 50) * 8)
    with pytest.raises(Fatal, match="entry 1 changed on disk"):
        journal.entries(1, 1, 100)
    journal.close()


def test_a_segment_found_full_still_gets_its_next(tmp_path: Path) -> None:
    """The next one is asked for only when wanted: a restart at the brim must not wait for ever."""
    make(tmp_path / "j", segment_bytes=8192).close()
    journal = reopen(tmp_path / "j", 8192)
    journal.setCurrentTerm(1, None)
    index = 1
    while journal.has_room(100) and journal.position[0] == 1:
        journal.add(*entry(index))
        index += 1
    journal.close(clean=False)
    journal = reopen(tmp_path / "j", 8192)
    while not journal.has_room(4000):
        pass
    journal.add(bytes(4000), index, 1)
    assert journal.last_index == index
    journal.close()


def test_segments_join_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    journal = make(tmp_path / "j", segment_bytes=8192)
    journal.setCurrentTerm(1, None)
    for index in range(1, 301):
        while not journal.has_room(100):
            pass
        journal.add(*entry(index))
    journal.close()
    journal = reopen(tmp_path / "j", 8192)
    assert journal.last_index == 300
    number = journal.position[0]
    assert number > 2
    journal.close()
    shutil.move(segment_path(tmp_path / "j", 2), tmp_path / "aside")
    with pytest.raises(JournalDamagedError, match="segments missing"):
        reopen(tmp_path / "j", 8192)
    shutil.copy(segment_path(tmp_path / "j", 3), segment_path(tmp_path / "j", 2))
    with pytest.raises(JournalDamagedError, match="does not join"):
        reopen(tmp_path / "j", 8192)


def test_missing_vote_file_is_refused(tmp_path: Path) -> None:
    """Without it the node might vote twice in one term."""
    make(tmp_path / "j").close()
    (tmp_path / "j" / "vote").unlink()
    with pytest.raises(JournalDamagedError, match="term and vote are lost"):
        reopen(tmp_path / "j")


def test_vote_file_older_than_the_log_is_refused(tmp_path: Path) -> None:
    journal = make(tmp_path / "j")
    shutil.copy(tmp_path / "j" / "vote", tmp_path / "old")
    fill(journal, 1, 2, term=5)
    journal.close()
    shutil.copy(tmp_path / "old", tmp_path / "j" / "vote")
    with pytest.raises(JournalDamagedError, match="older than the log"):
        reopen(tmp_path / "j")


@pytest.mark.parametrize(("cluster", "node"), [(8, "n1"), (7, "n2")])
def test_folder_of_another_cluster_or_node_is_refused(
    tmp_path: Path, cluster: int, node: str
) -> None:
    make(tmp_path / "j").close()
    with pytest.raises(SettingsError) as caught:
        DiskJournal(tmp_path / "j", cluster_id=cluster, node_id=node, on_fatal=raise_fatal)
    lines = str(caught.value).splitlines()
    assert [line[:5] for line in lines] == ["what:", "why: ", "do:  ", "read:"]


def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    journal = make(tmp_path / "j")
    with pytest.raises(SettingsError, match="another process"):
        reopen(tmp_path / "j")
    journal.close()


def test_folder_with_other_files_is_not_formatted(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "letter").write_text("mine")
    with pytest.raises(SettingsError):
        DiskJournal.format(tmp_path / "j", cluster_id=1, node_id="n1", segment_bytes=4096)
    assert [path.name for path in (tmp_path / "j").iterdir()] == ["letter"]


@pytest.mark.parametrize("has_folder", [True, False])
def test_journal_that_ends_before_the_snapshot_is_refused(
    tmp_path: Path,
    has_folder: bool,  # noqa: FBT001
) -> None:
    """An emptied node must not vote as if it had never acknowledged anything."""
    if has_folder:
        make(tmp_path / "j").close()
    with pytest.raises(JournalDamagedError, match="snapshot covers 9"):
        DiskJournal.open(
            tmp_path / "j",
            cluster_id=CLUSTER,
            node_id="n1",
            start_index=9,
            segment_bytes=4096,
            memory_bytes_max=4096,
            on_fatal=raise_fatal,
        )


def test_finding_11_failed_sync_is_fatal_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After EIO the kernel may have dropped the pages: a second fdatasync would lie."""
    journal = make(tmp_path / "j")
    fill(journal, 1, 2)
    calls = []

    def fail(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(Fatal, match="journal_io_error"):
            journal.sync()
        assert len(calls) == 1
        with pytest.raises(Fatal, match="vote_io_error"):
            journal.setCurrentTerm(9, "n2")
    journal.close(clean=False)


def test_finding_01_log_is_never_shortened_from_the_front(tmp_path: Path) -> None:
    """Finding 1: the library discards a journal it thinks older than a dump."""
    journal = make(tmp_path / "j")
    with pytest.raises(ReplicationError):
        journal.clear()
    with pytest.raises(ReplicationError):
        journal.deleteEntriesTo(1)
    assert journal.getRaftCommitIndex() == 1
    journal.close()


def test_entry_out_of_order_is_fatal(tmp_path: Path) -> None:
    journal = make(tmp_path / "j")
    fill(journal, 1, 3)
    with pytest.raises(Fatal, match="journal_misuse"):
        journal.add(*entry(5))
    with pytest.raises(Fatal, match="journal_misuse"):
        journal.truncate_from(9)
    journal.close()
