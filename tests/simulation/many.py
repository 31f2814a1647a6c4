"""Many runs, a few of them to a process.

Used by the tests and by `python -m tests.simulation`. What a run's dead processes had open stays
open in ours (a system would take it back): no process plays more than RUNS_PER_PROCESS runs.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, Self

from tests.simulation.faults import Fault
from tests.simulation.simulation import Result, play

RUNS_PER_PROCESS: Final = 24


class Runner:
    """Plays runs one after the other, in a process that is replaced now and then."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._left = 0

    def play(
        self,
        seed: int,
        planned: Sequence[Fault] | None = None,
        *,
        is_checked: bool = False,
        is_plain: bool = False,
    ) -> Result:
        """One run; of the seed's faults, or of these; judged by `oms check` too, if wanted."""
        if not self._left:
            self._end()
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            self._left = RUNS_PER_PROCESS
        assert self._pool is not None
        self._left -= 1
        done = self._pool.submit(
            play, seed, planned=planned, is_checked=is_checked, is_plain=is_plain
        )
        return done.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def played(seeds: Sequence[int]) -> Iterator[Result]:
    """What came of each seed, in their order."""
    with Runner() as runner:
        for seed in seeds:
            yield runner.play(seed)
