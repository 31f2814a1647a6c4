"""Files, folders and links of the forgetful file system, and the steps that change their names.

Called by `file_tree.py`, which has the rules. A node lives as long as a name leads to it, shown or
synced, a step of it waits, or the kernel knows it.
"""

import stat
import time

from oms.chaos.disk_room import Extents
from oms.chaos.file_content import FileContent

Key = tuple[str, int] | tuple[str, int, str]


class Node:
    """A file, folder or link, whatever its names are."""

    def __init__(self, number: int, mode: int) -> None:
        self.number = number
        self.mode = mode
        self.modified_ns = time.time_ns()
        self.lookups = 0  # by the kernel
        self.links = 0  # names that are shown
        self.holds = 0  # names that are shown or synced, and steps that wait


class File(Node):
    """A file; it has an unnamed one on the backing disk until a name of it is synced."""

    def __init__(self, number: int, mode: int, fd: int) -> None:
        super().__init__(number, mode)
        self.content = FileContent(fd)
        self.extents = Extents()
        self.extents.add(0, self.content.size)
        self.is_stale = False  # the kernel's copy is: forgotten at the next open


class Link(Node):
    """A symbolic link."""

    def __init__(self, number: int, target: str) -> None:
        super().__init__(number, stat.S_IFLNK | 0o777)
        self.target = target


class Folder(Node):
    """A folder: the names that are shown and the names that are synced."""

    def __init__(self, number: int, mode: int) -> None:
        super().__init__(number, mode)
        self.names: dict[str, Node] = {}
        self.synced: dict[str, Node] = {}
        self.fd = -1  # of the backing folder; none as long as this one's own name is not synced


class Step:
    """One change of names. `provides` and `wants`: it comes after those that provide its wants."""

    def __init__(self, node: Node, *places: tuple[Folder, str]) -> None:
        self.node = node
        self.folders = [folder for folder, _ in places]
        self.places = places
        self.wants: set[Key] = {("node", node.number)}
        self.wants |= {("name", folder.number, name) for folder, name in places}
        self.provides = self.wants | {("in", folder.number) for folder in self.folders}
        self.is_sealed = False  # synced, but in a folder that has no synced name itself

    @property
    def is_possible(self) -> bool:
        """Its folders are on the backing disk."""
        return all(folder.fd >= 0 for folder in self.folders)


class Enter(Step):
    """A name leads to a node."""


class Remove(Step):
    """A name is gone."""


class Move(Step):
    """A node has another name; the first place is the old one."""
