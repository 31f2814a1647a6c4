"""Long random logs: the core against the oracle, event by event, with restarts from snapshots.

The seeds of a run are printed; `QUORATE_SEED` repeats one, and
`python -m tests.properties.compare` runs any number of commands.
"""

import os
import random

import pytest

from oms.reference.engine import Engine
from tests.properties.compare import compare_one_venue, engine_factory
from tests.properties.comparison import Comparison, EngineDisagreement, EngineFactory, Mix
from tests.properties.generator import Generator
from tests.scenarios.play import Player

FRESH_SEED = os.environ.get("QUORATE_SEED") or str(random.SystemRandom().getrandbits(32))
COMMANDS = 2_000
VENUES = 6
DEEP_SEEDS = ("deep.a", "deep.b")
DEEP_TRIES = 8  # venues of one seed, until one is deep
DEEP_COMMANDS = 6_000
DEEP_LEVELS = 64
MUST_HAPPEN = (
    "TRADE", "ORDER_REPLACED", "ORDER_CANCELED CLOSED", "ORDER_CANCELED COLLAR",
    "ORDER_CANCELED IOC_REMAINDER", "ORDER_CANCELED USER", "ALREADY_APPLIED", "GAP",
    "COMMAND_EXPIRED", "DAY_ENDED", "ORDER_REJECTED CAPACITY", "ORDER_REJECTED INSUFFICIENT_CASH",
    "ORDER_REJECTED INSUFFICIENT_SHARES", "ORDER_REJECTED POSITION_LIMIT",
    "ORDER_REJECTED PRICE_COLLAR", "MASS_CANCEL_DONE", "ORDER_CANCELED SUPERVISORY",
    "ORDER_CANCELED SELF_TRADE", "ORDER_CANCELED POST_ONLY", "ORDER_REJECTED BAD_MIN_QTY",
    "ORDER_CANCELED TIMEOUT", "ORDER_REJECTED BAD_EXPIRE_TIME", "ORDER_REJECTED ENTRY_OFF",
    "ENTRY_ENABLED", "ORDER_REJECTED RESTRICTED",
    "ORDER_CANCELED SYSTEM DISCONNECTED", "entries that are no batch",
)  # fmt: skip


@pytest.mark.property
@pytest.mark.parametrize("seed", ["1", "2", "3", "4", FRESH_SEED], ids=str)
def test_core_does_what_the_oracle_does(seed: str) -> None:
    """Two implementations of docs/rules.md by different hands agree on every byte."""
    print(f"seed {seed}")
    make_engine = engine_factory()
    for number in range(VENUES):
        compare_one_venue(f"{seed}.{number}", COMMANDS, make_engine)


@pytest.mark.property
@pytest.mark.parametrize("seed", DEEP_SEEDS)
def test_deep_books_agree(seed: str) -> None:
    """More price levels than fit a piece of the core's ladder: where pieces split, merge, empty."""
    levels = number = 0
    while levels <= DEEP_LEVELS and number < DEEP_TRIES:
        number += 1
        generator = Generator(random.Random(f"{seed}.{number}"), must_be_deep=True)
        comparison = Comparison(engine_factory(), restore_every=400, state_every=64)
        while comparison.commands < DEEP_COMMANDS:
            comparison.apply(generator.next_step(comparison.oracle._venue))
            for book in comparison.oracle._venue.books:
                levels = max(levels, len(book.bids), len(book.asks))
    assert levels > DEEP_LEVELS


@pytest.mark.property
def test_oracle_goes_on_from_its_own_snapshot() -> None:
    """The oracle runs as a shadow in production, so its snapshots must be exact too."""
    for number in range(3):
        compare_one_venue(f"snapshot.{number}", COMMANDS, Engine)


@pytest.mark.property
def test_sequences_are_not_trivial() -> None:
    """A generator whose orders never trade or never fail would prove nothing."""
    mix = Mix()
    for number in range(20):
        mix += compare_one_venue(f"mix.{number}", 1_000, Engine)
    missing = [label for label in MUST_HAPPEN if mix[label] == 0]
    assert not missing
    assert mix["TRADE"] > 300


class MistakesCollar(Engine):
    """An engine with a fault: it tells a market order's collar cancel as somebody's own."""

    def events(self) -> bytes:
        """The events, one code of them wrong."""
        data = bytearray(super().events())
        for offset in range(0, len(data), 128):
            if data[offset] == 3 and data[offset + 2] == ord("K"):
                data[offset + 2] = ord("U")
        return bytes(data)


def _first_disagreement(make_engine: EngineFactory) -> str:
    for number in range(20):
        try:
            compare_one_venue(f"wrong.{number}", 1_000, make_engine)
        except EngineDisagreement as error:
            return str(error)
    pytest.fail("a wrong engine passed 20,000 commands")


@pytest.mark.property
def test_a_wrong_engine_is_found_and_the_case_is_short() -> None:
    """The comparison must be able to fail, and what it prints must be readable."""
    text = _first_disagreement(MistakesCollar)
    assert "COLLAR" in text
    scenario = text[text.index("empty\n") :]
    assert Player(Engine()).play(scenario) != Player(MistakesCollar()).play(scenario)
    assert text.count("raw NewOrder") <= 5
