"""The work of `oms chaos`: a venue of its own, real faults, and the checker's word at the end.

Called by `main.py`. Owns the terminal and the folders; the work is `oms.chaos.run`. Exit code 1
when a promise was broken, 3 when none was but the run proves nothing.
"""

import asyncio
import json
import math
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from oms.chaos.arena import READ, Arena, arena
from oms.chaos.forgetful_disk import DiskError
from oms.chaos.kinds import FaultName
from oms.chaos.record import record_of
from oms.chaos.record import save as save_record
from oms.chaos.report_page import page
from oms.chaos.run import HISTORIES, LOG_FILE, Outcome, Plan, Run
from oms.check.history import HistoryError
from oms.check.verdict import Kind
from oms.cli.demo import EXIT_INTERRUPTED, Interrupts
from oms.cli.tables import print_tables, table
from oms.client.errors import ClientError
from oms.config import SettingsError
from oms.local.samples import demo_config
from oms.local.venue import StartCanceled
from oms.replication.errors import JournalDamagedError

EXIT_BROKEN: Final = 1
EXIT_PROVES_NOTHING: Final = 3
VENUE: Final = "venue"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed."""

    minutes: float
    rounds: int  # 0: `minutes` counts
    seed: int
    only: Sequence[FaultName]
    rate: float
    save: Path | None
    report: Path | None
    as_json: bool


def chaos(wish: Wish) -> int:
    """Run it; the exit code. Raises: SettingsError."""
    if wish.report is not None:
        _check_new(wish.report)
    folder = _make(wish.save or Path(f"chaos-{wish.seed}"))
    plan = Plan(
        seconds=math.inf if wish.rounds else wish.minutes * 60,
        rounds=wish.rounds,
        seed=wish.seed,
        rate=wish.rate,
        names=wish.only or list(FaultName),
        folder=folder,
    )
    work = Path(tempfile.mkdtemp(prefix="quorate-"))
    interrupts = Interrupts()
    try:
        outcome, running = _run(work / VENUE, plan, interrupts)
    except StartCanceled:
        _say("interrupted; every process is gone")
        shutil.rmtree(work)
        return EXIT_INTERRUPTED
    except BaseException:
        _keep(work, folder)
        raise
    if outcome.broken():
        _keep(work, folder)
    else:
        shutil.rmtree(work)
    command = shlex.join(["oms", *sys.argv[1:]])
    record = record_of(outcome, plan, running, command)
    save_record(record, folder)
    if wish.report is not None:
        wish.report.write_text(page(record), encoding="utf-8")
        _say(f"the page: {wish.report}")
    return _tell(outcome, plan, as_json=wish.as_json)


def parse_names(names: Sequence[str]) -> list[FaultName]:
    """What `--only` names. Raises: SettingsError."""
    known = {name.value: name for name in FaultName}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(
            what="nothing was started",
            why=f"there is no fault named {', '.join(unknown)}",
            do=f"name some of {', '.join(known)}",
            read=READ,
        )
    return [known[name] for name in names]


def _run(path: Path, plan: Plan, interrupts: Interrupts) -> tuple[Outcome, Arena]:
    config = demo_config(plan.seed)
    _say(f"seed {plan.seed}: starting three nodes and two gateways ...")
    try:
        with arena(path, config, is_canceled=interrupts.is_set) as running:
            _say(f"networks: {running.networks}")
            if running.why_no_power:
                _say(f"NO POWER CUTS: {running.why_no_power}")
            run = Run(running, config, plan, _say)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                outcome = runner.run(_until_interrupted(run, interrupts))
        _say("every process has ended; the checker reads histories and log ...")
        run.judge(outcome)
    except (ClientError, DiskError, HistoryError, JournalDamagedError) as error:
        raise _cut_off(error) from error
    except ExceptionGroup as group:
        known, _ = group.split(ClientError)
        if known is None:
            raise
        raise _cut_off(known.exceptions[0]) from group
    return outcome, running


async def _until_interrupted(run: Run, interrupts: Interrupts) -> Outcome:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    interrupts.redirect(lambda: loop.call_soon_threadsafe(stop.set))
    try:
        return await run.run(stop)
    finally:
        interrupts.redirect(lambda: None)  # the loop it would call into is about to end


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise SettingsError(
            what=f"cannot save the histories in {folder}",
            why=error.strerror or str(error),
            do="name a new folder with --save",
            read=READ,
        ) from error
    return folder


def _check_new(report: Path) -> None:
    if report.exists() or not report.absolute().parent.is_dir():
        raise SettingsError(
            what=f"cannot write the page {report}",
            why="it exists already" if report.exists() else "its folder does not exist",
            do="name a new file with --report",
            read=READ,
        )


def _keep(work: Path, folder: Path) -> None:
    if (work / VENUE).is_dir():
        shutil.move(work / VENUE, folder / VENUE)
        _say(f"the venue's folder is kept: {folder / VENUE}")
    shutil.rmtree(work)


def _cut_off(error: Exception) -> SettingsError:
    return SettingsError(
        what="the run was cut off, so nothing is proved",
        why=str(error),
        do="run it again with a lower --rate; a machine under load may be too slow",
        read=READ,
    )


def _tell(outcome: Outcome, plan: Plan, *, as_json: bool) -> int:
    for example in outcome.verdict.examples:
        _say(f"  {example}")
    if as_json:
        print(json.dumps(outcome.report()))
    else:
        _print(outcome, plan)
    broken, proves_nothing = outcome.broken(), outcome.proves_nothing()
    _say(f"check it again: oms check {plan.folder / HISTORIES} {plan.folder / LOG_FILE}")
    for reason in broken:
        _say(f"NOT CLEAN: {reason}")
    for reason in proves_nothing:
        _say(f"PROVES NOTHING: {reason}")
    if broken:
        return EXIT_BROKEN
    if proves_nothing:
        return EXIT_PROVES_NOTHING
    _say("nothing lost, nothing duplicated, nothing reordered")
    return 0


def _print(outcome: Outcome, plan: Plan) -> None:
    done, verdict = outcome.done, outcome.verdict
    faults = table(f"seed {plan.seed}, {outcome.seconds:.0f} s", ["fault", "done"])
    for name, number in sorted(done.faults.items()):
        faults.add_row(name, f"{number:,}")
    result = table("", ["result", ""])
    result.add_row("orders acknowledged", f"{outcome.acknowledged:,}")
    for kind in Kind:
        result.add_row(kind.value, f"{verdict.count(kind):,}")
    result.add_row("in flight at a kill, resolved since", f"{outcome.unknown_resolved:,}")
    result.add_row("processes killed", f"{done.kills:,}")
    result.add_row("power cuts", f"{done.power_cuts:,}")
    for name, value in outcome.failover_ms().items():
        result.add_row(f"fail-over {name}, ms", f"{value:,.1f}")
    print_tables(faults, result)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
