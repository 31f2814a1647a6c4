"""A full disk: refused in time, a reserve for what must go on, and back again by itself."""

import errno
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oms.replication import segment_maker
from oms.replication.journal import DiskJournal, JournalFullError
from oms.replication.segment_maker import reserve_path, segment_path
from tests.support.journals import entry, fill, make, reopen
from tests.support.raft_cluster import Fatal

SEGMENT = 16_384


class Disk:
    """Says when there is no space."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.error = 0
        self._allocate = os.posix_fallocate
        patch.setattr(os, "posix_fallocate", self.allocate)
        patch.setattr(segment_maker, "_RETRY_S", 0.005)

    def allocate(self, fd: int, offset: int, length: int) -> None:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        self._allocate(fd, offset, length)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def fill_half(folder: Path) -> tuple[DiskJournal, int]:
    """A journal that will soon want its next segment; the index of its next entry."""
    journal = make(folder, SEGMENT)
    wait(reserve_path(folder).exists)
    fill(journal, 1, 50)
    return journal, 51


def take_all(journal: DiskJournal, index: int) -> int:
    """Add as long as there is room; the index of the next entry."""
    while journal.has_room(100):
        journal.add(*entry(index))
        index += 1
    return index


def test_finding_11_full_disk_is_a_clear_refusal(tmp_path: Path, disk: Disk) -> None:
    """Ordinary entries are refused before anything is full, what is there stays readable, and
    when there is space again everything goes on.
    """
    journal, index = fill_half(tmp_path / "j")
    disk.error = errno.ENOSPC
    while not journal.is_low:
        if journal.has_room(100):
            journal.add(*entry(index))
            index += 1
    assert not journal.has_room(0)
    assert journal.has_reserve
    assert journal.position < (1, SEGMENT - 4096)
    assert str(journal.fault).startswith("ENOSPC")
    journal.truncate_from(index - 1)  # must be possible nevertheless
    journal.sync()
    assert journal[:] == [entry(i) for i in range(1, index - 1)]
    disk.error = 0
    wait(lambda: not journal.is_low)
    fill(journal, index - 1, index + 500)
    journal.close()
    journal = reopen(tmp_path / "j", SEGMENT)
    assert journal[:] == [entry(i) for i in range(1, index + 501)]
    journal.close()


def test_the_reserve_is_used_when_it_is_allowed_and_made_again(tmp_path: Path, disk: Disk) -> None:
    """Cancels must pass while the disk is full: as much as this segment and the reserve hold."""
    folder = tmp_path / "j"
    journal, index = fill_half(folder)
    disk.error = errno.ENOSPC
    journal.allow_reserve(True)
    started = index
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (journal.position[0] == 2 and journal.is_low):
        index = take_all(journal, index)
    index = take_all(journal, index)
    assert not reserve_path(folder).exists()
    assert not journal.has_reserve
    assert index - started > SEGMENT // 100  # the rest of one segment and all of the reserve
    journal.sync()
    with pytest.raises(JournalFullError, match="ENOSPC"):
        journal.add(bytes(SEGMENT), index, 1)
    journal.close(clean=False)
    journal = reopen(folder, SEGMENT)
    journal.allow_reserve(True)
    assert journal[:] == [entry(i) for i in range(1, index)]
    wait(lambda: journal.is_low)
    assert not journal.has_room(100)
    disk.error = 0
    wait(lambda: not journal.is_low)
    assert reserve_path(folder).exists()
    fill(journal, index, index + 300)
    assert journal.last_index == index + 300
    journal.close()


def test_a_missing_reserve_alone_is_low(tmp_path: Path, disk: Disk) -> None:
    """While there still is a whole segment to spend, the others can take the lead."""
    folder = tmp_path / "j"
    DiskJournal.format(folder, cluster_id=7, node_id="n1", segment_bytes=SEGMENT)
    disk.error = errno.EDQUOT
    journal = reopen(folder, SEGMENT)
    wait(lambda: journal.is_low)
    journal.allow_reserve(True)
    fill(journal, 1, 50)
    disk.error = 0
    wait(lambda: not journal.is_low)
    journal.close()


def test_an_io_error_of_the_helper_ends_the_process(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO is no lack of space: it is never tried again."""
    journal, index = fill_half(tmp_path / "j")
    disk.error = errno.EIO
    tries: list[int] = []
    allocate = disk.allocate

    def count(fd: int, offset: int, length: int) -> None:
        tries.append(length)
        allocate(fd, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", count)
    with pytest.raises(Fatal, match="journal_io_error: EIO"):
        fill(journal, index, index + 1000)
    assert len(tries) == 1
    journal.close(clean=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a file system of its own needs root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_file_system_runs_full_and_empty_again(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is injected elsewhere, said by the kernel."""
    monkeypatch.setattr(segment_maker, "_RETRY_S", 0.005)
    folder = small_disk / "j"
    journal, index = fill_half(folder)
    ballast = small_disk / "ballast"
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={ballast}", "bs=4k"], check=False, capture_output=True
    )
    while not journal.is_low:
        if journal.has_room(100):
            journal.add(*entry(index))
            index += 1
    assert not journal.has_room(100)
    journal.allow_reserve(True)
    while not (journal.position[0] == 2 and not reserve_path(folder).exists()):
        index = take_all(journal, index)
    index = take_all(journal, index)
    journal.sync()
    journal.close(clean=False)
    journal = reopen(folder, SEGMENT)
    assert journal[:] == [entry(i) for i in range(1, index)]
    ballast.unlink()
    wait(lambda: not journal.is_low and journal.has_room(100))
    assert segment_path(folder, 3).exists()
    fill(journal, index, index + 200)
    journal.close()
