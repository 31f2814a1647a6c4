"""What the checker found: counts by kind of violation, the first of each kind told, and figures.

Called by every file of this room; printed by `oms check`, read by whoever runs it. Plain data.
"""

from enum import StrEnum, unique
from typing import Final

import msgspec

EXAMPLES_MAX: Final = 5  # of each kind


@unique
class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # told to a client, and not in the log; or left out of what it was told
    DUPLICATED = "duplicated"  # told, or executed, more often than it happened
    REORDERED = "reordered"  # told, or put into the log, in an order that cannot be
    CONTRADICTED = "contradicted"  # the venue's own counting does not hold
    IMPOSSIBLE = "impossible"  # no order can have this life, whatever the log says
    INVENTED = "invented"  # in the log, and sent by nobody
    UNBALANCED = "unbalanced"  # money or shares came from nowhere


class Verdict(msgspec.Struct, kw_only=True):
    """One check; a run is good when `is_clean`."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    contradicted: int = 0
    impossible: int = 0
    invented: int = 0
    unbalanced: int = 0
    histories: int = 0
    incomplete: int = 0  # histories that do not end in order: nothing is concluded from silence
    other_clocks: int = 0  # histories whose times do not compare with the others'
    sessions: int = 0
    operations: int = 0  # messages sent
    acknowledged: int = 0  # orders and replaces that were accepted, as clients were told
    messages: int = 0  # told to clients, each number once
    unread: int = 0  # in the log behind what its client has read
    unanswered: int = 0  # orders whose client was never told
    unknown_resolved: int = 0  # of these, as the log says: they have an outcome
    entries: int = 0
    commands: int = 0
    seconds: float = 0.0
    examples: list[str] = msgspec.field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing of any kind was found."""
        return self.violations == 0

    @property
    def violations(self) -> int:
        """Of all kinds."""
        return sum(self.count(kind) for kind in Kind)

    def count(self, kind: Kind) -> int:
        """How many of one kind."""
        number: int = getattr(self, kind.value)
        return number

    def find(self, kind: Kind, text: str, number: int = 1) -> None:
        """Something is wrong."""
        if self.count(kind) < EXAMPLES_MAX:
            self.examples.append(f"{kind.value}: {text}")
        setattr(self, kind.value, self.count(kind) + number)
