"""Who has room for entries, and what follows from it: pure.

Called by raft_rules.py. A node whose disk is full keeps a reserve. It leaves the quorum and the
others go on; when less than a majority has room the leader is squeezed: then all live on their
reserves, and only what frees something should be proposed (docs/adr/0016, docs/adr/0019).
"""

from oms.replication.port import ROOM_AMPLE, ROOM_LOW, ROOM_RESERVE
from oms.replication.raft_messages import NO_RESERVE, NO_ROOM, ROOM


def is_squeezed(levels: list[int], node_count: int) -> bool:
    """Whether the nodes that are there (`levels`: this leader's, and its connected followers')
    need their reserves to commit anything. Nodes that are away have no room either; without
    anybody short of it, it is they who are missing, not room.
    """
    return levels.count(ROOM) < node_count // 2 + 1 and any(level != ROOM for level in levels)


def level(*, is_low: bool, has_reserve: bool) -> int:
    """One node's room."""
    if not is_low:
        return ROOM
    return NO_ROOM if has_reserve else NO_RESERVE


def name(own_level: int, *, squeezed: bool) -> str:
    """As the port says it."""
    if squeezed:
        return ROOM_RESERVE
    return ROOM_AMPLE if own_level == ROOM else ROOM_LOW
