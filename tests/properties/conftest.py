"""A million commands beside the other tests: begun when pytest begins, awaited at its end.

The comparison costs what the oracle costs, a minute or two of one core; most tests leave one idle.
It gives way to everything else, and runs only where its test was chosen.
"""

import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TEST: Final = "test_a_million_commands_agree"
COMMANDS: Final = 1_000_000
SOURCES: Final = ("oms/_core/*.p*", "oms/_core/*.h", "oms/reference/*.py", "tests/properties/*.py")
STATE_EVERY: Final = 350  # entries: about a thousand commands
_RUN: Final = pytest.StashKey["subprocess.Popen[str]"]()


def seed_of_the_sources() -> str:
    """Every change of the engine, the oracle or the generator is driven with commands of its own,
    and what failed for somebody fails for everybody who has the same sources.
    """
    crc = 0
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            crc = zlib.crc32(path.read_bytes(), crc)
    return str(crc)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Its test is the last one."""
    items.sort(key=lambda item: item.name == TEST)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin, if it was chosen."""
    if session.config.option.collectonly or not any(i.name == TEST for i in session.items):
        return
    seed = os.environ.get("QUORATE_SEED") or seed_of_the_sources()
    session.config.stash[_RUN] = subprocess.Popen(
        [
            "nice", "-n", "19", sys.executable, "-m", "tests.properties.compare", "--seed", seed,
            "--commands", str(COMMANDS), "--state-every", str(STATE_EVERY), "--processes", "2",
        ],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def pytest_unconfigure(config: pytest.Config) -> None:
    """Whoever is interrupted leaves nothing behind."""
    run = config.stash.get(_RUN, None)
    if run is not None and run.poll() is None:
        run.kill()
        run.communicate()


@pytest.fixture
def million(pytestconfig: pytest.Config) -> "subprocess.Popen[str]":
    """The run."""
    return pytestconfig.stash[_RUN]
