"""The work of `oms log skip`: an entry that kills every node that applies it is left out by all.

Called by `log.py`. The venue must be stopped, and all of its folders must be here: a node without
the order would compute another state than the others, and fence itself. Promises: the entry is the
one that was named, in the logs of a majority; no snapshot holds its effects; nothing is written
before every node was looked at.
"""

import contextlib
import getpass
import sys
import time
from pathlib import Path
from typing import Final

from oms.cli.node_folders import chosen_nodes
from oms.config import SettingsError
from oms.node import skip_orders
from oms.node.skip_orders import HASH_DIGITS, SkipOrder
from oms.node.snapshot_shelf import NodeFolder, stopped
from oms.replication import snapshot_file
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_reader import JournalReader

_READ: Final = "docs/operating.md, An entry that kills nodes"


def skip(data: Path, log_index: int, entry_hash: str, reason: str) -> int:
    """Write the order into every node's folder. Raises: SettingsError."""
    named = entry_hash.lower()
    if len(named) != HASH_DIGITS or set(named) - set("0123456789abcdef"):
        raise _refused(f"{entry_hash!r} is not {HASH_DIGITS} hex digits", "copy the whole hash")
    folders = chosen_nodes(data, None)
    order = SkipOrder(log_index, named, time.time_ns(), getpass.getuser(), reason)
    with contextlib.ExitStack() as locks:
        for folder in folders:
            locks.enter_context(stopped(folder))
        found = {folder.node_id: _hash_at(folder, log_index) for folder in folders}
        _check(found, order)
        for folder in folders:
            _check_not_kept(folder, log_index)
        for folder in folders:
            is_new = skip_orders.add(folder.path, order)
            state = "will be left out" if is_new else "is left out already"
            print(f"{folder.node_id}: log index {log_index} {state}", file=sys.stderr)
    return 0


def _hash_at(folder: NodeFolder, log_index: int) -> str:
    """Hash of a node's entry, or words for why there is none."""
    try:
        with JournalReader(
            folder.journal, cluster_id=folder.cluster_id, node_id=folder.node_id
        ) as reader:
            for entry in reader.entries(log_index, log_index):
                return skip_orders.hash_of(entry.batch) if entry.is_ours else "the log's own entry"
            return f"the log ends at index {reader.last_index}"
    except JournalDamagedError as error:
        return str(error)


def _check(found: dict[str, str], order: SkipOrder) -> None:
    """A majority has it: then it is what the others will have there, too. Raises: SettingsError."""
    having = [node_id for node_id, text in found.items() if text == order.entry_hash]
    if len(having) < len(found) // 2 + 1:
        raise _refused(
            f"no majority has that entry at log index {order.log_index}: "
            + "; ".join(f"{node_id}: {text}" for node_id, text in found.items()),
            "give index and hash as the nodes' report has them",
        )


def _check_not_kept(folder: NodeFolder, log_index: int) -> None:
    """A snapshot from behind the entry: that node lived through it. Raises: SettingsError."""
    for path in snapshot_file.newest_first(folder.snapshots):
        if int(path.stem, 16) >= log_index:
            raise _refused(
                f"{folder.node_id} has applied log index {log_index}: {path.name} is from later",
                "keep every folder: clients may have been told of it, and a node that applies it "
                "shows what is wrong with the others",
            )


def _refused(why: str, do: str) -> SettingsError:
    return SettingsError(what="nothing will be left out", why=why, do=do, read=_READ)
