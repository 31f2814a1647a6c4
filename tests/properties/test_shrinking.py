"""20,000 steps drawn by hypothesis, so that a disagreement shrinks to its core.

The venue is the one of the scenarios; what is drawn is small and meets often.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, KillScope, Phase, Policy
from tests.properties.compare import engine_factory
from tests.properties.comparison import Comparison, EngineDisagreement
from tests.properties.minimise import scenario_of
from tests.properties.steps import Planned, Step
from tests.scenarios import world

STEPS = 20_000
STEPS_OF_ONE = 50  # then a new venue
NEVER = world.NOT_AFTER_NS

people = st.integers(2, 4)
refs = st.integers(1, 12)
policies = st.sampled_from((OUCH_POLICY, Policy.KEEPS_PRIORITY_ON_REDUCE, Policy(0)))
prices = st.integers(995, 1005).map(lambda cents: cents * 100)
qtys = st.one_of(st.integers(1, 30), st.sampled_from((0, 10, 100, 9_999, 20_000)))
times_in_force = st.sampled_from((1, 1, 1, 2, 3, 4, 5, 6))
more = st.sampled_from((
    {}, {}, {}, {"min_qty": 5}, {"display_qty": 3}, {"post_only": 1}, {"post_only": 2},
    {"expire_ns": 40}, {"expire_ns": world.START_NS + 40},
    *({"self_trade": mode} for mode in range(1, 5)),
))  # fmt: skip


def _new_order(
    person: int, ref: int, instrument: int, side: int, ord_type: int, tif: int, qty: int,
    price: int, more: dict[str, int],
) -> c.Command:  # fmt: skip
    return c.NewOrder(
        person, 0, 0, NEVER, OUCH_POLICY, ref, person - 1, instrument, side, ord_type, tif, qty,
        price, b"", b"", ord("Y"), ord("A"), ord("N"), ord("N"), **more,
    )  # fmt: skip


def _replace(
    person: int, policy: int, orig: int, ref: int, tif: int, qty: int, price: int
) -> c.Command:
    return c.ReplaceOrder(
        person, 0, 0, NEVER, policy, orig, ref, tif, qty, price, b"", ord("Y"), ord("N")
    )


def _cancel(person: int, policy: int, ref: int, qty: int) -> c.Command:
    return c.CancelOrder(person, 0, 0, NEVER, policy, ref, qty)


orders = st.builds(
    _new_order, people, refs, st.sampled_from((1, 1, 2, 3)), st.sampled_from((1, 2, 1, 2, 5, 3)),
    st.sampled_from((2, 2, 2, 1, 5)), times_in_force, qtys, prices, more,
)  # fmt: skip
replaces = st.builds(_replace, people, policies, refs, refs, times_in_force, qtys, prices)
cancels = st.builds(_cancel, people, policies, refs, st.sampled_from((0, 0, 1, 5, 20)))
phases = st.builds(
    ac.SetPhase, st.just(1), st.just(0), st.just(0), st.just(NEVER), st.integers(0, 2),
    st.sampled_from((*[Phase.CONTINUOUS] * 6, *Phase)),
)  # fmt: skip
days = st.sampled_from(
    (ac.EndDay(1, 0, 0, NEVER), ac.StartDay(1, 0, 0, NEVER, 20260106, world.MIDNIGHT_NS))
)
mass_cancels = st.builds(
    c.MassCancel, people, st.just(0), st.just(0), st.just(NEVER),
    st.sampled_from((OUCH_POLICY, Policy.WHOLE_ACCOUNT)), refs, st.integers(0, 3),
    st.integers(0, 2), st.sampled_from((0, 1, 2, 5)), st.just(b""),
)  # fmt: skip
kills = st.builds(
    ac.SetKill, st.just(1), st.just(0), st.just(0), st.just(NEVER), st.sampled_from(KillScope),
    st.integers(0, 3), st.sampled_from((0, 0, 1)),
)  # fmt: skip
logouts = st.builds(c.Logout, st.integers(2, 4), st.just(0))
logins = st.builds(c.Login, st.integers(1, 4), st.integers(1, 3), st.sampled_from((7, 8)))
commands = st.one_of(
    orders, orders, orders, orders, replaces, replaces, cancels, phases, days, logins, logouts,
    mass_cancels, kills,
)  # fmt: skip
entries = st.lists(commands, min_size=0, max_size=4)


class BothEngines(RuleBasedStateMachine):
    """The venue of the scenarios; what is drawn goes to both engines, which must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.comparison = Comparison(engine_factory(), state_every=4)
        self.steps: list[Step] = []
        for entry in world.opening_entries(world.Setup()):
            self.take(Step(world.START_NS, raw=entry))

    def take(self, step: Step) -> None:
        """One log entry."""
        self.steps.append(step)
        self.agree(partial(self.comparison.apply, step))

    def agree(self, compare: Callable[[], None]) -> None:
        """A disagreement is told as a scenario file."""
        try:
            compare()
        except EngineDisagreement as error:
            message = f"{error}\n\n{scenario_of(self.steps)}"
            raise AssertionError(message) from error

    @rule(batch=entries)
    def entry(self, batch: list[c.Command]) -> None:
        """An entry, perhaps without commands."""
        _counted["steps"] += 1
        at_ns = world.START_NS + len(self.steps)
        self.take(Step(at_ns, tuple(Planned(command) for command in batch)))

    @rule()
    def restart(self) -> None:
        """Go on from a snapshot."""
        _counted["steps"] += 1
        self.agree(self.comparison.restart_from_snapshot)

    def teardown(self) -> None:
        """The whole state at the end."""
        self.agree(self.comparison.check_state)


_counted: Counter[str] = Counter()


@pytest.mark.property
@pytest.mark.timeout(600)
def test_short_sequences_agree() -> None:
    """What a random log may hide among a thousand commands shows here in three."""
    _counted.clear()
    run_state_machine_as_test(
        BothEngines,
        settings=settings(
            max_examples=STEPS // STEPS_OF_ONE + 50,  # some end early
            stateful_step_count=STEPS_OF_ONE,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    print(dict(_counted))
    assert _counted["steps"] >= STEPS
