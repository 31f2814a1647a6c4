"""Faults as changes of the engine's source, all of them in one copy, each behind its number.

Called by the group `engine`. A change is told by the text it replaces; in the copy both texts
stand, and the environment variable QUORATE_FAULT says which number is on. So one build serves all
faults, and the build that trades has none of them. Promises: a text that does not stand in its file
exactly once is an error (`StaleFault`), never a fault that is quietly not there.
"""

import re
import textwrap
from pathlib import Path
from typing import Final, NamedTuple

FAULT_VARIABLE: Final = "QUORATE_FAULT"
_INDENTS: Final = (4, 8, 12, 16, 20, 24, 28)

_SWITCH_H: Final = f"""
static int quorate_fault_number;
__attribute__((constructor)) static void quorate_read_fault(void)
{{
    const char *number = getenv("{FAULT_VARIABLE}");
    quorate_fault_number = number ? atoi(number) : 0;
}}
#define QUORATE_FAULT(number) (quorate_fault_number == (number))

#endif
"""
_SWITCH_PXD: Final = '    bint FAULT "QUORATE_FAULT"(int number) noexcept\n'


class StaleFault(Exception):
    """The source has changed: the text that a fault replaces is not there exactly once."""


class Change(NamedTuple):
    """One fault of the engine.

    Shape: name; what it is; the file in oms/_core; the text as it is; the text instead. `within`: a
    longer text that stands once and has `old` in it once; then both are expressions. Else whole
    lines, without their common indentation.
    """

    name: str
    what: str
    file: str
    old: str
    new: str
    within: str = ""


def plant(core: Path, changes: list[Change]) -> None:
    """Change the sources in `core`; fault number n is `changes[n - 1]`. Raises: StaleFault."""
    for number, change in enumerate(changes, 1):
        path = core / change.file
        put = _put_expression if change.within else _put_lines
        path.write_text(put(path.read_text(), change, number))
    for name in sorted({change.file for change in changes}):
        path = core / name
        path.write_text(_importing(path.read_text()))
    header = core / "machine.h"
    body, _, _ = header.read_text().rpartition("#endif")
    header.write_text(body + _SWITCH_H)
    names = core / "machine.pxd"
    names.write_text(names.read_text() + _SWITCH_PXD)


def _importing(text: str) -> str:
    """With the switch's name, in front of the first import."""
    first = re.search(r"^(from [\w.]+ cimport|cimport) ", text, re.MULTILINE)
    at = first.start() if first else 0
    return f"{text[:at]}from oms._core.machine cimport FAULT\n{text[at:]}"


def _put_expression(text: str, change: Change, number: int) -> str:
    if text.count(change.within) != 1 or change.within.count(change.old) != 1:
        raise StaleFault(_stale(change, text.count(change.within)))
    both = f"(({change.new}) if FAULT({number}) else ({change.old}))"
    if change.new == "0":  # whatever it was, a number or a truth: both would make it an object
        both = f"(({change.old}) * (not FAULT({number})))"
    elif change.new == "1":
        both = f"(({change.old}) | FAULT({number}))"
    return text.replace(change.within, change.within.replace(change.old, both))


def _put_lines(text: str, change: Change, number: int) -> str:
    old = textwrap.dedent(change.old).strip("\n") + "\n"
    new = textwrap.dedent(change.new).strip("\n") + "\n"
    found: list[tuple[int, int]] = []  # place, indentation
    for indent in _INDENTS:
        wanted = textwrap.indent(old, " " * indent)
        found += [
            (match.start() + 1, indent) for match in re.finditer(re.escape("\n" + wanted), text)
        ]
    if len(found) != 1:
        raise StaleFault(_stale(change, len(found)))
    at, indent = found[0]
    end = at + len(textwrap.indent(old, " " * indent))
    either = f"if FAULT({number}):\n{_deeper(new)}else:\n{_deeper(old)}"
    return text[:at] + textwrap.indent(either, " " * indent) + text[end:]


def _deeper(text: str) -> str:
    return textwrap.indent(text, " " * 4)


def _stale(change: Change, count: int) -> str:
    text = change.within or change.old
    return (
        f"the fault {change.name!r} is stale: in {change.file} its text stands {count} times, not "
        f"once; bring it up to date or choose another\n{textwrap.dedent(text)}"
    )
