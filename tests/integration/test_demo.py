"""`oms demo` unattended: leaders die under load, nothing is lost, nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]


def start_demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`oms demo`, with its temporary files below `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "oms.cli.main", "demo", *arguments],
        env=dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(folder)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that have anything to do with `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(folder) in line:
                found.append(line)
    return found


def test_leaders_killed_under_load_lose_and_duplicate_nothing(tmp_path: Path) -> None:
    """The product's promise, as a user can check it himself."""
    run = start_demo(
        tmp_path, "--seconds", "15", "--kill-leader-every", "6", "--rate", "500", "--json"
    )
    output, words = run.communicate(timeout=100)
    assert run.returncode == 0, words
    report = json.loads(output)
    assert report["leader_kills"] == len(report["in_flight_at_kill"]) == 2
    assert min(report["in_flight_at_kill"]) > 0
    assert report["lost"] == report["duplicated"] == report["undelivered"] == 0
    assert report["unresolved"] == report["live_mismatched"] == report["streams_differ"] == 0
    assert report["unknown_resolved"] > 0
    assert report["acknowledged"] > 2_000
    assert report["facts_compared"] > report["acknowledged"]
    assert report["digests_equal"]
    assert report["conserved"]
    assert len({node["digest"] for node in report["nodes"]}) == 1
    assert 0 < report["failover_ms"]["p50"] <= report["failover_ms"]["max"]
    assert not list(tmp_path.iterdir())
    assert not processes_of(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["while it starts", "while it runs"])
def test_signal_leaves_no_process_and_no_file(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    """Ctrl-C at any time: the machine is as it was."""
    run = start_demo(tmp_path, "--seconds", "60")
    assert run.stderr is not None
    wanted = "starting" if moment == "while it starts" else "orders 0"
    deadline = time.monotonic() + 60
    while wanted not in run.stderr.readline():
        assert time.monotonic() < deadline
    run.send_signal(number)
    run.communicate(timeout=60)
    assert run.returncode == (130 if moment == "while it starts" else 0)
    assert not list(tmp_path.iterdir())
    assert not processes_of(tmp_path)
