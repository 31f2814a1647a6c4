"""The group `engine`: faults in the core, caught by scenarios, random sequences and unit tests.

One copy of the tree gets one build with every fault in it, each behind its number; a hunt is a
process of its own there (`tests.mutants.hunt_engine`), so that an INVARIANT that aborts, or a loop
that does not end, is caught like anything else.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.mutants.engine_faults import CHANGES
from tests.mutants.groups import Fault, Hunt
from tests.mutants.planting import FAULT_VARIABLE, plant

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("oms", "tests", "setup.py", "pyproject.toml")
BUILT: Final = ("*.so", "*.c", "__pycache__")
BUILD_SECONDS: Final = 600
HUNT_SECONDS: Final = 120
HUNTER: Final = "tests.mutants.hunt_engine"
PYTEST_OPTIONS: Final = ("-x", "-q", "-p", "no:cacheprovider", "-k", "not reference", "-rf")
UNIT_TESTS: Final = (
    "tests/unit/core",
    "tests/properties/test_bounds.py",
    "tests/properties/test_extremes.py",
    "tests/properties/test_expiry_bounds.py",
    "tests/properties/test_mass_cancel_bounds.py",
    "tests/properties/test_posting_bounds.py",
    "tests/properties/test_peg_bounds.py",
    "tests/properties/test_stop_bounds.py",
    "tests/properties/test_trailing_bounds.py",
)


def faults() -> list[Fault]:
    """Every change of the source, by name."""
    return [Fault(change.name, change.what) for change in CHANGES]


@contextlib.contextmanager
def hunting(*, is_proven: bool = False) -> Iterator[Hunt]:
    """A build with all faults. `is_proven`: that the suite passes without any is known. Raises:
    RuntimeError, StaleFault.
    """
    with tempfile.TemporaryDirectory(prefix="quorate-faults-") as name:
        tree = Path(name)
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns(*BUILT))
            else:
                shutil.copy(source, tree / part)
        plant(tree / "oms" / "_core", CHANGES)
        _build(tree)
        without = "" if is_proven else _hunt(tree, 0)
        if without:
            raise RuntimeError(f"without any fault the suite fails: {without}")
        numbers = {change.name: number for number, change in enumerate(CHANGES, 1)}
        yield lambda fault: _hunt(tree, numbers[fault])


def _build(tree: Path) -> None:
    environment = os.environ | {"CFLAGS": "-O1"}  # the last -O counts, and setup.py's comes first
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False,
        timeout=BUILD_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the engine with faults does not build:\n{done.stderr[-4000:]}")


def _hunt(tree: Path, number: int) -> str:
    """What the suite says about one fault; empty: nothing."""
    environment = os.environ | {FAULT_VARIABLE: str(number), "PYTHONPATH": str(tree)}
    for arguments in (("-m", HUNTER), ("-m", "pytest", *PYTEST_OPTIONS, *UNIT_TESTS)):
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=tree, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            said, complaints = process.communicate(timeout=HUNT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            return f"{_place(said)}: it does not end"
        if process.returncode:
            return _caught(process.returncode, said, complaints)
    return ""


def _caught(status: int, said: str, complaints: str) -> str:
    """In words. Raises: RuntimeError when it was the hunt that failed."""
    invariant = [line for line in complaints.splitlines() if line.startswith("INVARIANT")]
    if invariant:
        return f"{_place(said)}: {invariant[0].partition(' (')[0]}"
    if status < 0:
        return f"{_place(said)}: signal {-status}"
    if status == 1:
        return _place(said)
    raise RuntimeError(f"the hunt itself failed:\n{said[-2000:]}\n{complaints[-2000:]}")


def _place(said: str) -> str:
    """Which part of the suite was the last to say something."""
    lines = said.splitlines()
    failed = [line.split()[1] for line in lines if line.startswith("FAILED ")]
    named = [line for line in lines if line.startswith(("scenario ", "random venue "))]
    return failed[0] if failed else named[-1] if named else "unit tests"
