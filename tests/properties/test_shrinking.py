"""Short sequences drawn by hypothesis, so that a disagreement shrinks to its core.

The venue is the one of the scenarios; what is drawn is small and meets often.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms.messages import commands as c
from oms.messages.enums import OUCH_POLICY, Phase, Policy
from tests.properties.compare import engine_factory
from tests.properties.comparison import Comparison, EngineDisagreement
from tests.properties.minimise import scenario_of
from tests.properties.steps import Planned, Step
from tests.scenarios import world

EXAMPLES = 300
NEVER = world.NOT_AFTER_NS

people = st.integers(2, 4)
refs = st.integers(1, 12)
policies = st.sampled_from((OUCH_POLICY, Policy.KEEPS_PRIORITY_ON_REDUCE, Policy(0)))
prices = st.integers(995, 1005).map(lambda cents: cents * 100)
qtys = st.one_of(st.integers(1, 30), st.sampled_from((0, 10, 100, 9_999, 20_000)))
times_in_force = st.sampled_from((1, 1, 1, 2, 3, 4))


def _new_order(
    person: int, ref: int, instrument: int, side: int, ord_type: int, tif: int, qty: int, price: int
) -> c.Command:
    return c.NewOrder(
        person, 0, 0, NEVER, OUCH_POLICY, ref, person - 1, instrument, side, ord_type, tif, qty,
        price, b"", b"", ord("Y"), ord("A"), ord("N"), ord("N"),
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
    st.sampled_from((2, 2, 2, 1)), times_in_force, qtys, prices,
)  # fmt: skip
replaces = st.builds(_replace, people, policies, refs, refs, times_in_force, qtys, prices)
cancels = st.builds(_cancel, people, policies, refs, st.sampled_from((0, 0, 1, 5, 20)))
phases = st.builds(
    c.SetPhase, st.just(1), st.just(0), st.just(0), st.just(NEVER), st.integers(0, 2),
    st.sampled_from((Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.HALTED, Phase.CLOSED)),
)  # fmt: skip
days = st.sampled_from(
    (c.EndDay(1, 0, 0, NEVER), c.StartDay(1, 0, 0, NEVER, 20260106, world.MIDNIGHT_NS))
)
logins = st.builds(c.Login, st.integers(1, 4), st.integers(1, 3), st.sampled_from((7, 8)))
commands = st.one_of(orders, orders, orders, replaces, replaces, cancels, phases, days, logins)
entries = st.lists(commands, min_size=0, max_size=4)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(entries, min_size=1, max_size=25))
def test_short_sequences_agree(batches: list[list[c.Command]]) -> None:
    """What a random log may hide among a thousand commands shows here in three."""
    comparison = Comparison(engine_factory(), restore_every=5, state_every=4)
    steps = [Step(world.START_NS, raw=entry) for entry in world.opening_entries(world.Setup())]
    for number, batch in enumerate(batches, 1):
        planned = tuple(Planned(command) for command in batch)
        steps.append(Step(world.START_NS + number, planned))
    try:
        for step in steps:
            comparison.apply(step)
        comparison.check_state()
    except EngineDisagreement as error:
        message = f"{error}\n\n{scenario_of(steps)}"
        raise AssertionError(message) from error
