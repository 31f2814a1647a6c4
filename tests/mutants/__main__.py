"""Deliberate faults, one after the other: does the suite catch each of them?

    python -m tests.mutants [--group NAME] [--sample N --seed S] [--only NAME] [--json]

Prints a table (fault, what it is, what caught it, seconds). Exit status 1 when one survives. A
sample is the same for the same seed: CI passes the commit's, so that all of them have their turn.
"""

import argparse
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from tests.mutants.groups import GROUPS, Fault, Hunt, load_group

AT_A_TIME: Final = 2


class Caught(NamedTuple):
    """What became of one fault. Shape: group, fault, what caught it (empty: nothing), seconds."""

    group: str
    fault: Fault
    caught_by: str
    seconds: float


def hunt_group(name: str, faults: list[Fault]) -> list[Caught]:
    """Hunt some faults of a group. Raises: RuntimeError as `Group.hunting`."""

    def one(fault: Fault) -> Caught:
        started = time.monotonic()
        caught_by = hunt(fault.name)
        seconds = time.monotonic() - started
        print(f"  {fault.name}: {caught_by or 'SURVIVED'}", file=sys.stderr, flush=True)
        return Caught(name, fault, caught_by, seconds)

    hunt: Hunt
    with load_group(name).hunting() as hunt, ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(one, faults))


def chosen(names: list[str], *, only: list[str], sample: int, seed: str) -> dict[str, list[Fault]]:
    """The faults that the command line asks for, by group. Raises: SystemExit for unknown ones."""
    faults = [(name, fault) for name in names for fault in load_group(name).faults()]
    unknown = set(only) - {fault.name for _, fault in faults}
    if unknown:
        sys.exit(f"there is no fault {', '.join(sorted(unknown))}")
    if only:
        faults = [(name, fault) for name, fault in faults if fault.name in only]
    if 0 < sample < len(faults):
        picked = set(random.Random(seed).sample(range(len(faults)), sample))
        faults = [pair for number, pair in enumerate(faults) if number in picked]
    return {name: [fault for group, fault in faults if group == name] for name in names}


def table(results: list[Caught]) -> str:
    """As Markdown."""
    lines = ["| fault | what it is | caught by | s |", "|---|---|---|---:|"]
    for result in results:
        caught_by = result.caught_by or "**SURVIVED**"
        fault = result.fault
        lines.append(f"| {fault.name} | {fault.what} | {caught_by} | {result.seconds:.1f} |")
    return "\n".join(lines)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__)
    parser.add_argument("--group", choices=list(GROUPS), action="append", help="default: all")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="so many at random")
    parser.add_argument("--seed", default="", help="of the sample; default: a new one, printed")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this fault")
    parser.add_argument("--json", action="store_true", help="one line of JSON, nothing else")
    asked = parser.parse_args()
    seed = asked.seed or str(random.SystemRandom().getrandbits(32))
    started = time.monotonic()
    names = asked.group or list(GROUPS)
    todo = chosen(names, only=asked.only, sample=asked.sample, seed=seed)
    results = [
        result for name, faults in todo.items() if faults for result in hunt_group(name, faults)
    ]
    survived = [result.fault.name for result in results if not result.caught_by]
    seconds = time.monotonic() - started
    if asked.json:
        caught = {result.fault.name: result.caught_by for result in results}
        print(json.dumps({"faults": caught, "survived": survived, "seconds": round(seconds, 1)}))
    else:
        print(table(results))
        of_sample = f", sample of seed {seed}" if asked.sample else ""
        print(
            f"\n{len(results) - len(survived)} of {len(results)} caught in "
            f"{seconds:.0f} s{of_sample}"
        )
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
