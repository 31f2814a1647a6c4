"""The rule book's list of scenarios, against the files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests" / "scenarios" / "matching").glob("*.scn"))
LINK = re.compile(r"\[(\w+)\]\(\.\./tests/scenarios/matching/(\w+)\.scn\)")


def test_every_scenario_is_named_in_the_rules_once() -> None:
    """A rule without its example is a claim; a file that nobody finds is no rule book."""
    rules = (ROOT / "docs" / "rules.md").read_text()
    named = LINK.findall(rules)
    assert [name for name, file in named if name != file] == []
    missing = "name it in docs/rules.md, Scenarios"
    assert sorted(file for _, file in named) == [path.stem for path in FILES], missing


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_scenario_begins_with_what_it_shows(path: Path) -> None:
    """The first line is what a reader of the list wants to know."""
    first = path.read_text().partition("\n")[0]
    assert re.fullmatch(r"# [A-Z].*[^ ]", first), first
