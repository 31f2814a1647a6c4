"""The day's archive: whole old segments, moved out of the journal and read again beside it.

Called by journal.py (what may move, and the move) and by journal_reader.py (where everything is).
Promises: a segment is in the journal or in the archive, whenever the machine stops; the oldest
moves first and is durable in its new place before the next one moves, so the journal never has a
gap; nothing in the archive is written over. Folders: `<node>/archive/<trading date>/`.
"""

import filecmp
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from oms.replication.journal_index import index_path
from oms.replication.journal_recovery import Span
from oms.replication.segment_maker import sync_folder

ARCHIVE: Final = "archive"  # beside the journal's folder


def movable(spans: Sequence[Span], up_to_index: int) -> int:
    """How many segments, from the oldest on, hold nothing but entries up to `up_to_index`.

    The log may begin with a segment only if its header tells the term of the entry before, and if
    nothing in it or behind it reaches back over its beginning (a truncation or a base).
    """
    lowest = spans[-1].lowest
    for count in range(len(spans) - 1, 0, -1):
        first = spans[count]
        lowest = min(lowest, first.lowest)
        before = first.first_index - 1
        if first.may_be_first and before <= min(up_to_index, lowest):
            return count
    return 0


def move(segment: Path, folder: Path) -> Path:
    """Move one segment, durable after `settle`; returns where it is now. Raises: OSError.

    Its index is removed: an archive is only ever read record by record.
    """
    index_path(segment).unlink(missing_ok=True)
    target = folder / segment.name
    if target.exists():
        # A power cut between the two syncs of `settle` can leave it in both places.
        if not filecmp.cmp(segment, target, shallow=False):
            raise FileExistsError(f"{target} is there already, and is another one than {segment}")
        segment.unlink()
    else:
        segment.rename(target)
    return target


def settle(journal: Path, folder: Path) -> None:
    """Make a move durable. Raises: OSError, and then nothing is known of it any more."""
    sync_folder(folder)
    sync_folder(journal)


def make_folder(folder: Path) -> None:
    """Make an archive's folder, and those above it, durably. Raises: OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def find_segments(journal: Path, archive: Path) -> dict[int, Path]:
    """Where each segment of a node's log is, the journal's and all archives'.

    The archive is looked at last: a segment that moves meanwhile is found there.
    """
    found = {int(path.name[-8:]): path for path in journal.glob("segment-????????")}
    found |= {int(path.name[-8:]): path for path in archive.glob("*/segment-????????")}
    return dict(sorted(found.items()))
