"""The whole venue in virtual time, under seeded faults; a failing seed repeats exactly.

More seeds by hand: `python -m tests.simulation --seeds 100 --start 1000`.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.faults import KINDS
from tests.simulation.many import Runner
from tests.simulation.once_failed import ONCE_FAILED, OnceFailed

pytestmark = pytest.mark.property
ROOT = Path(__file__).parents[2]
SEEDS = range(1, 61)
RARE = (
    "died at an IO",
    "double login",
    "EIO",
    "events_missing",
    "gateway_lost",
    "message overtaken",
    "message repeated",
    "snapshot installed",
    "snapshot_restored",
)


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    """What all runs together came by."""
    return Counter()


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """Plays the runs."""
    with Runner() as made:
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_every_client_is_told_the_truth(seed: int, seen: Counter[str], runner: Runner) -> None:
    """Kills, power cuts, partitions, pauses: what was acknowledged stays, once and in order."""
    result = runner.play(seed, is_checked=True)
    print(f"seed={seed} {dict(result.done)}")
    assert not result.faults
    assert result.acknowledged > 100
    assert result.verdict is not None
    assert not result.verdict.examples
    assert result.verdict.acknowledged > 100
    seen.update(result.done)
    seen.update(result.seen)


def test_runs_came_by_what_they_are_for(seen: Counter[str]) -> None:
    """A simulation in which nothing rare happens proves nothing about it."""
    if not seen:
        pytest.skip("for all seeds together")
    for name in (*KINDS, *RARE):
        assert seen[name], name


@pytest.mark.parametrize("run", ONCE_FAILED, ids=lambda run: str(run.seed))
def test_what_failed_once_does_not_fail_again(run: OnceFailed, runner: Runner) -> None:
    """Each found something: in the product, or in what judges it."""
    result = runner.play(run.seed, run.faults, is_checked=True, is_plain=run.is_plain)
    assert not result.faults
    assert result.verdict is not None
    assert not result.verdict.examples


def test_a_seed_is_one_run_whatever_the_hash_seed() -> None:
    """A failing seed that cannot be repeated is worth nothing."""
    traces = set()
    for hash_seed in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "3"],
            capture_output=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        traces.add(done.stdout)
    assert len(traces) == 1


def test_without_faults_nothing_is_lost_either(runner: Runner) -> None:
    """The checks hold for a quiet venue, or they would prove nothing about a troubled one."""
    result = runner.play(1, [])
    assert not result.faults
    assert not result.done
