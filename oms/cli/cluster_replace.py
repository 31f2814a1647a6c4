"""The work of `oms cluster replace`: a new node takes the place of one that is lost.

Called by `cluster.py`. The venue must be stopped, because a change of the members is safe only
while none of them runs (docs/adr/0022); every node's lock is held from the first look to the last
step. Interrupted, it goes on where it was when it is run again.
"""

import contextlib
import sys
from pathlib import Path
from typing import Final

from oms.config import NodeSettings
from oms.local.folder import JOURNAL, open_unchecked
from oms.local.replacement import Replacement, refused
from oms.local.venue import LocalVenue
from oms.node import skip_orders
from oms.node.snapshot_shelf import NodeFolder, stopped
from oms.replication import vote_file
from oms.replication.errors import JournalDamagedError
from oms.replication.journal import DiskJournal

_VOTE: Final = "vote"


def replace(data: Path, old: str, new: str) -> int:
    """Put `new` in the place of `old`. Raises: SettingsError."""
    venue = LocalVenue(open_unchecked(data))
    with venue.locked(), contextlib.ExitStack() as locks:
        running = [name for name, pid in venue.pids().items() if pid is not None]
        if running:
            raise refused(f"the venue runs: {', '.join(running)}", "`oms down` first, then again")
        change = Replacement(data, old, new)
        folders = [_folder_of(change.settings_of(node_id)) for node_id in change.stayers]
        for folder in folders:
            locks.enter_context(stopped(folder))
        former = change.former()
        if former is not None:
            locks.enter_context(stopped(_folder_of(former)))
        _check_majority(folders)
        cluster_id = int(venue.folder.venue.cluster_id, 16)
        moved = change.run(
            lambda path: DiskJournal.format(
                path, cluster_id=cluster_id, node_id=new, is_joining=True
            ),
            _skip_orders(folders),
        )
    print(f"{new} takes the place of {old}; it has no vote until it has caught up")
    for path in moved:
        print(f"set aside: {path}", file=sys.stderr)
    if (data / old).exists():
        print(f"left where it is, a mount point: {data / old}", file=sys.stderr)
    return 0


def _folder_of(settings: NodeSettings) -> NodeFolder:
    return NodeFolder(
        path=Path(settings.data),
        node_id=settings.node_id,
        cluster_id=int(settings.cluster_id, 16),
        engine=settings.engine,
    )


def _check_majority(folders: list[NodeFolder]) -> None:
    """Those that stay must be able to elect without the new one. Raises: SettingsError."""
    voters = [folder for folder in folders if _is_voter(folder)]
    if len(voters) < (len(folders) + 1) // 2 + 1:
        raise refused(
            f"of the {len(folders) + 1} nodes only {', '.join(item.node_id for item in voters)} "
            "would have a vote and a journal: no majority could elect a leader",
            "bring the other nodes back first (`oms up`, `oms cluster health`); a venue that has "
            "lost a majority comes back from a backup",
        )


def _is_voter(folder: NodeFolder) -> bool:
    try:
        return not vote_file.is_joining(folder.path / JOURNAL / _VOTE, folder.cluster_id)
    except (JournalDamagedError, OSError):
        return False


def _skip_orders(folders: list[NodeFolder]) -> dict[str, bytes]:
    """The orders of those that stay: without them the new node would compute another state."""
    files = [folder.path / skip_orders.FILE_NAME for folder in folders]
    found = {path.read_bytes() if path.exists() else b"" for path in files}
    if len(found) > 1:
        raise refused(
            f"{' and '.join(str(path) for path in files)} are not the same",
            "copy the longer one over the other; every node must leave out the same entries",
        )
    content = found.pop()
    return {skip_orders.FILE_NAME: content} if content else {}
