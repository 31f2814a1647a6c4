"""Every file of `matching/` on both engines: the rule book that a newcomer reads, kept true."""

import importlib
from pathlib import Path

import pytest

from tests.scenarios.play import difference

FILES = sorted((Path(__file__).parent / "matching").glob("*.scn"))
ENGINES = {"reference": "oms.reference.engine", "core": "oms._core.engine"}


@pytest.mark.scenario
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario_says_what_happens(path: Path, engine: str) -> None:
    """Both engines do exactly what the file says, event by event."""
    make_engine = importlib.import_module(ENGINES[engine]).Engine
    mismatch = difference(path, make_engine)
    assert not mismatch, f"{path.name} on {engine}:\n{mismatch}"


def test_there_are_scenarios() -> None:
    """An empty folder would pass everything."""
    assert len(FILES) >= 30
