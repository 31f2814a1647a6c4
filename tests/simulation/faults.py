"""What goes wrong in a run: a list that the seed decides before the run begins.

Each fault has its time and its own random numbers, so one can be left out without changing the
others: a failing run's list is made smaller that way. Whom it hits is decided when it comes: the
leader, a follower, or a name.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from oms.replication.port import ReplicatedLog
from tests.simulation.disk import Order
from tests.simulation.parties import GatewayProcess, NodeProcess
from tests.simulation.seams import Seams
from tests.simulation.traders import TraderProcess
from tests.simulation.world import MS, SECOND, Process, World
from tests.simulation.zmq_sockets import NO_LIMIT

# What nodes say at the instants at which it matters most what happens next.
_INSTANTS: Final = (
    "role",
    "role",
    "snapshot_started",
    "snapshot_written",
    "snapshot_restored",
    "raft_link_lost",
    "gateway_lost",
    "room",
    "clock",
)


class Venue(Protocol):
    """Whom faults can hit."""

    world: World
    seams: Seams
    nodes: dict[str, NodeProcess]
    gateways: dict[str, GatewayProcess]
    traders: list[TraderProcess]

    def leader(self) -> NodeProcess | None:
        """Who leads, if anybody does."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    at_ns: int  # after the start of trading
    kind: str

    def draw(self, seed: int) -> random.Random:
        """Its own random numbers."""
        return random.Random(f"{seed}/fault {self.number}")


def plan(seed: int, duration_ns: int) -> list[Fault]:
    """The seed's faults: each kind is in the mix with one half probability."""
    draw = random.Random(f"{seed}/plan")
    kinds = [kind for kind in KINDS if draw.random() < 0.5] or [draw.choice(list(KINDS))]
    kinds += [kind for kind in kinds if kind in _DANGEROUS for _ in range(2)]
    count = draw.randrange(6, 40)
    times = sorted(draw.randrange(duration_ns) for _ in range(count))
    return [Fault(number, at_ns, draw.choice(kinds)) for number, at_ns in enumerate(times)]


def _node(venue: Venue, draw: random.Random) -> NodeProcess:
    """The leader more often than not: what happens to it matters most."""
    leader = venue.leader()
    if leader is not None and draw.random() < 0.6:
        return leader
    return draw.choice(list(venue.nodes.values()))


def _start_later(process: Process, delay_ns: int) -> None:
    def start() -> None:
        if not process.is_up:
            process.start()

    process.world.after(delay_ns, start)


def _pause_ns(draw: random.Random) -> int:
    """Short, or longer than any time-out."""
    return draw.choice((draw.randrange(200) * MS, draw.randrange(200, 3_000) * MS))


def kill_node(venue: Venue, draw: random.Random) -> None:
    """SIGKILL, and a new start."""
    node = _node(venue, draw)
    node.kill()
    _start_later(node, _pause_ns(draw))


def kill_two(venue: Venue, draw: random.Random) -> None:
    """A pair at once: no majority until one is back."""
    for node in draw.sample(list(venue.nodes.values()), 2):
        node.kill()
        _start_later(node, _pause_ns(draw))


def die_at_io(venue: Venue, draw: random.Random) -> None:
    """A node is killed at one of its next calls that change its disk."""
    node = _node(venue, draw)
    if node.is_up:
        order = Order(draw.randrange(1, 12), is_power_lost=False, is_after=draw.random() < 0.5)
        venue.seams.disk.orders[node.name] = order
        _start_later(node, _pause_ns(draw) + 100 * MS)


def cut_power(venue: Venue, draw: random.Random) -> None:
    """A machine loses its power at one of its next calls: what is not synced may be gone."""
    node = _node(venue, draw)
    if node.is_up:
        order = Order(draw.randrange(1, 12), is_power_lost=True, is_after=draw.random() < 0.5)
        venue.seams.disk.orders[node.name] = order
        _start_later(node, _pause_ns(draw) + 100 * MS)


def cut_all_power(venue: Venue, draw: random.Random) -> None:
    """All at once, in the middle of whatever they do."""
    for node in venue.nodes.values():
        node.kill(is_power_lost=True)
        _start_later(node, draw.randrange(1_000) * MS)


def kill_gateway(venue: Venue, draw: random.Random) -> None:
    """SIGKILL, and a new start."""
    gateway = draw.choice(list(venue.gateways.values()))
    gateway.kill(is_power_lost=draw.random() < 0.3)
    _start_later(gateway, _pause_ns(draw))


def pause(venue: Venue, draw: random.Random) -> None:
    """SIGSTOP and SIGCONT."""
    every: list[Process] = [*venue.nodes.values(), *venue.gateways.values()]
    process: Process = _node(venue, draw) if draw.random() < 0.6 else draw.choice(every)
    process.pause(_pause_ns(draw))


def partition(venue: Venue, draw: random.Random) -> None:
    """Nothing gets from here to there; back, it may."""
    names = [*venue.nodes, *venue.gateways]
    one = _node(venue, draw).name
    network = venue.seams.network
    others = [name for name in names if name != one]
    for other in draw.sample(others, draw.randrange(1, len(others) + 1)):
        which = draw.randrange(3)
        if which != 1:
            network.cut(one, other)
        if which != 2:
            network.cut(other, one)
    venue.world.after(draw.randrange(50, 4_000) * MS, network.heal)


def slow_way(venue: Venue, draw: random.Random) -> None:
    """Everything between two of them takes longer."""
    names = [*venue.nodes, *venue.gateways]
    one, other = draw.sample(names, 2)
    network = venue.seams.network
    network.slow_ns[one, other] = draw.choice((5, 50, 400)) * MS
    venue.world.after(draw.randrange(50, 3_000) * MS, network.heal)


def slow_disk(venue: Venue, draw: random.Random) -> None:
    """Every sync takes long."""
    name, slow = _node(venue, draw).name, venue.seams.disk.slow
    slow[name] = draw.choice((10, 60, 400)) * MS

    def end() -> None:
        slow.pop(name, None)

    venue.world.after(draw.randrange(100, 3_000) * MS, end)


def stop_node(venue: Venue, draw: random.Random) -> None:
    """SIGTERM: a leader hands over first."""
    node = _node(venue, draw)
    if node.node is not None:
        node.node.wakeup.is_stop_wanted = True
        node.wake()
        _start_later(node, _pause_ns(draw) + SECOND)


def transfer(venue: Venue, draw: random.Random) -> None:
    """The leader is asked to hand over."""
    leader = venue.leader()
    if leader is not None and leader.node is not None:
        to = draw.choice([None, *(name for name in venue.nodes if name != leader.name)])
        log = leader.node.parts.log
        leader.guard(lambda: venue.world.note("transfer", log.transfer(to)))
        leader.wake()


def snapshot_now(venue: Venue, draw: random.Random) -> None:
    """A snapshot is due on one or all of them, at this very moment."""
    for node in draw.sample(list(venue.nodes.values()), draw.choice((1, 3))):
        if node.node is not None:
            node.node.parts.snapshots._next = 0


def archive(venue: Venue, draw: random.Random) -> None:
    """The log before a durable snapshot leaves the journals, on most of them: who was away too
    long is brought up by a snapshot, and fetches the outputs.
    """
    for node in venue.nodes.values():
        if node.node is None or draw.random() < 0.2:
            continue
        log, newest = node.node.parts.log, node.node.parts.snapshots.newest()
        folder = venue.seams.disk.root / node.name / "archive" / "1"
        if newest is not None and newest.log_index <= log.status().applied_index:
            up_to = newest.log_index
            node.guard(lambda: _archive(venue, log, folder, up_to))  # noqa: B023  # called now


def _archive(venue: Venue, log: ReplicatedLog, folder: Path, up_to_index: int) -> None:
    try:
        moved = log.archive(folder, up_to_index)
    except OSError as error:  # as the product does: tried again another time
        venue.world.note("not archived", str(error))
    else:
        venue.world.seen["segments archived"] += len(moved)


def ambush(venue: Venue, draw: random.Random) -> None:
    """Wait for a dangerous instant of some node, and hit that node just then."""
    event = draw.choice(_INSTANTS)
    blow = draw.choice(("kill", "power", "pause", "cut", "io"))
    delay_ns = draw.choice((0, draw.randrange(3_000_000), draw.randrange(60) * MS))

    def hear(name: str, said: str) -> bool:
        if said != event or name not in venue.nodes or not venue.nodes[name].is_up:
            return False
        venue.world.seen[f"ambush at {event}"] += 1
        venue.world.after(delay_ns, lambda: strike(venue.nodes[name]))
        return True

    def strike(node: NodeProcess) -> None:
        venue.world.note("strike", node.name, blow)
        if blow == "pause":
            node.pause(_pause_ns(draw))
        elif blow == "cut":
            for other in venue.nodes:
                if other != node.name:
                    venue.seams.network.cut(other, node.name)
            venue.world.after(draw.randrange(50, 2_000) * MS, venue.seams.network.heal)
        elif blow == "io" and node.is_up:
            order = Order(draw.randrange(1, 6), is_power_lost=draw.random() < 0.5, is_after=False)
            venue.seams.disk.orders[node.name] = order
            _start_later(node, _pause_ns(draw) + 100 * MS)
        else:
            node.kill(is_power_lost=blow == "power")
            _start_later(node, _pause_ns(draw))

    venue.world.on_said.append(hear)


def rivals(venue: Venue, draw: random.Random) -> None:
    """Two nodes that do not hear each other want the vote of the third, which has just started
    and may die as soon as it has voted.
    """
    names = list(venue.nodes)
    draw.shuffle(names)
    one, other, judge = names
    network, voter = venue.seams.network, venue.nodes[judge]
    network.cut(one, other)
    network.cut(other, one)
    voter.kill()

    def vote() -> None:
        if not voter.is_up:
            voter.start()
        if voter.is_up and draw.random() < 0.7:
            order = Order(draw.randrange(2, 24), is_power_lost=draw.random() < 0.3, is_after=True)
            venue.seams.disk.orders[judge] = order
            for delay_ns in (20, 60, 200):
                _start_later(voter, delay_ns * MS)

    venue.world.after(draw.randrange(300) * MS, vote)
    venue.world.after(draw.randrange(400, 2_000) * MS, network.heal)


def full_disk(venue: Venue, draw: random.Random) -> None:
    """No space for a while, on one of them or on most."""
    disk = venue.seams.disk
    for node in draw.sample(list(venue.nodes.values()), draw.choice((1, 1, 2, 3))):
        disk.full[node.name] = None
    venue.world.after(draw.randrange(200, 4_000) * MS, disk.full.clear)


def io_error(venue: Venue, draw: random.Random) -> None:
    """The next sync fails: the node must not go on."""
    node = _node(venue, draw)
    if node.is_up:
        venue.seams.disk.broken[node.name] = None
        _start_later(node, _pause_ns(draw) + 200 * MS)


def clock_jump(venue: Venue, draw: random.Random) -> None:
    """One machine's wall clock is wrong for a while."""
    process: Process = _node(venue, draw)
    if draw.random() < 0.3:
        process = draw.choice(list(venue.gateways.values()))
    process.skew_ns = draw.choice((-1, 1)) * draw.choice((20, 70, 1_000, 30_000)) * MS

    def end() -> None:
        process.skew_ns = 0

    venue.world.after(draw.randrange(100, 5_000) * MS, end)


def small_buffers(venue: Venue, draw: random.Random) -> None:
    """Every queue of messages is short for a while: senders block, publications drop."""
    fabric = venue.seams.fabric
    fabric.limit = draw.choice((0, 1, 3, 10))

    def end() -> None:
        fabric.limit = NO_LIMIT

    venue.world.after(draw.randrange(50, 2_500) * MS, end)


def flap(venue: Venue, draw: random.Random) -> None:
    """A client's connections break, a few times in a row."""
    trader = draw.choice(venue.traders)
    for number in range(draw.randrange(1, 4)):
        when_ns = number * draw.randrange(5, 400) * MS
        venue.world.after(when_ns, lambda: venue.seams.network.reset(trader))


def break_links(venue: Venue, draw: random.Random) -> None:
    """All connections of a node or a gateway break at once; it lives."""
    every: list[Process] = [*venue.nodes.values(), *venue.gateways.values()]
    venue.seams.network.reset(draw.choice(every))


def restart_client(venue: Venue, draw: random.Random) -> None:
    """A client's process dies; the next one reads everything from the first message on."""
    trader = draw.choice(venue.traders)
    trader.kill(is_power_lost=draw.random() < 0.3)
    _start_later(trader, draw.randrange(10, 1_500) * MS)


def flip_bit(venue: Venue, draw: random.Random) -> None:
    """A node is killed, and one bit of its files is another when it starts again. One node in a
    run: never all good copies. If it refuses to start, its owner puts the bit back.
    """
    node, disk = _node(venue, draw), venue.seams.disk
    if venue.world.seen["bit flipped"]:
        return
    node.kill()
    if disk.flip(node.name, draw):
        venue.world.seen["bit flipped"] += 1
    _start_later(node, _pause_ns(draw))


# Three times as often: what random faults alone seldom come by.
_DANGEROUS: Final = frozenset(
    {"ambush", "rivals", "power cut", "all power cut", "die at IO", "partition"}
)
KINDS: Final[dict[str, Callable[[Venue, random.Random], None]]] = {
    "kill node": kill_node,
    "kill two": kill_two,
    "die at IO": die_at_io,
    "power cut": cut_power,
    "all power cut": cut_all_power,
    "kill gateway": kill_gateway,
    "pause": pause,
    "partition": partition,
    "slow way": slow_way,
    "slow disk": slow_disk,
    "stop node": stop_node,
    "transfer": transfer,
    "snapshot now": snapshot_now,
    "archive": archive,
    "ambush": ambush,
    "rivals": rivals,
    "full disk": full_disk,
    "EIO": io_error,
    "clock jump": clock_jump,
    "small buffers": small_buffers,
    "client flap": flap,
    "links break": break_links,
    "client restart": restart_client,
    "bit flip": flip_bit,
}
