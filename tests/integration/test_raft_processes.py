"""Three processes, SIGKILL under load: nothing acknowledged is lost, nothing differs."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.raft_cluster import free_addresses

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ["n1", "n2", "n3"]


class Processes:
    """The three nodes, and what their files say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.addresses = json.dumps(free_addresses(NAMES))
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        (self.folder / f"{name}.status").unlink(missing_ok=True)
        self.running[name] = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.raft_process",
                name,
                self.addresses,
                str(self.folder),
            ],
            cwd=ROOT,
        )

    def end(self, name: str, how: signal.Signals) -> int:
        process = self.running.pop(name)
        process.send_signal(how)
        return process.wait(timeout=20)

    def until(self, condition: Callable[[], bool], limit_s: float = 20.0) -> None:
        end_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end_s, "not reached"
            assert all(process.poll() is None for process in self.running.values())
            time.sleep(0.01)

    def until_acked(self, more: int) -> None:
        wanted = len(self.acked()) + more
        self.until(lambda: len(self.acked()) >= wanted)

    def leader(self) -> str | None:
        """The running node that accepts, of the highest term."""
        found = []
        for name in self.running:
            status = self.folder / f"{name}.status"
            if status.exists():
                told = json.loads(status.read_text())
                if told["leads"]:
                    found.append((told["term"], name))
        return max(found)[1] if found else None

    def settle(self) -> None:
        """No more proposals; wait until all have applied the same."""
        self.until(lambda: all((self.folder / f"{n}.status").exists() for n in self.running))
        for process in self.running.values():
            process.send_signal(signal.SIGUSR1)
        last = 0
        while last == 0 or self.last_indexes() != {last}:
            self.until(lambda: len(self.last_indexes()) == 1)
            last = max(self.last_indexes())
            time.sleep(0.2)

    def acked(self) -> list[bytes]:
        return [
            line
            for name in NAMES
            if (self.folder / f"{name}.acked").exists()
            for line in (self.folder / f"{name}.acked").read_bytes().splitlines()
        ]

    def applied(self, name: str) -> list[list[bytes]]:
        """What each life of a node was handed, in order, without a last line cut by the kill."""
        count = len(list(self.folder.glob(f"{name}.*.applied")))
        lives = [self.folder / f"{name}.{life}.applied" for life in range(count)]
        return [life.read_bytes().split(b"\n")[:-1] for life in lives]

    def last_indexes(self) -> set[int]:
        lines = [self.applied(name)[-1][-1:] for name in self.running]
        return {int(line[0].split()[0]) if line else 0 for line in lines}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    for process in processes.running.values():
        process.kill()
        process.wait()


def check(processes: Processes) -> None:
    """One history: contiguous from 1, alike in every life of every node, with all that was
    acknowledged in it, once."""
    longest = max((life for name in NAMES for life in processes.applied(name)), key=len)
    assert [int(line.split()[0]) for line in longest] == list(range(1, len(longest) + 1))
    for name in NAMES:
        for life in processes.applied(name):
            assert life == longest[: len(life)]
    entries = [line.split(b" ", 2)[2] for line in longest if not line.endswith(b" -")]
    assert len(entries) == len(set(entries))
    acked = processes.acked()
    assert len(acked) == len(set(acked))
    assert set(acked) <= set(entries)


def test_killed_leaders_lose_nothing_that_was_acknowledged(processes: Processes) -> None:
    for name in NAMES:
        processes.start(name)
    for _ in range(4):
        processes.until(lambda: processes.leader() is not None)
        processes.until_acked(300)
        leader = processes.leader()
        assert leader is not None
        assert processes.end(leader, signal.SIGKILL) == -signal.SIGKILL
        processes.until(lambda: processes.leader() is not None)
        processes.start(leader)
    processes.settle()
    for name in NAMES:
        assert processes.end(name, signal.SIGTERM) == 0
    check(processes)
    assert len(processes.acked()) >= 1200


def test_all_killed_at_once_lose_nothing_that_was_acknowledged(processes: Processes) -> None:
    for name in NAMES:
        processes.start(name)
    for _ in range(2):
        processes.until_acked(300)
        for process in processes.running.values():
            process.send_signal(signal.SIGKILL)
        for name in NAMES:
            processes.end(name, signal.SIGKILL)
            processes.start(name)
    processes.until_acked(10)
    processes.settle()
    for name in NAMES:
        assert processes.end(name, signal.SIGTERM) == 0
    check(processes)
