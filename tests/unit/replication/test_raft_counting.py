"""What a leader with a long log behind it does before its first entry is committed."""

from pathlib import Path

import pytest

from oms.replication.journal import DiskJournal, Entry
from tests.support.raft_cluster import Cluster


def test_a_leader_reads_no_entry_to_count_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library reads each entry for its term before it commits: after a restart that is the
    whole log, from disk, and no heartbeat leaves meanwhile. What is handed out is read once.
    """
    cluster = Cluster(tmp_path, memory_bytes_max=10_000)
    cluster.start_all()
    wanted = [b"%d" % number * 100 for number in range(200)]
    cluster.put(*wanted)
    for name in list(cluster.logs):
        cluster.kill(name)
    read: dict[DiskJournal, int] = {}
    real = DiskJournal.entries

    def counted(journal: DiskJournal, from_index: int, count: int, bytes_max: int) -> list[Entry]:
        result = real(journal, from_index, count, bytes_max)
        read[journal] = read.get(journal, 0) + len(result)
        return result

    monkeypatch.setattr(DiskJournal, "entries", counted)
    cluster.start_all()
    cluster.settle()
    leader = cluster.leader()
    journal = leader._journal
    assert cluster.entries(leader.status().node_id) == wanted
    assert read[journal] <= journal.last_index + 10  # and some of the newest, sent to the others
    cluster.close()
