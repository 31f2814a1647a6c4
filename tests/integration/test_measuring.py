"""The measuring programs with the smallest budgets: they run, end, and say what they are for.

Their figures are not judged here: whoever wants one runs the program on a quiet machine.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM_S = 100
Figures = dict[str, object]


def run(folder: Path, program: str, *options: str) -> Figures:
    """The figures. A missed bar (exit code 1) is no failure on a machine that is busy."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "perf" / program), "--json", *options],
        capture_output=True, text=True, timeout=PROGRAM_S, check=False, cwd=folder, env=environment,
    )  # fmt: skip
    assert done.stdout, done.stderr
    figures: Figures = json.loads(done.stdout)
    assert not list(folder.iterdir()), "it must leave no file behind"
    return figures


def table(figures: Figures, name: str) -> Figures:
    """A part of the figures."""
    part = figures[name]
    assert isinstance(part, dict)
    return part


def test_the_log_is_measured_beside_every_nodes_disk(tmp_path: Path) -> None:
    """A latency without the disk's own figure of the same run says nothing."""
    figures = run(tmp_path, "bench_raft.py", "--seconds", "1", "--rate", "200")
    assert figures["entries"] == 200
    assert set(table(figures, "fdatasync_us")) == {"n1", "n2", "n3"}
    assert table(figures, "fdatasync_alone_us")["p50"]


def test_the_engine_behind_the_log_reaches_one_state_on_three_nodes(tmp_path: Path) -> None:
    """The rate counts only when all three applied everything, and alike."""
    figures = run(tmp_path, "bench_raft.py", "--engine", "--commands", "20000")
    assert figures["commands"] == 20_000
    assert set(table(figures, "commands_per_s")) == {"n1", "n2", "n3"}
    assert figures["trades"]


def test_fail_over_accounts_for_every_order(tmp_path: Path) -> None:
    """A time to the first acceptance is worth nothing if orders were lost on the way."""
    figures = run(tmp_path, "bench_failover.py", "--kills", "1", "--stops", "1", "--rate", "50")
    assert figures["orders_sent"] == figures["orders_accepted"]
    assert figures["other_answers"] == 0
    assert table(figures, "kill_to_acceptance_ms")["p50"]
    assert table(figures, "stop_to_acceptance_ms")["p50"]


def test_restarts_say_how_far_the_snapshots_were_behind(tmp_path: Path) -> None:
    """A restart is quick from a fresh snapshot: the figure must say what it began from."""
    budget = ("--commands", "3000", "--behind", "1000", "--rounds", "1")
    figures = run(tmp_path, "bench_restart.py", *budget)
    assert set(table(table(figures, "as_filled"), "newest_snapshot_index").values()) == {0}
    behind = table(table(figures, "behind_a_snapshot"), "entries_behind")
    assert all(isinstance(entries, int) and entries > 0 for entries in behind.values())


def test_steady_load_counts_elections(tmp_path: Path) -> None:
    """The bar is about what does not happen; the run must have had a load."""
    figures = run(tmp_path, "bench_steady.py", "--minutes", "0.02")
    assert figures["orders_rejected"] == 0
    assert figures["orders_accepted"]
    assert {"elections", "role_changes"} <= set(figures)


@pytest.mark.skipif(shutil.which("etcd") is None, reason="there is no etcd on this machine")
def test_etcd_is_measured_in_the_same_run(tmp_path: Path) -> None:
    """Ratios of figures from different runs would compare the machine with itself."""
    budget = ("--rounds", "1", "--seconds", "0.5", "--warm-up", "0.2", "--concurrency", "8")
    figures = run(tmp_path, "peers/etcd.py", *budget)
    assert {"etcd", "log", "venue"} <= set(table(table(figures, "concurrency"), "8"))


def test_without_etcd_nothing_is_measured(tmp_path: Path) -> None:
    """A missing peer is said in words, and is no failure."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "perf/peers/etcd.py"), "--etcd", str(tmp_path / "none")],
        capture_output=True, text=True, timeout=PROGRAM_S, check=True,
    )  # fmt: skip
    assert "skipped" in done.stderr
    assert not done.stdout
