"""What is checked, and the tables of it: `python -m tests.model.exactly_once [--large | --faults]`.

Called by people and by the tests. The small cases are part of every test run; the large ones take
minutes and gigabytes. The faults are mistakes built into the model: each must be found.
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.model.search import Report, explore
from tests.model.state import Budget, Fault, Item, Rules

ORDERS = (Item.ENTER, Item.QUERY, Item.ENTER)
WITH_CANCEL = (Item.ENTER, Item.QUERY, Item.CANCEL)


@dataclass(frozen=True)
class Case:
    """One exploration. `promise` is the one that must be found broken, if any."""

    name: str
    rules: Rules
    promise: str = ""


def _case(
    name: str, budget: Budget, *, items: tuple[Item, ...] = ORDERS, eager: bool = False
) -> Case:
    return Case(name, Rules(items=items, budget=budget, is_eager=eager))


SMALL = (
    _case("one crash each: leader and both gateways", Budget(1, (1, 1))),
    _case("leader crash, time passes, early resend", Budget(1, expiry=1, early_resend=1)),
    _case("leader crash, pipe loss, early resend", Budget(1, pipe_loss=1, early_resend=1)),
    _case("leader crash, client disconnects", Budget(1, disconnect=1)),
    _case("client disconnects, lease lost, time passes", Budget(expiry=1, disconnect=1, lease=1)),
    _case("two disconnects, impatient client", Budget(disconnect=2), eager=True),
    _case("crash of leader and a gateway, a cancel", Budget(1, (1, 0)), items=WITH_CANCEL),
    _case("crash of leader and a gateway, impatient client", Budget(1, (1, 0)), eager=True),
)
LARGE = (
    _case("one crash each, time passes", Budget(1, (1, 1), expiry=1)),
    _case("one crash each, early resend", Budget(1, (1, 1), early_resend=1)),
    _case("one crash each, pipe loss", Budget(1, (1, 1), pipe_loss=1)),
    _case("crash of leader and a gateway, disconnect", Budget(1, (1, 0), disconnect=1)),
    _case("both gateways, lease, early resend, time", Budget(0, (1, 1), 0, 1, 1, 0, 1)),
    _case("two leader crashes, a gateway's", Budget(2, (1, 0))),
)


def _mistake(fault: Fault, budget: Budget, promise: str, *, eager: bool = False) -> Case:
    rules = Rules(items=ORDERS, budget=budget, fault=fault, is_eager=eager)
    return Case(fault.name.lower().replace("_", " "), rules, promise)


MISTAKES = (
    _mistake(Fault.FORGET_DEDUPE, Budget(early_resend=1), "once"),
    _mistake(Fault.KEEP_CLIENT_SEQ, Budget(disconnect=1), "acknowledged"),
    _mistake(Fault.ACCEPT_GAP, Budget(pipe_loss=1), "acknowledged"),
    _mistake(Fault.ACCEPT_STALE_EPOCH, Budget(disconnect=1), "stale"),
    _mistake(Fault.LATE_LOGIN, Budget(expiry=1, disconnect=1), "undisturbed"),
    _mistake(Fault.LATE_LOGOUT, Budget(disconnect=1), "stale"),
    _mistake(Fault.KEEP_EPOCH, Budget(0, (1, 0)), "submit"),
    _mistake(Fault.REPEATED_NONCE, Budget(early_resend=1), "repeat"),
    _mistake(Fault.DROP_NOT_AFTER, Budget(expiry=1), "late"),
    _mistake(Fault.FORGET_KEYS, Budget(disconnect=1), "once", eager=True),
    _mistake(Fault.RENUMBER_ON_RESEND, Budget(early_resend=1), "once"),
    _mistake(Fault.NEVER_RESEND, Budget(pipe_loss=1), "decided"),
    _mistake(Fault.FORGET_WINDOW, Budget(1), "order"),
    _mistake(Fault.KEEP_OLD_WINDOW, Budget(disconnect=1), "decided"),
    _mistake(Fault.EVENTS_OUT_OF_ORDER, Budget(), "stream"),
    _mistake(Fault.LOST_FRAME_SKIPPED, Budget(), "stream"),
    _mistake(Fault.STREAM_FROM_LOGIN, Budget(disconnect=1), "stream"),
    _mistake(Fault.ACKNOWLEDGE_BEFORE_COMMIT, Budget(1), "acknowledged"),
)


def run(case: Case, states_max: int = 10_000_000) -> tuple[Report, float]:
    """Explore one case; CPU seconds beside it."""
    started = time.process_time()
    report = explore(case.rules, states_max)
    return report, time.process_time() - started


def line(case: Case, report: Report, seconds: float) -> str:
    """The case's row of the table."""
    found = report.found
    verdict = "every promise holds" if found is None else f"BROKEN {found.promise}: {found.text}"
    return (
        f"{case.name:<50}{report.states:>10,}{report.transitions:>12,}{report.depth:>7}"
        f"{seconds:>9.1f}  {verdict}"
    )


def mistake_line(case: Case, report: Report) -> str:
    """The mistake's row of the table."""
    found = report.found
    if found is None:
        return f"{case.name:<28}NOT FOUND in {report.states:,} states"
    way = ", ".join(" ".join(label) for label in found.path)
    return f"{case.name:<28}{found.promise:<14}{len(found.path):>3}  {found.text}\n{'':6}{way}"


def _explore_all(cases: Iterable[Case]) -> bool:
    print(f"{'case':<50}{'states':>10}{'transitions':>12}{'depth':>7}{'CPU s':>9}")
    is_good = True
    for case in cases:
        report, seconds = run(case)
        print(line(case, report, seconds), flush=True)
        if report.found is not None:
            print("      " + "\n      ".join(" ".join(label) for label in report.found.path))
            is_good = False
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"peak memory {peak:,} MiB")
    return is_good


def _find_mistakes() -> bool:
    print(f"{'mistake':<28}{'breaks':<14}{'n':>3}  what is seen, after the shortest way of n steps")
    is_good = True
    for case in MISTAKES:
        report, _ = run(case)
        print(mistake_line(case, report), flush=True)
        is_good = is_good and report.found is not None and report.found.promise == case.promise
    return is_good


def main() -> int:
    """Print the tables; 1 when a promise is broken or a mistake is not found."""
    parser = argparse.ArgumentParser(prog="tests.model.exactly_once", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--large", action="store_true", help="the large cases, minutes each")
    which.add_argument("--faults", action="store_true", help="only the built-in mistakes")
    chosen = parser.parse_args()
    if chosen.large:
        return 0 if _explore_all(LARGE) else 1
    is_good = chosen.faults or _explore_all(SMALL)
    return 0 if _find_mistakes() and is_good else 1


if __name__ == "__main__":
    sys.exit(main())
