"""Entries are read back many at a time; which ones must not depend on where they lie."""

import random
import secrets
from pathlib import Path

import pytest

from oms.replication import journal_cache
from oms.replication.journal import Entry
from tests.support.journals import make, reopen, wait_for_room


def test_runs_of_any_length_give_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start reads its whole log in runs: over borders of segments and of what one read takes,
    past truncated entries, and on into what is still in memory.
    """
    monkeypatch.setattr(journal_cache, "_RUN_BYTES_MAX", 8_000)
    seed = secrets.randbits(32)
    print("seed", seed)
    draw = random.Random(seed)
    make(tmp_path / "j", segment_bytes=1 << 17).close()
    journal = reopen(tmp_path / "j", 1 << 17, memory_bytes_max=20_000)
    journal.setCurrentTerm(1, None)
    wanted: list[Entry] = []
    for _ in range(200):
        if len(wanted) > 20 and draw.random() < 0.02:
            kept = len(wanted) - draw.randrange(1, 15)
            del wanted[kept:]
            journal.truncate_from(kept + 1)
        size = draw.choice((1, 100, 700, 9_000))
        wanted.append((draw.randbytes(size), len(wanted) + 1, 1))
        wait_for_room(journal, size)
        journal.add(*wanted[-1])
    for _ in range(200):
        first, count = draw.randrange(1, len(wanted) + 2), draw.randrange(0, 80)
        bytes_max = draw.choice((1, 3_000, 50_000, 1 << 30))
        expected = wanted[first - 1 : first - 1 + count]
        while len(expected) > 1 and sum(len(command) for command, _, _ in expected) > bytes_max:
            expected.pop()
        assert journal.entries(first, count, bytes_max) == expected
    journal.close()
