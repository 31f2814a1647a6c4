"""A journal's folder: made empty, all or nothing, and held by one process at a time.

Called by journal.py, and by whoever makes a node's folder before it starts.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from oms.config import SettingsError
from oms.replication import journal_format as fmt
from oms.replication.segment_maker import make_segment, segment_path, sync_folder
from oms.replication.vote_file import VoteFile

FIRST_SEGMENT_BYTES: Final = 8 << 20  # the first start waits for this one to be filled


def format_folder(
    folder: Path, *, cluster_id: int, node_id: str, segment_bytes: int, is_joining: bool
) -> None:
    """Make an empty journal; `folder` must not exist or be empty. Raises: SettingsError."""
    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    make_segment(making, 1, min(segment_bytes, FIRST_SEGMENT_BYTES))
    header = fmt.SegmentHeader(
        fmt.SEGMENT_VERSION, fmt.DURABILITY_DISK, cluster_id, node_id, 1, 1, 0, 0
    )
    fd = os.open(segment_path(making, 1), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, fmt.pack_segment_header(header), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    VoteFile.create(making / "vote", cluster_id, is_joining=is_joining)
    sync_folder(making)
    try:
        making.rename(folder)
    except OSError as error:
        shutil.rmtree(making)
        raise SettingsError(
            what=f"cannot make a journal in {folder}",
            why=error.strerror or str(error),
            do="give an empty or a new folder",
            read="docs/operating.md, When something does not start",
        ) from error
    sync_folder(folder.parent)


def lock_folder(folder: Path) -> int:
    """Hold the folder; returns the descriptor to close. Raises: SettingsError when it is held."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise SettingsError(
            what=f"cannot open the journal in {folder}",
            why="another process has it open",
            do="stop the node that runs on this folder first",
            read="docs/operating.md, When something does not start",
        ) from error
    return fd
