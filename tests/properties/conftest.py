"""A million commands beside the other tests: begun when pytest begins, awaited at its end.

The comparison costs what the oracle costs, a minute or two of one core; most tests leave one idle.
It gives way to everything else, and runs only where its test was chosen.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TEST: Final = "test_a_million_commands_agree"
COMMANDS: Final = 1_000_000
SEED: Final = "1"  # others by QUORATE_SEED, or `python -m tests.properties.compare`
STATE_EVERY: Final = 350  # entries: about a thousand commands
_RUN: Final = pytest.StashKey["subprocess.Popen[str]"]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Its test is the last one."""
    items.sort(key=lambda item: item.name == TEST)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin, if it was chosen."""
    if session.config.option.collectonly or not any(i.name == TEST for i in session.items):
        return
    seed = os.environ.get("QUORATE_SEED", SEED)
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
