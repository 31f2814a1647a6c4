"""Many seeded runs of a cluster under faults; a failing seed repeats exactly.

More seeds by hand: OMS_RAFT_SEEDS=100-400 before `python -m pytest` on this file.
"""

import os
from pathlib import Path

import pytest

from tests.support.raft_simulation import Simulation

pytestmark = pytest.mark.property


def seeds() -> range:
    first, _, last = os.environ.get("OMS_RAFT_SEEDS", "1-12").partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("seed", seeds())
def test_faults_lose_nothing_and_leave_one_history(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills, power cuts with torn sectors, broken and slow links, pauses: the log stays one."""
    simulation = Simulation(tmp_path, seed, monkeypatch)
    simulation.run(seconds=6.0)
    assert simulation.faults > 30
    assert len(simulation.acknowledged) > 50
