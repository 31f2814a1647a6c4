"""What will be done to the venue, decided by a seed alone: kind after kind, with its numbers.

Called by `run.py`. Pure but for its generator. Every kind comes once before any comes again, so
that a run of a few minutes has them all.
"""

import random
from collections.abc import Iterator, Sequence
from enum import StrEnum, unique
from typing import Final, NamedTuple

DOWN_S: Final = (0.0, 0.3, 1.0, 2.0)  # until what was killed is started again
PAUSE_S: Final = (0.1, 0.5, 1.5, 4.0)  # the last is longer than a gateway's lease
QUIET_S: Final = (0.2, 1.0)  # trading between two faults: from, to


@unique
class FaultName(StrEnum):
    """The kinds of faults, as `--only` knows them."""

    KILL_LEADER = "kill-leader"
    KILL_FOLLOWER = "kill-follower"
    KILL_PAIR = "kill-pair"
    KILL_ALL = "kill-all"
    KILL_AFTER_SNAPSHOT = "kill-after-snapshot"
    KILL_GATEWAY = "kill-gateway"
    PAUSE_LEADER = "pause-leader"
    PAUSE_FOLLOWER = "pause-follower"
    ISOLATE_LEADER = "isolate-leader"
    ISOLATE_FOLLOWER = "isolate-follower"
    SILENCE_LEADER = "silence-leader"
    DEAFEN_LEADER = "deafen-leader"
    FLAP_CLIENTS = "flap-clients"
    CUT_POWER_LEADER = "cut-power-leader"
    CUT_POWER_FOLLOWER = "cut-power-follower"
    CUT_POWER_ALL = "cut-power-all"


POWER_CUTS: Final = frozenset(
    {FaultName.CUT_POWER_LEADER, FaultName.CUT_POWER_FOLLOWER, FaultName.CUT_POWER_ALL}
)


class Fault(NamedTuple):
    """One fault. Shape: scalars; `choice` picks among nodes that will do, whoever they are then."""

    name: FaultName
    quiet_s: float  # trading before it
    lasts_s: float
    choice: int
    seed: int  # of what a disk keeps


def schedule(seed: int, names: Sequence[FaultName]) -> Iterator[Fault]:
    """Without end; the same for the same seed and names."""
    draw = random.Random(seed)  # noqa: S311 - repeatable decisions, not a secret
    while True:
        bag = list(names)
        draw.shuffle(bag)
        for name in bag:
            durations = DOWN_S if name in POWER_CUTS or name.startswith("kill-") else PAUSE_S
            yield Fault(
                name,
                quiet_s=round(draw.uniform(*QUIET_S), 3),
                lasts_s=draw.choice(durations),
                choice=draw.randrange(1 << 16),
                seed=draw.randrange(1 << 31),
            )
