"""`oms replay` as a user runs it: generated flow, the recorded hour, several sessions."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from oms.replay.report import ReplayReport

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("OMS_SHARED", str(ROOT.parent / "shared")))
APPLE_HOUR = SHARED / "data" / "AAPL_2012-06-21_34200000_37800000_message_50.csv.xz"


class StrictReport(ReplayReport, frozen=True, forbid_unknown_fields=True):
    """The report with exactly its keys: every one required, no other allowed."""


def run_replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`oms replay`, with its temporary files in `folder`; it must leave nothing there."""
    done = subprocess.run(
        [sys.executable, "-m", "oms.cli.main", "replay", *arguments],
        env=dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(folder)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert list(folder.iterdir()) == []
    return done


def replay(folder: Path, *arguments: str) -> ReplayReport:
    """The JSON report of a run whose nodes agree."""
    done = run_replay(folder, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = msgspec.json.decode(done.stdout, type=StrictReport)
    assert [node.id for node in report.nodes] == ["n1", "n2", "n3"]
    assert len({(node.log_index, node.digest) for node in report.nodes}) == 1
    return report


def processes_with(text: str) -> list[str]:
    """Command lines that have `text` in them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in line:
                found.append(line)
    return found


def test_generated_flow_comes_out_exactly_in_every_repeat(tmp_path: Path) -> None:
    """For people who have no recording; also the report's keys."""
    report = replay(tmp_path, "--synthetic", "7", "--repeat", "2")
    assert report.executions_known == report.executions_exact > 8_000
    assert report.trades == report.executions_exact
    assert report.messages == report.orders + report.cancels == 200_000


def test_the_recorded_hour_is_reproduced_as_far_as_a_plain_book_can(tmp_path: Path) -> None:
    """4,055 known executions, 3,989 of them exactly: fewer of either is a fault of the venue."""
    if not APPLE_HOUR.exists():
        pytest.skip(f"no {APPLE_HOUR.name}; set OMS_SHARED to the folder that has data/")
    report = replay(tmp_path, str(APPLE_HOUR), "--repeat", "2")
    assert report.executions_known == 2 * 4_055
    assert report.executions_exact == 2 * 3_989
    assert report.orders == 2 * 48_311


def test_a_flow_split_over_sessions_reaches_the_same_nodes(tmp_path: Path) -> None:
    """The order between sessions is nobody's, so the share of exact ones is only reported."""
    report = replay(tmp_path, "--synthetic", "7", "--sessions", "3")
    assert report.messages == 100_000
    assert 0 < report.executions_exact <= report.executions_known


def test_an_interrupted_replay_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither file nor process, and the exit code of an interrupt."""
    command = [sys.executable, "-m", "oms.cli.main", "replay", "--synthetic", "7"]
    run = subprocess.Popen(
        [*command, "--repeat", "1000"],
        env=dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    while "messages/s" not in run.stderr.readline():  # the line that comes every five seconds
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    _, words = run.communicate(timeout=60)
    assert run.returncode == 130, words
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []


def test_options_that_do_not_fit_are_refused_in_four_lines(tmp_path: Path) -> None:
    """What, why, what to do, where to read."""
    for arguments in (
        (),
        ("--synthetic", "1", "--venue", "nowhere"),
        ("--synthetic", "1", "--venue", "127.0.0.1:1"),
        ("--synthetic", "1", "--venue", "127.0.0.1:1", "--user", "A", "--password", "B"),
        (str(tmp_path / "missing.csv"),),
    ):
        done = run_replay(tmp_path, *arguments)
        assert done.returncode == 1
        assert [line.split(":")[0] for line in done.stderr.splitlines()[-4:]] == [
            "what", "why", "do", "read",
        ]  # fmt: skip
