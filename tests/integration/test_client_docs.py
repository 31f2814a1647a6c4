"""The tutorial's code blocks, run one after the other against a real venue."""

import re
from pathlib import Path

import pytest

from oms.local.samples import GUEST, demo_config
from oms.local.venue import LocalVenue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"


def test_the_code_of_the_tutorial_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Words about code are only true while it runs."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    config = demo_config(1)
    with LocalVenue.temporary(config) as venue:
        names: dict[str, object] = {
            "addresses": venue.gateway_addresses,
            "password": next(user.password for user in config.users if user.name == GUEST),
            "nodes": venue.nodes,
            "keys": venue.keys,
        }
        for number, block in enumerate(blocks, start=1):
            exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("LIVE ")
    assert said[1] == "2 CANCELED"
    assert "UNKNOWN_INSTRUMENT" in said[2]
    assert said[-2] == "['CANCELED', 'CANCELED', 'CANCELED']"
    assert said[-1].startswith("BookTop(symbol='ALDER'")
