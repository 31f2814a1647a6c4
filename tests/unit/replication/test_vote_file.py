"""Term and vote: a node that forgets them may vote twice, and two leaders may be elected."""

from pathlib import Path

import pytest

from oms.replication.errors import JournalDamagedError
from oms.replication.vote_file import COPY_BYTES, COPY_OFFSETS, FILE_BYTES, VoteFile

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
