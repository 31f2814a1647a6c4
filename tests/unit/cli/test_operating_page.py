"""docs/operating.md: every procedure has a test, and every place that refusals name exists."""

import re

from tests.support.procedures import PAGE, ROOT, procedures

TESTS = ROOT / "tests" / "integration"
_FOLLOWED = re.compile(r"\.follow\(\s*\"([^\"]+)\"")
_NAMED = re.compile(r"docs/operating\.md, ([A-Z][\w .,']+?)\"")


def test_every_procedure_is_executed_by_a_test() -> None:
    """Words that nobody has tried are believed at three in the morning, too."""
    followed = {
        title
        for path in sorted(TESTS.glob("test_procedures_*.py"))
        for title in _FOLLOWED.findall(path.read_text(encoding="utf-8"))
    }
    described = procedures(PAGE.read_text(encoding="utf-8"))
    # The fixture of all of them begins with it.
    assert followed | {"Start a venue"} == set(described)


def test_every_procedure_has_commands() -> None:
    """A heading among them that tells nothing to type would be executed by doing nothing."""
    for title, steps in procedures(PAGE.read_text(encoding="utf-8")).items():
        assert steps, title


def test_every_place_that_a_refusal_names_is_there() -> None:
    """The fourth line of a refusal says where to read."""
    headings = set(re.findall(r"^#{2,3} (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (path.name, title)
        for folder in ("oms", "gateways")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for title in _NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert {title for _, title in named} <= headings, named


def test_every_place_that_the_page_itself_names_is_there() -> None:
    """The table of an incident leads somewhere."""
    page = PAGE.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#{2,3} (.+)$", page, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


def test_the_pages_parser_reads_what_it_should() -> None:
    """Commands, exit codes and output; blocks of other kinds and other chapters are left out."""
    page = (
        "# Page\n\n## Procedures\n\n### One\n\n"
        "```console\n$ a   # exit code 4\nx\n...\n$ b | c\n```\n"
        "\n```\n$ not this\n```\n\n### Two\n\n```console\n$ d\n```\n\n## Other\n\n### Three\n"
    )
    found = procedures(page)
    assert list(found) == ["One", "Two"]
    assert [(s.command, s.exit_code, s.prints) for s in found["One"]] == [
        ("a", 4, ("x", "...")),
        ("b | c", 0, ()),
    ]
