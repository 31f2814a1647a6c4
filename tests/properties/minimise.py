"""Making a failing sequence short: remove what is not needed, as long as it still fails.

Called when a comparison fails. Promises: the result still fails; bounded by a number of attempts.
"""

from collections.abc import Callable

import msgspec

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.reference.engine import Engine
from tests.properties.comparison import Comparison, EngineDisagreement, EngineFactory
from tests.properties.steps import Step, as_scenario, fill_in, pack

ATTEMPTS_MAX = 1500


def failure_of(
    steps: list[Step],
    make_engine: EngineFactory,
    *,
    state_every: int = 1,
    restore_every: int = 1,
) -> tuple[str, int] | None:
    """How the sequence fails, and after how many steps; None when it does not."""
    comparison = Comparison(make_engine, state_every=state_every, restore_every=restore_every)
    for number, step in enumerate(steps, 1):
        try:
            comparison.apply(step)
        except EngineDisagreement as error:
            return str(error), number
    return None


def minimise(steps: list[Step], make_engine: EngineFactory) -> list[Step]:
    """A shorter sequence that fails too."""
    # Events alone show most faults and are quick to compare; then the state; then restarts.
    for state_every, restore_every in ((len(steps) + 1, 0), (1, 0), (1, 1)):
        found = failure_of(steps, make_engine, state_every=state_every, restore_every=restore_every)
        if found is not None:
            break
    else:
        return steps
    steps = steps[: found[1]]
    attempts = ATTEMPTS_MAX

    def still_fails(candidate: list[Step]) -> bool:
        nonlocal attempts
        attempts -= 1
        if attempts <= 0:
            return False
        candidate = recounted(candidate)
        how = failure_of(
            candidate, make_engine, state_every=state_every, restore_every=restore_every
        )
        return how is not None

    steps = _without_chunks(steps, still_fails)
    return recounted(_without_chunks(_without_commands(steps, still_fails), still_fails))


def recounted(steps: list[Step]) -> list[Step]:
    """The same with the genesis record announcing as many records as there are."""
    following, done = 0, list(steps)
    for number in reversed(range(len(steps))):
        planned = list(steps[number].planned)
        for index in reversed(range(len(planned))):
            command = planned[index].command
            if isinstance(command, c.Genesis):
                counted = msgspec.structs.replace(command, records_following=following)
                planned[index] = planned[index]._replace(command=counted)
                done[number] = steps[number]._replace(planned=tuple(planned))
                return done
            following += isinstance(command, ac.AdminCommand) and command.session_id == 0
    return done


def _without_chunks(steps: list[Step], still_fails: Callable[[list[Step]], bool]) -> list[Step]:
    size = max(len(steps) // 2, 1)
    while True:
        start = 0
        while start < len(steps):
            candidate = steps[:start] + steps[start + size :]
            if still_fails(candidate):
                steps = candidate
            else:
                start += size
        if size == 1:
            return steps
        size //= 2


def _without_commands(steps: list[Step], still_fails: Callable[[list[Step]], bool]) -> list[Step]:
    for number in range(len(steps)):
        index = 0
        while index < len(steps[number].planned):
            step = steps[number]
            fewer = step._replace(planned=step.planned[:index] + step.planned[index + 1 :])
            candidate = [*steps[:number], fewer, *steps[number + 1 :]]
            if still_fails(candidate):
                steps = candidate
            else:
                index += 1
    return steps


def scenario_of(steps: list[Step]) -> str:
    """The sequence as a scenario file."""
    oracle = Engine()
    filled: list[list[c.Command]] = []
    for index, step in enumerate(steps, 1):
        filled.append(fill_in(step, oracle._venue))
        oracle.apply(index, pack(step, oracle._venue))
    return as_scenario(steps, filled)
