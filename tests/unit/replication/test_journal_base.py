"""A log that begins behind a base: at every byte of it there is one log, the old or the new one."""

import random
import shutil
from pathlib import Path

import pytest

from oms.replication import journal as journal_module
from oms.replication.elections import LogEnd
from oms.replication.errors import JournalDamagedError, ReplicationError
from oms.replication.journal import DiskJournal
from oms.replication.journal_reader import JournalReader
from oms.replication.journal_recovery import base_of, recover
from oms.replication.segment_maker import segment_path
from tests.support.journals import CLUSTER, copy, entry, fill, flip, make, reopen, wait_for_room
from tests.support.raft_cluster import Fatal, raise_fatal
from tests.support.raft_simulation import Disk, PowerCut, PromptMaker

SEGMENT = 8192


def open_at(folder: Path, start_index: int) -> DiskJournal:
    return DiskJournal.open(
        folder,
        cluster_id=CLUSTER,
        node_id="n1",
        start_index=start_index,
        segment_bytes=SEGMENT,
        memory_bytes_max=1 << 20,
        on_fatal=raise_fatal,
    )


def test_a_log_goes_on_behind_its_base(tmp_path: Path) -> None:
    """A follower that installed a snapshot has none of the entries before it, and no others."""
    journal = make(tmp_path / "j")
    fill(journal, 1, 10)
    journal.setCurrentTerm(4, "n2")
    journal.rebase(50, 3)
    for _ in range(2):
        assert (journal.base_index, journal.base_term, journal.first_index) == (50, 3, 51)
        assert (journal.last_index, journal.end) == (50, LogEnd(3, 50))
        assert (journal[-1], journal[0], len(journal)) == ((b"", 50, 3), (b"", 50, 3), 1)
        assert (journal.getCurrentTerm(), journal.getVotedForNodeId()) == (4, "n2")
        assert journal.getRaftCommitIndex() == 50
        assert journal.entries(51, 9, 1 << 20) == []
        with pytest.raises(ReplicationError, match="begins behind 50"):
            journal.entries(50, 9, 1 << 20)
        with pytest.raises(ReplicationError, match="begins behind 50"):
            journal.term_at(49)
        journal.close()
        journal = reopen(tmp_path / "j")
    fill(journal, 51, 60, term=4)
    journal.truncate_from(58)
    journal.truncate_from(56)
    assert (journal.term_at(50), journal.term_at(51), journal.first_of_term_at(55)) == (3, 4, 51)
    journal.close()
    journal = reopen(tmp_path / "j")
    assert journal[1:] == [entry(index, 4) for index in range(51, 56)]
    journal.truncate_from(51)
    assert journal[-1] == (b"", 50, 3)
    journal.close()


def test_crash_at_any_byte_of_a_base_leaves_one_of_the_two_logs(tmp_path: Path) -> None:
    """The base and what follows it are written; the machine stops at any byte."""
    journal = make(tmp_path / "j", segment_bytes=4096)
    fill(journal, 1, 8)
    journal.sync()
    before = journal.bytes_used
    copy(tmp_path / "j", tmp_path / "old")
    journal.setCurrentTerm(5, None)
    journal.rebase(20, 4)
    fill(journal, 21, 22, term=5)
    after = journal.bytes_used
    journal.close(clean=False)
    new = segment_path(tmp_path / "j", 1).read_bytes()
    target = segment_path(tmp_path / "old", 1)
    seen = set()
    for cut in range(before, after + 1):
        target.write_bytes(new[:cut] + bytes(4096 - cut))
        log = recover(tmp_path / "old", cluster_id=CLUSTER, node_id="n1").map
        seen.add((log.base_index, log.base_term, log.last_index))
    assert seen == {(0, 0, 8), (20, 4, 20), (20, 4, 21), (20, 4, 22)}


def test_every_flipped_bit_around_a_base_is_refused(tmp_path: Path) -> None:
    """A base that is damaged must not bring the old log back: it was acknowledged by then."""
    journal = make(tmp_path / "j", segment_bytes=4096)
    fill(journal, 1, 2)
    start = journal.bytes_used
    journal.rebase(20, 1)
    fill(journal, 21, 22)
    end = journal.bytes_used
    journal.close()
    for bit in range(start * 8, end * 8):
        flip(segment_path(tmp_path / "j", 1), bit)
        with pytest.raises(JournalDamagedError):
            recover(tmp_path / "j", cluster_id=CLUSTER, node_id="n1")
        flip(segment_path(tmp_path / "j", 1), bit)
    assert recover(tmp_path / "j", cluster_id=CLUSTER, node_id="n1").map.last_index == 22


def test_a_torn_tail_behind_a_base_is_cut_and_a_hole_before_it_is_not(tmp_path: Path) -> None:
    """Which of the two it is, is decided across the base as it is anywhere."""
    journal = make(tmp_path / "j", segment_bytes=4096)
    fill(journal, 1, 5)
    journal.rebase(20, 1)
    fill(journal, 21, 23)
    journal.sync()
    hole = journal.bytes_used
    fill(journal, 24, 26)
    journal.close(clean=False)
    path = segment_path(tmp_path / "j", 1)
    data = bytearray(path.read_bytes())
    data[hole : hole + 50] = bytes(50)
    path.write_bytes(data)
    journal = reopen(tmp_path / "j", 4096)
    assert (journal.base_index, journal.last_index) == (20, 23)
    journal.close()
    data[150:190] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(JournalDamagedError, match="not whole") as caught:
        reopen(tmp_path / "j", 4096)
    assert caught.value.log_index == 1


def test_snapshot_and_log_must_meet(tmp_path: Path) -> None:
    """A start with a gap between the two would leave entries out, or vote without them."""
    journal = make(tmp_path / "j", SEGMENT)
    fill(journal, 1, 10)
    journal.rebase(50, 1)
    fill(journal, 51, 60)
    journal.close()
    for start in (50, 55, 60):
        open_at(tmp_path / "j", start).close()
    for start, reason in ((49, "begins behind 50"), (0, "begins behind 50"), (61, "ends there")):
        with pytest.raises(JournalDamagedError, match=reason) as caught:
            open_at(tmp_path / "j", start)
        assert "docs/operating.md" in caught.value.reason
    open_at(tmp_path / "j", 50).close()  # a refusal lets go of the folder


def test_a_base_that_makes_no_sense_is_fatal(tmp_path: Path) -> None:
    journal = make(tmp_path / "j")
    fill(journal, 1, 10)
    journal.rebase(50, 1)
    with pytest.raises(Fatal, match="journal_misuse"):
        journal.rebase(49, 1)
    with pytest.raises(Fatal, match="journal_misuse"):
        journal.rebase(60, 2)  # of a term that was never stored
    with pytest.raises(Fatal, match="journal_misuse"):
        journal.truncate_from(50)
    journal.close()


def test_the_reader_begins_behind_the_base(tmp_path: Path) -> None:
    """What is before it is in a snapshot: it is no part of this node's log any more."""
    journal = make(tmp_path / "j")
    fill(journal, 1, 10)
    journal.rebase(50, 1)
    fill(journal, 51, 55)
    journal.close()
    with JournalReader(tmp_path / "j", cluster_id=CLUSTER, node_id="n1") as reader:
        assert (reader.damage, reader.bases) == (None, 1)
        assert (reader.base_index, reader.first_index, reader.last_index) == (50, 51, 55)
        assert [found.log_index for found in reader.entries()] == [51, 52, 53, 54, 55]


def test_the_base_can_be_asked_for_without_opening(tmp_path: Path) -> None:
    """A start must know it before it chooses a snapshot; nothing is changed by asking."""
    journal = make(tmp_path / "j")
    fill(journal, 1, 10)
    journal.rebase(50, 1)
    fill(journal, 51, 55)
    journal.close(clean=False)
    torn = segment_path(tmp_path / "j", 1)
    data = bytearray(torn.read_bytes())
    data[len(data.rstrip(b"\0")) + 40] = 1
    torn.write_bytes(data)
    before = {path.name: path.read_bytes() for path in (tmp_path / "j").iterdir()}
    assert base_of(tmp_path / "j", cluster_id=CLUSTER, node_id="n1") == 50
    assert {path.name: path.read_bytes() for path in (tmp_path / "j").iterdir()} == before


class Model:
    """What must be found again: the log as it is, and the ones that a power cut may bring back."""

    def __init__(self) -> None:
        self.base = (0, 0)
        self.entries: list[tuple[bytes, int, int]] = []
        self.states: list[tuple[tuple[int, int], list[tuple[bytes, int, int]]]] = []

    @property
    def last(self) -> int:
        return self.base[0] + len(self.entries)

    def note(self, *, synced: bool = False) -> None:
        """One more state; after a sync it is the only one."""
        if synced:
            self.states.clear()
        self.states.append((self.base, list(self.entries)))

    def matches(self, journal: DiskJournal) -> bool:
        """Whether the journal is one of the states, begun a little later if it was archived."""
        front = journal.first_index
        found = journal.entries(front, 1 << 20, 1 << 40)
        for base, entries in self.states:
            kept = [item for item in entries if item[1] >= front]
            term = {base[0]: base[1], **{item[1]: item[2] for item in entries}}
            if found == kept and term.get(journal.base_index) == journal.base_term:
                self.base, self.entries = (journal.base_index, journal.base_term), found
                return True
        return False


@pytest.mark.parametrize("seed", range(12))
def test_random_lives_of_a_journal_end_as_one_of_the_states_since_the_last_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Appends, truncations, bases and archiving, cut by kills and power cuts (every unsynced
    sector is old or new): whatever comes back was true at or after the last sync.
    """
    print(f"seed {seed}")
    rng = random.Random(seed)
    disk = Disk(rng)
    monkeypatch.setattr("os.fsync", disk.sync)
    monkeypatch.setattr("os.fdatasync", disk.sync)
    monkeypatch.setattr(journal_module, "SegmentMaker", PromptMaker)
    folder, archive, model, term = tmp_path / "j", tmp_path / "archive" / "1", Model(), 1
    DiskJournal.format(folder, cluster_id=CLUSTER, node_id="n1", segment_bytes=2048)
    journal = reopen(folder, 2048, memory_bytes_max=2000)
    journal.setCurrentTerm(term, None)
    fill(journal, 1, 1)
    journal.sync()
    model.entries.append(entry(1))
    model.note(synced=True)
    for _ in range(150):
        disk.cut_chance = 0.01
        try:
            match rng.randrange(9):
                case 0:
                    journal.sync()
                    model.note(synced=True)
                case 1 if model.entries and model.last > 1:
                    last = rng.randrange(max(1, model.base[0]), model.last + 1)
                    del model.entries[last - model.base[0] :]
                    term += 1
                    model.note()
                    journal.truncate_from(last + 1)
                case 2 if rng.random() < 0.3:
                    model.base = (model.last + rng.randrange(3), rng.randrange(1, term + 1))
                    model.entries = []
                    model.note()
                    journal.setCurrentTerm(term, None)
                    journal.rebase(*model.base)
                    model.note(synced=True)
                case 3 if model.last > 1:
                    journal.sync()
                    model.note(synced=True)
                    journal.archive(archive, rng.randrange(1, model.last + 1))
                    assert model.matches(journal)
                    model.note(synced=True)
                case 4 if rng.random() < 0.5:
                    raise PowerCut  # noqa: TRY301  # of the kernel's, as it were
                case _:
                    for _ in range(rng.randrange(1, 12)):
                        wait_for_room(journal)
                        model.entries.append(entry(model.last + 1, term))
                        model.note()
                        journal.setCurrentTerm(term, None)
                        journal.add(*model.entries[-1])
        except PowerCut:
            disk.cut_chance = 0.0
            journal.close(clean=False)
            disk.lose_power(folder, rng)
            journal = reopen(folder, 2048, memory_bytes_max=2000)
            assert model.matches(journal)
            model.note(synced=True)
    disk.cut_chance = 0.0
    journal.close()
    with JournalReader(
        folder, cluster_id=CLUSTER, node_id="n1", archive=tmp_path / "archive"
    ) as reader:
        assert reader.damage is None
        assert reader.last_index == model.last
    shutil.rmtree(folder)
