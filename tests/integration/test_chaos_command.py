"""`oms chaos`: faults are done, histories saved and judged, and a venue that lies is found out."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oms.chaos import hands
from oms.chaos.arena import arena
from oms.chaos.forgetful_disk import ForgetfulDisk, why_not
from oms.chaos.run import HISTORIES, LOG_FILE, Outcome, Plan, Run
from oms.chaos.schedule import FaultName
from oms.local import venue as local_venue
from oms.local.samples import demo_config

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
SEED = 3
PATIENCE_S = 3.0  # with nodes that do not come back


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


def test_faults_are_done_and_the_saved_histories_can_be_judged_again(tmp_path: Path) -> None:
    """As a user does it: one command, and its evidence for another one."""
    names = ["kill-leader", "kill-gateway", "pause-follower", "silence-leader"]
    names += [] if why_not() else ["cut-power-all"]
    only = [word for name in names for word in ("--only", name)]
    done = oms(
        tmp_path,
        "chaos",
        "--minutes",
        "0.2",
        "--seed",
        str(SEED),
        *only,
        "--save",
        "kept",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["lost"] == report["duplicated"] == report["reordered"] == 0
    assert report["acknowledged"] > 200
    assert report["kills"] + report["power_cuts"] > 0
    assert set(report["faults"]) <= set(names)
    assert sum(report["faults"].values()) >= 3
    assert ("NO POWER CUTS" in done.stderr) is (why_not() is not None)
    kept = tmp_path / "kept"
    assert sorted(item.name for item in kept.iterdir()) == [HISTORIES, LOG_FILE]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["kept"], "files are left"
    again = oms(tmp_path, "check", str(kept / HISTORIES), str(kept / LOG_FILE), "--json")
    assert again.returncode == 0, again.stderr
    verdict = json.loads(again.stdout)
    assert verdict["histories"] == 8
    assert verdict["incomplete"] == 0
    assert verdict["acknowledged"] >= report["acknowledged"]


def test_a_venue_that_does_not_sync_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the command: nodes whose `fdatasync` does nothing, and the unluckiest cut."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setattr(local_venue, "_NODE_MODULE", "tests.support.unsynced_node")
    monkeypatch.setattr(ForgetfulDisk, "cut", lambda disk, _seed: disk.forget())
    monkeypatch.setattr(hands, "PATIENCE_S", PATIENCE_S)
    outcome = run_in(tmp_path, [FaultName.CUT_POWER_ALL])
    assert outcome.verdict.lost > 0, outcome
    assert outcome.broken()


def run_in(folder: Path, names: list[FaultName]) -> Outcome:
    """A short run without the command."""
    config = demo_config(SEED)
    with arena(folder / "venue", config) as running:
        run = Run(running, config, Plan(4.0, SEED, 200, names, folder), print)

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
