"""The change of the trading day: new files for the new day, the old day's into the archive.

Called by the replica (around an entry that starts a day) and by the loop (`archive_log`). In the
journal and the event log stays everything since the day's start, with the snapshot of the state
just before it, so that a node can make the day's outputs again by itself (RULES A8). Promises: the
same cut on every node, because it follows from the log alone; whatever fails here costs disk, not
the node.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES, EVENT_BYTES
from oms.messages.enums import CommandKind, EventKind
from oms.node.engine import Engine
from oms.node.event_file import ARCHIVE, EVENTS, EventFile
from oms.node.event_index import EventIndex
from oms.node.event_log import EventLog
from oms.node.snapshots import Snapshots, Taken
from oms.process_log import Log

_START_DAY: Final = int(CommandKind.START_DAY)
_DAY_STARTED: Final = int(EventKind.DAY_STARTED)


class Archiving(Protocol):
    """The verb of `ReplicatedLog` that is used here."""

    def archive(self, folder: Path, up_to_index: int) -> list[Path]:
        """Move whole segments."""


@dataclass(frozen=True, slots=True)
class Eve:
    """The state before an entry that may start a day."""

    trading_date: int
    taken: Taken


def may_start_day(entry: bytes) -> bool:
    """Whether one of the entry's commands asks for it; whether it happens, the engine says."""
    return _START_DAY in entry[BATCH_HEADER_BYTES::COMMAND_BYTES]


class TradingDays:
    """Which day it is, and what is done when it ends."""

    def __init__(
        self,
        data: Path,
        *,
        engine: Engine,
        event_log: EventLog,
        index: EventIndex,
        snapshots: Snapshots,
        say: Log,
    ) -> None:
        """`data` is the node's folder; a state that was restored says which day it is."""
        self._archive = data / ARCHIVE
        self._engine = engine
        self._event_log = event_log
        self._index = index
        self._snapshots = snapshots
        self._say = say
        self.trading_date = engine.directory().trading_date if engine.has_genesis else 0
        self._ended: Path | None = None  # folder of the day that ended last, in this process
        self._is_archived = False
        self._fault = ""  # why the log could not be archived

    def eve(self) -> Eve | None:
        """Before an entry that may start a day; None on the eve of the first day ever."""
        trading_date = self._engine.directory().trading_date if self._engine.has_genesis else 0
        return Eve(trading_date, self._snapshots.copy()) if trading_date else None

    def after(self, eve: Eve | None, events: bytes) -> None:
        """It is applied, and its events are not in the event log yet."""
        if _DAY_STARTED not in events[::EVENT_BYTES]:
            if eve is not None:
                eve.taken.drop()
            return
        self.trading_date = self._engine.directory().trading_date
        if eve is None:
            return
        base = eve.taken.snapshot.event_seq
        self._ended = self._archive / str(eve.trading_date)
        self._roll_files(base, self._ended / EVENTS)
        self._snapshots.start_day(eve.taken)
        self._is_archived = False

    def _roll_files(self, base: int, archived: Path) -> None:
        if self._event_log.missing:  # another node's archive has them
            self._event_log.begin_at(base)
            self._index.restart()
            return
        self._index.catch_up()
        try:
            self._event_log.roll(archived)
        except OSError as error:
            self._say.error("events_not_archived", reason=str(error))
            return
        self._index.roll(EventFile.open(archived))

    def archive_log(self, log: Archiving) -> None:
        """Once the snapshot of the day's eve is durable: the log before it goes to the archive."""
        eve_index = self._snapshots.eve_index
        if self._is_archived or not eve_index:
            return
        folder = self._ended or self._newest()
        if folder is None:
            return
        try:
            moved = log.archive(folder, eve_index)
        except OSError as error:
            if str(error) != self._fault:  # tried again in every turn, said once
                self._say.error("log_not_archived", reason=str(error))
            self._fault = str(error)
            return
        # What an interrupted move left comes with a later one: until nothing moves any more.
        self._is_archived, self._fault = not moved, ""
        if moved:
            self._say.info("log_archived", day=folder.name, segments=len(moved))

    def _newest(self) -> Path | None:
        """The folder of the day that ended last, after a restart: its outputs are there."""
        days = (path for path in self._archive.glob("*") if path.is_dir())
        return max(days, default=None)
