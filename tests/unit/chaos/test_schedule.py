"""A seed decides what is done to a venue, and every kind has its turn."""

import itertools

from oms.chaos.kinds import FaultName, help_lines
from oms.chaos.schedule import schedule

EVERY = list(FaultName)


def test_a_seed_decides_everything() -> None:
    """A run that found something can be made again with the same faults in the same order."""
    first, again, other = (list(itertools.islice(schedule(seed, EVERY), 50)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_round_has_every_kind_once_and_power_cuts_twice() -> None:
    """A short run would otherwise leave kinds out, and say nothing of it."""
    faults = schedule(3, EVERY)
    cuts = [name for name in EVERY if name.startswith("cut-power-")]
    for _ in range(3):
        names = [fault.name for fault in itertools.islice(faults, len(EVERY) + len(cuts))]
        assert sorted(names) == sorted(EVERY + cuts)


def test_only_what_was_named_comes() -> None:
    """`--only` is for whoever looks for one fault of the product."""
    named = [FaultName.KILL_PAIR, FaultName.FLAP_CLIENTS]
    found = {fault.name for fault in itertools.islice(schedule(1, named), 20)}
    assert found == set(named)


def test_every_kind_has_a_line_of_help() -> None:
    """`--only` wants a name that somebody can find; two columns of 80."""
    lines = help_lines().splitlines()
    assert [line.split()[0] for line in lines] == [name.value for name in FaultName]
    assert all(line[23] != " " and len(line) <= 76 for line in lines)
