"""The day's archive: whole old segments, moved out of the journal and read again beside it.

Called by journal.py (what may move, and the move), journal_recovery.py (where the log begins) and
journal_reader.py (where everything is). Promises: a segment is in the journal or in the archive,
whenever the machine stops; nothing in the archive is written over. The archive has a folder for
each trading date, `<node>/archive/<date>/`.

The file `first` names the journal's first segment; it is on disk before any segment moves, so what
an interrupted move left behind is no part of the log, in whatever order the moves reached the disk;
the next call moves it. Without the file the first segment is 1. Little endian, 24 bytes:
0 u32 magic   4 u32 crc32 of the rest   8 u64 cluster_id   16 u64 segment_number.
"""

import filecmp
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from oms.replication.errors import JournalDamagedError
from oms.replication.journal_index import index_path
from oms.replication.journal_map import Span
from oms.replication.segment_maker import segment_numbers, segment_path, sync_folder

_MAGIC: Final = 0x5453_5246
_HEAD: Final = struct.Struct("<II")
_BODY: Final = struct.Struct("<QQ")


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


def first_segment(journal: Path, cluster_id: int) -> int:
    """The number of the journal's first segment, 0 when none was ever archived.

    Raises: JournalDamagedError when the file that says so is not whole.
    """
    try:
        data = (journal / "first").read_bytes()
    except FileNotFoundError:
        return 0
    if len(data) == _HEAD.size + _BODY.size:
        magic, crc = _HEAD.unpack_from(data)
        cluster, number = _BODY.unpack_from(data, _HEAD.size)
        is_whole = crc == zlib.crc32(data[_HEAD.size :])
        if is_whole and (magic, cluster) == (_MAGIC, cluster_id) and number:
            return int(number)
    raise JournalDamagedError(0, f"{journal / 'first'} is damaged: where the log begins is lost")


def begin_with(journal: Path, cluster_id: int, number: int) -> None:
    """Make `number` the journal's first segment. Raises: OSError, and then nothing changed."""
    body = _BODY.pack(cluster_id, number)
    making = journal / "first.making"
    fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, _HEAD.pack(_MAGIC, zlib.crc32(body)) + body, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    making.rename(journal / "first")


def move_before(journal: Path, number: int, folder: Path) -> list[Path]:
    """Move every segment before `number` to `folder`; returns where they are now. Their indexes
    are removed: an archive is only ever read record by record. Raises: OSError.
    """
    moved: list[Path] = []
    for old in segment_numbers(journal):
        if old >= number:
            break
        segment = segment_path(journal, old)
        target = folder / segment.name
        index_path(segment).unlink(missing_ok=True)
        if not target.exists():
            segment.rename(target)
        elif filecmp.cmp(segment, target, shallow=False):
            segment.unlink()  # a power cut can leave a file in both places
        else:
            raise FileExistsError(f"{target} is there already, and is another one than {segment}")
        moved.append(target)
    return moved


def make_folder(folder: Path) -> None:
    """Make an archive's folder, and those above it, durably. Raises: OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def check_numbers(journal: Path, numbers: Sequence[int], lowest: int | None) -> None:
    """Nothing may be missing between the segments, nor before them when `lowest` is given.

    Raises: JournalDamagedError.
    """
    is_whole = bool(numbers) and list(numbers) == list(range(numbers[0], numbers[-1] + 1))
    if not is_whole or (lowest is not None and numbers[0] != max(1, lowest)):
        raise JournalDamagedError(
            1, f"segments missing in {journal}: there are {list(numbers) or 'none'}"
        )


def find_segments(journal: Path, cluster_id: int, archive: Path | None) -> dict[int, Path]:
    """Where each segment of a node's log is, by number: the journal's, and with `archive` also
    what is in its folders, of a node that may be archiving meanwhile.

    Raises: JournalDamagedError when one is missing.
    """
    first = first_segment(journal, cluster_id)
    while True:
        lowest = first if archive is None else 0
        found = {n: segment_path(journal, n) for n in segment_numbers(journal) if n >= lowest}
        if archive is not None:  # looked at last: what moves meanwhile is found there
            found |= {int(path.name[-8:]): path for path in archive.glob("*/segment-????????")}
        before, first = first, first_segment(journal, cluster_id)
        if first == before:
            break
    numbers = sorted(found)
    check_numbers(journal, numbers, first if archive is None else None)
    return {number: found[number] for number in numbers}
