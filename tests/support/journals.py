"""Small journals in a test's folder, and what may happen to their files."""

import shutil
import time
from pathlib import Path

from oms.replication.journal import DiskJournal, Entry
from tests.support.raft_cluster import raise_fatal

CLUSTER = 7
MEMORY = 1 << 20


def entry(index: int, term: int = 1) -> Entry:
    """What `fill` puts at an index."""
    return (b" entry %d of term %d" % (index, term), index, term)


def make(folder: Path, segment_bytes: int = 1 << 16) -> DiskJournal:
    """A new one."""
    DiskJournal.format(folder, cluster_id=CLUSTER, node_id="n1", segment_bytes=segment_bytes)
    return reopen(folder, segment_bytes)


def reopen(
    folder: Path, segment_bytes: int = 1 << 16, memory_bytes_max: int = MEMORY
) -> DiskJournal:
    """One that is there."""
    return DiskJournal(
        folder,
        cluster_id=CLUSTER,
        node_id="n1",
        segment_bytes=segment_bytes,
        memory_bytes_max=memory_bytes_max,
        on_fatal=raise_fatal,
    )


def fill(journal: DiskJournal, first: int, last: int, term: int = 1) -> None:
    """Entries `first` to `last`, however many segments they take."""
    journal.setCurrentTerm(max(term, journal.getCurrentTerm()), None)
    for index in range(first, last + 1):
        wait_for_room(journal)
        journal.add(*entry(index, term))


def wait_for_room(journal: DiskJournal, length: int = 100) -> None:
    """The next segment is made by a thread."""
    deadline = time.monotonic() + 30
    while not journal.has_room(length):
        assert time.monotonic() < deadline, journal.fault
        time.sleep(0.0005)


def flip(path: Path, bit: int) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def copy(folder: Path, target: Path) -> Path:
    """What a process that was killed now would leave."""
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(folder.rglob("*")):
        to = target / path.relative_to(folder)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        elif not path.name.endswith(".making"):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
    return target
