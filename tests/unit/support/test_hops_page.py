"""The page and the tests of each hop: one list, kept in two places."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "exactly_once.md").read_text(encoding="utf-8")
TESTS = ROOT / "tests" / "integration"
NAMED = re.compile(r"^\|.*\| `(test_\w+)` \|$", re.MULTILINE)


def names_in(pattern: str) -> list[str]:
    """Names of the tests in these files."""
    return [
        node.name
        for path in sorted(TESTS.glob(pattern))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def test_every_test_that_the_page_names_exists() -> None:
    """A name that leads nowhere is a promise that nobody checks."""
    named = NAMED.findall(PAGE)
    assert len(named) == len(set(named))
    assert sorted(set(named) - set(names_in("test_*.py"))) == []


def test_every_test_of_a_hop_is_on_the_page() -> None:
    """And what is checked is said."""
    made = names_in("test_hops_*.py")
    assert len(made) == len(set(made))
    assert sorted(set(made) - set(NAMED.findall(PAGE))) == []
