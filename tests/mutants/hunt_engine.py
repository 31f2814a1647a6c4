"""Play scenarios and random venues on this tree's engine until one fails; the last line says which.

Called in a process of its own by the group `engine`, whose tree has the fault. Exit status: 0 when
all passed, 1 when something failed, 2 when the hunt itself broke.
"""

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.properties.compare import compare_one_venue, engine_factory
from tests.properties.comparison import EngineDisagreement
from tests.scenarios.play import difference

ROOT: Final = Path(__file__).parents[2]
SCENARIOS: Final = ROOT / "tests" / "scenarios" / "matching"
VENUES: Final = 16
COMMANDS: Final = 1_000
Step = tuple[str, Callable[[], bool]]  # what it is, and whether it passes


def steps() -> Iterator[Step]:
    """Quick ones first: one scenario after the other, then random venues."""
    make_engine = engine_factory()

    def play(path: Path) -> bool:
        return not difference(path, make_engine)

    def compare(number: int) -> bool:
        try:
            compare_one_venue(f"fault.{number}", COMMANDS, make_engine, is_shortened=False)
        except EngineDisagreement:
            return False
        return True

    for path in sorted(SCENARIOS.glob("*.scn")):
        yield f"scenario {path.stem}", partial(play, path)
    for number in range(VENUES):
        yield f"random venue {number + 1}", partial(compare, number)


def main() -> int:
    """The exit status."""
    engine = importlib.import_module("oms._core.engine")
    if Path(str(engine.__file__)).parents[2] != ROOT:
        print(f"the engine of another tree: {engine.__file__}", file=sys.stderr)
        return 2
    for what, passes in steps():
        print(what, flush=True)
        if not passes():
            return 1
    return 0


if __name__ == "__main__":
    try:
        status = main()
    except Exception:  # noqa: BLE001  a broken engine answers what no test expects: that is caught
        traceback.print_exc()
        status = 1
    sys.exit(status)
