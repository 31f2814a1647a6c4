"""Connections between processes, in virtual time: in order, bounded, and never quite reliable.

What is sent takes a while. A direction between two machines can be cut: then what is under way
waits, as it does in a kernel that sends again, until the cut is healed or the sender's patience
ends. A process that is killed leaves a part of what it sent; a machine that lost its power too, and
tells nobody.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.simulation.world import MS, SECOND, US, Process, World

Item = tuple[bytes, ...]  # a message's frames, or a piece of a stream
Take = Callable[[Item], bool]  # False: no room, `resume` comes later
_END: Final[Item] = ()
_HEARTBEAT_NS: Final = SECOND
_SILENCE_NS: Final = 5 * SECOND


class End:
    """One end of a connection, and what it has under way to the other."""

    def __init__(self, network: "Network", process: Process, patience_ns: int) -> None:
        self.network = network
        self.process = process
        self.life = process.life
        self.peer = self
        self.is_closed = False
        self.take: Take | None = None
        self.on_closed: Callable[[str], None] | None = None
        self.on_room: Callable[[], None] | None = None
        self.bytes_under_way = 0
        self.under_way: deque[tuple[int, Item]] = deque()
        self._patience_ns = patience_ns
        self._is_scheduled = False
        self._stalled_ns = 0
        self._heard_ns = 0

    @property
    def is_dead(self) -> bool:
        """Nobody is behind it any more."""
        return self.is_closed or not self.process.is_up or self.process.life != self.life

    def send(self, item: Item) -> None:
        """Put it under way, behind what is under way already."""
        if self.is_dead:
            return
        world, queue = self.network.world, self.under_way
        due_ns = world.monotonic_ns() + self.network.delay_ns(self.process, self.peer.process)
        queue.append((max(due_ns, queue[-1][0]) if queue else due_ns, item))
        self.bytes_under_way += sum(map(len, item))
        self._schedule()

    def close(self) -> None:
        """Nothing is sent or taken any more; what is under way still arrives."""
        if not self.is_dead:
            self.send(_END)
        self.is_closed = True

    def cut_short(self, keep: int, *, is_told: bool = True) -> None:
        """The process is gone: of what is under way `keep` items arrive, and the end of it all if
        the other end is to be told.
        """
        if self.is_closed:
            return
        self.is_closed = True
        queue = self.under_way
        while len(queue) > keep:
            queue.pop()
        if is_told:
            queue.append((queue[-1][0] if queue else self.network.world.now_ns, _END))
        self.resume()

    def resume(self) -> None:
        """There is room again, or the way is free again."""
        if self.under_way:
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self.network.world.at(self.under_way[0][0], self._deliver)

    def _deliver(self) -> None:
        self._is_scheduled = False
        world, queue, peer = self.network.world, self.under_way, self.peer
        while queue:
            due_ns, item = queue[0]
            if due_ns > world.now_ns:
                self._schedule()
                return
            if self.network.is_held(self.process.name, peer.process.name):
                self._wait_for_way()
                return
            self._stalled_ns = 0
            if item == _END:
                queue.clear()
                peer.lost("closed by the other end")
                return
            if peer.is_dead:
                queue.clear()
                self.network.refuse(self)
                return
            if peer.take is None or not peer.take(item):
                return  # `resume` by whoever makes room
            queue.popleft()
            self.bytes_under_way -= sum(map(len, item))
            if self.on_room is not None and not self.is_dead:
                self.on_room()

    def _wait_for_way(self) -> None:
        world = self.network.world
        if not self._stalled_ns:
            since_ns = self._stalled_ns = world.now_ns

            def give_up() -> None:
                if self._stalled_ns == since_ns:
                    self.under_way.clear()
                    self.lost("timed out")

            world.after(self._patience_ns, give_up)

    def watch(self) -> None:
        """Find out now and then whether the other end is there: heartbeats, or a kernel's own."""
        self._heard_ns = self.network.world.now_ns
        self.network.world.after(_HEARTBEAT_NS, self._beat)

    def _beat(self) -> None:
        if self.is_dead:
            return
        world, here, there = self.network.world, self.process.name, self.peer.process.name
        if not self.network.is_cut(here, there) and not self.network.is_cut(there, here):
            if self.peer.is_dead and not self.peer.under_way:
                self.lost("reset")
                return
            self._heard_ns = world.now_ns
        elif world.now_ns - self._heard_ns >= _SILENCE_NS:
            self.lost("timed out")
            return
        world.after(_HEARTBEAT_NS, self._beat)

    def lost(self, reason: str) -> None:
        """The connection is over for this end."""
        if not self.is_dead:
            self.is_closed = True
            self.under_way.clear()
            if self.on_closed is not None:
                self.on_closed(reason)


@dataclass
class Listener:
    """Who takes connections at an address."""

    process: Process
    life: int
    accept: Callable[[End], None]


class Network:
    """All machines, each with one process; what is cut between them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._draw: random.Random = world.stream("network")
        self._listeners: dict[int, Listener] = {}  # by port
        self._ends: dict[End, None] = {}
        self._cut: dict[tuple[str, str], None] = {}  # source, target
        self._down: dict[str, None] = {}  # machines without power
        self.slow_ns: dict[tuple[str, str], int] = {}

    # ---- ways

    def delay_ns(self, source: Process, target: Process) -> int:
        """How long the next item takes."""
        extra_ns = self.slow_ns.get((source.name, target.name), 0)
        tail = 50 if self._draw.random() < 0.01 else 1
        return self._draw.randrange(40, 300) * US * tail + extra_ns

    def is_cut(self, source: str, target: str) -> bool:
        """Whether nothing gets from here to there."""
        return (source, target) in self._cut or target in self._down or source in self._down

    def is_held(self, source: str, target: str) -> bool:
        """Whether what left here does not arrive there."""
        return (source, target) in self._cut or target in self._down

    def cut(self, source: str, target: str) -> None:
        """From now on nothing gets from here to there."""
        self._cut[source, target] = None

    def heal(self) -> None:
        """Every way is free and fast."""
        self._cut.clear()
        self.slow_ns.clear()
        self._resume()

    def set_power(self, name: str, *, is_on: bool) -> None:
        """A machine that is off answers nothing, not even that nobody is there."""
        if is_on:
            self._down.pop(name, None)
            self._resume()
        else:
            self._down[name] = None

    def _resume(self) -> None:
        for end in list(self._ends):
            end.resume()

    # ---- connections

    def listen(self, port: int, process: Process, accept: Callable[[End], None]) -> bool:
        """Take connections; False when somebody else does."""
        there = self._listeners.get(port)
        if there is not None and there.process.is_up and there.process.life == there.life:
            return False
        self._listeners[port] = Listener(process, process.life, accept)
        return True

    def forget(self, port: int) -> None:
        """Take none any more."""
        self._listeners.pop(port, None)

    def connect(
        self,
        process: Process,
        port: int,
        opened: Callable[[End], None],
        failed: Callable[[], None],
        *,
        patience_ns: int = _SILENCE_NS,
        has_heartbeat: bool = True,
    ) -> None:
        """Connect; one of the two is called later, if the process still lives then."""
        life = process.life
        target = self._listeners.get(port)
        name = target.process.name if target is not None else process.name

        def arrive() -> None:
            if not process.is_up or process.life != life:
                return
            if self.is_cut(process.name, name) or self.is_cut(name, process.name):
                self.world.after(SECOND, lambda: answer(failed))
                return
            there = self._listeners.get(port)
            if there is None or not there.process.is_up or there.process.life != there.life:
                failed()
                return
            near = End(self, process, patience_ns)
            far = End(self, there.process, patience_ns)
            near.peer, far.peer = far, near
            self._ends[near] = self._ends[far] = None
            there.accept(far)
            opened(near)
            if has_heartbeat:
                near.watch()
                far.watch()

        def answer(call: Callable[[], None]) -> None:
            if process.is_up and process.life == life:
                call()

        self.world.after(self._draw.randrange(100, 600) * US, arrive)

    def refuse(self, end: End) -> None:
        """What was sent found nobody: the sender learns it, if anything gets back."""
        if not self.is_cut(end.peer.process.name, end.process.name):
            self.world.after(self._draw.randrange(1, 3) * MS // 10, lambda: end.lost("reset"))

    def reset(self, process: Process) -> None:
        """Every connection of this process breaks; it lives."""
        for end in list(self._ends):
            if end.process is process and not end.is_dead:
                end.peer.lost("reset")
                end.lost("reset")

    def ended(self, process: Process, *, is_power_lost: bool) -> None:
        """A process is gone, and all its ends. A machine without power sends nothing again and
        says no farewell: what had left it arrives, or nothing does.
        """
        for end in list(self._ends):
            if end.process is process and not end.is_closed:
                keep = len(end.under_way)
                if self._draw.random() < 0.5:
                    keep = self._draw.randrange(keep + 1)
                if is_power_lost and self.is_held(process.name, end.peer.process.name):
                    keep = 0
                end.cut_short(keep, is_told=not is_power_lost)
        self._ends = {end: None for end in self._ends if not (end.is_dead and end.peer.is_dead)}
