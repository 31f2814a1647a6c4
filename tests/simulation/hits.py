"""Whom faults can hit, and what all kinds of them need."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from oms.replication.port import ReplicatedLog
from tests.simulation.office import Administrator
from tests.simulation.parties import GatewayProcess, NodeProcess
from tests.simulation.seams import Seams
from tests.simulation.traders import TraderProcess, Visitor
from tests.simulation.world import MS, Process, World


class Venue(Protocol):
    """Whom faults can hit."""

    world: World
    seams: Seams
    nodes: dict[str, NodeProcess]
    gateways: dict[str, GatewayProcess]
    traders: list[TraderProcess]
    administrator: Administrator | None

    def later(self, delay_ns: int, call: Callable[[], object]) -> None:
        """Call it after a while, unless everything is to be well by then."""

    def visitor(self, user: str) -> Visitor:
        """Somebody who will log in as this user."""

    def leader(self) -> NodeProcess | None:
        """Who leads, if anybody does."""


def some_node(venue: Venue, draw: random.Random) -> NodeProcess:
    """The leader more often than not: what happens to it matters most."""
    leader = venue.leader()
    if leader is not None and draw.random() < 0.6:
        return leader
    return draw.choice(list(venue.nodes.values()))


def start_later(process: Process, delay_ns: int) -> None:
    """A new start, unless somebody was faster."""

    def start() -> None:
        if not process.is_up:
            process.start()

    process.world.after(delay_ns, start)


def pause_ns(draw: random.Random) -> int:
    """Short, or longer than any time-out."""
    return draw.choice((draw.randrange(200) * MS, draw.randrange(200, 3_000) * MS))


def archive(venue: Venue, node: NodeProcess) -> None:
    """The log before this node's newest durable snapshot leaves its journal."""
    if node.node is None:
        return
    log, newest = node.node.parts.log, node.node.parts.snapshots.newest()
    folder = venue.seams.disk.root / node.name / "archive" / "1"
    if newest is not None and newest.log_index <= log.status().applied_index:
        up_to = newest.log_index
        node.guard(lambda: _archive(venue, log, folder, up_to))


def _archive(venue: Venue, log: ReplicatedLog, folder: Path, up_to_index: int) -> None:
    try:
        moved = log.archive(folder, up_to_index)
    except OSError as error:  # as the product does: tried again another time
        venue.world.note("not archived", str(error))
    else:
        venue.world.seen["segments archived"] += len(moved)
