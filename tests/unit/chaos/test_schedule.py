"""A seed decides what is done to a venue, and every kind has its turn."""

import itertools

from oms.chaos.schedule import FaultName, schedule

EVERY = list(FaultName)


def test_a_seed_decides_everything() -> None:
    """A run that found something can be made again with the same faults in the same order."""
    first, again, other = (list(itertools.islice(schedule(seed, EVERY), 50)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_every_kind_comes_once_before_any_comes_again() -> None:
    """A short run would otherwise leave kinds out, and say nothing of it."""
    faults = schedule(3, EVERY)
    for _ in range(3):
        names = [fault.name for fault in itertools.islice(faults, len(EVERY))]
        assert sorted(names) == sorted(EVERY)


def test_only_what_was_named_comes() -> None:
    """`--only` is for whoever looks for one fault of the product."""
    named = [FaultName.KILL_PAIR, FaultName.FLAP_CLIENTS]
    found = {fault.name for fault in itertools.islice(schedule(1, named), 20)}
    assert found == set(named)
