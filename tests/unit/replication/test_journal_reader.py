"""The journal read by somebody else: all of it is checked, nothing is changed, damage is named."""

import time
from pathlib import Path

import pytest

from oms.config import SettingsError
from oms.replication.journal import DiskJournal
from oms.replication.journal_format import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, record_bytes
from oms.replication.journal_reader import JournalReader
from oms.replication.segment_maker import segment_path
from tests.support.node_on_disk import flip
from tests.support.raft_cluster import raise_fatal

CLUSTER = 7
SEGMENT = 1 << 14


def payload(index: int, term: int) -> bytes:
    return b"\x20 entry %d of term %d" % (index, term)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "j"
    DiskJournal.format(path, cluster_id=CLUSTER, node_id="n1", segment_bytes=SEGMENT)
    return path


def write(folder: Path) -> DiskJournal:
    return DiskJournal(
        folder, cluster_id=CLUSTER, node_id="n1", segment_bytes=SEGMENT, on_fatal=raise_fatal
    )


def fill(journal: DiskJournal, first: int, last: int, term: int = 1) -> None:
    journal.setCurrentTerm(max(term, journal.getCurrentTerm()), None)
    for index in range(first, last + 1):
        while not journal.has_room(64):
            time.sleep(0.001)
        journal.add(payload(index, term), index, term)


def read(folder: Path, node_id: str = "n1") -> JournalReader:
    return JournalReader(folder, cluster_id=CLUSTER, node_id=node_id)


def content(folder: Path) -> dict[str, bytes]:
    """What may not change; segments in the making come and go while a journal is open."""
    names = [*folder.glob("segment-????????"), folder / "vote", folder / "mark"]
    return {path.name: path.read_bytes() for path in names}


def test_entries_are_read_while_the_node_writes(folder: Path) -> None:
    """No lock is taken, nothing is written, and only what stood there at the time is seen."""
    journal = write(folder)
    fill(journal, 1, 10)
    journal.sync()
    before = content(folder)
    with read(folder) as reader:
        after = content(folder)
        fill(journal, 11, 20)
        found = list(reader.entries())
    journal.close()
    assert all(after[name] == data for name, data in before.items())
    assert [(item.log_index, item.term, item.batch) for item in found] == [
        (index, 1, payload(index, 1)[1:]) for index in range(1, 11)
    ]
    assert reader.damage is None


def test_reading_changes_no_byte_even_of_a_torn_end(folder: Path) -> None:
    """A start cuts a torn end off; a reader only tells of it."""
    journal = write(folder)
    fill(journal, 1, 5)
    journal.close()
    path = segment_path(folder, 1)
    data = bytearray(path.read_bytes())
    end = len(data.rstrip(b"\0")) // 8 * 8 + 8
    data[end : end + 20] = b"\x7b" * 20
    path.write_bytes(data)
    before = content(folder)
    with read(folder) as reader:
        assert (reader.last_index, reader.damage) == (5, None)
        assert 20 <= reader.unfinished_bytes <= 28
    assert content(folder) == before


def test_segments_are_joined(folder: Path) -> None:
    """A log longer than a segment, in ranges that begin and end anywhere."""
    journal = write(folder)
    fill(journal, 1, 600)
    journal.close()
    with read(folder) as reader:
        assert reader.segments > 2
        assert [item.log_index for item in reader.entries()] == list(range(1, 601))
        assert [item.log_index for item in reader.entries(199, 402)] == list(range(199, 403))
        assert [item.log_index for item in reader.entries(600, 900)] == [600]
        assert not list(reader.entries(601))


def test_entries_that_were_given_up_are_not_in_the_log(folder: Path) -> None:
    """They stay in the file; a truncation says that they do not count."""
    journal = write(folder)
    fill(journal, 1, 5)
    journal.truncate_from(4)
    fill(journal, 4, 6, term=2)
    journal.close()
    with read(folder) as reader:
        assert [item.term for item in reader.entries()] == [1, 1, 1, 2, 2, 2]
        assert (reader.truncations, reader.records, reader.last_term) == (1, 9, 2)


def test_damage_is_named_and_what_is_before_it_can_be_read(folder: Path) -> None:
    """An operator wants to see what is left of a damaged log."""
    journal = write(folder)
    fill(journal, 1, 9)
    journal.close()
    size = record_bytes(len(payload(1, 1)))
    flip(segment_path(folder, 1), SEGMENT_HEADER_BYTES + 4 * size + RECORD_HEADER_BYTES + 3)
    with read(folder) as reader:
        assert reader.damage is not None
        assert reader.damage.log_index == 5
        assert f"offset {SEGMENT_HEADER_BYTES + 4 * size}" in reader.damage.reason
        assert [item.log_index for item in reader.entries()] == [1, 2, 3, 4]


def test_damage_in_a_full_segment_is_named(folder: Path) -> None:
    """The chain of the next segment tells that something is missing."""
    journal = write(folder)
    fill(journal, 1, 600)
    journal.close()
    flip(segment_path(folder, 1), SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + 1)
    with read(folder) as reader:
        assert reader.damage is not None
        assert reader.damage.log_index == 1
        assert "does not join" in reader.damage.reason


def test_a_missing_segment_is_damage(folder: Path) -> None:
    journal = write(folder)
    fill(journal, 1, 600)
    journal.close()
    segment_path(folder, 2).unlink()
    with read(folder) as reader:
        assert reader.damage is not None
        assert "segments missing" in reader.damage.reason


def test_what_a_running_node_is_writing_is_no_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may be read before, and one behind it after a record was written: read again."""
    journal = write(folder)
    fill(journal, 1, 4)
    journal.sync()
    fill(journal, 5, 6)
    journal.close()
    size = record_bytes(len(payload(1, 1)))
    hole = slice(SEGMENT_HEADER_BYTES + 2 * size, SEGMENT_HEADER_BYTES + 3 * size)
    whole_read, reads = Path.read_bytes, []

    def early(path: Path) -> bytes:
        data = whole_read(path)
        if path != segment_path(folder, 1):
            return data
        reads.append(path)
        return data if len(reads) > 1 else data[: hole.start] + bytes(size) + data[hole.stop :]

    monkeypatch.setattr(Path, "read_bytes", early)
    with read(folder) as reader:
        assert (reader.damage, reader.last_index, len(reads)) == (None, 6, 2)


def test_another_nodes_journal_and_none_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="belongs to node n1"):
        read(folder, "n2")
    with pytest.raises(SettingsError, match="no such folder"):
        read(tmp_path / "nothing")
