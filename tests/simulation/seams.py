"""Where the product meets the world, and what stands there during a simulation.

Everything is put in place at once and taken away again: sockets, TCP, the disk, clocks, threads,
random bytes, the slow hash of passwords. Bounds that decide only how often something happens are
small, so that it does happen.
"""

import contextlib
import functools
import hashlib
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Final, NoReturn, cast
from unittest import mock

import zmq

import gateways.binary.main
import gateways.binary.server
import gateways.wires
import oms.client.aio
import oms.local.folder
import oms.local.genesis
import oms.node.event_log
import oms.node.main
import oms.node.polling
import oms.node.replica
import oms.node.snapshots
import oms.replication.journal
import oms.replication.raft_sockets
import oms.replication.segment_maker
import oms.transport.sockets
from oms import bounds
from oms.replication.journal import DiskJournal
from oms.replication.journal_index import SegmentIndex
from oms.replication.segment_maker import SegmentMaker, remove_unfinished
from oms.transport.sockets import READABLE, WRITABLE
from tests.simulation.disk import AnyCall, Disk
from tests.simulation.network import Network
from tests.simulation.tcp import TcpModule
from tests.simulation.world import MS, SECOND, Died, Process, World
from tests.simulation.zmq_sockets import Fabric, MemorySocket, NoContext

SEGMENT_BYTES: Final = 8 << 10
_EVENTS_AHEAD_BYTES = 64 << 10
# Why a process may end itself: its disk fails. Any other reason is a fault of the protocol.
_MAY_END: Final = frozenset({"journal_io_error", "snapshot_io_error", "vote_io_error"})
_NO_SPACE = oms.replication.segment_maker._NO_SPACE


class Poller:
    """`zmq.Poller`, over memory sockets, memory TCP and the wakeup."""

    seams: "Seams"

    def __init__(self) -> None:
        self._flags: dict[MemorySocket | int, int] = {}

    def __contains__(self, source: MemorySocket | int) -> bool:
        return source in self._flags

    def register(self, source: MemorySocket | int, flags: int) -> None:
        """Watch it."""
        self._flags[source] = flags

    def unregister(self, source: MemorySocket | int) -> None:
        """Do not."""
        del self._flags[source]

    def poll(self, _timeout_ms: int) -> list[tuple[MemorySocket | int, int]]:
        """What is ready now: time passes between the turns."""
        ready: list[tuple[MemorySocket | int, int]] = []
        tcp, woken = self.seams.tcp.open, self.seams.woken
        for source, flags in self._flags.items():
            if isinstance(source, MemorySocket):
                if source.inbox:
                    ready.append((source, READABLE))
                continue
            events = 0
            connection = tcp.get(source)
            if connection is not None:
                if flags & READABLE and connection.is_readable:
                    events |= READABLE
                if flags & WRITABLE and connection.is_writable:
                    events |= WRITABLE
            elif source in woken:
                events = READABLE
            if events:
                ready.append((source, events))
        return ready


class Wakeup:
    """A node's pipe to itself, without the pipe."""

    seams: "Seams"

    def __init__(self) -> None:
        self.read_fd = self.write_fd = next(self.seams.tcp.fds)
        self.seams.wakeups[self.read_fd] = self.seams.acting
        self.is_stop_wanted = False
        self.is_restart_wanted = False

    @property
    def is_end_wanted(self) -> bool:
        """The loop is to end."""
        return self.is_stop_wanted or self.is_restart_wanted

    def clear(self) -> None:
        """Nothing woke it."""
        self.seams.woken.pop(self.read_fd, None)


class Thread:
    """A helper thread: its work is done in one go, a while after it was begun."""

    seams: "Seams"

    def __init__(self, target: AnyCall, args: tuple[object, ...] = (), **_rest: object) -> None:
        self._work: Callable[[], object] = functools.partial(target, *args)
        self._is_done = False

    def start(self) -> None:
        """Some time."""
        delay_ns = self.seams.draw.randrange(1, 60) * MS
        self.seams.acting.later(delay_ns, self.join)

    def join(self) -> None:
        """Now at the latest."""
        if not self._is_done:
            self._is_done = True
            self._work()


class Maker(SegmentMaker):
    """The journal's helper without its thread: its work is done some time later, in one go."""

    seams: "Seams"

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._is_due = False
        self._is_closed = False
        self._process = self.seams.acting
        super().__init__(folder, segment_bytes)
        self._soon(MS)

    def request(self, number: int) -> None:
        """As the real one; unpaced."""
        super().request(number)
        self._hurry.set()
        self._soon(self.seams.draw.randrange(1, 8) * MS)

    def allow_reserve(self, allowed: bool) -> None:  # noqa: FBT001  # the real one's face
        """As the real one."""
        super().allow_reserve(allowed)
        self._soon(MS)

    def write_index(self, index: SegmentIndex) -> None:
        """As the real one."""
        super().write_index(index)
        self._soon(MS)

    def close(self) -> None:
        """As the real one."""
        self._is_closed = True
        self._write_indexes()
        remove_unfinished(self._folder)

    def _soon(self, delay_ns: int) -> None:
        if not self._is_due and not self._is_closed:
            self._is_due = True
            self._process.later(delay_ns, self._work)

    def _work(self) -> None:
        """Once through what the thread does."""
        self._is_due = False
        if self._is_closed or self.broken is not None:
            return
        try:
            self._write_indexes()
            self._make_next()
            self._keep_reserve()
            self.fault = None
        except OSError as error:
            reason = f"{error.errno}: {error.strerror}"
            if error.errno not in _NO_SPACE:
                self.broken = reason
                return
            remove_unfinished(self._folder)
            self.fault = reason
            self._soon(SECOND)
        self._process.wake()


class Seams:
    """What all of them need."""

    def __init__(self, world: World, root: Path) -> None:
        self.world = world
        self.network = Network(world)
        self.fabric = Fabric(self.network)
        self.tcp = TcpModule(self.network)
        self.disk = Disk(world, root)
        self.draw: random.Random = world.stream("threads")
        self.wakeups: dict[int, Process] = {}
        self.woken: dict[int, None] = {}
        self._urandom = world.stream("urandom")
        self._real_write = os.write

    @property
    def acting(self) -> Process:
        """Whose code runs."""
        process = self.world.current
        assert process is not None
        return process

    def urandom(self, size: int) -> bytes:
        """As os.urandom."""
        return self._urandom.randbytes(size)

    def write(self, fd: int, data: bytes) -> int:
        """As os.write; to a wakeup, it wakes."""
        process = self.wakeups.get(fd)
        if process is None:
            return self._real_write(fd, data)
        self.woken[fd] = None
        process.wake()
        return len(data)

    def forget(self, process: Process, *, is_power_lost: bool) -> None:
        """A process is gone with everything it had open."""
        self.network.ended(process, is_power_lost=is_power_lost)
        self.fabric.forget(process)
        self.tcp.forget(process)
        self.disk.gone(process)
        self.wakeups = {fd: who for fd, who in self.wakeups.items() if who is not process}
        self.woken = {fd: None for fd in self.woken if fd in self.wakeups}

    def die(self, event: str, reason: str) -> NoReturn:
        """The process ends itself, because it must not go on."""
        self.world.seen[event] += 1
        if event not in _MAY_END:
            self.world.fault(f"{self.acting.name} ends itself: {event}: {reason}")
        raise Died(is_power_lost=False, why=f"{event}: {reason}")

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """For as long as the simulation runs."""
        with contextlib.ExitStack() as stack:
            for owner, name, value in self._all():
                stack.enter_context(mock.patch.object(owner, name, value))
            yield

    def _all(self) -> Iterator[tuple[object, str, object]]:
        for kind in (Poller, Wakeup, Thread, Maker):
            kind.seams = self
        for name, maker in self.fabric.makers().items():
            yield oms.transport.sockets, name, maker
        for name, call in self.disk.makers().items():
            yield os, name, call
        yield Path, "open", _method(cast("AnyCall", self.disk.open_file))
        yield os, "write", self.write
        yield os, "urandom", self.urandom
        yield os, "getpid", lambda: 1
        yield random, "_urandom", self.urandom
        yield hashlib, "scrypt", cheap_hash
        yield oms.node.polling, "zmq", SimpleNamespace(Poller=Poller)
        yield oms.node.main, "Wakeup", Wakeup
        yield oms.replication.journal, "SegmentMaker", Maker
        yield oms.replication.raft_sockets, "socket", self.tcp
        threads = SimpleNamespace(Thread=Thread)
        clock = SimpleNamespace(monotonic_ns=self.world.monotonic_ns, time_ns=self.world.wall_ns)
        yield oms.node.snapshots, "threading", threads
        yield oms.node.snapshots, "time", clock
        yield oms.client.aio, "time", clock
        yield oms.local.folder, "time", clock
        yield oms.local.folder, "free_ports", lambda count: list(range(20_000, 20_000 + count))
        small = functools.partial(DiskJournal.format, segment_bytes=SEGMENT_BYTES)
        yield oms.local.folder, "DiskJournal", SimpleNamespace(format=small)
        yield gateways.binary.main, "SystemClock", lambda: GatewayClock(self.world)
        yield (
            gateways.wires,
            "zmq",
            SimpleNamespace(Context=NoContext, NOBLOCK=zmq.NOBLOCK, Again=zmq.Again),
        )
        yield (
            oms.replication.segment_maker,
            "threading",
            (SimpleNamespace(Thread=Silent, Event=threading.Event, Condition=threading.Condition)),
        )
        libc = SimpleNamespace(fallocate=self.disk.fallocate)
        yield oms.node.event_log, "_libc", libc
        yield oms.node.event_log, "EVENTS_AHEAD_BYTES", _EVENTS_AHEAD_BYTES
        yield bounds, "SNAPSHOT_CHUNK_BYTES", 4 << 10


class GatewayClock:
    """A gateway's two clocks."""

    def __init__(self, world: World) -> None:
        self.monotonic_ns = world.monotonic_ns
        self.wall_ns = world.wall_ns


def _method(call: AnyCall) -> Callable[[Path], object]:
    """A plain function becomes a method of whatever class it is put into."""

    def method(path: Path, *args: object, **values: object) -> object:
        return call(path, *args, **values)

    return method


def cheap_hash(password: bytes, *, salt: bytes, dklen: int, **_cost: int) -> bytes:
    """In place of scrypt, which takes ten milliseconds."""
    return hashlib.blake2b(password + salt, digest_size=dklen).digest()


class Silent:
    """A thread that is never begun: `Maker` does its work."""

    def __init__(self, **_rest: object) -> None:
        """Nothing."""

    def start(self) -> None:
        """Nothing."""
