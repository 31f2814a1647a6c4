"""Tables on the command line: as wide as their content, never cut (a cut digest is no digest).

What is printed about a venue fits a terminal of 80 columns, as long as its numbers are of ordinary
size: no lines between columns, and two tables rather than a wide one.

Called by the verbs that print.
"""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH_MAX: Final = 1_000


def table(title: str, columns: Sequence[str], *, left: int = 1, caption: str = "") -> Table:
    """An empty table; the first `left` columns are words, the others numbers."""
    made = Table(
        title=title or None,
        title_justify="left",
        caption=caption or None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
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
