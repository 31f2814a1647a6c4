"""`python -m tests.simulation --seeds N [--start S] [--json]`, or `--seed S [--trace]`.

Runs seeds, one after the other; each decides everything of its run. Of a seed that fails the list
of faults is made smaller, as far as the failure stays, and printed as the command that repeats it.
Exit status 1 if a seed failed.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tests.simulation import faults
from tests.simulation.faults import Fault
from tests.simulation.many import Runner, played
from tests.simulation.simulation import DURATION_NS, Result, play
from tests.simulation.world import SECOND

_TRIES_MAX: Final = 40  # runs to make one list smaller


class Failed(msgspec.Struct):
    """A seed that broke a promise."""

    seed: int
    broken: list[str]
    faults: list[str]  # those that are needed for it
    command: str  # that repeats it with them alone


class Report(msgspec.Struct):
    """What `--json` prints."""

    seeds: int
    failed: list[Failed]
    sim_seconds: float
    faults: dict[str, int]
    speedup: float
    acknowledged: int


def minimized(
    seed: int, is_broken: Callable[[int, list[Fault]], bool], planned: list[Fault]
) -> list[Fault]:
    """As few of these faults as still break something."""
    kept, tries = planned, 0
    if is_broken(seed, []):
        return []
    size = max(1, len(kept) // 2)
    while tries < _TRIES_MAX:
        for start in range(0, len(kept), size):
            fewer = kept[:start] + kept[start + size :]
            tries += 1
            if is_broken(seed, fewer):
                kept = fewer
                break
        else:
            if size == 1:
                return kept
            size //= 2
        size = max(1, min(size, len(kept)))
    return kept


def text(fault: Fault) -> str:
    """A fault, for people."""
    return f"{fault.number}: {fault.kind} at {fault.at_ns / SECOND:.3f} s"


def run(seeds: Sequence[int], *, is_json: bool) -> Report:
    """All of them."""
    report = Report(len(seeds), [], 0.0, {}, 0.0, 0)
    kinds: Counter[str] = Counter()
    cpu_s = 0.0
    for result in played(seeds):
        report.sim_seconds += result.sim_ns / SECOND
        report.acknowledged += result.acknowledged
        cpu_s += result.cpu_s
        kinds += result.done
        if result.faults:
            report.failed.append(explain(result))
        if not is_json:
            show(result)
    report.faults = dict(sorted(kinds.items()))
    report.speedup = round(report.sim_seconds / cpu_s, 1)
    report.sim_seconds = round(report.sim_seconds, 3)
    return report


def explain(result: Result) -> Failed:
    """Why a seed failed, with as few faults as still break something."""

    def is_broken(seed: int, planned: list[Fault]) -> bool:
        return bool(runner.play(seed, planned).faults)

    with Runner() as runner:
        needed = minimized(result.seed, is_broken, faults.plan(result.seed, DURATION_NS))
    numbers = ",".join(str(fault.number) for fault in needed) or "none"
    command = f"python -m tests.simulation --seed {result.seed} --faults {numbers}"
    return Failed(result.seed, result.faults, [text(fault) for fault in needed], command)


def chosen(seed: int, numbers: str | None) -> list[Fault]:
    """The seed's faults, or those of these numbers."""
    planned = faults.plan(seed, DURATION_NS)
    if numbers is None:
        return planned
    wanted = set() if numbers == "none" else set(map(int, numbers.split(",")))
    return [fault for fault in planned if fault.number in wanted]


def show(result: Result) -> None:
    """One line a seed."""
    verdict = "; ".join(result.faults) or "clean"
    count = sum(result.done.values())
    print(
        f"seed {result.seed}: {verdict} ({count} faults, {result.acknowledged} acknowledged, "
        f"trace {result.digest})",
        flush=True,
    )


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="how many")
    parser.add_argument("--start", type=int, default=1, metavar="S", help="the first one")
    parser.add_argument("--seed", type=int, metavar="S", help="this one alone")
    parser.add_argument("--faults", metavar="N,N", help="of its faults only these; none: no fault")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        planned = chosen(arguments.seed, arguments.faults)
        trace = sys.stdout if arguments.trace else None
        result = play(arguments.seed, trace=trace, planned=planned)
        show(result)
        for fault in planned:
            print(text(fault))
        return 1 if result.faults else 0
    seeds = range(arguments.start, arguments.start + arguments.seeds)
    report = run(seeds, is_json=arguments.json)
    if arguments.json:
        print(msgspec.json.encode(report).decode())
    else:
        for failed in report.failed:
            print(f"seed {failed.seed} fails with {', '.join(failed.faults) or 'no fault'}")
            print(f"  {failed.command}")
        print(
            f"{report.seeds} seeds, {len(report.failed)} failed, {report.sim_seconds:.0f} s of "
            f"the venue's time, {report.speedup} times real time: {report.faults}"
        )
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
