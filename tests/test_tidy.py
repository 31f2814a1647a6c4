"""The house rules hold in the whole tree; a rule that stands outside the tests is forgotten."""

from pathlib import Path

from scripts import tidy

ROOT = Path(__file__).parent.parent


def test_no_file_breaks_a_house_rule() -> None:
    """A finding names the rule's place and what to write instead; that is the failure's text."""
    found = tidy.check_tree(ROOT)
    assert not found, "\n" + "\n".join(map(str, found))
