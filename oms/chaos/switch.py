"""What a node of the arena is told from outside: how wrong its clock is, and where it dies.

Written by the arena, read by `fault_node.py`: one page of memory that both have mapped, in a file
beside the nodes' folders, not on their disks. Words of 8 bytes, aligned and in the machine's order,
so that each is old or new.
"""

import mmap
from enum import IntEnum, unique
from pathlib import Path
from typing import Final

FOLDER: Final = "switches"  # in the venue's folder
_BYTES: Final = 4_096
_SKEW, _PLACE, _BLOW = range(3)


@unique
class Place(IntEnum):
    """Where a node can be struck."""

    NOWHERE = 0
    PROPOSED = 1  # the leader's log has an entry in memory, nobody else has it
    APPENDED = 2  # entries are written and not synced; a leader has sent them
    SYNCED = 3  # they are on disk, and nobody was told
    VOTED = 4  # term and vote are on disk, the vote is not sent
    COMMITTED = 5  # the leader's engine has not had the committed entry
    PUBLISHING = 6  # the leader has applied it and told nobody
    SNAPSHOT_WRITTEN = 7  # under its unfinished name, not synced
    SNAPSHOT_NAMED = 8  # the name is not on disk
    SEGMENT_BEGUN = 9  # the next segment's header is written and not synced
    SEGMENT_READY = 10  # it is synced, and no record is behind it
    SEGMENT_WANTED = 11  # nothing dies: a segment is asked for, so that a full disk is noticed


@unique
class Blow(IntEnum):
    """What happens there."""

    KILL = 1
    STOP = 2  # SIGSTOP, so that the power can be cut at this very instant


class Switch:
    """One node's page."""

    def __init__(self, path: Path) -> None:
        """Map the file, made if it is not there."""
        with path.open("a+b") as file:
            file.truncate(_BYTES)
            self._map = mmap.mmap(file.fileno(), _BYTES)
        self._words = memoryview(self._map).cast("q")

    @property
    def skew_ns(self) -> int:
        """How far the node's clock is ahead."""
        return self._words[_SKEW]

    @skew_ns.setter
    def skew_ns(self, value: int) -> None:
        self._words[_SKEW] = value

    @property
    def place(self) -> int:
        """The armed place; NOWHERE from the moment at which the node is there."""
        return self._words[_PLACE]

    @property
    def blow(self) -> Blow:
        """What happens at the armed place."""
        return Blow(self._words[_BLOW])

    def arm(self, place: Place, blow: Blow = Blow.KILL) -> None:
        """The node will be struck once, the next time it comes there."""
        self._words[_BLOW] = blow
        self._words[_PLACE] = place

    def disarm(self) -> None:
        """It was struck, or will not be."""
        self._words[_PLACE] = Place.NOWHERE

    def close(self) -> None:
        """Unmap the page."""
        self._words.release()
        self._map.close()


def path_of(venue: Path, node_id: str) -> Path:
    """The file of a node's switch, in an arena's venue."""
    return venue / FOLDER / node_id
