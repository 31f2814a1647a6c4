"""Old segments move to the archive: nothing is lost on the way, wherever the machine stops."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.replication import journal_archive
from oms.replication.errors import JournalDamagedError
from oms.replication.journal import DiskJournal
from oms.replication.journal_reader import JournalReader
from oms.replication.segment_maker import segment_numbers, segment_path
from tests.support.journals import CLUSTER, copy, entry, fill, flip, make, reopen
from tests.support.raft_cluster import Fatal

SEGMENT = 4608


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node's folder with a journal of entries 1 to 400 in several segments."""
    journal = make(tmp_path / "n1" / "journal", SEGMENT)
    fill(journal, 1, 400)
    journal.close()
    return tmp_path / "n1"


def open_journal(node: Path) -> DiskJournal:
    return reopen(node / "journal", SEGMENT)


def read_all(node: Path) -> list[int]:
    """Every log index that archive and journal have, checked."""
    with JournalReader(
        node / "journal", cluster_id=CLUSTER, node_id="n1", archive=node / "archive"
    ) as reader:
        assert reader.damage is None
        return [found.log_index for found in reader.entries()]


def test_whole_segments_move_and_both_are_one_log(node: Path) -> None:
    """The journal keeps the day, the archive keeps what was before; a reader sees one log."""
    journal = open_journal(node)
    segments = journal.position[0]
    first = journal.archive(node / "archive" / "20250101", 200)
    base = journal.base_index
    assert 100 < base <= 200
    assert first == [
        node / "archive" / "20250101" / f"segment-{number:08d}"
        for number in range(1, len(first) + 1)
    ]
    assert journal.entries(base + 1, 3, 1 << 20) == [entry(base + i) for i in (1, 2, 3)]
    assert journal.term_at(base) == 1
    assert journal.archive(node / "archive" / "20250101", 200) == []
    fill(journal, 401, 402, term=2)
    journal.close()
    journal = open_journal(node)
    assert (journal.base_index, journal.base_term, journal.last_index) == (base, 1, 402)
    second = journal.archive(node / "archive" / "20250102", 402)
    assert len(first) + len(second) == segments - 1
    assert segment_numbers(node / "journal")[0] == segments
    journal.close()
    assert read_all(node) == list(range(1, 403))
    with JournalReader(node / "journal", cluster_id=CLUSTER, node_id="n1") as reader:
        assert (reader.damage, reader.base_index) == (None, journal.base_index)


def test_nothing_behind_the_given_index_moves(node: Path) -> None:
    journal = open_journal(node)
    starts = [span.first_index for span in journal._writer.spans]
    assert journal.archive(node / "archive" / "1", starts[1] - 2) == []
    assert len(journal.archive(node / "archive" / "1", starts[1] - 1)) == 1
    with pytest.raises(Fatal, match="beyond the log"):
        journal.archive(node / "archive" / "1", 401)
    journal.close()


def test_a_log_never_begins_with_what_a_later_truncation_reaches_over(tmp_path: Path) -> None:
    """The entries that a truncation keeps would be in the archive, and their terms with them."""
    journal = make(tmp_path / "j", SEGMENT)
    fill(journal, 1, 150)
    second = journal._writer.spans[1].first_index
    journal.truncate_from(second - 10)
    fill(journal, second - 10, second + 5, term=2)
    assert journal.archive(tmp_path / "a", second + 5) == []
    fill(journal, second + 6, 400, term=2)
    assert len(journal.archive(tmp_path / "a", 400)) > 2
    journal.close()
    journal = reopen(tmp_path / "j", SEGMENT)
    assert (journal.last_index, journal.term_at(journal.base_index)) == (400, 2)
    journal.close()


class Crash(Exception):
    """The process stops here."""


def steps(patch: pytest.MonkeyPatch, stop_at: int) -> list[str]:
    """Count what changes names or syncs folders, and stop before the given one."""
    done: list[str] = []

    def step(name: str) -> None:
        if len(done) == stop_at:
            raise Crash(name)
        done.append(name)

    rename, unlink, fsync, pwrite = Path.rename, Path.unlink, os.fsync, os.pwrite

    def counted_rename(path: Path, target: Path) -> Path:
        step("rename")
        return rename(path, target)

    def counted_unlink(path: Path, *, missing_ok: bool = False) -> None:
        step("unlink")
        unlink(path, missing_ok=missing_ok)

    def counted_fsync(fd: int) -> None:
        step("fsync")
        fsync(fd)

    def counted_pwrite(fd: int, data: bytes, offset: int) -> int:
        step("pwrite")
        return pwrite(fd, data, offset)

    patch.setattr(Path, "rename", counted_rename)
    patch.setattr(Path, "unlink", counted_unlink)
    patch.setattr(os, "fsync", counted_fsync)
    patch.setattr(os, "pwrite", counted_pwrite)
    return done


def crashes(node: Path, patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The node's folder as every step of an archiving leaves it."""
    for stop_at in range(100):
        now = copy(node, node.parent / f"crash-{stop_at}" / "n1")
        journal = open_journal(now)
        with patch.context() as inner:
            done = steps(inner, stop_at)
            with contextlib.suppress(Crash):
                journal.archive(now / "archive" / "1", 300)
        journal.close(clean=False)
        yield now
        if len(done) < stop_at:
            assert len(done) > 8
            return
    pytest.fail("it never ends")


def test_a_crash_at_any_step_leaves_the_whole_log_and_is_gone_on_with(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each state opens, holds what the snapshot does not, and the next call ends the move."""
    for now in crashes(node, monkeypatch):
        journal = open_journal(now)
        assert journal.base_index <= 300
        assert journal.entries(301, 200, 1 << 20) == [entry(i) for i in range(301, 401)]
        assert read_all(now) == list(range(1, 401))
        journal.archive(now / "archive" / "2", 300)
        journal.close()
        assert read_all(now) == list(range(1, 401))
        journal = open_journal(now)
        assert segment_numbers(now / "journal")[0] == journal._writer.spans[0].number > 4
        journal.close()


def test_a_power_cut_may_undo_any_of_the_moves(node: Path) -> None:
    """Renames that were not synced reach the disk in any order, or in both folders."""
    journal = open_journal(node)
    moved = journal.archive(node / "archive" / "1", 300)
    journal.close()
    assert len(moved) > 3
    for subset in range(1 << len(moved)):
        now = copy(node, node.parent / "cut" / "n1")
        for place, path in enumerate(moved):
            archived = now / "archive" / "1" / path.name
            if subset >> place & 1:
                archived.rename(now / "journal" / path.name)
        if subset == 3:
            (now / "archive" / "1" / moved[0].name).write_bytes(moved[0].read_bytes())
        journal = open_journal(now)
        assert journal.base_index > 100
        assert len(journal.archive(now / "archive" / "1", 300)) == subset.bit_count()
        journal.close()
        assert read_all(now) == list(range(1, 401))


def test_the_archive_is_never_written_over(node: Path) -> None:
    """A folder that was restored from elsewhere may hold another log's segments."""
    folder = node / "archive" / "1"
    folder.mkdir(parents=True)
    segment_path(folder, 1).write_bytes(b"another log")
    journal = open_journal(node)
    with pytest.raises(FileExistsError, match="another one"):
        journal.archive(folder, 300)
    assert segment_path(folder, 1).read_bytes() == b"another log"
    assert journal.archive(node / "archive" / "2", 300)
    journal.close()


def test_a_disk_that_fails_while_archiving_ends_the_process(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After EIO nobody knows in which of the folders a name is; a full disk is only waited for."""
    journal = open_journal(node)
    error = errno.ENOSPC

    def fail(_folder: Path) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(journal_archive, "make_folder", fail)
    with pytest.raises(OSError, match="No space left"):
        journal.archive(node / "archive" / "1", 300)
    error = errno.EIO
    with pytest.raises(Fatal, match="journal_io_error"):
        journal.archive(node / "archive" / "1", 300)
    monkeypatch.undo()
    assert journal.archive(node / "archive" / "1", 300)
    journal.close()


def test_a_lost_first_segment_is_told_from_an_archived_one(node: Path) -> None:
    journal = open_journal(node)
    journal.archive(node / "archive" / "1", 200)
    first = journal._writer.spans[0].number
    journal.close()
    segment_path(node / "journal", first).unlink()
    with pytest.raises(JournalDamagedError, match="segments missing"):
        open_journal(node)


def test_a_flipped_bit_in_the_file_that_names_the_first_segment_is_refused(node: Path) -> None:
    journal = open_journal(node)
    journal.archive(node / "archive" / "1", 200)
    journal.close()
    path = node / "journal" / "first"
    for bit in range(len(path.read_bytes()) * 8):
        flip(path, bit)
        with pytest.raises(JournalDamagedError, match="where the log begins"):
            open_journal(node)
        flip(path, bit)
    open_journal(node).close()


@pytest.mark.parametrize("has_archive", [True, False])
def test_what_is_archived_while_it_is_read_is_no_damage(
    node: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_archive: bool,  # noqa: FBT001
) -> None:
    """A reader of both finds it in its new place; one of the journal alone begins again."""
    journal = open_journal(node)
    whole_read = Path.read_bytes
    moved: list[Path] = []

    def late(path: Path) -> bytes:
        if path == segment_path(node / "journal", 2) and not moved:
            moved.extend(journal.archive(node / "archive" / "1", 300))
        return whole_read(path)

    monkeypatch.setattr(Path, "read_bytes", late)
    archive = node / "archive" if has_archive else None
    with JournalReader(
        node / "journal", cluster_id=CLUSTER, node_id="n1", archive=archive
    ) as reader:
        assert moved
        assert reader.damage is None
        assert reader.base_index == (0 if has_archive else journal.base_index)
        assert reader.archived_segments == (len(moved) if has_archive else 0)
        first = reader.first_index
        assert [found.log_index for found in reader.entries()] == list(range(first, 401))
    journal.close()
