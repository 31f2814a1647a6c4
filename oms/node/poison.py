"""Entries that kill the process that applies them: noticed, reported, left out by order only.

Called by the composition root (`open_guard`) and by the replica, around every entry (RULES A15).
The index of the entry being applied stands in a small mapped file, which outlives the process (not
the machine: nothing is synced), so a start knows what the last process died of. Promises: after
two deaths at the same entry the node refuses to start, and names entry and way out; an entry is
left out only if its index and its hash are those of an order.
"""

import mmap
import os
from pathlib import Path
from typing import Final

from oms.config import SettingsError
from oms.node import skip_orders
from oms.node.skip_orders import SkipOrder
from oms.process_log import Log
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_reader import JournalReader

DEATHS_MAX: Final = 2
FILE_NAME: Final = "applying"
_READ: Final = "docs/operating.md, An entry that kills nodes"
_FILE_BYTES: Final = 4_096
_MAGIC: Final = 0x31_45_54_4F_4E_51_4F_51  # the file's first word; the version is in it
_KIND, _NOTED, _SUSPECT, _DEATHS = range(4)  # words of the file


class ApplyNote:
    """Which entry is being applied, and which one killed how many processes before.

    Words are 8 bytes, aligned and in the machine's order: a process that dies leaves each of them
    old or new. After the death of the machine the file may be older; then one death too many or
    too few is counted, and the count begins anew with the entry that is applied.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file, and count the death it tells of. Raises: OSError."""
        with path.open("a+b") as file:
            # On a full disk a write to a hole in a mapped file kills the process.
            os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)
            self._map = mmap.mmap(file.fileno(), _FILE_BYTES)
        words = self._words = memoryview(self._map).cast("Q")
        if words[_KIND] != _MAGIC:
            words[_NOTED] = words[_SUSPECT] = words[_DEATHS] = 0
            words[_KIND] = _MAGIC
        noted = words[_NOTED]
        if noted:
            words[_DEATHS] = words[_DEATHS] + 1 if noted == words[_SUSPECT] else 1
            words[_SUSPECT] = noted
            words[_NOTED] = 0
        self.suspect = words[_SUSPECT]  # 0: none

    @property
    def deaths(self) -> int:
        """Processes that died while they applied the suspect, one after the other."""
        return self._words[_DEATHS]

    def begin(self, log_index: int) -> None:
        """About to apply an entry."""
        self._words[_NOTED] = log_index

    def end(self, log_index: int) -> None:
        """It is applied."""
        self._words[_NOTED] = 0
        if log_index == self.suspect:
            self.clear()

    def clear(self) -> None:
        """Nothing is suspected any more."""
        self._words[_SUSPECT] = self._words[_DEATHS] = self.suspect = 0

    def close(self) -> None:
        """Unmap the file."""
        self._words.release()
        self._map.close()


class EntryGuard:
    """What the replica asks and tells before and after each entry."""

    def __init__(self, note: ApplyNote, orders: dict[int, SkipOrder], say: Log) -> None:
        self._note = note
        self._orders = orders
        self._say = say
        self.begin = note.begin
        self.end = note.end

    @property
    def order_count(self) -> int:
        """Entries that this node was ordered to leave out."""
        return len(self._orders)

    def must_skip(self, log_index: int, entry: bytes) -> bool:
        """Whether an order names this entry. Raises: WrongSkipOrder."""
        order = skip_orders.find(self._orders, log_index, entry)
        if order is None:
            return False
        self._say.error(
            "entry_skipped",
            log_index=log_index,
            hash=order.entry_hash,
            ordered_by=order.ordered_by,
            ordered_at_ns=order.ordered_at_ns,
            reason=order.reason,
        )
        if log_index == self._note.suspect:
            self._note.clear()
        return True

    def close(self) -> None:
        """Close the note."""
        self._note.close()


def open_guard(data: Path, *, cluster_id: int, node_id: str, say: Log) -> EntryGuard:
    """The guard of the node whose folder is `data`. Raises: SettingsError."""
    orders = skip_orders.load(data)
    try:
        note = ApplyNote(data / FILE_NAME)
    except OSError as error:
        raise SettingsError(
            what=f"cannot use {data / FILE_NAME}",
            why=error.strerror or str(error),
            do="let the venue's user write to the node's folder",
            read=_READ,
        ) from error
    if note.suspect:
        say.warning("died_while_applying", log_index=note.suspect, deaths=note.deaths)
    if note.deaths >= DEATHS_MAX and note.suspect not in orders:
        log_index, deaths = note.suspect, note.deaths
        note.close()
        raise _report(log_index, deaths, _describe(data, log_index, cluster_id, node_id))
    return EntryGuard(note, orders, say)


def _describe(data: Path, log_index: int, cluster_id: int, node_id: str) -> str:
    """The suspect's hash, from the journal; empty when it cannot be read."""
    try:
        with JournalReader(data / "journal", cluster_id=cluster_id, node_id=node_id) as reader:
            for entry in reader.entries(log_index, log_index):
                return skip_orders.hash_of(entry.batch)
    except (SettingsError, JournalDamagedError):
        pass  # the start after this one reports it; here it only lacks a hash
    return ""


def _report(log_index: int, deaths: int, entry_hash: str) -> SettingsError:
    named = f"hash {entry_hash}" if entry_hash else "its hash cannot be read from the journal"
    return SettingsError(
        what=f"the entry at log index {log_index} killed this node {deaths} times ({named})",
        why="it is committed, so every node applies it, and every node would die of it",
        do="keep the folders for the fault's sake; to go on without this entry stop all nodes and "
        f"run `oms log skip --data DIR --index {log_index} --hash {entry_hash or 'HASH'}`",
        read=_READ,
    )
