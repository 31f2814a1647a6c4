"""What goes wrong at the instants at which it matters most: faults that wait, or come in company.

Random faults alone seldom come by these. Each kind is a story that one weakness of a replicated log
would not survive: what promises durability leaves before it is true, a vote counts twice, an old
leader's words count, a log is shortened by what is not on disk.
"""

import random
from collections.abc import Callable
from typing import Final

from tests.simulation.disk import Order
from tests.simulation.hits import Venue, archive, pause_ns, start_later
from tests.simulation.parties import NodeProcess
from tests.simulation.world import MS

_INSTANTS: Final = (
    "role",
    "role",
    "confirms",
    "sends Vote",
    "sends Vote",
    "sends RequestVote",
    "sends TimeoutNow",
    "sends InstallSnapshot",
    "sends InstallReply",
    "installed",
    "snapshot_started",
    "snapshot_written",
    "snapshot_restored",
    "raft_link_lost",
    "gateway_lost",
    "room",
    "clock",
)
_AWAY_MS: Final = (2_500, 6_000)  # longer than a segment of the log lasts


def wait_for(
    venue: Venue, event: str, strike: Callable[[NodeProcess], None], name: str = ""
) -> None:
    """Call `strike` at the next `event` of a node that runs (of this one, if it is named)."""

    def hear(who: str, said: str) -> bool:
        if said != event or name not in {"", who}:
            return False
        if who not in venue.nodes or not venue.nodes[who].is_up:
            return False
        venue.world.seen[f"ambush at {event}"] += 1
        strike(venue.nodes[who])
        return True

    venue.world.on_said.append(hear)


def die_at_call(
    venue: Venue, node: NodeProcess, draw: random.Random, *, count: int, power_chance: float
) -> None:
    """This node dies at one of its next calls that change its disk, and starts again."""
    is_power_lost = draw.random() < power_chance
    venue.seams.disk.orders[node.name] = Order(count, is_power_lost=is_power_lost, is_after=False)
    start_later(node, pause_ns(draw) + 100 * MS)


def ambush(venue: Venue, draw: random.Random) -> None:
    """Wait for a dangerous instant of some node, and hit that node just then."""
    blow = draw.choice(("kill", "power", "pause", "cut", "io"))
    delay_ns = draw.choice((0, draw.randrange(3_000_000), draw.randrange(60) * MS))

    def strike(node: NodeProcess) -> None:
        venue.world.note("strike", node.name, blow)
        if blow == "pause":
            node.pause(pause_ns(draw))
        elif blow == "cut":
            for other in venue.nodes:
                if other != node.name:
                    venue.seams.network.cut(other, node.name)
            venue.later(draw.randrange(50, 2_000) * MS, venue.seams.network.heal)
        elif blow == "io":
            if node.is_up:
                die_at_call(venue, node, draw, count=draw.randrange(1, 6), power_chance=0.5)
        else:
            node.kill(is_power_lost=blow == "power")
            start_later(node, pause_ns(draw))

    def come(node: NodeProcess) -> None:
        if blow == "io" and not delay_ns:
            strike(node)  # the very next call counts
        else:
            venue.later(delay_ns, lambda: strike(node))

    wait_for(venue, draw.choice(_INSTANTS), come)


def rivals(venue: Venue, draw: random.Random) -> None:
    """Two nodes that do not hear each other want the vote of the third, which has just started,
    is far from both, and may die as soon as it has voted.
    """
    names = list(venue.nodes)
    draw.shuffle(names)
    one, other, judge = names
    network, voter = venue.seams.network, venue.nodes[judge]
    network.cut(one, other)
    network.cut(other, one)
    far_ns = draw.choice((0, 0, 5, 20, 60)) * MS
    for name in (one, other):
        network.slow_ns[name, judge] = network.slow_ns[judge, name] = far_ns
    voter.kill()

    def vote() -> None:
        if not voter.is_up:
            voter.start()
        if voter.is_up and draw.random() < 0.6:
            die_after_voting()

    def die_after_voting() -> None:
        is_power_lost = draw.random() < 0.3
        if draw.random() < 0.5:
            order = Order(draw.randrange(2, 24), is_power_lost=is_power_lost, is_after=True)
            venue.seams.disk.orders[judge] = order
        else:
            wait_for(
                venue,
                "sends Vote",
                lambda node: venue.later(
                    draw.randrange(2 * MS), lambda: node.kill(is_power_lost=is_power_lost)
                ),
                judge,
            )
        for delay_ns in (20, 60, 200, 600):
            start_later(voter, delay_ns * MS)

    # At once, or when whoever led before has given up.
    venue.later(draw.choice((draw.randrange(300), draw.randrange(620, 900))) * MS, vote)
    venue.later(draw.randrange(900, 2_500) * MS, network.heal)


def short_majority(venue: Venue, draw: random.Random) -> None:
    """A follower loses its power right after it has confirmed, the leader dies as soon as it has
    counted that, and the third, which heard nothing of it, elects with the one that came back.
    """
    leader = venue.leader()
    if leader is None:
        return
    others = [name for name in venue.nodes if name != leader.name]
    draw.shuffle(others)
    witness, deaf = others
    network = venue.seams.network
    network.cut(leader.name, deaf)
    if draw.random() < 0.5:
        network.cut(witness, deaf)
    venue.later(600 * MS, network.heal)

    def lose(node: NodeProcess) -> None:
        order = Order(draw.choice((1, 1, 1, 2)), is_power_lost=True, is_after=False)
        venue.seams.disk.orders[node.name] = order
        start_later(node, draw.randrange(60, 200) * MS)
        venue.later(draw.randrange(2, 40) * MS, leader_dies)

    def leader_dies() -> None:
        leader.kill(is_power_lost=draw.random() < 0.3)
        network.heal()
        start_later(leader, draw.randrange(800, 2_500) * MS)

    def begin() -> None:
        wait_for(venue, "confirms", lose, witness)

    venue.later(draw.randrange(300) * MS, begin)


def late_words(venue: Venue, draw: random.Random) -> None:
    """Nothing leaves the leader until the others have another one: then all of it arrives."""
    leader = venue.leader()
    if leader is None:
        return
    network = venue.seams.network
    for name in venue.nodes:
        if name != leader.name:
            network.cut(leader.name, name)
            if draw.random() < 0.3:
                network.cut(name, leader.name)
    if draw.random() < 0.3:
        venue.later(draw.randrange(100) * MS, lambda: leader.pause(pause_ns(draw)))

    def release(_node: NodeProcess) -> None:
        venue.later(draw.randrange(30) * MS, network.heal)

    venue.later(MS, lambda: wait_for(venue, "sends Vote", release))
    venue.later(draw.randrange(900, 1_900) * MS, network.heal)


def late_vote(venue: Venue, draw: random.Random) -> None:
    """Who does not hear the leader asks for a vote that arrives when the voter, which heard nothing
    for a while either, has got more from the leader.
    """
    leader = venue.leader()
    if leader is None:
        return
    names = [name for name in venue.nodes if name != leader.name]
    draw.shuffle(names)
    asker, voter = names
    network = venue.seams.network
    network.cut(leader.name, asker)
    network.cut(asker, leader.name)

    def slow() -> None:
        network.slow_ns[leader.name, voter] = draw.randrange(420, 570) * MS
        network.slow_ns[asker, voter] = draw.randrange(60, 320) * MS

    venue.later(draw.randrange(350) * MS, slow)
    venue.later(draw.randrange(1_300, 1_900) * MS, network.heal)


def trap(venue: Venue, draw: random.Random) -> None:
    """As soon as a snapshot is written the log before it is archived, and the power fails: of this
    node or of all.
    """
    is_of_all = draw.random() < 0.4
    delay_ns = draw.choice((0, draw.randrange(5 * MS)))
    for node in venue.nodes.values():
        if node.node is not None:
            node.node.parts.snapshots._next = 0

    def strike(node: NodeProcess) -> None:
        for each in list(venue.nodes.values()) if is_of_all else [node]:
            archive(venue, each)
            each.kill(is_power_lost=True)
            start_later(each, draw.randrange(50, 800) * MS)

    def come(node: NodeProcess) -> None:
        venue.later(delay_ns, lambda: strike(node))

    venue.later(MS, lambda: wait_for(venue, "snapshot_written", come))


def left_behind(venue: Venue, draw: random.Random) -> None:
    """A node is away until the others have archived what it lacks: it is brought up by a snapshot,
    and is hit in the middle of that.
    """
    leader = venue.leader()
    node = draw.choice([n for n in venue.nodes.values() if n is not leader])
    away_ms = draw.randrange(*_AWAY_MS)
    node.kill(is_power_lost=draw.random() < 0.3)
    others = [other for other in venue.nodes.values() if other is not node]

    def prepare() -> None:
        for other in others:
            if other.node is not None:
                other.node.parts.snapshots._next = 0

    def archive_all() -> None:
        for other in others:
            archive(venue, other)

    def return_and_fall() -> None:
        event = draw.choice(("sends InstallReply", "installed", "snapshot_restored", ""))
        if event:
            wait_for(venue, event, fall, node.name)
        if not node.is_up:
            node.start()

    def fall(fallen: NodeProcess) -> None:
        die_at_call(venue, fallen, draw, count=draw.randrange(1, 8), power_chance=0.5)

    venue.later((away_ms - 400) * MS, prepare)
    for before_ms in (200, 50):
        venue.later((away_ms - before_ms) * MS, archive_all)
    venue.later(away_ms * MS, return_and_fall)
