"""Term and vote: a node that forgets them may vote twice, and two leaders may be elected."""

import struct
import zlib
from pathlib import Path

import pytest

from oms.replication.errors import JournalDamagedError
from oms.replication.vote_file import (
    COPY_BYTES,
    COPY_OFFSETS,
    FILE_BYTES,
    VoteFile,
    is_joining,
)

CLUSTER = 7


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in which n2 was voted for in term 5, after other things."""
    VoteFile.create(tmp_path / "vote", CLUSTER)
    file = VoteFile(tmp_path / "vote", CLUSTER)
    file.store(4, None)
    file.store(5, "n2")
    file.close()
    return tmp_path / "vote"


def read(path: Path) -> tuple[int, str | None]:
    file = VoteFile(path, CLUSTER)
    file.close()
    return file.term, file.voted_for


def test_term_and_vote_come_back(path: Path) -> None:
    assert read(path) == (5, "n2")


@pytest.mark.parametrize("offset", COPY_OFFSETS)
def test_any_flipped_bit_of_either_copy_is_survived(path: Path, offset: int) -> None:
    """Both copies hold the newest pair, so one damaged copy never brings an older vote back."""
    whole = path.read_bytes()
    for bit in range(0, COPY_BYTES * 8, 11):
        damaged = bytearray(whole)
        damaged[offset + bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        assert read(path) == (5, "n2")


def test_torn_write_of_either_copy_keeps_the_old_or_the_new_pair(path: Path) -> None:
    old = path.read_bytes()
    file = VoteFile(path, CLUSTER)
    file.store(6, "n3")
    file.close()
    new = path.read_bytes()
    for cut in (0, 24, 64, 2000, 4096, 4096 + 24, 4096 + 64, FILE_BYTES):
        path.write_bytes(new[:cut] + old[cut:])
        assert read(path) in {(5, "n2"), (6, "n3")}


def test_two_damaged_copies_are_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for offset in COPY_OFFSETS:
        data[offset + 30] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalDamagedError):
        VoteFile(path, CLUSTER)


def test_file_of_another_cluster_is_refused(path: Path) -> None:
    with pytest.raises(JournalDamagedError):
        VoteFile(path, CLUSTER + 1)


def test_empty_file_is_refused(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(JournalDamagedError):
        VoteFile(path, CLUSTER)


def test_joining_is_remembered_until_it_ends(tmp_path: Path) -> None:
    """A node under a new identity that forgot this would vote without what the old one knew."""
    path = tmp_path / "vote"
    VoteFile.create(path, CLUSTER, is_joining=True)
    file = VoteFile(path, CLUSTER)
    file.store(6, "n3")
    file.close()
    assert is_joining(path, CLUSTER)
    file = VoteFile(path, CLUSTER)
    was_joining = file.is_joining
    file.end_joining()
    assert (was_joining, file.is_joining) == (True, False)
    file.close()
    assert not is_joining(path, CLUSTER)
    assert read(path) == (6, "n3")


def test_a_flipped_bit_does_not_make_a_voter(tmp_path: Path) -> None:
    VoteFile.create(tmp_path / "vote", CLUSTER, is_joining=True)
    whole = (tmp_path / "vote").read_bytes()
    for offset in COPY_OFFSETS:
        for bit in range(0, COPY_BYTES * 8, 3):
            damaged = bytearray(whole)
            damaged[offset + bit // 8] ^= 1 << (bit % 8)
            (tmp_path / "vote").write_bytes(damaged)
            assert is_joining(tmp_path / "vote", CLUSTER)


def test_looking_at_a_file_changes_nothing_and_two_damaged_copies_are_refused(path: Path) -> None:
    before = path.read_bytes()
    assert not is_joining(path, CLUSTER)
    assert path.read_bytes() == before
    with pytest.raises(JournalDamagedError):
        is_joining(path, CLUSTER + 1)


def test_a_file_of_version_1_is_read_and_becomes_version_2(tmp_path: Path) -> None:
    """A venue that is started with this version must not lose a vote."""
    body = struct.pack("<IIQQQ16s12x", 0x4554_4F56, 1, CLUSTER, 3, 5, b"n2")
    copy = body + struct.pack("<I", zlib.crc32(body))
    (tmp_path / "vote").write_bytes(copy + bytes(4096 - 64) + copy + bytes(4096 - 64))
    assert read(tmp_path / "vote") == (5, "n2")
    assert not is_joining(tmp_path / "vote", CLUSTER)
    assert (tmp_path / "vote").read_bytes()[4] == 2
