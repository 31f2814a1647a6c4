"""Hunts faults of the group `log` with the simulation: how many seeds until somebody sees one?

    python -m tests.mutants.log_hunt NAME [--start S] [--seeds N] [--both] [--json]

Called by the group, a process for each fault. A run is judged twice: by the simulation's judge and
by `oms check`, which is given what the clients wrote down and what the nodes were handed. A fault
that names a test is hunted with that test alone, unless a seed is given.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final
from unittest import mock

import msgspec

from tests.mutants.log_engine_faults import ENGINE_FAULTS
from tests.mutants.log_faults import LOG_FAULTS, LogFault
from tests.mutants.plant_log import VARIABLE
from tests.simulation.faults import plan
from tests.simulation.simulation import DURATION_NS, play

FAULTS: Final = {fault.name: fault for fault in (*LOG_FAULTS, *ENGINE_FAULTS)}
SEEDS: Final = 40
ROOT: Final = Path(__file__).parents[2]


class Finding(msgspec.Struct):
    """What came of a hunt. Shape: seeds until the judge saw something, and what; the same of the
    checker; 0: neither in all that were tried.
    """

    name: str
    judge_seeds: int = 0
    judge: str = ""
    checker_seeds: int = 0
    checker: str = ""
    tried: int = 0
    test: str = ""

    @property
    def text(self) -> str:
        """For the table; empty: it survived."""
        told = [self.test] if self.test else []
        if self.judge_seeds:
            told.append(f"judge in {self.judge_seeds}: {self.judge}")
        if self.checker_seeds:
            told.append(f"`oms check` in {self.checker_seeds}: {self.checker}")
        return "; ".join(told)


def hunt(name: str, *, start: int = 0, seeds: int = SEEDS, is_both_wanted: bool = False) -> Finding:
    """Play until it is seen (`is_both_wanted`: by both), or `seeds` are played."""
    fault = FAULTS[name]
    finding = Finding(name)
    if fault.test and not start:
        finding.test = fault.test if _is_failing(fault) else ""
        return finding
    for number in range(1, seeds + 1):
        finding.tried = number
        judged, checked = _one(fault, (start or fault.seed) + number - 1)
        if judged and not finding.judge_seeds:
            finding.judge_seeds, finding.judge = number, judged
        if checked and not finding.checker_seeds:
            finding.checker_seeds, finding.checker = number, checked
        if finding.judge_seeds and finding.checker_seeds:
            break
        if (finding.judge_seeds or finding.checker_seeds) and not is_both_wanted:
            break
    return finding


def _is_failing(fault: LogFault) -> bool:
    """Whether the fault's test fails with it. Raises: RuntimeError when nothing was tested."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "-p", "tests.mutants.plant_log", fault.test,
        ],
        cwd=ROOT, env=os.environ | {VARIABLE: fault.name}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode not in {0, 1}:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 1


def _one(fault: LogFault, seed: int) -> tuple[str, str]:
    """What judge and checker say first; empty: nothing."""
    with contextlib.ExitStack() as stack:
        for owner, name, value in fault.patches:
            stack.enter_context(mock.patch.object(owner, name, value))
        try:
            planned = plan(seed, DURATION_NS, fault.kinds)
            result = play(seed, planned=planned, is_checked=True)
        except Exception as error:  # noqa: BLE001  # whatever a broken product makes of us
            return f"raised {error!r}"[:200], ""
    judged = result.faults[0].partition(": ")[2].splitlines()[0] if result.faults else ""
    verdict = result.verdict
    return judged, verdict.examples[0] if verdict is not None and verdict.examples else ""


def main() -> int:
    """The exit status: 1 when it survived."""
    parser = argparse.ArgumentParser(prog="tests.mutants.log_hunt", description=__doc__)
    parser.add_argument("name", choices=list(FAULTS), metavar="NAME", help="of the fault")
    parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="tried at most")
    parser.add_argument("--both", action="store_true", help="go on until judge and checker see it")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    asked = parser.parse_args()
    finding = hunt(asked.name, start=asked.start, seeds=asked.seeds, is_both_wanted=asked.both)
    print(msgspec.json.encode(finding).decode() if asked.json else finding.text or "survived")
    return 0 if finding.text else 1


if __name__ == "__main__":
    sys.exit(main())
