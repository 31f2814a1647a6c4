"""Indexes of full segments: a start believes them exactly as far as it may."""

import time
from pathlib import Path

import pytest

from oms.replication import journal_format, journal_index
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_format import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES
from oms.replication.journal_index import index_path
from oms.replication.journal_recovery import Recovered, recover
from oms.replication.segment_maker import segment_path
from tests.support.journals import CLUSTER, copy, entry, fill, flip, make, reopen

SEGMENT = 4608
TERMS = ((1, 90, 1), (70, 200, 3), (251, 330, 3), (300, 420, 4))  # first, last, term of each piece


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Several full segments, with truncations within and across them, and a base."""
    journal = make(tmp_path / "j", SEGMENT)
    for first, last, term in TERMS:
        if first == 251:
            journal.rebase(250, 3)
        elif first <= journal.last_index:
            journal.truncate_from(first)
        fill(journal, first, last, term)
    journal.close()
    return tmp_path / "j"


def found(folder: Path) -> Recovered:
    return recover(folder, cluster_id=CLUSTER, node_id="n1")


def told(state: Recovered) -> list[object]:
    """Everything that a start knows of the log."""
    log = state.map
    return [
        (log.base_index, log.base_term, log.last_index),
        log.runs_behind(log.base_index),
        log.positions_behind(log.base_index).tolist(),
        (state.chain, state.records, state.segment_crc),
        [(span.number, span.first_index, span.lowest, span.base) for span in state.spans],
    ]


def full_segments(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("segment-????????"))
    return [path for path in paths if any(path.read_bytes()[:128])][:-1]


def test_a_full_segment_has_an_index_that_says_what_a_walk_says(folder: Path) -> None:
    """The same state, term by term and position by position, with truncations and a base in it."""
    segments = full_segments(folder)
    assert len(segments) > 5
    with_indexes = found(folder)
    assert not with_indexes.unindexed
    written = {path: index_path(path).read_bytes() for path in segments}
    for path in written:
        index_path(path).unlink()
    walked = found(folder)
    assert told(with_indexes) == told(walked)
    assert [journal_index.pack(index) for index in walked.unindexed] == list(written.values())


def test_a_start_walks_the_last_segment_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day's log is opened at the speed of a checksum, not record by record in Python."""
    read_record, walked = journal_format.read_record, []

    def count(data: memoryview, offset: int, chain: int) -> journal_format.Record | None:
        walked.append(offset)
        return read_record(data, offset, chain)

    monkeypatch.setattr(journal_format, "read_record", count)
    state = found(folder)
    assert 0 < len(walked) < SEGMENT // 64 < state.records // 4


def test_a_missing_index_is_written_again(folder: Path) -> None:
    """After an update, a power cut, or a full disk: the next start is fast again."""
    paths = [index_path(path) for path in full_segments(folder)]
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    journal = reopen(folder, SEGMENT)
    deadline = time.monotonic() + 30
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    journal.close()
    assert [path.read_bytes() for path in paths] == before


def test_a_wrong_index_is_not_believed(folder: Path) -> None:
    """Of another segment, of an older state, or damaged in any byte: the segment is walked."""
    segments = full_segments(folder)
    expected = told(found(folder))
    path = index_path(segments[1])
    whole = path.read_bytes()
    path.write_bytes(index_path(segments[2]).read_bytes())
    assert told(found(folder)) == expected
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        state = found(folder)
        assert [index.number for index in state.unindexed] == [2]
        assert told(state) == expected
    for length in (0, 12, 127, 128, len(whole) - 8):
        path.write_bytes(whole[:length])
        assert told(found(folder)) == expected


def test_every_flipped_bit_of_a_full_segment_is_refused(folder: Path) -> None:
    """In a record, its padding, or behind the last record: with an index as without one."""
    path = full_segments(folder)[1]
    size = len(path.read_bytes())
    for bit in [*range(0, size * 8, 61), size * 8 - 1]:
        flip(path, bit)
        with pytest.raises(JournalDamagedError):
            found(folder)
        flip(path, bit)
    found(folder)


def test_damage_in_a_full_segment_is_named_by_its_entry(tmp_path: Path) -> None:
    """An operator is told which entry is in doubt, though nothing was walked until then."""
    journal = make(tmp_path / "j", SEGMENT)
    fill(journal, 1, 400)
    second = journal._writer.spans[1].first_index
    journal.close()
    record = journal_format.record_bytes(len(entry(second)[0]))
    offset = SEGMENT_HEADER_BYTES + 5 * record + RECORD_HEADER_BYTES + 2
    flip(segment_path(tmp_path / "j", 2), offset * 8)
    with pytest.raises(JournalDamagedError, match="segment 2 does not join") as caught:
        found(tmp_path / "j")
    assert caught.value.log_index == second + 5


def test_the_checksum_is_of_what_was_written(tmp_path: Path) -> None:
    """Damage between a write and the index's making must not be taken for the truth."""
    journal = make(tmp_path / "j", SEGMENT)
    fill(journal, 1, 20)
    journal.sync()
    flip(segment_path(tmp_path / "j", 1), (SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + 1) * 8)
    fill(journal, 21, 200)
    journal.close()
    assert index_path(segment_path(tmp_path / "j", 1)).exists()
    with pytest.raises(JournalDamagedError) as caught:
        found(tmp_path / "j")
    assert caught.value.log_index == 1


def test_a_segment_goes_on_being_summed_after_a_restart(tmp_path: Path) -> None:
    """Begun by one process, cut after a power loss, filled by another: one index."""
    journal = make(tmp_path / "j", SEGMENT)
    fill(journal, 1, 10)
    journal.sync()
    hole = journal.bytes_used
    fill(journal, 11, 20)
    journal.close(clean=False)
    path = segment_path(tmp_path / "j", 1)
    data = bytearray(path.read_bytes())
    data[hole : hole + 40] = bytes(40)
    path.write_bytes(data)
    journal = reopen(tmp_path / "j", SEGMENT)
    assert journal.last_index == 10
    fill(journal, 11, 200, term=2)
    journal.close()
    state = found(copy(tmp_path / "j", tmp_path / "k"))
    assert (state.unindexed, state.map.last_index) == ([], 200)
