"""What goes wrong in a run: a list that the seed decides before the run begins.

Each fault has its time and its own random numbers, so one can be left out without changing the
others: a failing run's list is made smaller that way. Whom it hits is decided when it comes: the
leader, a follower, or a name.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from tests.simulation.disk import Order
from tests.simulation.parties import GatewayProcess, NodeProcess
from tests.simulation.seams import Seams
from tests.simulation.world import MS, SECOND, Process, World


class Venue(Protocol):
    """Whom faults can hit."""

    world: World
    seams: Seams
    nodes: dict[str, NodeProcess]
    gateways: dict[str, GatewayProcess]

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
    count = draw.randrange(4, 24)
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
}
