"""The processes of the venue and its clients: the product's own code, on the simulation's seams.

A node is `oms.node.main.Node` with its `Loop`, turned by virtual time; a gateway is
`gateways.binary.main.Gateway` on a virtual asyncio loop; a client is `oms.client.aio.AsyncClient`
with a tape, and a trader that uses it.
"""

import abc
import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from gateways.binary.main import Gateway
from oms.config import GatewaySettings, NodeSettings, SettingsError, load
from oms.node.clock import Clock
from oms.node.engine import make_engine
from oms.node.loop import Loop
from oms.node.main import Node
from oms.process_log import Log
from oms.replication.errors import Report
from oms.replication.port import OnCommit, OnInstalled, OnSkip, SnapshotSource
from oms.replication.raft_log import RaftLog
from oms.replication.raft_messages import AppendEntries, AppendReply, Message
from oms.replication.raft_transport import RankedNode, _from_library
from tests.simulation.event_loop import VirtualLoop
from tests.simulation.seams import SEGMENT_BYTES, Seams, Wakeup
from tests.simulation.world import MS, NEVER, SECOND, Died, Process, Value, World

# What no process may ever say, whatever happens around it.
_MUST_NOT_SAY: Final = frozenset(
    {
        "answer_unreadable",
        "connection_fault",
        "digest_differs",
        "fenced",
        "outcome_of_unknown_command",
        "publication_unreadable",
        "status_of_another_cluster",
    }
)
MEMORY_BYTES: Final = 64 << 10  # of entries; older ones are read from the journal
_START_AGAIN_NS: Final = 300 * MS
Committed = Callable[[str, int, int, bytes], None]  # node, log_index, term, entry


class SaidLog:
    """`oms.process_log.Log`: what is said is counted, and part of the trace."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self.dropped_count = 0

    def info(self, event: str, **values: Value) -> None:
        """Something expected."""
        self._world.seen[event] += 1
        self._world.note("says", self._name, event, *values.values())
        self._world.happens(self._name, event)
        if event == "role" and values["role"] == "leader":
            self._leads(values["term"])
        if event in _MUST_NOT_SAY:
            self._world.fault(f"{self._name} says {event}: {values}")

    warning = error = info

    def _leads(self, term: Value) -> None:
        """At most one in a term."""
        if self._world.leaders.setdefault(term, self._name) != self._name:
            self._world.fault(f"{self._name} leads in term {term!r}, as another did")


class TurnedLoop(Loop):
    """Turned from outside: it never sleeps in a turn, and is asked afterwards for how long."""

    def _sleep_ms(self) -> int:
        return 0

    def sleep_ms(self) -> int:
        """Until when nothing needs doing."""
        return super()._sleep_ms()


class NodeClock(Clock):
    """A node's two clocks."""

    def __init__(self, world: World) -> None:
        self.now_ns = world.wall_ns
        self.monotonic_ns = world.monotonic_ns


class WatchedLog(RaftLog):
    """A node's log on virtual time, whose entries are also told to whoever judges."""

    def __init__(
        self,
        node_id: str,
        addresses: dict[str, str],
        cluster_id: int,
        key: bytes,
        folder: Path,
        *,
        on_commit: OnCommit,
        on_skip: OnSkip,
        start_index: int,
        snapshot_source: SnapshotSource,
        snapshot_folder: Path,
        on_installed: OnInstalled,
        report: Report,
    ) -> None:
        process = NodeProcess.acting()

        def committed(log_index: int, term: int, entry: bytes) -> None:
            on_commit(log_index, term, entry)
            process.on_commit(node_id, log_index, term, entry)

        def skipped(log_index: int) -> None:
            on_skip(log_index)
            process.on_commit(node_id, log_index, 0, b"")

        def installed(log_index: int, path: Path) -> None:
            process.world.seen["snapshot installed"] += 1
            process.world.happens(process.name, "installed")
            on_installed(log_index, path)

        super().__init__(
            node_id, addresses, cluster_id, key, folder,
            on_commit=committed,
            on_skip=skipped,
            start_index=start_index,
            clock=process.world.monotonic_s,
            segment_bytes=SEGMENT_BYTES,
            memory_bytes_max=MEMORY_BYTES,
            seed=process.draw.randrange(1 << 30),
            on_fatal=process.seams.die,
            report=report,
            snapshot_source=snapshot_source,
            snapshot_folder=snapshot_folder,
            on_installed=installed,
        )  # fmt: skip
        self._watch(process)

    def _watch(self, process: "NodeProcess") -> None:
        """What it says to others is an instant, for those who wait for it."""
        send, world, confirmed = self._transport.send, process.world, 0

        def told(node: RankedNode, message: dict[str, str | int] | Message) -> bool:
            nonlocal confirmed
            is_sent: bool = send(node, message)
            if not is_sent or not world.on_said:
                return is_sent
            if isinstance(message, dict):
                message = _from_library(message)
            if isinstance(message, AppendReply):
                if message.matched and message.index > confirmed:
                    confirmed = message.index
                    world.happens(process.name, "confirms")
            elif not isinstance(message, AppendEntries):
                world.happens(process.name, f"sends {type(message).__name__}")
            return is_sent

        self._transport.send = told


class NodeProcess(Process):
    """One node."""

    def __init__(self, seams: Seams, name: str, settings: Path, on_commit: Committed) -> None:
        super().__init__(seams.world, name)
        self.seams = seams
        self._settings = settings
        self.on_commit = on_commit
        self.draw = seams.world.stream(f"node {name}")
        self.refused = ""  # why it cannot start
        self.node: Node | None = None
        self._loop: TurnedLoop | None = None
        self.is_stopping = False
        self._hand_over_until_ns = 0

    @staticmethod
    def acting() -> "NodeProcess":
        """The node whose code runs."""
        return cast("NodeProcess", Wakeup.seams.acting)

    def begin(self) -> None:
        """Settings, objects, loop, as `oms.node.main` does."""
        self.seams.disk.born(self.name)
        self.seams.network.set_power(self.name, is_on=True)
        self.refused = ""
        self.is_stopping = False
        settings = load(self._settings, NodeSettings)
        log = cast("Log", SaidLog(self.world, self.name))
        try:
            self.node = Node(settings, log, make_engine(settings.engine), NodeClock(self.world))
        except (SettingsError, OSError) as error:
            self._refuse(str(error))
            return
        self._loop = TurnedLoop(self.node.parts)

    def _refuse(self, why: str) -> None:
        """It does not start: its owner does what can be done, and tries again."""
        self.refused = why
        self.world.seen["refused to start"] += 1
        self.world.note("refuses", self.name, why)
        self.kill()
        if not self.seams.disk.put_back(self.name) and "damaged" in why:
            self.world.fault(f"{self.name} has lost what it had on disk: {why}")
        self.world.after(_START_AGAIN_NS, lambda: None if self.is_up else self.start())

    def step(self) -> int:
        """A turn; an error that nobody handles ends the process."""
        try:
            return self._step()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise Died(is_power_lost=False, why=str(error)) from error

    def _step(self) -> int:
        """One turn of its loop, or what comes behind the last."""
        node, loop = self.node, self._loop
        assert node is not None
        assert loop is not None
        if node.wakeup.is_end_wanted and not self._is_handing_over(node, loop):
            self._end(node)
            return NEVER
        loop._turn()
        now_ns = self.world.now_ns
        if node.wakeup.is_end_wanted or loop._polling._poller.poll(0):
            return now_ns
        return now_ns + loop.sleep_ms() * MS

    def _is_handing_over(self, node: Node, loop: Loop) -> bool:
        """As `Loop.run` does when it ends, a turn at a time."""
        if not self.is_stopping:
            self.is_stopping = True
            if loop._status.role != "leader" or loop._is_fenced or node.parts.log.transfer(None):
                return False
            self._hand_over_until_ns = self.world.now_ns + SECOND
        return (
            loop._status.role == "leader"
            and not loop._is_fenced
            and self.world.now_ns < self._hand_over_until_ns
            and node.parts.log.status().is_transferring
        )

    def _end(self, node: Node) -> None:
        """The process ends, or replaces itself by a new one."""
        node._stop()
        self.world.note("stopped", self.name)
        is_again = node.wakeup.is_restart_wanted and not node.wakeup.is_stop_wanted
        self.kill()
        if is_again:
            self.world.after(20 * MS, lambda: None if self.is_up else self.start())

    def died(self, *, is_power_lost: bool) -> None:
        """Memory is gone; what was not synced may be, if it was the power."""
        self.node = self._loop = None
        self.seams.forget(self, is_power_lost=is_power_lost)
        if is_power_lost:
            self.seams.network.set_power(self.name, is_on=False)
            self.seams.disk.lose_power(self.name)


class LoopProcess(Process):
    """A process that is an asyncio loop."""

    def __init__(self, seams: Seams, name: str) -> None:
        super().__init__(seams.world, name)
        self.seams = seams
        self.loop: VirtualLoop | None = None
        self.graves: list[object] = []

    def begin(self) -> None:
        """A new loop."""
        self.seams.network.set_power(self.name, is_on=True)
        loop = self.loop = VirtualLoop(self, self.seams.network, self.seams.fabric)
        loop.run_as(lambda: self.begin_in(loop))

    @abc.abstractmethod
    def begin_in(self, loop: VirtualLoop) -> None:
        """What runs in it."""

    def step(self) -> int:
        """One turn."""
        assert self.loop is not None
        return self.loop.turn()

    def died(self, *, is_power_lost: bool) -> None:
        """Everything is gone; what is left of it is kept, so that no destructor runs meanwhile."""
        self.graves += [self.loop, *vars(self).values()]
        self.loop = None
        self.seams.forget(self, is_power_lost=is_power_lost)
        if is_power_lost:
            self.seams.network.set_power(self.name, is_on=False)


class GatewayProcess(LoopProcess):
    """One gateway."""

    def __init__(self, seams: Seams, name: str, settings: Path) -> None:
        super().__init__(seams, name)
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    def begin_in(self, loop: VirtualLoop) -> None:
        """As `gateways.binary.main` does."""
        settings = load(self._settings, GatewaySettings)
        gateway = Gateway(settings, cast("Log", SaidLog(self.world, self.name)))
        self._task = loop.create_task(gateway.run())
