"""The group `log`: faults in replication, files, gateways and admission, caught by the simulation.

A hunt is a process of its own (`tests.mutants.log_hunt`): it plants the fault, plays seeds one
after the other, and asks after each what the simulation's judge and `oms check` have to say.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tests.mutants.groups import Fault, Hunt
from tests.mutants.log_hunt import FAULTS, Finding
from tests.simulation.simulation import play

ROOT: Final = Path(__file__).parents[2]
HUNT_SECONDS: Final = 900
HUNTER: Final = "tests.mutants.log_hunt"


def faults() -> list[Fault]:
    """All of them, by name."""
    return [Fault(fault.name, fault.what) for fault in FAULTS.values()]


@contextlib.contextmanager
def hunting() -> Iterator[Hunt]:
    """Nothing is shared. Raises: RuntimeError when a run without faults fails."""
    without = play(1, is_checked=True)
    if without.faults or without.verdict is None or without.verdict.examples:
        raise RuntimeError(f"without any fault a run fails: {without.faults}")
    yield _hunt


def _hunt(name: str) -> str:
    """What caught this fault; empty: nothing did."""
    process = subprocess.Popen(
        [sys.executable, "-m", HUNTER, name, "--json"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        said, complaints = process.communicate(timeout=HUNT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "a run that does not end"
    if process.returncode not in {0, 1} or not said:
        raise RuntimeError(f"the hunt for {name!r} itself failed:\n{complaints[-2000:]}")
    return msgspec.json.decode(said, type=Finding).text
