"""The forgetful file system under a real kernel: it is a file system, and it forgets.

Mounting it needs root, or root's rights in a user namespace; without them these tests are skipped,
and say so.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from oms.chaos import fuse_mount
from oms.chaos.forgetful_disk import DiskError, ForgetfulDisk, why_not

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
PATIENCE_S: Final = 20.0
SEEDS: Final = range(6)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[ForgetfulDisk]:
    """A mounted disk, empty but for a synced file `old`."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "old").write_bytes(b"old content")
    with ForgetfulDisk.over(folder) as made:
        yield made


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def contents(folder: Path) -> dict[str, bytes | str | None]:
    """Everything below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


# ---- it is a file system


@pytest.mark.parametrize("seed", SEEDS)
def test_it_does_what_an_ordinary_folder_does(
    disk: ForgetfulDisk, tmp_path: Path, seed: int
) -> None:
    """The same calls on both, at random: the same errors, the same content."""
    draw = random.Random(seed)
    plain, there = tmp_path / "plain", disk.mountpoint
    shutil.copytree(there, plain)
    names = ["a", "b", "d", "d/a", "d/b", "d/e"]
    for _ in range(150):
        old, new = draw.sample(names, 2)
        size, offset = draw.choice([0, 5, 5000, 70_000]), draw.choice([0, 3, 512, 9000])
        data = draw.randbytes(size)
        call = draw.choice([_put, _append, _resize, _move, _link, _remove, _remove_folder, _folder])
        answers = [_errno(call, root, old, new, offset, data) for root in (plain, there)]
        assert answers[0] == answers[1], (call, old, new)
        if draw.random() < 0.2 and (there / old).is_file():
            fd = os.open(there / old, os.O_RDWR)
            os.fsync(fd)
            os.close(fd)
    assert contents(there) == contents(plain)
    disk.close()
    assert contents(disk.backing) == contents(plain)


def _errno(
    call: Callable[[Path, str, str, int, bytes], None],
    root: Path, old: str, new: str, offset: int, data: bytes,
) -> int | None:  # fmt: skip
    try:
        call(root, old, new, offset, data)
    except OSError as error:
        return error.errno
    return None


def _put(root: Path, old: str, _new: str, offset: int, data: bytes) -> None:
    fd = os.open(root / old, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(fd, data, offset)
    assert os.pread(fd, len(data), offset) == data
    os.close(fd)


def _append(root: Path, old: str, _new: str, _offset: int, data: bytes) -> None:
    with (root / old).open("ab") as file:
        file.write(data)


def _resize(root: Path, old: str, _new: str, offset: int, _data: bytes) -> None:
    os.truncate(root / old, offset)


def _move(root: Path, old: str, new: str, _offset: int, _data: bytes) -> None:
    (root / old).rename(root / new)


def _link(root: Path, old: str, new: str, _offset: int, _data: bytes) -> None:
    (root / new).hardlink_to(root / old)


def _remove(root: Path, old: str, _new: str, _offset: int, _data: bytes) -> None:
    (root / old).unlink()


def _remove_folder(root: Path, old: str, _new: str, _offset: int, _data: bytes) -> None:
    (root / old).rmdir()


def _folder(root: Path, old: str, _new: str, _offset: int, _data: bytes) -> None:
    (root / old).mkdir()


def test_a_removed_file_can_be_used_while_it_is_open(disk: ForgetfulDisk) -> None:
    with (disk.mountpoint / "old").open("r+b") as file:
        (disk.mountpoint / "old").unlink()
        file.seek(0, os.SEEK_END)
        file.write(b" and new")
        file.flush()
        assert os.pread(file.fileno(), 100, 0) == b"old content and new"
        assert os.fstat(file.fileno()).st_nlink == 0


def test_many_names_are_listed_and_a_tree_is_removed(disk: ForgetfulDisk) -> None:
    """More than one read of the folder brings, and while names go."""
    inner = disk.mountpoint / "inner"
    inner.mkdir()
    names = {f"file-with-a-long-name-{number:05}" for number in range(600)}
    for name in names:
        (inner / name).touch()
    assert {path.name for path in inner.iterdir()} == names
    shutil.rmtree(inner)
    assert not inner.exists()


def test_modes_times_and_links_are_kept(disk: ForgetfulDisk) -> None:
    path, link = disk.mountpoint / "old", disk.mountpoint / "link"
    path.chmod(0o640)
    os.utime(path, ns=(5, 7_000_000_009))
    link.symlink_to("old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_mtime_ns == 7_000_000_009
    assert link.read_bytes() == b"old content"
    assert link.readlink() == Path("old")


def test_a_shared_mapping_sees_what_is_written_and_writes_what_is_seen(disk: ForgetfulDisk) -> None:
    fd = os.open(disk.mountpoint / "file", os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(fd, 0, 4096)
    shown = mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ)
    os.pwrite(fd, b"written", 100)
    assert shown[100:107] == b"written"
    changed = mmap.mmap(fd, 4096)
    changed[100:103] = b"MAP"
    assert os.pread(fd, 7, 100) == b"MAPtten"
    changed.flush()
    sync_folder(disk.mountpoint)
    assert (disk.backing / "file").read_bytes()[100:107] == b"MAPtten"
    for view in (shown, changed):
        view.close()
    os.close(fd)


def test_a_mapping_outlives_the_process_that_was_killed(disk: ForgetfulDisk) -> None:
    """As a node's note of the entry that it is applying: the process dies, the kernel does not."""
    program = (
        "import mmap, os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "os.posix_fallocate(fd, 0, 4096)\n"
        "mmap.mmap(fd, 4096)[8:12] = b'note'\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = disk.mountpoint / "note"
    done = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes()[8:12] == b"note"


def test_a_lock_is_held_against_another_descriptor_until_it_is_closed(disk: ForgetfulDisk) -> None:
    first, second = (os.open(disk.mountpoint / "old", os.O_RDWR) for _ in range(2))
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(first)
    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(second)


def test_a_full_disk_refuses_new_blocks_and_takes_what_was_allocated(disk: ForgetfulDisk) -> None:
    """What a node's journal relies on: a segment that was made can be filled."""
    fd = os.open(disk.mountpoint / "made", os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(fd, 0, 64 << 10)
    disk.limit_room(0)
    os.pwrite(fd, bytes(64 << 10), 0)
    for refused in (
        lambda: os.pwrite(fd, b"x", 64 << 10),
        lambda: os.posix_fallocate(fd, 0, 128 << 10),
    ):
        with pytest.raises(OSError, match="No space") as caught:
            refused()
        assert caught.value.errno == errno.ENOSPC
    room = os.statvfs(disk.mountpoint)
    assert room.f_bavail == 0
    os.ftruncate(fd, 0)
    assert os.statvfs(disk.mountpoint).f_bavail * room.f_frsize == 64 << 10
    disk.free_room()
    os.pwrite(fd, bytes(1 << 20), 0)
    os.close(fd)


# ---- it forgets


def test_what_was_synced_is_there_after_a_cut_and_the_rest_is_not(disk: ForgetfulDisk) -> None:
    with (disk.mountpoint / "old").open("r+b") as file:
        file.write(b"NEW")
        file.flush()
        os.fdatasync(file.fileno())
        file.write(b" CON")
        file.flush()
        (disk.mountpoint / "unsynced").write_bytes(b"x")
        lost = disk.forget()
        assert (lost.sectors, lost.names, lost.kept_sectors, lost.kept_names) == (1, 1, 0, 0)
        with pytest.raises(OSError, match="not connected"):
            os.write(file.fileno(), b"more")
        with pytest.raises(OSError, match="not connected"):
            os.fsync(file.fileno())
    assert contents(disk.backing) == {"old": b"NEW content"}
    disk.restore()
    assert contents(disk.mountpoint) == {"old": b"NEW content"}


def test_a_cut_is_a_function_of_its_seed(tmp_path: Path, disk: ForgetfulDisk) -> None:
    """The same calls and the same seed leave the same disk; other seeds leave others."""

    def left(name: str, seed: int) -> dict[str, bytes | str | None]:
        folder = tmp_path / name
        folder.mkdir()
        with ForgetfulDisk.over(folder) as other:
            for number in range(8):
                (other.mountpoint / f"file{number}").write_bytes(b"x" * 5000)
                if number == 3:
                    sync_folder(other.mountpoint)
            other.cut(seed)
            return contents(other.backing)

    results = [left(f"disk{seed}", seed) for seed in SEEDS]
    assert len({str(result) for result in results}) > 1
    assert results == [left(f"again{seed}", seed) for seed in SEEDS]
    assert disk.count().sectors == 0


def test_a_clean_end_syncs_everything(disk: ForgetfulDisk) -> None:
    (disk.mountpoint / "file").write_bytes(b"x")
    disk.close()
    assert contents(disk.backing) == {"file": b"x", "old": b"old content"}
    assert contents(disk.mountpoint) == {}


def test_it_ends_though_somebody_has_a_file_open(disk: ForgetfulDisk) -> None:
    """What was written is synced; who goes on writing is refused."""
    fd = os.open(disk.mountpoint / "file", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, b"x")
    disk.close()
    assert disk._process.returncode == 0
    assert contents(disk.backing) == {"file": b"x", "old": b"old content"}
    for refused in (lambda: os.write(fd, b"y"), lambda: os.close(fd)):
        with pytest.raises(OSError, match="not connected"):
            refused()


def test_a_disk_that_is_given_back_leaves_an_ordinary_folder(disk: ForgetfulDisk) -> None:
    """So that whoever reads a node's folder need not know of it."""
    (disk.mountpoint / "file").write_bytes(b"x")
    disk.forget()
    disk.give_back()
    assert not disk.mountpoint.is_mount()
    assert contents(disk.mountpoint) == {"old": b"old content"}
    assert not disk.backing.exists()


def test_when_the_file_system_is_killed_only_what_was_synced_is_left(disk: ForgetfulDisk) -> None:
    (disk.mountpoint / "file").write_bytes(b"x")
    disk._process.kill()
    disk._process.wait()
    assert contents(disk.backing) == {"old": b"old content"}
    with pytest.raises(DiskError, match="has ended"):
        disk.count()


def test_it_ends_with_whoever_made_it(tmp_path: Path, disk: ForgetfulDisk) -> None:
    """A test that is killed leaves no mount behind."""
    folder = tmp_path / "other"
    folder.mkdir()
    program = (
        "import os, sys\nfrom pathlib import Path\n"
        "from oms.chaos.forgetful_disk import ForgetfulDisk\n"
        "disk = ForgetfulDisk.over(Path(sys.argv[1]))\n"
        "assert os.path.ismount(sys.argv[1])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, folder], check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not folder.is_mount())
    assert disk.mountpoint.is_mount()


# ---- other faults


def test_a_sync_fails_once_and_its_bytes_may_be_lost_for_good(disk: ForgetfulDisk) -> None:
    """As in Linux: the error is told once, and a sync after it proves nothing."""
    with (disk.mountpoint / "old").open("r+b") as file:
        disk.fail_next_sync(3)
        file.write(b"N" * 100_000)
        file.flush()
        with pytest.raises(OSError, match="Input/output") as caught:
            os.fsync(file.fileno())
        assert caught.value.errno == errno.EIO
        os.fsync(file.fileno())
    assert (disk.mountpoint / "old").read_bytes() == b"N" * 100_000
    assert set((disk.backing / "old").read_bytes()) > set(b"N")


def test_a_slow_sync_is_no_sync_until_it_is_answered(disk: ForgetfulDisk) -> None:
    disk.slow_syncs(60_000)
    fd = os.open(disk.mountpoint / "old", os.O_RDWR)
    os.pwrite(fd, b"NEW", 0)
    failed: list[OSError] = []

    def sync() -> None:
        try:
            os.fsync(fd)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    wait_until(lambda: disk.count().syncs == 1)
    assert disk.forget().sectors == 1
    thread.join()
    with contextlib.suppress(OSError):  # the power is off
        os.close(fd)
    assert len(failed) == 1
    assert contents(disk.backing) == {"old": b"old content"}


def test_slow_syncs_come_to_their_end(disk: ForgetfulDisk) -> None:
    disk.slow_syncs(20)
    with (disk.mountpoint / "old").open("r+b") as file:
        file.write(b"NEW")
        file.flush()
        os.fsync(file.fileno())
    assert (disk.backing / "old").read_bytes() == b"NEW content"


def test_a_flipped_bit_is_seen_by_who_opens_the_file_next(disk: ForgetfulDisk) -> None:
    assert (disk.mountpoint / "old").read_bytes() == b"old content"
    disk.flip("old", 5)
    assert (disk.mountpoint / "old").read_bytes() == b"Old content"
    with pytest.raises(DiskError, match="no synced file"):
        disk.flip("none", 5)


def test_it_cannot_be_mounted_where_there_is_no_folder(tmp_path: Path, disk: ForgetfulDisk) -> None:
    with pytest.raises(DiskError, match="No such file"):
        ForgetfulDisk(disk.backing, tmp_path / "nowhere")


def test_it_can_be_mounted_in_a_user_namespace(tmp_path: Path, disk: ForgetfulDisk) -> None:
    """Without root on the machine: as root of a namespace, where nothing else sees the mount."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urm", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    folder = tmp_path / "inside"
    folder.mkdir()
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from oms.chaos.forgetful_disk import ForgetfulDisk\n"
        "folder = Path(sys.argv[1])\n"
        "with ForgetfulDisk.over(folder) as disk:\n"
        "    (folder / 'file').write_bytes(b'x')\n"
        "    assert disk.forget().names == 1\n"
    )
    subprocess.run([unshare, "-Urm", sys.executable, "-c", program, folder], check=True)
    assert contents(tmp_path / "inside.backing") == {}
    assert not disk.count().names


def test_why_it_cannot_be_mounted_is_said(
    disk: ForgetfulDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who skips because of it says it, too."""
    assert disk.mountpoint.is_mount()
    monkeypatch.setattr(fuse_mount, "_DEVICE", "/dev/nothing-of-this-name")
    reason = why_not()
    assert reason is not None
    assert "/dev/nothing-of-this-name" in reason
