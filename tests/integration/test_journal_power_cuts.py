"""The log of one node on a disk that forgets what was not synced.

Mounting such a disk needs root, or root's rights in a user namespace; without them these tests are
skipped, and say so.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.chaos.forgetful_disk import ForgetfulDisk, why_not
from tests.support.crash_load import new_seed
from tests.support.journals import entry, fill, make, reopen
from tests.support.raft_cluster import Fatal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
CUTS = 8
FAILURES = range(4)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[ForgetfulDisk]:
    """A mounted disk with an empty folder."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path / "disk"
    folder.mkdir()
    with ForgetfulDisk.over(folder) as made:
        yield made


def test_entries_that_were_synced_are_there_after_every_cut(disk: ForgetfulDisk) -> None:
    """Cut after cut on one log of several segments; what was not synced is whole or gone."""
    seed = new_seed()
    draw = random.Random(seed)
    folder = disk.mountpoint / "journal"
    journal = make(folder)
    for number in range(CUTS):
        fill(journal, journal.last_index + 1, journal.last_index + draw.randrange(400))
        journal.sync()
        synced = journal.last_index
        fill(journal, synced + 1, synced + draw.randrange(60))
        written = journal.last_index
        journal.close(clean=False)
        disk.cut(seed + number)
        disk.restore()
        journal = reopen(folder)
        assert synced <= journal.last_index <= written
        entries = journal.entries(1, journal.last_index, 1 << 30)
        assert entries == [entry(index) for index in range(1, journal.last_index + 1)]
    journal.close()


@pytest.mark.parametrize("seed", FAILURES)
def test_a_log_opened_after_a_failed_sync_is_on_disk(disk: ForgetfulDisk, seed: int) -> None:
    """The process that met the failure ended. The next one reads the entries from the kernel's
    memory, and a sync of its own would not write them: it must.
    """
    folder = disk.mountpoint / "journal"
    journal = make(folder)
    fill(journal, 1, 3)
    journal.sync()
    fill(journal, 4, 60)
    disk.fail_next_sync(seed)
    with pytest.raises(Fatal, match="Input/output"):
        journal.sync()
    journal.close(clean=False)
    journal = reopen(folder)
    vouched = journal.last_index
    assert vouched == 60
    journal.close(clean=False)
    disk.forget()
    disk.restore()
    journal = reopen(folder)
    assert journal.last_index == vouched
    journal.close()
