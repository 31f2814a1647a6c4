"""`oms chaos`: faults are done, histories saved and judged, and a venue that lies is found out."""

import asyncio
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oms.chaos import hands
from oms.chaos import run as chaos_run
from oms.chaos.arena import arena
from oms.chaos.forgetful_disk import ForgetfulDisk, why_not
from oms.chaos.kinds import FaultName
from oms.chaos.run import HISTORIES, LOG_FILE, Outcome, Plan, Run
from oms.local.samples import demo_config

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
SEED = 3
PATIENCE_S = 3.0  # with nodes and orders that do not come back


def oms(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with its temporary files below `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "oms.cli.main", *arguments],
        env=dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(folder)),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


KILLS = {
    "kill-leader": 1,
    "kill-all": 3,
    "die-appended": 1,
    "die-voted": 2,
    "die-in-rotation": 1,
    "flip-journal": 1,
    "wipe-disk": 5,
}
CUTS = ("cut-power-all", "cut-power-appended")  # each twice a round
OTHERS = ("silence-leader", "clock-ahead", "login-twice", "wrong-folder")
ON_DISKS = ("io-error", "full-disks")


def test_faults_are_done_and_the_saved_histories_can_be_judged_again(tmp_path: Path) -> None:
    """As a user does it: one command, 12 kills, 4 power cuts and more, its page and its evidence,
    and that for another command.
    """
    has_power = why_not() is None
    names = [*KILLS, *OTHERS, *((*CUTS, *ON_DISKS) if has_power else ())]
    only = [word for name in names for word in ("--only", name)]
    options = ["--rounds", "1", "--seed", str(SEED), "--save", "kept", "--report", "page.html"]
    done = oms(tmp_path, "chaos", *only, *options, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["lost"] == report["duplicated"] == report["reordered"] == 0
    assert report["faults"] == {name: 2 if name in CUTS else 1 for name in names}
    assert report["kills"] >= sum(KILLS.values()) >= 12
    assert report["power_cuts"] == (4 if has_power else 0)
    assert report["failover_ms"]["max"] > 0
    assert ("NO POWER CUTS" in done.stderr) is not has_power
    kept = tmp_path / "kept"
    assert sorted(item.name for item in kept.iterdir()) == [HISTORIES, LOG_FILE, "run.json"]
    assert "Nothing lost" in (tmp_path / "page.html").read_text()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["kept", "page.html"], "left"
    again = oms(tmp_path, "check", str(kept / HISTORIES), str(kept / LOG_FILE), "--json")
    assert again.returncode == 0, again.stderr
    verdict = json.loads(again.stdout)
    assert verdict["histories"] == 9, "eight robots, and who logged in as one of them"
    assert verdict["incomplete"] == 0
    assert verdict["acknowledged"] >= report["acknowledged"]


def test_a_venue_that_does_not_sync_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the command: nodes whose `fdatasync` does nothing, and the unluckiest cut."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setattr(ForgetfulDisk, "cut", lambda disk, _seed: disk.forget())
    monkeypatch.setattr(hands, "PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(chaos_run, "SETTLE_S", PATIENCE_S)
    outcome = run_in(tmp_path, [FaultName.CUT_POWER_ALL], "tests.support.unsynced_node")
    assert outcome.verdict.lost > 0, outcome
    assert outcome.broken()


def run_in(folder: Path, names: list[FaultName], node_module: str) -> Outcome:
    """A short run without the command."""
    config = demo_config(SEED)
    plan = Plan(math.inf, SEED, 200, names, folder, rounds=1)
    with arena(folder / "venue", config, node_module=node_module) as running:
        run = Run(running, config, plan, print)

        async def whole_run() -> Outcome:
            return await run.run(asyncio.Event())

        outcome = asyncio.run(whole_run())
    run.judge(outcome)
    return outcome


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--only", "earthquake"], "there is no fault named earthquake"),
        (["--save", "."], "File exists"),
        (["--report", "nowhere/page.html"], "its folder does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_starts(
    tmp_path: Path, arguments: list[str], why: str
) -> None:
    """Four lines, and nothing is overwritten."""
    done = oms(tmp_path, "chaos", *arguments)
    assert done.returncode == 1
    assert why in done.stderr
    assert list(tmp_path.iterdir()) == []
