"""What will be done to the venue, decided by a seed alone: kind after kind, with its numbers.

Called by `run.py`. Pure but for its generator. In each round every kind comes once, and power cuts
twice, for nothing else tests a sync; so a run of a few minutes has them all.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from oms.chaos.kinds import KINDS, Family, FaultName

DOWN_S: Final = (0.0, 0.3, 1.0, 2.0)  # until what was killed is started again
PAUSE_S: Final = (0.1, 0.5, 1.5, 4.0)  # the last is longer than a gateway's lease
QUIET_S: Final = (0.2, 1.0)  # trading between two faults: from, to
_STARTED_AGAIN: Final = frozenset({Family.PROCESS, Family.POWER})


class Fault(NamedTuple):
    """One fault. Shape: scalars; `choice` picks among nodes that will do, whoever they are then."""

    name: FaultName
    quiet_s: float  # trading before it
    lasts_s: float
    choice: int
    seed: int  # of what a disk keeps


def round_of(names: Sequence[FaultName]) -> list[FaultName]:
    """What comes before anything comes again."""
    return [*names, *(name for name in names if KINDS[name].family is Family.POWER)]


def schedule(seed: int, names: Sequence[FaultName]) -> Iterator[Fault]:
    """Without end; the same for the same seed and names."""
    draw = random.Random(seed)  # noqa: S311 - repeatable decisions, not a secret
    while True:
        bag = round_of(names)
        draw.shuffle(bag)
        for name in bag:
            durations = DOWN_S if KINDS[name].family in _STARTED_AGAIN else PAUSE_S
            yield Fault(
                name,
                quiet_s=round(draw.uniform(*QUIET_S), 3),
                lasts_s=draw.choice(durations),
                choice=draw.randrange(1 << 16),
                seed=draw.randrange(1 << 31),
            )
