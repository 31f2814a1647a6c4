"""A whole venue on this machine: three nodes and a gateway as processes over one data folder.

Called by `oms up`, `status`, `down`, `demo` and `replay`, and by the tests' fixture. An instance
belongs to one thread. Promises: `start` returns when orders are accepted or says which process
failed and with what last words; only processes of this folder are ever signaled; a temporary venue
leaves neither process nor file.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from oms.config import NodeAddress, SettingsError, VenueConfig
from oms.local.folder import DataFolder, format_folder, open_folder
from oms.local.ports import is_listening
from oms.local.processes import Processes, Program
from oms.local.requests import NodeRequests
from oms.messages.link import GetStatus, Status

START_TIMEOUT_S: Final = 30.0
GRACE_S: Final = 10.0
STATUS_TIMEOUT_S: Final = 0.5
POLL_S: Final = 0.02
LAST_NODE_S: Final = 3.0  # for the last node to answer, once the others accept orders
_NODE_MODULE: Final = "oms.node.main"
_GATEWAY_MODULE: Final = "gateways.binary.main"
_READ: Final = "docs/operating.md, When something does not start"


class VenueError(SettingsError):
    """The venue does not do what it was asked to: the same four lines."""


class StartCanceled(Exception):
    """`start` was told to give up; what it had started still runs until `stop`."""


def never() -> bool:
    """Nobody cancels."""
    return False


class LocalVenue:
    """See the module's header."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.node_module = ""  # what a node's process runs; "": the product's
        self.enter: dict[str, list[str]] = {}  # by process: the command that runs its command
        self._processes = Processes(folder.run, folder.logs)
        self._requests: NodeRequests | None = None

    @classmethod
    def format(
        cls,
        data_dir: Path,
        config: VenueConfig,
        *,
        node_count: int = 3,
        gateway_count: int = 1,
    ) -> Self:
        """Make a venue in an empty or new folder. Raises: SettingsError."""
        return cls(
            format_folder(data_dir, config, node_count=node_count, gateway_count=gateway_count)
        )

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """The venue that was made here. Raises: SettingsError."""
        return cls(open_folder(data_dir))

    @classmethod
    @contextlib.contextmanager
    def temporary(
        cls,
        config: VenueConfig,
        *,
        node_count: int = 3,
        gateway_count: int = 1,
        is_canceled: Callable[[], bool] = never,
    ) -> Iterator[Self]:
        """A running venue in a temporary folder; gone without a trace afterwards.

        Raises: VenueError, StartCanceled.
        """
        path = Path(tempfile.mkdtemp(prefix="quorate-"))
        try:
            venue = cls.format(
                path / "venue", config, node_count=node_count, gateway_count=gateway_count
            )
            with venue:
                venue.start(is_canceled=is_canceled)
                yield venue
        finally:
            shutil.rmtree(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # ---- where it is

    @property
    def nodes(self) -> list[NodeAddress]:
        """Every node's addresses."""
        return self.folder.venue.nodes

    @property
    def keys(self) -> Path:
        """The folder of keys."""
        return self.folder.keys

    @property
    def gateway_addresses(self) -> list[tuple[str, int]]:
        """Where the binary gateways listen."""
        split = [gateway.listen.rpartition(":") for gateway in self.folder.venue.gateways]
        return [(host, int(port)) for host, _, port in split]

    @property
    def names(self) -> list[str]:
        """Every process of the venue, gateways first: the order in which they are ended."""
        gateways = [gateway.name for gateway in self.folder.venue.gateways]
        return [*gateways, *(node.node_id for node in self.nodes)]

    def pids(self) -> dict[str, int | None]:
        """The pid of each process, None where it does not run."""
        return {name: self._processes.pid(name) for name in self.names}

    def silence(self, name: str) -> str:
        """Why a node says nothing, in a word or two."""
        if self.folder.is_lost(name):
            return "folder gone"
        return "not running" if self._processes.pid(name) is None else "no answer"

    @property
    def is_running(self) -> bool:
        """Whether any process of the venue runs."""
        return any(pid is not None for pid in self.pids().values())

    def log_file(self, name: str) -> Path:
        """Where a process's output goes."""
        return self._processes.log_file(name)

    # ---- start, stop, kill

    def start(
        self, timeout_s: float = START_TIMEOUT_S, *, is_canceled: Callable[[], bool] = never
    ) -> None:
        """Start what does not run and wait until orders are accepted.

        Raises: VenueError, also when the venue runs without a node that refuses to;
        StartCanceled soon after `is_canceled` says so.
        """
        deadline = time.monotonic() + timeout_s
        spared = (len(self.nodes) - 1) // 2
        with self.locked():
            for name in reversed(self.names):
                if name not in self._lost():
                    self._processes.start(self._program(name))
            while self.leader() is None:
                _check_wanted(is_canceled)
                self._check_alive(deadline, "no leader accepts commands", spared=spared)
                time.sleep(POLL_S)
            for name, (_, port) in zip(self.names, self.gateway_addresses, strict=False):
                while not self._listens(name, port):
                    _check_wanted(is_canceled)
                    complaint = f"gateway {name} does not listen"
                    self._check_alive(deadline, complaint, spared=spared)
                    time.sleep(POLL_S)
            self._check_every_node(deadline)

    def stop(
        self, grace_s: float = GRACE_S, *, names: Sequence[str] = (), is_killed: bool = False
    ) -> list[str]:
        """End the processes that are named, or every one; returns those that ran. SIGTERM first,
        SIGKILL after the grace; or SIGKILL at once. Raises: VenueError for a name that is none.
        """
        self._check_names(names)
        wanted = [name for name in self.names if not names or name in names]
        with self.locked():
            pids = self.pids()
            ran = [name for name in wanted if pids[name] is not None]
            for name in ran if is_killed else []:
                self.kill(name)
            gateway_names = {gateway.name for gateway in self.folder.venue.gateways}
            self._processes.stop([name for name in wanted if name in gateway_names], grace_s)
            self._processes.stop([name for name in wanted if name not in gateway_names], grace_s)
        if not names:
            self.close()
        return ran

    def reopen(self) -> None:
        """Look at the folder again: a node was replaced. Raises: SettingsError."""
        self.close()
        self.folder = open_folder(self.folder.path)

    def close(self) -> None:
        """Close the questions' end; the processes go on. A later question opens it again."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None

    def _check_names(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise VenueError(
                what="nothing was stopped",
                why=f"the venue has no {', '.join(unknown)}",
                do=f"name some of {', '.join(self.names)}",
                read="docs/operating.md, Stop a venue",
            )

    def kill(self, name: str, sig: signal.Signals = signal.SIGKILL) -> bool:
        """Send a signal to a node or gateway. False: it does not run."""
        return self._processes.signal(name, sig)

    def wait_gone(self, name: str, timeout_s: float) -> bool:
        """Wait for the end of a process that was killed."""
        return self._processes.wait_gone(name, timeout_s)

    def start_node(self, name: str) -> int:
        """Start one node (or gateway) that does not run; returns its pid at once."""
        return self._processes.start(self._program(name))

    # ---- how it is

    def requests(self) -> NodeRequests:
        """The questions' end, made at first use; for this thread."""
        if self._requests is None:
            self._requests = NodeRequests(self.nodes, self.keys)
        return self._requests

    def statuses(self, timeout_s: float = STATUS_TIMEOUT_S) -> dict[str, Status | None]:
        """What every node says of itself; None for one that does not run or answer."""
        pids = self.pids()
        running = [node.node_id for node in self.nodes if pids[node.node_id] is not None]
        answers = self.requests().ask_all(GetStatus(), Status, timeout_s, running)
        return {node.node_id: answers.get(node.node_id) for node in self.nodes}

    def leader(self) -> str | None:
        """The node that accepts commands: of those that say so, the one of the highest term."""
        claims = [
            (status.term, status.node_id)
            for status in self.statuses().values()
            if status is not None and status.accepting
        ]
        return max(claims)[1] if claims else None

    def wait_equal(self, timeout_s: float = START_TIMEOUT_S) -> list[Status]:
        """Wait until all nodes stand at one log index, with one digest.

        Raises: VenueError when they do not in time, or differ at the same index.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            statuses = list(self.statuses().values())
            known = [status for status in statuses if status is not None]
            if len(known) == len(statuses) and len({s.applied_index for s in known}) == 1:
                if len({status.digest for status in known}) == 1:
                    return known
                why = ", ".join(f"{s.node_id} has {s.digest}" for s in known)
                raise VenueError(
                    what=f"the nodes differ at log index {known[0].applied_index}",
                    why=why,
                    do="keep the data folder: it shows a fault of this program",
                    read=_READ,
                )
            self._check_alive(deadline, "the nodes do not reach one log index")
            time.sleep(POLL_S)

    # ---- inside

    def _lost(self) -> list[str]:
        return [node.node_id for node in self.nodes if self.folder.is_lost(node.node_id)]

    def _program(self, name: str) -> Program:
        module, settings = _GATEWAY_MODULE, self.folder.gateway_settings(name)
        if any(node.node_id == name for node in self.nodes):
            module = self.node_module or _NODE_MODULE
            settings = self.folder.node_settings(name)
        return Program(name, module, settings, enter=tuple(self.enter.get(name, ())))

    def _listens(self, name: str, port: int) -> bool:
        pid = self._processes.pid(name)
        return pid is not None and is_listening(pid, port)

    def _check_every_node(self, deadline: float) -> None:
        """The venue runs. A node that refuses to start says so soon, and somebody must hear it."""
        until = min(deadline, time.monotonic() + LAST_NODE_S)
        while None in self.statuses().values() and time.monotonic() < until:
            dead = [
                node.node_id for node in self.nodes if self._processes.pid(node.node_id) is None
            ]
            if dead:
                raise VenueError(
                    what=f"{dead[0]} does not run; the venue accepts orders without it",
                    why=self._tails(dead),
                    do="read the lines above; `oms up` tries again, `oms status` shows the others",
                    read=_READ,
                )
            time.sleep(POLL_S)

    def _check_alive(self, deadline: float, complaint: str, *, spared: int = 0) -> None:
        """Raises: VenueError when a gateway, or more than `spared` nodes, ended, or time is up."""
        dead = [name for name, pid in self.pids().items() if pid is None]
        if len(dead) > spared or not {node.node_id for node in self.nodes}.issuperset(dead):
            complaint = f"{dead[0]} ended"
        elif time.monotonic() < deadline:
            return
        raise VenueError(
            what=f"the venue in {self.folder.path} does not run as it should",
            why=complaint + self._tails(dead or self.names),
            do="read the lines above; `oms down` ends what still runs, `oms up` tries again",
            read=_READ,
        )

    def _tails(self, names: list[str]) -> str:
        return "".join(self._tail(name) for name in names)

    def _tail(self, name: str) -> str:
        if name in self._lost():
            return (
                f"\nthe folder of {name} is gone: {self.folder.path / name}\na node never begins "
                f"anew under its old name: `oms down`, then `oms cluster replace {name} NEW`"
            )
        return f"\n--- last lines of {self.log_file(name)}\n{self._processes.log_tail(name)}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` at a time over a folder; held by the descriptor, gone with us."""
        descriptor = os.open(self.folder.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _check_wanted(is_canceled: Callable[[], bool]) -> None:
    if is_canceled():
        raise StartCanceled
