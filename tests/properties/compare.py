"""Compare the engines on any number of random commands.

    python -m tests.properties.compare --commands 200000 --seed 7 [--processes 2]

After every entry the events and the incremental digest are compared, and the whole state every few
entries, or as seldom as --state-every says. Prints the seed, the rate and the mix of events, so
that one can see that the sequence was not a trivial one; on failure the disagreement and a short
sequence that shows it, as a scenario file. Every 2,000 commands a new venue is opened, so that
capacities and limits vary.
"""

import argparse
import importlib
import multiprocessing
import random
import sys
import time
from typing import NamedTuple

from tests.properties.comparison import Comparison, EngineDisagreement, EngineFactory, Mix
from tests.properties.generator import Generator
from tests.properties.minimise import failure_of, minimise, scenario_of
from tests.properties.steps import Step

COMMANDS_OF_ONE_VENUE = 2_000
CORE = "oms._core.engine"


def engine_factory(module: str = CORE) -> EngineFactory:
    """The engine under test. Raises: ImportError when it is not built."""
    factory: EngineFactory = importlib.import_module(module).Engine
    return factory


def compare_one_venue(
    seed: str,
    commands: int,
    make_engine: EngineFactory,
    *,
    is_shortened: bool = True,
    state_every: int = 0,
) -> Mix:
    """One venue from genesis on. `state_every`: entries; 0: as the seed says, often. Raises:
    EngineDisagreement, with a short scenario in it unless somebody only asks whether there is one.
    """
    rng = random.Random(seed)
    generator = Generator(rng)
    restore_every, often = rng.choice((7, 50, 400)), rng.choice((8, 64))
    comparison = Comparison(
        make_engine, restore_every=restore_every, state_every=state_every or often
    )
    taken: list[Step] = []
    try:
        while comparison.commands - generator.crowd_orders < commands:
            taken.append(generator.next_step(comparison.oracle._venue))
            comparison.apply(taken[-1])
        comparison.check_state()
    except EngineDisagreement as error:
        if not is_shortened:
            raise
        shorter = minimise(taken, make_engine)
        how = failure_of(shorter, make_engine)
        message = f"seed {seed}: {how[0] if how else error}\n\n{scenario_of(shorter)}"
        raise EngineDisagreement(message) from error
    return comparison.mix


class Job(NamedTuple):
    """One venue for another process. Shape: seed, commands, module of the engine, state_every."""

    seed: str
    commands: int
    engine: str
    state_every: int


def compare_job(job: Job) -> Mix | str:
    """What happened, or what is different."""
    make_engine = engine_factory(job.engine)
    try:
        return compare_one_venue(job.seed, job.commands, make_engine, state_every=job.state_every)
    except EngineDisagreement as error:
        return str(error)


def main() -> int:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--seed", default=str(random.SystemRandom().getrandbits(32)))
    parser.add_argument("--engine", default=CORE, help="module with the engine under test")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--state-every", type=int, default=0, metavar="ENTRIES")
    asked = parser.parse_args()
    print(f"seed {asked.seed}, {asked.commands} commands, {asked.engine} against the oracle")
    mix: Mix = Mix()
    started = time.perf_counter()
    venues = -(-asked.commands // COMMANDS_OF_ONE_VENUE)
    jobs = [
        Job(
            f"{asked.seed}.{number}",
            min(COMMANDS_OF_ONE_VENUE, asked.commands - number * COMMANDS_OF_ONE_VENUE),
            asked.engine,
            asked.state_every,
        )
        for number in range(venues)
    ]
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        for outcome in pool.imap(compare_job, jobs):
            if isinstance(outcome, str):
                print(f"DIFFERENT: {outcome}")
                return 1
            mix += outcome
    elapsed = time.perf_counter() - started
    print(f"equal: {venues} venues, {asked.commands / elapsed:,.0f} commands/s, {elapsed:.1f} s")
    for label, count in sorted(mix.items()):
        print(f"{count:>9,}  {label}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
