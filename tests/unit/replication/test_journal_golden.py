"""The bytes of a journal, a vote file and a snapshot are those of the golden file, both ways.

What lies on disks is read by later versions: a change of a layout needs a version, a new golden
file and a line in CHANGELOG. Files of version 1 are still read, and go on as version 2.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Final, TypedDict

import pytest

from oms.replication import snapshot_file
from oms.replication.journal import DiskJournal, Entry
from oms.replication.journal_format import unpack_segment_header
from oms.replication.journal_reader import JournalReader
from oms.replication.segment_maker import segment_path
from oms.replication.snapshot_file import Snapshot
from oms.replication.vote_file import COPY_BYTES, VoteFile, is_joining
from tests.support.journals import CLUSTER, copy, reopen
from tests.support.raft_cluster import raise_fatal

PATH: Final = Path(__file__).resolve().parents[2] / "golden" / "journal.json"
SEGMENT: Final = 1024
NO_OP: Final = (b"\x01", 1, 0)
SNAPSHOT: Final = Snapshot(
    cluster_id=CLUSTER, log_index=30, event_seq=7_000, digest=0x0123456789ABCDEF, state=b"state",
    events_crc=0xDEADBEEF, events_base=6_000,
)  # fmt: skip


class File(TypedDict):
    """Zeros at the end are left out."""

    bytes: int
    hex: str


class Golden(TypedDict):
    """The golden file."""

    version: int
    journal: dict[str, File]
    vote: dict[str, str]
    snapshot: dict[str, str]
    journal_version_1: dict[str, File]


@pytest.fixture
def golden() -> Golden:
    loaded: Golden = json.loads(PATH.read_text())
    return loaded


def command(index: int, term: int) -> Entry:
    return (b"\x20entry %d of term %d" % (index, term), index, term)


def put(journal: DiskJournal, first: int, last: int, term: int) -> None:
    """Entries, each synced, so that every record's count of synced ones is given."""
    for index in range(first, last + 1):
        deadline = time.monotonic() + 30
        while not journal.has_room(0):  # so small a segment has room when its next one is there
            assert time.monotonic() < deadline
        journal.add(*command(index, term))
        journal.sync()


def build(folder: Path) -> None:
    """Entries, a truncation, a base, full segments, and older ones that went to the archive."""
    DiskJournal.format(folder / "journal", cluster_id=CLUSTER, node_id="n1", segment_bytes=SEGMENT)
    journal = DiskJournal(
        folder / "journal",
        cluster_id=CLUSTER,
        node_id="n1",
        segment_bytes=SEGMENT,
        on_fatal=raise_fatal,
    )
    journal.add(*NO_OP)
    journal.setCurrentTerm(1, "n2")
    put(journal, 2, 16, 1)
    journal.truncate_from(14)
    journal.setCurrentTerm(3, None)
    put(journal, 14, 20, 3)
    journal.setCurrentTerm(4, "n3")
    journal.rebase(30, 4)
    put(journal, 31, 50, 4)
    journal.archive(folder / "archive" / "20250102", 35)
    wait_for_files(folder / "journal")
    journal.close()


def wait_for_files(folder: Path) -> None:
    deadline = time.monotonic() + 30
    wanted = ("reserve", "segment-00000003.index", "segment-00000005")
    while not all((folder / name).exists() for name in wanted) or list(folder.glob("*.making")):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def content(folder: Path) -> dict[str, File]:
    """Every file of a node's folder but the lock, which is empty."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock"]
    return {
        str(path.relative_to(folder)): File(
            bytes=path.stat().st_size, hex=path.read_bytes().rstrip(b"\0").hex()
        )
        for path in paths
    }


def lay_out(files: dict[str, File], folder: Path) -> Path:
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes.fromhex(file["hex"]).ljust(file["bytes"], b"\0"))
    return folder


def test_a_journal_is_written_as_in_the_golden_file(tmp_path: Path, golden: Golden) -> None:
    build(tmp_path / "n1")
    assert content(tmp_path / "n1") == golden["journal"]


def test_the_golden_journal_is_read(tmp_path: Path, golden: Golden) -> None:
    folder = lay_out(golden["journal"], tmp_path / "n1")
    journal = reopen(folder / "journal", SEGMENT)
    assert (journal.base_index, journal.base_term, journal.first_index) == (30, 4, 31)
    assert journal[1:] == [command(index, 4) for index in range(31, 51)]
    assert (journal.getCurrentTerm(), journal.getVotedForNodeId()) == (4, "n3")
    journal.close()
    with JournalReader(
        folder / "journal", cluster_id=CLUSTER, node_id="n1", archive=folder / "archive"
    ) as reader:
        assert (reader.damage, reader.truncations, reader.bases) == (None, 1, 1)
        assert (reader.first_index, reader.last_index) == (31, 50)


def test_a_vote_is_written_and_read_as_in_the_golden_file(tmp_path: Path, golden: Golden) -> None:
    voter, joiner = tmp_path / "voter", tmp_path / "joiner"
    VoteFile.create(voter, CLUSTER)
    file = VoteFile(voter, CLUSTER)
    file.store(5, "n2")
    file.close()
    VoteFile.create(joiner, CLUSTER, is_joining=True)
    for path, name in ((voter, "voter"), (joiner, "joiner")):
        data = path.read_bytes()
        assert (
            data[:COPY_BYTES].hex() == data[4096 : 4096 + COPY_BYTES].hex() == golden["vote"][name]
        )
    for name in ("voter", "joiner", "voter_version_1"):
        one = bytes.fromhex(golden["vote"][name]).ljust(4096, b"\0")
        (tmp_path / "vote").write_bytes(one + one)
        assert is_joining(tmp_path / "vote", CLUSTER) == (name == "joiner")
        file = VoteFile(tmp_path / "vote", CLUSTER)
        assert (file.term, file.voted_for) == ((0, None) if name == "joiner" else (5, "n2"))
        file.close()


def test_a_snapshot_is_written_and_read_as_in_the_golden_file(
    tmp_path: Path, golden: Golden
) -> None:
    path = snapshot_file.write(tmp_path, SNAPSHOT)
    assert path.name == golden["snapshot"]["name"]
    assert path.read_bytes().hex() == golden["snapshot"]["version_2"]
    path.write_bytes(bytes.fromhex(golden["snapshot"]["version_1"]))
    assert snapshot_file.read(path) == Snapshot(
        CLUSTER, 30, 7_000, 0x0123456789ABCDEF, b"state", 0xDEADBEEF, 0
    )


def test_a_journal_of_version_1_opens_and_goes_on(tmp_path: Path, golden: Golden) -> None:
    """A venue is updated by starting the new version on the old folders."""
    expected = [NO_OP, *(command(index, 1) for index in range(2, 14))]
    expected += [command(index, 3) for index in range(14, 21)]
    folder = lay_out(golden["journal_version_1"], tmp_path / "j")
    journal = reopen(folder, SEGMENT)
    assert journal[:] == expected
    assert (journal.getCurrentTerm(), journal.getVotedForNodeId()) == (3, None)
    put(journal, 21, 60, 3)
    journal.close()
    journal = reopen(copy(folder, tmp_path / "k"), SEGMENT)
    assert journal[:] == expected + [command(index, 3) for index in range(21, 61)]
    versions = []
    for number in range(1, journal.position[0] + 1):
        header = unpack_segment_header(segment_path(folder, number).read_bytes())
        assert header is not None
        versions.append((header.version, header.term_before))
    assert versions[:3] == [(1, 0), (1, 0), (2, 3)]
    journal.close()


def test_a_log_does_not_begin_with_a_segment_of_version_1(tmp_path: Path, golden: Golden) -> None:
    """It does not tell the term of the entry before it: the archive waits for one that does."""
    folder = lay_out(golden["journal_version_1"], tmp_path / "j")
    journal = reopen(folder, SEGMENT)
    assert journal.archive(tmp_path / "a", 20) == []
    put(journal, 21, 60, 3)
    assert len(journal.archive(tmp_path / "a", 60)) > 2
    journal.close()
    shutil.rmtree(tmp_path / "a")
    journal = reopen(folder, SEGMENT)
    assert (journal.base_term, journal.last_index) == (3, 60)
    journal.close()
