"""One run: a venue of three nodes and two gateways, its clients, a list of faults, and the judge.

First everybody logs in, then there is trading under faults (the safety phase), then nothing goes
wrong any more (healing): within two seconds an order is accepted, within ten everybody agrees and
knows everything.
"""

import contextlib
import gc
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO
from unittest import mock

import oms.node.main
import oms.node.replica
import oms.node.sequencer
import oms.node.snapshots
from oms.check.verdict import Verdict
from oms.config import AccountConfig, CapacityConfig, InstrumentConfig, UserConfig, VenueConfig
from oms.local.folder import format_folder
from tests.simulation import faults
from tests.simulation.faults import Fault
from tests.simulation.judge import Judge
from tests.simulation.office import Administrator, Asker, Read, Reader
from tests.simulation.parties import GatewayProcess, NodeProcess, WatchedLog
from tests.simulation.seams import Seams
from tests.simulation.testimony import Testimony
from tests.simulation.traders import Tape, TraderProcess, Visitor
from tests.simulation.world import MS, SECOND, START_NS, World
from tests.simulation.zmq_sockets import NO_LIMIT

DURATION_NS: Final = 20 * SECOND
PROGRESS_NS: Final = 2 * SECOND
CONVERGENCE_NS: Final = 10 * SECOND
_LAST_NS: Final = SECOND  # what is on its way to the clients arrives
_QUIET_NS: Final = SECOND // 5  # since the last entry: its news has arrived, too
_BATCH_COMMANDS_MAX: Final = 24  # an entry fits a segment, as it must
_START_NS: Final = 8 * SECOND
_USERS: Final = ("A", "B", "C", "D")
_SYMBOLS: Final = ("OAK", "ELM")
_RATE: Final = 4.0  # things a second, of one client

CONFIG: Final = VenueConfig(
    instruments=[InstrumentConfig(symbol=symbol, reference_price="100.00") for symbol in _SYMBOLS],
    participants=["NORTH"],
    accounts=[
        AccountConfig(firm=f"{user}1", participant="NORTH", cash="100000000", all_shares=1_000_000)
        for user in _USERS
    ],
    users=[
        UserConfig(
            name=user, participant="NORTH", password="SECRET", accounts=[f"{user}1"],
            cancel_on_disconnect=user == "D",
        )
        for user in _USERS
    ],
    capacity=CapacityConfig(
        orders_max=4_096, instruments_max=16, participants_max=16, accounts_max=16, users_max=16,
        sessions_max=16, positions_max=256,
    ),
)  # fmt: skip


@dataclass
class Result:
    """What came of a run."""

    seed: int
    faults: list[str]  # promises that were broken
    digest: str  # of the trace
    sim_ns: int
    cpu_s: float
    acknowledged: int
    done: Counter[str] = field(default_factory=Counter)  # faults that came, by kind
    seen: Counter[str] = field(default_factory=Counter)
    verdict: Verdict | None = None  # of `oms check`, if it was asked


class Simulation:
    """See the module's header."""

    def __init__(
        self,
        seed: int,
        root: Path,
        *,
        trace: TextIO | None = None,
        planned: Sequence[Fault] | None = None,
        duration_ns: int = DURATION_NS,
        is_checked: bool = False,
        is_plain: bool = False,
    ) -> None:
        """`is_plain`: nobody asks nodes for reads, no day ends, and orders are for the day."""
        self.seed = seed
        self._is_plain = is_plain
        self.world = World(seed, str(root), trace)
        self.seams = Seams(self.world, root / "venue")
        self.judge = Judge(self.world)
        self.planned = faults.plan(seed, duration_ns) if planned is None else list(planned)
        self.done: Counter[str] = Counter()
        self.nodes: dict[str, NodeProcess] = {}
        self.gateways: dict[str, GatewayProcess] = {}
        self.traders: list[TraderProcess] = []
        self.visitors: list[Visitor] = []
        self.reads: list[Read] = []
        self.administrator: Administrator | None = None
        self._askers: list[Asker] = []
        self._addresses: list[tuple[str, int]] = []
        self._root = root
        self._is_healing = False
        self._testimony = Testimony(self.world, root / "histories") if is_checked else None
        self._duration_ns = duration_ns

    # ---- the venue

    def _make(self) -> None:
        folder = format_folder(self._root / "venue", CONFIG, node_count=3, gateway_count=2)
        for node in folder.venue.nodes:
            settings = folder.node_settings(node.node_id)
            self.nodes[node.node_id] = NodeProcess(
                self.seams, node.node_id, settings, self.judge.committed
            )
        for gateway in folder.venue.gateways:
            path = folder.gateway_settings(gateway.name)
            self.gateways[gateway.name] = GatewayProcess(self.seams, gateway.name, path)
            host, _, port = gateway.listen.rpartition(":")
            self._addresses.append((host, int(port)))
        self.traders = [
            TraderProcess(
                self.seams,
                user,
                self._addresses,
                _SYMBOLS,
                rate=_RATE,
                testimony=self._testimony,
                has_terms=not self._is_plain,
            )
            for user in _USERS
        ]
        self.judge.nodes = self.nodes
        if not self._is_plain:
            routers = {node.node_id: node.router for node in folder.venue.nodes}
            self.administrator = Administrator(self.seams, routers)
            self._askers = [self.administrator]
            self._askers += (
                Reader(self.seams, name, router, self._told, self.reads)
                for name, router in routers.items()
            )
        names = self.seams.fabric.names
        names.update((asker.name, "admin") for asker in self._askers)
        names.update((name, f"node-{name}") for name in self.nodes)
        names.update((name, "gateway") for name in self.gateways)

    def _told(self) -> list[tuple[Tape, int]]:
        """What every client has been told up to now."""
        return [
            (trader.tapes[-1], len(trader.tapes[-1].connection.tape)) for trader in self.traders
            if trader.tapes
        ]  # fmt: skip

    def later(self, delay_ns: int, call: Callable[[], object]) -> None:
        """Call it after a while, unless everything is to be well by then."""

        def unless_healing() -> None:
            if not self._is_healing:
                call()

        self.world.after(delay_ns, unless_healing)

    def visitor(self, user: str) -> Visitor:
        """Somebody who will log in as this user."""
        number = len(self.visitors) + 1
        self.visitors.append(
            Visitor(self.seams, user, number, self._addresses, testimony=self._testimony)
        )
        return self.visitors[-1]

    def leader(self) -> NodeProcess | None:
        """The node that leads in the highest term."""
        best: tuple[int, NodeProcess] | None = None
        for process in self.nodes.values():
            if process.node is not None:
                status = process.node.parts.log.status()
                if status.role == "leader" and (best is None or status.term > best[0]):
                    best = status.term, process
        return None if best is None else best[1]

    # ---- the run

    def run(self) -> Result:
        """All of it."""
        began_s = time.process_time()
        snapshot_every = self.world.stream("sizes").choice((30, 60, 150))
        with self.seams.in_place(), contextlib.ExitStack() as stack:
            for module, name, value in (
                (oms.node.snapshots, "SNAPSHOT_EVERY_ENTRIES", snapshot_every),
                (oms.node.sequencer, "BATCH_COMMANDS_MAX", _BATCH_COMMANDS_MAX),
                (oms.node.replica, "SCRUB_EVERY_ENTRIES", 16),
                (oms.node.main, "RaftLog", WatchedLog),
            ):
                stack.enter_context(mock.patch.object(module, name, value))
            self._make()
            self.seams.disk.settle()
            self._play()
        return Result(
            self.seed, self.world.faults, self.world.digest,
            self.world.now_ns - START_NS, time.process_time() - began_s,
            sum(trader.acknowledged for trader in self.traders), self.done, self.world.seen,
            self._verdict(),
        )  # fmt: skip

    def _verdict(self) -> Verdict | None:
        """What `oms check` says of it; clients that live have said everything."""
        if self._testimony is None:
            return None
        living = [trader.recorder for trader in self.traders if trader.is_up]
        return self._testimony.verdict(
            {index: entry for index, entry in self._log().items() if entry},
            [recorder for recorder in living if recorder is not None],
        )

    def _log(self) -> dict[int, bytes]:
        """What the leader has, or the node that has the most; what they were handed if none is
        left.
        """
        leader = self.leader()
        found = [
            (process is leader, process.node.parts.log.status().applied_index, name)
            for name, process in self.nodes.items()
            if process.node is not None
        ]
        if not found:
            return self.judge.history
        _, last_index, name = max(found)
        return self.judge.log_of(name, last_index)

    def _play(self) -> None:
        world, is_checked = self.world, self._testimony is not None
        for process in (
            *self.nodes.values(), *self.gateways.values(), *self.traders, *self._askers
        ):  # fmt: skip
            process.start()
        if not world.run(world.now_ns + _START_NS, self._are_all_live):
            world.fault("nobody could log in at the start")
            return
        for fault in self.planned:
            world.after(fault.at_ns, self._comes(fault))
        # Who is to be checked from outside as well goes on to the end, whatever was seen.
        world.run(world.now_ns + self._duration_ns, None if is_checked else self._is_broken)
        if is_checked or not world.faults:
            self._heal()
        if is_checked or not world.faults:
            self.judge.close(self.traders, self.visitors, self.reads)

    def _comes(self, fault: Fault) -> Callable[[], None]:
        def come() -> None:
            self.world.note("fault", fault.number, fault.kind)
            self.done[fault.kind] += 1
            faults.KINDS[fault.kind](self, fault.draw(self.seed))

        return come

    def _is_broken(self) -> bool:
        return bool(self.world.faults)

    def _are_all_live(self) -> bool:
        return all(trader.client is not None and trader.client.is_live for trader in self.traders)

    # ---- health

    def _heal(self) -> None:
        world, disk = self.world, self.seams.disk
        world.note("healing")
        self._is_healing = True
        self.seams.network.heal()
        for trouble in (disk.slow, disk.orders, disk.full, disk.broken):
            trouble.clear()
        world.on_said.clear()
        fabric = self.seams.fabric
        fabric.limit, fabric.repeats, fabric.swaps = NO_LIMIT, 0.0, 0.0
        for visitor in self.visitors:
            visitor.kill()
        for node in self.nodes.values():
            if node.node is not None and node.node.wakeup.is_stop_wanted:
                node.kill()  # it was asked to stop, and has not come to it yet
        for process in (*self.nodes.values(), *self.gateways.values(), *self.traders):
            process.paused_until_ns = process.skew_ns = 0
            if not process.is_up:
                disk.put_back(process.name)
            if not process.is_up:
                process.start()
            process.wake()
        since_ns = world.now_ns

        def is_accepted() -> bool:
            return any(trader.accepted_ns >= since_ns for trader in self.traders)

        if not world.run(since_ns + PROGRESS_NS, is_accepted):
            world.fault(f"no order was accepted within {PROGRESS_NS // MS} ms of health")
            return
        for trader in self.traders:
            trader.is_trading = False
        for asker in self._askers:
            asker.is_idle = True
        if not world.run(since_ns + CONVERGENCE_NS, self._is_well):
            world.fault(f"no agreement within {CONVERGENCE_NS // MS} ms of health: {self._why()}")
        world.run(world.now_ns + _LAST_NS)
        world.run(world.now_ns + _LAST_NS, self._is_quiet)  # an order's time may just be over

    def _is_quiet(self) -> bool:
        """Nothing is on its way any more."""
        return self.world.now_ns - self.judge.latest_ns >= _QUIET_NS

    def _is_well(self) -> bool:
        """Everybody agrees, and nobody waits for anything; looked at now and then."""
        return not self._why()

    def _why(self) -> str:
        for trader in self.traders:
            if not trader.is_settled:
                return f"{trader.name} waits"
        if self.administrator and self.administrator.is_rolling:
            return "a day is being rolled"
        indexes: dict[str, int] = {}
        for name, process in self.nodes.items():
            if process.node is None:
                return f"{name} does not run: {process.refused}"
            status = process.node.parts.log.status()
            if status.applied_index != status.last_index:
                return f"{name} has not applied everything"
            if process.node.parts.event_log.missing:
                return f"{name} misses outputs"
            indexes[name] = status.applied_index
        return "" if len(set(indexes.values())) == 1 else f"applied: {indexes}"


def _unheard(_what: object) -> None:
    """In place of the interpreter's word on what is raised in a destructor."""


def play(
    seed: int,
    *,
    trace: TextIO | None = None,
    planned: Sequence[Fault] | None = None,
    is_checked: bool = False,
    is_plain: bool = False,
) -> Result:
    """Run a seed in a folder of its own, which is gone afterwards."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=place) as path:
        gc.collect()
        gc.disable()  # what is left of the dead is looked at when all is over
        try:
            simulation = Simulation(
                seed, Path(path), trace=trace, planned=planned, is_checked=is_checked,
                is_plain=is_plain,
            )  # fmt: skip
            return simulation.run()
        finally:
            gc.enable()
            # Tasks of killed processes never ran to their end: nobody is to hear of that.
            with mock.patch.object(sys, "unraisablehook", _unheard):
                del simulation
                gc.collect()
