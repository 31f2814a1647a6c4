"""What goes wrong at any moment: processes, machines, ways, disks, clocks, clients.

Each is a kind of fault: it is given the venue and its own random numbers, hits, and sees to it that
whatever it broke is whole again later.
"""

import random

from tests.simulation.disk import Order
from tests.simulation.hits import Venue, archive, pause_ns, some_node, start_later
from tests.simulation.world import MS, SECOND, Process
from tests.simulation.zmq_sockets import NO_LIMIT


def kill_node(venue: Venue, draw: random.Random) -> None:
    """SIGKILL, and a new start."""
    node = some_node(venue, draw)
    node.kill()
    start_later(node, pause_ns(draw))


def kill_two(venue: Venue, draw: random.Random) -> None:
    """A pair at once: no majority until one is back."""
    for node in draw.sample(list(venue.nodes.values()), 2):
        node.kill()
        start_later(node, pause_ns(draw))


def die_at_io(venue: Venue, draw: random.Random) -> None:
    """A node is killed at one of its next calls that change its disk."""
    node = some_node(venue, draw)
    if node.is_up:
        order = Order(draw.randrange(1, 12), is_power_lost=False, is_after=draw.random() < 0.5)
        venue.seams.disk.orders[node.name] = order
        start_later(node, pause_ns(draw) + 100 * MS)


def cut_power(venue: Venue, draw: random.Random) -> None:
    """A machine loses its power at one of its next calls: what is not synced may be gone."""
    node = some_node(venue, draw)
    if node.is_up:
        order = Order(draw.randrange(1, 12), is_power_lost=True, is_after=draw.random() < 0.5)
        venue.seams.disk.orders[node.name] = order
        start_later(node, pause_ns(draw) + 100 * MS)


def cut_all_power(venue: Venue, draw: random.Random) -> None:
    """All at once, in the middle of whatever they do."""
    for node in venue.nodes.values():
        node.kill(is_power_lost=True)
        start_later(node, draw.randrange(1_000) * MS)


def kill_gateway(venue: Venue, draw: random.Random) -> None:
    """SIGKILL, and a new start."""
    gateway = draw.choice(list(venue.gateways.values()))
    gateway.kill(is_power_lost=draw.random() < 0.3)
    start_later(gateway, pause_ns(draw))


def pause(venue: Venue, draw: random.Random) -> None:
    """SIGSTOP and SIGCONT."""
    every: list[Process] = [*venue.nodes.values(), *venue.gateways.values()]
    process: Process = some_node(venue, draw) if draw.random() < 0.6 else draw.choice(every)
    process.pause(pause_ns(draw))


def partition(venue: Venue, draw: random.Random) -> None:
    """Nothing gets from here to there; back, it may."""
    names = [*venue.nodes, *venue.gateways]
    one = some_node(venue, draw).name
    network = venue.seams.network
    others = [name for name in names if name != one]
    for other in draw.sample(others, draw.randrange(1, len(others) + 1)):
        which = draw.randrange(3)
        if which != 1:
            network.cut(one, other)
        if which != 2:
            network.cut(other, one)
    venue.later(draw.randrange(50, 4_000) * MS, network.heal)


def slow_way(venue: Venue, draw: random.Random) -> None:
    """Everything between two of them takes longer."""
    names = [*venue.nodes, *venue.gateways]
    one, other = draw.sample(names, 2)
    network = venue.seams.network
    network.slow_ns[one, other] = draw.choice((5, 50, 400)) * MS
    venue.later(draw.randrange(50, 3_000) * MS, network.heal)


def slow_disk(venue: Venue, draw: random.Random) -> None:
    """Every sync takes long."""
    name, slow = some_node(venue, draw).name, venue.seams.disk.slow
    slow[name] = draw.choice((10, 60, 400)) * MS

    def end() -> None:
        slow.pop(name, None)

    venue.later(draw.randrange(100, 3_000) * MS, end)


def stop_node(venue: Venue, draw: random.Random) -> None:
    """SIGTERM: a leader hands over first."""
    node = some_node(venue, draw)
    if node.node is not None:
        node.node.wakeup.is_stop_wanted = True
        node.wake()
        start_later(node, pause_ns(draw) + SECOND)


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


def full_disk(venue: Venue, draw: random.Random) -> None:
    """No space for a while, on one of them or on most."""
    disk = venue.seams.disk
    for node in draw.sample(list(venue.nodes.values()), draw.choice((1, 1, 2, 3))):
        disk.full[node.name] = None
    venue.later(draw.randrange(200, 4_000) * MS, disk.full.clear)


def io_error(venue: Venue, draw: random.Random) -> None:
    """The next sync fails: the node must not go on."""
    node = some_node(venue, draw)
    if node.is_up:
        venue.seams.disk.broken[node.name] = None
        start_later(node, pause_ns(draw) + 200 * MS)


def clock_jump(venue: Venue, draw: random.Random) -> None:
    """One machine's wall clock is wrong for a while."""
    process: Process = some_node(venue, draw)
    if draw.random() < 0.3:
        process = draw.choice(list(venue.gateways.values()))
    process.skew_ns = draw.choice((-1, 1)) * draw.choice((20, 70, 1_000, 30_000)) * MS

    def end() -> None:
        process.skew_ns = 0

    venue.later(draw.randrange(100, 5_000) * MS, end)


def small_buffers(venue: Venue, draw: random.Random) -> None:
    """Every queue of messages is short for a while: senders block, publications drop."""
    fabric = venue.seams.fabric
    fabric.limit = draw.choice((0, 1, 3, 10))

    def end() -> None:
        fabric.limit = NO_LIMIT

    venue.later(draw.randrange(50, 2_500) * MS, end)


def flap(venue: Venue, draw: random.Random) -> None:
    """A client's connections break, a few times in a row."""
    trader = draw.choice(venue.traders)
    for number in range(draw.randrange(1, 4)):
        when_ns = number * draw.randrange(5, 400) * MS
        venue.later(when_ns, lambda: venue.seams.network.reset(trader))


def break_links(venue: Venue, draw: random.Random) -> None:
    """All connections of a node or a gateway break at once; it lives."""
    every: list[Process] = [*venue.nodes.values(), *venue.gateways.values()]
    venue.seams.network.reset(draw.choice(every))


def restart_client(venue: Venue, draw: random.Random) -> None:
    """A client's process dies; the next one reads everything from the first message on."""
    trader = draw.choice(venue.traders)
    trader.kill(is_power_lost=draw.random() < 0.3)
    start_later(trader, draw.randrange(10, 1_500) * MS)


def flip_bit(venue: Venue, draw: random.Random) -> None:
    """A node is killed, and one bit of its files is another when it starts again. One node in a
    run: never all good copies. If it refuses to start, its owner puts the bit back.
    """
    node, disk = some_node(venue, draw), venue.seams.disk
    if venue.world.seen["bit flipped"]:
        return
    node.kill()
    if disk.flip(node.name, draw):
        venue.world.seen["bit flipped"] += 1
    start_later(node, pause_ns(draw))


def archive_logs(venue: Venue, draw: random.Random) -> None:
    """The log before a durable snapshot leaves the journals, on most of them: who was away too
    long is brought up by a snapshot, and fetches the outputs.
    """
    for node in venue.nodes.values():
        if draw.random() >= 0.2:
            archive(venue, node)


def repeat_messages(venue: Venue, draw: random.Random) -> None:
    """For a while messages between gateways and nodes come twice."""
    fabric = venue.seams.fabric
    fabric.repeats = draw.choice((0.02, 0.2, 1.0))

    def end() -> None:
        fabric.repeats = 0.0

    venue.later(draw.randrange(50, 2_500) * MS, end)


def swap_messages(venue: Venue, draw: random.Random) -> None:
    """For a while messages between gateways and nodes overtake each other."""
    fabric = venue.seams.fabric
    fabric.swaps = draw.choice((0.02, 0.2, 0.8))

    def end() -> None:
        fabric.swaps = 0.0

    venue.later(draw.randrange(50, 2_500) * MS, end)


def log_in_twice(venue: Venue, draw: random.Random) -> None:
    """Somebody else logs in as a user who is logged in, reads all, and is gone again."""
    visitor = venue.visitor(draw.choice(venue.traders).user)
    visitor.start()
    venue.later(draw.randrange(1, 1_500) * MS, visitor.kill)


def roll_day(venue: Venue, _draw: random.Random) -> None:
    """The day ends and the next begins, in the middle of everything."""
    if venue.administrator is not None:
        venue.administrator.roll()
