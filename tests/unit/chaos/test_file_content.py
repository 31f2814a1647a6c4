"""What a file of the forgetful file system has on disk, before and after the power goes."""

import os
import random
from pathlib import Path

import pytest

from oms.chaos.file_content import SECTOR_BYTES, VERSIONS_MAX, Fate, FileContent

SEEDS = range(60)
FILE_BYTES_MAX = 6 * SECTOR_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The backing file."""
    return tmp_path / "file"


def opened(path: Path, content: bytes = b"") -> FileContent:
    """A file that has this content on disk."""
    path.write_bytes(content)
    return FileContent(os.open(path, os.O_RDWR))


def put(file: FileContent, offset: int, data: bytes) -> None:
    file.write(offset, memoryview(data))


def sync(file: FileContent) -> None:
    file.finish(file.capture())


def whole(file: FileContent) -> bytes:
    return file.read(0, file.size)


def outcomes(path: Path, before: bytes, *changes: bytes | int) -> set[bytes]:
    """What may be on disk after these: bytes are written at 0, a number is a new size."""
    found = set()
    for seed in range(200):
        draw = random.Random(seed)
        file = opened(path, before)
        for change in changes:
            if isinstance(change, int):
                file.resize(change)
            else:
                put(file, 0, change)
        file.cut(draw.choice(list(Fate)), draw)
        os.close(file.fd)
        found.add(path.read_bytes())
    return found


def test_what_is_written_is_read_but_not_on_disk(path: Path) -> None:
    file = opened(path, b"before")
    put(file, 3, b"XYZ and more")
    assert whole(file) == b"befXYZ and more"
    assert path.read_bytes() == b"before"


def test_what_is_synced_is_on_disk(path: Path) -> None:
    file = opened(path, b"before")
    put(file, 700, b"later")
    sync(file)
    assert path.read_bytes() == whole(file) == b"before" + bytes(694) + b"later"
    assert file.is_synced


def test_what_is_written_during_a_sync_is_not_synced(path: Path) -> None:
    """A slow sync is about what was written before it began, also in the same sector."""
    file = opened(path, bytes(SECTOR_BYTES))
    put(file, 0, b"early")
    captured = file.capture()
    put(file, 2, b"late")
    file.finish(captured)
    assert path.read_bytes()[:8] == b"early\0\0\0"
    assert whole(file)[:8] == b"ealate\0\0"
    assert file.unsynced == 1


def test_a_sync_that_ends_late_does_not_undo_a_later_one(path: Path) -> None:
    file = opened(path)
    put(file, 0, b"one")
    first = file.capture()
    put(file, 0, b"two")
    file.finish(file.capture())
    file.finish(first)
    assert path.read_bytes() == b"two"


def test_two_sectors_are_old_or_new_each_for_itself(path: Path) -> None:
    """No disk promises an order without a sync."""
    old, new = (bytes([value]) * SECTOR_BYTES for value in b"on")
    assert outcomes(path, old * 2, new * 2) == {old * 2, new * 2, old + new, new + old}


def test_a_sector_may_be_as_it_was_in_between(path: Path) -> None:
    """The kernel may have written it back at any time."""
    contents = [bytes([value]) * SECTOR_BYTES for value in b"abc"]
    assert outcomes(path, *contents) == set(contents)


def test_a_longer_file_may_be_longer_without_its_bytes(path: Path) -> None:
    assert outcomes(path, b"", b"x" * 10) == {b"", bytes(10), b"x" * 10}


def test_what_was_truncated_never_comes_back(path: Path) -> None:
    """A file that was emptied and filled again never shows a sector of its old content, unless
    nothing of the new one is there.
    """
    old, new = b"o" * SECTOR_BYTES * 2, b"n" * SECTOR_BYTES * 2
    found = outcomes(path, old, 0, new)
    assert old in found
    assert new in found
    assert b"" in found
    assert all(b"o" not in content for content in found - {old})


def test_zeros_follow_a_truncation_within_a_sector(path: Path) -> None:
    file = opened(path, b"0123456789")
    file.resize(4)
    file.resize(10)
    assert whole(file) == b"0123" + bytes(6)
    sync(file)
    assert path.read_bytes() == b"0123" + bytes(6)


def test_a_failed_sync_leaves_bytes_that_are_seen_and_never_written(path: Path) -> None:
    """As a kernel that marks the pages of a failed write clean: a second sync succeeds, and is
    worth nothing. Only writing again helps.
    """
    old, new = b"o" * SECTOR_BYTES * 8, b"n" * SECTOR_BYTES * 8
    file = opened(path, old)
    put(file, 0, new)
    file.finish(file.capture(), random.Random(1))
    sync(file)
    assert whole(file) == new
    on_disk = path.read_bytes()
    assert set(on_disk) == set(b"on")
    put(file, 0, new)
    sync(file)
    assert path.read_bytes() == new


def test_only_so_many_contents_of_a_sector_are_remembered(path: Path) -> None:
    """A file that is written at one place and never synced takes no more and more memory."""
    file = opened(path, bytes(SECTOR_BYTES))
    for number in range(VERSIONS_MAX * 3):
        put(file, 0, bytes([number]) * SECTOR_BYTES)
    assert [len(versions) for versions in file._written.values()] == [VERSIONS_MAX]


def test_a_flipped_bit_is_on_disk_and_back_after_a_second_flip(path: Path) -> None:
    file = opened(path, b"\x00\x01")
    file.flip(8)
    assert path.read_bytes() == b"\x00\x00"
    file.flip(8)
    assert path.read_bytes() == b"\x00\x01"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_changes_read_as_in_a_plain_file_and_are_cut_to_what_was_there(
    path: Path, seed: int
) -> None:
    """After the cut every sector is as on disk or as it was at some time since the last sync."""
    draw = random.Random(seed)
    file, plain = opened(path), bytearray()
    states = [b""]  # since the last sync
    for _ in range(draw.randrange(40)):
        match draw.randrange(5):
            case 0:
                size = draw.randrange(FILE_BYTES_MAX)
                file.resize(size)
                plain = plain[:size] + bytes(max(0, size - len(plain)))
            case 1:
                sync(file)
                assert path.read_bytes() == plain
                states.clear()
            case _:
                offset = draw.randrange(FILE_BYTES_MAX)
                data = draw.randbytes(draw.choice([3, 300, 1500]))
                put(file, offset, data)
                plain += bytes(max(0, offset - len(plain)))
                plain[offset : offset + len(data)] = data
        assert whole(file) == plain
        states.append(bytes(plain))
    file.cut(draw.choice(list(Fate)), draw)
    left = path.read_bytes()
    assert len(left) in {len(state) for state in states}
    for start in range(0, len(left), SECTOR_BYTES):
        sector = left[start : start + SECTOR_BYTES]
        possible = {state[start : start + len(sector)] for state in states}
        assert any(_is_clipped(sector, content) for content in possible), f"sector at {start}"


def _is_clipped(sector: bytes, content: bytes) -> bool:
    """It is this content up to some place, and zeros behind: a truncation within it may be on disk
    while what was written later is not.
    """
    kept = len(sector.rstrip(b"\0"))
    return content[:kept] == sector[:kept]
