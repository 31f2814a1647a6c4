"""A short loop of random kills on our parts; longer ones, and the library's, are a command."""

from pathlib import Path

import pytest

from tests.findings.kill_loop import play

pytestmark = pytest.mark.integration


def test_random_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """All thirteen at once, and what nobody has thought of; the seed is that of the command."""
    outcome = play("ours", seed=1, seconds=5.0, folder=tmp_path, progress=100)
    assert outcome.kills
    assert outcome.acknowledged >= 100
    assert outcome.is_right, outcome
