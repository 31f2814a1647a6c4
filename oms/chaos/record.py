"""What is kept of a run beside its evidence: `run.json`, from which its page is drawn.

Called by `oms chaos`. Plain data; figures only, the proof is in the histories and the log.
"""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from oms.chaos.arena import Arena
from oms.chaos.run import Outcome, Plan
from oms.chaos.timeline import Mark, Second

FILE: Final = "run.json"


class RunRecord(msgspec.Struct, frozen=True):
    """One run."""

    command: str
    seed: int
    ended: str  # UTC
    machine: str
    why_no_power: str  # "": disks that forget what was not synced
    networks: str  # how they are cut
    trading_s: float
    acknowledged: int
    lost: int
    duplicated: int
    reordered: int
    other_violations: int
    unknown_resolved: int
    kills: int
    power_cuts: int
    faults: dict[str, int]
    in_flight: list[int]  # at each instant at which processes were ended
    failover_ms: list[float]
    broken: list[str]  # empty: every promise was kept
    proves_nothing: list[str]  # empty: and the run is a proof
    seconds: list[Second]
    marks: list[Mark]


def record_of(outcome: Outcome, plan: Plan, arena: Arena, command: str) -> RunRecord:
    """Of a run that was judged."""
    verdict, done = outcome.verdict, outcome.done
    named = verdict.lost + verdict.duplicated + verdict.reordered
    return RunRecord(
        command=command,
        seed=plan.seed,
        ended=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
        why_no_power=arena.why_no_power,
        networks=arena.networks,
        trading_s=round(outcome.seconds, 1),
        acknowledged=outcome.acknowledged,
        lost=verdict.lost,
        duplicated=verdict.duplicated,
        reordered=verdict.reordered,
        other_violations=verdict.violations - named,
        unknown_resolved=outcome.unknown_resolved,
        kills=done.kills,
        power_cuts=done.power_cuts,
        faults=dict(sorted(done.faults.items())),
        in_flight=done.in_flight,
        failover_ms=[round(value, 1) for value in done.failover_ms],
        broken=outcome.broken(),
        proves_nothing=outcome.proves_nothing(),
        seconds=outcome.timeline.seconds(),
        marks=outcome.timeline.marks,
    )


def save(record: RunRecord, folder: Path) -> None:
    """Beside the histories."""
    (folder / FILE).write_bytes(msgspec.json.encode(record))


def load(folder: Path) -> RunRecord:
    """What `save` kept. Raises: OSError, msgspec.DecodeError."""
    return msgspec.json.decode((folder / FILE).read_bytes(), type=RunRecord)
