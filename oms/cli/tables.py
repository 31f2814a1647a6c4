"""Tables on the command line: as wide as their content, never cut (a cut digest is no digest).

Called by the verbs that print.
"""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

WIDTH_MAX: Final = 1_000


def table(title: str, columns: Sequence[str], *, left: int = 1, caption: str = "") -> Table:
    """An empty table; the first `left` columns are words, the others numbers."""
    made = Table(
        title=title or None, title_justify="left", caption=caption or None, caption_justify="left"
    )
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number < left else "right", no_wrap=True)
    return made


def print_tables(*tables: Table) -> None:
    """Print them at full width; a narrow terminal wraps the lines."""
    unbounded = Console(width=WIDTH_MAX)
    for made in tables:
        width = unbounded.measure(made).maximum
        Console(width=width).print(made)
