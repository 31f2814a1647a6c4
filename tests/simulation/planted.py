"""Bugs put into the product on purpose, and how many seeds it takes to find each.

`python -m tests.simulation.planted [--seeds N] [--start S] [--only NAME]` prints a table: after how
many seeds the simulation's judge saw something, and after how many `oms check` did. Exit status 1
if one was found by neither. The bugs are those of `python -m tests.mutants --group log`.
"""

import argparse
import sys
from collections.abc import Callable

from tests.mutants.log_hunt import FAULTS, hunt


def main(show: Callable[[str], None] = print) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="tests.simulation.planted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=60, metavar="N", help="tried at most")
    parser.add_argument("--start", type=int, default=1, metavar="S", help="the first one")
    parser.add_argument("--only", choices=list(FAULTS), metavar="NAME", help="this one alone")
    asked = parser.parse_args()
    names = [asked.only] if asked.only else list(FAULTS)
    missed = 0
    show("| planted | judge | `oms check` | seen as |\n|---|---:|---:|---|")
    for name in names:
        found = hunt(name, start=asked.start, seeds=asked.seeds, is_both_wanted=True)
        missed += not found.text
        never = f"> {found.tried}"
        seen = found.judge or found.checker
        show(
            f"| {FAULTS[name].what} | {found.judge_seeds or never} | "
            f"{found.checker_seeds or never} | {seen} |"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
