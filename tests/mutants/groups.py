"""What a group of deliberate faults is, and which ones there are.

Called by `python -m tests.mutants`. To add a group: a module with the two functions of `Group`, and
its line in `GROUPS`. Everything else (the table, the sample, the exit status) is common.
"""

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol, cast

Hunt = Callable[[str], str]  # name of a fault -> what caught it; empty: it survived

GROUPS: Final = {"engine": "tests.mutants.engine", "log": "tests.mutants.log"}


class Fault(NamedTuple):
    """One deliberate fault. Shape: its name, unique in its group; one line that says what it is."""

    name: str
    what: str


class Group(Protocol):
    """Faults that are planted and hunted in the same way."""

    def faults(self) -> list[Fault]:
        """All of them, in the order of the table. Cheap: builds nothing."""

    def hunting(self) -> AbstractContextManager[Hunt]:
        """Make what all hunts share (a build, a folder), and take it away afterwards.

        The hunt is called from two threads at a time. Raises: RuntimeError when a fault cannot be
        planted any more, or when the suite fails without any.
        """


def load_group(name: str) -> Group:
    """The group of that name. Raises: KeyError."""
    return cast("Group", importlib.import_module(GROUPS[name]))
