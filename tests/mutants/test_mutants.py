"""Deliberate faults in CI: all of them can be planted, and a sample of them is caught.

The sample is another one for every commit; `python -m tests.mutants` hunts them all.
"""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.mutants import engine
from tests.mutants.__main__ import AT_A_TIME, chosen, hunt_group
from tests.mutants.engine import ROOT
from tests.mutants.engine_faults import CHANGES
from tests.mutants.groups import GROUPS, load_group
from tests.mutants.planting import Change, StaleFault, plant

SAMPLE: Final = 10
LOG_SAMPLE: Final = 2
FAULTS_MIN: Final = 30


def _commit() -> str:
    """The tree's commit; where there is none (a copy without git), nothing."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def test_every_fault_can_still_be_planted(tmp_path: Path) -> None:
    """A fault whose text has changed is not there, and what is not there is not caught."""
    core = tmp_path / "core"
    shutil.copytree(ROOT / "oms" / "_core", core)
    plant(core, CHANGES)
    assert len(CHANGES) >= FAULTS_MIN


def test_a_stale_fault_says_so(tmp_path: Path) -> None:
    """Nobody must have to find out why a fault survives that was never planted."""
    core = tmp_path / "core"
    shutil.copytree(ROOT / "oms" / "_core", core)
    gone = Change("gone", "what is not there", "matcher.pxd", "no_such_line()", "pass")
    with pytest.raises(StaleFault, match=r"'gone' is stale: in matcher\.pxd"):
        plant(core, [gone])
    twice = Change("twice", "what stands often", "records.pxd", "0", "1", "uint32_t")
    with pytest.raises(StaleFault, match="not once"):
        plant(core, [twice])


@pytest.mark.parametrize("group", GROUPS)
def test_faults_have_names_and_words_of_their_own(group: str) -> None:
    """The table is read by people, and --only goes by name."""
    faults = load_group(group).faults()
    assert len({fault.name for fault in faults}) == len(faults)
    assert all(fault.what for fault in faults)


@pytest.mark.property
@pytest.mark.timeout(600)
def test_a_sample_of_the_engines_faults_is_caught() -> None:
    """A suite that lets a planted fault through proves little about the engine."""
    seed = _commit()
    print(f"seed {seed!r}")
    faults = chosen(["engine"], only=[], sample=SAMPLE, seed=seed)["engine"]
    with engine.hunting(is_proven=True) as hunt, ThreadPoolExecutor(AT_A_TIME) as pool:
        caught_by = list(pool.map(hunt, [fault.name for fault in faults]))
    assert all(caught_by), [one.name for one, by in zip(faults, caught_by, strict=True) if not by]


@pytest.mark.property
def test_a_sample_of_the_logs_faults_is_caught() -> None:
    """A simulation and a checker that let a planted fault through prove little about the log."""
    seed = _commit()
    print(f"seed {seed!r}")
    faults = chosen(["log"], only=[], sample=LOG_SAMPLE, seed=seed)["log"]
    survived = [done.fault.name for done in hunt_group("log", faults) if not done.caught_by]
    assert not survived
