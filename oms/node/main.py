"""A node's process: settings -> objects -> run. `python -m oms.node.main --settings node.toml`.

Called by the local venue or by an init system. Exit code 0 after SIGTERM, 2 when settings or
folders cannot be used (four lines say why), 1 when the node itself failed. Nothing but composition
is here.
"""

import argparse
import fcntl
import gc
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from oms.config import NodeSettings, SettingsError, load
from oms.node import affinity, genesis, poison, restoring
from oms.node.clock import Clock
from oms.node.clock_watch import ClockWatch
from oms.node.digests import DigestWatch
from oms.node.egress import Egress
from oms.node.engine import Engine, make_engine
from oms.node.event_index import EventIndex
from oms.node.event_log import EventLog
from oms.node.feed import Feed
from oms.node.ingress import Ingress
from oms.node.leases import Leases
from oms.node.loop import Loop, Parts
from oms.node.node_sockets import NodeSockets
from oms.node.outputs_fetch import OutputsFetch
from oms.node.queries import Queries
from oms.node.replica import Replica
from oms.node.requests import Requests
from oms.node.scrub import Scrub
from oms.node.sequencer import Sequencer
from oms.node.snapshots import Snapshots
from oms.node.status import StatusReader
from oms.node.symbols import Symbols
from oms.node.trading_days import TradingDays
from oms.node.wakeup import Wakeup
from oms.process_log import Log
from oms.replication.errors import JournalDamagedError
from oms.replication.journal_recovery import base_of
from oms.replication.raft_log import RaftLog
from oms.replication.snapshot_file import path_of
from oms.replication.snapshot_receiver import intended
from oms.transport import keys

_READ = "docs/operating.md, When something does not start"


def _lock(folder: Path) -> int:
    """Hold the data folder for this process' life. Raises: SettingsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SettingsError(
            what=f"cannot use the data folder {folder}",
            why=error.strerror or str(error),
            do="let the venue's user write to it",
            read=_READ,
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise SettingsError(
            what=f"the data folder {folder} is in use",
            why="another node process holds its lock",
            do="stop that process first: `oms down --data DIR`",
            read=_READ,
        ) from error
    return fd


def _damaged(error: JournalDamagedError) -> SettingsError:
    return SettingsError(
        what=f"journal damaged at log index {error.log_index}",
        why=f"{error.reason}: no node is better than one that remembers otherwise",
        do="delete nothing: the other nodes have the entry; keep the folder, go on without",
        read="docs/operating.md, A journal is damaged",
    )


class Node:
    """All parts of one node, and the order in which they begin and end."""

    def __init__(self, settings: NodeSettings, say: Log, engine: Engine, clock: Clock) -> None:
        self._say = say
        self._lock_fd = _lock(Path(settings.data))
        self._data = Path(settings.data)
        self._cluster_id = int(settings.cluster_id, 16)
        self._node_ids = [node.node_id for node in settings.nodes]
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._cores = affinity.available()
        self._guard = poison.open_guard(
            self._data, cluster_id=self._cluster_id, node_id=settings.node_id, say=say
        )
        self._event_log = EventLog(self._data / "events.log")
        snapshot_folder = self._data / "snapshots"
        snapshot_folder.mkdir(exist_ok=True)
        self._restored = restoring.restore_newest(
            self._data,
            engine=self._engine,
            event_log=self._event_log,
            cluster_id=self._cluster_id,
            log_base=self._log_base,
            say=say,
        )
        is_new = not self._restored.log_index
        self._genesis = genesis.load_entries(Path(settings.genesis)) if is_new else []
        self._sockets = NodeSockets(settings)
        self.wakeup = Wakeup()
        self.parts = self._compose(snapshot_folder)

    def _compose(self, snapshot_folder: Path) -> Parts:
        """From the outside in: sockets, what reads the state, what changes it, the log last."""
        settings, engine, event_log, say = self._settings, self._engine, self._event_log, self._say
        clock, symbols, index = self._clock, Symbols(engine), EventIndex(event_log)
        pull, pub, feed_socket, router = self._sockets.doors()
        feed = Feed(feed_socket, index, symbols, say)
        egress, leases, sequencer = Egress(pub, feed), Leases(), Sequencer(engine, self._genesis)
        digests = DigestWatch(len(settings.nodes))
        scrub = Scrub(engine, digests)
        snapshots = self._snapshots(snapshot_folder)
        days = TradingDays(
            self._data,
            engine=engine,
            event_log=event_log,
            index=index,
            snapshots=snapshots,
            say=say,
        )
        clock_watch = ClockWatch(len(settings.nodes))
        status = self._status(days, clock_watch, scrub)
        queries = Queries(
            engine=engine,
            event_log=event_log,
            index=index,
            symbols=symbols,
            status=status.status,
            digest_at=digests.at,
        )
        requests = Requests(
            router, queries=queries, sequencer=sequencer, not_leader=status.not_leader, say=say
        )
        replica = Replica(
            engine=engine,
            event_log=event_log,
            egress=egress,
            sequencer=sequencer,
            digests=digests,
            scrub=scrub,
            guard=self._guard,
            days=days,
            clock=clock,
            say=say,
            on_submits_applied=requests.on_submits_applied,
        )
        return Parts(
            log=self._raft_log(replica, snapshots),
            replica=replica,
            event_log=event_log,
            index=index,
            sequencer=sequencer,
            leases=leases,
            digests=digests,
            clock_watch=clock_watch,
            ingress=Ingress(pull, sequencer, leases, say),
            egress=egress,
            feed=feed,
            requests=requests,
            status=status,
            days=days,
            snapshots=snapshots,
            fetch=self._fetch(),
            zap=self._sockets.zap,
            peers=self._sockets.statuses(),
            wakeup=self.wakeup,
            clock=clock,
            say=say,
            genesis_entries=len(self._genesis),
        )

    def _log_base(self) -> int:
        """Where the journal begins; read only when the newest snapshot cannot be used."""
        folder = self._data / "journal"
        intent = intended(folder, self._cluster_id)
        if intent is not None and path_of(self._data / "snapshots", intent[0]).exists():
            return intent[0]  # a crash interrupted the installation, and the log will carry it out
        if not folder.is_dir() or not any(folder.iterdir()):
            return 0  # not made yet
        try:
            return base_of(folder, cluster_id=self._cluster_id, node_id=self._settings.node_id)
        except JournalDamagedError as error:
            raise _damaged(error) from error

    def _status(self, days: TradingDays, clock_watch: ClockWatch, scrub: Scrub) -> StatusReader:
        return StatusReader(
            node_id=self._settings.node_id,
            engine=self._engine,
            event_log=self._event_log,
            days=days,
            clock=self._clock,
            clock_watch=clock_watch,
            cluster_id=self._cluster_id,
            durability=self._settings.durability,
            scrub=scrub,
            skip_orders=self._guard.order_count,
            say=self._say,
        )

    def _snapshots(self, folder: Path) -> Snapshots:
        return Snapshots(
            folder,
            engine=self._engine,
            event_log=self._event_log,
            cluster_id=self._cluster_id,
            turn=self._node_ids.index(self._settings.node_id),
            node_count=len(self._node_ids),
            say=self._say,
            events_base=self._restored.events_base,
            eve_index=self._restored.eve_index,
            events_crc=self._restored.events_crc,
        )

    def _raft_log(self, replica: Replica, snapshots: Snapshots) -> RaftLog:
        self._check_journal()
        try:
            return RaftLog(
                self._settings.node_id,
                {node.node_id: node.raft for node in self._settings.nodes},
                self._cluster_id,
                keys.load_cluster_key(Path(self._settings.keys)),
                self._data / "journal",
                on_commit=replica.on_commit,
                on_skip=replica.on_skip,
                start_index=self._restored.log_index,
                snapshot_source=snapshots,
                snapshot_folder=self._data / "snapshots",
                on_installed=self._on_installed,
                report=lambda event, values: self._say.warning(event, **values),
            )
        except JournalDamagedError as error:
            raise _damaged(error) from error

    def _check_journal(self) -> None:
        """Beginning with an empty journal, this node could deny what it voted for and acknowledged.

        Raises: SettingsError.
        """
        journal, node_id = self._data / "journal", self._settings.node_id
        if not self._settings.has_journal or (journal.is_dir() and any(journal.iterdir())):
            return
        raise SettingsError(
            what=f"the journal of {node_id} is gone: {journal}",
            why="it was made with this folder; a node never starts empty under its old name",
            do=f"stop the venue, then `oms cluster replace {node_id} NEW` with a name never used",
            read="docs/operating.md, Replace a node",
        )

    def _fetch(self) -> OutputsFetch | None:
        """Who brings the outputs that are missing, if any are."""
        crc = self._restored.missing_crc
        if crc is None:
            return None
        return OutputsFetch(self._event_log, self._sockets.routers(), crc=crc, say=self._say)

    def _on_installed(self, log_index: int, path: Path) -> None:
        """The leader's snapshot is here: this process' state is of the past."""
        self._say.warning("snapshot_installed", log_index=log_index, file=path.name)
        self.wakeup.is_restart_wanted = True

    def run(self) -> None:
        """Run until asked to stop, then stop cleanly. Starts the process anew if a snapshot was
        installed: the same way as any start.
        """
        self.wakeup.catch_signals()
        if self._settings.core is not None:
            affinity.pin(self._settings.core)
        gc.collect()
        gc.freeze()  # what exists now lives as long as the process: no collection looks at it again
        self._say.info(
            "started",
            pid=os.getpid(),
            engine=self._settings.engine,
            applied_index=self._engine.applied_index,
            event_seq=self._event_log.event_seq,
        )
        Loop(self.parts).run()
        self._stop()
        if self.wakeup.is_restart_wanted and not self.wakeup.is_stop_wanted:
            affinity.unpin(self._cores)
            os.execv(  # noqa: S606  # this very command line, as it was given
                sys.executable, [sys.executable, *sys.orig_argv[1:]]
            )

    def _stop(self) -> None:
        """The log first: once it is synced and closed, the others elect without waiting."""
        parts = self.parts
        is_sound = not parts.status.standing.is_fenced
        if is_sound:
            parts.requests.stop_accepting()
            parts.log.close()
        parts.requests.refuse_snapshots("this node is stopping")
        parts.requests.transfers.refuse_all("this node is stopping")
        has_genesis = parts.replica.entries_applied >= parts.genesis_entries
        is_current = not self.wakeup.is_restart_wanted
        parts.snapshots.stop(is_last_wanted=is_sound and has_genesis and is_current)
        self._event_log.close()
        self._guard.close()
        self._sockets.close()
        self._say.info("stopped", applied_index=self._engine.applied_index)


def main(make: Callable[[str], Engine] = make_engine, make_clock: type[Clock] = Clock) -> int:
    """Run a node; returns the exit code. `make` makes the engine that the settings name; tests
    give another engine or clock.
    """
    parser = argparse.ArgumentParser(prog="oms.node.main", description="One node of a venue.")
    parser.add_argument("--settings", type=Path, required=True, help="node.toml")
    arguments = parser.parse_args()
    say = Log("?", sys.stderr)
    try:
        settings = load(arguments.settings, NodeSettings)
        say = Log(settings.node_id, sys.stderr)
        Node(settings, say, make(settings.engine), make_clock()).run()
    except SettingsError as error:
        say.error("cannot_start", reason=str(error))
        return 2
    except Exception as error:  # noqa: BLE001  the top of the process: say why, then die
        say.error("failed", reason=repr(error), traceback=traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
