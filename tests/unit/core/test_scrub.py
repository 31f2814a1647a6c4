"""Slices of the state: alike in core and oracle, bounded, and together they cover everything."""

import random

import pytest

from oms._core.engine import Engine as Core
from oms.messages.commands import Command
from oms.messages.enums import Side
from oms.messages.packing import pack_batch
from oms.reference import scrub
from oms.reference.engine import Engine
from tests.support.node_parts import NOW_NS, genesis, login, order


def engines() -> tuple[Engine, Core]:
    """Both with the same history: orders on two sides, some executed, freed slots."""
    oracle, core = Engine(), Core()
    draw = random.Random(7)
    batches = [*genesis(), pack_batch(NOW_NS + 1, [login()])]
    for number in range(1, 60):
        side = draw.choice([Side.BUY, Side.SELL])
        commands: list[Command] = [order(number, side=side, account_id=draw.choice([1, 2]))]
        batches.append(pack_batch(NOW_NS + 1 + number, commands))
    for log_index, batch in enumerate(batches, start=1):
        oracle.apply(log_index, batch)
        core.apply(log_index, batch)
    return oracle, core


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small windows, so that a small venue has several slices (of the oracle alone)."""
    monkeypatch.setattr(scrub, "SLOTS", 3)
    monkeypatch.setattr(scrub, "ENTITIES", 2)
    monkeypatch.setattr(scrub, "HEAVY", 1)


def test_core_and_oracle_hash_the_same_words() -> None:
    oracle, core = engines()
    for step in (0, 1, 5, 1 << 40):
        assert oracle.scrub_digest(step) == core.scrub_digest(step)
    restored = Core()
    restored.restore(core.snapshot())
    assert restored.scrub_digest(3) == core.scrub_digest(3)


@pytest.mark.parametrize("part", ["order", "free slot", "cash", "shares", "window", "symbol"])
def test_a_change_anywhere_is_in_some_step(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """What no slice shows would be a place where replicas may differ unseen."""
    oracle, _ = engines()
    narrow(monkeypatch)
    steps = range(40)
    before = [oracle.scrub_digest(step) for step in steps]
    assert [oracle.scrub_digest(step) for step in steps] == before
    venue = oracle._venue
    if part == "order":
        next(iter(venue.live.values())).cum += 1
    elif part == "free slot":
        assert len(venue.free_slots) > 1
        venue.free_slots.reverse()
    elif part == "cash":
        venue.accounts[-1].balances[0].cash += 1
    elif part == "shares":
        next(iter(reversed(venue.positions.values()))).qty += 1
    elif part == "window":
        venue.sessions[-1].window[1] += 1
    else:
        venue.instruments[-1].last_price += 1
    after = [oracle.scrub_digest(step) for step in steps]
    assert after != before


def test_windows_turn_through_every_id_and_never_beyond() -> None:
    for count in (0, 1, 2, 3, 7, 12):
        seen = {number for step in range(20) for number in scrub.window_at(step, count, 3)}
        assert seen == set(range(1, count + 1))
        assert all(len(scrub.window_at(step, count, 3)) <= 3 for step in range(20))
