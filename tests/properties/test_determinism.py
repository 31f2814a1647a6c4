"""The engines are functions of the log: nothing of the process they run in may show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _digests(module: str, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.properties.log_digest", module, "determinism"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.property
@pytest.mark.parametrize("module", ["oms.reference.engine", "oms._core.engine"])
def test_hash_seed_does_not_reach_the_digest(module: str) -> None:
    """Iteration over a set or a hash would give replicas that differ."""
    assert _digests(module, "1") == _digests(module, "4242")
