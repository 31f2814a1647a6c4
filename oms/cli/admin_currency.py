"""`oms admin currency`: which money there is, and what it is worth for exposure limits.

Called by `admin.py`, which puts these verbs beside its own. The work is in
`admin_currency_work.py`, imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Currencies.", no_args_is_help=True, rich_markup_mode=None)

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Code = Annotated[str, typer.Argument(help="Three letters, ISO 4217.")]
RATE_HELP = "What one unit is worth in the venue's first currency."


@app.command()
def add(
    code: Code, data: Data, rate: Annotated[str | None, typer.Option(help=RATE_HELP)] = None
) -> None:
    """Add a currency.

    The first one that is added names the venue's own money; it has no rate.
    """
    from oms.cli import admin_currency_work as work

    work.add(data, code, rate)


@app.command("rate")
def set_rate(code: Code, rate: Annotated[str, typer.Argument(help=RATE_HELP)], data: Data) -> None:
    """Say what a currency is worth.

    It counts from now on, and for limits of exposure alone: nothing is ever exchanged.
    """
    from oms.cli import admin_currency_work as work

    work.set_rate(data, code, rate)
