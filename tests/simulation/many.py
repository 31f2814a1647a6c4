"""Many runs, a few of them to a process.

Used by the tests and by `python -m tests.simulation`. What a run's dead processes had open stays
open in ours (a system would take it back): no process plays more than RUNS_PER_PROCESS runs.
"""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from tests.simulation.simulation import Result, play

RUNS_PER_PROCESS: Final = 8


def runner() -> ProcessPoolExecutor:
    """Plays one run after the other, each as `submit(play, seed)`."""
    return ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=RUNS_PER_PROCESS
    )


def played(seeds: Iterable[int]) -> Iterator[Result]:
    """What came of each seed, in their order."""
    with runner() as pool:
        yield from pool.map(play, seeds)
