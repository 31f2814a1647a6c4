"""SIGKILL at random, for as long as you like: what was acknowledged, and what of it is lost.

`python -m tests.findings.kill_loop --seconds 60 --seed 1 --rig library`, or `ours`. Three processes
(kill_loop_node.py) under load; one of them, or all at once, is killed and started again at times
drawn from the seed (what the machine does in between is not). Then everybody is left in peace and
says what it has. Prints one JSON object; exits 1 when something acknowledged is lost, or the nodes
differ, or one entry is there twice.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.raft_cluster import free_addresses

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("n1", "n2", "n3")
SETTLE_S = 40.0
STILL_S = 1.5


@dataclass
class Outcome:
    """What is printed."""

    rig: str
    seed: int
    seconds: float
    kills: int = 0
    acknowledged: int = 0
    lost: int = 0  # acknowledged, and missing on some node at the end
    lost_everywhere: int = 0
    twice: int = 0
    states: int = 0  # different states at the end: 1 is right
    died: int = 0  # processes that ended by themselves

    @property
    def is_right(self) -> bool:
        """Nothing is lost, nothing is there twice, and the nodes agree."""
        return not self.lost and not self.twice and not self.died and self.states == 1


class KillLoop:
    """The three processes and their files."""

    def __init__(self, rig: str, seed: int, folder: Path) -> None:
        self.rig = rig
        self.random = random.Random(seed)
        self.folder = folder
        self.addresses = json.dumps(free_addresses(list(NAMES)))
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0
        self.died = 0

    def start(self, name: str) -> None:
        """Start, or start again."""
        (self.folder / f"{name}.leads").unlink(missing_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.findings.kill_loop_node",
                    self.rig, name, self.addresses, str(self.folder),
                ],
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process = self.running.pop(name)
        self.died += process.poll() is not None
        process.kill()
        process.wait()

    def run(self, seconds: float, progress: int) -> None:
        """Kill and start again until the time is over; before each kill, some `progress`."""
        for name in NAMES:
            self.start(name)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            time.sleep(self.random.uniform(0.3, 1.5))
            self._wait_for(len(self.acked()) + progress)
            victims = NAMES if self.random.random() < 0.15 else (self._victim(),)
            for name in victims:
                self.kill(name)
            self.kills += len(victims)
            time.sleep(self.random.uniform(0.0, 0.4))
            for name in victims:
                self.start(name)

    def _wait_for(self, count: int) -> None:
        end_s = time.monotonic() + SETTLE_S
        while len(self.acked()) < count and time.monotonic() < end_s:
            time.sleep(0.02)

    def _victim(self) -> str:
        leaders = [name for name in NAMES if self._read(name, "leads") is True]
        if leaders and self.random.random() < 0.6:
            return self.random.choice(leaders)
        return self.random.choice(NAMES)

    def settle(self) -> list[list[str]]:
        """No more load, no more faults: what each says it has, when nothing changes any more."""
        (self.folder / "quiet").touch()
        states: list[list[str]] = []
        end_s = time.monotonic() + SETTLE_S
        still_since_s = time.monotonic()
        while time.monotonic() < end_s:
            read = [self._read(name, "state") for name in NAMES]
            now = [[str(item) for item in state] for state in read if isinstance(state, list)]
            if now != states or len(now) < len(NAMES):
                states, still_since_s = now, time.monotonic()
            is_still = time.monotonic() - still_since_s > STILL_S
            if is_still and all(state == states[0] for state in states):
                break
            time.sleep(0.1)
        return states

    def _read(self, name: str, what: str) -> object:
        path = self.folder / f"{name}.{what}"
        return json.loads(path.read_text()) if path.exists() else None

    def acked(self) -> list[str]:
        """What clients were told, by all nodes in all their lives."""
        paths = [self.folder / f"{name}.acked" for name in NAMES]
        return [line for path in paths if path.exists() for line in path.read_text().splitlines()]

    def close(self) -> None:
        """End what was started."""
        for name in list(self.running):
            self.kill(name)


def play(rig: str, seed: int, seconds: float, folder: Path, progress: int = 0) -> Outcome:
    """One run; with `progress`, so many are acknowledged between two kills however slow it is."""
    loop = KillLoop(rig, seed, folder)
    try:
        loop.run(seconds, progress)
        states = loop.settle()
    finally:
        loop.close()
    acked = set(loop.acked())
    everywhere = set[str]().union(*map(set, states))
    missing = set[str]().union(*(acked - set(state) for state in states))
    return Outcome(
        rig, seed, seconds, loop.kills, len(acked),
        lost=len(missing), lost_everywhere=len(acked - everywhere),
        twice=max(len(state) - len(set(state)) for state in states) if states else 0,
        states=len({tuple(state) for state in states}) if len(states) == len(NAMES) else 0,
        died=loop.died,
    )  # fmt: skip


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rig", choices=["library", "ours"], required=True)
    parser.add_argument("--keep", type=Path, help="an empty folder for the nodes' files")
    options = parser.parse_args()
    if options.keep is not None:
        outcome = play(options.rig, options.seed, options.seconds, options.keep)
    else:
        with tempfile.TemporaryDirectory(
            prefix="kill-loop-",
            ignore_cleanup_errors=True,  # a dead library node's fork may still be writing
        ) as folder:
            outcome = play(options.rig, options.seed, options.seconds, Path(folder))
    print(json.dumps(asdict(outcome)))
    return 0 if outcome.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
