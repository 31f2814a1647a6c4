"""What goes wrong in a run: a list that the seed decides before the run begins.

Each fault has its time and its own random numbers, so one can be left out without changing the
others: a failing run's list is made smaller that way. Whom it hits is decided when it comes: the
leader, a follower, or a name.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.simulation import ambushes, troubles
from tests.simulation.hits import Venue


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    at_ns: int  # after the start of trading
    kind: str

    def draw(self, seed: int) -> random.Random:
        """Its own random numbers."""
        return random.Random(f"{seed}/fault {self.number}")


def plan(seed: int, duration_ns: int, only: Sequence[str] = ()) -> list[Fault]:
    """The seed's faults: each kind is in the mix with one half probability, or just these are."""
    draw = random.Random(f"{seed}/plan")
    kinds = list(only)
    if not only:
        kinds = [kind for kind in KINDS if draw.random() < 0.5] or [draw.choice(list(KINDS))]
        kinds += [kind for kind in kinds if kind in _DANGEROUS for _ in range(2)]
    count = draw.randrange(6, 40)
    times = sorted(draw.randrange(duration_ns) for _ in range(count))
    return [Fault(number, at_ns, draw.choice(kinds)) for number, at_ns in enumerate(times)]


KINDS: Final[dict[str, Callable[[Venue, random.Random], None]]] = {
    "kill node": troubles.kill_node,
    "kill two": troubles.kill_two,
    "die at IO": troubles.die_at_io,
    "power cut": troubles.cut_power,
    "all power cut": troubles.cut_all_power,
    "kill gateway": troubles.kill_gateway,
    "pause": troubles.pause,
    "partition": troubles.partition,
    "slow way": troubles.slow_way,
    "slow disk": troubles.slow_disk,
    "stop node": troubles.stop_node,
    "transfer": troubles.transfer,
    "snapshot now": troubles.snapshot_now,
    "archive": troubles.archive_logs,
    "ambush": ambushes.ambush,
    "rivals": ambushes.rivals,
    "short majority": ambushes.short_majority,
    "late words": ambushes.late_words,
    "late vote": ambushes.late_vote,
    "trap": ambushes.trap,
    "left behind": ambushes.left_behind,
    "full disk": troubles.full_disk,
    "EIO": troubles.io_error,
    "clock jump": troubles.clock_jump,
    "small buffers": troubles.small_buffers,
    "repeated messages": troubles.repeat_messages,
    "overtaken messages": troubles.swap_messages,
    "client flap": troubles.flap,
    "double login": troubles.log_in_twice,
    "links break": troubles.break_links,
    "client restart": troubles.restart_client,
    "bit flip": troubles.flip_bit,
    "day roll": troubles.roll_day,
}
# Three times as often: what random faults alone seldom come by.
_DANGEROUS: Final = frozenset(
    {
        "ambush", "rivals", "short majority", "late words", "late vote", "trap", "power cut",
        "all power cut", "die at IO", "partition", "day roll",
    }
)  # fmt: skip
