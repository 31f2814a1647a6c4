"""Three nodes on one thread, of which a test moves every message, every tick and the clock.

The tests of tests/findings are written against this class; library_rig.py puts PySyncObj's own
parts behind it, our_rig.py ours. Nothing happens by itself and nothing by luck: a message stays
under way until it is delivered or lost, time passes when the test says so. What a finding is about
is said by `promise`: only that may fail on the library (a mistake in a test's own preparation is
another exception, and fails both).
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

LIBRARYS_OWN = "-"  # how an entry that is nobody's command stands in `log`
STEP_S = 0.05


class BrokenPromise(AssertionError):
    """What must hold of a replicated log did not."""


def promise(what: str, *, holds: bool) -> None:
    """The one sentence that a finding is about. Raises: BrokenPromise."""
    if not holds:
        raise BrokenPromise(what)


class Clock:
    """The time of all nodes; asking costs a little of it, as it does in a real process."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.step_s = 1e-6

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@dataclass(frozen=True)
class Options:
    """How a rig's nodes are set up; what is not said is as shipped."""

    names: tuple[str, ...] = ("n1", "n2", "n3")
    message_bytes: int | None = None  # of entries in one message
    has_short_messages: bool = False  # one entry in one message, two where one cannot be had
    chunk_bytes: int | None = None  # of a snapshot in one message
    has_snapshots: bool = True


class HandRig(ABC):
    """A cluster moved by hand."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, options: Options) -> None:
        self.folder = folder
        self.patch = patch
        self.options = options
        self.clock = Clock()
        self.under_way: dict[tuple[str, str], deque[object]] = {}
        self.connected: set[frozenset[str]] = set()
        self.running: list[str] = []
        self.acknowledged: list[str] = []  # a client was told that it happened
        self.refused: list[str] = []  # a client was told that it did not happen
        self.raised: list[str] = []  # what came out of a node's tick
        self.fails_acknowledging: set[str] = set()  # items whose callback raises
        self.fails_applying: set[str] = set()  # items that raise in the state machine, once done

    # --- what the two kinds of nodes do ---

    @abstractmethod
    def _open(self, name: str) -> None:
        """Start a node from what is on its disk."""

    @abstractmethod
    def _close(self, name: str, *, is_clean: bool) -> None:
        """End a node; not clean: its files stay as a killed process leaves them."""

    @abstractmethod
    def _tick(self, name: str) -> None:
        """Let a node work once."""

    @abstractmethod
    def _take(self, source: str, target: str, message: object) -> None:
        """Hand a message to `target`."""

    @abstractmethod
    def _opened(self, name: str, other: str) -> None:
        """Tell `name` that it is connected."""

    @abstractmethod
    def _lost(self, name: str, other: str) -> None:
        """Tell `name` that the connection is gone."""

    @abstractmethod
    def put(self, name: str, item: str) -> None:
        """A client asks `name` to replicate `item`."""

    @abstractmethod
    def leads(self, name: str) -> bool:
        """Whether the node believes so."""

    @abstractmethod
    def term(self, name: str) -> int:
        """The node's current term."""

    @abstractmethod
    def log(self, name: str) -> list[str]:
        """The items in the node's log, committed or not, as far as they are not in a snapshot."""

    @abstractmethod
    def applied(self, name: str) -> list[str]:
        """The node's replicated state: the items applied, in order."""

    @abstractmethod
    def compact(self, name: str) -> None:
        """Take a snapshot and drop the log before it; done when this returns."""

    @abstractmethod
    def begin_compaction(self, name: str) -> None:
        """The same, as far as it goes without another tick."""

    @abstractmethod
    def snapshot_path(self, name: str) -> Path | None:
        """The snapshot that the node would start from now."""

    def snapshot(self, name: str) -> bytes | None:
        """The bytes of that."""
        path = self.snapshot_path(name)
        return path.read_bytes() if path is not None else None

    # --- nodes ---

    def start(self, *names: str) -> None:
        """Start nodes, all if none is named; nobody is connected yet."""
        for name in names or self.options.names:
            self._open(name)
            self.running.append(name)

    def kill(self, name: str) -> None:
        """As SIGKILL: nothing is written any more, connections are gone."""
        self._end(name, is_clean=False)

    def stop(self, name: str) -> None:
        """As an operator does it."""
        self._end(name, is_clean=True)

    def close(self) -> None:
        """End what runs."""
        for name in list(self.running):
            self.stop(name)

    def _end(self, name: str, *, is_clean: bool) -> None:
        self.isolate(name)
        self.running.remove(name)
        self._close(name, is_clean=is_clean)

    def tick(self, name: str) -> None:
        """One turn of the node's loop; what it raises is noted, as a loop that goes on would."""
        self._guarded(name, partial(self._tick, name))

    def _guarded(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  # whatever a node raises is what is observed
            self.raised.append(f"{name}: {error!r}")
            self._after_raising(name)

    @abstractmethod
    def _after_raising(self, name: str) -> None:
        """What becomes of a node that raised."""

    def pass_time(self, seconds: float) -> None:
        """On every node's clock."""
        self.clock.now_s += seconds

    # --- wires ---

    def connect(self, one: str, two: str) -> None:
        """Both ends are connected."""
        self.connected.add(frozenset((one, two)))
        self._opened(one, two)
        self._opened(two, one)

    def connect_all(self) -> None:
        """Everybody with everybody."""
        for one in self.running:
            for two in self.running:
                if one < two and not self.is_connected(one, two):
                    self.connect(one, two)

    def disconnect(self, one: str, two: str) -> None:
        """The connection breaks, what was under way is lost."""
        self.connected.discard(frozenset((one, two)))
        self.lose(one, two)
        self.lose(two, one)
        self._lost(one, two)
        self._lost(two, one)

    def isolate(self, name: str) -> None:
        """No connection to anybody."""
        for other in list(self.running):
            if self.is_connected(name, other):
                self.disconnect(name, other)

    def is_connected(self, one: str, two: str) -> bool:
        """Whether messages pass."""
        return frozenset((one, two)) in self.connected

    def post(self, source: str, target: str, message: object) -> bool:
        """A node sends; False when there is no connection."""
        if not self.is_connected(source, target):
            return False
        self.under_way.setdefault((source, target), deque()).append(message)
        return True

    def waiting(self, source: str, target: str) -> int:
        """How many messages are under way."""
        return len(self.under_way.get((source, target), ()))

    def deliver(self, source: str, target: str, count: int | None = None) -> int:
        """Hand over what is under way, or the first `count`; returns how many there were."""
        queue = self.under_way.get((source, target), deque())
        todo = len(queue) if count is None else min(count, len(queue))
        for done in range(todo):
            if not queue:
                return done  # the connection broke meanwhile
            message = queue.popleft()
            self._guarded(target, partial(self._take, source, target, message))
        return todo

    def lose(self, source: str, target: str) -> None:
        """What is under way never arrives."""
        self.under_way.get((source, target), deque()).clear()

    # --- longer moves ---

    def elect(self, name: str, *, by: Sequence[str] = ()) -> None:
        """Make `name` leader by the votes of `by` (all it is connected to); nobody else works."""
        voters = by or [other for other in self.running if self.is_connected(name, other)]
        for _ in range(200):
            if self.leads(name):
                return
            self.pass_time(STEP_S)
            self.tick(name)
            for voter in voters:
                self.deliver(name, voter)
                self.deliver(voter, name)
        message = f"{name} was not elected by {voters}"
        raise RuntimeError(message)

    def settle(self, *names: str, rounds: int = 12, seconds: float = STEP_S) -> None:
        """Let these nodes (all that run) work and talk with each other for a while."""
        for _ in range(rounds):
            for name in names or tuple(self.running):
                if name in self.running:
                    self.tick(name)
                for other in names or tuple(self.running):
                    if other in self.running:
                        self.deliver(name, other)
            self.pass_time(seconds)

    def until_not_leading(self, name: str, limit_s: float = 60.0) -> None:
        """Let a cut-off leader work until it has given up."""
        for _ in range(int(limit_s / STEP_S)):
            if not self.leads(name):
                return
            self.pass_time(STEP_S)
            self.tick(name)
        message = f"{name} still leads"
        raise RuntimeError(message)

    def put_all(self, name: str, items: Iterable[str]) -> None:
        """Each in an entry and a tick of its own."""
        for item in items:
            self.put(name, item)
            self.tick(name)

    def begin(self) -> None:
        """The usual beginning: all run, all are connected, the first leads."""
        self.start()
        self.connect_all()
        self.elect(self.options.names[0])
        self.settle()


class MakeRig(Protocol):
    """Makes a scenario's rig; it is closed when the test is over."""

    def __call__(self, options: Options = ...) -> HandRig: ...
