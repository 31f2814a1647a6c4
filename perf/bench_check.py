"""How long `oms check` takes for a million messages of eight busy clients.

Run by hand; perf/README.md has the method. The histories and the log are made first, by clients
that trade against an engine in this process (seeded: the same each time), and are not in the
figure. Exit code 1 if the check finds anything or takes a minute of CPU time.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from oms._core.engine import Engine
from oms.wire import ouch_messages as m
from perf.figures import Figures, progress, show
from tests.support.recorded_venue import RecordedClient, RecordedVenue

CLIENTS: Final = 8
AT_ONCE: Final = 8  # messages of each client in one entry
LIVE_MAX: Final = 200  # orders that a client remembers to cancel
CANCELS: Final = 0.35
MIDDLE: Final = 1_000_000
BAR_S: Final = 60.0


def main() -> int:
    """Make the evidence, check it, print the figure."""
    parser = argparse.ArgumentParser(description="Measure oms check.")
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress("making the histories")
        log = make(folder, arguments.operations, random.Random(arguments.seed))
        progress("checking")
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "oms.cli.main", "check", str(folder), str(log), "--json"],
            stdout=subprocess.PIPE,
            check=False,
        )
        wall_s = time.monotonic() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = usage.ru_utime + usage.ru_stime
    verdict = json.loads(done.stdout)
    figures: Figures = {
        "operations": verdict["operations"],
        "messages": verdict["messages"],
        "commands": verdict["commands"],
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(wall_s, 1),
        "memory_mb": usage.ru_maxrss // 1024,
        "is_clean": done.returncode == 0,
    }
    show(figures, as_json=arguments.json)
    return 0 if done.returncode == 0 and cpu_s < BAR_S else 1


def make(folder: Path, operations: int, draw: random.Random) -> Path:
    """Histories in `folder`; the log's file."""
    venue = RecordedVenue(folder, CLIENTS, firms=CLIENTS, engine=Engine())
    live: dict[str, list[int]] = {client.name: [] for client in venue.clients}
    for client in venue.clients:
        client.login()
    for _ in range(operations // (CLIENTS * AT_ONCE)):
        for client in venue.clients:
            for _ in range(AT_ONCE):
                act(client, live[client.name], draw)
        venue.step()
    return venue.close()


def act(client: RecordedClient, live: list[int], draw: random.Random) -> None:
    """An order near the middle, or a cancel."""
    if live and draw.random() < CANCELS:
        client.cancel(live.pop(draw.randrange(len(live))))
        return
    side = draw.choice((m.SIDE_BUY, m.SIDE_SELL))
    away = 800 if side == m.SIDE_SELL else -800
    price = MIDDLE + away + 100 * draw.randint(-20, 20)
    live.append(client.enter(side, draw.randint(1, 300), price))
    if len(live) > LIVE_MAX:
        live.pop(0)


if __name__ == "__main__":
    sys.exit(main())
